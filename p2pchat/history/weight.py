"""How large a history file is, and who has how much of it, for who watches the node.

Rules: a look at the file's size is free; who has how much is asked of the reader, and known a
moment later.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from p2pchat.disk import Disk
from p2pchat.history.shares import Held
from p2pchat.history.store import Store

_EVERY: Final = 5.0
"""Seconds between two questions at least."""


class Weight:
    """Of the file at `path`, which need not exist and which `store` writes.

    `ask` asks the reader for what each has.
    """

    def __init__(
        self,
        clock: IReactorTime,
        path: str,
        store: Store,
        ask: Callable[[], Deferred[list[Held]]],
        disk: Disk,
    ) -> None:
        self._store = store
        self._clock = clock
        self._path = path
        self._ask = ask
        self._disk = disk
        self._asked_at: float | None = None
        self.held = Held()
        """Who had how much when that was asked last."""

    @property
    def size(self) -> int:
        """Bytes of the file now, with what is not merged into it yet."""
        size = 0
        for ending in ("", "-wal"):
            with suppress(OSError):
                size += self._disk.size(self._path + ending)
        return size

    @property
    def unstored(self) -> int:
        """Bytes, roughly, of what came and waits to be stored."""
        return self._store.waiting

    @property
    def batches(self) -> int:
        """How many times something was stored."""
        return self._store.batches

    def look(self) -> None:
        """Have `held` be as it is now, a moment later, unless that was asked just now."""
        now = self._clock.seconds()
        if self._asked_at is not None and now - self._asked_at < _EVERY:
            return
        if not self._disk.exists(self._path):
            return
        self._asked_at = now
        # Why it cannot be read is told to who wants to read something.
        self._ask().addCallbacks(self._told, lambda _: None)

    def _told(self, found: list[Held]) -> None:
        if found:
            self.held = found[0]
