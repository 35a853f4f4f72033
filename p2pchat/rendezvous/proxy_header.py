r"""The header by which a balancer says whose connection it passes on: PROXY, version 1 or 2.

    PROXY TCP4 198.51.100.7 192.0.2.1 40000 8080\r\n             version 1, 107 bytes at most
    \r\n\r\n\0\r\nQUIT\n  version|command  family  length  addresses  more       version 2, binary

Rules: no I/O. What is no header by these rules is a `HeaderError`, as soon as that can be known, so
that little is kept of it. An address is checked and comes in its usual form. Of what else a header
may hold nothing is looked at. The source is haproxy.org, doc/proxy-protocol.txt, section 2.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Any, Final, NamedTuple

FIRST: Final = b"PROXY "
SECOND: Final = b"\r\n\r\n\0\r\nQUIT\n"
MOST_FIRST: Final = 107
"""Bytes of the longest header of version 1, its end included (section 2.1)."""
MOST_SECOND: Final = 2048
"""Bytes of the longest header of version 2: its addresses, and what a balancer says of TLS."""

_HEAD: Final = Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_OVER_IPV4, _OVER_IPV6 = 0x11, 0x21
_IPV4: Final = Struct("!4s4sHH")
_IPV6: Final = Struct("!16s16sHH")


class HeaderError(ValueError):
    """This is no header; the text says in a few words why."""


class Client(NamedTuple):
    """Whose connection it is, as the balancer says."""

    ip: str
    port: int


class Header(NamedTuple):
    """A whole header: `client` is None for a connection of the balancer's own, as a health check.

    `size`: bytes that it took of what came.
    """

    client: Client | None
    size: int


def read_header(data: bytes) -> Header | None:
    """The header that `data` begins with; None as long as it is not whole.

    Raises `HeaderError` when it cannot become one.
    """
    if data.startswith(SECOND[: len(data)]):
        return _second(data)
    if data.startswith(FIRST[: len(data)]):
        return _first(data)
    raise HeaderError("it begins with something else")


def _first(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, MOST_FIRST)
    if end < 0:
        if len(data) >= MOST_FIRST:
            raise HeaderError("it is too long")
        return None
    try:
        # Of a connection that is not of TCP all the rest is to be ignored.
        _, kind, *said = data[:end].decode("ascii").split(" ")
        if kind == "UNKNOWN":
            return Header(None, end + 2)
        source, destination, port, other = said
        address: Any = {"TCP4": IPv4Address, "TCP6": IPv6Address}[kind]
        address(destination)
        _port(other)
        return Header(Client(_usual(address(source)), _port(port)), end + 2)
    except (ValueError, KeyError):
        raise HeaderError("its addresses cannot be read") from None


def _second(data: bytes) -> Header | None:
    if len(data) < _HEAD.size:
        return None
    _, command, family, length = _HEAD.unpack_from(data)
    size = _HEAD.size + length
    if command not in (_LOCAL, _PROXY):
        raise HeaderError("its version or command is not known")
    if size > MOST_SECOND:
        raise HeaderError("it is too long")
    if len(data) < size:
        return None
    if command == _LOCAL:
        return Header(None, size)
    if family == _OVER_IPV4 and length >= _IPV4.size:
        source, _, port, _ = _IPV4.unpack_from(data, _HEAD.size)
        return Header(Client("{}.{}.{}.{}".format(*source), port), size)
    if family == _OVER_IPV6 and length >= _IPV6.size:
        source, _, port, _ = _IPV6.unpack_from(data, _HEAD.size)
        return Header(Client(_usual(IPv6Address(source)), port), size)
    raise HeaderError("it holds no address of TCP")


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or int(text) > 65_535:
        raise ValueError
    return int(text)


def _usual(address: IPv4Address | IPv6Address) -> str:
    """An address as it is stored: one of IPv4 that came as IPv6 is the one of IPv4."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)
