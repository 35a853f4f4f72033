"""What the message pane holds, and how each piece of it looks in so many columns.

    12:34 [bob@CIC] a direct message         with the mark of how it came before the bracket
    12:34 [bob@CIC -> #CIC] to a namespace, where all conversations are shown together
    12:35 [-> bob@CIC] what we sent ✓        the mark: … waiting for the ACK, ✓ delivered, ✗ not
    12:35 * bob@CIC has left

Rules: an entry is kept as what it means and drawn when it is seen, because its mark, the width and
the conversation on the screen change after it came. What somebody else wrote can look like nothing
but a message: it stands behind a bracket, and its further rows are indented, those after a new line
of its writer like those for which there was no room.
"""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct, structs

from p2pchat.console.full.colours import colour_of
from p2pchat.console.full.days import day_name
from p2pchat.console.full.tables import fitted
from p2pchat.console.full.widths import cut, steady, width, wrap
from p2pchat.console.replies import Table
from p2pchat.console.wording import in_brackets, security_mark
from p2pchat.speech import N_, _, ngettext
from p2pchat.wire.address import namespace_of
from p2pchat.wire.names import CELLS
from p2pchat.wire.repetitions import mark_of

Row: TypeAlias = list[tuple[str, str]]
"""One row of the screen: (style, text) after (style, text)."""

_INDENT: Final = 8
ONE_PART: Final = 2000
"""Characters that are drawn in one go: more than a screen of text in most terminals."""
_WORD: Final = 100
_TAB: Final = 4
_BLANK: Final = re.compile(r"\n(?:[ \t]*\n){5,}")
_BREAKS: Final = 500
"""New lines that are drawn in one go; the others are shown as what they are."""
_LONGEST_NAME: Final = CELLS


_EDITED: Final = N_("(edited)")


class EntryKind(enum.Enum):
    """What an entry is."""

    MESSAGE = "message"
    """Somebody wrote it."""
    OWN = "own"
    """We did."""
    EVENT = "event"
    LEFT_OUT = "left out"
    """How much of a flood is not shown."""
    ANSWER = "answer"
    """What a command says."""
    WARNING = "warning"
    ALERT = "alert"
    """Somebody may be another than they say."""


_SAID: Final = (EntryKind.MESSAGE, EntryKind.OWN)
_STYLES: Final = {
    EntryKind.ALERT: "class:alert",
    EntryKind.WARNING: "class:warning",
    EntryKind.ANSWER: "class:answer",
    EntryKind.EVENT: "class:event",
    EntryKind.LEFT_OUT: "class:event",
}


_SECURITY_STYLES: Final = {"+": "class:verified", "~": "class:in-the-clear"}


class Mark(enum.Enum):
    """What became of a message of ours, and the style in which that is shown."""

    NONE = ""
    WAITING = "class:waiting"
    DELIVERED = "class:delivered"
    FAILED = "class:failed"


class Glyphs(Struct, frozen=True):
    """The signs that a terminal's encoding may lack."""

    marks: dict[Mark, str]
    rule: str
    called: Callable[[str], str] = str
    """What the person calls a peer or a scope."""

    @classmethod
    def of(cls, encoding: str) -> Glyphs:
        """Those that can be encoded so."""
        try:
            "…✓✗─".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls({Mark.WAITING: "..", Mark.DELIVERED: "ok", Mark.FAILED: _("FAILED")}, "-")
        return cls({Mark.WAITING: "…", Mark.DELIVERED: "✓", Mark.FAILED: "✗"}, "─")


Identity: TypeAlias = tuple[str, str, str | int]
"""Who said it, its msg_id, and the mark of its text."""


class PaneEntry(Struct, eq=False):
    """One piece. `at` is seconds since the epoch; texts are as they came."""

    at: float
    kind: EntryKind
    text: str = ""
    speaker: str = ""
    """The peer_id of who wrote it."""
    where: str = ""
    """The conversation it belongs to: a peer_id, `#namespace` or `*`."""
    claims: bool = False
    """Whether it says it is from somebody other than the speaker."""
    named: bool = False
    """Whether it is meant for the person: direct, or with their name in it."""
    msg_id: str = ""
    """By which the history knows it; empty for none."""
    number: int = 0
    """Its number in the history, where that is known."""
    mark: Mark = Mark.NONE
    note: str = ""
    """What stands behind the mark."""
    table: Table | None = None
    continues: bool = False
    """Whether its text goes on with that of the entry before it."""
    parts: list[PaneEntry] | None = None
    """What `in_parts` made of it."""
    security: str = ""
    """How it came, as in `wording.security_mark`; only for what others wrote."""
    edited: bool = False
    """Whether it has another text than at first."""
    first_text: str | None = None
    """That one, by which it is known; None for `text`."""
    also: PaneEntry | None = None
    """The line where it was typed, if that was in another conversation: it has the same mark."""
    drawn: tuple[object, list[Row]] | None = None
    """The rows as they were last drawn, and for what."""

    @property
    def identity(self) -> Identity:
        """By which it is known again."""
        text = self.text if self.parts is None else "".join(part.text for part in self.parts)
        text = text if self.first_text is None else self.first_text
        return identity(self.speaker, self.msg_id, text)

    @property
    def size(self) -> int:
        """Characters, to bound how much is kept."""
        cells = 0 if self.table is None else sum(map(len, self.table.rows))
        return len(self.text) + cells * _LONGEST_NAME

    def rows(self, columns: int, together: bool, glyphs: Glyphs) -> list[Row]:
        """How it looks; `together` says that other conversations are on the screen, too."""
        called = glyphs.called
        key = (columns, together, self.mark, self.note, called(self.speaker), called(self.where))
        if self.drawn is None or self.drawn[0] != key:
            self.drawn = (key, self._draw(columns, together, glyphs))
        return self.drawn[1]

    def _draw(self, columns: int, together: bool, glyphs: Glyphs) -> list[Row]:
        if self.table is not None:
            return [[("class:answer", line)] for line in fitted(self.table, columns)]
        clock = time.strftime("%H:%M ", time.localtime(self.at))
        mark = security_mark(self.security)
        room = max(4, columns - len(clock + mark) - _INDENT)
        style, prefix = self._prefix(together, room, glyphs)
        indent = min(_INDENT, columns // 4)
        room = max(2, columns - indent)
        if self.continues:
            clock, mark, prefix = " " * indent, "", ""
        head = len(clock + mark)
        begin, *lines = self._lines()
        first, *others = wrap(prefix + begin, max(2, columns - head), room)
        others += [row for line in lines for row in wrap(line, room, room)]
        text_style = "class:named" if self.named else _STYLES.get(self.kind, "")
        rows: list[Row] = [
            [
                ("class:time", clock),
                *([(_SECURITY_STYLES.get(mark, ""), mark)] if mark else []),
                (style, first[: len(prefix)]),
                (text_style, first[len(prefix) :]),
            ]
        ]
        rows += [[("", " " * indent), (text_style, row)] for row in others]
        self._add_mark(rows, columns, indent, glyphs)
        return rows

    def _lines(self) -> list[str]:
        """The text as its writer broke it; what else stands in it is made visible."""
        if self.kind not in _SAID or ("\n" not in self.text and "\t" not in self.text):
            return [steady(self.text)]
        text = self.text.replace("\r\n", "\n").rstrip()
        if self.continues:
            text = text.removeprefix("\n")
        text = _BLANK.sub(_counted, text)
        return [steady(line.expandtabs(_TAB)) for line in text.split("\n", _BREAKS)]

    def _add_mark(self, rows: list[Row], columns: int, indent: int, glyphs: Glyphs) -> None:
        """Put the mark and its note behind the text, or below it where they do not fit."""
        style = self.mark.value or "class:event"
        room = max(2, columns - indent)
        edited = _(_EDITED) if self.edited else ""
        for part in (edited, glyphs.marks.get(self.mark, ""), steady(self.note)):
            taken = sum(width(text) for _style, text in rows[-1])
            if part and taken + 1 + width(part) <= columns:
                rows[-1].append((style, f" {part}"))
            elif part:
                rows += [[("", " " * indent), (style, row)] for row in wrap(part, room, room)]

    def _prefix(self, together: bool, room: int, glyphs: Glyphs) -> tuple[str, str]:
        """Style and text; where there is little room the names give way, and not their bracket."""
        most = _LONGEST_NAME
        style, text = self._named_so(together, most, glyphs)
        while text and width(text) > room and most > 1:
            most = max(1, min(most, room) - 1)
            style, text = self._named_so(together, most, glyphs)
        return style, text

    def _named_so(self, together: bool, most: int, glyphs: Glyphs) -> tuple[str, str]:
        names = (glyphs.called(each) for each in (self.speaker, self.where))
        name, where = (steady(in_brackets(each, most)) for each in names)
        if self.kind is EntryKind.OWN:
            return "class:own", f"[-> {where}] " if together else f"[{name}] "
        if self.kind is EntryKind.MESSAGE:
            claim = " (!)" if self.claims else ""
            # Who publishes to a namespace need not be of it; answers there do not reach them then.
            if self.where.startswith("#") and namespace_of(self.speaker) != self.where[1:]:
                claim += " " + _("(elsewhere)")
            to = f" -> {where}" if together and self.where != self.speaker else ""
            return colour_of(self.speaker), f"[{name}{claim}{to}] "
        return "class:event", ""


def identity(speaker: str, msg_id: str, text: str) -> Identity:
    """By which a message is known again: its id alone may have come with another text before."""
    # As the history writes what is no Unicode.
    return speaker, msg_id, mark_of(text.encode("utf-8", "backslashreplace").decode())


def in_parts(entry: PaneEntry) -> list[PaneEntry]:
    """The entry, after others for the beginning of its text, if that is too long to draw at once.

    Nothing of a text is left out, and what a screen shows of it costs no more than a short one.
    """
    if entry.parts is None:
        parts, text, start = [], entry.text, 0
        while len(text) - start > ONE_PART:
            end = _end_of_part(text, start)
            part = structs.replace(entry, text=text[start:end], continues=start > 0)
            part.msg_id, part.mark, part.note, part.drawn = "", Mark.NONE, "", None
            parts.append(part)
            start = end
        # The last one is the entry itself: its mark may still change.
        entry.text, entry.continues = text[start:], start > 0
        entry.parts = [*parts, entry]
    return entry.parts


def _counted(blank: re.Match[str]) -> str:
    """A few blank lines, and how many more there were: a screen of them would hide the others."""
    n = blank[0].count("\n") - 3
    more = ngettext("(+{n:,} new line)", "(+{n:,} new lines)", n).format(n=n)
    return f"\n\n{more}\n"


def _end_of_part(text: str, start: int) -> int:
    """Where to part a long text: before a new line, behind a word, or anywhere."""
    last = start + ONE_PART
    line = text.rfind("\n", last - _WORD, last)
    return line if line > 0 else text.rfind(" ", last - _WORD, last) + 1 or last


def day_row(at: float, columns: int, glyphs: Glyphs) -> Row:
    """The line that begins a day."""
    return rule_row(day_name(at), columns, glyphs, "class:day")


def rule_row(title: str, columns: int, glyphs: Glyphs, style: str) -> Row:
    """A line across the pane with a title."""
    head = cut(f"{glyphs.rule * 2} {title} ", columns)
    return [(style, head + glyphs.rule * max(0, columns - len(head)))]
