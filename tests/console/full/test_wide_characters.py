"""The full console on terminals that give some characters other columns than we do."""

from __future__ import annotations

from unicodedata import category

from tests.support.terminals import MISSING, ConsoleCase

if not MISSING:
    import pyte.screens
    from wcwidth import wcwidth

TEXTS = ("का क्षि", "வணக்கம்", "আছেন কো", "👍🏽", "🇧🇷", "ok 👨\u200d👩 ❤\ufe0f", "1\ufe0f\u20e3")


def generous(character: str) -> int:
    """As tmux and VTE: a vowel sign of Hindi takes a column."""
    return max(wcwidth(character), int(category(character) == "Mc"))


def sparing(character: str) -> int:
    """As an old terminal that has never heard of emoji."""
    return min(1, wcwidth(character)) if ord(character) > 0x1F000 else wcwidth(character)


class WideCharacterTests(ConsoleCase):
    skip = MISSING or None

    def text_at(self, row: int, column: int, length: int) -> str:
        cells = (self.screen.cell(row, column + at).data for at in range(length))
        return "".join(cells)

    def test_a_wrong_guess_of_the_terminal_spoils_no_other_cell(self) -> None:
        columns = set()
        for guess in (wcwidth, generous, sparing):
            self.patch(pyte.screens, "wcwidth", guess)
            self.console.screen.draw_all()
            for text in TEXTS:
                self.hear("bob", f"{text} [fim]")
                self.assertTrue(self.screen.rows[-3].endswith("[fim]"), self.screen.rows[-3])
            found = []
            for line in range(22 - len(TEXTS), 22):
                row = [self.screen.cell(line, column).data for column in range(80)]
                end = max(column for column in range(80) if row[column] == "[")
                self.assertEqual(self.text_at(line, end, 6), "[fim] ")
                self.assertEqual(self.text_at(line, 0, 16), "12:00 [bob@CIC] ")
                found.append(end)
            columns.add(tuple(found))
        self.assertEqual(len(columns), 1, columns)

    def test_the_line_is_right_around_them_and_the_cursor_with_it(self) -> None:
        places = set()
        for guess in (wcwidth, generous, sparing):
            self.patch(pyte.screens, "wcwidth", guess)
            self.console.screen.draw_all()
            for text in TEXTS:
                self.type(f"a {text} [fim]" + "\x1b[D" * 5)
                row, column = self.screen.cursor
                self.assertEqual(self.text_at(row, column, 6), "[fim] ", text)
                self.assertEqual(self.text_at(row, 0, 4), "> a ")
                self.type("X" + "\x1b[H" + "\x1b[3~" * 2 + "\x1b[F")
                self.assertEqual(self.text_at(row, self.screen.cursor[1] - 6, 7), "X[fim] ")
                places.add((text, self.screen.cursor))
                self.type("\x15")
                self.assertEqual((self.prompt, self.screen.cursor), (">", (23, 2)))
        self.assertEqual(len(places), len(TEXTS))

    def test_what_a_terminal_left_on_the_line_goes(self) -> None:
        self.type("abc")
        self.screen.write("\x1b7\x1b[24;40Hgarbage\x1b8")
        self.assertIn("garbage", self.prompt)
        self.type("\x15")
        self.assertEqual(self.prompt, ">")
        self.type("का ")
        self.screen.write("\x1b7\x1b[24;40Hgarbage\x1b8")
        self.type("x")
        self.assertNotIn("garbage", self.prompt)
        self.type("\r")
        self.assertEqual(self.prompt, ">")

    def test_what_is_under_the_menu_keeps_its_columns(self) -> None:
        self.patch(pyte.screens, "wcwidth", generous)
        for text in TEXTS[:3]:
            self.hear("bob", f"{text} [fim]")
        before = self.screen.rows
        self.type("/log \t")
        self.assertIn("WARNING", "\n".join(self.screen.rows))
        self.assertEqual(sum("[fim]" in row for row in self.screen.rows), 3)
        self.type("\x03x\x15")
        self.assertEqual(self.screen.rows[:-3], before[:-3])
