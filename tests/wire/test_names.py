"""Names of strangers: shown in one form, found by it, and never more than a name."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.address import AmbiguousNameError, the_one_called
from p2pchat.wire.names import CELLS, bracketed, cells, in_table, is_hidden, skeleton, visible

ANY_TEXT = st.text(st.characters(categories=None), max_size=300)


class VisibleTests(SynchronousTestCase):
    def test_usual_names_are_shown_as_they_are(self) -> None:
        for name in ("bob@CIC", "José da Silva@CIC", "日本@CIC", "e-mail@host@ns", "🙂@k", "#CIC"):
            self.assertEqual(visible(name), name)

    def test_what_is_hidden_is_seen(self) -> None:
        for name, shown in (
            ("bob\u202e@k", "bob\\u202e@k"),
            ("bo\u200bb@k", "bo\\u200bb@k"),
            ("b\xa0b@k", "b\\xa0b@k"),
            ("b\u3164b@k", "b\\u3164b@k"),
            ("❤\ufe0f@k", "❤\\ufe0f@k"),
            ("bob\ue000@k", "bob\\ue000@k"),
            ("bob\U000f0000\U0010fffd@k", "bob\\U000f0000\\U0010fffd@k"),
            ("bob\u0378\uffff@k", "bob\\u0378\\uffff@k"),
            ("bob\ufffc\U0001d159@k", "bob\\ufffc\\U0001d159@k"),
            ("bob\U00013441\U00016fe4@k", "bob\\U00013441\\U00016fe4@k"),
            ("bob] [ana@k", "bob\\x5d \\x5bana@k"),
            ("bob］@k", "bob\\uff3d@k"),
            ("bob\\x5d@k", "bob\\x5cx5d@k"),
            (" bob@k", "\\x20bob@k"),
            ("bob@k +", "bob@k\\x20+"),
            ("bob@k  ~", "bob@k \\x20~"),
            ("bob +@k", "bob +@k"),
            ("bob  1.2.3.4@k", "bob \\x201.2.3.4@k"),
            ("e" + "\u0301" * 50 + "@k", "e" + "\u0301" * 8 + "(+42 marks)@k"),
        ):
            self.assertEqual(visible(name), shown)

    @given(ANY_TEXT)
    def test_nothing_hidden_is_left(self, name: str) -> None:
        self.assertFalse([each for each in visible(name) if is_hidden(each)])

    def test_a_name_is_found_by_what_is_shown(self) -> None:
        names = ["bob@k", "bob\u202e@k", "a]b@k"]
        for name in names:
            self.assertEqual(the_one_called(visible(name), names), name)
        self.assertEqual(the_one_called("bob\\u202e", names), "bob\u202e@k")
        self.assertEqual(the_one_called("zoe\\u202e@k", names), "zoe\\u202e@k")

    def test_a_name_is_found_in_every_form_of_unicode(self) -> None:
        composed, apart = "jos\u00e9@k", "jose\u0301@k"
        for known, name, found in (
            ([composed], "jose\u0301", composed),
            ([composed], apart, composed),
            ([apart], "jos\u00e9", apart),
            ([composed, apart], composed, composed),
            ([composed, apart], apart, apart),
            ([composed], "jose", "jose"),
        ):
            self.assertEqual(the_one_called(name, known), found)
        with self.assertRaises(AmbiguousNameError):
            the_one_called("jos\u00e9", [composed, apart])
        with self.assertRaises(AmbiguousNameError):
            the_one_called("jos\u00e9", [composed, "jose\u0301@other"])

    def test_blanks_at_the_ends_are_reachable(self) -> None:
        for name in (" bob@k", "bob @k", "bob@k ", "bob@ k", "a b@my room"):
            for typed in (name, visible(name), name.replace(" ", "\\x20")):
                self.assertEqual(the_one_called(typed, ["bob@k", name]), name)

    def test_a_name_that_is_anothers_visible_form_is_not_guessed(self) -> None:
        with self.assertRaises(AmbiguousNameError):
            the_one_called("bob\\u202e@k", ["bob\u202e@k", "bob\\u202e@k"])


class BracketTests(SynchronousTestCase):
    @given(ANY_TEXT)
    def test_a_name_stays_in_its_brackets(self, name: str) -> None:
        shown = bracketed(name)
        self.assertEqual((shown[0], shown[-1]), ("[", "]"))
        self.assertNotRegex(shown[1:-1], r"[\[\]]")
        self.assertLessEqual(cells(shown), CELLS + 2)
        self.assertNotIn("Cc", {unicodedata.category(character) for character in shown})

    def test_it_is_cut_by_its_width(self) -> None:
        self.assertEqual(bracketed("a" * 40), f"[{'a' * 40}]")
        self.assertEqual(bracketed("a" * 41), f"[{'a' * 39}…]")
        self.assertEqual(bracketed("世" * 20), f"[{'世' * 20}]")
        self.assertEqual(bracketed("世" * 64), f"[{'世' * 19}…]")


class RightToLeftTests(SynchronousTestCase):
    def test_a_name_from_right_to_left_is_left_as_it_is(self) -> None:
        # Isolates would be a cell each on some terminals, and are dropped on others.
        for name in ("שלום@k", "مرحبا@قناة"):
            self.assertEqual(bracketed(name), f"[{name}]")
            self.assertEqual(in_table(name), name)
            self.assertEqual(cells(name), len(name))

    def test_what_would_turn_the_direction_is_seen(self) -> None:
        for mark in "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            self.assertEqual(visible(f"שלום{mark}@k"), f"שלום\\u{ord(mark):04x}@k")


class LookAlikeTests(SynchronousTestCase):
    def test_names_that_are_easily_confused(self) -> None:
        for one, other in (
            ("alice@CIC", "\u0430lice@CIC"),
            ("alice@CIC", "aIice@C1C"),
            ("alice@CIC", "Alice@cic"),
            ("alice@CIC", "ali\u200bce@CIC"),
            ("alice@CIC", "ａｌｉｃｅ@CIC"),
            ("joão@k", "joao@k"),
            ("moo@k", "rn00@k"),
            ("\ud55c@k", "\u1112\u1161\u11ab@k"),
            ("\ufb01@k", "fi@k"),
        ):
            self.assertEqual(skeleton(one), skeleton(other), other)

    def test_others_are_not(self) -> None:
        for one, other in (("bob@k", "bob@l"), ("ana@k", "eva@k"), ("bob@k", "bob2@k")):
            self.assertNotEqual(skeleton(one), skeleton(other))
