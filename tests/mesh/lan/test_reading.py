"""Reading what anybody on the network sends: seldom, however much it is."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.discovery.lan.reading import Reading


class Port:
    """A port that is read in each turn of its reactor, as long as it is to be read."""

    def __init__(self) -> None:
        self.reading = True
        self.queue = 0

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True

    def stopListening(self) -> Deferred[None]:
        self.reading = False
        return succeed(None)


class ReadingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.port = Clock(), Port()
        self.heard = self.turns = 0
        self.reading = Reading(self.clock, self.hear)
        self.reading.begin(self.port)

    def hear(self, _datagram: bytes, _ip: str) -> None:
        self.heard += 1

    def flood(self, seconds: int, a_turn: int) -> None:
        """So many datagrams come in each hundredth of a second."""
        for _ in range(100 * seconds):
            self.port.queue += a_turn
            if self.port.reading:
                self.turns += 1
                for _ in range(self.port.queue):
                    self.reading.datagramReceived(b"", ("10.0.0.2", 27801))
                self.port.queue = 0
            self.clock.advance(0.01)

    def test_a_flood_is_two_turns_a_second(self) -> None:
        self.flood(10, 2)
        self.assertLessEqual(self.turns, 22)
        self.assertGreater(self.heard, 1800, "none is lost here")

    def test_a_few_are_read_soon(self) -> None:
        self.port.queue = 5
        self.flood(1, 0)
        self.port.queue = 1
        self.flood(1, 0)
        self.assertEqual((self.heard, self.port.reading), (6, True))

    def test_after_the_end_nothing_is_heard_and_nothing_is_left(self) -> None:
        self.flood(1, 2)
        before = self.heard
        self.successResultOf(self.reading.stop())
        self.reading.datagramReceived(b"", ("10.0.0.2", 27801))
        self.assertEqual((self.heard, self.clock.getDelayedCalls()), (before, []))
