"""When our next key is found, and when it takes the place of ours, while the node runs.

    sweep, several times a second  ->  a look at the file, twice a minute  ->  on_next
                                   ->  its day has come                    ->  on_taken

Rules: a thread waits for the disk. The wall clock decides, but not in one moment: it must say for
`SURE` seconds of the node's clock that the day has come. A machine may begin with a wrong one,
and a key that was left does not come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.mesh.identity.key_making import KeyFileError
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.next_key import NextKey
from p2pchat.mesh.identity.pin_file import NoThread, Thread
from p2pchat.speech import Sentence

LOOK_EVERY: Final = 30.0
"""Seconds between two looks at the file."""
SURE: Final = 60.0
"""Seconds for which the wall clock must say that the day has come."""
TELL_FIRST: Final = 5.0
"""The same for a key that is to follow at once: those who are here are told of it before."""
_log: Final = Log("PeerServer")
_T = TypeVar("_T")


class NextKeyFile(Protocol):
    """Where the next key of a node is. Both calls may block, and raise `KeyFileError`."""

    def read(self) -> NextKey | None:
        """What is to follow, None for nothing."""

    def take(self) -> Keys:
        """Have the next key be ours."""


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


class Succession:
    """Of one node. Call `sweep` several times a second, and `close` at the end.

    `wall` is the clock on the wall. `thread` waits for the disk; None: whoever calls does.
    """

    def __init__(
        self,
        file: NextKeyFile,
        own: bytes,
        wall: Callable[[], float],
        tell: Callable[[Sentence], None],
        thread: Thread | None = None,
    ) -> None:
        self.next: NextKey | None = None
        """The key that is to follow ours, as far as it is known."""
        self.on_next: Callable[[NextKey], None] = _ignore
        """Gets a next key that is new."""
        self.on_taken: Callable[[Keys], None] = _ignore
        """Gets our key when it is another one from now on."""
        self._file = file
        self._own = own
        self._wall = wall
        self._tell = tell
        self._thread = NoThread() if thread is None else thread
        self._busy = self._closed = False
        self._looked_at: float | None = None
        self._due_since: float | None = None
        self._told: dict[str, str] = {}
        """The trouble of each call, as the person was told of it."""

    def look(self) -> None:
        """Look at the file now."""
        self._do("look", self._file.read, self._found)

    def sweep(self, now: float) -> None:
        """Look at the file, or take what is there, when it is time."""
        if self._busy or self._closed:
            return
        if self._is_time(now):
            self._due_since = None
            self._do("take", self._file.take, self._taken)
        elif self._looked_at is None or not 0 <= now - self._looked_at < LOOK_EVERY:
            self._looked_at = now
            self.look()

    def close(self) -> None:
        """Look at nothing any more."""
        self._closed = True

    def _is_time(self, now: float) -> bool:
        following = self.next
        if following is None or self._wall() < following.until:
            self._due_since = None
            return False
        if self._due_since is None:
            self._due_since = now
        return now - self._due_since >= (SURE if following.until else TELL_FIRST)

    def _do(self, what: str, call: Callable[[], _T], then: Callable[[_T], None]) -> None:
        self._busy = True
        result: Deferred[_T] = self._thread.run(call)
        result.addCallbacks(self._done, self._failed, callbackArgs=(then,), errbackArgs=(what,))

    def _done(self, value: _T, then: Callable[[_T], None]) -> None:
        self._busy = False
        if not self._closed:
            then(value)

    def _failed(self, failure: Failure, what: str) -> None:
        self._busy = False
        if self._closed:
            return
        error = failure.value
        if isinstance(error, KeyFileError):
            self._in_trouble(what, Sentence("your next key is not used: {why}", why=error))
            return
        _log.warn("{why}", why=failure.getTraceback())
        self._in_trouble(what, Sentence("your next key is not used: a fault of ours"))

    def _in_trouble(self, what: str, why: Sentence | None) -> None:
        if why is None:
            self._told.pop(what, None)
        elif self._told.get(what) != str(why):
            self._tell(why)
            self._told[what] = str(why)

    def _found(self, following: NextKey | None) -> None:
        if following is not None and following.statement.old != self._own:
            self._in_trouble(
                "look",
                Sentence("your next key is not used: it is to follow another one than yours"),
            )
            following = None
        else:
            self._in_trouble("look", None)
        known, self.next = self.next, following
        if following is not None and (known is None or known.statement != following.statement):
            self._in_trouble("take", None)
            self.on_next(following)

    def _taken(self, keys: Keys) -> None:
        self._told.clear()
        self._own, self.next = keys.own, None
        self.on_taken(keys)
