"""What a rendezvous answers, as its client reads it."""

from __future__ import annotations

from p2pchat.rendezvous.long_replies import LongReply


def whole(reply: bytes | LongReply) -> bytes:
    """The line that a client gets in the end."""
    if isinstance(reply, bytes):
        return reply
    pieces: list[bytes] = []
    while (piece := reply.piece(len(pieces))) is not None:
        pieces.append(piece)
    return b"".join(pieces)
