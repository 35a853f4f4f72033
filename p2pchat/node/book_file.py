"""The file of whom we met and where, `NAME@NAMESPACE.peers`: one JSON object.

    {"peers":[{"id":"bob@CIC","places":[["10.0.0.2",4000]],"seen":1769861160.5,"failures":0}]}

Rules: it is read before the start, and written every five minutes and at the end. Nothing depends
on it: a file that cannot be read or written is a line in the log. Whatever is in it is looked at as
if a stranger had written it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from p2pchat.logs.levels import Log
from p2pchat.mesh.addresses import HIGHEST_PORT, LOWEST_PORT, Place, Reach, read_address
from p2pchat.mesh.candidates import MOST_TRIED, Candidate
from p2pchat.node.small_file import SmallFile
from p2pchat.speech import Sentence
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.text import system_reason

_log: Final = Log("Node")
INTERVAL: Final = 300.0


class _Entry(msgspec.Struct):
    id: str
    places: list[tuple[str, int]]
    seen: float = 0.0
    failures: int = 0


class _All(msgspec.Struct):
    peers: list[_Entry]


class BookFile:
    """Keeps the candidates of one node in a file; `noted` gives them.

    Call `load` first, `start` when the node starts, and `close` at the end.
    """

    def __init__(self, clock: IReactorTime, file: SmallFile) -> None:
        self._file = file
        self.noted: Callable[[], Sequence[Candidate]] = tuple
        self._written = b""
        self._loop = LoopingCall(self.save)
        self._loop.clock = clock

    def load(self) -> list[Candidate]:
        """Whom an earlier run had met."""
        try:
            data = self._file.read()
            if data is None:
                return []
            entries = msgspec.json.decode(data, type=_All).peers
        except OSError as error:
            why = system_reason(error)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            why = "it is damaged"
        else:
            return [known for each in entries[:MOST_TRIED] if (known := _understood(each))]
        self._file.set_aside = True
        _log.warn("Where peers were is not known: {path}: {why}", path=self._file.path, why=why)
        return []

    def start(self) -> None:
        """Write from time to time."""
        self._loop.start(INTERVAL, now=False)

    def save(self) -> None:
        """Write what is known now, if it is something else than last time."""
        entries = [_Entry(it.peer_id, it.places, it.seen_at, it.failures) for it in self.noted()]
        data = msgspec.json.encode(_All(entries))
        if data != self._written and (entries or self._written):
            self._written = data
            self._file.save(data).addCallback(self._saved)

    def close(self) -> Deferred[None]:
        """Write it the last time; fires when that is done, or was refused."""
        if self._loop.running:
            self._loop.stop()
            self.save()
        return self._file.close()

    def _saved(self, why: Sentence | None) -> None:
        if why:
            self._written = b""
            _log.warn("Where peers were is not kept: {why}", why=str(why))


def _understood(entry: _Entry) -> Candidate | None:
    """What an entry says, as far as somebody can be dialed there."""
    try:
        split_peer_id(entry.id)
    except ValueError:
        return None
    places = [place for each in entry.places if (place := _place(*each))]
    seen: Any = entry.seen
    if not places or not math.isfinite(seen) or entry.failures < 0:
        return None
    return Candidate(entry.id, places, seen, entry.failures)


def _place(ip: str, port: int) -> Place | None:
    address = read_address(ip)
    if address is None or address.reach in (Reach.MACHINE, Reach.NOWHERE):
        return None
    return (address.text, port) if LOWEST_PORT <= port <= HIGHEST_PORT else None
