"""The service of a control socket: it makes the socket, makes it anew, and takes leave of clients.

    service = SocketService(reactor, requests, turns, "/run/p2pchat/node.sock")
    service.listen()                 # raises ControlError with a sentence
    service.startService()           # and stopService(): the socket is gone
    service.look_again()             # makes the socket anew if somebody removed it

Rules: the number of clients is bounded, and so is what each of them can make the program keep
(`p2pchat.control.connection`). What is answered is the business of `requests`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall

from p2pchat.control.connection import MAX_CLIENTS, Answering, ControlFactory
from p2pchat.control.paths import ControlError, make_way
from p2pchat.control.requests import Request
from p2pchat.control.socket_file import GroupError, SocketPort
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.ports import reason
from p2pchat.speech import Sentence
from p2pchat.turns import Turns
from p2pchat.wire.text import shortened, system_reason

_log: Final = Log("Control")
_LAST_WRITE: Final = 1.0
"""Seconds that clients may take to read what they are told in the end."""
LOOK: Final = 30.0
"""Seconds between two looks at whether the socket is still there."""


class SocketService(Service):
    """One control socket, at `path`; `reactor` provides IReactorUNIX and IReactorTime.

    `group`: a group of the system whose members may connect, too. `allows` says which requests are
    answered; None: all.
    """

    name: str | None = "control"
    whose = Sentence("another program")
    """Who has the socket when it is taken."""

    def __init__(
        self,
        reactor: Any,
        requests: Answering,
        turns: Turns,
        path: str | None,
        *,
        group: str | None = None,
        allows: Callable[[Request], bool] | None = None,
    ) -> None:
        self._reactor = reactor
        self._group = group
        self.path = path or ""
        """Where the socket is; settled by `listen`."""
        self._given = path
        self._port: SocketPort | None = None
        self._next_look: IDelayedCall | None = None
        self._trouble = ""
        self._all_gone: Deferred[None] | None = None
        self.factory = ControlFactory(reactor, requests, turns, self._no_clients, allows)
        """What makes the connections, and knows them."""

    def listen(self) -> None:
        """Make the socket; raises `ControlError` with a sentence when that cannot be done."""
        if self._port is not None:
            return
        path = self._given
        if path is None:
            path = self._usual_path()
        elif not make_way(path):
            raise self.taken(path)
        if self._group is not None and self._given is None:
            raise ControlError(
                Sentence("the usual folder is yours alone: a group needs a control.path")
            )
        port = SocketPort(path, self.factory, MAX_CLIENTS, self._reactor, self._group)
        try:
            port.startListening()
        except GroupError as why:
            sentence = Sentence(
                "{path} cannot be given to the group {why}", path=shortened(path), why=why
            )
            raise ControlError(sentence) from None
        except CannotListenError as why:
            sentence = Sentence("{path}: {why}", path=shortened(path), why=reason(why))
            raise ControlError(sentence) from None
        self._port, self.path = port, path

    def taken(self, path: str) -> ControlError:
        """The error where somebody else has the socket at this path."""
        return ControlError(
            Sentence(
                "{path}: {whose} has this control socket", path=shortened(path), whose=self.whose
            )
        )

    def _usual_path(self) -> str:
        """Where the socket is to be when nobody named a place; raises `ControlError`."""
        raise ControlError(Sentence("a control socket needs a path"))

    def startService(self) -> None:
        """Take connections; raises `ControlError` if `listen` has not been called and fails."""
        self.listen()
        super().startService()
        _log.debug("Control socket: {path}", path=self.path)
        self._next_look = self._reactor.callLater(LOOK, self._look)

    def stopService(self) -> Deferred[None] | None:
        """Remove the socket and tell the clients; fires when they are gone, within a second."""
        super().stopService()
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        port, self._port = self._port, None
        if port is None:
            return None
        stopped: Deferred[Any] = maybeDeferred(port.stopListening)
        for client in [*self.factory.clients]:
            client.say_goodbye()
        return stopped.addCallback(lambda _: self._wait_for_clients())

    def look_again(self) -> None:
        """Make the socket, and its folder, anew if they are not there any more; the log says so.

        Clients that are connected stay so.
        """
        gone, where = self._port, self.path
        if gone is None or gone.is_there:
            return
        try:
            if self._given is not None:
                os.makedirs(os.path.dirname(where) or ".", mode=0o700, exist_ok=True)
            self._port = None
            self.listen()
        except (ControlError, OSError) as why:
            self._port = gone
            trouble = system_reason(why) if isinstance(why, OSError) else str(why)
            if trouble != self._trouble:
                _log.warn(
                    "The control socket {path} was removed, and cannot be made anew: {why}",
                    path=where,
                    why=trouble,
                )
            self._trouble = trouble
            return
        self._trouble = ""
        gone.stopListening()
        _log.warn(
            "The control socket {gone} was removed: made anew, as {path}",
            gone=where,
            path=self.path,
        )

    def _look(self) -> None:
        self._next_look = self._reactor.callLater(LOOK, self._look)
        self.factory.look_who_is_gone()
        self.look_again()

    def _wait_for_clients(self) -> Deferred[None]:
        if not self.factory.clients:
            return succeed(None)
        self._all_gone = Deferred()
        deadline = self._reactor.callLater(_LAST_WRITE, self._abort_clients)

        def over(_: None) -> None:
            if deadline.active():
                deadline.cancel()

        return self._all_gone.addCallback(over)

    def _abort_clients(self) -> None:
        for client in [*self.factory.clients]:
            client.out.abort()

    def _no_clients(self) -> None:
        if self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)
