"""That only one process uses a file: a lock on another file beside it, `PATH.lock`.

Rules: the lock ends with the process and its forks, however these end. The file of the lock is
there while somebody has it.
"""

from __future__ import annotations

from p2pchat.disk import SYSTEM, Disk


class Lock:
    """The right to use the file at `path`; make it with `lock`."""

    def __init__(self, path: str, held: int, disk: Disk) -> None:
        self.path = path
        self._held: int | None = held
        self._disk = disk

    def release(self) -> None:
        """Let another process use the file; call it when the file is closed."""
        held, self._held = self._held, None
        if held is not None:
            self._disk.let_go(_beside(self.path), held)


def lock(path: str, disk: Disk = SYSTEM) -> Lock | None:
    """Take the file at `path`, which need not exist yet, for this process and its forks.

    None when another process has it. Raises `OSError`.
    """
    held = disk.hold(_beside(path))
    return None if held is None else Lock(path, held, disk)


def _beside(path: str) -> str:
    return path + ".lock"
