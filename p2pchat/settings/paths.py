"""The names of the files that belong to one node: its history, its log.

Rules: each peer_id has a name of its own; whatever is in a peer_id, it names no file elsewhere.
"""

from __future__ import annotations

import re


def safe(text: str) -> str:
    """A text without what the name of a file had better not hold."""
    return re.sub(r"[^A-Za-z0-9@._-]", "_", text)


def stem_for(peer_id: str) -> str:
    """What comes before the ending in the name of a file of the node called `peer_id`.

    A peer_id that is not the name of a file gets a checksum, so that two never share one.
    """
    name = safe(peer_id)
    if name != peer_id:
        import zlib

        name += f"-{zlib.crc32(peer_id.encode('utf-8', 'surrogatepass')):08x}"
    return name
