"""Which interfaces lead to neighbours; the kernel says of none of these names what it is."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from p2pchat.mesh.discovery.lan import interfaces, netlink
from p2pchat.mesh.discovery.lan.interfaces import Interface, all_interfaces, usable
from p2pchat.mesh.discovery.lan.netlink import Found, addresses
from p2pchat.mesh.discovery.lan.way import Way

HOME = Interface("home0", "192.168.1.2", 24)
HOME_6 = Interface("home0", "fe80::2", 64)
SERVER = Interface("server0", "203.0.113.7", 24)
SERVER_6 = Interface("server0", "fe80::7", 64)
SIX = Interface("six0", "fe80::6", 64)
DOCKER = Interface("docker0", "172.17.0.1", 16)
DOCKER_6 = Interface("docker0", "fe80::1", 64)
HERE = Interface("here0", "127.0.0.1", 8)
ALL = (HERE, HOME, HOME_6, SERVER, SERVER_6, SIX, DOCKER, DOCKER_6)


class InterfaceTests(SynchronousTestCase):
    def used(self, patterns: Sequence[str] = (), listens_on: str | None = None) -> list[Interface]:
        return usable(ALL, patterns, listens_on)

    def test_without_a_word(self) -> None:
        """An interface at a public address of IPv4 is not used over IPv6 either."""
        self.assertEqual(self.used(), [HOME, HOME_6, SIX])

    def test_those_that_are_named(self) -> None:
        self.assertEqual(self.used(["server*"]), [SERVER, SERVER_6])
        self.assertEqual(self.used(["here0"]), [])

    def test_the_family_that_the_node_listens_on(self) -> None:
        self.assertEqual(self.used(listens_on="0.0.0.0"), [HOME])
        self.assertEqual(self.used(listens_on="fd00::1"), [HOME_6, SIX])
        self.assertEqual(self.used(listens_on="::"), [HOME, HOME_6, SIX])

    def test_there_are_only_so_many(self) -> None:
        many = [Interface(f"n{number}", f"10.{number}.0.1", 24) for number in range(200)]
        self.assertEqual(usable(many, ()), many[:32])

    def test_those_of_this_machine(self) -> None:
        found = all_interfaces()
        self.assertTrue(found)
        over_ipv6 = [each.name for each in found if each.is_ipv6]
        self.assertEqual(len(over_ipv6), len({*over_ipv6}), "one of each")

    def test_the_kernel_says_what_the_library_says(self) -> None:
        try:
            told = addresses()
        except OSError as why:
            raise SkipTest(str(why)) from None
        self.assertEqual({tuple(each) for each in told}, {*interfaces._by_the_library()})

    def test_where_there_is_no_netlink(self) -> None:
        def none() -> list[Found]:
            raise OSError("no netlink")

        before = {*all_interfaces()}
        self.patch(interfaces, "addresses", none)
        self.assertEqual({*all_interfaces()}, before)

    def test_an_answer_that_is_cut_off(self) -> None:
        """As without netlink: a look at the interfaces that raised would be the last one."""
        before = {*all_interfaces()}
        self.patch(netlink, "_messages", lambda _: iter([(20, b"cut")]))
        self.assertEqual({*all_interfaces()}, before)

    def test_neighbours(self) -> None:
        self.assertTrue(Way(HOME).leads_to(0xC0A80163))
        self.assertFalse(Way(HOME).leads_to(0xC0A80263))
