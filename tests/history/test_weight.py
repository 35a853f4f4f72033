"""What is told of a history to who watches the node: what waits, how old, how large, whose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from p2pchat.history.records import WAITING, Batch
from p2pchat.node.history_figures import history_section
from p2pchat.wire.messages import Send
from tests.support.histories import HistoryCase


class WeightTests(HistoryCase):
    def figures(self) -> dict[str, Any]:
        """What is told when somebody asks a second time, a few seconds later."""
        node: Any = SimpleNamespace(outgoing=self.outgoing)
        history_section(node, self.history).read()
        found = {**history_section(node, self.history).read()}
        self.clock.advance(5)
        return found

    def test_nothing_is_kept_yet(self) -> None:
        self.start()
        found = self.figures()
        for name in ("waiting", "oldest_seconds", "batches", "size_bytes", "strangers_bytes"):
            self.assertEqual(found[name], 0, name)

    def test_what_waits_and_for_how_long(self) -> None:
        self.start(outbox_max=50)
        self.say("bob@CIC", "um")
        self.wall += 100
        self.sweep(100)
        self.say("bob@CIC", "dois")
        self.sweep()
        found = self.figures()
        self.assertEqual((found["waiting"], found["waiting_limit"]), (2, 50))
        self.assertAlmostEqual(found["oldest_seconds"], 101, delta=1)
        self.assertGreaterEqual(found["batches"], 1)
        self.assertGreater(found["size_bytes"], 4096)
        self.wall -= 1000
        found = self.figures()
        self.assertAlmostEqual(found["oldest_seconds"], 106, delta=1, msg="the clock was set back")

    def test_who_has_how_much(self) -> None:
        said = [Send(f"s{number}", "eva@CIC", "alice@CIC", "x" * 1000, True) for number in range(9)]
        ours = self.entry("bob@CIC", "m1", "y" * 500, WAITING)
        self.database.commit(Batch(entries=[ours]))
        self.keep(self.arrival("eva@CIC", *said))
        self.start(max_bytes=100_000, strangers_share=10, peer_share=50)
        found = self.figures()
        self.assertTrue(9000 < found["strangers_bytes"] < 11_000, found)
        self.assertTrue(500 < found["friends_bytes"] < 1000, found)
        self.assertEqual(found["largest_friend_bytes"], found["friends_bytes"])
        self.assertEqual(found["strangers_bytes_limit"], 10_000)
        self.assertEqual(found["largest_friend_bytes_limit"], 50_000)
        self.assertEqual(found["size_bytes_limit"], 100_000)

    def test_without_a_limit(self) -> None:
        self.start(max_bytes=0)
        found = self.figures()
        self.assertIsNone(found["size_bytes_limit"])
        self.assertIsNone(found["strangers_bytes_limit"])

    def test_it_is_not_asked_all_the_time(self) -> None:
        self.start()
        self.say("bob@CIC", "um")
        self.sweep()
        asked: list[int] = []
        self.patch(self.history.weight, "_ask", lambda: self._count(asked))
        for _ in range(100):
            self.history.weight.look()
        self.assertEqual(len(asked), 1)
        self.clock.advance(5)
        self.history.weight.look()
        self.assertEqual(len(asked), 2)

    def _count(self, asked: list[int]) -> Any:
        from twisted.internet.defer import succeed

        asked.append(1)
        return succeed([])

    def test_who_is_told_that_a_peer_is_forgotten(self) -> None:
        self.start()
        told: list[int] = []
        self.outgoing.on_forgotten = lambda: told.append(1)
        self.say("bob@CIC", "um")
        self.sweep()
        self.successResultOf(self.outgoing.forget("bob@CIC"))
        self.assertEqual(told, [1])
