"""Hearing who is on our own network for a moment, with plain sockets: for `p2pchat doctor`.

Rules: who is there is asked once, on each interface. What a beacon says is anybody's word; it is
shown, and no more.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Container
from typing import Final

from p2pchat.mesh.discovery.lan.beacon import GROUP, MAX_BYTES, PORT, Beacon, decode, encode
from p2pchat.mesh.discovery.lan.interfaces import all_interfaces, usable
from p2pchat.wire.names import bracketed

_LISTEN: Final = 3.0
_MOST: Final = 1000
"""Datagrams that are read."""


def heard_on_the_network(
    seconds: float = _LISTEN, port: int = PORT
) -> tuple[list[str], set[str], str]:
    """Our addresses there, who else was heard (printable, with an address), and what is wrong."""
    ways = [each.ip for each in usable(all_interfaces(), ())]
    if not ways:
        return [], set(), ""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind((GROUP, port))
            for ip in ways:
                member = socket.inet_aton(GROUP) + socket.inet_aton(ip)
                listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            question = encode(Beacon("doctor@p2pchat", os.urandom(8).hex(), ask=True))
            for ip in ways:
                out = socket.inet_aton(ip)
                listening.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, out)
                listening.sendto(question, (GROUP, port))
            return ways, _listen(listening, seconds, ways), ""
    except OSError as why:
        return ways, set(), f"cannot listen for beacons: {why.strerror}"


def _listen(listening: socket.socket, seconds: float, ours: Container[str]) -> set[str]:
    names: set[str] = set()
    until = time.monotonic() + seconds
    for _ in range(_MOST):
        left = until - time.monotonic()
        if left <= 0:
            break
        listening.settimeout(left)
        try:
            datagram, (ip, _) = listening.recvfrom(MAX_BYTES + 1)
        except TimeoutError:
            break
        beacon = decode(datagram)
        if beacon is not None and beacon.port and ip not in ours:
            names.add(f"{bracketed(beacon.id)} at {ip}:{beacon.port}")
    return names
