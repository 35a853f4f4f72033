"""Which address may be dialed from which source, in whatever form it is written."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.addresses import AddressRules, Reach, read_address
from p2pchat.wire.address import network_of

PUBLIC = ("8.8.8.8", "192.0.2.1", "203.0.113.9", "100.63.255.255", "100.128.0.0", "2001:db8::1")
PRIVATE = (
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.255",
    "100.64.0.0",
    "100.127.255.255",
    "198.19.0.1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "64:ff9b:1::1",
)
LINK = ("169.254.169.254", "169.254.0.1", "fe80::1%eth1", "febf::1%2", "fe80::1%eth0")
MACHINE = ("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::")
NOWHERE = ("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "ff02::1", "ff05::2")
SOURCES = {
    Reach.PUBLIC: ("", "example.org", "203.0.113.1", "2001:db8::5", "224.0.0.1%x"),
    Reach.PRIVATE: ("192.168.1.5", "::ffff:10.0.0.9", "fd00::1"),
    Reach.LINK: ("169.254.3.4", "fe80::9"),
    Reach.MACHINE: ("127.0.0.1", "::1"),
}
NO_ADDRESSES = (
    "",
    " ",
    "localhost",
    "bob.example",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "127.1",
    "0177.0.0.1",
    "127.0.0.01",
    "127.0.0.1.",
    " 127.0.0.1",
    "127.0.0.1\n",
    "127.0.0.1\0",
    "127.0.0.1%lo",
    "127.0.0.1:4000",
    "256.0.0.1",
    "１２７.0.0.1",
    "[::1]",
    "::1%lo",
    "2001:db8::1%eth0",
    "::ffff:127.0.0.1%lo",
    "fe80::1%",
    "fe80::1%" + "x" * 16,
    "\ud800",
)


class ReachTests(SynchronousTestCase):
    """How near an address is, and who may name it."""

    def test_each_source_names_what_is_as_near_or_farther(self) -> None:
        kinds = dict(zip(Reach, (PUBLIC, PRIVATE, LINK, MACHINE, NOWHERE), strict=True))
        for of_source, sources in SOURCES.items():
            for source in sources:
                for reach, addresses in kinds.items():
                    for address in addresses:
                        found = bool(AddressRules(source).dialable(address, 4000))
                        expected = reach <= of_source and reach is not Reach.NOWHERE
                        self.assertEqual(found, expected, (source, address))

    def test_an_ipv4_address_inside_an_ipv6_one_counts(self) -> None:
        for form in ("::ffff:{}", "::{}", "::ffff:0:{}", "64:ff9b::{}"):
            for ip, reach in (
                ("127.0.0.1", Reach.MACHINE),
                ("10.0.0.1", Reach.PRIVATE),
                ("169.254.169.254", Reach.LINK),
                ("255.255.255.255", Reach.NOWHERE),
                ("192.0.2.1", Reach.PUBLIC),
            ):
                address = read_address(form.format(ip))
                assert address is not None
                self.assertEqual(address.reach, reach, (form, ip))
        for text, reach in (("2002:7f00:1::", Reach.MACHINE), ("2002:c000:201::", Reach.PUBLIC)):
            address = read_address(text)
            assert address is not None
            self.assertEqual(address.reach, reach)

    def test_what_is_no_literal_address_in_its_usual_form_is_refused(self) -> None:
        for text in NO_ADDRESSES:
            self.assertIsNone(read_address(text), text)
            self.assertEqual(AddressRules("127.0.0.1").dialable(text, 4000), [], text)

    def test_what_is_dialed_is_the_usual_form(self) -> None:
        rules = AddressRules("127.0.0.1")
        for text, dialed in (
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:C000:201", "192.0.2.1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("fe80:0::1%eth0", "fe80::1%eth0"),
        ):
            self.assertEqual(rules.dialable(text, 4000), [(dialed, 4000)])

    def test_ports(self) -> None:
        rules = AddressRules("127.0.0.1")
        for port in (-1, 0, 22, 80, 1023, 65_536, 10**30):
            self.assertEqual(rules.dialable("192.0.2.1", port), [], port)
        for port in (1024, 65_535):
            self.assertEqual(rules.dialable("192.0.2.1", port), [("192.0.2.1", port)])

    def test_our_own_address_is_tried_at_loopback_first_within_the_same_rules(self) -> None:
        rules = AddressRules("203.0.113.1", ["192.0.2.7"])
        here = [("127.0.0.1", 4000), ("192.0.2.7", 4000)]
        self.assertEqual(rules.dialable("192.0.2.7", 4000), here)
        self.assertEqual(rules.dialable("::ffff:192.0.2.7", 4000), here)
        self.assertEqual(rules.dialable("192.0.2.7", 22), [])
        # A source cannot open a nearer address by saying that it is ours.
        for ours in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "localhost"):
            self.assertEqual(AddressRules("203.0.113.1", [ours]).dialable(ours, 4000), [])
        home = AddressRules("127.0.0.1", ["127.0.0.1"]).dialable("127.0.0.1", 4000)
        self.assertEqual(home, [("127.0.0.1", 4000)])

    def test_what_was_refused_is_counted_and_the_first_is_told(self) -> None:
        rules = AddressRules("203.0.113.1")
        for ip, port in (("192.0.2.1", 4000), ("127.0.0.1", 5432), ("localhost", 1), ("::", 4000)):
            rules.dialable(ip, port)
        self.assertEqual(rules.refused, 3)
        self.assertEqual(
            rules.example, "127.0.0.1 port 5432: it is of the kind MACHINE, its source PUBLIC"
        )
        self.assertEqual((AddressRules("").refused, AddressRules("").example), (0, ""))


class KeyTests(SynchronousTestCase):
    """What counts as one address."""

    def key(self, text: str) -> str:
        address = read_address(text)
        assert address is not None
        return address.key

    def test_an_ipv6_network_of_64_bits_is_one(self) -> None:
        self.assertEqual(self.key("2001:db8:1:2::1"), self.key("2001:db8:1:2:ffff::9"))
        self.assertNotEqual(self.key("2001:db8:1:2::1"), self.key("2001:db8:1:3::1"))

    def test_all_of_this_machine_is_one(self) -> None:
        self.assertEqual(len({self.key(text) for text in MACHINE}), 1)

    def test_an_ipv4_address_is_one_however_it_is_written(self) -> None:
        for text in ("::ffff:192.0.2.1", "::192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::5"):
            self.assertEqual(self.key(text), "192.0.2.1")

    def test_all_machines_of_a_link_are_one(self) -> None:
        """Each of them has as many of these addresses as it likes."""
        self.assertEqual(self.key("fe80::1%eth0"), self.key("fe80::2%eth1"))

    def test_all_that_counts_addresses_counts_the_same(self) -> None:
        for text in (*PUBLIC, *PRIVATE, "::ffff:192.0.2.1", "2002:c000:201::5", "fe80::1%eth0"):
            self.assertEqual(self.key(text), network_of(text), text)


class OrderTests(SynchronousTestCase):
    """In which order the addresses of one peer are dialed."""

    def order(self, *ips: str, own: Sequence[str] = (), here: Sequence[str] = ()) -> list[str]:
        rules = AddressRules("203.0.113.1", own, here)
        return [ip for ip, _ in rules.in_order([(ip, 4000) for ip in ips])]

    def test_ipv6_and_ipv4_in_turn_the_newest_first(self) -> None:
        newest = ("192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3", "2001:db8::2")
        expected = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]
        self.assertEqual(self.order(*newest), expected)
        self.assertEqual(self.order("192.0.2.1"), ["192.0.2.1"])

    def test_first_what_is_near(self) -> None:
        listed = ("2001:db8::1", "192.0.2.1", "10.0.0.9", "fd00::9")
        own, here = ["198.51.100.7", "fd00::7"], ["10.0.0.7"]
        expected = ["fd00::9", "10.0.0.9", "2001:db8::1", "192.0.2.1"]
        self.assertEqual(self.order(*listed, own=own, here=here), expected)

    def test_this_machine_before_all(self) -> None:
        listed = ("fd00::9", "127.0.0.1", "fd00::7", "192.0.2.1")
        expected = ["127.0.0.1", "fd00::7", "fd00::9", "192.0.2.1"]
        self.assertEqual(self.order(*listed, own=["fd00::7"]), expected)

    def test_our_address_of_either_family_is_ours(self) -> None:
        rules = AddressRules("203.0.113.1", ["192.0.2.7", "2001:db8::7"])
        for ours in ("192.0.2.7", "2001:db8::7"):
            expected = [("127.0.0.1", 4000), (ours, 4000)]
            self.assertEqual(rules.dialable(ours, 4000), expected)

    def test_a_link_local_address_without_its_scope_is_nobodys(self) -> None:
        for source in ("127.0.0.1", "fe80::9"):
            rules = AddressRules(source)
            self.assertEqual(rules.dialable("fe80::1", 4000), [])
            self.assertIn("which of its links", rules.example)
            self.assertEqual(rules.dialable("fe80::1%eth0", 4000), [("fe80::1%eth0", 4000)])
