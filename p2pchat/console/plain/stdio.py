"""The descriptors of standard input and output: what they are, and how they are left behind.

Rules: Twisted's StandardIO makes both non-blocking; other processes may share them (a shell its
terminal, a script its pipe), so they are given back as they were found.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from typing import Any, Final

from twisted.internet.interfaces import IProtocol
from twisted.internet.stdio import StandardIO

CHUNK: Final = 8192
"""Bytes that StandardIO reads in one turn of the reactor."""
_MORE: Final = 57_344


class StandardDescriptors:
    """Standard input and output, as far as the console must know them."""

    def __init__(self, reactor: Any, stdin: int, stdout: int) -> None:
        self._reactor = reactor
        self._stdin, self._stdout = stdin, stdout
        self._blocking = {fd: _get_blocking(fd) for fd in (stdin, stdout)}
        self.terminal_in = os.isatty(stdin)
        self.terminal_out = os.isatty(stdout)
        self.unseen = _is_null(stdout)
        """Whether nobody can ever see what is written."""
        self.encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"

    def attach(self, protocol: IProtocol) -> Any:
        """Connect a protocol to them; returns the transport."""
        stdio: Any = StandardIO  # the annotations are those of another platform
        return stdio(protocol, self._stdin, self._stdout, reactor=self._reactor)

    def read_more(self) -> bytes:
        """What else can be read at once; StandardIO reads 8 KiB a turn, which slows bulk down."""
        if self.terminal_in or os.get_blocking(self._stdin):
            return b""
        try:
            return os.read(self._stdin, _MORE)
        except OSError:
            return b""

    def restore(self) -> None:
        """Leave them as they were found: other processes may share them."""
        for fd, blocking in self._blocking.items():
            with suppress(OSError):
                os.set_blocking(fd, blocking)


def has_input(fd: int = 0) -> bool:
    """Whether `fd` (standard input) is a terminal, a pipe or a file: not closed nor /dev/null."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return not stat.S_ISCHR(mode) or os.isatty(fd)


def _get_blocking(fd: int) -> bool:
    try:
        return os.get_blocking(fd)
    except OSError:
        return True


def _is_null(fd: int) -> bool:
    try:
        return os.fstat(fd).st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return True
