"""The file of what the person has decided, `NAME@NAMESPACE.lists`: one JSON object.

    open_lists(disk, path, thread, tell)  ->  OwnLists, which has each change written

Rules: it is made with the first decision. A thread waits for the disk; the file is replaced as a
whole, and what has changed meanwhile is the next. A file that cannot be read is told and set aside,
and never keeps a node from starting. The process that has the history of the node has this, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from p2pchat.disk import Disk
from p2pchat.logs.levels import Log
from p2pchat.mesh.identity.pin_file import Thread
from p2pchat.node.own_lists import Decided, OwnLists
from p2pchat.wire.text import system_reason

_log: Final = Log("Node")
_LONGEST: Final = 4_000_000
"""Bytes of the longest file that can be ours."""
_ASIDE: Final = ".damaged"
_MOST_ASIDE: Final = 100


def open_lists(disk: Disk, path: str, thread: Thread, tell: Callable[[str], None]) -> OwnLists:
    """What is in the file at `path`; `tell` gets a sentence when that cannot be read.

    Call the result's `close` at the end.
    """
    file = _ListsFile(disk, path, thread)
    lists = OwnLists(file.load(tell), file.save)
    lists.close = file.close
    return lists


class _ListsFile:
    def __init__(self, disk: Disk, path: str, thread: Thread) -> None:
        self._disk = disk
        self._path = path
        self._thread = thread
        self._unread = False
        self._next: bytes | None = None
        self._busy = False
        self._asked: list[Deferred[str]] = []
        self._closing: Deferred[None] | None = None

    def load(self, tell: Callable[[str], None]) -> Decided | None:
        """What the file says; None without one."""
        path = self._path
        if not self._disk.exists(path):
            return None
        try:
            data = self._disk.head(path, _LONGEST)
            return msgspec.json.decode(data, type=Decided)
        except OSError as error:
            why = system_reason(error)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            why = "it is damaged"
        self._unread = True
        sentence = (
            f"who is ignored, mute or has an alias is not known: {path} cannot be read ({why})"
        )
        tell(f"{sentence}; it becomes {path}{_ASIDE} when something is to be written")
        return None

    def save(self, data: bytes) -> Deferred[str]:
        """Have this be the file; fires with nothing when it is, else with a sentence."""
        saved: Deferred[str] = Deferred()
        self._next = data
        self._asked.append(saved)
        self._work()
        return saved

    def close(self) -> Deferred[None]:
        """Fires when all is written, or was refused."""
        if not self._busy:
            self._thread.stop()
            return succeed(None)
        self._closing = Deferred()
        return self._closing

    def _work(self) -> None:
        if self._busy or self._next is None:
            return
        data, self._next = self._next, None
        asked, self._asked = self._asked, []
        self._busy = True
        self._thread.run(lambda: self._write(data)).addCallbacks(
            lambda _: self._done(asked, ""), lambda failure: self._refused(asked, failure)
        )

    def _write(self, data: bytes) -> None:
        if self._unread and self._disk.exists(self._path):
            names = (f"{self._path}{_ASIDE}{number or ''}" for number in range(_MOST_ASIDE))
            free = next((name for name in names if not self._disk.exists(name)), None)
            self._disk.rename(self._path, free or self._path + _ASIDE)
        self._unread = False
        self._disk.replace(self._path, data)

    def _refused(self, asked: list[Deferred[str]], failure: Failure) -> None:
        error: Any = failure.value
        why = system_reason(error) if isinstance(error, OSError) else "a fault of ours"
        if not isinstance(error, OSError):
            _log.failure("A decision could not be written", failure)
        sentence = f"it holds until this program ends: {self._path} cannot be written ({why})"
        self._done(asked, sentence)

    def _done(self, asked: list[Deferred[str]], why: str) -> None:
        self._busy = False
        for each in asked:
            each.callback(why)
        self._work()
        if self._closing is not None and not self._busy:
            closing, self._closing = self._closing, None
            self._thread.stop()
            closing.callback(None)
