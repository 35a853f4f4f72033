"""Publications of one reactor turn, which leave as one block that all links share.

A script that publishes a thousand lines to a thousand peers would otherwise join the same lines a
thousand times. Rules: the order of what is sent never changes, so whoever sends anything else calls
`spread` first; what is held never passes a quarter of what may wait for one link, so a link that
was not crowded has room for it.
"""

from __future__ import annotations

from collections.abc import Callable

from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.mesh.peers import Peer, PeerTable


def _ignore(_peer: Peer) -> None:
    """Nobody makes up for what is dropped."""


class Broadcast:
    """Holds PUBs for one scope until the turn ends, then gives them to the links."""

    def __init__(self, peers: PeerTable, batch: WriteBatch, limit: int) -> None:
        self._peers = peers
        self._batch = batch
        self._most = limit // 4
        self.held: list[bytes] = []
        """The lines that wait for the end of the turn."""
        self._size = 0
        self._namespace: str | None = None
        self._without = 0
        self.dropped = 0
        """Deliveries to peers that were gone, or full, when the turn ended."""
        self.on_dropped: Callable[[Peer], None] = _ignore
        """Is told of each such peer."""

    def add(self, namespace: str | None, line: bytes) -> int:
        """Send one PUB to the connected peers of a namespace, or to all for None, this turn.

        Returns how many of those peers have no room for it, and so do not get it.
        """
        without = self._without_room(namespace, line) if self._batch.crowded else 0
        if without != self._without:
            # Who has no room for all of this block may still have it for a part.
            self.spread()
            without = self._without = self._without_room(namespace, line)
        self._size_before(namespace, line)
        self._namespace = namespace
        self.held.append(line)
        self._size += len(line)
        if len(self.held) == 1:
            self._batch.before_flush(self.spread)
        return without

    def spread(self) -> None:
        """Give what is held to the links, now."""
        if not self.held:
            return
        lines, self.held, self._size = self.held, [], 0
        block = b"".join(lines)
        for peer in self._peers.connected(self._namespace):
            for link in peer.links_in_use:
                if link.send_all(lines, block):
                    break
            else:
                self.dropped += len(lines)
                self.on_dropped(peer)

    def _size_before(self, namespace: str | None, line: bytes) -> int:
        """Bytes that will leave in one block with this line; what cannot is spread now."""
        if namespace != self._namespace or self._size + len(line) > self._most:
            self.spread()
        return self._size

    def _without_room(self, namespace: str | None, line: bytes) -> int:
        """How many peers will not take this line after what is published already."""
        size = self._size_before(namespace, line) + len(line)
        count = 0
        for peer in self._peers.connected(namespace):
            for link in peer.links_in_use:
                if link.has_room(size):
                    break
            else:
                count += 1
        return count
