"""The addresses of this machine's interfaces, asked of the kernel of Linux: see rtnetlink(7).

    RTM_GETADDR, dump  ->  RTM_NEWADDR (an address, its interface), ..., NLMSG_DONE

Rules: what the C library does for `getifaddrs`, without looking for the C library, which starts a
program and takes longer than all else of a start with `--lan`. Only the kernel answers.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

_GET, _NEW, _ERROR, _DONE = 22, 20, 2, 3  # RTM_GETADDR, RTM_NEWADDR, NLMSG_ERROR, NLMSG_DONE
_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ADDRESS, _LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL: the other end of a tunnel, and this one
_HEADER: Final = struct.Struct("=IHHII")
_ABOUT: Final = struct.Struct("=BBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)


class Found(NamedTuple):
    """One address of an interface."""

    name: str
    ip: str
    bits: int
    """Of its network's mask."""


def addresses() -> list[Found]:
    """All of them, in the order of the kernel; raises `OSError`, also where there is no netlink."""
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("this system has no netlink")
    found: list[Found] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asking:
        asking.settimeout(1.0)
        about = _ABOUT.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        asking.send(_HEADER.pack(_HEADER.size + len(about), _GET, _DUMP, 1, 0) + about)
        while True:
            for kind, body in _messages(asking.recv(65_536)):
                if kind == _ERROR:
                    raise OSError("the kernel does not tell its addresses")
                if kind == _DONE:
                    return found
                if kind == _NEW:
                    try:
                        found += _understood(body)
                    except struct.error:
                        raise OSError("the kernel does not tell its addresses") from None


def _messages(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(block):
        length, kind, *_ = _HEADER.unpack_from(block, at)
        yield kind, block[at + _HEADER.size : at + length]
        at += max(_aligned(length), _HEADER.size)


def _understood(body: bytes) -> Iterator[Found]:
    family, bits, _, _, index = _ABOUT.unpack_from(body)
    attributes: dict[int, bytes] = {}
    at = _ABOUT.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        attributes[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += max(_aligned(length), _ATTRIBUTE.size)
    packed = attributes.get(_LOCAL) or attributes.get(_ADDRESS)
    if family not in _FAMILIES or packed is None:
        return
    try:
        name = socket.if_indextoname(index)
    except OSError:
        return  # it has gone in between
    yield Found(name, socket.inet_ntop(family, packed), bits)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
