"""The full console of a node that encrypts: marks, the bar, alerts, and what Tab types."""

from __future__ import annotations

from functools import partial
from typing import Final

from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import fake_keys
from tests.support.terminals import MISSING, ConsoleCase

OTHER: Final = b"\xff" * 32


class SecurityCase(ConsoleCase):
    """Alice and bob encrypt, carol does not."""

    skip = MISSING or None
    names = ("carol@CIC",)

    def make_alice(self) -> ChatNode:
        def wall() -> float:
            return self.now

        self.bob = self.town.node("bob@CIC", sealed=True)
        keys = partial(fake_keys, wall=wall)
        return self.town.node("alice@CIC", wall=wall, make_keys=keys)

    @property
    def bobs(self) -> str:
        assert self.bob.trusting is not None
        return self.bob.trusting.own_fingerprint

    def impostor(self) -> None:
        """Bob has said farewell, and somebody else says to be bob."""
        self.bob.stopService()
        self.run_for(5)
        keys = partial(fake_keys, owner="mallory", wall=lambda: self.now)
        self.town.node("bob@CIC", make_keys=keys)
        self.run_for(5)


class MarkTests(SecurityCase):
    def test_each_message_has_its_mark_in_every_conversation(self) -> None:
        self.bob.send("alice@CIC", "one")
        self.run_for(0.5)
        self.hear("carol", "two")
        self.type(f"/verify bob {self.bobs}\r")
        self.bob.publish("#CIC", "three")
        self.run_for(0.5)
        lines = [line for line in self.messages if "[" in line[:2]]
        self.assertEqual(lines, [" [bob@CIC] one", "~[carol@CIC] two", "+[bob@CIC -> #CIC] three"])
        self.type("/to carol\r")
        self.assertEqual(self.messages, ["~[carol@CIC] two"])

    def test_ones_own_have_none(self) -> None:
        self.type("/msg carol@CIC oi\r")
        self.assertIn("[-> carol@CIC] oi ✓", self.messages)

    def test_how_many_get_it_in_the_clear(self) -> None:
        self.type("/pub * oi\r")
        self.assertIn("[-> *] oi (2 peers, 1 of them in the clear)", self.messages)


class BarTests(SecurityCase):
    def test_it_tells_of_the_current_conversation(self) -> None:
        for line, word in (
            ("/to bob", "encrypted"),
            ("/to carol", "IN THE CLEAR"),
            ("/to #CIC", ""),
            (f"/verify bob {self.bobs}", ""),
            ("/to bob", "verified"),
        ):
            self.type(f"{line}\r")
            found = [each for each in ("encrypted", "IN THE CLEAR", "verified") if each in self.bar]
            self.assertEqual(found, [word] if word else [], line)

    def test_to_who_is_away_it_is_what_the_key_is_worth(self) -> None:
        self.type("/msg bob@CIC oi\r/to bob\r")
        self.bob.stopService()
        self.run_for(5)
        self.assertIn("encrypted", self.bar)


class AlertTests(SecurityCase):
    columns = 120

    def test_another_key_is_told_once_and_whole_and_stands_out(self) -> None:
        self.type("/msg bob@CIC oi\r")
        self.impostor()
        self.run_for(60)
        rows = [n for n, row in enumerate(self.screen.rows) if "came with another key" in row]
        self.assertEqual(len(rows), 1)
        self.assertTrue(self.screen.cell(rows[0], self.margin + 8).reverse)
        shown = " ".join(
            row[self.margin :].strip() for row in self.screen.rows[rows[0] : rows[0] + 4]
        )
        self.assertIn(f"than the one that you know ({self.bobs}, known since", shown)
        self.assertRegex(shown, r"/trust bob@CIC \w{4}-\w{4}-\w{4}-\w{4}")

    def test_the_line_with_the_first_message_is_quiet(self) -> None:
        self.type("/msg bob@CIC oi\r")
        (row,) = (n for n, row in enumerate(self.screen.rows) if "is encrypted. Its key" in row)
        self.assertFalse(
            self.screen.cell(row, self.margin + 8).reverse
            or self.screen.cell(row, self.margin + 8).bold
        )


class CompletionTests(SecurityCase):
    def test_tab_types_what_was_refused_and_that_it_was_not_compared(self) -> None:
        self.type("/msg bob@CIC oi\r")
        self.impostor()
        self.type("/trust b\t", 0.5)
        self.assertRegex(self.prompt, r"^> /trust bob@CIC \w{4}-\w{4}-\w{4}-\w{4} seen$")
        self.type("\r", 5)
        self.assertTrue(any("it is not verified" in row for row in self.messages))
        self.type("/to bob\r")
        self.assertIn("encrypted", self.bar)

    def test_nothing_under_a_name_that_is_verified(self) -> None:
        self.type(f"/verify bob {self.bobs}\r")
        self.impostor()
        self.type("/trust b\t", 0.5)
        self.assertEqual(self.prompt, "> /trust b")

    def test_an_hour_later_nothing(self) -> None:
        assert self.alice.trusting is not None
        self.alice.trusting.known.refused("dave@CIC", OTHER, "10.0.0.9")
        self.now += 3601
        self.type("/trust \t", 0.5)
        self.assertEqual(self.prompt, "> /trust")

    def test_whom_to_forget(self) -> None:
        self.type("/keys f\t", 0.5)
        self.assertEqual(self.prompt, "> /keys forget bob@CIC")
        self.type("\r")
        self.assertTrue(any("the key of [bob@CIC] is forgotten" in row for row in self.messages))
