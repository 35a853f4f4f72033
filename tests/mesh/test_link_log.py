"""What is told of links: strangers that come and go cannot push all else out of the log."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs import levels
from p2pchat.mesh.link_log import LinkLog
from p2pchat.wire.outputs import Ending, Finish
from tests.support.fake_link import FakeLink


class FloodTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lines: list[str] = []
        self.log = LinkLog()
        self.log.friends = {"alice@CIC"}
        observer: Any = self.note
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def note(self, event: LogEvent) -> None:
        self.lines.append(formatEvent(event))

    def come_and_go(self, peer_id: str, now: float) -> None:
        link = FakeLink(peer_id)
        self.log.opened(link, now)
        self.log.closed(link, Finish(Ending.LOST, "x" * 80), now)

    def test_statuses_of_strangers_are_counted_too(self) -> None:
        """Told at DEBUG: 30 strangers that came back each second wrote 60 lines a second."""
        levels.set_level("DEBUG")
        self.addCleanup(levels.set_level, "INFO")
        for number in range(100):
            for status in ("CONNECTED", "DISCONNECTED"):
                self.log.became(f"n{number}@CIC", status, 1.0)
        self.log.became("alice@CIC", "CONNECTED", 1.0)
        self.assertEqual(len(self.lines), 61)
        self.assertEqual(self.lines[-1], "alice@CIC is CONNECTED")
        self.lines.clear()
        self.log.flush(62.0)
        self.assertEqual(self.lines, ["… and 140 more (statuses) within 60 s"])

    def test_strangers_are_counted_and_a_friend_is_told(self) -> None:
        """1,400 links a second, each under a new name, wrote 2,600 lines a second."""
        for number in range(1400):
            self.come_and_go(f"n{number}@CIC", 1.0)
        self.assertEqual(len(self.lines), 2 * 60)
        self.lines.clear()
        self.come_and_go("alice@CIC", 2.0)
        self.assertEqual(
            [line.split(":")[0] for line in self.lines], ["Inbound connected", "Closed"]
        )
        self.lines.clear()
        self.log.flush(62.0)
        self.assertEqual(
            self.lines,
            [
                "… and 1340 more (links) within 60 s",
                "… and 1340 more (links that ended) within 60 s",
            ],
        )
