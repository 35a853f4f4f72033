"""A storm of connections, with real sockets: few are accepted before others have their turn."""

from __future__ import annotations

import socket
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from p2pchat.mesh.link.listener import ACCEPTS, AcceptsFew

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
