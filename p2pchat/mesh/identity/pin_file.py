"""The file of known keys, `NAME@NAMESPACE.keys`: it grows by a line for each event.

    open_pins  ->  append, append, ...  ->  sweep, several times a second  ->  flush  ->  close
                      written at once          synced within a second

Rules: a thread waits for the disk, and does one thing after the other. What has come meanwhile is
the next. A disk that is full, read-only or silent loses nothing while the program runs: lines wait,
and are tried again. After a failed fsync nobody knows what is on the disk, so the whole file is
written anew. `LIMIT` bytes are for the caller to keep.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import Deferred, execute, succeed
from twisted.python.failure import Failure

from p2pchat.disk import Disk
from p2pchat.logs.levels import Log
from p2pchat.mesh.identity.pin_lines import Line, PinsDamagedError, head_line, read_lines
from p2pchat.mesh.identity.pin_writer import PinWriter
from p2pchat.speech import Sentence, sentence_of, spoken
from p2pchat.wire.text import system_reason, why_not

SYNC_WITHIN: Final = 1.0
"""Seconds after which what was written is surely on the disk."""
RETRY: Final = 5.0
"""Seconds between two tries to write what could not be written."""
PATIENCE: Final = 3.0
"""Seconds after which a disk that does not answer counts as one that refuses."""
LIMIT: Final = 8_000_000
"""Bytes that the file never exceeds."""
_WAITING: Final = 1_000_000
"""Bytes of lines that wait for the disk; beyond it the whole file is written anew."""
GROWTH: Final = 1_000_000
"""Bytes by which the file may grow before it is written anew."""
_AT_ONCE: Final = 1000
"""Lines that are made in one turn for a file that is written anew, some 5 ms."""
_log: Final = Log("PeerServer")
_T = TypeVar("_T")


class Thread(Protocol):
    """What makes calls one after the other, as `p2pchat.sqlite.Worker`."""

    def run(self, call: Callable[[], _T], /) -> Deferred[_T]:
        """Make this call."""

    def stop(self) -> None:
        """End when all is done."""

    def abandon(self) -> None:
        """Do nothing more, and wait for nothing."""


class NoThread:
    """Makes each call at once, where nothing else is to go on meanwhile."""

    def run(self, call: Callable[[], _T], /) -> Deferred[_T]:
        """See `Thread`."""
        return execute(call)

    def stop(self) -> None:
        """See `Thread`."""

    def abandon(self) -> None:
        """See `Thread`."""


def _nothing() -> None:
    """Nobody waits."""


class PinFile:
    """The open file; make it with `open_pins`.

    `everything` gives the lines of all that is known now, for a file that is written anew. `tell`
    gets a sentence for the person and the log when the disk refuses, and when it works again.
    """

    def __init__(
        self, writer: PinWriter, own: bytes, tell: Callable[[Sentence], None], thread: Thread
    ) -> None:
        self.path = writer.path
        self.everything: Callable[[], Iterable[bytes]] = tuple
        self.needs_writing = False
        """Whether the file is not ours as it is: `write_anew` when `everything` is there."""
        self.on_written: Callable[[], None] = _nothing
        """Is told when lines are written, and when the disk turns out to refuse them."""
        self.count = 0
        """Lines that were ever appended."""
        self.written = 0
        """How many of them are written: no `kill -9` can take them any more."""
        self._writer = writer
        self._own = own
        self._tell = tell
        self._thread = thread
        self._now = 0.0
        self._size_anew = writer.size
        self._anew = False
        self._pieces: Iterator[bytes] | None = None
        self._made: list[bytes] = []
        self._waiting: list[bytes] = []
        self._waits = 0
        # What the thread does now: since when, for which lines, and up to which one.
        self._busy_since: float | None = None
        self._at_work: list[bytes] = []
        self._covers = 0
        self._sync_wanted = False
        self._unsynced_since: float | None = None
        self._asked: deque[tuple[int, Deferred[str]]] = deque()
        self._failed_at: float | None = None
        self._trouble: Sentence | None = None

    @property
    def failing(self) -> bool:
        """Whether something that should be in the file is not, because the disk refuses."""
        return self._failed_at is not None

    def append(self, line: bytes, now: float) -> int:
        """Have a line written; returns its number: see `written`."""
        self._now = now
        self._add(line)
        if not self.failing:
            self._work()
        return self.count

    def append_synced(self, line: bytes, now: float) -> Deferred[str]:
        """Have a line on the disk; fires with "" then, else with what to tell the person of it.

        It is tried again in any case, by `sweep`.
        """
        self._now = now
        self._add(line)
        return self.flush(now)

    def flush(self, now: float) -> Deferred[str]:
        """Have on the disk all that was appended; fires as `append_synced`."""
        self._now = now
        if self._busy_since is None and self._unsynced_since is None and not self._owes:
            return succeed("")
        if self._busy_since is not None and self.failing:
            return succeed(spoken(self._trouble))
        answer: Deferred[str] = Deferred()
        self._asked.append((self.count, answer))
        self._sync_wanted = True
        self._work()
        return answer

    def write_anew(self) -> None:
        """Write the whole file anew, now: at the start, when nothing else is to go on."""
        data = b"".join((head_line(self._own), *self.everything()))
        self._anew = True
        try:
            self._writer.replace(data)
        except OSError as error:
            self._failed(why_not(error))
        else:
            self._is_anew()

    def belongs_to(self, own: bytes) -> None:
        """Our key is another one: have the file say so, at the next `sweep`."""
        self._own = own
        self._anew = True

    @property
    def at_rest(self) -> bool:
        """Whether the disk is owed nothing."""
        owed = self._unsynced_since is not None or self._owes
        at_work = self._busy_since is not None or self._pieces is not None
        return not (owed or at_work or self.failing)

    def sweep(self, now: float) -> None:
        """Have on the disk what was written a second ago, and try again what failed."""
        self._now = now
        if self._busy_since is not None:
            if not self.failing and not 0 <= now - self._busy_since < PATIENCE:
                self._failed(Sentence("the disk does not answer"))
            return
        if self._failed_at is not None:
            if 0 <= now - self._failed_at < RETRY and self._pieces is None:
                return
            self._sync_wanted = True
        if self._unsynced_since is not None and now - self._unsynced_since >= SYNC_WITHIN / 2:
            self._sync_wanted = True
        grown = self._writer.size - self._size_anew >= GROWTH
        if not self._anew and (self._pieces is not None or grown):
            self._anew = self._make_some()
        self._work()

    def close(self, now: float) -> bool:
        """Close the file, after `flush`; returns whether nobody uses it any more.

        A disk that does not answer is not waited for.
        """
        if self._busy_since is None and (self._unsynced_since is not None or self._owes):
            self.flush(now)
        if self._busy_since is not None:
            self._thread.abandon()
            return False
        self._thread.stop()
        self._writer.close()
        return True

    # ------------------------------------------------------------ what the thread is given

    @property
    def _owes(self) -> bool:
        return self._anew or bool(self._waiting)

    def _add(self, line: bytes) -> None:
        self.count += 1
        if self._pieces is not None:
            # It stands between them: before what already knows of it, or after.
            self._made.append(line)
        self._waiting.append(line)
        self._waits += len(line)
        if self._waits > _WAITING:
            self._anew = True
            self._waits = 0
            self._waiting.clear()

    def _make_some(self) -> bool:
        """Make lines of a new file; returns whether that was the end."""
        if self._pieces is None:
            self._pieces, self._made = iter(self.everything()), []
        some = [*islice(self._pieces, _AT_ONCE)]
        self._made += some
        return len(some) < _AT_ONCE

    def _work(self) -> None:
        if self._busy_since is not None:
            return
        call: Callable[[], None]
        sync = self._sync_wanted or self._anew
        if self._anew:
            if not self._make_some():
                return
            call = partial(self._writer.replace, b"".join((head_line(self._own), *self._made)))
            self._pieces, self._made = None, []
            self._at_work = []
        elif self._waiting or (sync and self._unsynced_since is not None):
            call = partial(self._writer.write, b"".join(self._waiting), sync=sync)
            self._at_work = self._waiting
        else:
            return
        self._waiting, self._waits = [], 0
        self._sync_wanted = False
        self._busy_since, self._covers = self._now, self.count
        self._thread.run(call).addCallbacks(
            self._done, self._refused, callbackArgs=(sync, self._anew)
        )

    def _done(self, _: None, sync: bool, anew: bool) -> None:
        self._busy_since = None
        self._at_work = []
        self.written = self._covers
        if anew:
            self._is_anew()
        elif sync:
            self._unsynced_since = None
        elif self._unsynced_since is None:
            self._unsynced_since = self._now
        while sync and self._asked and self._asked[0][0] <= self.written:
            self._asked.popleft()[1].callback("")
        if self._failed_at is not None and not self._owes:
            self._failed_at = None
            self._tell(Sentence("the known keys are written to {path} again", path=self.path))
        self.on_written()
        self._work()

    def _is_anew(self) -> None:
        self._anew = self.needs_writing = False
        self._size_anew = self._writer.size
        self._unsynced_since = None

    def _refused(self, failure: Failure) -> None:
        self._busy_since = None
        self._waiting = [*self._at_work, *self._waiting]
        self._at_work = []
        self._waits = sum(map(len, self._waiting))
        self._anew = self._anew or self._writer.lost
        error = failure.value
        if not isinstance(error, OSError):
            _log.warn("{why}", why=failure.getTraceback())
        ours = Sentence("a fault of ours")
        self._failed(why_not(error) if isinstance(error, OSError) else ours)

    def _failed(self, why: Sentence) -> None:
        self._trouble = trouble = Sentence(
            "the known keys cannot be written to {path} ({why}): they hold until this program ends",
            path=self.path,
            why=why,
        )
        if self._failed_at is None:
            self._tell(trouble)
        self._failed_at = self._now
        while self._asked:
            self._asked.popleft()[1].callback(spoken(trouble))
        self.on_written()


def open_pins(
    disk: Disk,
    path: str,
    own: bytes,
    tell: Callable[[Sentence], None],
    *,
    is_new: bool = False,
    thread: Thread | None = None,
    followed: bytes = b"",
) -> tuple[PinFile, list[Line]]:
    """Open the file at `path`, whose folder is there and which this process alone uses.

    `own`: our own key, 32 bytes, and `followed` the one that it has followed, if any.
    `is_new`: the key was made just now, so that no file is expected.
    Returns the file and what it says. `tell` gets a sentence when the file should be there and is
    not, or was made with another key. `thread` waits for the disk; None: whoever calls does.

    Raises `PinsDamagedError` when the file cannot be read: the program does not
    start then, since "nobody is known" would trust everybody anew.
    """
    data, there = b"", True
    try:
        data = disk.read(path)
    except FileNotFoundError:
        there = False
    except OSError as error:
        raise PinsDamagedError(_unreadable(path, why_not(error))) from None
    if there:
        try:
            disk.make_private(path)
        except OSError as error:
            _log.warn("{path} may be read by others: {why}", path=path, why=system_reason(error))
    try:
        contents = read_lines(data)
    except PinsDamagedError as error:
        raise PinsDamagedError(_unreadable(path, sentence_of(error))) from None
    torn = contents.size < len(data)
    writer = PinWriter(disk, path, contents.size, torn=torn)
    file = PinFile(writer, own, tell, NoThread() if thread is None else thread)
    if torn:
        _log.warn("the last line of {path} was torn, and is left out", path=path)
    if contents.own == own:
        return file, contents.lines
    file.needs_writing = True
    if contents.own is None and not is_new:
        tell(
            Sentence("nobody is known any more: {path} is empty", path=path)
            if there
            else Sentence("nobody is known any more: {path} is gone", path=path)
        )
    elif contents.own not in (None, followed):
        tell(
            Sentence(
                "{path} was made with another key of yours: those whom it knows are known still",
                path=path,
            )
        )
    return file, contents.lines


def _unreadable(path: str, why: Sentence) -> Sentence:
    return Sentence(
        "cannot read the known keys in {path} ({why}): bring the file back from a copy, or move "
        "it away, and then nobody is known any more",
        path=path,
        why=why,
    )
