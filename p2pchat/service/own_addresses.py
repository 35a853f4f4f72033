"""The addresses that this machine has in its networks, one of IPv4 and one of IPv6.

Rules: nothing is sent. Connecting a UDP socket only asks the routing table which address of ours
leads to another one; those that are asked for are reserved for documentation.
"""

from __future__ import annotations

import socket
from typing import Final

from p2pchat.wire.address import is_link_local, is_loopback

_ELSEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_DISCARD: Final = 9


def own_addresses(*, six: bool = True) -> list[str]:
    """Those that others can use, IPv4 first, without IPv6 if it is not asked for; perhaps none."""
    found = []
    for family, elsewhere in _ELSEWHERE[: 2 if six else 1]:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, _DISCARD))
                ip = str(probe.getsockname()[0])
        except OSError:
            continue
        if not is_loopback(ip) and not is_link_local(ip):
            found.append(ip)
    return found
