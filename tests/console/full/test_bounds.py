"""What strangers write costs the full console no long turn, and nothing of it is left out."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.support.terminals import EPOCH, MISSING, use_utc

if not MISSING:
    from prompt_toolkit.layout.mouse_handlers import MouseHandlers
    from prompt_toolkit.layout.screen import Screen, WritePosition

    from p2pchat.console.full.conversations import Conversations
    from p2pchat.console.full.entries import EntryKind, Glyphs, Mark, PaneEntry, in_parts
    from p2pchat.console.full.pane import MessagePane

SIZE = 32_000
LONG = {
    "marks": "a" + "\u0301" * (SIZE // 2),
    "as many marks as may be": ("a" + "\u0301" * 8) * (SIZE // 17),
    "spacing marks": "\u0915" + "\u0903" * (SIZE // 3),
    "joiners": "\u200d" * (SIZE // 3),
    "half syllables": "\ud7b0" * (SIZE // 3),
    "tags": "\U0001f3f4" + "\U000e0062" * (SIZE // 4),
    "not assigned": "\U000e0fff" * (SIZE // 4),
    "spaces": " " * SIZE,
    "one word": "x" * SIZE,
    "words": "ab " * (SIZE // 3),
    "wide": "世" * (SIZE // 3),
    "emoji": "👨\u200d👩\u200d👧\ufe0f" * (SIZE // 21),
    "tabs": "\t" * SIZE,
    "escapes": "\x1b a" * (SIZE // 3),
    "right to left": "ש" * (SIZE // 2),
    "turned round": "\u202e" * (SIZE // 3),
}
BOUND = 0.25
"""Seconds of CPU: three times what a turn may take, for machines that are busy."""


class TurnTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        use_utc(self)

    def draw(self, columns: int, rows: int) -> None:
        place = WritePosition(0, 0, columns, rows)
        self.pane.write_to_screen(Screen(), MouseHandlers(), place, "", False, None)

    def fill(self, text: str, count: int) -> None:
        for _ in range(count):
            entry = PaneEntry(EPOCH, EntryKind.MESSAGE, text, "bob@CIC", "bob@CIC", msg_id="x")
            self.conversations.add(entry)

    def assert_short(self, what: str, turn: Callable[..., None], *arguments: object) -> None:
        began = time.process_time()
        turn(*arguments)
        self.assertLess(time.process_time() - began, BOUND, what)

    def test_no_text_makes_a_turn_long(self) -> None:
        for name, text in LONG.items():
            for columns, rows in ((80, 24), (1, 24), (400, 24)):
                what = f"{name} at {columns}"
                self.conversations = Conversations()
                self.pane = MessagePane(self.conversations, Glyphs.of("utf-8"))
                self.draw(columns, rows)
                self.assert_short(what, self.fill, text, 500)
                self.assert_short(what, self.draw, columns, rows)
                for _ in range(10):
                    self.assert_short(what, self.pane.scroll, 1)
                    self.assert_short(what, self.draw, columns, rows)
                self.assert_short(what, self.draw, columns + 7, rows)


class PartTests(SynchronousTestCase):
    skip = MISSING or None

    def test_a_long_text_is_whole_in_its_parts(self) -> None:
        for text in LONG.values():
            parts = in_parts(PaneEntry(EPOCH, EntryKind.MESSAGE, text, msg_id="x"))
            self.assertEqual("".join(part.text for part in parts), text)
            self.assertLessEqual(max(len(part.text) for part in parts), 2000)
            self.assertEqual([part.continues for part in parts][:2], [False, True])
            self.assertEqual({part.msg_id for part in parts[:-1]}, {""})

    def test_the_last_part_is_the_entry_itself(self) -> None:
        entry = PaneEntry(EPOCH, EntryKind.OWN, "word " * 500, "a@C", "b@C", mark=Mark.WAITING)
        first, last = in_parts(entry)
        self.assertIs(last, entry)
        self.assertIs(in_parts(entry)[0], first)
        entry.mark = Mark.DELIVERED
        rows = last.rows(40, False, Glyphs.of("utf-8"))
        self.assertEqual("".join(text for _, text in rows[-1])[-1], "✓")
        self.assertEqual("".join(text for _, text in rows[0])[:8], " " * 8)

    def test_a_short_one_is_one_part(self) -> None:
        entry = PaneEntry(EPOCH, EntryKind.MESSAGE, "oi")
        self.assertEqual(in_parts(entry), [entry])
