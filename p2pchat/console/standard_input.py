"""Whether there is standard input: known before any console is imported."""

from __future__ import annotations

import os
import stat


def has_input(fd: int = 0) -> bool:
    """Whether `fd` (standard input) is a terminal, a pipe or a file: not closed nor /dev/null."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return not stat.S_ISCHR(mode) or os.isatty(fd)
