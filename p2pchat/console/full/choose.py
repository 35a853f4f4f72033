"""Whether this process gets the full console, and the event loop that it needs.

Rules: cheap to ask, and nothing slow is imported before the answer is yes. The full console needs
a reactor on asyncio, which must be installed before anything imports `twisted.internet.reactor`:
only our own script can do that, so that under twistd and twist the plain console answers.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

DUMB: Final = frozenset({"", "dumb", "unknown", "emacs"})
"""What TERM says of terminals that cannot move their cursor."""

_installed: AbstractEventLoop | None = None


def wanted(*, plain: bool = False, log_path: str = "", stdin: int = 0, stdout: int = 1) -> bool:
    """Whether to use the full console: both ends are one capable terminal.

    `plain` is the person's wish for the other one; a log that goes to standard output ("-") needs
    the other one, too.
    """
    if plain or log_path == "-" or os.environ.get("TERM", "") in DUMB:
        return False
    if not (os.isatty(stdin) and os.isatty(stdout)):
        return False
    try:
        # It is opened once more, so that what we set is ours alone.
        return os.access(os.ttyname(stdout), os.R_OK | os.W_OK)
    except OSError:
        return False


def install() -> None:
    """Install the reactor on asyncio; call it before anything imports the reactor."""
    global _installed
    from twisted.internet import asyncioreactor

    from p2pchat.console.full.event_loop import EventLoop

    assert "twisted.internet.reactor" not in sys.modules
    _installed = EventLoop()
    asyncioreactor.install(_installed)


def installed_loop() -> AbstractEventLoop | None:
    """The loop that `install` made; None when the process has another reactor."""
    return _installed
