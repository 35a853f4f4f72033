"""Publications of one reactor turn, which leave as one block that all links share.

A script that publishes a thousand lines to a thousand peers would otherwise join the same lines a
thousand times. Rules: the order of what is sent never changes, so whoever sends anything else calls
`spread` first; what is held never passes a quarter of what may wait for one link, so a link that
was not crowded has room for it.
"""

from __future__ import annotations

from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.mesh.peers import PeerTable


class Broadcast:
    """Holds PUBs for one scope until the turn ends, then gives them to the links."""

    def __init__(self, peers: PeerTable, batch: WriteBatch, limit: int) -> None:
        self._peers = peers
        self._batch = batch
        self._most = limit // 4
        self._lines: list[bytes] = []
        self._size = 0
        self._namespace: str | None = None
        self.lost = 0
        """Deliveries to peers that were gone, or full, when the turn ended."""

    def add(self, namespace: str | None, line: bytes) -> None:
        """Send one PUB to the connected peers of a namespace, or to all for None, this turn."""
        self.held_before(namespace, line)
        self._namespace = namespace
        self._lines.append(line)
        self._size += len(line)
        if len(self._lines) == 1:
            self._batch.before_flush(self.spread)

    def held_before(self, namespace: str | None, line: bytes) -> int:
        """Bytes that will leave in one block with this line; what cannot is spread now."""
        if namespace != self._namespace or self._size + len(line) > self._most:
            self.spread()
        return self._size

    def spread(self) -> None:
        """Give what is held to the links, now."""
        if not self._lines:
            return
        lines, self._lines, self._size = self._lines, [], 0
        block = b"".join(lines)
        for peer in self._peers.connected(self._namespace):
            for link in peer.links:
                if link.send_all(lines, block):
                    break
            else:
                self.lost += len(lines)
