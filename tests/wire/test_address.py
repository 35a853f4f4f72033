"""peer_ids, scopes and our own IP addresses: what is one, and what a person is told about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.address import (
    conversation_of,
    is_loopback,
    namespace_of,
    namespace_of_scope,
    network_of,
    scope_of,
    split_peer_id,
)
from p2pchat.wire.text import printable

CONTROLS = [chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0xD800, 0xDFFF)]
PART = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="@"), min_size=1, max_size=64
)


class SplitPeerIdTests(SynchronousTestCase):
    def test_name_and_namespace(self) -> None:
        for peer_id, parts in (
            ("alice@CIC", ("alice", "CIC")),
            ("a@b", ("a", "b")),
            ("João da Silva@ciências", ("João da Silva", "ciências")),
            ("👩‍👩‍👧@日本", ("👩‍👩‍👧", "日本")),
            ("me@example.org@CIC", ("me@example.org", "CIC")),
            ("a" * 64 + "@" + "b" * 64, ("a" * 64, "b" * 64)),
        ):
            self.assertEqual(split_peer_id(peer_id), parts)
            self.assertEqual(namespace_of(peer_id), parts[1])

    def test_parts_are_counted_in_characters_not_bytes(self) -> None:
        self.assertEqual(split_peer_id("é" * 64 + "@x")[0], "é" * 64)

    def test_what_is_no_peer_id_gets_a_sentence(self) -> None:
        for peer_id, sentence in (
            ("", "[] has no @: a peer_id is name@namespace"),
            ("alice", "[alice] has no @: a peer_id is name@namespace"),
            ("@CIC", "the name in [@CIC] must have 1 to 64 characters"),
            ("alice@", "the namespace in [alice@] must have 1 to 64 characters"),
            ("@", "the name in [@] must have 1 to 64 characters"),
            ("a" * 65 + "@b", f"the name in [{'a' * 39}…] must have 1 to 64 characters"),
            ("a@" + "b" * 65, f"the namespace in [a@{'b' * 37}…] must have 1 to 64 characters"),
            ("a\x1b@b", "[a\\x1b@b] holds control characters"),
        ):
            with self.assertRaises(ValueError) as caught:
                split_peer_id(peer_id)
            self.assertEqual(str(caught.exception), sentence)

    def test_no_control_character_and_no_half_of_a_surrogate_pair(self) -> None:
        for character in CONTROLS:
            for peer_id in (f"a{character}@b", f"a@{character}b"):
                with self.assertRaises(ValueError):
                    split_peer_id(peer_id)

    @given(PART, PART)
    def test_what_was_joined_is_split(self, name: str, namespace: str) -> None:
        self.assertEqual(split_peer_id(f"{name}@{namespace}"), (name, namespace))

    @given(st.text(st.characters(categories=None)))
    def test_any_text_is_split_or_refused_with_one_short_printable_line(self, text: str) -> None:
        try:
            name, namespace = split_peer_id(text)
        except ValueError as why:
            self.assertEqual(printable(str(why)), str(why))
        else:
            self.assertEqual(f"{name}@{namespace}", text)

    def test_a_giant_is_not_repeated_in_full(self) -> None:
        with self.assertRaises(ValueError) as caught:
            split_peer_id("x" * 30_000)
        self.assertLess(len(str(caught.exception)), 200)


class ScopeTests(SynchronousTestCase):
    def test_everyone_has_no_namespace(self) -> None:
        self.assertIsNone(namespace_of_scope("*"))

    def test_a_namespace_follows_the_hash(self) -> None:
        for scope, namespace in (
            ("#CIC", "CIC"),
            ("##", "#"),
            ("#*", "*"),
            ("#olá mundo", "olá mundo"),
            ("#" + "n" * 64, "n" * 64),
        ):
            self.assertEqual(namespace_of_scope(scope), namespace)

    def test_anything_else_is_refused_with_a_sentence(self) -> None:
        for scope, shown in (
            ("", ""),
            ("CIC", "CIC"),
            ("#", "#"),
            ("**", "**"),
            ("alice@CIC", "alice@CIC"),
            ("#a\nb", "#a\\nb"),
            ("#" + "n" * 65, "#" + "n" * 38 + "…"),
            ("x" * 100, "x" * 39 + "…"),
        ):
            with self.assertRaises(ValueError) as caught:
                namespace_of_scope(scope)
            self.assertEqual(str(caught.exception), f"[{shown}] is neither * nor #namespace")


class NetworkTests(SynchronousTestCase):
    def test_what_counts_as_one_address(self) -> None:
        for ip, network in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:c000:201", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1%eth0", "2001:db8:1:3::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("fe80::2", "fe80::/64"),
            ("::1", "this machine"),
            ("127.3.4.5", "this machine"),
            ("::ffff:127.0.0.1", "this machine"),
            ("64:ff9b::192.0.2.1", "192.0.2.1"),
            ("2002:c000:201:7::5", "192.0.2.1"),
            ("2002:7f00:1::5", "127.0.0.1"),
            ("not:an:address", "not:an:address"),
            ("", ""),
        ):
            self.assertEqual(network_of(ip), network)


class WhereItBelongsTests(SynchronousTestCase):
    def test_the_full_form_of_what_a_pub_names(self) -> None:
        for dst, scope in (
            ("*", "*"),
            ("", "*"),
            ("#CIC", "#CIC"),
            ("CIC", "#CIC"),
            ("alice@CIC", "alice@CIC"),
        ):
            self.assertEqual(scope_of(dst), scope)

    def test_a_conversation_is_a_peer_or_a_scope(self) -> None:
        for dst, conversation in (
            (None, "bob@CIC"),
            ("alice@CIC", "bob@CIC"),
            ("*@CIC", "bob@CIC"),
            ("", "*"),
            ("*", "*"),
            ("CIC", "#CIC"),
            ("#CIC", "#CIC"),
            ("#C@C", "#C@C"),
        ):
            self.assertEqual(conversation_of("bob@CIC", dst), conversation, dst)


class LoopbackTests(SynchronousTestCase):
    def test_only_this_machine(self) -> None:
        for ip in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
            self.assertTrue(is_loopback(ip), ip)
        for ip in ("", "128.0.0.1", "1.127.0.0", "::", "::2", "::ffff:10.0.0.1", "localhost"):
            self.assertFalse(is_loopback(ip), ip)
