"""A file in memory, and the SQLite connections to one that is a database.

Rules: SQLite does all the work, so its errors are the real ones. The connections of one file see
what each other has committed. A transaction that a call began ends in the same call: whoever else
uses the file meanwhile is told that it is locked. A commit under `synchronous=FULL` is synced; any
other one only when the file is checkpointed or closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from random import Random
from typing import Any, Final, Protocol

_FULL: Final = 2
"""`PRAGMA synchronous`: the least at which each commit is synced."""
_READING: Final = ("SELECT", "EXPLAI", "WITH", "PRAGMA", "ROLLBA", "SAVEPO", "RELEAS")
_WRITING_PRAGMAS: Final = ("incremental_vacuum", "user_version=", "application_id=")
_MODES: Final = slice(18, 20)
# https://www.sqlite.org/fileformat.html: 2 there is WAL, which a file in memory cannot have.
_MAGIC: Final = b"SQLite format 3\0"
_GONE, _THERE, _TORN = range(3)
_WAL, _ROLLBACK = b"\2\2", b"\1\1"
_numbers: Final = count(1)


class PowerLost(BaseException):
    """The power went, or the process was killed: this call ends here, and nobody hears of it."""


class Watcher(Protocol):
    """Whom a connection asks before it goes to the disk, and tells afterwards."""

    @property
    def watches(self) -> bool:
        """Whether `committing` and `committed` have anything to do."""

    def sqlite_call(self, *, writes: bool) -> None:
        """A statement goes to the disk; raises `sqlite3.OperationalError`."""

    def committing(self, file: MemoryFile, size: int, page_size: int) -> None:
        """A transaction is to be committed; the file has `size` bytes then. May raise."""

    def committed(self) -> None:
        """It was; may raise `PowerLost`."""

    def sync_names(self) -> None:
        """The folder was synced with a file."""


class MemoryFile:
    """What is at one path: bytes, and which of them are synced."""

    def __init__(self, data: bytes = b"") -> None:
        self.number = next(_numbers)
        self.synced: bytes | None = b""
        """What is there after the power was lost at the worst; None: all that there is."""
        self.connections: list[MemoryConnection] = []
        self._data = data
        self._keeper: sqlite3.Connection | None = None

    @property
    def data(self) -> bytes:
        """What a read gives now; not while a transaction is open."""
        if self._keeper is not None:
            self._data = self._keeper.serialize() if self.size else b""
        return self._data

    @data.setter
    def data(self, data: bytes) -> None:
        if self.connections and self._keeper is not None:
            with _loaded(data) as image:
                image.backup(self._keeper)
            return
        self._forget()
        self._data = data

    @property
    def size(self) -> int:
        """Its bytes."""
        if self._keeper is None:
            return len(self._data)
        (pages,) = self._keeper.execute("PRAGMA page_count").fetchone()
        (page_size,) = self._keeper.execute("PRAGMA page_size").fetchone()
        return int(pages * page_size)

    def connect(self, watcher: Watcher, *, read_only: bool) -> MemoryConnection:
        """A connection to it, whatever its bytes are."""
        loads = self._keeper is not None or self._load()
        how = "&mode=ro" if read_only else ""
        made = sqlite3.connect(
            f"file:/{self.number}?vfs=memdb{how}" if loads else ":memory:",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            factory=MemoryConnection,
        )
        if not loads:  # SQLite itself says what is wrong with it
            made.deserialize(_in_rollback_mode(self._data))
        made.file, made.watcher = self, watcher
        self.connections.append(made)
        return made

    def damage(self, data: bytes) -> None:
        """Have these bytes on the disk instead."""
        self.data = data
        self.sync()

    def lose(self, random: Random) -> None:
        """The power was lost: what is not synced is gone, there, or torn."""
        if self.synced is None:
            return
        old, new = self.synced, self.data
        grew = not new.startswith(_MAGIC) and len(new) > len(old) and new.startswith(old)
        outcome = random.choice((_GONE, _THERE, _TORN) if grew else (_GONE, _THERE))
        if outcome == _TORN:
            cut = random.randint(len(old), len(new))
            # A file may have grown before what is in it was written.
            new = new[:cut] + bytes(len(new) - cut) * random.randint(0, 1)
        self.damage(old if outcome == _GONE else new)

    def sync(self) -> None:
        """Everything in it is on the disk now."""
        self.synced = None

    def about_to_change(self) -> None:
        """What is written from now on is not synced."""
        if self.synced is None:
            self.synced = self.data

    def cut_off(self) -> None:
        """Whoever has it open is no more: what was not committed is undone."""
        for connection in [*self.connections]:
            connection.cut_off()
        self.connections.clear()

    def __del__(self) -> None:
        self._forget()

    def _load(self) -> bool:
        """Give the bytes to SQLite; whether it takes them for a database."""
        keeper = sqlite3.connect(
            f"file:/{self.number}?vfs=memdb", uri=True, timeout=0, check_same_thread=False
        )
        if len(self._data) > 1:  # SQLite takes a file of one byte for an empty one
            try:
                with _loaded(self._data) as image:
                    image.backup(keeper)
            except sqlite3.Error:
                keeper.close()
                return False
        self._keeper = keeper
        return True

    def _forget(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()


class MemoryConnection(sqlite3.Connection):
    """A connection to a file in memory; made by `MemoryFile.connect`."""

    file: MemoryFile
    watcher: Watcher
    _level = _FULL
    _wrote = False
    _cut_off = False

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection`."""
        return self._do(sql, super().execute, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """See `sqlite3.Connection`."""
        return self._do(sql, super().executemany, parameters)

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        """See `sqlite3.Connection`."""
        run = super().executescript
        return self._do(sql, lambda script, _: run(script), ())

    def close(self) -> None:
        """See `sqlite3.Connection`; the last one to close a file syncs it."""
        if self._cut_off:
            return
        super().close()
        if self in self.file.connections:
            self.file.connections.remove(self)
        if self._level < _FULL and not self.file.connections:
            self.file.sync()
            self.watcher.sync_names()

    def cut_off(self) -> None:
        """Close it without its knowing: what is done with it now ends in `PowerLost`."""
        super().close()
        self._cut_off = True

    def _do(self, sql: str, do: Callable[[str, Any], sqlite3.Cursor], with_: Any) -> sqlite3.Cursor:
        if self._cut_off:
            raise PowerLost
        word = sql[:6].upper()
        if self.in_transaction:
            if word == "COMMIT" and self._wrote:
                return self._commit()
            if word not in _READING:
                self._wrote = True
            return do(sql, with_)
        if word.startswith("BEGIN"):
            self._wrote = len(sql) > len("BEGIN")
            self._goes_to_disk(writes=self._wrote)
            return do(sql, with_)
        if word == "PRAGMA" and not any(each in sql for each in _WRITING_PRAGMAS):
            return self._pragma(sql)
        if word in _READING and word != "PRAGMA":
            self._goes_to_disk(writes=False)
            return do(sql, with_)
        return self._autocommit(sql, do, with_)

    def _goes_to_disk(self, *, writes: bool) -> None:
        self.watcher.sqlite_call(writes=writes)
        if writes and self._level < _FULL:
            self.file.about_to_change()

    def _pragma(self, sql: str) -> sqlite3.Cursor:
        if "wal_checkpoint" in sql:
            self._goes_to_disk(writes=True)
            self.file.sync()
            self.watcher.sync_names()
        done = super().execute(sql)
        if "synchronous" in sql:
            (self._level,) = super().execute("PRAGMA synchronous").fetchone()
        return done

    def _autocommit(
        self, sql: str, do: Callable[[str, Any], sqlite3.Cursor], with_: Any
    ) -> sqlite3.Cursor:
        self._goes_to_disk(writes=True)
        if not self.watcher.watches or sql.startswith("PRAGMA"):
            done = do(sql, with_)
            self._synced()
            return done
        super().execute("BEGIN IMMEDIATE")
        try:
            done = do(sql, with_)
        except BaseException:
            super().execute("ROLLBACK")
            raise
        self._commit()
        return done

    def _commit(self) -> sqlite3.Cursor:
        if self.watcher.watches:
            try:
                (pages,) = super().execute("PRAGMA page_count").fetchone()
                (page_size,) = super().execute("PRAGMA page_size").fetchone()
                self.watcher.committing(self.file, pages * page_size, page_size)
            except sqlite3.Error:
                super().execute("ROLLBACK")
                raise
        done = super().execute("COMMIT")
        self._wrote = False
        self._synced()
        if self.watcher.watches:
            self.watcher.committed()
        return done

    def _synced(self) -> None:
        if self._level >= _FULL:
            self.file.sync()
            self.watcher.sync_names()


@contextmanager
def _loaded(data: bytes) -> Iterator[sqlite3.Connection]:
    """A connection to these bytes alone."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(_in_rollback_mode(data))
        yield connection


def _in_rollback_mode(data: bytes) -> bytes:
    """A database of a real disk, as one in memory has to be."""
    if data[_MODES] == _WAL:
        return data[: _MODES.start] + _ROLLBACK + data[_MODES.stop :]
    return data
