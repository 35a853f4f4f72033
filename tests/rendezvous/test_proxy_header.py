"""The header of a balancer: both versions, what is no header, and how little is kept of it."""

from __future__ import annotations

import random
import struct
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.proxy_header import (
    MOST_FIRST,
    MOST_SECOND,
    SECOND,
    Client,
    Header,
    HeaderError,
    read_header,
)

FIRST_IPV4 = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 8080\r\n"
FIRST_IPV6 = b"PROXY TCP6 2001:DB8::7 2001:db8::1 40000 8080\r\n"


def second(ip: str, port: int, *, more: bytes = b"", command: int = 0x21) -> bytes:
    """A header of version 2 with this source."""
    source = ip_address(ip).packed
    family = 0x11 if len(source) == 4 else 0x21
    body = source + source + struct.pack("!HH", port, 8080) + more
    return SECOND + struct.pack("!BBH", command, family, len(body)) + body


class HeaderTests(SynchronousTestCase):
    def test_both_versions(self) -> None:
        for data, client in (
            (FIRST_IPV4, Client("198.51.100.7", 40000)),
            (FIRST_IPV6, Client("2001:db8::7", 40000)),
            (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n", Client("198.51.100.7", 1)),
            (b"PROXY UNKNOWN\r\n", None),
            (b"PROXY UNKNOWN what ever 1 2\r\n", None),
            (second("198.51.100.7", 40000), Client("198.51.100.7", 40000)),
            (second("2001:db8::7", 9), Client("2001:db8::7", 9)),
            (second("::ffff:198.51.100.7", 9), Client("198.51.100.7", 9)),
            (second("198.51.100.7", 1, more=b"\x04\0\x03abc"), Client("198.51.100.7", 1)),
            (second("198.51.100.7", 1, command=0x20), None),
            (SECOND + b"\x20\0\0\0", None),
        ):
            self.assertEqual(read_header(data + b"{}\n"), Header(client, len(data)), data)
            for size in range(len(data)):
                self.assertIsNone(read_header(data[:size]), (data, size))

    def test_what_is_no_header(self) -> None:
        for data in (
            b'{"type":"DISCOVER"}\n',
            b"PROXYTCP4",
            b"GET / HTTP/1.1\r\n",
            b"PROXY TCP4 evil 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 1\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2 3\r\n",
            b"PROXY TCP4  198.51.100.7 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 65536 2\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 -1 2\r\n",
            "PROXY TCP4 198.51.100.٧ 192.0.2.1 1 2\r\n".encode(),
            b"PROXY UDP4 198.51.100.7 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 " + b"1" * MOST_FIRST,
            b"PROXY UNKNOWN" + b" " * MOST_FIRST + b"\r\n",
            SECOND + b"\x11\x11\0\x0c" + bytes(12),
            SECOND + b"\x22\x11\0\x0c" + bytes(12),
            SECOND + b"\x21\x12\0\x0c" + bytes(12),
            SECOND + b"\x21\x31\0\xd8" + bytes(216),
            SECOND + b"\x21\x11\0\x0b" + bytes(11),
            SECOND + b"\x21\x21\0\x0c" + bytes(12),
            SECOND + b"\x21\x11" + struct.pack("!H", MOST_SECOND),
            b"\r\n\r\n\0\r\nQUIET",
        ):
            with self.assertRaises(HeaderError, msg=data):
                read_header(data)

    def test_the_longest_line_of_version_1(self) -> None:
        source = b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0"
        line = b"PROXY TCP6 " + source + b" " + source + b" 65535 65535\r\n"
        self.assertEqual(read_header(line), Header(Client(source.decode(), 65535), len(line)))
        unknown = b"PROXY UNKNOWN ".ljust(MOST_FIRST - 2, b"x") + b"\r\n"
        self.assertEqual(read_header(unknown), Header(None, MOST_FIRST))

    def test_whatever_comes_it_is_decided_soon(self) -> None:
        chance = random.Random(7)
        whole = [FIRST_IPV4, FIRST_IPV6, second("198.51.100.7", 1, more=bytes(50))]
        for _ in range(2000):
            data = bytearray(chance.choice(whole) + chance.randbytes(4096))
            for _ in range(chance.randrange(3)):
                data[chance.randrange(60)] = chance.randrange(256)
            try:
                header = read_header(bytes(data))
            except HeaderError:
                continue
            assert header is not None, "more than the longest header came"
            self.assertLessEqual(header.size, MOST_SECOND)
            if header.client is not None:
                self.assertEqual(str(ip_address(header.client.ip)), header.client.ip)
