"""Where a history file is, and that only one node uses it.

Rules: the folder and the file are the person's alone. Who has the file holds a lock on another one
beside it, which ends with the process, however that ends; it is there while a node runs.
"""

from __future__ import annotations

import fcntl
import os
from typing import Final

from p2pchat.history.records import HistoryError
from p2pchat.history.schema import FORMAT
from p2pchat.sqlite import ForeignFileError, check

NONE: Final = "none"
"""The file name that means: keep nothing."""


class Claim:
    """The right to use a history file; make it with `claim`."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another node use the file; call it when the file is closed."""
        if self._descriptor >= 0:
            # Removed while it is locked: whoever waits for it will see that it is gone.
            os.unlink(_lock_path(self.path))
            os.close(self._descriptor)
            self._descriptor = -1


def claim(path: str) -> Claim:
    """Take the history file at `path`, which need not exist yet, for this process and its forks.

    Raises `HistoryError` when another node has it, it is the file of another program or of another
    format, or it is out of reach.
    """
    # By whatever links it is reached, it has one lock, and its other parts stand beside it.
    path = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = _lock(_lock_path(path))
    except OSError as trouble:
        raise HistoryError(f"the history file {path} cannot be used: {trouble.strerror}") from None
    if descriptor is None:
        raise HistoryError(
            f"another p2pchat uses the history file {path}: "
            "choose another name (--name NAME), or another file (--history FILE)"
        )
    taken = Claim(path, descriptor)
    try:
        check(path, FORMAT)
    except ForeignFileError as why:
        taken.release()
        raise HistoryError(str(why)) from None
    except OSError as trouble:
        taken.release()
        raise HistoryError(f"the history file {path} cannot be used: {trouble.strerror}") from None
    return taken


def _lock_path(path: str) -> str:
    return path + ".lock"


def _lock(path: str) -> int | None:
    """A descriptor that holds the lock, None when somebody else does."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_file(descriptor, path):
            return descriptor
        os.close(descriptor)  # removed by who had it, between our opening and our locking


def _is_file(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
