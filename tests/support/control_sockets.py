"""Control sockets for tests: a folder with a short name, a service in a fake town, its clients."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from functools import partial
from typing import Any

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.finding import Node
from p2pchat.control.connection import ControlConnection
from p2pchat.control.service import ControlService
from p2pchat.control.socket_service import SocketService
from p2pchat.node.node import ChatNode, MakeHistory
from p2pchat.testing.nodes import FakeTown, fake_keys
from tests.support.histories import keeping

STAMP = "2026-01-31T12:00:00Z"


def short_folder(case: SynchronousTestCase) -> str:
    """A folder whose name leaves room for that of a socket; trial's own folders do not."""
    folder = tempfile.mkdtemp(prefix="p2p-")
    case.addCleanup(shutil.rmtree, folder, True)
    return folder


class Wire(StringTransport):
    """A transport in memory, whose reader can fall asleep."""

    aborted = False
    bufferSize = 0

    def abortConnection(self) -> None:
        self.aborted = True

    def pauseReader(self) -> None:
        assert self.producer is not None
        self.producer.pauseProducing()

    def resumeReader(self) -> None:
        assert self.producer is not None
        self.producer.resumeProducing()


class Client:
    """One client of a control socket, without a socket."""

    def __init__(self, service: SocketService) -> None:
        self.connection: ControlConnection = service.factory.buildProtocol(None)
        self.wire = Wire()
        self.connection.makeConnection(self.wire)

    def say(self, *requests: dict[str, Any]) -> None:
        for request in requests:
            self.connection.dataReceived(json.dumps(request).encode() + b"\n")

    def heard(self) -> list[dict[str, Any]]:
        """What came since the last look."""
        data = self.wire.value()
        self.wire.clear()
        return [json.loads(line) for line in data.splitlines()]

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Ask for something that is answered at once."""
        self.heard()
        self.say({"do": do, **fields})
        (answer,) = self.heard()
        return answer

    def hang_up(self) -> None:
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        self.connection.connectionLost(Failure(ConnectionDone()))


class ControlledTown:
    """A fake town in which `alice@CIC` has a control socket, and `bob@CIC` is her peer."""

    def __init__(
        self, *others: str, keeps: SynchronousTestCase | None = None, sealed: bool = False
    ) -> None:
        """`keeps`: a test whose `alice@CIC` has a history; its thread is `self.thread`.

        `sealed`: whether the two have keys.
        """
        self.town = FakeTown(5)
        host = self.town.network.host("10.0.0.1")
        keys = partial(fake_keys, wall=host.wall) if sealed else None
        make: MakeHistory | None = None
        if keeps is not None:
            make, self.thread = keeping(keeps, host)
        self.alice: ChatNode = self.town.node(
            "alice@CIC", ip=host.ip, make_history=make, make_keys=keys
        )
        self.bob: ChatNode = self.town.node("bob@CIC", make_keys=keys)
        for name in others:
            self.town.node(name)
        self.town.run_until_meshed()
        self.stopped = 0
        self.reactor: Any = self.town.host_of(self.alice)
        self.service = ControlService(
            self.reactor,
            self.alice,
            stop=self._stop,
            reload=lambda: ["nothing changed"],
            timestamp=lambda: STAMP,
        )
        self.alice.counting.append(self.service.section)

    def _stop(self) -> None:
        self.stopped += 1

    def client(self) -> Client:
        """A client that has been greeted."""
        client = Client(self.service)
        client.heard()
        return client

    def close(self) -> None:
        """Everybody leaves; proves that nothing is left behind."""
        self.town.close()


class ControlledCase(SynchronousTestCase):
    """A test with a controlled town, and one client of `alice@CIC`."""

    def setUp(self) -> None:
        self.begin(ControlledTown())

    def begin(self, place: ControlledTown, settled: float = 0.0) -> None:
        """Have this town, in which so much time passes before the client comes."""
        self.place, self.town = place, place.town
        self.addCleanup(place.close)
        self.town.run(settled)
        self.client = place.client()
        self.addCleanup(self.client.hang_up)

    def keep(self) -> ChatNode:
        """Go on with a node that has a history."""
        self.begin(ControlledTown(keeps=self))
        return self.place.alice


def scripted(*lines: dict[str, Any], hello: dict[str, Any] | None = None) -> tuple[Node, Any]:
    """A node that says these lines whatever is asked, and the socket at its end."""
    ours, theirs = socket.socketpair()
    first = hello or {"event": "hello", "protocol": 1, "peer_id": "alice@CIC", "pid": 7}
    theirs.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in (first, *lines)))
    return Node(ours), theirs


def asked_of(theirs: socket.socket) -> list[dict[str, Any]]:
    """The requests that have come to the node's end of `scripted`."""
    theirs.setblocking(False)
    data = b""
    try:
        while chunk := theirs.recv(1 << 20):
            data += chunk
    except BlockingIOError:
        pass
    return [json.loads(line) for line in data.splitlines()]
