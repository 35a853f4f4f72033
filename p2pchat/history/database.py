"""Writing the history file.

Rules: plain calls that may block and may fail, made by one thread at a time; `store` decides when.
What `commit` was given is on the disk when it returns, all of it, or it raises and nothing is. A
damaged file is renamed, never deleted, and a new one begun.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Final, NamedTuple

from p2pchat.disk import SYSTEM, Disk
from p2pchat.history import checking, deleting, filing, mending, past, shares, sums, words
from p2pchat.history.names import Names, drop_unused
from p2pchat.history.records import Batch, Loaded
from p2pchat.history.room import Room
from p2pchat.history.schema import FORMAT
from p2pchat.history.segments import arrived, join
from p2pchat.history.shares import Shares
from p2pchat.sqlite import File, is_damage, is_index_damage, used_bytes
from p2pchat.wal import is_cut, keep_copy

_MOST_ROWS: Final = 100
_PERHAPS_ROWS: Final = (sqlite3.Error, ValueError, TypeError, KeyError)
"""What reading the past may raise because of damage."""
_WRITTEN_ANEW: Final = 32_000_000
"""Bytes of a file that is written anew when somebody is forgotten: in about half a second."""
_FORGOTTEN_AT_ONCE: Final = 5000
_CHECKED_AT_ONCE: Final = 8_000_000
"""Bytes of a file that is looked at as a whole before anything else, in a fifth of a second."""
_MAX_WAL: Final = 16_000_000
"""Bytes of the -wal that are kept when it is emptied; it is when it has a thousand pages."""


class Committed(NamedTuple):
    """What became of a batch that was stored."""

    unfiled: int
    """Messages in the file that are not filed yet."""
    aside: str
    """What the damaged file is called now, if there was one; else empty."""
    size: int = 0
    """The bytes of the file that hold something."""


class Database:
    """The writing side of the history file at `path`.

    Every method may raise `sqlite3.Error`, `OSError` or `ForeignFileError`; the next call opens the
    file again.
    """

    def __init__(
        self,
        path: str,
        disk: Disk = SYSTEM,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = File(path, FORMAT, disk, on_open=self._opened, wall=wall)
        self._disk = disk
        self._wall = wall
        self._names = Names()
        self._room = Room(self._file, self._names)
        self._careful = False
        self._untold = ""
        """What a file is called that was put aside, of which no batch has told yet."""
        self._lost = 0
        self._is_cut = False
        self.unfiled = 0
        """Messages that are stored, but not filed yet."""
        self.has_words = True
        """Whether there is an index of words."""

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._file.path

    def load(self, remembered: int) -> Loaded:
        """What a node needs of the past; an empty past when there is no file.

        `remembered`: how many ids at most, the latest ones, however old they are: in a process
        they do not grow old either, and when they came says a clock that may have been wrong. Rows
        that are damaged are left out; a file whose pages are is put aside, with what could be read
        of it in what is returned.
        """
        if not self._disk.exists(self.path):
            return Loaded()
        if is_cut(self.path, self._disk):
            self._is_cut = True
            with suppress(OSError):
                keep_copy(self.path, self._wall(), self._disk)
        try:
            return self._load(remembered)
        except _PERHAPS_ROWS as trouble:
            if not mending.is_curable(trouble):
                raise
        try:
            self._mend()
            return self._load(remembered)
        except _PERHAPS_ROWS as trouble:
            if not mending.is_beyond_repair(trouble):
                raise
        rescued = self._rescue(remembered)
        rescued.unreadable += self._lost
        rescued.is_cut = self._is_cut
        self._lost, self._is_cut = 0, False
        rescued.aside = self._set_aside()
        return rescued

    def commit(self, batch: Batch) -> Committed:
        """Store `batch`.

        When the file turns out to be damaged, it is put aside, and the batch is the first in a new
        one: then write the outbox again.
        """
        try:
            self._commit(batch)
        except sqlite3.DatabaseError as damage:
            if not is_damage(damage):
                raise
            self._commit_mended(batch)
        aside, self._untold = self._untold, ""
        return Committed(self.unfiled, aside, used_bytes(self._file.open()))

    def file(self) -> int:
        """Take a step of filing; returns how many messages are not filed yet.

        Call again while it is not 0.
        """
        with self._mending(), self._file.transaction() as connection:
            count = filing.step(connection, self._number(connection), has_words=self.has_words)
        self.unfiled = max(0, self.unfiled - count) if count else 0
        return self.unfiled

    def prune(self, before: float, limit: int) -> int:
        """Delete up to `limit` of the messages that came before `before` (wall clock).

        What still waits to be delivered stays. Returns how many were deleted: call again while it
        is not 0.
        """
        with self._mending():
            connection = self._file.open()
            first = next(sums.segments(connection, "ORDER BY id LIMIT 1"), None)
            if first and arrived(first[1]) < before:
                self.file()
            gone = deleting.oldest(self._file.open(), limit, before)
            self._delete(gone)
            return len(gone)

    def make_room(self, limits: Shares) -> int:
        """Delete what is beyond `limits`, all of it; returns how many messages are not filed yet.

        It takes about as long as storing what is too much has taken.
        """
        if limits.max_bytes:
            with self._mending():
                went = self._room.make(limits)
            self.unfiled = max(0, self.unfiled - went)
        return self.unfiled

    @property
    def removed(self) -> int:
        """Messages that were deleted because there was no room."""
        return self._room.removed

    def give_back(self) -> bool:
        """Give some free pages of the file back to the disk; whether there are more."""
        return self._room.give_back()

    def checkpoint(self) -> None:
        """Move what is in the -wal into the file itself, so that a copy of it holds everything.

        Nobody is waited for: what a reader still needs of the -wal stays there until next time.
        """
        self._file.open().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def renew_words(self) -> bool:
        """Take a step in making an index of words of before anew; whether there are more."""
        if not self.has_words:
            return False
        with self._file.transaction() as connection:
            return words.renew(connection)

    def put_aside(self) -> int:
        """Look at the whole file, and put aside what is damaged; in how many places that was."""
        connection = self._file.open()
        faults = checking.found(connection)
        if faults:
            checking.put_aside(connection, faults)
            self._file.close()  # and have an index of words made
        return faults.lost

    def drop_unused_names(self) -> None:
        """Delete the names of whom nothing is kept, when there are many and all is filed."""
        if not self.unfiled:
            drop_unused(self._file.open())
            self._names.forget()

    def forget(self, peer_id: str) -> Iterator[int]:
        """Delete what `peer_id` said and what was said to it, a step at a time.

        Gives, of each step, how many messages it has deleted. Go on to the end; between two steps
        other calls may be made. What the peer says meanwhile may stay.
        """
        last = filing.last_id(self._file.open())
        # Making room may take the last ones away meanwhile, so their ids may never be indexed.
        while filing.waits(self._file.open(), last):
            self.file()
            yield 0
        connection = self._file.open()
        known = connection.execute("SELECT id FROM name WHERE text = ?", (peer_id,)).fetchone()
        if known is None:
            return
        upto = filing.indexed_upto(connection)
        ids = deleting.by_or_to(connection, known[0], upto)
        for at in range(0, len(ids), _FORGOTTEN_AT_ONCE):
            step = ids[at : at + _FORGOTTEN_AT_ONCE]
            self._delete(step)
            yield len(step)
        begin = True
        while self.has_words and words.merge(self._file.open(), begin=begin):
            begin = False
            yield 0
        # Last, so that one who was interrupted can ask for it once more.
        with self._file.transaction() as connection:
            deleting.drop_name(connection, known[0], upto)
        self._names.forget()
        self._write_anew()
        self._file.open().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _write_anew(self) -> None:
        """Have nothing in the file that is not in its tables.

        SQLite overwrites what is deleted, and not the copies that stay in the free parts of pages
        whose rows have once moved to others.
        """
        connection = self._file.open()
        if used_bytes(connection) <= _WRITTEN_ANEW:
            # Not through a file elsewhere. On a full disk the copies stay.
            connection.execute("PRAGMA temp_store=MEMORY")
            with suppress(sqlite3.OperationalError):
                connection.execute("VACUUM")

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._file.is_open and self.has_words:
            with suppress(sqlite3.Error):
                words.seal(self._file.open())
        self._file.close()

    # ------------------------------------------------------------ pieces

    def _opened(self, connection: sqlite3.Connection) -> None:
        """Make the connection ready; what was known of the file may be wrong now."""
        if self._careful:
            connection.text_factory = mending.lenient
        self._names.forget()
        self._room.forget()
        # Else what was deleted stays in the file until its place is used again.
        connection.execute("PRAGMA secure_delete=ON")
        # Else the -wal stays as large as it was once.
        connection.execute(f"PRAGMA journal_size_limit={_MAX_WAL}")
        past.prepare(connection)
        self.has_words = self._room.has_words = words.prepare(connection)

    def _number(self, connection: sqlite3.Connection) -> partial[int]:
        return partial(self._names.number, connection)

    def _load(self, remembered: int) -> Loaded:
        try:
            connection = self._checked()
            (self.unfiled,) = connection.execute(
                "SELECT (SELECT coalesce(sum(count), 0) FROM segment) +"
                " (SELECT count(*) FROM message WHERE id > (SELECT upto FROM indexed))"
            ).fetchone()
            if not self.unfiled:
                drop_unused(connection)
                self._names.forget()
            lost, self._lost = self._lost, 0
            cut, self._is_cut = self._is_cut, False
            return Loaded(
                next_id=filing.last_id(connection) + 1,
                seen=past.seen(connection, remembered),
                waiting=past.waiting(connection),
                friends=shares.friends(connection),
                unread=past.unread(connection),
                unfiled=self.unfiled,
                has_words=self.has_words,
                runs=past.runs(connection),
                newest=past.newest(connection),
                is_checked=used_bytes(connection) <= _CHECKED_AT_ONCE,
                is_cut=cut,
                unreadable=lost + past.unreadable(connection),
            )
        except BaseException:
            self.close()
            raise

    def _checked(self) -> sqlite3.Connection:
        """The connection to a file that is as it should be, unless it is large."""
        if used_bytes(self._file.open()) <= _CHECKED_AT_ONCE:
            self._lost += self.put_aside()
        return self._file.open()

    def _mend(self) -> None:
        """Make the indexes anew, and read less strictly from now on."""
        self._careful = True
        self.close()
        try:
            mending.make_anew(self._file.open())
        finally:
            self.close()

    @contextmanager
    def _mending(self) -> Iterator[None]:
        """What fails in here because of an index can be tried again: the index is made anew."""
        try:
            yield
        except sqlite3.DatabaseError as trouble:
            if is_index_damage(trouble):
                with suppress(sqlite3.Error), self._file.transaction() as connection:
                    words.missed(connection)
                self.close()
            elif is_damage(trouble) and not self._careful:
                with suppress(sqlite3.Error):
                    self._mend()
            raise

    def _commit_mended(self, batch: Batch) -> None:
        """Store a batch in a file that is damaged, or put that aside and begin a new one."""
        try:
            self._mend()
            self._commit(batch)
        except sqlite3.DatabaseError as damage:
            if not mending.is_beyond_repair(damage):
                raise
            aside = self._set_aside()
            # On a full disk the new one takes nothing yet: then a later batch has it told.
            self._untold = self._untold or aside
            self._commit(batch)

    def _rescue(self, remembered: int) -> Loaded:
        """What can be read of a file with damaged pages."""
        try:
            connection = self._file.open()
        except _PERHAPS_ROWS:  # Python cannot take each sentence of SQLite's
            return Loaded(unreadable=1)
        return mending.rescue(connection, remembered)

    def _commit(self, batch: Batch) -> None:
        segments = [*join(batch.pieces)]
        if 0 < len(segments) <= _MOST_ROWS and not (
            batch.entries or batch.changes or batch.read or batch.runs
        ):
            # One statement, one transaction: the usual batch of a node that is spoken to.
            values = ",".join(["(?,?,?,?,?)"] * len(segments))
            try:
                self._file.open().execute(
                    f"INSERT INTO segment VALUES {values}", [*chain.from_iterable(segments)]
                )
            except BaseException:
                self.close()
                raise
        else:
            with self._file.transaction() as connection:
                number = self._number(connection)
                connection.executemany("INSERT INTO segment VALUES (?,?,?,?,?)", segments)
                filing.enter(connection, number, batch.entries, has_words=self.has_words)
                connection.executemany(
                    sums.CHANGE_STATE,
                    [(change.state, change.id) for change in batch.changes],
                )
                connection.executemany(
                    "UPDATE name SET read_upto = max(read_upto, ?) WHERE id = ?",
                    [(upto, number(name)) for name, upto in batch.read.items()],
                )
                if batch.runs:
                    past.note_runs(connection, batch.runs, batch.runs_from)
        self.unfiled += sum(messages for _, messages, *_ in segments) + len(batch.entries)

    def _delete(self, ids: list[int]) -> None:
        if ids:
            with self._file.transaction() as connection:
                deleting.delete(connection, ids, has_words=self.has_words)

    def _set_aside(self) -> str:
        self.unfiled, self._careful = 0, False
        return self._file.set_aside()
