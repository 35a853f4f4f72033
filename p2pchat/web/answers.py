"""What a page asks, answered: most of it by what answers the control socket.

    answers.answer("GET", "history", PageRequest(conversation="bob@CIC"))  ->  {"lines":[…],…}
    answers.answer("POST", "send", PageRequest(to="bob@CIC", text="oi"))   ->  {"msg_id":…,…}

Rules: the table `ROUTES` is all there is. A GET changes nothing. A message is answered at once;
what becomes of it is told by events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.internet import defer
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IReactorTime

from p2pchat.control.answers import Requests
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.control.requests import Fields, RequestError
from p2pchat.history.records import SECURITIES
from p2pchat.logs.output import log_paths
from p2pchat.node.news import InsecureError, NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.speech import Sentence, sentence_of
from p2pchat.web.asked import PageRequest
from p2pchat.web.log_lines import last_lines
from p2pchat.web.looking import about, graph, peer_list
from p2pchat.web.round_trips import RoundTrips
from p2pchat.web.rows import with_kind, with_named
from p2pchat.web.streams import Streams

Answer: TypeAlias = Any
"""Fields, or a Deferred of them."""

_AT_START: Final = 200
_PATIENCE: Final = 5.0
"""Seconds that a page waits for the history when it is opened."""
_LONGEST_TAG: Final = 200


class Answers:
    """For the pages of one node; `streams`: those that are open."""

    def __init__(
        self,
        node: ChatNode,
        clock: IReactorTime,
        requests: Requests,
        streams: Streams,
        round_trips: RoundTrips,
    ) -> None:
        self._node = node
        self._clock = clock
        self._requests = requests
        self._streams = streams
        self._round_trips = round_trips

    def answer(self, method: str, name: str, request: PageRequest) -> Deferred[Fields]:
        """Fires with what is answered; fails with a `RequestError` or a fault of ours."""
        found = ROUTES.get((method, name))
        if found is None:
            other = (("POST" if method == "GET" else "GET"), name) in ROUTES
            if other:
                sentence = Sentence("that is not how {name} is asked", name=name)
                raise RequestError("wrong_method", sentence)
            raise RequestError("not_found", Sentence("there is nothing here"))
        answered: Deferred[Fields] = maybeDeferred(found, self, request)
        return answered

    def _asked(self, do: str, request: PageRequest, client: Outgoing | None = None) -> Any:
        """What the control socket answers."""
        request.do = do
        return self._requests.answer(request, _nobody() if client is None else client)

    # ------------------------------------------------------------ looking

    @inlineCallbacks
    def _state(self, _request: PageRequest) -> Any:
        where = self._place()
        status = yield self._asked("status", PageRequest())
        links = yield self._asked("conn", PageRequest())
        outbox = yield self._asked("outbox", PageRequest(count=_AT_START))
        peers = yield self._peers(PageRequest(ask=False))
        talks = yield self._at_start()
        return {
            **about(self._node),
            **where,
            "version": status["version"],
            "status": status,
            **talks,
            "peers": peers["peers"],
            "peers_more": peers["more"],
            "links": links["links"],
            "outbox": outbox,
        }

    def _place(self) -> Fields:
        """Where the events are now; they are kept from now on, for a while."""
        feed, nobody = self._requests.feed, _nobody()
        feed.subscribe(nobody, EVENT_KINDS)
        place = feed.catch_up(nobody, "now", "")
        feed.unsubscribe(nobody)
        return {"run": place["run"], "last": place["last"]}

    def _at_start(self) -> Deferred[Fields]:
        """The latest conversations, and those that are unread and not kept.

        Without a history, or while nobody can read it, only the latter, without their last lines.
        """
        asked: Deferred[Fields] = maybeDeferred(self._conversations, PageRequest(count=_AT_START))
        asked.addTimeout(_PATIENCE, self._clock)
        nothing: Fields = {"conversations": [], "more": False}
        asked.addErrback(lambda why: why.trap(RequestError, defer.TimeoutError) and nothing)
        return asked.addCallback(self._with_unread)

    def _with_unread(self, fields: Fields) -> Fields:
        rows = fields["conversations"]
        known = {row["conversation"] for row in rows}
        unread = self._node.unread.counts.items()
        others = [(name, count) for name, count in unread if name not in known][:_AT_START]
        more = [{"conversation": name, "last": None, "unread": count} for name, count in others]
        return {**fields, "conversations": [*rows, *map(with_kind, more)]}

    def _conversations(self, request: PageRequest) -> Answer:
        asked: Deferred[Fields] = self._asked("conversations", request)
        return asked.addCallback(lambda fields: with_named(fields, self._node))

    def _peers(self, request: PageRequest) -> Deferred[Fields]:
        request.format = "json"
        asked: Deferred[Fields] = self._asked("peers", request)
        return asked.addCallback(
            lambda fields: {**peer_list(self._node, fields["peers"]), "trouble": fields["trouble"]}
        )

    def _search(self, request: PageRequest) -> Answer:
        request.words = request.q
        return self._asked("search", request)

    def _outbox(self, request: PageRequest) -> Answer:
        request.msg_ids = [request.msg_id] if request.msg_id else []
        return self._asked("outbox", request)

    def _links(self, request: PageRequest) -> Answer:
        request.format = "json"
        return self._asked("conn", request)

    def _stats(self, request: PageRequest) -> Answer:
        request.format = "json"
        return self._asked("stats", request)

    def _graph(self, _request: PageRequest) -> Answer:
        return graph(self._node)

    def _times(self, request: PageRequest) -> Answer:
        since = self._round_trips.since(self._node.wall() - 60 * request.minutes)
        rows = [{"peer_id": peer_id, "samples": samples} for peer_id, samples in since.items()]
        return {"round_trips": rows}

    def _log(self, request: PageRequest) -> Answer:
        paths = log_paths()
        if not paths:
            raise RequestError("refused", Sentence("the log goes to no file"))
        return {"lines": last_lines(paths[-1], request.count)}

    # ------------------------------------------------------------ saying

    def _send(self, request: PageRequest) -> Answer:
        to, text, node = request.to.strip(), request.text, self._node
        if not text.strip() or not to:
            sentence = Sentence("who it is for, or the text, is missing")
            raise RequestError("bad_request", sentence)
        if len(request.tag) > _LONGEST_TAG:
            sentence = Sentence("a tag has at most {most} characters", most=_LONGEST_TAG)
            raise RequestError("bad_request", sentence)
        tag = {"tag": request.tag} if request.tag else {}
        try:
            if to.startswith(("#", "*")):
                return {**self._published(to, text, request), **tag}
            to = self._requests.named(to)
            msg_id = node.send(to, text, None, security=SECURITIES.index(request.security))
        except InsecureError as why:
            raise RequestError("insecure", sentence_of(why)) from None
        except NotSentError as why:
            raise RequestError("not_sent", sentence_of(why)) from None
        self._note(request, to, msg_id)
        waiting = node.outgoing.outbox.get(msg_id)
        number = waiting.entry.id if waiting is not None else 0
        return {"to": to, "msg_id": msg_id, **_id(number), "state": "waiting", **tag}

    def _published(self, scope: str, text: str, request: PageRequest) -> Fields:
        published = self._node.publish(scope, text)
        self._note(request, scope, published.msg_id)
        return {
            "to": scope,
            "msg_id": published.msg_id,
            **_id(published.id),
            "state": "published",
            "peers": published.peers,
            "dropped": published.dropped,
        }

    def _note(self, request: PageRequest, where: str, msg_id: str) -> None:
        stream = self._streams.of(request.page)
        if stream is not None:
            self._requests.note_said(stream.out, where, msg_id)

    def _command(self, request: PageRequest) -> Answer:
        stream = self._streams.of(request.page)
        client = _nobody() if stream is None else stream.out

        def done(fields: Fields) -> Fields:
            if stream is None:
                self._requests.forget(client)
            elif fields["leave"]:
                # Nobody leaves a page by it, so it may go on.
                self._requests.begin_anew(client)
            return fields

        request.script = False
        asked: Deferred[Fields] = self._asked("run", request, client)
        return asked.addCallback(done)

    def _watch(self, request: PageRequest) -> Answer:
        if not self._streams.watch(request.page, request.watching or None):
            raise RequestError("refused", Sentence("this page has no stream of events"))
        return {}

    def _ping(self, _request: PageRequest) -> Answer:
        self._node.ping_all()
        return {"pinged": len(self._node.mesh.links)}


def _asks(do: str) -> Callable[[Answers, PageRequest], Answer]:
    """The same as a request of the control socket."""
    return lambda answers, request: answers._asked(do, request)


def _nobody() -> Outgoing:
    """A client to whom nothing is told."""
    return Outgoing(lambda: None)


def _id(number: int) -> Fields:
    return {"id": number} if number else {}


ROUTES: Final[dict[tuple[str, str], Callable[[Answers, PageRequest], Answer]]] = {
    ("GET", "state"): Answers._state,
    ("GET", "conversations"): Answers._conversations,
    ("GET", "history"): _asks("history"),
    ("GET", "search"): Answers._search,
    ("GET", "outbox"): Answers._outbox,
    ("GET", "peers"): Answers._peers,
    ("GET", "links"): Answers._links,
    ("GET", "stats"): Answers._stats,
    ("GET", "keys"): _asks("keys"),
    ("GET", "graph"): Answers._graph,
    ("GET", "round_trips"): Answers._times,
    ("GET", "log"): Answers._log,
    ("POST", "send"): Answers._send,
    ("POST", "command"): Answers._command,
    ("POST", "watch"): Answers._watch,
    ("POST", "ping"): Answers._ping,
    **{
        ("POST", do): _asks(do)
        for do in (
            *("read", "forget", "cancel", "reconnect", "block", "unblock"),
            *("verify", "trust", "forget_key"),
        )
    },
}
"""Everything that a page can ask, but for how it comes in, and its events."""
