"""The control socket itself: real UNIX sockets in a folder of the test's own."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from p2pchat.control import socket_service as control
from p2pchat.control.connection import ControlConnection
from p2pchat.control.paths import ControlError
from p2pchat.control.service import ControlService
from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import FakeTown
from tests.support.control_sockets import short_folder

reactor: Any = _reactor


class Listener(Protocol):
    """A client that keeps what it hears; it may refuse to read."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.closed: Deferred[None] = Deferred()
        self.greeted: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.greeted.called:
            self.greeted.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(None)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.data.splitlines()]


class SocketTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.town = FakeTown(2)
        self.addCleanup(self.town.close)
        self.folder = short_folder(self)
        self.patch(os, "environ", {**os.environ, "XDG_RUNTIME_DIR": self.folder})

    def node(self, peer_id: str = "alice@CIC", ip: str = "") -> ChatNode:
        return self.town.node(peer_id, ip=ip)

    def service(self, node: ChatNode, path: str | None = None) -> ControlService:
        service = ControlService(reactor, node, stop=lambda: None, path=path)
        self.addCleanup(service.stopService)
        return service

    async def client(self, path: str) -> Listener:
        listener = Listener()
        await connectProtocol(UNIXClientEndpoint(reactor, path), listener)
        return listener

    async def test_a_life(self) -> None:
        service = self.service(self.node())
        service.startService()
        self.assertEqual(service.path, f"{self.folder}/p2pchat/alice@CIC.sock")
        self.assertEqual(os.stat(service.path).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(os.path.dirname(service.path)).st_mode & 0o777, 0o700)
        client = await self.client(service.path)
        await client.greeted
        self.assertEqual(client.lines[0]["peer_id"], "alice@CIC")
        await service.stopService()  # type: ignore[misc]
        await client.closed
        self.assertEqual(client.lines[-1], {"event": "stopping"})
        self.assertFalse(os.path.exists(service.path))
        self.assertIsNone(service.stopService())

    async def test_a_group_may_use_it(self) -> None:
        path = f"{self.folder}/group.sock"
        service = ControlService(
            reactor, self.node(), stop=lambda: None, path=path, group=str(os.getgid())
        )
        self.addCleanup(service.stopService)
        service.startService()
        found = os.stat(path)
        self.assertEqual((found.st_mode & 0o777, found.st_gid), (0o660, os.getgid()))
        client = await self.client(path)
        await client.greeted
        client.transport.loseConnection()
        await client.closed

    def test_a_group_that_is_none_or_has_no_way_to_it(self) -> None:
        node, path = self.node(), f"{self.folder}/group.sock"
        for where, group, why in (
            (path, "no such group", "cannot be given to the group no such group: there is none"),
            (None, str(os.getgid()), "a group needs a control.path"),
        ):
            service = ControlService(reactor, node, stop=lambda: None, path=where, group=group)
            with self.assertRaisesRegex(ControlError, why):
                service.listen()
            self.assertFalse(os.path.exists(path))

    async def test_a_socket_that_somebody_removed(self) -> None:
        service = self.service(self.node())
        service.listen()
        service.listen()
        os.unlink(service.path)
        await service.stopService()  # type: ignore[misc]

    async def test_it_comes_back_with_its_folder(self) -> None:
        service = self.service(self.node())
        service.startService()
        before = await self.client(service.path)
        await before.greeted
        os.unlink(service.path)
        os.rmdir(os.path.dirname(service.path))
        service.look_again()
        client = await self.client(service.path)
        await client.greeted
        self.assertEqual(len(service.factory.clients), 2)
        self.assertEqual(os.stat(os.path.dirname(service.path)).st_mode & 0o777, 0o700)
        await service.stopService()  # type: ignore[misc]
        self.assertFalse(os.path.exists(service.path))

    async def test_what_somebody_put_into_its_place_stays(self) -> None:
        service = self.service(self.node())
        service.listen()
        os.unlink(service.path)
        with open(service.path, "w"):
            pass
        service.look_again()
        await service.stopService()  # type: ignore[misc]
        self.assertTrue(os.path.isfile(service.path))

    async def test_a_client_that_does_not_read_delays_the_end_by_a_second_at_most(self) -> None:
        service = self.service(self.node())
        service.startService()
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(service.path)
        reader = await self.client(service.path)
        await reader.greeted
        asleep = next(iter(service.factory.clients))
        asleep.out.events(b"x" * 1_000_000, 1)
        before = reactor.seconds()
        await service.stopService()  # type: ignore[misc]
        self.assertLess(reactor.seconds() - before, 5)
        self.assertEqual(service.factory.clients, {})
        await reader.closed

    async def test_nor_does_one_that_never_hangs_up(self) -> None:
        self.patch(control, "_LAST_WRITE", 0.01)
        self.patch(ControlConnection, "say_goodbye", lambda connection: None)
        service = self.service(self.node())
        service.startService()
        client = await self.client(service.path)
        await client.greeted
        await service.stopService()  # type: ignore[misc]
        await client.closed

    def test_the_socket_of_a_dead_node_is_replaced(self) -> None:
        first = self.service(self.node())
        first.listen()
        dead = socket.socket(socket.AF_UNIX)
        path = os.path.join(self.folder, "p2pchat", "bob@CIC.sock")
        dead.bind(path)
        dead.close()
        second = self.service(self.node("bob@CIC"))
        second.listen()
        self.assertEqual(second.path, path)

    def test_two_of_one_name_do_not_collide(self) -> None:
        one, two = self.service(self.node()), self.service(self.node(ip="10.0.0.9"))
        one.listen()
        two.listen()
        self.assertEqual(two.path, f"{self.folder}/p2pchat/alice@CIC.4000.sock")
        three = self.service(self.node(ip="10.0.0.8"))
        self.assertRaisesRegex(ControlError, "another node has this", three.listen)

    def test_a_place_of_ones_own(self) -> None:
        path = os.path.join(self.folder, "my.sock")
        self.service(self.node(), path).listen()
        other = self.service(self.node("bob@CIC"), path)
        self.assertRaisesRegex(ControlError, "another node has this", other.listen)

    def test_places_that_cannot_be(self) -> None:
        node = self.node()
        for path, why in (
            (os.path.join(self.folder, "no", "x"), "No such file"),
            ("/" + "x" * 200, "too many"),
            (self.folder, "no socket is there"),
        ):
            self.assertRaisesRegex(ControlError, why, self.service(node, path).listen)
        self.patch(os, "environ", {"XDG_RUNTIME_DIR": "/" + "x" * 120})
        self.assertRaisesRegex(ControlError, "too many", self.service(node).listen)
