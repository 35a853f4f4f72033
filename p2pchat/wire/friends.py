"""Who is a friend: a peer to whom we ever wrote. All others are strangers.

Rules: every bounded table asks here. Strangers are one group that has one share and loses first,
however many names they take. Friends are read from the history at the start, and noted from then
on; without a history they are known as long as the node runs. No I/O and no clock here. What their
names look like is worked out when somebody asks, a bounded number at a time.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from p2pchat.wire.names import skeleton

MOST: Final = 20_000
"""Friends that are known: a program that answers everybody makes many. The oldest go."""
_LOOKS_A_TIME: Final = 100


class Friends:
    """The peers to whom we wrote."""

    def __init__(self) -> None:
        self.known: dict[str, None] = {}
        """Look into it, and no more: for who asks with each message, which a call would slow."""
        self._looks: dict[str, tuple[str, ...]] = {}
        self._not_looked_at: dict[str, None] = {}

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self.known

    def __len__(self) -> int:
        return len(self.known)

    def wrote_to(self, *peer_ids: str) -> None:
        """We wrote to these peers: from now on they are friends."""
        known = self.known
        for peer_id in peer_ids:
            if peer_id not in known:
                known[peer_id] = self._not_looked_at[peer_id] = None
                if len(known) > MOST:
                    self.forget(next(iter(known)))

    def forget(self, peer_id: str) -> None:
        """Take a peer for a stranger again."""
        if peer_id not in self.known:
            return
        del self.known[peer_id]
        if peer_id in self._not_looked_at:
            del self._not_looked_at[peer_id]
            return
        look = skeleton(peer_id)
        left = tuple(each for each in self._looks[look] if each != peer_id)
        if left:
            self._looks[look] = left
        else:
            del self._looks[look]

    def taken_for(self, peer_id: str) -> str:
        """The friend for whom a stranger of this name is easily taken; empty if there is none.

        At the start not all friends may be known for this, if there are more than a hundred.
        """
        for each in [*islice(self._not_looked_at, _LOOKS_A_TIME)]:
            del self._not_looked_at[each]
            look = skeleton(each)
            self._looks[look] = (*self._looks.get(look, ()), each)
        if not self._looks or peer_id in self.known:
            return ""
        return self._looks.get(skeleton(peer_id), ("",))[0]
