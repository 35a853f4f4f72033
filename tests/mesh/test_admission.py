"""Who may connect: links in all, links from one address, handshakes in progress."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.admission import Admission
from p2pchat.settings.values import LimitSettings

HERE, THERE = "192.0.2.1", "192.0.2.2"


def admission(
    links: int = 100, per_ip: int = 100, handshakes: int = 100, descriptors: int | None = None
) -> Admission:
    limits = LimitSettings(max_links=links, max_links_per_ip=per_ip, max_handshakes=handshakes)
    return Admission(limits, descriptors)


class AdmissionTests(SynchronousTestCase):
    def test_links_in_all(self) -> None:
        it = admission(links=2)
        self.assertIsNone(it.admit(HERE))
        self.assertIsNone(it.admit(THERE))
        self.assertEqual(it.admit("192.0.2.3"), "too many links")
        it.release(HERE, inbound=True)
        self.assertIsNone(it.admit("192.0.2.3"))
        self.assertEqual((it.links, it.refused), (2, 1))

    def test_links_that_we_dialed_count_and_are_never_refused(self) -> None:
        it = admission(links=2)
        for _ in range(3):
            it.dialed()
        self.assertEqual(it.links, 3)
        self.assertEqual(it.admit(HERE), "too many links")
        for _ in range(2):
            it.release(HERE, inbound=False)
        self.assertIsNone(it.admit(HERE))

    def test_links_from_one_address(self) -> None:
        it = admission(per_ip=2)
        self.assertIsNone(it.admit(HERE))
        self.assertIsNone(it.admit(HERE))
        self.assertEqual(it.admit(HERE), "too many links from one address")
        self.assertIsNone(it.admit(THERE))
        it.release(HERE, inbound=True)
        self.assertIsNone(it.admit(HERE))
        self.assertEqual(it.admit(HERE), "too many links from one address")

    def test_dialing_an_address_takes_no_place_of_its_inbound_links(self) -> None:
        it = admission(per_ip=1)
        it.dialed()
        self.assertIsNone(it.admit(HERE))
        it.release(HERE, inbound=False)
        self.assertEqual(it.admit(HERE), "too many links from one address")

    def test_loopback_has_no_limit_of_its_own(self) -> None:
        it = admission(links=10, per_ip=1)
        for _ in range(10):
            self.assertIsNone(it.admit("127.0.0.1"))
        self.assertEqual(it.admit("127.0.0.1"), "too many links")

    def test_handshakes_in_progress(self) -> None:
        it = admission(handshakes=2)
        self.assertIsNone(it.admit(HERE))
        self.assertIsNone(it.admit(HERE))
        self.assertEqual(it.admit(HERE), "too many handshakes in progress")
        it.settled()
        self.assertIsNone(it.admit(HERE))
        self.assertEqual((it.handshakes, it.links), (2, 3))

    def test_whoever_is_refused_takes_no_place(self) -> None:
        it = admission(per_ip=1)
        it.admit(HERE)
        for _ in range(100):
            it.admit(HERE)
        self.assertEqual((it.links, it.handshakes, it.refused), (1, 1, 100))
        it.release(HERE, inbound=True)
        self.assertIsNone(it.admit(HERE))

    def test_descriptors_bound_the_links_and_leave_a_reserve(self) -> None:
        for descriptors, links in ((1024, 896), (100, 68), (64, 32), (1, 1), (10**6, 5000)):
            self.assertEqual(admission(links=5000, descriptors=descriptors).max_links, links)
        self.assertEqual(admission(links=5000).max_links, 5000)

    def test_nothing_is_kept_of_an_address_without_a_link(self) -> None:
        it = admission()
        for n in range(1000):
            ip = f"192.0.2.{n}"
            it.admit(ip)
            it.settled()
            it.release(ip, inbound=True)
        self.assertEqual((len(it._per_ip), it.links, it.handshakes), (0, 0, 0))

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("+-o")), max_size=60))
    def test_the_limits_hold_whoever_comes_and_goes(self, events: list[tuple[str, str]]) -> None:
        it = admission(links=5, per_ip=2, handshakes=3)
        waiting: list[str] = []
        opened: list[str] = []
        for ip, what in events:
            if what == "+" and it.admit(ip) is None:
                waiting.append(ip)
            elif what == "o" and waiting:
                it.settled()
                opened.append(waiting.pop())
            elif what == "-" and ip in opened:
                opened.remove(ip)
                it.release(ip, inbound=True)
            self.assertEqual(it.links, len(waiting + opened))
            self.assertEqual(it.handshakes, len(waiting))
            self.assertLessEqual(it.links, 5)
            self.assertLessEqual(it.handshakes, 3)
            for name in "abc":
                self.assertLessEqual((waiting + opened).count(name), 2)
