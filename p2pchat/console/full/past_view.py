"""A part of what is kept, as far back as one likes: where PageUp, /history and /search lead.

    recent(before) -> put_above      the messages in the order of their ids, none left out
    after(last)    -> put_below      between them, at its time, what only this session has: events,
                                     answers, and what could not be sent

Rules: what is in the backlog, too, is the same entry here: it is shown once, and its mark goes on
changing. Bounded: what is far from the screen goes, and is read again when one comes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Final

from p2pchat.console.full.backlog import Backlog
from p2pchat.console.full.entries import EntryKind, Glyphs, Identity, Mark, PaneEntry, in_parts
from p2pchat.console.full.scrolled import Scrolled
from p2pchat.console.wording import UNKEPT
from p2pchat.speech import _

MOST: Final = 1500
"""Entries that are kept of it."""
_NEAR: Final = 300
"""Of these, so many on either side of the screen."""
_LATE: Final = 600.0
"""Seconds between what the history and the screen say of when a message came, at most."""
_FROM_SESSION: Final = (EntryKind.EVENT, EntryKind.ANSWER, EntryKind.WARNING, EntryKind.ALERT)


class PastView(Scrolled):
    """What was said around some place, beside the `live` backlog of the same conversation.

    Begin with `put_above`; each entry given to it has its number in the history.
    """

    def __init__(self, live: Backlog, *, together: bool) -> None:
        super().__init__(together=together)
        self._live = live
        self._since, self._until = math.inf, -math.inf
        """The time of which everything is here that only this session has."""
        self._marked: PaneEntry | None = None
        self._title = ""
        self.leave_to: Callable[[], None] | None = None
        """Where one comes from who is here; None for the end of the conversation."""
        self.oldest = self.newest = 0
        """The numbers of the first and the last message that was read; set by who reads."""
        self.has_all_above = False
        """Whether nothing older is kept."""
        self.loading = False
        """Whether more is being read."""
        self.wanted = 0
        """Rows that one wants to go up as soon as there are so many."""

    @property
    def has_more_than_live(self) -> bool:
        """Whether anything is here that the backlog has not."""
        live = {id(entry) for entry in self._live}
        return any(id(entry) not in live for entry in self._entries)

    def put_above(
        self, entries: Sequence[PaneEntry], *, is_all: bool, until: float = -math.inf
    ) -> None:
        """What was said just before all that is here; `is_all`: nothing older is kept.

        For the first time, `until` is how far what only this session has is to be here.
        """
        since = entries[0].at if entries else self._since
        if is_all:
            self.has_all_above, since = True, -math.inf
        if not self._entries:
            self._until = max(until, entries[-1].at if entries else until)
            self._since = math.nextafter(self._until, math.inf)
        found = [*self._merged(entries, since, self._since)]
        self._entries[:0] = found
        self._first -= len(found)
        self._since = since
        self._forget_below()

    def put_below(self, entries: Sequence[PaneEntry], *, is_all: bool) -> None:
        """What was said just after all that is here; `is_all`: nothing newer is kept."""
        if self._bottom is None and self._entries:
            self._bottom = self._first + len(self) - 1, 0
        until = math.inf if is_all or not entries else entries[-1].at
        self._entries += self._merged(entries, self._until, until)
        self._until = until
        self._forget_above()

    def show(self, entry: PaneEntry, hidden: int = 0) -> bool:
        """Have this entry be the last one on the screen, but for some rows; False if not here."""
        for place, each in enumerate(self._entries):
            if each is entry:
                self._bottom = self._first + place, hidden
                return True
        return False

    def mark(self, number: int, title: str) -> PaneEntry | None:
        """Put a line above the message with this number; None if it is not here."""
        for entry in self._entries:
            if entry.number == number:
                self._marked, self._title = entry, title
                return entry
        return None

    def to_top(self, columns: int, height: int, glyphs: Glyphs) -> None:
        """Go to the first row, whatever is below it."""
        taken = 0
        self._bottom = None
        for number in range(self._first, self._first + len(self)):
            taken += len(self._rows(number, columns, glyphs))
            if taken > height:
                self._bottom = number, taken - height
                return

    def _rules(self, number: int, before: PaneEntry | None) -> Sequence[tuple[str, str]]:  # noqa: ARG002
        if self._entries[number - self._first] is self._marked:
            return [(self._title, "class:unread-rule")]
        return ()

    # ------------------------------------------------------------ what the session has, too

    def _merged(
        self, entries: Sequence[PaneEntry], since: float, until: float
    ) -> Iterator[PaneEntry]:
        """The parts of these messages, and between them what only the session has of this time."""
        numbered: dict[int, PaneEntry] = {}
        known: dict[Identity, PaneEntry] = {}
        places: dict[int, int] = {}
        here = {id(entry) for entry in self._entries}
        notes: list[tuple[int, PaneEntry]] = []
        # Of the others none can be the same, and to know each of thousands by its text takes long.
        began = entries[0].at - _LATE if entries else 0.0
        ended = entries[-1].at + _LATE if entries else 0.0
        lost = any(_(UNKEPT) in live.note for live in self._live)
        said = {entry.identity for entry in entries} if lost else ()
        for place, live in enumerate(self._live):
            places[id(live)] = place
            if live.number:
                numbered[live.number] = live
            elif live.msg_id and not self._is_lost(live, said):
                if began <= live.at < ended:
                    known[live.identity] = live
            elif since <= live.at < until and _is_of_session(live) and id(live) not in here:
                notes.append((place, live))
        notes.reverse()
        for entry in entries:
            shown = numbered.get(entry.number) or entry
            if shown is entry and entry.msg_id and known:
                shown = known.get(entry.identity, entry)
            if id(shown) in here and _(UNKEPT) in shown.note:
                continue  # it came again, and was kept, later than where it stands
            if id(shown) in here:
                shown = entry  # the same was said twice
            here.add(id(shown))
            parts = in_parts(shown)
            for part in parts:
                part.number = entry.number
            at = places.get(id(shown))
            while notes and (notes[-1][1].at < shown.at if at is None else notes[-1][0] < at):
                yield from in_parts(notes.pop()[1])
            yield from parts
        for _number, note in reversed(notes):
            yield from in_parts(note)

    @staticmethod
    def _is_lost(live: PaneEntry, said: Container[Identity]) -> bool:
        """Whether it could not be kept, nor was when it came again among what is `said`."""
        return _(UNKEPT) in live.note and live.identity not in said

    # ------------------------------------------------------------ bounds

    def _forget_below(self) -> None:
        if self._bottom is None or len(self) <= MOST:
            return
        end = max(MOST, self._bottom[0] - self._first + _NEAR)
        end = next((at for at in range(end, len(self)) if self._is_cut(at)), len(self))
        if end < len(self):
            self._until, self.newest = self._entries[end - 1].at, self._entries[end - 1].number
            del self._entries[end:]

    def _forget_above(self) -> None:
        if self._bottom is None or len(self) <= MOST:
            return
        begin = min(len(self) - MOST, self._bottom[0] - self._first - _NEAR)
        begin = next((at for at in range(begin, 0, -1) if self._is_cut(at)), 0)
        if begin > 0:
            self._since, self.has_all_above = self._entries[begin].at, False
            self.oldest = self._entries[begin].number
            del self._entries[:begin]
            self._first += begin

    def _is_cut(self, at: int) -> bool:
        """Whether one message ends before this place, and another one begins there."""
        before, after = self._entries[at - 1].number, self._entries[at].number
        return 0 < before != after > 0


def _is_of_session(entry: PaneEntry) -> bool:
    """Whether it is in no history: said by the console, or what could not be sent."""
    failed = entry.kind is EntryKind.OWN and entry.mark is Mark.FAILED
    unkept = entry.kind is EntryKind.MESSAGE and _(UNKEPT) in entry.note
    return (entry.kind in _FROM_SESSION or failed or unkept) and entry.parts is not None
