"""One pause for each address and port, however many names claim to be there."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.dial_pauses import DialPauses, backoff
from p2pchat.settings.values import ConnectionSettings

PLACE = ("192.0.2.1", 4000)
CONNECTION = ConnectionSettings()


def middle(low: float, high: float) -> float:
    return (low + high) / 2


class DialPausesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pauses = DialPauses(middle)

    def dial(self, name: str, now: float, port: int = 4000) -> None:
        self.pauses.began(name, (PLACE[0], port))
        self.pauses.ended(name, (PLACE[0], port), CONNECTION, now)

    def test_nobody_was_dialed_there(self) -> None:
        self.assertEqual(self.pauses.holder("a@x", PLACE, 0), "")

    def test_while_one_is_dialed_no_other_is(self) -> None:
        self.pauses.began("a@x", PLACE)
        self.assertEqual(self.pauses.holder("b@x", PLACE, 1e9), "a@x")
        self.assertEqual(self.pauses.holder("a@x", PLACE, 0), "")
        self.assertEqual(self.pauses.holder("b@x", ("192.0.2.1", 4001), 0), "")

    def test_the_pause_grows_whoever_is_dialed(self) -> None:
        now = 0.0
        for n, pause in enumerate((2, 4, 8, 16, 32, 60, 60)):
            self.dial(f"p{n}@x", now)
            self.assertEqual(self.pauses.holder("z@x", PLACE, now + pause - 0.01), f"p{n}@x")
            self.assertEqual(self.pauses.holder(f"p{n}@x", PLACE, now), "")
            self.assertEqual(self.pauses.holder("z@x", PLACE, now + pause), "")
            now += pause

    def test_only_the_name_that_was_dialed_last_changes_it(self) -> None:
        self.dial("a@x", 0)
        self.dial("b@x", 2)
        self.pauses.ended("a@x", PLACE, CONNECTION, 100)
        self.pauses.lasted("a@x", PLACE)
        self.assertEqual(self.pauses.holder("z@x", PLACE, 5.9), "b@x")
        self.assertEqual(self.pauses.holder("z@x", PLACE, 6), "")
        self.pauses.lasted("b@x", PLACE)
        self.assertEqual(len(self.pauses), 0)

    def test_what_was_never_dialed_has_no_pause(self) -> None:
        self.pauses.ended("a@x", PLACE, CONNECTION, 0)
        self.pauses.lasted("a@x", PLACE)
        self.assertEqual(len(self.pauses), 0)

    def test_places_left_alone_are_forgotten(self) -> None:
        for n in range(100):
            self.dial("a@x", 0, 2000 + n)
        self.dial("a@x", 61.9)
        self.assertEqual(len(self.pauses), 101)
        self.dial("a@x", 62)
        self.assertEqual(len(self.pauses), 1)

    def test_the_table_is_bounded(self) -> None:
        for n in range(10_100):
            self.dial("a@x", 0, n)
        self.assertEqual(len(self.pauses), 10_000)

    def test_the_backoff_has_jitter_and_a_longest(self) -> None:
        self.assertEqual(backoff(CONNECTION, 3, min), 6.4)
        self.assertEqual(backoff(CONNECTION, 3, max), 9.6)
        self.assertEqual(backoff(CONNECTION, 10**9, max), 60)
