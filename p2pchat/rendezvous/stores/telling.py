"""What this server has to tell the others: gathered, told in batches, remembered until it is read.

    note(registration) ... take() -> a batch -> commands(batch) -> told(batch)
                                                             \\-> not_told(batch): pending again
    see(key): read in the log

Rules: pure. A newer word on a registration replaces an older one that was not told. What is pending
is bounded: beyond that, and on demand, all that the registry holds is told.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from p2pchat.rendezvous.registration import Key, Registration
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.stores.changes import (
    BATCH,
    GRANTED,
    REMEMBERED,
    WITHDRAWN,
    Change,
    change_of,
    encoded,
    field_of,
    hints_of,
    value_of,
)
from p2pchat.rendezvous.stores.redis import Command

MOST_PENDING: Final = 50_000
_LOG_LENGTH: Final = 100_000
"""Entries of the log, about: who missed more reads the hash."""
Batch = dict[Key, Change]


class Telling:
    """The changes of `registry` that the others do not know yet.

    `server` is our name among them, `prefix` begins every key. `wall` and `monotonic` give the
    seconds of two clocks, the latter that of the registry.
    """

    def __init__(
        self,
        registry: Registry,
        server: str,
        prefix: str,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._server = server
        self._all, self._log = f"{prefix}all", f"{prefix}log"
        self._wall, self._monotonic = wall, monotonic
        self._pending: Batch = {}
        self._unseen: dict[Key, int] = {}
        self._everything: list[Registration] | None = None

    def __bool__(self) -> bool:
        return bool(self._pending) or self._everything is not None

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, key: Key) -> bool:
        """Whether our word on it comes behind all that has been read in the log."""
        return key in self._pending or key in self._unseen

    def note(self, registration: Registration) -> bool:
        """Something became of a registration; whether that is to be told."""
        if not registration.live and not registration.withdrawn:
            return False  # it has ended, which everybody knows by himself
        if len(self._pending) >= MOST_PENDING:
            self.everything()
        kind = GRANTED if registration.live else WITHDRAWN
        change = change_of(registration, kind, self._wall() - self._monotonic())
        self._pending[registration.key] = change
        return True

    def everything(self) -> None:
        """Tell all that we know, once more."""
        self._pending.clear()
        self._everything = []

    def recover(self) -> None:
        """Tell all that we know behind what is pending: the others may have lost it."""
        self._everything = []

    def take(self) -> Batch:
        """The next batch: what is pending, then some of everything; empty for nothing."""
        pending, everything = self._pending, self._everything
        batch = {key: pending.pop(key) for key in [*islice(pending, BATCH)]}
        if everything is not None:
            if not everything:
                everything += self._registry.all()
            now, epoch = self._monotonic(), self._wall() - self._monotonic()
            while everything and len(batch) < BATCH:
                it = everything.pop()
                if it.live and it.until > now and it.key not in batch and it.key not in pending:
                    batch[it.key] = change_of(it, REMEMBERED, epoch)
            if not everything:
                self._everything = None
        for key in batch:
            self._unseen[key] = self._unseen.get(key, 0) + 1
        return batch

    def not_told(self, batch: Batch) -> None:
        """It failed: all of it is pending again, but for what there is a newer word on."""
        for key, change in batch.items():
            self.see(key)
            self._pending.setdefault(key, change)

    def see(self, key: Key) -> None:
        """One word of ours on it was read in the log."""
        count = self._unseen.get(key, 0)
        if count > 1:
            self._unseen[key] = count - 1
        else:
            self._unseen.pop(key, None)

    def forget_unseen(self) -> None:
        """The log is read from another place on."""
        self._unseen.clear()

    def commands(self, batch: Batch) -> list[Command]:
        """What Redis is told in one transaction."""
        commands: list[Command] = []
        words: list[bytes] = []
        gone: list[bytes] = []
        for change in batch.values():
            if change.kind == WITHDRAWN:
                gone.append(field_of(change))
            else:
                words += (field_of(change), value_of(change, self._server))
        if words:
            commands.append(("HSET", self._all, *words))
        if gone:
            commands.append(("HDEL", self._all, *gone))
        changes = [*batch.values()]
        hints = hints_of(changes)
        entry = ("by", self._server, "ch", encoded(changes), *(("key", hints) if hints else ()))
        commands.append(("XADD", self._log, "MAXLEN", "~", _LOG_LENGTH, "*", *entry))
        return commands
