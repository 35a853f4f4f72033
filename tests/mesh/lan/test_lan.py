"""Beacons at their times, and who hears them; a network in memory carries them."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.discovery.lan.beacon import Beacon, decode, encode
from p2pchat.mesh.discovery.lan.heard import Sighting
from p2pchat.mesh.discovery.lan.lan import INTERVAL, Lan
from p2pchat.testing.neighbours import FakeLan


class LanTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.network = FakeLan(self.clock)
        self.sighted: list[tuple[str, str, list[tuple[str, int]]]] = []
        self.namesakes: list[str] = []

    def lan(self, peer_id: str, number: int, port: int = 4000) -> Lan:
        lan = Lan(
            self.clock,
            self.network.carrier(f"10.0.0.{number}"),
            peer_id,
            port,
            f"{number:016x}",
            (),
            lambda low, high: (low + high) / 2,
            lambda who, seen, begins: self.told(peer_id, who, seen),
            lambda where: self.namesakes.append(str(where)),
        )
        lan.startService()
        return lan

    def told(self, me: str, who: str, seen: list[Sighting]) -> None:
        news = (me, who, [(each.ip, each.port) for each in seen])
        if news not in self.sighted:
            self.sighted.append(news)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.25] * int(seconds * 4))

    def beacons_of(self, number: int) -> list[Beacon | None]:
        return [decode(text) for ip, text in self.network.said if ip == f"10.0.0.{number}"]

    def test_the_times_of_beacons(self) -> None:
        self.lan("ana@CIC", 1)
        times = []
        for _ in range(400):
            before = len(self.network.said)
            self.clock.advance(0.25)
            times += [self.clock.seconds()] * (len(self.network.said) - before)
        self.assertEqual([round(at) for at in times], [0, 1, 3, 33, 63, 93])
        self.assertEqual([each.n for each in self.beacons_of(1) if each], [0, 1, 2, 3, 4, 5])

    def test_two_find_each_other_at_once(self) -> None:
        self.lan("ana@CIC", 1)
        self.pass_time(20)
        self.lan("bob@CIC", 2, 4001)
        self.pass_time(1)
        self.assertEqual(
            sorted(self.sighted),
            [
                ("ana@CIC", "bob@CIC", [("10.0.0.2", 4001)]),
                ("bob@CIC", "ana@CIC", [("10.0.0.1", 4000)]),
            ],
        )

    def test_many_who_are_new_are_answered_once_a_second(self) -> None:
        self.lan("ana@CIC", 1)
        self.pass_time(20)
        before = len(self.beacons_of(1))
        for number in range(100):
            beacon = Beacon(f"eve{number}@CIC", f"{number + 500:016x}", 4000)
            self.network.shout(f"10.0.0.{number + 100}", encode(beacon))
            self.clock.advance(0.05)
        self.assertLessEqual(len(self.beacons_of(1)) - before, 6)

    def test_many_who_are_new_are_told_one_a_second(self) -> None:
        self.lan("ana@CIC", 1)
        for number in range(60):
            beacon = Beacon(f"eve{number}@CIC", f"{number + 500:016x}", 4000)
            self.network.shout(f"10.0.0.{number + 100}", encode(beacon))
        self.clock.pump([0, 0.05])
        self.assertIn(len(self.sighted), (20, 21))
        self.pass_time(10)
        self.assertIn(len(self.sighted), (30, 31))
        self.pass_time(60)
        self.assertEqual(len(self.sighted), 60)

    def test_both_families_of_a_node_are_told_at_once(self) -> None:
        self.lan("ana@CIC", 1)
        for number in range(20):
            beacon = encode(Beacon(f"n{number}@CIC", f"{number + 500:016x}", 4000))
            self.network.shout(f"fe80::{number + 2:x}%lan0", beacon)
            self.network.shout(f"10.0.0.{number + 2}", beacon)
        self.clock.pump([0, 0.05])
        places = [("10.0.0.21", 4000), ("fe80::15%lan0", 4000)]
        self.assertEqual(self.sighted[-1], ("ana@CIC", "n19@CIC", places))
        self.assertEqual(len(self.sighted), 20)

    def test_a_port_that_changes_without_end_is_told_one_a_second(self) -> None:
        """A neighbour could have us dial all ports of another one."""
        self.lan("ana@CIC", 1)
        for number in range(300):
            beacon = Beacon("eve@CIC", "e" * 16, 5000 + number)
            self.network.shout("10.0.0.9", encode(beacon))
            self.clock.advance(0.1)
        self.assertLessEqual(len(self.sighted), 20 + 31)

    def test_who_leaves_is_forgotten(self) -> None:
        self.lan("ana@CIC", 1)
        bob = self.lan("bob@CIC", 2)
        self.pass_time(1)
        self.successResultOf(bob.stopService())
        self.pass_time(1)
        self.assertEqual(self.sighted[-1], ("ana@CIC", "bob@CIC", []))
        said = len(self.beacons_of(2))
        self.pass_time(2 * INTERVAL)
        self.assertEqual(len(self.beacons_of(2)), said)

    def test_who_dies_is_forgotten_later(self) -> None:
        self.lan("ana@CIC", 1)
        bob = self.lan("bob@CIC", 2)
        self.pass_time(4)
        self.network.carriers.remove(bob.carrier)  # type: ignore[arg-type]
        self.network.drops = lambda: True
        self.pass_time(95)
        self.assertNotIn(("ana@CIC", "bob@CIC", []), self.sighted)
        self.pass_time(20)
        self.assertIn(("ana@CIC", "bob@CIC", []), self.sighted)

    def test_who_asks_is_answered_and_is_nobody(self) -> None:
        ana = self.lan("ana@CIC", 1)
        self.pass_time(20)
        before = len(self.beacons_of(1))
        for _ in range(100):
            self.network.shout("10.0.0.9", encode(Beacon("x@y", "1" * 16, ask=True)))
            self.clock.advance(0.05)
        self.assertIn(len(self.beacons_of(1)) - before, (5, 6))
        self.assertEqual((self.sighted, len(ana.heard)), ([], 0))

    def test_a_lost_beacon_is_made_up_for(self) -> None:
        lost = iter([True, True] + [False] * 1000)
        self.network.drops = lambda: next(lost)
        self.lan("ana@CIC", 1)
        self.lan("bob@CIC", 2)
        self.pass_time(2)
        self.assertEqual(
            {(me, who) for me, who, _ in self.sighted},
            {("ana@CIC", "bob@CIC"), ("bob@CIC", "ana@CIC")},
        )

    def test_our_name_elsewhere_is_told_a_few_times(self) -> None:
        self.lan("ana@CIC", 1)
        for number in range(50):
            self.network.shout("10.0.0.9", encode(Beacon("ana@CIC", f"{number + 50:016x}", 4000)))
            self.pass_time(1)
        self.assertEqual(self.namesakes, ["on this network, at 10.0.0.9"] * 3)
        self.assertEqual(self.sighted, [])

    def test_an_interface_that_comes_later_is_used_soon(self) -> None:
        carrier = self.lan("ana@CIC", 1).carrier
        self.pass_time(14)
        (way,) = carrier.ways.values()
        way.sent = 0
        self.pass_time(8)
        self.assertEqual(way.sent, 1)

    def test_silence(self) -> None:
        ana = self.lan("ana@CIC", 1)
        self.pass_time(70)
        self.assertEqual(round(ana.silent_for(self.clock.seconds())), 70)
        self.lan("bob@CIC", 2)
        self.pass_time(2)
        self.assertLessEqual(ana.silent_for(self.clock.seconds()), 2)

    def test_what_cannot_start_says_why_and_does_nothing(self) -> None:
        carrier = self.network.carrier("10.0.0.1")
        carrier.trouble = "cannot listen"
        lan = Lan(self.clock, carrier, "ana@CIC", 4000, "0" * 16, (), lambda a, b: a, print, print)
        lan.startService()
        self.assertEqual((str(lan.trouble), self.clock.getDelayedCalls()), ("cannot listen", []))
        self.successResultOf(lan.stopService())

    def test_a_name_that_is_too_long_is_not_announced_but_hears(self) -> None:
        long = "\U0001f600" * 64
        lan = self.lan(f"{long}@{long}", 1)
        self.lan("bob@CIC", 2)
        self.pass_time(1)
        self.assertIn("too long", str(lan.trouble))
        self.assertEqual([who for _, who, _ in self.sighted], ["bob@CIC"])
        self.successResultOf(lan.stopService())
        self.assertEqual(self.beacons_of(1), [])

    def test_nothing_is_left_behind(self) -> None:
        lan = self.lan("ana@CIC", 1)
        self.pass_time(5)
        self.successResultOf(lan.stopService())
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(
            self.network.said[-1][1], encode(Beacon("ana@CIC", "1".zfill(16), bye=True))
        )
