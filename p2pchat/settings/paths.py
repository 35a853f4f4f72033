"""The files of one person and of one node: the log, the history, the lines that were typed.

Rules: each peer_id has files of its own. Whatever a peer_id holds, it names no file elsewhere.
"""

from __future__ import annotations

import os
import re
import zlib

from platformdirs import user_data_dir, user_log_dir, user_state_dir


def default_log_path(peer_id: str) -> str:
    """The log of the node called `peer_id`, in the person's own log folder."""
    return os.path.join(user_log_dir("p2pchat", appauthor=False), f"{stem_for(peer_id)}.log")


def own_files_path(peer_id: str) -> str:
    """What the files of the node called `peer_id` begin with, in the person's own data folder."""
    return os.path.join(user_data_dir("p2pchat", appauthor=False), stem_for(peer_id))


def default_history_path(peer_id: str) -> str:
    """The history of the node called `peer_id`."""
    return f"{own_files_path(peer_id)}.sqlite"


def default_key_path(peer_id: str) -> str:
    """The key of the node called `peer_id`, beside its history."""
    return f"{default_history_path(peer_id).removesuffix('.sqlite')}.key"


def typed_lines_path() -> str:
    """The lines that the person typed, in the folder for what programs remember."""
    return os.path.join(user_state_dir("p2pchat", appauthor=False), "typed-lines")


def safe(text: str) -> str:
    """A text without what the name of a file had better not hold."""
    return re.sub(r"[^A-Za-z0-9@._-]", "_", text)


def stem_for(peer_id: str) -> str:
    """What comes before the ending in the name of a file of the node called `peer_id`.

    A peer_id that is not the name of a file gets a checksum, so that two never share one.
    """
    name = safe(peer_id)
    if name != peer_id:
        name += f"-{zlib.crc32(peer_id.encode('utf-8', 'surrogatepass')):08x}"
    return name
