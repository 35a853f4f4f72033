"""Programs that are the head of a process group, so that all they have started can be ended.

Rules: Twisted starts no process in a group of its own, so `setsid` does, or Python where there is
no such program. A group's id is that of its head, and stays taken as long as one of it lives.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from contextlib import suppress
from typing import Final

_IN_PYTHON: Final = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"


class ProcessGroups:
    """How groups are made, found and ended on this machine."""

    def __init__(self) -> None:
        setsid = shutil.which("setsid")
        self._head = [setsid] if setsid else [sys.executable, "-I", "-S", "-c", _IN_PYTHON]

    def check(self, program: str) -> None:
        """Raise `OSError` if this is no program that can be run."""
        if os.path.isdir(program):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(program, os.X_OK):
            why = errno.EACCES if os.path.lexists(program) else errno.ENOENT
            raise OSError(why, os.strerror(why))

    def command(self, program: str) -> list[str]:
        """The words that run `program`, an absolute path, as the head of a group."""
        return [*self._head, program]

    def alive(self, group: int) -> bool:
        """Whether anything of a group still runs."""
        if not group:
            return False
        try:
            os.killpg(group, 0)
        except OSError:
            return False
        return True

    def kill(self, group: int) -> None:
        """End all of a group at once; nothing if it is gone."""
        if group:
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
