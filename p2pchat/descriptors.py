"""How many files, and so how many connections, this process may have open."""

from __future__ import annotations

import os
import resource


def descriptor_limit() -> int | None:
    """How many files this process may have open, raised to what is allowed; None for no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass
    return None if soft == resource.RLIM_INFINITY else soft


def fill_standard_descriptors() -> None:
    """Open the null device where standard input, output or error are closed.

    Or the next file or socket gets their number, and whatever is written to standard error goes
    into it. Call it before anything is opened.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
