"""The sockets that beacons need over IPv6.

Rules: one socket for each interface, bound to the group with the scope of that interface. So the
kernel gives it what came by this interface and was sent to the group, and nothing else: no name of
an interface need be found out, and no privilege is needed. Twisted joins groups of IPv4 only.
"""

from __future__ import annotations

import socket
import sys

from p2pchat.mesh.discovery.lan.beacon import GROUP_6


def share(made: socket.socket) -> None:
    """Have several programs of one machine hear at the port to which this is bound later.

    Nothing waits for it any more. Raises `OSError`.
    """
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def ipv6_socket(interface: str, port: int) -> socket.socket:
    """A socket that hears the group on this interface, and sends to it; the caller closes it.

    Raises `OSError`. Several programs of one machine may have one.
    """
    index = socket.if_nametoindex(interface)
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        share(made)
        made.bind((GROUP_6, port, 0, index))
        member = socket.inet_pton(socket.AF_INET6, GROUP_6) + index.to_bytes(4, sys.byteorder)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    except OSError:
        made.close()
        raise
    return made
