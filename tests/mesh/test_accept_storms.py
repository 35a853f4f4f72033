"""A storm of connections, with real sockets: few are accepted before others have their turn."""

from __future__ import annotations

import socket
import sys
from collections.abc import Generator
from itertools import count
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from p2pchat.dual_stack import listen_on_all, listen_on_loopback
from p2pchat.mesh.link.listener import (
    ACCEPTS,
    CROWDED,
    LONG,
    MOST_ACCEPTS,
    PATIENCE,
    SHARE,
    AcceptsFew,
    queue_of,
)
from p2pchat.testing.clock import FakeClock

reactor: Any = installed
STORM = 60


class Closing(ServerFactory):
    """Counts who comes, and lets nobody in."""

    noisy = False

    def __init__(self) -> None:
        self.came = 0
        self.few: AcceptsFew

    def buildProtocol(self, addr: object) -> Protocol | None:
        self.came += 1
        self.few.one_came("127.0.0.1", 0.0)
        return None


class StormTests(TestCase):
    @inlineCallbacks
    def test_few_are_accepted_at_once_however_many_come(
        self,
    ) -> Generator[Deferred[None], None, None]:
        factory = Closing()
        port = reactor.listenTCP(0, factory, backlog=STORM, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        factory.few = AcceptsFew(port, reactor)
        read, batches = port.doRead, []

        def counted() -> None:
            before = factory.came
            read()
            batches.append(factory.came - before)

        port.doRead = counted
        address = ("127.0.0.1", port.getHost().port)
        for _ in range(STORM):
            self.addCleanup(socket.create_connection(address).close)
        while factory.came < STORM:
            yield deferLater(reactor, 0)
        yield deferLater(reactor, 0)
        self.assertEqual(max(batches), ACCEPTS)
        self.assertGreaterEqual(len(batches), STORM // ACCEPTS)


class QueueTests(SynchronousTestCase):
    def test_the_kernel_tells_how_many_it_holds(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("only Linux tells")
        for listen in (listen_on_loopback, listen_on_all):
            port: Any = listen(reactor, 0, ServerFactory(), STORM)
            self.addCleanup(port.stopListening)
            self.assertEqual(queue_of(port), 0)
            for _ in range(7):
                self.addCleanup(socket.create_connection(("127.0.0.1", port.getHost().port)).close)
            self.assertEqual(queue_of(port), 7)


class QueueOfAPort:
    """Connections that the kernel holds, each an address; as many are accepted as Twisted would."""

    def __init__(self, clock: FakeClock) -> None:
        self.numberAccepts = 1
        self.clock = clock
        self.few = AcceptsFew(self, clock)
        self.queue: list[str] = []
        self.stayed: list[str] = []
        self.most = 0

    @property
    def socket(self) -> QueueOfAPort:
        """Its socket, which tells of the queue."""
        return self

    def getsockopt(self, _level: int, _what: int, size: int) -> bytes:
        return len(self.queue).to_bytes(4, sys.byteorder).rjust(size, b"\0")

    def turn(self, seconds: float = 0.002) -> None:
        """One turn of the reactor."""
        batch = self.queue[: self.numberAccepts]
        del self.queue[: self.numberAccepts]
        self.most = max(self.most, len(batch))
        now = self.clock.seconds()
        self.stayed += [ip for ip in batch if self.few.one_came(ip, now)]
        self.clock.run(seconds)


class CrowdTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.port = QueueOfAPort(FakeClock())
        self.numbers = count(1)

    def storm(self, seconds: float, *, more: int = 6, ip: str = "127.0.0.1") -> None:
        """Connections from this address; each from another one if it has a place for a number."""
        for _ in range(int(seconds / 0.002)):
            self.port.queue += [ip.format(next(self.numbers)) for _ in range(more)]
            self.port.turn()

    def test_a_friend_does_not_wait_behind_the_crowd_of_one_address(self) -> None:
        self.storm(1.0)
        self.port.queue.append("10.0.0.2")
        self.storm(0.1)
        self.assertIn("10.0.0.2", self.port.stayed)
        self.assertEqual(self.port.most, MOST_ACCEPTS)

    def test_one_address_has_its_share_then(self) -> None:
        self.storm(PATIENCE + 0.3)
        before = len(self.port.stayed)
        self.storm(1.0)
        self.assertAlmostEqual(len(self.port.stayed) - before, SHARE[0], delta=SHARE[1])

    def test_so_have_all_addresses_of_an_ipv6_network(self) -> None:
        """One machine has them all, and any number of link-local ones."""
        for ip in ("2001:db8::{:x}", "fe80::{:x}"):
            self.port = QueueOfAPort(FakeClock())
            self.storm(PATIENCE + 0.3, ip=ip)
            before = len(self.port.stayed)
            self.storm(0.5, ip=ip)
            self.assertAlmostEqual(len(self.port.stayed) - before, SHARE[0] / 2, delta=SHARE[1])

    def test_a_burst_that_is_soon_over_is_let_in_whole(self) -> None:
        self.port.queue = ["127.0.0.1"] * 400
        self.storm(0.21, more=0)
        self.assertEqual(len(self.port.stayed), 400)
        self.assertEqual(self.port.most, ACCEPTS)

    def test_a_short_queue_is_no_crowd_however_long_it_stays(self) -> None:
        self.port.queue = ["127.0.0.1"] * (LONG - 1)
        self.storm(5.0, more=ACCEPTS)
        self.assertEqual(len(self.port.stayed), 2500 * ACCEPTS)

    def test_many_who_come_one_by_one_are_no_crowd(self) -> None:
        self.storm(5.0, more=ACCEPTS - 1)
        self.assertEqual(len(self.port.stayed), 2500 * (ACCEPTS - 1))

    def test_it_is_over_some_time_after_the_crowd(self) -> None:
        self.storm(1.0)
        self.storm(CROWDED + 1.0, more=0)
        before = len(self.port.stayed)
        self.storm(0.2, more=3)
        self.assertEqual(len(self.port.stayed) - before, 300)
