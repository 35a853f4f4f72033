"""That only one process uses a file: a lock on another file beside it, `PATH.lock`.

Rules: the lock ends with the process and its forks, however these end. The file of the lock is
there while somebody has it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress


class Lock:
    """The right to use the file at `path`; make it with `lock`."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process use the file; call it when the file is closed."""
        if self._descriptor >= 0:
            # Removed while it is locked: whoever waits for it will see that it is gone.
            with suppress(OSError):  # somebody else has removed it, or the folder is read-only now
                os.unlink(_beside(self.path))
            os.close(self._descriptor)
            self._descriptor = -1


def lock(path: str) -> Lock | None:
    """Take the file at `path`, which need not exist yet, for this process and its forks.

    None when another process has it. Raises `OSError`.
    """
    beside = _beside(path)
    while True:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_file(descriptor, beside):
            return Lock(path, descriptor)
        os.close(descriptor)  # removed by who had it, between our opening and our locking


def in_use(path: str) -> bool:
    """Whether a process has the file at `path`, as far as the file of a lock tells."""
    return os.path.exists(_beside(os.path.realpath(path)))


def _beside(path: str) -> str:
    return path + ".lock"


def _is_file(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
