"""From settings to a history: a real file, real threads, and nothing left behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from p2pchat.history.opening import history_maker
from p2pchat.history.records import PUBLISHED, HistoryError, Record
from p2pchat.settings.values import HistorySettings, Settings
from p2pchat.wire.repetitions import RecentIds


class OpeningTests(TestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve() / "here" / "history.sqlite"
        settings = Settings(history=HistorySettings(file=str(self.path)))
        self.make: Any = history_maker(reactor, settings, time.time)

    async def test_kept_read_and_closed(self) -> None:
        history = self.make("alice@CIC", RecentIds(10))
        await history.open()
        self.assertEqual(
            [path.name for path in self.path.parent.iterdir()], [self.path.name + ".lock"]
        )
        history.enter(Record(0, "#CIC", "alice@CIC", "m1", 1.0, PUBLISHED, "a todos"))
        await history.flush()
        (line,) = await history.recent("#CIC", 5)
        self.assertEqual((line.sender, line.text), ("alice@CIC", "a todos"))
        with self.assertRaises(HistoryError):
            self.make("bob@CIC", RecentIds(10))
        await history.stop()
        self.assertEqual([path.name for path in self.path.parent.iterdir()], [self.path.name])
        names = [thread.name for thread in threading.enumerate()]
        self.assertNotIn("history", names)
        self.assertNotIn("history-reader", names)
