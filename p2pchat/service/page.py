"""The page of a node, as a part of the program that is there only once somebody asks for it.

Rules: nothing of `p2pchat.web`, nor of Twisted's HTTP, is imported before that, and no port opened.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed

from p2pchat.node.node import ChatNode
from p2pchat.node.page import Link
from p2pchat.settings.checks import serve_address
from p2pchat.wire.address import LOOPBACK

if TYPE_CHECKING:
    from p2pchat.control.answers import Requests
    from p2pchat.web.service import WebService

_LOCALHOST: Final = "localhost"


class NodesPage(Service):
    """Opens the page of `node`; `requests` makes or has what answers its control socket."""

    name: str | None = "page"

    def __init__(self, reactor: Any, node: ChatNode, requests: Callable[[], Requests]) -> None:
        self._reactor = reactor
        self._node = node
        self._requests = requests
        self._web: WebService | None = None

    def open(self, port: int = 0) -> Link:
        """See `IPage.open`."""
        if self._web is None:
            self._web = self._make()
            self._node.counting.append(self._web.section)
        return self._web.open(port)

    def _make(self) -> WebService:
        # Importing makes no garbage worth looking for.
        collecting = gc.isenabled()
        gc.disable()
        try:
            from p2pchat.web.service import WebService
        finally:
            if collecting:
                gc.enable()
        address = self._node.settings.web.address
        own = None if address is None else _own_address(address)
        return WebService(self._reactor, self._node, self._requests(), own)

    def close(self) -> Deferred[None]:
        """See `IPage.close`."""
        return succeed(None) if self._web is None else self._web.close()

    def waits(self, token: str) -> bool:
        """See `IPage.waits`."""
        return self._web is not None and self._web.waits(token)

    def stopService(self) -> Deferred[None]:
        """The node has left."""
        super().stopService()
        self._node.page = None
        return succeed(None) if self._web is None else self._web.stopService()


def _own_address(text: str) -> tuple[str, int]:
    host, port = serve_address(text)
    return (LOOPBACK if host in (None, _LOCALHOST) else str(host)), port
