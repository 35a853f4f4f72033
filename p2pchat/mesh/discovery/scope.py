"""Which namespaces a node asks its rendezvous for: all of them, or its own while that is too much.

    asks for all --- too long ---> asks for its own --- an hour ---> asks for all

Rules: pure, times are passed in as seconds of the node's clock. The person is told once of what is
too long, until a listing of all has been read again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.logs.levels import Log

_log: Final = Log("Discovery")
_ALL_AGAIN: Final = 3600.0
"""Seconds after which all are asked for again: more spares the network, fewer finds them sooner."""


class DiscoveryScope:
    """The scope of one node's DISCOVER requests; `tell` gets sentences for the person.

    Ask for what `choose` returns, and then say what came of it: `listed` or `too_long`.
    """

    def __init__(self, namespace: str, address: str, tell: Callable[[str], None]) -> None:
        self._namespace = namespace
        self._address = address
        self._tell = tell
        self._asked: str | None = None
        self._all_again_at = float("-inf")
        self._told: set[str] = set()

    def choose(self, now: float) -> str | None:
        """The namespace to ask for, None for all."""
        self._asked = None if now >= self._all_again_at else self._namespace
        return self._asked

    def listed(self) -> None:
        """The reply was read."""
        if self._asked is None and self._told:
            self._told.clear()
            _log.info("The rendezvous {where} lists all namespaces again", where=self._address)

    def too_long(self, now: float) -> bool:
        """The reply was too long; whether there is less to ask for, which is best done at once."""
        narrower = self._asked is None
        if narrower:
            self._all_again_at = now + _ALL_AGAIN
            what = f"all namespaces is too long, so only {self._namespace} is looked for"
        else:
            what = f"{self._namespace} is too long, so nobody new is found"
        sentence = f"rendezvous {self._address}: the listing of {what}"
        if sentence not in self._told:
            self._told.add(sentence)
            _log.warn("{text}; links stay", text=sentence)
            self._tell(sentence)
        return narrower
