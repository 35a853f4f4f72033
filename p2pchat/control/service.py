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

from collections.abc import Callable, Mapping
from typing import Any, Final

from p2pchat.control.answers import Requests, only_looks
from p2pchat.control.connection import MAX_CLIENTS
from p2pchat.control.paths import (
    check_length,
    make_way,
    prepare_folder,
    runtime_folder,
    socket_path,
)
from p2pchat.control.socket_service import SocketService
from p2pchat.node.node import ChatNode
from p2pchat.node.stats import Figure, Section, counter, gauge, limit, text
from p2pchat.speech import Sentence
from p2pchat.wire.stamps import Timestamps


class ControlService(SocketService):
    """The control socket of one node that listens.

    `reactor` provides IReactorUNIX and IReactorTime. `path` is where the socket is to be; None for
    the usual place. `stop` ends the program, `reload` reads its settings anew (see `Requests`).
    `group`: a group of the system whose members may connect, too. `looks_at`: the control socket
    beside which this is one for looking on.
    """

    whose = Sentence("another node")

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
        self.name = "control" if looks_at is None else "control_read_only"
        self._node = node
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
        super().__init__(
            reactor,
            self.requests,
            node.mesh.turns,
            path,
            group=group,
            allows=None if looks_at is None else only_looks,
        )

    def _usual_path(self) -> str:
        """A name that no living node has: two of one peer_id are told apart by their ports."""
        folder, peer_id = runtime_folder(), self._node.me.peer_id
        path = socket_path(folder, peer_id)
        check_length(path)
        prepare_folder(folder)
        if not make_way(path):
            path = socket_path(folder, peer_id, str(self._node.port))
            if not make_way(path):
                raise self.taken(path)
        return path

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
