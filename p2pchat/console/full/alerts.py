"""The bell, notifications on the desktop, and the window's title: what is heard and seen elsewhere.

Rules: what others wrote is made printable before it goes into a sequence. A terminal that is not
known to show notifications gets the bell, since most forget what they do not know. The title that
the window had is put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prompt_toolkit.output import Output

from p2pchat.node.own_lists import OwnLists
from p2pchat.wire.text import shortened

_LONGEST: Final = 120
_KEEP_TITLE: Final = "\x1b[22;2t"
_TITLE_BACK: Final = "\x1b[23;2t"
_OSC_777: Final = "\x1b]777;notify;{title};{text}\x1b\\"
_OSC_9: Final = "\x1b]9;{title}: {text}\x1b\\"
_PROGRAMS: Final = {"ghostty": _OSC_777, "WezTerm": _OSC_777, "iTerm.app": _OSC_9}
_TERMS: Final = (("foot", _OSC_777), ("rxvt", _OSC_777), ("xterm-kitty", _OSC_9))


def notification_of(environ: Mapping[str, str]) -> str:
    """The sequence by which this terminal shows a notification; empty when it is not known to."""
    found = _PROGRAMS.get(environ.get("TERM_PROGRAM", ""))
    if found is not None:
        return found
    term = environ.get("TERM", "")
    return next((form for name, form in _TERMS if term.startswith(name)), "")


class Alerts:
    """Calls a person who looks elsewhere, as `lists` say. `bell`: what the settings say of it."""

    def __init__(
        self, output: Output, lists: OwnLists, environ: Mapping[str, str], *, bell: bool
    ) -> None:
        self._output = output
        self._lists = lists
        self._bell = bell
        self._form = notification_of(environ)
        # VTE has it in some systems only, and does not tell: there it is both.
        self._perhaps = "" if self._form or "VTE_VERSION" not in environ else _OSC_777
        self._count: int | None = None

    def ring(self, who: str, text: str) -> None:
        """Something came for the person, from `who`."""
        lists, output = self._lists, self._output
        rings = self._bell if lists.bell is None else lists.bell
        if lists.notify:
            form = self._form or self._perhaps
            if form:
                output.write_raw(form.format(title=_part(who), text=_part(text)))
                output.flush()
            rings = rings or not self._form
        if rings:
            output.bell()

    def unread(self, count: int) -> None:
        """So many messages are unread now: the title of the window says so."""
        if count == self._count:
            return
        if self._count is None:
            self._output.write_raw(_KEEP_TITLE)
        self._count = count
        self._output.set_title(f"({count}) p2pchat" if count else "p2pchat")
        self._output.flush()

    def end(self) -> None:
        """Give the window the title back that it had."""
        if self._count is not None:
            self._count = None
            self._output.write_raw(_TITLE_BACK)
            self._output.flush()


def _part(text: str) -> str:
    """A text as a part of a sequence, where a semicolon begins the next one."""
    return shortened(text, _LONGEST).replace(";", ",")
