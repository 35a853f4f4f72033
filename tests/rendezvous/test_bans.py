"""Who is banned, entry by entry, and lines that are none."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.bans import MAX_ENTRIES, MAX_PATTERNS, MAX_STARS, Bans, BansError
from p2pchat.rendezvous.patterns import Pattern


class NameTests(SynchronousTestCase):
    def test_each_form(self) -> None:
        for entry, banned, free in (
            ("mallory@CIC", ["mallory@CIC"], ["mallory@x", "mallory2@CIC", "Mallory@CIC"]),
            ("*@casino", ["a@casino", "b@c@casino"], ["casino@a", "a@casino2"]),
            ("mallory@*", ["mallory@a", "mallory@b"], ["xmallory@a"]),
            ("spam*@*", ["spam@a", "spam17@b"], ["aspam@b"]),
            ("*.bot@C*C", ["a.bot@CIC", ".bot@CC"], ["abot@CIC", "a.bot@CICX"]),
            ("*@*", ["a@b", "line\nbreak@b"], []),
            ("a@b@c", ["a@b@c"], ["a@b", "b@c"]),
            ("a b#c@d  # why", ["a b#c@d"], ["a b@d"]),
            ("é(+[@\\", ["é(+[@\\"], ["e@\\"]),
        ):
            bans = Bans(["", "# nothing", "   ", entry])
            for peer_id in banned + free:
                name, _, namespace = peer_id.rpartition("@")
                self.assertEqual(bans.name(namespace, name), peer_id in banned, (entry, peer_id))
            self.assertFalse(bans.address("192.0.2.1"))

    def test_several_patterns(self) -> None:
        bans = Bans(["a*@n", "*b@n", "c@n"])
        found = [name for name in ("ax", "xb", "c", "x") if bans.name("n", name)]
        self.assertEqual(found, ["ax", "xb", "c"])


class AddressTests(SynchronousTestCase):
    def test_each_form(self) -> None:
        for entry, banned, free in (
            ("192.0.2.1", ["192.0.2.1"], ["192.0.2.2", "2001:db8::1"]),
            ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0"]),
            ("192.0.2.77/24", ["192.0.2.1"], ["192.0.3.77"]),
            ("::ffff:192.0.2.1", ["192.0.2.1"], ["192.0.2.2"]),
            ("::ffff:192.0.2.0/120", ["192.0.2.1", "::ffff:192.0.2.2"], ["192.0.3.2"]),
            ("2001:db8:1::/48", ["2001:db8:1:2::3"], ["2001:db8:2::1", "192.0.2.1"]),
            ("2001:DB8::1 # one", ["2001:db8::1"], ["2001:db8::2"]),
            ("fe80::/10", ["fe80::1%eth0"], ["2001:db8::1"]),
            ("0.0.0.0/0", ["192.0.2.1", "127.0.0.1"], ["::1"]),
            ("::/0", ["::1"], ["192.0.2.1"]),
        ):
            bans = Bans([entry])
            for ip in banned + free:
                self.assertEqual(bans.address(ip), ip in banned, (entry, ip))
            self.assertFalse(bans.name("n", "x"))

    def test_many_cost_no_more_than_few(self) -> None:
        bans = Bans(f"10.{number >> 8}.{number & 255}.7" for number in range(50_000))
        self.assertTrue(bans.address("10.1.2.7"))
        self.assertFalse(bans.address("10.1.2.8"))
        self.assertEqual(len(bans._networks), 1)

    def test_what_is_no_address_is_not_banned(self) -> None:
        self.assertFalse(Bans(["0.0.0.0/0", "::/0"]).address("nowhere"))


class MistakeTests(SynchronousTestCase):
    def test_a_line_that_cannot_be_understood_is_named(self) -> None:
        for line in ("mallory", "192.0.2", "192.0.2.0/33", "mallory@", "@CIC", "@", "a b"):
            with self.assertRaises(BansError) as caught:
                Bans(["192.0.2.1", line, "bob@CIC"])
            sentence = "line 2: expected an address, a network or NAME@NAMESPACE"
            self.assertEqual(str(caught.exception), sentence)

    def test_what_would_make_questions_slow_is_refused(self) -> None:
        most = [f"a{number}*@b" for number in range(MAX_PATTERNS)]
        entries = [f"a{number}@b" for number in range(MAX_ENTRIES)]
        stars = "*a" * MAX_STARS + "@b"
        for lines, sentence in (
            (
                [*most, "x*@b"],
                f"line {MAX_PATTERNS + 1}: more than {MAX_PATTERNS} entries with a star",
            ),
            ([*entries, "# x", "x@b"], f"line {MAX_ENTRIES + 2}: more than {MAX_ENTRIES} entries"),
            ([stars, "*" + stars], f"line 2: more than {MAX_STARS} stars"),
            (["a" * 200 + "@b"], "line 1: longer than 137 characters, which no name is"),
        ):
            with self.assertRaises(BansError) as caught:
                Bans(lines)
            self.assertEqual(str(caught.exception), sentence)


class PatternTests(SynchronousTestCase):
    @given(st.text("ab*", max_size=9), st.text("ab", max_size=12))
    def test_they_match_what_a_regular_expression_does(self, text: str, name: str) -> None:
        pattern = f"{text}*@n"
        expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), f"{name}@n")
        self.assertEqual(Pattern(pattern).matches(f"{name}@n"), expected is not None)

    def test_any_number_of_stars_ends_at_once(self) -> None:
        began = time.process_time()
        self.assertFalse(Pattern("*a" * 60 + "*b").matches("a" * 129))
        self.assertLess(time.process_time() - began, 0.05)
