"""A terminal that is told nothing it knows already: over a slow line, each byte is time.

    a key typed      "\\x1b[?25l\\x1b[0ma\\x1b[0m\\x1b[?12l\\x1b[?25h"  ->  "a"

Rules: attributes are written when they change, and at each drawing of everything, before which
somebody else may have had the terminal. The cursor is hidden while much is drawn, so that nobody
sees it jump, and stays for a few characters.
"""

from __future__ import annotations

from typing import Final

from p2pchat.console.full.placing import PlacingOutput

_HIDDEN: Final = "\x1b[?25l"
_SHOWN: Final = "\x1b[?12l\x1b[?25h"
_ROWS: Final = "\r\n" * 4
_FEW: Final = 64
"""Characters that are drawn before anybody sees the cursor on its way."""


class SparingOutput(PlacingOutput):
    """A terminal, told what is new to it."""

    _attributes: str | None = None
    """What was written last to set them; None while nobody knows."""

    def write(self, data: str) -> None:
        """Write text; many rows down are one step."""
        if data.startswith(_ROWS):
            self.write_raw("\r")
            self.cursor_down(data.count("\n"))
        else:
            super().write(data)

    def write_raw(self, data: str) -> None:
        """Write what a terminal obeys, unless these attributes are the present ones."""
        if data.startswith("\x1b[0") and data.endswith("m"):
            if data == self._attributes:
                return
            self._attributes = data
        super().write_raw(data)

    def disable_autowrap(self) -> None:
        """Everything is drawn now."""
        self._attributes = None
        super().disable_autowrap()

    def flush(self) -> None:
        """Write what has gathered, all of it at once."""
        data = "".join(self._buffer)
        if data.startswith(_HIDDEN) and data.endswith(_SHOWN):
            drawn = data[len(_HIDDEN) : -len(_SHOWN)]
            if len(drawn) <= _FEW:
                data = drawn
        self._buffer = [data] if data else []
        super().flush()
