"""Several lines at once: nothing of them is sent before the person has said how.

    a paste with marks around it     ->  the question
    text behind an Enter that came
    with it, in one piece            ->  a moment of silence  ->  the question
    Ctrl-O, Ctrl-E, Esc              ->  one message, one by one, nothing

Rules: who pastes has often not seen what it is. So only a key that is no text answers, and only one
that comes alone: what was pasted cannot answer for the person. A line of a paste is text, whatever
it begins with, unless each of its lines is a command or it was pasted behind one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from prompt_toolkit.buffer import Buffer
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.console.full.typed_text import text_of, typed_as
from p2pchat.speech import _, ngettext
from p2pchat.wire.codec import MAX_LINE
from p2pchat.wire.names import bracketed

MOST_LINES: Final = 500
"""Lines that may be pasted at once."""
SILENCE: Final = 0.05
"""Seconds without a key after which a paste without marks is over."""
_MOST_CHARACTERS: Final = 1_000_000
_BESIDE_THE_TEXT: Final = 600
"""Bytes of a message besides its text, or more."""
_WHOM: Final = re.compile(r"/(?:(?:msg|pub)\s+\S+|reply|r|me)\s", re.IGNORECASE)


class Paste:
    """What is pasted into `line`, until it is decided what becomes of it.

    `ask` shows a question, an empty one takes it away. `run` gets the lines, `whom` tells to which
    conversation text goes, empty for none, and `tell` shows a sentence.
    """

    def __init__(
        self,
        clock: IReactorTime,
        line: Buffer,
        *,
        ask: Callable[[str], None],
        run: Callable[[str], None],
        tell: Callable[[str], None],
        whom: Callable[[], str],
    ) -> None:
        self._clock = clock
        self._line = line
        self._ask = ask
        self._run = run
        self._tell = tell
        self._whom = whom
        self._pieces: list[str] = []
        self._characters = self._too_long = 0
        self._over: IDelayedCall | None = None
        self._text = self._for_whom = ""

    @property
    def collecting(self) -> bool:
        """Whether more of a paste without marks may come."""
        return self._over is not None

    @property
    def asking(self) -> bool:
        """Whether the person is to say what becomes of a paste."""
        return bool(self._text)

    # ------------------------------------------------------------ what is pasted

    def marked(self, data: str) -> None:
        """The terminal says that this was pasted."""
        text = data.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
        if "\n" not in text.rstrip("\n"):
            text = text.rstrip("\n")
            if not self._insert(text):
                self._refuse(len((self._line.text + text).encode("utf-8", "replace")))
        else:
            self._take(text)

    def more(self, data: str) -> None:
        """A piece of a paste without marks; after some silence it is asked about."""
        if self._too_long:
            self._too_long += len(data)
        elif self._characters < _MOST_CHARACTERS:
            self._pieces.append(data)
            self._characters += len(data)
        if self._over is None:
            self._over = self._clock.callLater(SILENCE, self._silent)
        else:
            self._over.reset(SILENCE)

    def unmarked(self, text: str) -> None:
        """A piece of a line that comes faster than anybody types."""
        if not self._insert(text):
            # Its other pieces, some of which might fit, would leave a hole.
            self._too_long = len(self._line.text)
            self.more(text)

    def new_line(self) -> None:
        """Go on in a new line of the same message."""
        self._insert("\n")

    def _insert(self, text: str) -> bool:
        """Put text into the line, unless that becomes longer than any message."""
        fits = len(self._line.text) + len(text.encode("utf-8", "replace")) <= MAX_LINE
        if fits:
            self._line.insert_text(text)
        return fits

    def _refuse(self, size: int) -> None:
        text = _("nothing was pasted: a line has {size:,} bytes, a message {most:,} at most")
        self._tell(text.format(size=size, most=MAX_LINE))

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._over is not None:
            self._over.cancel()
            self._over = None

    def _silent(self) -> None:
        self._over = None
        if self._too_long:
            text = _("only the beginning was pasted: a message has {most:,} bytes at most")
            self._tell(text.format(most=MAX_LINE))
            self._too_long = 0
            return
        text = "".join(self._pieces)
        self._pieces, self._characters = [], 0
        self._take(text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", ""))

    def _take(self, text: str) -> None:
        """Ask about a text of several lines."""
        text = text.rstrip("\n")
        lines = text.split("\n")
        size = max(len(each.encode("utf-8", "replace")) for each in lines)
        if size > MAX_LINE:
            self._refuse(size)
        elif len(lines) > MOST_LINES:
            many = _("{n:,} lines are too many: at most {most} can be pasted")
            self._tell(many.format(n=len(lines), most=MOST_LINES))
        else:
            self._text = text
            self._question()

    # ------------------------------------------------------------ what becomes of it

    def _question(self) -> None:
        lines, whom = self._lines(), self._whom()
        self._for_whom = whom
        n = len(lines)
        if whom and text_of(lines[0]) is not None:
            what = ngettext("{n} line for {whom}", "{n} lines for {whom}", n)
        else:
            what = ngettext("{n} line", "{n} lines", n)
        question = _("{what}: Ctrl-E one by one, Esc not at all")
        if self._fits_into_one():
            question = _("{what}: Ctrl-O as one message, Ctrl-E one by one, Esc not at all")
        self._ask(question.format(what=what.format(n=n, whom=bracketed(whom))))

    def as_one(self) -> None:
        """Send all of it as one message, if it fits."""
        if self._is_agreed() and self._fits_into_one():
            whole = self._whole()
            self._done()
            # By Up, all of it comes back.
            if self._line.history is not None:
                self._line.history.append_string(whole)
            self._line.reset()
            self._run(whole)

    def one_by_one(self) -> None:
        """Send each line that is not blank."""
        if not self._is_agreed():
            return
        lines = [each for each in self._lines() if each.strip()]
        self._done()
        self._line.reset()
        for each in lines:
            self._run(each)

    def not_at_all(self) -> None:
        """Send nothing; what was typed before stays in the line."""
        self._done()

    def _is_agreed(self) -> bool:
        """Whether it goes where the question said; else it is asked once more."""
        if self._for_whom == self._whom():
            return True
        self._question()
        return False

    def _done(self) -> None:
        self._text = ""
        self._ask("")

    def _whole(self) -> str:
        document = self._line.document
        before, behind = document.text_before_cursor, document.text_after_cursor
        whole = before + self._text + behind
        return whole if before else typed_as(whole)

    def _fits_into_one(self) -> bool:
        text = json.dumps(self._whole(), ensure_ascii=False)
        return len(text.encode("utf-8", "replace")) + _BESIDE_THE_TEXT <= MAX_LINE

    def _lines(self) -> list[str]:
        """What runs for each line."""
        document = self._line.document
        before, behind = document.text_before_cursor, document.text_after_cursor
        first, *others = (before + self._text + behind).split("\n")
        commands = all(text_of(each) is None for each in (first, *others) if each.strip())
        if commands and (self._text.startswith("\n") or not before):
            return [first, *others]
        command = self._command_for_all(before)
        return [
            first if before else typed_as(first),
            *(command + each if command else typed_as(each) for each in others),
        ]

    def _command_for_all(self, before: str) -> str:
        """What stands before each line, since it was typed before the first one."""
        if text_of(before) is not None:
            return ""
        if not self._text.startswith("\n"):
            return before
        # Without marks it cannot be told what was typed and what was pasted.
        whom = _WHOM.match(before)
        return whom[0] if whom else ""
