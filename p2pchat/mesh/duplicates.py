"""Two links with one peer in the same direction: which one is used, and which one ends.

Rules: both ends decide alike, each for itself. Links in opposite directions, from dials that
crossed, are the peer table's affair (`PeerTable.link_opened`); the end of a surplus link is no
farewell.
"""

from __future__ import annotations

from typing import Final

from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer

DUPLICATE: Final = "duplicate link"
"""The reason of a BYE that ends one of two links and is no farewell."""


def superseded(peer: Peer, new: IPeerLink) -> IPeerLink | None:
    """The link that a new one in the same direction makes useless, if there is one.

    Whoever dials our own kind has lost the link before, or meant somebody else: both ends keep the
    new one. One that is of another process, an earlier one or a stranger's, stays until it is
    silent, but the new one is used: it becomes the first of `peer.links`. Say BYE, with the reason
    `DUPLICATE`, to the link that is returned.
    """
    if new.is_p2pchat:
        for old in [*peer.links]:
            same = old.instance == new.instance
            if old is not new and old.is_p2pchat and (not same or old.outbound == new.outbound):
                peer.links.remove(new)
                peer.links.insert(0, new)
                if same:
                    return old
    elif len(peer.links) > 1 and new.dialed not in (None, peer.peer_id):
        return new
    return None
