"""The terminal itself: a descriptor of our own, written without waiting, and left as it was.

Rules: a terminal that takes nothing (a stalled connection, a stopped multiplexer) must not stop
the node, so nothing here waits; what is written meanwhile is bounded, and what was lost is drawn
anew. However the process ends, short of SIGKILL, the terminal works afterwards.
"""

from __future__ import annotations

import atexit
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from prompt_toolkit.data_structures import Size
from twisted.internet.abstract import FileDescriptor

from p2pchat.console.full.modes import KEYS_AGAIN, NO_MOUSE

ROOM: Final = 262_144
"""Bytes that may wait for the terminal: some fifty full screens."""
_USUAL: Final = Size(rows=24, columns=80)
_LEAVE: Final = (
    "\x1b[0m"  # no attributes
    "\x1b[?2004l"  # no marks around what is pasted
    "\x1b[?7h"  # long lines wrap
    "\x1b[r"  # all rows move
    "\x1b[?25h"  # a cursor
    "\x1b[?1049l"  # the screen that was there before
    f"{NO_MOUSE}{KEYS_AGAIN}"  # the mouse, and what its wheel does
)


class Terminal(FileDescriptor):
    """A terminal, by the path of its device (`os.ttyname`).

    `on_redraw` is called when something had to be left out, and there is room again: all of the
    screen must be drawn. `on_gone` is called when the terminal is gone. Call `restore` in the end.
    """

    def __init__(self, reactor: Any, path: str, encoding: str = "utf-8") -> None:
        super().__init__(reactor)
        self._encoding = encoding
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = termios.tcgetattr(self._fd)
        self._ours: list[Any] | None = None
        self._paused = self._given_back = False
        self._bytes = bytearray()
        self._torn = False
        self.connected = True
        self.on_redraw: Callable[[], object] = int
        self.on_gone: Callable[[], object] = int
        atexit.register(self.restore)

    def show(self, text: str) -> None:
        """Write as soon as the terminal takes it."""
        if not self.connected or self._paused:
            return
        if len(self._bytes) > ROOM:
            self._torn = True
            return
        self._bytes += text.encode(self._encoding, "replace")
        if self.doWrite() is None and self._bytes:
            self.startWriting()

    def size(self) -> Size:
        """Its present size; the usual one, if it does not tell."""
        try:
            columns, rows = os.get_terminal_size(self._fd)
        except OSError:
            return _USUAL
        return Size(rows=rows or _USUAL.rows, columns=columns or _USUAL.columns)

    def taken(self) -> None:
        """It is now as the console wants it: so `take_again` makes it."""
        with suppress(OSError, termios.error):
            self._ours = termios.tcgetattr(self._fd)

    def in_foreground(self) -> bool:
        """Whether we may read and set it: the shell has not given it to another job."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return True  # it is not the one that controls us, or is gone

    def pause(self) -> None:
        """Write nothing more, and forget what waits, until `take_again`."""
        self._paused = True
        self._bytes.clear()
        self.stopWriting()

    def give_back(self) -> None:
        """Leave it as it was found, for a while."""
        self.pause()
        self._given_back = True
        with suppress(OSError, termios.error):
            os.write(self._fd, _LEAVE.encode())
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)

    def take_again(self) -> None:
        """Have it as `taken` found it; everything is to be drawn anew."""
        self._paused = self._given_back = False
        if self._ours is not None:
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._ours)

    def fileno(self) -> int:
        """The descriptor; -1 when it is closed."""
        return self._fd

    def doWrite(self) -> Exception | None:
        """The terminal may take something."""
        try:
            sent = os.write(self._fd, self._bytes) if self._bytes else 0
        except BlockingIOError:
            return None
        except OSError as why:
            self.connectionLost(why)
            return why
        del self._bytes[:sent]
        if not self._bytes:
            self.stopWriting()
            if self._torn:
                self._torn = False
                self.on_redraw()
        return None

    def connectionLost(self, _reason: Any = None) -> None:
        """The terminal is gone."""
        if self.connected:
            self.connected = False
            self.stopWriting()
            self._bytes.clear()
            self.on_gone()

    def restore(self, last_words: str = "") -> None:
        """Leave the terminal as it was found, with these last words on it; only once."""
        atexit.unregister(self.restore)
        if self._fd == -1:
            return
        self.connected = False
        self.stopWriting()
        fd, self._fd = self._fd, -1
        with suppress(OSError, termios.error):
            # What waits is not written any more: it would be drawn over the screen that returns.
            leave = b"" if self._given_back else _LEAVE.encode()
            os.write(fd, leave + last_words.encode(self._encoding, "replace"))
            if not self._given_back:
                termios.tcsetattr(fd, termios.TCSANOW, self._before)
        os.close(fd)


class TerminalStream:
    """A terminal as the text file that prompt_toolkit writes to.

    It has no `fileno`, on purpose: prompt_toolkit would make the descriptor a blocking one.
    """

    encoding = "utf-8"

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def write(self, text: str) -> None:
        """Show `text`."""
        self._terminal.show(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True
