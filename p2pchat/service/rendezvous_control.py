"""What an administrator can ask a running rendezvous over its control socket.

    {"do":"ban","text":"203.0.113.7"}  ->  {"ok":true,"line":"banned 203.0.113.7: …"}
    {"do":"list","text":"*@CIC"}       ->  {"ok":true,"registrations":[…at most 1,000…],"more":true}
    {"do":"more"}                      ->  the next ones of the same list

Rules: the table `REQUESTS` is all there is. A list is that of one moment, told in pieces, and one
for each client. It is looked for in several turns, so that no request of a stranger waits for it,
and one list at a time. Few are kept, because each may be long.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure

from p2pchat import __version__
from p2pchat.control.long_answers import LongAnswers
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.protocol import PROTOCOL
from p2pchat.control.requests import Fields, Request, RequestError, answering
from p2pchat.control.socket_service import SocketService
from p2pchat.logs.levels import get_level
from p2pchat.node.stats import lines
from p2pchat.rendezvous.ban_file import checked_entry
from p2pchat.rendezvous.bans import Bans
from p2pchat.rendezvous.registration import Registration
from p2pchat.service.rendezvous_figures import RunningServer
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence, _, spoken
from p2pchat.turns import Turns

PAGE: Final = 1_000
"""Registrations of one answer."""
LISTS: Final = 4
"""Lists that are kept for who asks for more; one more replaces the oldest."""
_PIECE: Final = 500
"""Registrations between two times that others may have a turn."""

_Pages: TypeAlias = "list[tuple[Registration, ...]]"


class ServerRequests:
    """Answers requests to one server; `stop` ends the program in order."""

    def __init__(
        self, running: RunningServer, reactor: Any, turns: Turns, stop: Callable[[], None]
    ) -> None:
        self._running = running
        self._reactor = reactor
        self._turns = turns
        self._stop = stop
        self._lists: dict[Outgoing, _Pages] = {}
        self._listing = LongAnswers(lambda: True)
        self._asking: set[Outgoing] = set()  # who waits for a list

    def hello(self) -> Fields:
        """What every client is told first."""
        return {
            "event": "hello",
            "protocol": PROTOCOL,
            "version": __version__,
            "rendezvous": self._running.server.where,
            "pid": os.getpid(),
        }

    def hears(self, client: Outgoing) -> bool:  # noqa: ARG002
        """There are no events."""
        return False

    def forget(self, client: Outgoing) -> None:
        """This client is gone."""
        self._lists.pop(client, None)

    def answer(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        """Fires with the fields of the answer; fails with a `RequestError` or a fault of ours."""
        return maybeDeferred(self._answer, request, client).addErrback(_refused)

    def _answer(self, request: Request, client: Outgoing) -> Any:
        return answering(REQUESTS, request.do)(self, request, client)

    def _status(self, _request: Request, _client: Outgoing) -> Fields:
        running = self._running
        place = running.server
        return {
            "version": __version__,
            "pid": os.getpid(),
            "listens": place.where if place.listening else "",
            "uptime_seconds": running.uptime,
            "registered": len(place.registry),
            "connections": len(place.factory.connections),
            "log_level": get_level(),
            "ill": running.ill(),
            "troubles": running.troubles(),
        }

    def _stats(self, request: Request, _client: Outgoing) -> Fields:
        snapshot = self._running.statistics().snapshot()
        return {"lines": lines(snapshot)} if request.format == "text" else {"stats": snapshot}

    def _list(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        wanted = Bans([checked_entry(request.text)]) if request.text.strip() else None
        self._lists.pop(client, None)

        def listed(found: _Pages) -> Fields:
            page = self._page(found)
            if found and not client.ended:
                while len(self._lists) >= LISTS:
                    del self._lists[next(iter(self._lists))]
                self._lists[client] = found
            return page

        def look() -> Deferred[Fields]:
            return self._turns.do(self._matching(wanted)).addCallback(listed)

        if client in self._asking:
            raise RequestError("busy", Sentence("one list at a time"))
        self._asking.add(client)
        answer: Deferred[Fields] = self._listing.do(look)
        return answer.addBoth(self._asked, client)

    def _asked(self, result: Any, client: Outgoing) -> Any:
        self._asking.discard(client)
        return result

    def _more(self, _request: Request, client: Outgoing) -> Fields:
        left = self._lists.get(client)
        if left is None:
            sentence = Sentence("that list is over, or others took its place")
            raise RequestError("refused", sentence)
        page = self._page(left)
        if not left:
            self.forget(client)
        return page

    def _matching(self, wanted: Bans | None) -> Generator[None, None, _Pages]:
        """The pages of those of this entry, the last one first."""
        # The collector forgets a tuple of what holds nothing else; a list it would look through.
        everyone = tuple(self._running.server.registry.all())
        pages: _Pages = []
        page: list[Registration] = []
        for begin in range(0, len(everyone), _PIECE):
            yield
            some = everyone[begin : begin + _PIECE]
            page += [each for each in some if wanted is None or wanted.registration(*each.key)]
            if len(page) >= PAGE:
                pages.append(tuple(page[:PAGE]))
                del page[:PAGE]
        pages.append(tuple(page))
        pages.reverse()
        return pages

    def _page(self, pages: _Pages) -> Fields:
        """The next page of those that are left; it is taken out."""
        now = self._running.clock()
        rows = [
            {
                "ip": each.ip,
                "namespace": each.namespace,
                "name": each.name,
                "port": each.port,
                "ttl": each.ttl,
                "expires_in": int(each.until - now),
            }
            for each in pages.pop()
            if each.live and each.until > now
        ]
        return {"registrations": rows, "more": bool(pages)}

    def _ban(self, request: Request, _client: Outgoing) -> Deferred[Fields]:
        banned = self._running.whole.ban(request.text, sure=request.sure)
        return banned.addCallback(_line)

    def _unban(self, request: Request, _client: Outgoing) -> Deferred[Fields]:
        return self._running.whole.unban(request.text).addCallback(_line)

    def _reload(self, _request: Request, _client: Outgoing) -> Deferred[Fields]:
        return self._running.whole.reload().addCallback(
            lambda said: {"lines": [*map(spoken, said)] or [_("nothing has changed")]}
        )

    def _stop_server(self, _request: Request, _client: Outgoing) -> Fields:
        # The answer leaves first.
        self._reactor.callLater(0, self._stop)
        return {}


def _line(sentence: Sentence) -> Fields:
    return {"line": spoken(sentence)}


def _refused(failure: Failure) -> Failure:
    if failure.check(ConfigError):
        raise RequestError("refused", spoken(failure.value)) from None
    if failure.check(CancelledError):
        sentence = Sentence("something else took its place: try again")
        raise RequestError("refused", sentence) from None
    return failure


REQUESTS: Final[dict[str, Callable[[ServerRequests, Request, Outgoing], Any]]] = {
    "status": ServerRequests._status,
    "stats": ServerRequests._stats,
    "list": ServerRequests._list,
    "more": ServerRequests._more,
    "ban": ServerRequests._ban,
    "unban": ServerRequests._unban,
    "reload": ServerRequests._reload,
    "stop": ServerRequests._stop_server,
}
"""All requests, by the name in `do`."""


class ServerSocket(SocketService):
    """The control socket of a server, at `path`."""

    whose = Sentence("another server")

    def __init__(
        self, reactor: Any, running: RunningServer, path: str, stop: Callable[[], None]
    ) -> None:
        turns = Turns(reactor)
        super().__init__(reactor, ServerRequests(running, reactor, turns, stop), turns, path)
