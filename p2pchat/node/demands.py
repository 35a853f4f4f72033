"""How safe a link must be for a message of ours to leave on it.

Rules: a demand is one of `history.records.SECURITIES`, kept with the message until its end, also
over restarts. What a link is now counts, and not what it was when the message was said.
"""

from __future__ import annotations

from p2pchat.history.records import PLAIN, SECURITIES
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import InsecureError
from p2pchat.speech import Sentence
from p2pchat.wire.names import bracketed


def level_of(peer: Peer | None) -> int:
    """How safe the link is on which a peer is written to; PLAIN without one."""
    if peer is None or not peer.links:
        return PLAIN
    link = peer.link_in_use
    return PLAIN if link.key is None else SECURITIES.index(link.security)


def check(peer: Peer | None, demand: int) -> None:
    """Raise `InsecureError` when a peer has a link that is less than this demand."""
    if peer is not None and peer.links and level_of(peer) < demand:
        is_now, wanted = SECURITIES[level_of(peer)], SECURITIES[demand]
        whom = bracketed(peer.peer_id)
        sentence = Sentence(
            "the link to {peer} is {level}, and not {wanted}: not sent",
            peer=whom,
            level=is_now,
            wanted=wanted,
        )
        raise InsecureError(sentence)
