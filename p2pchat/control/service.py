"""The control socket: other programs of the same person ask this node, and hear of it.

    control = ControlService(reactor, node, path=None, stop=program.leave)
    control.listen()                 # raises ControlError with a sentence
    control.startService()           # and stopService(): the socket is gone
    control.look_again()             # makes the socket anew if somebody removed it
    ControlService(…, looks_at=control)    # another socket, on which one can only look

The conversation, one JSON object a line, is told in `docs/control.md`:

    node                                                client
    {"event":"hello","protocol":1,"peer_id":…}     ->
                                                   <-   {"id":1,"do":"send","to":"bob@CIC",…}
    {"id":1,"ok":true,"msg_id":"…","seconds":…}    ->
                                                   <-   {"do":"subscribe"}
    {"ok":true,"events":[…]}                       ->
    {"event":"message","from":"bob@CIC",…}         ->

Rules: a socket that nobody uses costs nothing: what answers hears of the node only while a client
waits for something. The number of clients is bounded, and so is what each of them can make the node
keep (`p2pchat.control.connection`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall

from p2pchat.control.answers import Requests
from p2pchat.control.connection import MAX_CLIENTS, ControlFactory
from p2pchat.control.paths import (
    ControlError,
    check_length,
    make_way,
    prepare_folder,
    runtime_folder,
    socket_path,
)
from p2pchat.control.socket_file import GroupError, SocketPort
from p2pchat.logs.levels import Log
from p2pchat.node.node import ChatNode
from p2pchat.node.stats import Figure, Section, counter, gauge, limit, text
from p2pchat.wire.stamps import Timestamps
from p2pchat.wire.text import shortened, system_reason

_log: Final = Log("Control")
_LAST_WRITE: Final = 1.0
"""Seconds that clients may take to read what they are told in the end."""
LOOK: Final = 30.0
"""Seconds between two looks at whether the socket is still there."""


class ControlService(Service):
    """The control socket of one node that listens.

    `reactor` provides IReactorUNIX and IReactorTime. `path` is where the socket is to be; None for
    the usual place. `stop` ends the program, `reload` reads its settings anew (see `Requests`).
    `group`: a group of the system whose members may connect, too. `looks_at`: the control socket
    beside which this is one for looking on.
    """

    name: str | None = "control"

    def __init__(
        self,
        reactor: Any,
        node: ChatNode,
        *,
        stop: Callable[[], None],
        reload: Callable[[], list[str]] | None = None,
        path: str | None = None,
        timestamp: Callable[[], str] | None = None,
        group: str | None = None,
        looks_at: ControlService | None = None,
    ) -> None:
        self._reactor = reactor
        self._group = group
        self.name = "control" if looks_at is None else "control_read_only"
        self._node = node
        self.path = path or ""
        """Where the socket is; settled by `listen`."""
        self._given = path
        self._port: SocketPort | None = None
        self._next_look: IDelayedCall | None = None
        self._trouble = ""
        self._all_gone: Deferred[None] | None = None
        self.requests: Requests = (
            Requests(
                node,
                reactor,
                stop=stop,
                timestamp=timestamp or Timestamps(node.wall),
                reload=reload,
            )
            if looks_at is None
            else looks_at.requests
        )
        """What answers."""
        self.factory: ControlFactory = ControlFactory(
            reactor,
            self.requests,
            node.mesh.turns,
            self._no_clients,
            read_only=looks_at is not None,
        )
        """What makes the connections, and knows them."""

    def listen(self) -> None:
        """Make the socket; raises `ControlError` with a sentence when that cannot be done."""
        if self._port is not None:
            return
        path = self._given
        if path is None:
            path = self._usual_path()
        elif not make_way(path):
            raise ControlError(f"{shortened(path)}: another node has this control socket")
        if self._group is not None and self._given is None:
            raise ControlError("the usual folder is yours alone: a group needs a control.path")
        port = SocketPort(path, self.factory, MAX_CLIENTS, self._reactor, self._group)
        try:
            port.startListening()
        except GroupError as why:
            raise ControlError(f"{shortened(path)} cannot be given to the group {why}") from None
        except CannotListenError as why:
            reason = getattr(why.socketError, "strerror", None) or str(why.socketError)
            raise ControlError(f"{shortened(path)}: {reason}") from None
        self._port, self.path = port, path

    def _usual_path(self) -> str:
        """A name that no living node has: two of one peer_id are told apart by their ports."""
        folder, peer_id = runtime_folder(), self._node.me.peer_id
        path = socket_path(folder, peer_id)
        check_length(path)
        prepare_folder(folder)
        if not make_way(path):
            path = socket_path(folder, peer_id, str(self._node.port))
            if not make_way(path):
                raise ControlError(f"{shortened(path)}: another node has this control socket")
        return path

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

    def section(self) -> Section[ControlService]:
        """What is counted here, for a snapshot."""
        return Section(str(self.name), _FIGURES, self)


_FIGURES: Final[Mapping[str, Figure[ControlService]]] = {
    "socket": text("where the control socket is", lambda control: control.path),
    "clients": gauge("programs that are connected", lambda control: len(control.factory.clients)),
    "clients_limit": limit("of those at most", lambda _: MAX_CLIENTS),
    "subscribers": gauge(
        "of those, how many get events", lambda control: len(control.requests.feed)
    ),
    "requests": counter("requests so far", lambda control: control.factory.asked),
    "refused": counter(
        "connections refused because there were too many", lambda control: control.factory.refused
    ),
    "disconnected": counter(
        "clients cut off because they did not read", lambda control: control.factory.disconnected
    ),
}
