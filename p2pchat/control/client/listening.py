"""Hearing who is on our own network for a moment, with plain sockets: for `p2pchat doctor`.

Rules: who is there is asked once, on each interface, over IPv4 and IPv6. What a beacon says is
anybody's word; it is shown, and no more.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from p2pchat.mesh.discovery.lan.beacon import (
    GROUP,
    GROUP_6,
    MAX_BYTES,
    PORT,
    Beacon,
    decode,
    encode,
)
from p2pchat.mesh.discovery.lan.interfaces import Interface, all_interfaces, usable
from p2pchat.mesh.discovery.lan.sockets import ipv6_socket, share
from p2pchat.speech import _, spoken
from p2pchat.wire.address import host_and_port, is_link_local
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import why_not

_LISTEN: Final = 3.0
_MOST: Final = 1000
"""Datagrams that are read."""


def heard_on_the_network(
    seconds: float = _LISTEN,
    port: int = PORT,
    patterns: Sequence[str] = (),
    listens_on: str | None = None,
) -> tuple[list[str], set[str], str]:
    """Our addresses there, who else was heard (printable, with an address), and what is wrong.

    `patterns` are the person's names of interfaces, none for all that fit. `listens_on`: the
    address that the node listens on, which says the family, None for both.
    """
    ways = usable(all_interfaces(), patterns, listens_on)
    ours = [each.ip for each in ways]
    if not ways:
        return [], set(), ""
    question = encode(Beacon("doctor@p2pchat", os.urandom(8).hex(), ask=True))
    wrong: list[str] = []
    with ExitStack() as opened:
        try:
            four = opened.enter_context(_ipv4_socket(port))
        except OSError as why:
            trouble = _("cannot listen for beacons: {why}").format(why=spoken(why_not(why)))
            return ours, set(), trouble
        sockets = {four: ""}
        for way in ways:
            try:
                if way.is_ipv6:
                    six = opened.enter_context(ipv6_socket(way.name, port))
                    six.sendto(question, (GROUP_6, port))
                    sockets[six] = f"%{way.name}"
                else:
                    _ask_over_ipv4(four, way, question, port)
            except OSError as why:
                trouble = _("cannot ask for beacons on {interface}: {why}")
                wrong.append(trouble.format(interface=way.name, why=spoken(why_not(why))))
        if len(wrong) == len(ways):
            return ours, set(), wrong[0]
        return ours, _listen(sockets, seconds, {*ours}), ""


def _ipv4_socket(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        share(made)
        made.bind((GROUP, port))
    except OSError:
        made.close()
        raise
    return made


def _ask_over_ipv4(made: socket.socket, way: Interface, question: bytes, port: int) -> None:
    ours = socket.inet_aton(way.ip)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + ours)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ours)
    made.sendto(question, (GROUP, port))


def _listen(sockets: dict[socket.socket, str], seconds: float, ours: set[str]) -> set[str]:
    """Who answers on these; with each is what its addresses need to be dialed, the scope."""
    names: set[str] = set()
    until = time.monotonic() + seconds
    left = _MOST
    while left > 0 and (wait := until - time.monotonic()) > 0:
        ready, _writing, _failed = select.select([*sockets], [], [], wait)
        for each in ready:
            left -= 1
            datagram, (ip, *_port) = each.recvfrom(MAX_BYTES + 1)
            beacon = decode(datagram)
            if beacon is None or not beacon.port or ip in ours:
                continue
            if not sockets[each] or is_link_local(ip):
                where = host_and_port(ip + sockets[each], beacon.port)
                names.add(_("{peer} at {address}").format(peer=bracketed(beacon.id), address=where))
    return names
