"""Under which user the rendezvous that this machine's nodes share runs.

It is whoever took its port first, and on a machine of several people that may be anybody. Who runs
it says where our peers are, sees who is there, and can leave out whom it likes.

Rules: Linux alone tells it, and only what it tells is said. A socket of TCP has no SO_PEERCRED; the
table of sockets in /proc names the user of each that listens.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from itertools import islice
from typing import Final

from p2pchat.speech import Sentence

_TABLES: Final = ("/proc/self/net/tcp", "/proc/self/net/tcp6")
_LISTENING: Final = "0A"  # TCP_LISTEN of net/tcp_states.h; proc(5) has the columns
_MOST_ROWS: Final = 10_000
_WHERE: Final = {
    "0100007F",  # 127.0.0.1, as a little-endian machine writes it
    "7F000001",
    "00000000",
    "0" * 32,
    "0000000000000000FFFF00000100007F",
}
"""The addresses at which a socket takes what comes to 127.0.0.1."""


def listening_user(port: int, tables: Sequence[str] = _TABLES) -> int | None:
    """The uid of what listens on this port of loopback; None when that is not known."""
    for table in tables:
        try:
            with open(table, encoding="utf-8") as rows:
                # Those that listen come first; of the others there may be very many.
                for row in islice(rows, 1, _MOST_ROWS):
                    columns = row.split()
                    if columns[3] != _LISTENING:
                        break
                    address, _, number = columns[1].partition(":")
                    if int(number, 16) == port and address in _WHERE:
                        return int(columns[7])
        except (OSError, ValueError, IndexError):
            continue
    return None


def of_another_user(port: int, tables: Sequence[str] = _TABLES) -> Sentence | None:
    """A sentence when somebody else runs the machine's rendezvous."""
    uid = listening_user(port, tables)
    if uid is None or uid == os.geteuid():
        return None
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Sentence(
        "this machine's rendezvous (port {port}) runs under another user, {user}, who decides "
        "whom you find; --rendezvous HOST or another --local-port avoids it",
        port=port,
        user=user,
    )
