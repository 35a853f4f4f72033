"""What clients of the control socket can ask for: the requests of `docs/control.md`.

    Request(do="send", to="bob@CIC", text="oi")  ->  {"to":"bob@CIC","msg_id":"…",…}
    Request(do="links")                          ->  RequestError("unknown_request", …)

Rules: no I/O. The table `REQUESTS` is all there is. Names and meanings are stable: a request or a
field of an answer may be added, none is renamed or taken away.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from msgspec import to_builtins
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat import __version__
from p2pchat.console.commands.table import Commands
from p2pchat.console.replies import Reply
from p2pchat.console.reports import link_rows, peer_rows, round_trip_rows
from p2pchat.control.feed import EventFeed
from p2pchat.control.keys import KeyRequests, own_key
from p2pchat.control.long_answers import LongAnswers
from p2pchat.control.orders import LinkOrders
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.past import PastRequests
from p2pchat.control.protocol import EVENT_KINDS, PROTOCOL
from p2pchat.control.requests import Fields, Request, RequestError, answering
from p2pchat.control.running import CommandRunner
from p2pchat.control.waiting import OutboxRequests
from p2pchat.control.web import PageRequests
from p2pchat.history.records import SECURITIES
from p2pchat.logs.levels import get_level, set_level
from p2pchat.node.figures import statistics
from p2pchat.node.news import Became, InsecureError, News, NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.node.stats import lines
from p2pchat.rendezvous.directory import DirectoryError
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence, sentence_of, spoken
from p2pchat.wire.address import AmbiguousNameError, namespace_of_scope
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import shortened

Answer: TypeAlias = "Fields | Deferred[Fields]"


class Requests:
    """Answers requests to one node.

    `stop` ends the program in order; `reload` reads the settings anew and returns sentences about
    what came of it, None where that cannot be done. A client is known by what goes out to it; call
    `forget` when it is gone.
    """

    def __init__(
        self,
        node: ChatNode,
        clock: IReactorTime,
        *,
        stop: Callable[[], None],
        timestamp: Callable[[], str],
        reload: Callable[[], list[str]] | None = None,
    ) -> None:
        self._node = node
        self._clock = clock
        self._timestamp = timestamp
        self._runners: dict[Outgoing, CommandRunner] = {}
        self._stop = stop
        self._reload = reload
        self.feed = EventFeed(node, clock, timestamp)
        """Who hears what."""
        self._listing = LongAnswers(lambda: True)
        self._keys = KeyRequests(node, self._listing)
        self._past = PastRequests(node, clock, LongAnswers(lambda: True))
        self._outbox = OutboxRequests(node)
        self._links = LinkOrders(node)
        self._page = PageRequests(node)

    def hello(self) -> Fields:
        """What every client is told first."""
        return {
            "event": "hello",
            "protocol": PROTOCOL,
            "version": __version__,
            "peer_id": self._node.me.peer_id,
            "pid": os.getpid(),
        }

    def hears(self, client: Outgoing) -> bool:
        """Whether this client has subscribed to events."""
        return self.feed.has(client)

    def forget(self, client: Outgoing) -> None:
        """This client is gone."""
        self.feed.unsubscribe(client)
        self.begin_anew(client)

    def begin_anew(self, client: Outgoing) -> None:
        """What this client runs from now on is run for somebody who has said nothing yet."""
        runner = self._runners.pop(client, None)
        if runner is not None:
            runner.close()

    def note_said(self, client: Outgoing, where: str, msg_id: str) -> None:
        """This client said something by another way than `run`: its /edit is about that."""
        self._runner(client).note(where, msg_id)

    def answer(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        """Fires with the fields of the answer; fails with a `RequestError` or a fault of ours."""
        return maybeDeferred(self._answer, request, client)

    def _answer(self, request: Request, client: Outgoing) -> Any:
        return answering(REQUESTS, request.do)(self, request, client)

    # ------------------------------------------------------------ messages

    def _send(self, request: Request, _client: Outgoing) -> Answer:
        to, text = request.to, request.text
        if not text:
            raise RequestError("bad_request", Sentence("there is no text to send"))
        if not to.strip():
            sentence = Sentence("a peer is missing: name one, or #namespace, or * for everyone")
            raise RequestError("not_sent", sentence)
        demand = SECURITIES.index(request.security)
        if to.startswith("#") or to == "*":
            if demand:
                sentence = Sentence("what is published goes to everybody in any case")
                raise RequestError("bad_request", sentence)
            return self._publish(to, text)
        to = self.named(to)
        answer: Deferred[Fields] = Deferred()

        def told(news: News) -> None:
            """What is told first is the answer; an event will tell what becomes of it later."""
            if not news.first:
                return
            which = {"to": to, "msg_id": news.msg_id}
            if news.became is Became.DELIVERED:
                answer.callback({**which, "seconds": round(news.seconds, 6)})
            elif news.became is Became.QUEUED:
                sentence = _QUEUED[request.security].but(peer=bracketed(to))
                answer.errback(RequestError("queued", sentence, **which, later=True))
            elif news.became is Became.UNKEPT and (withdrawn := self._withdrawn(news)):
                answer.errback(RequestError("not_delivered", withdrawn, **which, later=False))
            else:
                # Also what could not be kept goes out if it can: who repeats it sends it twice.
                later = not news.over
                answer.errback(
                    RequestError("not_delivered", spoken(news.reason), **which, later=later)
                )

        try:
            self._node.send(to, text, told, security=demand)
        except InsecureError as why:
            raise RequestError("insecure", sentence_of(why), to=to) from None
        except NotSentError as why:
            raise RequestError("not_sent", sentence_of(why)) from None
        return answer

    def _withdrawn(self, news: News) -> Sentence | None:
        """Send a message no more that has no link and could not be kept; why, as a sentence.

        Who hears that it is not sent may say it again, and it would be sent twice. None when the
        past is not known yet: then it is sent as soon as that is read, and stays. So it does while
        the disk does not answer, which may hold it, or not.
        """
        history, outgoing = self._node.history, self._node.outgoing
        message = outgoing.outbox.get(news.msg_id)
        if history is None or not history.ready or history.hangs or message is None:
            return None
        reason = Sentence("it could not be kept ({why}), and is not sent", why=history.why)
        outgoing.outcomes.call_off(message, reason)
        return reason

    def _publish(self, scope: str, text: str) -> Answer:
        try:
            published = self._node.publish(scope, text)
        except NotSentError as why:
            raise RequestError("not_sent", sentence_of(why)) from None
        return {
            "to": scope,
            "msg_id": published.msg_id,
            "peers": published.peers,
            "dropped": published.dropped,
        }

    def named(self, name: str) -> str:
        """The peer_id of the one peer that has this name; one of nobody has to be whole.

        Raises `RequestError`.
        """
        try:
            found = self._node.peers.called(name)
        except AmbiguousNameError as why:
            raise RequestError("not_sent", sentence_of(why)) from None
        if "@" in found:
            return found
        raise RequestError("not_sent", Sentence("no such peer: {peer}", peer=bracketed(name)))

    # ------------------------------------------------------------ questions

    def _status(self, _request: Request, _client: Outgoing) -> Answer:
        node, presence, history = self._node, self._node.presence, self._node.history
        return {
            **{key: value for key, value in self.hello().items() if key != "event"},
            "port": node.port,
            "interface": node.settings.peer.interface or "",
            "uptime_seconds": round(self._clock.seconds() - node.started_at, 1),
            "links": len(node.mesh.links),
            "known_peers": len(node.peers),
            "rendezvous": presence.directory.address,
            "registered": presence.grant is not None,
            "trouble": presence.trouble,
            "history": node.history is not None,
            **own_key(node.trusting),
            "policy": node.settings.security.policy,
            "not_kept": str(history.why) if history is not None and history.failing else "",
            "log_level": get_level(),
        }

    def _peers(self, request: Request, client: Outgoing) -> Answer:
        try:
            namespace = namespace_of_scope(request.scope)
        except ValueError as why:
            raise RequestError("bad_request", sentence_of(why)) from None
        if request.format == "text":
            return client.long_answers.do(lambda: self._text(f"/peers {request.scope}"))
        asked: Deferred[Any] = self._node.presence.discover() if request.ask else succeed(None)

        def rows() -> Deferred[Any]:
            return self._node.mesh.turns.do(peer_rows(self._node.peers, namespace))

        def listed(_: object, trouble: str = "") -> Deferred[Fields]:
            # One list at a time, for this client and for all of them: a long one takes megabytes.
            listing: Deferred[Any] = client.long_answers.do(lambda: self._listing.do(rows))
            return listing.addCallback(lambda rows: {"peers": rows, "trouble": trouble})

        def not_asked(failure: Failure) -> Deferred[Fields]:
            failure.trap(DirectoryError)
            return listed(None, failure.getErrorMessage())

        return asked.addCallbacks(listed, not_asked)

    def _conn(self, request: Request, _client: Outgoing) -> Answer:
        if request.format == "text":
            return self._text("/conn")
        now, wall_now = self._clock.seconds(), self._node.wall()
        rows = link_rows(self._node.peers.connected(), now, wall_now)
        return {"links": to_builtins(rows)}

    def _rtt(self, request: Request, _client: Outgoing) -> Answer:
        if request.format == "text":
            return self._text("/rtt")
        return {"round_trips": to_builtins(round_trip_rows(self._node.peers))}

    def _stats(self, request: Request, _client: Outgoing) -> Answer:
        snapshot = statistics(self._node).snapshot()
        return {"lines": lines(snapshot)} if request.format == "text" else {"stats": snapshot}

    def _text(self, line: str) -> Answer:
        """What the command says on a console."""
        reply = Commands(self._node, self._clock).run(line)
        if isinstance(reply, Reply):
            return {"lines": [*reply.lines]}
        return reply.addCallback(lambda reply: {"lines": [*reply.lines]})

    # ------------------------------------------------------------ events, and a person's lines

    def _subscribe(self, request: Request, client: Outgoing) -> Answer:
        unknown = [kind for kind in request.events if kind not in EVENT_KINDS]
        if unknown:
            known = ", ".join(EVENT_KINDS)
            name = shortened(unknown[0], 40)
            sentence = Sentence(
                'no kind of event "{name}": there are {known}', name=name, known=known
            )
            raise RequestError("bad_request", sentence)
        if request.watching:
            try:
                watching: str | None = self._node.peers.called(request.watching)
            except AmbiguousNameError as why:
                raise RequestError("bad_request", sentence_of(why)) from None
        else:
            watching = None

        def subscribe() -> Fields:
            client.leave_out = request.leave_out
            self.feed.subscribe(
                client, request.events, attended=request.attended, watching=watching
            )
            events = sorted(set(request.events))
            if request.since is None:
                return {"events": events}
            return {"events": events, **self.feed.catch_up(client, request.since, request.run)}

        if request.since is None:
            return subscribe()
        # What it has missed may be much: it comes when there is room for it.
        return client.long_answers.do(subscribe)

    def _unsubscribe(self, _request: Request, client: Outgoing) -> Answer:
        self.feed.unsubscribe(client)
        return {}

    def _run(self, request: Request, client: Outgoing) -> Answer:
        runner, where = self._runner(client), request.conversation
        return runner.run(request.line, script=request.script, where=where)

    def _settle(self, _request: Request, client: Outgoing) -> Answer:
        return self._runner(client).settle()

    def _runner(self, client: Outgoing) -> CommandRunner:
        """What runs the lines of this client."""
        if client not in self._runners:
            self._runners[client] = CommandRunner(self._node, self._clock, client, self._timestamp)
        return self._runners[client]

    # ------------------------------------------------------------ orders

    def _log(self, request: Request, _client: Outgoing) -> Answer:
        try:
            set_level(request.level)
        except ValueError as why:
            raise RequestError("bad_request", sentence_of(why)) from None
        return {"level": get_level()}

    def _reload_settings(self, _request: Request, _client: Outgoing) -> Answer:
        if self._reload is None:
            raise RequestError("refused", Sentence("this node has nothing to reload"))
        try:
            return {"lines": self._reload()}
        except ConfigError as why:
            raise RequestError("refused", sentence_of(why)) from None

    def _stop_node(self, _request: Request, _client: Outgoing) -> Answer:
        # The answer leaves first.
        self._clock.callLater(0, self._stop)
        return {}


_QUEUED: Final = {
    "plain": Sentence("{peer} is not connected: it is kept, and sent when it is"),
    "encrypted": Sentence(
        "{peer} is not connected: it is kept, and sent when it is, on a link that is encrypted"
    ),
    "verified": Sentence(
        "{peer} is not connected: it is kept, and sent when it is, on a link that is verified"
    ),
}

REQUESTS: Final[dict[str, Callable[[Requests, Request, Outgoing], Answer]]] = {
    "send": Requests._send,
    "status": Requests._status,
    "peers": Requests._peers,
    "conn": Requests._conn,
    "rtt": Requests._rtt,
    "stats": Requests._stats,
    "keys": lambda on, request, client: on._keys.list(request, client),
    "verify": lambda on, request, _: on._keys.verify(request),
    "pair": lambda on, request, _: on._keys.pair(request),
    "trust": lambda on, request, _: on._keys.trust(request),
    "forget_key": lambda on, request, _: on._keys.forget(request),
    "history": lambda on, request, client: on._past.history(request, client),
    "search": lambda on, request, client: on._past.search(request, client),
    "conversations": lambda on, request, client: on._past.conversations(request, client),
    "read": lambda on, request, _: on._past.read(request),
    "forget": lambda on, request, _: on._past.forget(request),
    "outbox": lambda on, request, _: on._outbox.list(request),
    "cancel": lambda on, request, _: on._outbox.cancel(request),
    "reconnect": lambda on, _request, _client: on._links.reconnect(),
    "block": lambda on, request, _: on._links.block(request),
    "unblock": lambda on, request, _: on._links.unblock(request),
    "subscribe": Requests._subscribe,
    "unsubscribe": Requests._unsubscribe,
    "run": Requests._run,
    "settle": Requests._settle,
    "web": lambda on, request, _: on._page.web(request),
    "log": Requests._log,
    "reload": Requests._reload_settings,
    "stop": Requests._stop_node,
}
"""All requests, by the name in `do`."""

LOOKING: Final = frozenset(
    (
        *("status", "peers", "conn", "rtt", "stats", "keys", "history", "search"),
        *("conversations", "outbox", "subscribe", "unsubscribe"),
    )
)
"""Those that change nothing."""


def only_looks(request: Request) -> bool:
    """Whether a request changes nothing, what counts as read included."""
    return request.do in LOOKING and not (request.attended or request.watching)
