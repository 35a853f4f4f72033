"""What was said, as far back as it is kept, and the part of it that is on the screen.

Rules: bounded by entries and by characters, the oldest go. Who reads further up stays where they
are while new entries come; who is at the end follows them. What was said in earlier sessions comes
once, before everything else, and no message is in here twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from p2pchat.console.full.edits import Change
from p2pchat.console.full.entries import (
    ONE_PART,
    EntryKind,
    Glyphs,
    Identity,
    PaneEntry,
    Row,
    day_row,
    in_parts,
    rule_row,
)

_SLACK: Final = 1.25
_LOOKED_AT: Final = 1000
"""Entries among which what is changed is looked for."""


class Backlog:
    """The entries of one conversation, or of all of them `together`.

    At most about `limit` of them are kept, and about so many `characters`.
    """

    def __init__(self, limit: int, characters: int, *, together: bool = False) -> None:
        self._limit = limit
        self._room = characters
        self._together = together
        self._entries: list[PaneEntry] = []
        self._first = 0
        self._characters = 0
        self._bottom: tuple[int, int] | None = None
        self._end = (0, 0)
        self._unread_from: int | None = None
        self._session_from: int | None = None
        self._earlier: frozenset[Identity] = frozenset()
        self.forgotten = 0
        """Entries that are no longer kept."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def following(self) -> bool:
        """Whether the end is on the screen."""
        return self._bottom is None

    @property
    def below(self) -> int:
        """Entries below what is on the screen."""
        return 0 if self._bottom is None else self._first + len(self) - 1 - self._bottom[0]

    def add(self, entry: PaneEntry, *, unread: bool = False) -> None:
        """Append; the first unread one since the last `read` gets a line above it."""
        if self._earlier and entry.identity in self._earlier:
            # It was read from the history before it came here by itself.
            return
        if unread and self._unread_from is None:
            self._unread_from = self._first + len(self)
        for part in in_parts(entry):
            self._entries.append(part)
            self._characters += part.size
        if len(self) > self._limit * _SLACK or self._characters > self._room * _SLACK:
            self._forget()

    def read(self) -> None:
        """Everything has been seen: what comes next gets a line of its own."""
        self._unread_from = None

    def holds(self) -> set[Identity]:
        """By what each message is known that is in here and has an id."""
        return {entry.identity for entry in self._entries if entry.msg_id}

    def without_room(self, texts: Sequence[str]) -> int:
        """How many of these, which were said before all that is here, are too far back to keep."""
        characters, last = self._characters, max(0, len(texts) - self._limit)
        for at in range(len(texts) - 1, last - 1, -1):
            characters += len(texts[at])
            if characters > self._room:
                return at
        return last

    def put_before(self, earlier: Sequence[PaneEntry], unread: int) -> None:
        """Put in what was said before all that is here, as far as there is room.

        The last `unread` messages of others get a line above them.
        """
        room = max(0, self._limit - len(self))
        taken: list[PaneEntry] = []
        # From the end, and no further than there is room: a text may be in a hundred parts.
        for entry in (part for each in reversed(earlier) for part in reversed(in_parts(each))):
            self._characters += entry.size
            if len(taken) == room or self._characters > self._room:
                self._characters -= entry.size
                break
            taken.append(entry)
            if entry.kind is EntryKind.MESSAGE and unread > 0 and not entry.continues:
                unread -= 1
                self._unread_from = self._first - len(taken)
        self._session_from = self._first
        self._first -= len(taken)
        self._entries[:0] = reversed(taken)
        self._earlier = frozenset(each.identity for each in taken if each.msg_id)

    def find(self, change: Change) -> PaneEntry | None:
        """The message that this gives another text, among the latest; None without one."""
        if len(change.text) > ONE_PART:
            return None
        of = change.of
        for entry in islice(reversed(self._entries), _LOOKED_AT):
            if entry.msg_id == of and change.changes(entry):
                return entry
        return None

    def last_said(self, where: str) -> PaneEntry | None:
        """The last message of ours in this conversation, among the latest entries."""
        for entry in islice(reversed(self._entries), _LOOKED_AT):
            if entry.kind is EntryKind.OWN and entry.where == where:
                return entry
        return None

    def grew(self, characters: int) -> None:
        """A text that is here is so much longer than it was."""
        self._characters += characters

    def clear(self) -> None:
        """Show nothing of what is here; the history keeps it."""
        self.take_out(lambda _: True)

    def take_out(self, gone: Callable[[PaneEntry], bool]) -> None:
        """Forget some entries, and go to the end."""

        def moved(number: int | None) -> int | None:
            if number is None:
                return None
            at = max(0, number - self._first)
            return number + sum(map(gone, self._entries[at:]))

        # Who is at the end stays there: numbers are counted from it.
        self._unread_from, self._session_from = moved(self._unread_from), moved(self._session_from)
        kept = [entry for entry in self._entries if not gone(entry)]
        self._first += len(self) - len(kept)
        self._entries = kept
        self._characters = sum(entry.size for entry in kept)
        self.follow()

    def _forget(self) -> None:
        """Drop the oldest in one go, so that it costs little for each."""
        count = max(0, len(self) - self._limit)
        characters = self._characters - sum(entry.size for entry in self._entries[:count])
        while characters > self._room and count < len(self) - 1:
            characters -= self._entries[count].size
            count += 1
        del self._entries[:count]
        self._first += count
        self._characters = characters
        self.forgotten += count
        if self._bottom is not None and self._bottom[0] < self._first:
            self._bottom = (self._first, 0)

    # ------------------------------------------------------------ drawing

    def visible(self, columns: int, height: int, glyphs: Glyphs) -> list[Row]:
        """The rows to show, at most `height`, the newest last."""
        number, hidden = self._bottom or (self._first + len(self) - 1, 0)
        collected: list[Row] = []
        while number >= self._first and len(collected) < height + hidden:
            collected += reversed(self._rows(number, columns, glyphs))
            number -= 1
        return collected[hidden : hidden + height][::-1]

    def _rows(self, number: int, columns: int, glyphs: Glyphs) -> list[Row]:
        entry = self._entries[number - self._first]
        rows = entry.rows(columns, self._together, glyphs)
        head: list[Row] = []
        before = self._entries[number - self._first - 1] if number > self._first else None
        if before is None or _day(before.at) != _day(entry.at):
            head.append(day_row(entry.at, columns, glyphs))
        if number == self._unread_from:
            head.append(rule_row("new", columns, glyphs, "class:unread-rule"))
        elif number == self._session_from and before is not None:
            head.append(rule_row("this session", columns, glyphs, "class:day"))
        return head + rows

    # ------------------------------------------------------------ scrolling

    def scroll(self, rows: int, columns: int, height: int, glyphs: Glyphs) -> None:
        """Move up by so many rows (down, if negative), as far as there are any."""
        if not self._entries:
            return
        last = self._first + len(self) - 1
        number, hidden = self._bottom or (last, 0)
        hidden += rows
        while hidden < 0 and number < last:
            number += 1
            hidden += len(self._rows(number, columns, glyphs))
        while number > self._first and hidden >= (
            count := len(self._rows(number, columns, glyphs))
        ):
            hidden -= count
            number -= 1
        if number == self._first:
            hidden = min(hidden, len(self._rows(number, columns, glyphs)) - 1)
        self._bottom = (number, max(0, hidden))
        if rows > 0:
            self._not_above_the_top(columns, height, glyphs)
        if number == last and hidden <= 0:
            self._bottom = None

    def _not_above_the_top(self, columns: int, height: int, glyphs: Glyphs) -> None:
        """The screen stays full: the oldest row is never below its first line."""
        missing = height - len(self.visible(columns, height, glyphs))
        if missing > 0:
            self.scroll(-missing, columns, height, glyphs)

    def follow(self) -> None:
        """Back to the end."""
        self._bottom = None


def _day(at: float) -> tuple[int, int]:
    moment = time.localtime(at)
    return moment.tm_year, moment.tm_yday
