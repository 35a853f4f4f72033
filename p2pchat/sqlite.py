"""SQLite files of ours, and the thread that touches them.

    Worker.run(call)  ->  call() in the thread  ->  File.transaction()  ->  a Deferred fires

Rules: a file is opened by the first call that needs it, and by one thread at a time. The file of
another program or of another format is looked at, and never written, renamed or deleted. A damaged
file is renamed, with what belongs to it, and never deleted: what it still holds may be worth a
rescue.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from p2pchat.disk import SYSTEM, Disk
from p2pchat.speech import Sentence, plain, sentence_of

_T = TypeVar("_T")

BUSY_TIMEOUT: Final = 4.0
"""Seconds to wait for another process that has the file. Less than those after which a disk is said
not to answer."""
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# https://www.sqlite.org/fileformat.html, "The Database Header"
_MAGIC: Final = b"SQLite format 3\0"
_FRACTIONS: Final = slice(21, 24)
_NUMBER: Final = slice(60, 64)
_APPLICATION: Final = slice(68, 72)
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")
_OTHER_KINDS: Final = (
    *(b"\x7fELF", b"MZ", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf"),
    *(b"%PDF", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"OggS"),
    *(b"ID3", b"\x28\xb5\x2f\xfd", b"\xff\xfe", b"\xfe\xff"),
)
"""How programs, archives, documents, pictures, sounds and text in UTF-16 begin."""
_TABLES_OF_NOBODY: Final = (
    "SELECT count(*) FROM sqlite_master, pragma_application_id WHERE application_id = 0"
)


class ForeignFileError(Exception):
    """The file is not for us to use; its `Sentence` says what to do."""


class InUseError(Exception):
    """Another process of ours has the file; its `Sentence` says so."""


class ClosedError(Exception):
    """The thread has ended: nothing is done any more."""


class Format(NamedTuple):
    """What a file of ours looks like."""

    application: int
    """Marks the file as ours; SQLite calls it `application_id`."""
    number: int
    """The format's, which grows with each change; SQLite calls it `user_version`."""
    tables: tuple[str, ...]
    """The statements that begin a new file."""
    page_size: int = 4096
    """Bytes. Larger: less work for a large transaction, and more to write for a small one."""
    gives_back: bool = False
    """Whether pages that hold nothing any more can be given back to the disk, a few at a time."""
    synchronous: str = "FULL"
    """`FULL`: a transaction survives a crash of the machine. `NORMAL`: no sync for each; the
    latest transactions may be lost, the file may not."""
    option: str = ""
    """The option that names another file, for sentences."""
    upgrades: Mapping[int, Callable[[sqlite3.Connection], None]] = {}
    """Earlier numbers, each with what makes a file of it one of `number`, in a transaction."""


def check(path: str, form: Format, disk: Disk = SYSTEM) -> None:
    """Look whether the file at `path` may be used; raises `ForeignFileError` if not, or `OSError`.

    A file that is not there, is empty or is no database passes: to open it is to begin it, or to
    find it damaged. Unless its beginning is text, or that of a file of a known kind: then it is
    somebody's, who most likely gave the wrong name.
    """
    try:
        head = disk.head(path, 100)
    except FileNotFoundError:
        return
    application = int.from_bytes(head[_APPLICATION], "big")
    if _is_of_another_kind(head):
        raise ForeignFileError(
            Sentence("{path} is no database, and not ours: {step}", path=path, step=_another(form))
        )
    if not head.startswith(_MAGIC) or head[_FRACTIONS] != b"\x40\x20\x20":
        return
    if not application:  # most programs leave it so, and a file that is only begun has it, too
        if _asked(path, _TABLES_OF_NOBODY, 0, disk):
            raise _foreign(path, form)
        return
    if application != form.application:
        raise _foreign(path, form)
    _check_number(path, form, int.from_bytes(head[_NUMBER], "big"))
    if disk.exists(path + "-wal"):
        # A newer program that was killed may have noted its format only there.
        _check_number(path, form, _asked(path, "PRAGMA user_version", form.number, disk))


class File:
    """The SQLite file at `path`, which need not exist yet.

    `on_open` gets each connection before it is used. `read_only`: never begin or change the file.
    `wall`, the wall clock in seconds since the epoch, gives a damaged file its new name.
    """

    def __init__(
        self,
        path: str,
        form: Format,
        disk: Disk = SYSTEM,
        *,
        on_open: Callable[[sqlite3.Connection], None] = lambda _: None,
        read_only: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._form = form
        self._disk = disk
        self._on_open = on_open
        self._read_only = read_only
        self._wall = wall
        self._connection: sqlite3.Connection | None = None

    def open(self) -> sqlite3.Connection:
        """The connection, in autocommit mode; the first call makes it, and begins a new file.

        Raises `ForeignFileError`, `OSError` or `sqlite3.Error`; the next call tries again.
        """
        if self._connection is None:
            self._look()
            try:
                if self._read_only:
                    self._connection = self._connected_read_only()
                else:
                    self._connection = self._connected("")
            except BaseException:
                _opened.pop(self, None)
                raise
        return self._connection

    def _look(self) -> None:
        """Check the file, or make it; unless another connection of this process is open.

        The system drops all locks of a process on a file as soon as the process closes that file
        once, however it had opened it. Without its lock SQLite would lose the -wal to the next
        program that reads the file and leaves (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        with _opening:
            if self._identity() not in [*_opened.values()]:
                check(self.path, self._form, self._disk)
                if not self._read_only:
                    # Nobody else may read it; nor its -wal and -shm, which SQLite makes alike.
                    self._disk.create(self.path)
            which = self._identity()
            if which is not None:
                _opened[self] = which

    def _connected_read_only(self) -> sqlite3.Connection:
        try:
            return self._connected("mode=ro")
        except sqlite3.OperationalError:
            # A -shm cannot be made there. What is still in a -wal there cannot be read so.
            # As nobody can write there, nobody changes the file either.
            if self._disk.can_write_beside(self.path):
                raise
            return self._connected("immutable=1")

    def _connected(self, how: str) -> sqlite3.Connection:
        connection = self._disk.connect(self.path, how, BUSY_TIMEOUT)
        try:
            if not self._read_only:
                _begin(connection, self.path, self._form)
            self._on_open(connection)
        except BaseException as trouble:
            connection.close()
            if isinstance(trouble, UnicodeDecodeError):
                # SQLite names in its error what is damaged, and Python cannot take that for text.
                raise damaged("malformed database schema") from None
            raise
        return connection

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: after a failure nothing has happened, and the file is closed."""
        connection = self.open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            self.close()  # which undoes what was not committed
            raise

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        _opened.pop(self, None)

    def set_aside(self) -> str:
        """Close the file and rename it, with its -wal and -shm; returns its new name.

        Raises `OSError` when the folder does not allow that.
        """
        self.close()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._wall()))
        aside, count = f"{self.path}.damaged-{stamp}", 1
        while self._disk.exists(aside):
            count += 1
            aside = f"{self.path}.damaged-{stamp}-{count}"
        self._disk.rename(self.path, aside)
        for extra in ("-wal", "-shm"):
            if self._disk.exists(self.path + extra):
                self._disk.rename(self.path + extra, aside + extra)
        return aside

    def _identity(self) -> tuple[int, ...] | None:
        found = self._disk.identity(self.path)
        return None if found is None else (*found, self._form.application, self._form.number)


_opening: Final = threading.Lock()
_opened: Final[weakref.WeakKeyDictionary[File, tuple[int, ...]]] = weakref.WeakKeyDictionary()
"""The files that have a connection, or are about to: device, inode, application and format."""


def used_bytes(connection: sqlite3.Connection) -> int:
    """The bytes of the file that hold something."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_size)


def damaged(sentence: str) -> sqlite3.DatabaseError:
    """What SQLite raises for a broken file."""
    trouble = sqlite3.DatabaseError(sentence)
    trouble.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return trouble


def is_damage(trouble: BaseException) -> bool:
    """Whether `trouble` means that the file itself is broken, and not the way to it."""
    # https://www.sqlite.org/rescode.html: the lowest byte is the kind.
    return (getattr(trouble, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGED


def is_index_damage(trouble: BaseException) -> bool:
    """Whether `trouble` means that a virtual table is broken, and the rest need not be."""
    return getattr(trouble, "sqlite_errorcode", None) == sqlite3.SQLITE_CORRUPT_VTAB


def trouble_of(failure: Failure) -> Sentence:
    """Why something cannot be done with a file: SQLite's reason, or another one."""
    error = failure.value
    assert error is not None
    text = str(error) or type(error).__name__
    return _REASONS.get(text) or (sentence_of(error) if str(error) else plain(text))


_REASONS: Final = {
    str(reason): reason
    for reason in (
        Sentence("attempt to write a readonly database"),
        Sentence("database disk image is malformed"),
        Sentence("database is locked"),
        Sentence("database or disk is full"),
        Sentence("disk I/O error"),
        Sentence("file is not a database"),
        Sentence("unable to open database file"),
    )
}
"""What SQLite says most often; everything else is said in its own words."""


def copy(path: str, target: str, form: Format, disk: Disk = SYSTEM) -> None:
    """Write a copy of the file at `path` as it is at this moment; who uses it is not disturbed.

    Only the person can read the copy. Raises `FileExistsError` when `target` is there,
    `ForeignFileError`, `OSError` or `sqlite3.Error`; then there is no copy.
    """
    disk.size(path)
    source = File(path, form, disk, read_only=True)
    connection = source.open()
    try:
        disk.create(target, new=True)
        try:
            copied = disk.connect(target, timeout=BUSY_TIMEOUT)
            try:
                # In one step: in several it would begin anew whenever something is written.
                connection.backup(copied)
                copied.execute("PRAGMA journal_mode=DELETE")
            finally:
                copied.close()
        except BaseException:
            disk.unlink(target)
            raise
    finally:
        source.close()


def _is_of_another_kind(head: bytes) -> bool:
    """Whether a file that begins so is another one than a database, however damaged."""
    # A database has zeros in its first hundred bytes, whatever became of some of them.
    is_text = bool(head) and not _CONTROLS.intersection(head)
    return not head.startswith(_MAGIC) and (is_text or head.startswith(_OTHER_KINDS))


def _foreign(path: str, form: Format) -> ForeignFileError:
    return ForeignFileError(
        Sentence(
            "{path} is the database of another program: {step}", path=path, step=_another(form)
        )
    )


def _another(form: Format) -> Sentence:
    if form.option:
        return Sentence("choose another file ({option})", option=form.option)
    return Sentence("choose another file")


def _check_number(path: str, form: Format, number: int) -> None:
    if number == form.number or number in form.upgrades:
        return
    fields: dict[str, object] = {
        "path": path,
        "number": number,
        "known": form.number,
        "step": _another(form),
    }
    if number > form.number:
        sentence = Sentence(
            "{path} has format {number} of a newer p2pchat, and this one knows only format"
            " {known}: use the newer one, or {step}",
            **fields,
        )
    else:
        sentence = Sentence(
            "{path} has format {number} of an older p2pchat, and this one knows only format"
            " {known}: move it away, or {step}",
            **fields,
        )
    raise ForeignFileError(sentence)


def _asked(path: str, question: str, otherwise: int, disk: Disk) -> int:
    """What the file answers, with what its -wal holds; `otherwise` if it cannot be read now."""
    try:
        connection = disk.connect(path, "mode=ro")
        try:
            (number,) = connection.execute(question).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return otherwise  # locked, or damaged: whoever opens it will see
    return int(number)


def _begin(connection: sqlite3.Connection, path: str, form: Format) -> None:
    """Make the tables of a new file. The first bytes of it stay in the file, not in its -wal."""
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and mark != form.application:
        raise _foreign(path, form)
    if not tables:
        connection.execute(f"PRAGMA page_size={form.page_size}")
        if form.gives_back:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in form.tables:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={form.application}")
        connection.execute(f"PRAGMA user_version={form.number}")
        connection.execute("COMMIT")
    _upgrade(connection, form)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={form.synchronous}")


def _upgrade(connection: sqlite3.Connection, form: Format) -> None:
    """Make a file of an earlier number one of this number, or leave it as it was."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    if number in form.upgrades:
        connection.execute("BEGIN IMMEDIATE")
        form.upgrades[number](connection)
        connection.execute(f"PRAGMA user_version={form.number}")
        connection.execute("COMMIT")


class Worker:
    """One thread, begun by its first call, that makes one call after the other.

    `reactor` provides IReactorFromThreads. Call `stop` at the end. A call that never returns does
    not keep the process alive: then `abandon` it.
    """

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Deferred[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        self._stopped = False

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """Make `call` in the thread, after those before it; its result fires in the reactor's.

        After `stop` it fails with a `ClosedError`.
        """
        if self._stopped:
            return fail(ClosedError(Sentence("this program is leaving")))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        result: Deferred[_T] = Deferred()
        self._calls.put((call, result))
        return result

    def stop(self) -> None:
        """End the thread when what it was given is done; blocks until then."""
        self._stopped = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            thread.join()

    def abandon(self) -> None:
        """Do nothing more, and wait for nothing: what the thread does now may never end."""
        self._stopped = True

    def _work(self) -> None:
        while (task := self._calls.get()) is not None:
            call, result = task
            try:
                value = call()
            except BaseException:
                self._reactor.callFromThread(result.errback, Failure())
            else:
                self._reactor.callFromThread(result.callback, value)
