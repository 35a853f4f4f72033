"""How far we have caught up with each peer: the place from which it is asked to go on.

Rules: pure bookkeeping. An answer comes in order, so the place moves on with each late PUB that is
kept. One that is not kept is a gap, and no place passes it: until the peer is asked anew, from
before the gap, nothing late of it is kept.
"""

from __future__ import annotations

from typing import Final, TypeVar

_T = TypeVar("_T")
_MAX: Final = 20_000


class Places:
    """The places of one node, by peer_id, as msg_ids."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._gaps: dict[str, bool] = {}
        """Peers of whom something late was not kept, and whether more came since `quiet`."""

    def last(self, peer_id: str) -> str:
        """The msg_id of the last PUB with which we caught up; empty when none is known."""
        return self._last.get(peer_id, "")

    def moved(self, peer_id: str, msg_id: str) -> None:
        """A late PUB is kept, and so are those of the answer before it."""
        _put(self._last, peer_id, msg_id)

    def lost(self, peer_id: str) -> None:
        """Late PUBs could not be stored; how many, nobody knows any more."""
        self._last.pop(peer_id, None)
        self.refused(peer_id)

    def refused(self, peer_id: str) -> None:
        """A late PUB is not kept."""
        _put(self._gaps, peer_id, True)

    def has_gap(self, peer_id: str) -> bool:
        """Whether nothing late of this peer may be kept until it is asked anew."""
        return peer_id in self._gaps

    def asked(self, peer_id: str) -> None:
        """The peer is asked anew, from its place on."""
        self._gaps.pop(peer_id, None)

    def quiet(self) -> list[str]:
        """Peers with a gap of whom nothing late came since the last call: their answers ended."""
        quiet = [peer_id for peer_id, more in self._gaps.items() if not more]
        self._gaps = dict.fromkeys(self._gaps, False)
        return quiet


def _put(table: dict[str, _T], peer_id: str, value: _T) -> None:
    """Set one entry of a table that is bounded, if need be in the place of the oldest."""
    if peer_id not in table and len(table) >= _MAX:
        del table[next(iter(table))]
    table[peer_id] = value
