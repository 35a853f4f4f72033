"""The thread of a history: one call after the other, results in the reactor's thread."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from p2pchat.history.records import HistoryError
from p2pchat.history.worker import Worker


class WorkerTests(TestCase):
    async def test_calls_run_in_order_in_one_other_thread(self) -> None:
        worker = Worker(reactor, "history")
        self.addCleanup(worker.stop)
        order: list[Any] = []

        def call(number: int) -> int:
            order.append((number, threading.current_thread().name))
            return number * 2

        results = [worker.run(partial(call, number)) for number in range(5)]
        self.assertEqual([await result for result in results], [0, 2, 4, 6, 8])
        self.assertEqual(order, [(number, "history") for number in range(5)])

    async def test_what_a_call_raises_is_its_result(self) -> None:
        worker = Worker(reactor, "history")
        self.addCleanup(worker.stop)
        with self.assertRaises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        self.assertEqual(await worker.run(lambda: "fine"), "fine")

    async def test_no_thread_is_left(self) -> None:
        worker = Worker(reactor, "history of a test")
        await worker.run(lambda: None)
        worker.stop()
        worker.stop()
        with self.assertRaises(HistoryError):
            await worker.run(lambda: None)
        self.assertNotIn("history of a test", [each.name for each in threading.enumerate()])
