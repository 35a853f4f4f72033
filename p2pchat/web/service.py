"""The page of a node: its port, which is open only once somebody has asked for it.

    web = WebService(reactor, node, requests)
    web.open()          ->  Link("http://127.0.0.1:27880/#token=…", 27880, pages=0)
    web.close()             the port, and all pages

Rules: loopback alone. Nothing of this room is imported before the first `open`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError

from p2pchat.control.answers import Requests
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.ports import CannotStartError, reason
from p2pchat.node.node import ChatNode
from p2pchat.node.page import Link
from p2pchat.node.stats import Figure, Section, counter, gauge, limit
from p2pchat.speech import Sentence
from p2pchat.web.answers import Answers
from p2pchat.web.entering import Entry
from p2pchat.web.files import StaticFiles
from p2pchat.web.pages import Pages
from p2pchat.web.round_trips import RoundTrips
from p2pchat.web.server import MOST, PageFactory
from p2pchat.web.streams import MOST as MOST_PAGES
from p2pchat.web.streams import Streams
from p2pchat.wire.address import LOOPBACK

_log: Final = Log("Web")
FIRST_PORT: Final = 27_880
"""The first that is tried, so that a bookmark mostly works again."""
_TRIED: Final = 20


class WebService(Service):
    """Serves the page of a node that listens; `requests` answers its control socket.

    `address`: the host and the port to listen on; None for loopback and the first free port.
    """

    name: str | None = "web"

    def __init__(
        self,
        reactor: Any,
        node: ChatNode,
        requests: Requests,
        address: tuple[str, int] | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._reactor = reactor
        self._node = node
        self._address = address
        self._entry = Entry(random_bytes)
        self._round_trips = RoundTrips(node.wall)
        self._streams = Streams(requests, node.unread)
        answers = Answers(node, reactor, requests, self._streams, self._round_trips)
        self._pages = Pages(node, reactor, self._entry, answers, self._streams, StaticFiles())
        self.factory = PageFactory(reactor, self._pages)
        """What makes the connections, and knows them."""
        self._port: Any = None

    @property
    def port(self) -> int:
        """The port that it listens on, 0 while it does not."""
        return 0 if self._port is None else int(self._port.getHost().port)

    def open(self, port: int = 0) -> Link:
        """Listen, unless it does already, and give a link that can be used once.

        `port`: 0 for the one of the settings, or the first free one. Raises `CannotStartError` with
        a sentence.
        """
        if self._port is None:
            self._port = self._listen(port)
            self._node.observers.add(self._round_trips)
            _log.info("The page of this node is on {host}:{port}", host=self._host, port=self.port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        token = self._entry.token(self._reactor.seconds())
        url = f"http://{host}:{self.port}/#token={token}"
        return Link(url, self.port, len(self._streams))

    def waits(self, token: str) -> bool:
        """Whether a link with this token can still be used."""
        return self._entry.waits(token, self._reactor.seconds())

    def close(self, why: str = "closed") -> Deferred[None]:
        """Close the port, and end all pages, which are told `why`; fires when it is closed."""
        port, self._port = self._port, None
        if port is None:
            return succeed(None)
        self._node.observers.remove(self._round_trips)
        self._pages.close(why)
        closed: Deferred[Any] = maybeDeferred(port.stopListening)
        return closed.addCallback(lambda _: self.factory.close())

    def stopService(self) -> Deferred[None]:
        """The node has left."""
        super().stopService()
        return self.close("stopping")

    @property
    def _host(self) -> str:
        return LOOPBACK if self._address is None else self._address[0]

    def _listen(self, port: int) -> Any:
        wanted = port or (0 if self._address is None else self._address[1])
        tried = [wanted] if wanted else [*range(FIRST_PORT, FIRST_PORT + _TRIED), 0]
        for number in tried:
            try:
                return self._reactor.listenTCP(number, self.factory, interface=self._host)
            except CannotListenError as why:
                trouble = reason(why)
        raise CannotStartError(
            Sentence(
                "the page cannot be served on {address}, port {port}: {why}",
                address=self._host,
                port=wanted,
                why=trouble,
            )
        )

    def section(self) -> Section[WebService]:
        """What is counted here, for a snapshot."""
        return Section("web", _FIGURES, self)


_FIGURES: Final[Mapping[str, Figure[WebService]]] = {
    "port": gauge("where the page is served, 0: nowhere", lambda web: web.port),
    "pages": gauge("pages that hear of this node", lambda web: len(web._streams)),
    "pages_limit": limit("of those at most", lambda _: MOST_PAGES),
    "connections": gauge("open connections", lambda web: len(web.factory.connections)),
    "connections_limit": limit("of those at most", lambda _: MOST),
    "requests": counter("requests answered", lambda web: web.factory.requests),
    "given_way": counter(
        "connections that were closed because there were too many",
        lambda web: web.factory.given_way,
    ),
}
