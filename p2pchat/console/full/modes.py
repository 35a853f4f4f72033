"""What the terminal makes of the mouse while the console runs.

Rules: most terminals turn the wheel into Up and Down on a screen of its own, which would change the
line that is being typed: they are asked not to. The mouse itself stays the terminal's, to select
and copy with, until the person wants it otherwise. What is changed is changed back.
"""

from __future__ import annotations

from typing import Final

from prompt_toolkit.output import Output

from p2pchat.speech import _

_NO_KEYS: Final = "\x1b[?1007s\x1b[?1007l"
KEYS_AGAIN: Final = "\x1b[?1007h\x1b[?1007r"
"""As it was; where a terminal has not kept that, as most of them begin."""
_MOUSE: Final = "\x1b[?1000h\x1b[?1006h"
NO_MOUSE: Final = "\x1b[?1006l\x1b[?1000l"


class MouseModes:
    """Tells a terminal, through `output`, what to do about the mouse."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.scrolls = False
        """Whether the wheel scrolls the messages."""

    def begin(self) -> None:
        """The screen is ours: now, or again."""
        self._tell(_NO_KEYS + (_MOUSE if self.scrolls else ""))

    def end(self) -> None:
        """The screen is given back."""
        self._tell((NO_MOUSE if self.scrolls else "") + KEYS_AGAIN)

    def toggle(self) -> str:
        """Have the wheel scroll, or leave the mouse to the terminal; returns a sentence on it."""
        self.scrolls = not self.scrolls
        self._tell(_MOUSE if self.scrolls else NO_MOUSE)
        if self.scrolls:
            return _("the wheel scrolls; to select text, hold Shift, or /mouse once more")
        return _("the mouse is left to the terminal, to select and copy with")

    def _tell(self, sequence: str) -> None:
        self._output.write_raw(sequence)
        self._output.flush()
