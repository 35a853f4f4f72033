"""Who is a friend: a peer to whom we ever wrote. All others are strangers.

Rules: every bounded table asks here. Strangers are one group that has one share and loses first,
however many names they take. Friends are read from the history at the start, and noted from then
on; without a history they are known as long as the node runs. No I/O and no clock here.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 20_000
"""Friends that are known: a program that answers everybody makes many. The oldest go."""


class Friends:
    """The peers to whom we wrote."""

    def __init__(self) -> None:
        self.known: dict[str, None] = {}
        """Look into it, and no more: for who asks with each message, which a call would slow."""

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self.known

    def __len__(self) -> int:
        return len(self.known)

    def wrote_to(self, *peer_ids: str) -> None:
        """We wrote to these peers: from now on they are friends."""
        known = self.known
        for peer_id in peer_ids:
            if peer_id not in known:
                known[peer_id] = None
                if len(known) > MOST:
                    del known[next(iter(known))]

    def forget(self, peer_id: str) -> None:
        """Take a peer for a stranger again."""
        self.known.pop(peer_id, None)
