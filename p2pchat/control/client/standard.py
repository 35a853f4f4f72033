"""Standard input, output and error of a program, whatever they are: closed, full, without a reader.

    fill_standard_descriptors()          # first of all
    status = guarded(program)            # what it says is written, or it is told that it is not

Rules: no Twisted, and never a traceback. Output that cannot be written is one sentence on standard
error, and the status 1. A reader that has gone, as `head` does, has what it wanted: nothing is
said, and the status stays. A sentence that nobody can be told, because standard error is closed as
well, is only a status.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from p2pchat.speech import _, spoken
from p2pchat.wire.text import printable, shortened, why_not


def fill_standard_descriptors() -> bool:
    """Open the null device where standard input, output or error are closed.

    Or the next file or socket gets their number, and whatever is written to standard error goes
    into it. Call it before anything is opened. Returns whether standard output was closed: writing
    there fails, so that nobody takes it for written; `forget_output` has it go nowhere.
    """
    closed = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            closed.append(number)
        if getattr(sys, name) is None:
            # A number that something else has by now is not written to.
            where = number if number in closed else os.devnull
            stream = open(where, "w" if number else "r", closefd=where != number)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    return 1 in closed


def guarded(program: Callable[[], object]) -> int:
    """Run a short program that returns its exit status, or leaves with it; returns that status."""
    if sys.stdout is None:  # in somebody else's program, as twistd
        complain(_("p2pchat: standard output is closed"))
        return 1
    with suppress(AttributeError, ValueError):  # only a text file on a descriptor has an encoding
        # A letter that the terminal's encoding lacks is a question mark, and no fault.
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    status: object = 0
    try:
        try:
            status = program()
        except SystemExit as left:
            status = left.code
        sys.stdout.flush()
    except BrokenPipeError:
        forget_output()
    except OSError as why:
        forget_output()
        what = _("standard output") if why.filename is None else shortened(str(why.filename))
        complain(f"p2pchat: {what}: {spoken(why_not(why))}")
        status = status or 1
    return status if isinstance(status, int) else 0


def complain(sentence: str) -> None:
    """Say a sentence on standard error, as far as there is one."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(printable(sentence) + "\n")
        sys.stderr.flush()


def forget_output() -> None:
    """Have standard output go nowhere from now on, what Python still holds of it included."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
