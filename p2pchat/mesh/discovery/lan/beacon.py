"""The beacon, by which nodes on one network hear of each other: from bytes to bytes.

    {"p2pchat":1,"id":"ana@CIC","port":4000,"instance":"9f86d081884c7d65","n":17}
    {"p2pchat":1,"id":"ana@CIC","instance":"9f86d081884c7d65","bye":true}
    {"p2pchat":1,"id":"ana@CIC","instance":"0a4d55a8d778e502","ask":true}

Rules: one JSON object of 512 bytes at most. There is no address in it: whoever hears it dials where
it came from, because a machine does not know by which of its addresses others reach it. `instance`
is a random number of its own, never that of HELLO, which says whose links are whose. Fields that
are not known are left out of account.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from p2pchat.mesh.addresses import HIGHEST_PORT, LOWEST_PORT
from p2pchat.speech import Sentence
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.names import bracketed

GROUP: Final = "239.255.80.50"
GROUP_6: Final = "ff02::5080"
PORT: Final = 27801
"""Where beacons go: a multicast group of IPv4, one of IPv6, and their UDP port."""
MAX_BYTES: Final = 512
"""The largest beacon: a name of 64 letters of another alphabet fits, and its namespace."""
_INSTANCE: Final = re.compile("[0-9a-f]{16}")


class Beacon(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="p2pchat", tag=1):
    """What a node says of itself."""

    id: str
    """Its peer_id."""
    instance: str
    """16 hexadecimal digits that name this run of the node."""
    port: int = 0
    """The TCP port that it listens on; nothing with `bye`."""
    n: int = 0
    """How many beacons it has sent before; for who looks at the network with a tool."""
    bye: bool = False
    """Whether it leaves."""
    ask: bool = False
    """Whether it wants to hear who is there, and is no node itself."""


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Beacon)


def encode(beacon: Beacon) -> bytes:
    """The datagram; raises `ValueError`, with a sentence, if it would be too long."""
    datagram = _encoder.encode(beacon)
    if len(datagram) > MAX_BYTES:
        raise ValueError(
            Sentence(
                "{name} is too long a name for the network's beacons", name=bracketed(beacon.id)
            )
        )
    return datagram


def decode(datagram: bytes) -> Beacon | None:
    """What a datagram says; None for whatever is no beacon."""
    if len(datagram) > MAX_BYTES:
        return None
    try:
        beacon = _decoder.decode(datagram)
        split_peer_id(beacon.id)
    except (msgspec.DecodeError, ValueError):
        return None
    fits = beacon.bye or beacon.ask or LOWEST_PORT <= beacon.port <= HIGHEST_PORT
    return beacon if fits and _INSTANCE.fullmatch(beacon.instance) else None
