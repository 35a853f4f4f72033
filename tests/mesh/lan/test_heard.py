"""Who was heard: what changes, what is forgotten, and that strangers cannot fill it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.discovery.lan.beacon import Beacon, encode
from p2pchat.mesh.discovery.lan.heard import (
    LASTS,
    MOST,
    MOST_AT_ONE,
    MOST_OF_ONE,
    RATE,
    RATE_OF_ONE,
    Heard,
    News,
    Sighting,
)

OWN = "f" * 16
SIX = "fe80::2%eth0"


def instance(number: int) -> str:
    return f"{number:016x}"


class HeardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.friends = {"friend@CIC"}
        self.heard = Heard(OWN, self.friends, self.now)

    def hear(
        self,
        peer_id: str,
        ip: str = "10.0.0.2",
        number: int = 1,
        port: int = 4000,
        *,
        bye: bool = False,
    ) -> News | None:
        beacon = Beacon(peer_id, instance(number), 0 if bye else port, bye=bye)
        return self.heard.take(encode(beacon), ip, self.now)

    def test_who_is_new(self) -> None:
        self.assertEqual(self.hear("bob@CIC"), News("bob@CIC", is_new=True))
        self.assertEqual(self.hear("bob@CIC"), News("bob@CIC", is_new=False))
        until = self.now + LASTS
        self.assertEqual(self.heard.of("bob@CIC"), [Sighting("bob@CIC", "10.0.0.2", 4000, until)])

    def test_another_port(self) -> None:
        self.hear("bob@CIC")
        self.assertEqual(self.hear("bob@CIC", port=4001), News("bob@CIC", is_new=True))
        self.assertEqual(self.hear("bob@CIC", port=4001), News("bob@CIC", is_new=False))

    def test_another_run_comes_first(self) -> None:
        self.hear("bob@CIC")
        self.now += 1
        self.assertEqual(self.hear("bob@CIC", number=2, port=4001), News("bob@CIC", is_new=True))
        self.assertEqual([each.port for each in self.heard.of("bob@CIC")], [4001, 4000])

    def test_one_run_at_two_addresses(self) -> None:
        self.hear("bob@CIC", "10.8.0.2")
        self.hear("bob@CIC", "10.9.0.2")
        self.assertEqual({each.ip for each in self.heard.of("bob@CIC")}, {"10.8.0.2", "10.9.0.2"})

    def test_one_run_over_both_families(self) -> None:
        """IPv4 comes first: it has a share of its own wherever an address has one."""
        self.hear("bob@CIC")
        self.now += 1
        self.hear("bob@CIC", "fe80::2%eth0")
        self.assertEqual([each.ip for each in self.heard.of("bob@CIC")], ["10.0.0.2", SIX])
        self.hear("bob@CIC", "fe80::2%wlan0")
        self.assertEqual(len(self.heard.of("bob@CIC")), 3, "another machine, perhaps")

    def test_who_leaves_is_forgotten_where_it_said_so(self) -> None:
        self.hear("bob@CIC", "10.8.0.2")
        self.hear("bob@CIC", "10.9.0.2")
        self.assertEqual(self.hear("bob@CIC", "10.8.0.2", bye=True), News("bob@CIC", is_new=False))
        self.assertEqual([each.ip for each in self.heard.of("bob@CIC")], ["10.9.0.2"])
        self.assertIsNone(self.hear("eve@CIC", "10.9.0.2", bye=True), "not its own")
        self.assertIsNone(self.hear("bob@CIC", "10.9.0.3", bye=True), "never heard there")
        self.assertEqual(len(self.heard), 1)

    def test_who_is_silent_is_forgotten(self) -> None:
        self.hear("bob@CIC")
        self.assertEqual(self.heard.lapse(self.now + LASTS - 1), set())
        self.assertEqual(self.heard.lapse(self.now + LASTS), {"bob@CIC"})
        self.assertEqual((len(self.heard), self.heard.of("bob@CIC")), (0, []))
        self.assertEqual(self.hear("bob@CIC"), News("bob@CIC", is_new=True))

    def test_a_run_has_one_name(self) -> None:
        self.hear("bob@CIC")
        self.assertIsNone(self.hear("eve@CIC"))
        self.assertEqual(self.heard.of("eve@CIC"), [])

    def test_our_own_beacons_are_nobody(self) -> None:
        self.assertIsNone(self.heard.take(encode(Beacon("ana@CIC", OWN, 4000)), "10.0.0.1", 100.0))
        self.assertEqual((len(self.heard), self.heard.taken), (0, 0))

    def test_what_is_no_beacon_is_counted(self) -> None:
        self.assertIsNone(self.heard.take(b"hello", "10.0.0.2", self.now))
        self.assertIsNone(self.heard.take(b"x" * 1000, "10.0.0.2", self.now))
        self.assertEqual((self.heard.odd, self.heard.dropped), (1, 1))

    # ------------------------------------------------------------ too much

    def test_one_address_is_read_so_often(self) -> None:
        for number in range(50):
            self.hear(f"eve{number}@CIC", number=number)
        self.assertEqual(len(self.heard), RATE_OF_ONE)
        self.assertIsNotNone(self.hear("bob@CIC", "10.0.0.3", 99), "others are heard")

    def test_all_are_read_so_often(self) -> None:
        self.hear("friend@CIC", "10.0.0.9", 9999)
        self.now += 1
        for number in range(500):
            self.hear(f"eve{number}@CIC", f"10.0.{number // 100}.{number % 100 + 10}", number)
        self.assertEqual(len(self.heard), RATE - RATE // 8 + 1)
        self.assertIsNotNone(self.hear("friend@CIC", "10.0.0.9", 9999, 4001), "a friend's machine")
        self.now += 1
        self.assertIsNotNone(self.hear("bob@CIC", "10.0.5.1", 77_777), "the next second")

    def test_one_address_has_so_many_places(self) -> None:
        for number in range(3 * MOST_AT_ONE):
            self.now += 0.2
            self.hear(f"eve{number}@CIC", number=number)
        self.assertEqual(len(self.heard), MOST_AT_ONE)

    def test_one_name_has_so_many_places(self) -> None:
        for number in range(3 * MOST_OF_ONE):
            self.now += 0.2
            self.hear("friend@CIC", f"10.0.0.{number}", number)
        self.assertEqual(len(self.heard.of("friend@CIC")), MOST_OF_ONE)

    def test_ipv6_is_read_so_often(self) -> None:
        """Each of these addresses costs nobody anything."""
        for number in range(500):
            self.hear(f"eve{number}@CIC", f"fe80::{number:x}%eth0", number)
        self.assertEqual(len(self.heard), (RATE - RATE // 8) // 2)
        self.assertIsNotNone(self.hear("bob@CIC", "10.0.0.2", 9999), "there is room for IPv4")
        self.now += 1
        self.assertIsNotNone(self.hear("bob@CIC", "fe80::b%eth0", 9999), "the next second")

    def test_ipv6_has_so_many_places(self) -> None:
        for number in range(2, 2 * MOST):
            self.now += 0.05
            self.hear(f"eve{number}@CIC", f"fe80::{number:x}%eth0", number)
        self.assertEqual(len(self.heard), (MOST - MOST // 8) // 2)
        self.assertIsNotNone(self.hear("friend@CIC", "fe80::f%eth0", 9999))
        self.assertIsNotNone(self.hear("bob@CIC", "10.0.0.2", 9998))
        self.heard.lapse(self.now + LASTS)
        self.now += LASTS
        self.assertIsNotNone(self.hear("bob@CIC", "fe80::b%eth0", 1))

    def test_strangers_leave_places_for_friends_and_take_nobodys(self) -> None:
        self.hear("bob@CIC", "10.9.9.9", 1)
        for number in range(2, 2 * MOST):
            self.now += 0.02
            self.hear(f"eve{number}@CIC", f"10.1.{number // 30}.1", number)
        self.assertEqual(len(self.heard), MOST - MOST // 8)
        self.assertTrue(self.heard.of("bob@CIC"))
        self.now += 1
        self.assertIsNotNone(self.hear("friend@CIC", "10.0.0.9", 9999))
