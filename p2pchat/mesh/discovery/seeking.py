"""Looks single peers up whom no listing has named: those to whom somebody writes.

Rules: only while listings are not whole. Names are gathered, and asked for together, one request at
a time. A name that was asked for is not asked for again for a while, whatever came of it. Nothing
here raises; what fails is told to the log.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.directory import Blocked, DirectoryError, IDirectory, Listings
from p2pchat.rendezvous.selection import MOST_NAMES, Selection
from p2pchat.wire.address import split_peer_id

_log: Final = Log("Discovery")
_AGAIN: Final = 30.0
"""Seconds after which a name may be asked for again."""
_MOST: Final = 1000
"""Names that are remembered; beyond them, the first ones are forgotten."""


class Seeking:
    """The names that one node looks for; times are seconds of its clock.

    `on_listings` gets what was found, and what it returns fires when that is taken in.
    `on_blocked` is told for how many seconds a rendezvous blocks us that was asked here.
    """

    def __init__(
        self,
        directory: IDirectory,
        on_listings: Callable[[Listings], Deferred[None]],
        on_blocked: Callable[[float], None],
    ) -> None:
        self._directory = directory
        self._on_listings = on_listings
        self._on_blocked = on_blocked
        self._asked_at: OrderedDict[str, float] = OrderedDict()
        self._wanted: dict[str, dict[str, None]] = {}
        self._asking: Deferred[Any] | None = None

    def want(self, peer_id: str, now: float) -> bool:
        """Look for this peer; whether it will be, or was just, asked for. False for an odd name."""
        asked_at = self._asked_at.get(peer_id)
        if asked_at is not None and now - asked_at < _AGAIN:
            return True
        try:
            name, namespace = split_peer_id(peer_id)
        except ValueError:
            return False
        names = self._wanted.get(namespace, {})
        if len(names) >= MOST_NAMES or len(self._wanted) >= MOST_NAMES:
            return False
        self._wanted.setdefault(namespace, names)[name] = None
        self._asked_at[peer_id] = now
        self._asked_at.move_to_end(peer_id)
        while len(self._asked_at) > _MOST:
            self._asked_at.popitem(last=False)
        return True

    @property
    def due(self) -> bool:
        """Whether there is something to `ask` for."""
        return bool(self._wanted) and self._asking is None

    def ask(self) -> Deferred[Any]:
        """Ask for those of one namespace; call it when it is `due`. Fires when that is over."""
        namespace = next(iter(self._wanted))
        selection = Selection(names=tuple(self._wanted.pop(namespace)))
        asking: Deferred[Any]
        asking = self._asking = self._directory.discover(namespace, selection)
        asking.addCallback(lambda reply: self._on_listings(_found(reply, namespace, selection)))
        return asking.addBoth(self._over)

    def stop(self) -> None:
        """Look for nobody any more."""
        self._wanted.clear()
        self._asked_at.clear()
        if self._asking is not None:
            self._asking.cancel()

    def _over(self, result: object) -> None:
        self._asking = None
        if isinstance(result, Failure):
            if isinstance(result.value, Blocked):
                self._on_blocked(result.value.seconds)
            if result.check(CancelledError, DirectoryError):
                _log.debug("Could not look a name up: {why}", why=result.getErrorMessage())
            else:
                _log.failure("A fault of our own while looking a name up", result)


def _found(listings: Listings, namespace: str, selection: Selection) -> Listings:
    """Of a reply, what was asked for: a rendezvous that knows no `names` lists everybody."""
    names = set(selection.names)
    kept = Listings(it for it in listings if it.namespace == namespace and it.name in names)
    kept.seen, kept.total, kept.namespace, kept.whole = len(kept), listings.total, namespace, False
    return kept
