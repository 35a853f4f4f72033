"""Whom a node wants nothing to do with: what an entry may be, and what it matches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.blocklist import BlockList, block_entry


class EntryTests(SynchronousTestCase):
    def test_the_usual_forms(self) -> None:
        for text, entry in (
            (" bob@CIC ", "bob@CIC"),
            ("bob@home@CIC", "bob@home@CIC"),
            ("bob@*", "bob@*"),
            ("*@CIC", "*@CIC"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::1/64", "2001:db8::/64"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ):
            self.assertEqual(block_entry(text), entry)
            self.assertEqual(block_entry(entry), entry)

    def test_what_is_none(self) -> None:
        for text, why in (
            ("", '"" is no peer_id, NAME@*, *@NAMESPACE, address or network'),
            ("bob", '"bob" is no peer_id, NAME@*, *@NAMESPACE, address or network'),
            ("*@*", '"*@*" would block everybody'),
            ("0.0.0.0/0", '"0.0.0.0/0" would block everybody'),
            ("::/0", '"::/0" would block everybody'),
            ("@CIC", "the name in [@CIC] must have 1 to 64 characters"),
            ("b\x1b@CIC", "[b\\x1b@CIC] holds control characters"),
            ("192.0.2.7/33", '"192.0.2.7/33" is no peer_id, NAME@*, *@NAMESPACE, address or'),
        ):
            with self.assertRaises(ValueError) as caught:
                block_entry(text)
            self.assertTrue(str(caught.exception).startswith(why), caught.exception)

    @given(st.text())
    def test_any_text_is_an_entry_or_gets_a_sentence(self, text: str) -> None:
        try:
            entry = block_entry(text)
        except ValueError as why:
            self.assertTrue(str(why))
        else:
            BlockList([entry])


class MatchTests(SynchronousTestCase):
    def test_an_address_in_whatever_form_it_comes(self) -> None:
        entries = BlockList(["192.0.2.7", "2002:a00::/24", "fe80::1"])
        for ip in (
            "::ffff:192.0.2.7",
            "::FFFF:C000:207",
            "64:ff9b::192.0.2.7",
            "2002:c000:207::1",
            "2002:a00:1::",
            "fe80::1%eth0",
            "FE80::1%2",
        ):
            self.assertTrue(entries.has_address(ip), ip)
        for ip in ("192.0.2.8", "64:ff9b::192.0.2.8", "::1", "fe80::2%eth0", "192.0.2.7.example"):
            self.assertFalse(entries.has_address(ip), ip)

    def test_names(self) -> None:
        entries = BlockList(["bob@CIC", "eve@*", "*@spam"])
        for peer_id, blocked in (
            ("bob@CIC", True),
            ("bob@cic", False),
            ("bob@x", False),
            ("eve@anything", True),
            ("anybody@spam", True),
            ("spam@anybody", False),
            ("a@eve@x", False),
            ("", False),
        ):
            self.assertEqual(entries.has_peer(peer_id), blocked, peer_id)

    def test_addresses(self) -> None:
        entries = BlockList(
            [block_entry(it) for it in ("192.0.2.7", "10.0.0.0/8", "2001:db8::/64", "fe80::1")]
        )
        for ip, blocked in (
            ("192.0.2.7", True),
            ("::ffff:192.0.2.7", True),
            ("192.0.2.8", False),
            ("10.255.0.1", True),
            ("11.0.0.1", False),
            ("2001:db8::5", True),
            ("2001:db8:0:1::5", False),
            ("fe80::1%eth0", True),
            ("", False),
            ("/run/a socket", False),
        ):
            self.assertEqual(entries.has_address(ip), blocked, ip)

    def test_ipv4_as_a_whole_is_everybody_in_ipv6_too(self) -> None:
        for everybody in ("0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"):
            with self.assertRaisesRegex(ValueError, "would block everybody"):
                block_entry(everybody)

    def test_nothing(self) -> None:
        self.assertFalse(BlockList().has_peer("bob@CIC") or BlockList().has_address("192.0.2.7"))
