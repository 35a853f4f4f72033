"""What was said, taken out of the file of what was typed.

Rules: a line does not tell who was spoken to, so that all that was said goes, to whomever; what
only asks the program stays, byte for byte.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from p2pchat.disk import SYSTEM

_ASK: Final = frozenset(
    b"/alias /back /bell /block /bye /clear /conn /exit /forget /help /history /ignore /ignores"
    b" /log /mute /notify /outbox /peers /q /quit /reconnect /rtt /stats /to /unalias /unblock"
    b" /unignore /unmute /whois".split()
)
"""The commands that hold nothing of what was said: not /search, and none that is misspelt."""


def holds_words(line: bytes) -> bool:
    """Whether a line that was typed may hold what somebody was told, or looked for."""
    return not line.startswith(b"/") or line.split(maxsplit=1)[0].lower() not in _ASK


def take_words_out(path: str) -> None:
    """Have the file at `path` hold no more of what was said; raises `OSError`."""
    beside = f"{path}.{os.getpid()}"
    try:
        lines = SYSTEM.read(path).splitlines(keepends=True)
    except FileNotFoundError:
        return
    kept = [line for line in lines if not holds_words(line)]
    if len(kept) == len(lines):
        return
    try:
        with open(beside, "wb", opener=_private) as file:
            file.write(b"".join(kept))
        os.replace(beside, path)
    except OSError:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
