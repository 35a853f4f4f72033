"""What was said, as far back as it is kept, and the part of it that is on the screen.

Rules: bounded by entries and by characters, the oldest go. Who reads further up stays where they
are while new entries come; who is at the end follows them. What was said in earlier sessions comes
once, before everything else, and no message is in here twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from p2pchat.console.full.edits import Change
from p2pchat.console.full.entries import ONE_PART, EntryKind, Identity, PaneEntry, in_parts
from p2pchat.console.full.scrolled import Scrolled
from p2pchat.speech import _

_SLACK: Final = 1.25
_LOOKED_AT: Final = 1000
"""Entries among which what is changed is looked for."""
_TRIES: Final = 4
"""Messages of one peer with one id that are looked at: an honest peer uses an id once."""


class Backlog(Scrolled):
    """The entries of one conversation, or of all of them `together`.

    At most about `limit` of them are kept, and about so many `characters`.
    """

    def __init__(self, limit: int, characters: int, *, together: bool = False) -> None:
        super().__init__(together=together)
        self._limit = limit
        self._room = characters
        self._characters = 0
        self._unread_from: int | None = None
        self._session_from: int | None = None
        self._earlier: frozenset[Identity] = frozenset()
        self.forgotten = 0
        """Entries that are no longer kept."""
        self.has_gaps = False
        """Whether messages of a flood were left out in here."""

    def __iter__(self) -> Iterator[PaneEntry]:
        return iter(self._entries)

    def add(self, entry: PaneEntry, *, unread: bool = False) -> None:
        """Append; the first unread one since the last `read` gets a line above it."""
        if self._earlier and entry.identity in self._earlier:
            # It was read from the history before it came here by itself.
            return
        if unread and self._unread_from is None:
            self._unread_from = self._first + len(self)
        self.has_gaps = self.has_gaps or entry.kind is EntryKind.LEFT_OUT
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
        of, speaker, tries = change.of, change.speaker, _TRIES
        for entry in islice(reversed(self._entries), _LOOKED_AT):
            if entry.msg_id != of or entry.speaker != speaker:
                continue
            if change.changes(entry):
                return entry
            tries -= 1
            if not tries:
                break
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
        self.take_out(lambda _entry: True)

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

    def _rules(self, number: int, before: PaneEntry | None) -> Sequence[tuple[str, str]]:
        if number == self._unread_from:
            return [(_("new"), "class:unread-rule")]
        if number == self._session_from and before is not None:
            return [(_("this session"), "class:day")]
        return ()
