"""Who may connect: links in all, links from one address, connections without HELLO."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.admission import GRACE, SHORT_GRACE, WINDOW, Admission
from p2pchat.settings.values import LimitSettings
from p2pchat.wire.address import network_of

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Connection:
    """An inbound connection that has said nothing yet."""

    def __init__(self, ip: str) -> None:
        self.ip = ip
        self.gave_up = ""
        self.hello: Callable[[], None] | None = None
        """What its HELLO, which has come already, leads to when it is read."""

    def look(self) -> None:
        if self.hello is not None:
            self.hello()

    def give_up(self, reason: str) -> None:
        self.gave_up = reason


class Door:
    """An `Admission`, and who came in."""

    def __init__(
        self,
        links: int = 100,
        per_ip: int = 100,
        handshakes: int = 100,
        share: int = 100,
        descriptors: int | None = None,
        rate: int = 1000,
    ) -> None:
        limits = LimitSettings(
            max_links=links,
            max_links_per_ip=per_ip,
            max_handshakes=handshakes,
            max_handshakes_per_ip=share,
            link_rate_per_ip=rate,
        )
        self.it = Admission(limits, descriptors)
        self.now = 100.0
        self.inside: list[Connection] = []
        self.why: str | None = None

    def come(self, ip: str) -> Connection | None:
        """Somebody connects; None, and `why`, when there is no place."""
        self.why = self.it.admit(ip, self.now)
        for connection in [it for it in self.inside if it.gave_up]:
            self.go(connection)
        if self.why is not None:
            return None
        connection = Connection(ip)
        self.it.arrived(connection, self.now)
        self.inside.append(connection)
        return connection

    def open(self, ip: str) -> Connection:
        """Somebody connects and says HELLO."""
        connection = self.come(ip)
        assert connection is not None, self.why
        self.it.settled(connection)
        return connection

    def go(self, connection: Connection) -> None:
        self.inside.remove(connection)
        self.it.settled(connection)
        self.it.release(connection, inbound=True)


class LinkTests(SynchronousTestCase):
    def refused(self, door: Door, ip: str) -> str:
        self.assertIsNone(door.come(ip))
        assert door.why is not None
        return door.why

    def test_links_in_all(self) -> None:
        door = Door(links=2)
        first = door.open(HERE)
        door.open(THERE)
        self.assertEqual(self.refused(door, "192.0.2.3"), "too many links")
        door.go(first)
        self.assertIsNotNone(door.come("192.0.2.3"))
        self.assertEqual((door.it.links, door.it.refused), (2, 1))

    def test_links_that_we_dialed_count_and_are_never_refused(self) -> None:
        door = Door(links=2)
        for _ in range(3):
            door.it.dialed(HERE)
        self.assertEqual(door.it.links, 3)
        self.assertEqual(self.refused(door, HERE), "too many links")
        for _ in range(2):
            door.it.release(Connection(HERE), inbound=False)
        self.assertIsNotNone(door.come(HERE))

    def test_links_from_one_address(self) -> None:
        door = Door(per_ip=2)
        first = door.open(HERE)
        door.open(HERE)
        self.assertEqual(self.refused(door, HERE), "too many links from one address")
        self.assertIsNotNone(door.come(THERE))
        door.go(first)
        door.open(HERE)
        self.assertEqual(self.refused(door, HERE), "too many links from one address")

    def test_an_ipv6_network_is_one_address(self) -> None:
        door = Door(per_ip=2)
        door.open("2001:db8::1")
        door.open("2001:db8::dead:beef")
        self.assertEqual(self.refused(door, "2001:db8::2"), "too many links from one address")
        door.open("2001:db8:0:1::2")
        door.open("::ffff:192.0.2.1")
        door.open(HERE)
        self.assertEqual(self.refused(door, HERE), "too many links from one address")

    def test_a_crowd_on_a_link_without_ipv4_leaves_room_for_friends(self) -> None:
        """All link-local addresses are one, and one machine has as many of them as it wants."""
        door = Door(per_ip=3)

        def opens(ip: str, *, friend: bool = False) -> bool:
            link = door.come(ip)
            assert link is not None, door.why
            has_place = door.it.opened(link, door.now, friend=friend)
            if not has_place:
                door.go(link)
            return has_place

        crowd = [opens(f"fe80::{n}%eth0") for n in range(1, 8)]
        self.assertEqual(crowd, [True] * 3 + [False] * 4)
        self.assertTrue(opens("fe80::f%eth0", friend=True))
        self.assertFalse(opens("fe80::9%eth0"))
        door.come("fe80::a%eth0")
        door.come("fe80::b%eth0")
        self.assertEqual(self.refused(door, "fe80::c%eth0"), "too many links from one address")
        self.assertIsNotNone(door.come(THERE))

    def test_dialing_an_address_takes_no_place_of_its_inbound_links(self) -> None:
        door = Door(per_ip=1)
        door.it.dialed(HERE)
        door.open(HERE)
        door.it.release(Connection(HERE), inbound=False)
        self.assertEqual(self.refused(door, HERE), "too many links from one address")

    def test_what_we_dial_has_the_same_share(self) -> None:
        door = Door(per_ip=3)
        door.open(HERE)
        door.it.dialed(HERE)
        self.assertTrue(door.it.may_dial(HERE, 1, friend=False))
        self.assertFalse(door.it.may_dial(HERE, 2, friend=False))
        self.assertTrue(door.it.may_dial(HERE, 4, friend=True))
        self.assertFalse(door.it.may_dial(HERE, 5, friend=True))
        door.it.release(Connection(HERE), inbound=False)
        self.assertTrue(door.it.may_dial(HERE, 2, friend=False))
        self.assertEqual(door.it._dialed, {})
        door.it.dialed("2001:db8::1")
        self.assertFalse(door.it.may_dial(network_of("2001:db8::2"), 2, friend=False))

    def test_this_machine_may_be_dialed_any_number_of_times(self) -> None:
        door = Door(per_ip=1)
        door.it.dialed("127.0.0.1")
        door.it.dialed("::1")
        self.assertTrue(door.it.may_dial(network_of("127.0.0.1"), 5, friend=False))

    def test_loopback_has_no_limit_of_links(self) -> None:
        door = Door(links=10, per_ip=1)
        for n in range(10):
            door.open(f"127.0.0.{n}")
        self.assertEqual(self.refused(door, "127.0.0.1"), "too many links")

    def test_whoever_is_refused_takes_no_place(self) -> None:
        door = Door(per_ip=1)
        first = door.open(HERE)
        for _ in range(100):
            door.come(HERE)
        self.assertEqual((door.it.links, door.it.handshakes, door.it.refused), (1, 0, 100))
        door.go(first)
        self.assertIsNotNone(door.come(HERE))

    def test_descriptors_bound_the_links_and_leave_a_reserve(self) -> None:
        for descriptors, links in ((1024, 896), (100, 68), (64, 32), (1, 1), (10**6, 5000)):
            self.assertEqual(Door(links=5000, descriptors=descriptors).it.max_links, links)
        self.assertEqual(Door(links=5000).it.max_links, 5000)

    def test_nothing_is_kept_of_an_address_without_a_link(self) -> None:
        door = Door()
        for n in range(1000):
            door.go(door.open(f"192.0.2.{n}"))
        it = door.it
        self.assertEqual((it._per_address, it._silent, it._silent_at), ({}, {}, {}))
        self.assertEqual((it.links, it.handshakes), (0, 0))


class StrangerTests(SynchronousTestCase):
    """Open links of strangers, whose names and addresses are as many as they like."""

    def open(self, door: Door, ip: str, *, friend: bool = False) -> Connection | None:
        connection = door.come(ip)
        assert connection is not None, door.why
        if door.it.opened(connection, door.now, friend=friend):
            return connection
        door.go(connection)
        return None

    def test_they_leave_an_eighth_to_friends(self) -> None:
        door = Door(links=16)
        inside = [self.open(door, f"192.0.2.{n}") for n in range(14)]
        self.assertNotIn(None, inside)
        self.assertIsNone(self.open(door, "192.0.2.99"))
        self.assertEqual((door.it.links, door.it.refused), (14, 1))
        self.assertIsNotNone(self.open(door, HERE, friend=True))
        self.assertIsNotNone(self.open(door, HERE, friend=True))
        self.assertEqual(self.refused(door), "too many links")

    def test_one_that_leaves_gives_its_place_to_another(self) -> None:
        door = Door(links=8)
        inside = [self.open(door, f"192.0.2.{n}") for n in range(7)]
        self.assertIsNone(self.open(door, HERE))
        assert inside[0] is not None
        door.go(inside[0])
        self.assertIsNotNone(self.open(door, HERE))

    def test_friends_take_none_of_their_places(self) -> None:
        door = Door(links=8)
        friend = self.open(door, HERE, friend=True)
        inside = [self.open(door, f"192.0.2.{n}") for n in range(10, 17)]
        assert friend is not None
        door.go(friend)
        self.assertNotIn(None, inside)
        self.assertIsNone(self.open(door, THERE))

    def refused(self, door: Door) -> str | None:
        self.assertIsNone(door.come(HERE))
        return door.why


class RateTests(SynchronousTestCase):
    """Who connects, says HELLO, leaves and comes back at once, again and again."""

    def come_and_go(self, door: Door, ip: str, count: int) -> int:
        """How many of so many got in."""
        got_in = 0
        for _ in range(count):
            connection = door.come(ip)
            if connection is not None:
                got_in += 1
                door.it.opened(connection, door.now, friend=False)
                door.go(connection)
        return got_in

    def test_an_address_has_a_rate_and_may_use_that_of_ten_seconds_at_once(self) -> None:
        door = Door(rate=3)
        self.assertEqual(self.come_and_go(door, HERE, 100), 3 * WINDOW)
        self.assertEqual(door.why, "too many new links from one address")
        self.assertEqual(door.it.refused, 100 - 3 * WINDOW)
        self.assertEqual(self.come_and_go(door, THERE, 20), 20)
        door.now += WINDOW
        self.assertEqual(self.come_and_go(door, HERE, 100), 3 * WINDOW)

    def test_who_says_nothing_uses_up_no_rate(self) -> None:
        door = Door(rate=1)
        for _ in range(100):
            connection = door.come(HERE)
            assert connection is not None
            door.go(connection)
        self.assertEqual(self.come_and_go(door, HERE, 1), 1)

    def test_a_network_of_64_bits_is_one_address(self) -> None:
        door = Door(rate=1)
        come = [self.come_and_go(door, f"2001:db8::{number:x}", 1) for number in range(1, 30)]
        self.assertEqual(sum(come), WINDOW)

    def test_this_machine_has_no_such_limit(self) -> None:
        door = Door(rate=1)
        self.assertEqual(self.come_and_go(door, "127.0.0.1", 100), 100)
        self.assertEqual(self.come_and_go(door, "127.0.0.2", 100), 100)


class SilentTests(SynchronousTestCase):
    """Connections without HELLO keep nobody out."""

    def test_the_oldest_gives_way_after_a_second(self) -> None:
        door = Door(handshakes=3)
        first = door.come("192.0.2.1")
        for n in (2, 3):
            door.come(f"192.0.2.{n}")
        door.now += GRACE - 0.1
        self.assertIsNone(door.come("192.0.2.2"), "it has a place already")
        self.assertEqual(door.why, "too many handshakes in progress")
        door.now += 0.2
        self.assertIsNotNone(door.come("192.0.2.2"))
        assert first is not None
        self.assertIn("gave way", first.gave_up)
        self.assertEqual((door.it.handshakes, door.it.gave_way, door.it.refused), (3, 1, 1))

    def test_who_has_no_place_yet_waits_for_a_tenth_of_it(self) -> None:
        door = Door(handshakes=2)
        door.come("192.0.2.1")
        door.come("192.0.2.1")
        door.now += SHORT_GRACE + 0.001
        self.assertIsNotNone(door.come("192.0.2.9"))

    def test_each_address_has_a_share_and_takes_turns_in_it(self) -> None:
        door = Door(share=2)
        first = door.come(HERE)
        door.come(HERE)
        self.assertIsNone(door.come(HERE))
        self.assertEqual(door.why, "too many handshakes from one address")
        self.assertIsNotNone(door.come(THERE))
        door.now += SHORT_GRACE + 0.001
        self.assertIsNotNone(door.come(HERE))
        assert first is not None
        self.assertTrue(first.gave_up)

    def test_loopback_has_a_half(self) -> None:
        door = Door(handshakes=20, share=2)
        for n in range(10):
            self.assertIsNotNone(door.come(f"127.0.0.{n}"))
        self.assertIsNone(door.come("127.0.0.77"))
        self.assertIsNotNone(door.come(HERE))

    def test_silent_ones_give_way_when_an_address_has_all_its_links(self) -> None:
        door = Door(per_ip=3)
        door.open(HERE)
        door.come(HERE)
        door.come(HERE)
        door.now += SHORT_GRACE + 0.001
        self.assertIsNotNone(door.come(HERE))
        self.assertEqual(door.it.links, 3)

    def test_they_take_half_of_the_links_at_most(self) -> None:
        door = Door(links=10)
        for n in range(20):
            door.come(f"192.0.2.{n}")
        self.assertEqual((door.it.handshakes, door.it.has_room), (5, True))

    def test_a_full_table_has_a_place_for_who_speaks(self) -> None:
        door = Door(links=4)
        for n in range(3):
            door.open(f"192.0.2.{n}")
        silent = door.come(HERE)
        self.assertIsNone(door.come(THERE))
        door.now += GRACE
        self.assertIsNotNone(door.come(THERE))
        assert silent is not None
        self.assertTrue(silent.gave_up)

    def test_whose_hello_waits_to_be_read_does_not_give_way(self) -> None:
        door = Door(handshakes=3)
        for number in range(3):
            connection = door.come(f"192.0.2.{number}")
            assert connection is not None
            if number < 2:
                connection.hello = partial(door.it.settled, connection)
        # All of this happens in one turn of the reactor.
        for number in range(3, 5):
            self.assertIsNotNone(door.come(f"192.0.2.{number}"))
        self.assertIsNone(door.come("192.0.2.5"), "these are young, and have said nothing")
        self.assertEqual([it.gave_up for it in door.inside], [""] * 5)

    def test_a_full_house_of_speakers_is_full(self) -> None:
        door = Door(links=20)
        for number in range(20):
            connection = door.come(f"192.0.2.{number}")
            assert connection is not None
            connection.hello = partial(door.it.settled, connection)
        self.assertIsNone(door.come("192.0.2.99"))
        self.assertEqual((door.why, door.it.gave_way), ("too many links", 0))

    def test_newcomers_get_in_however_fast_silent_ones_come(self) -> None:
        for address in ("127.0.0.1", HERE, "2001:db8::{}", "192.0.2.{}"):
            door = Door(links=10_000, per_ip=256, handshakes=1000)
            got_in = asked = 0
            for number in range(20_000):
                door.now += 0.0005  # two thousand a second
                door.come(address.format(number % 250))
                if number > 2000 and number % 97 == 0:
                    asked += 1
                    connection = door.come("198.51.100.7")
                    if connection is not None:
                        got_in += 1
                        door.go(connection)
            self.assertEqual(got_in, asked, address)


class AnyOrderTests(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("+-ow")), max_size=60))
    def test_the_limits_hold_whoever_comes_and_goes(self, events: list[tuple[str, str]]) -> None:
        door = Door(links=8, per_ip=4, handshakes=3, share=2)
        opened: list[Connection] = []
        for ip, what in events:
            silent = [it for it in door.inside if it not in opened]
            if what == "+":
                door.come(ip)
            elif what == "w":
                door.now += 0.4
            elif what == "o" and silent:
                door.it.settled(silent[-1])
                opened.append(silent[-1])
            elif what == "-" and door.inside:
                connection = door.inside[len(events) % len(door.inside)]
                door.go(connection)
                opened = [it for it in opened if it is not connection]
            silent = [it for it in door.inside if it not in opened]
            self.assertEqual(door.it.links, len(door.inside))
            self.assertEqual(door.it.handshakes, len(silent))
            self.assertLessEqual(door.it.links, 8)
            self.assertLessEqual(door.it.handshakes, 3)
            for name in "abc":
                self.assertLessEqual(sum(it.ip == name for it in door.inside), 4)
                self.assertLessEqual(sum(it.ip == name for it in silent), 2)
