"""Men in the middle for a fake network: one meddles with records, one speaks TLS to both ends.

Both listen on a host of their own, and carry on to the node at `to`, port 4000. `Meddler` calls
`rule(up, number, record)` for each TLS record or line of each connection, which returns what is
passed on. `TwoFaces` has a key for each side, and reads everything: `read` is what it read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory

from p2pchat.mesh.identity.sealing import FIRST_BYTE, Seal, SealError
from p2pchat.testing.network import FakeHost
from tests.support.seals import keys_from

LISTENS: Final = 4000
Rule = Callable[[bool, int, bytes], bytes]


def pass_on(_up: bool, _number: int, record: bytes) -> bytes:
    """The rule of who only listens."""
    return record


class Side(Protocol):
    """One side of a connection through a man; `up` is the one that dialed him."""

    transport: Any = None
    other: Side

    def __init__(self, man: Man, *, up: bool) -> None:
        self.man = man
        self.up = up
        self.rest = b""
        self.number = 0
        self.waiting = b""

    def connectionMade(self) -> None:
        if self.waiting:
            self.transport.write(self.waiting)

    def say(self, data: bytes) -> None:
        if self.transport is None:
            self.waiting += data
        else:
            self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        self.man.came(self, data)

    def records(self, data: bytes) -> list[bytes]:
        """The whole records, or lines, in what came."""
        self.rest += data
        found = []
        while self.rest:
            if self.rest[:1] == b"{":
                size = self.rest.find(b"\n") + 1
            else:
                size = 5 + int.from_bytes(self.rest[3:5]) if len(self.rest) >= 5 else 0
            if not size or len(self.rest) < size:
                break
            found.append(self.rest[:size])
            self.rest = self.rest[size:]
        return found

    def connectionLost(self, reason: object = None) -> None:
        if self.other.transport is not None:
            self.other.transport.loseConnection()


class Man(ServerFactory):
    """Carries bytes on; see `came`."""

    noisy = False

    def __init__(self, host: FakeHost, to: str) -> None:
        self.host, self.to = host, to
        self.sides: list[Side] = []
        self.port = host.listenTCP(LISTENS, self)

    def buildProtocol(self, _addr: object) -> Side:
        near, far = Side(self, up=True), Side(self, up=False)
        near.other, far.other = far, near
        self.sides += [near, far]
        self.host.connectTCP(self.to, LISTENS, _Onward(far))
        return near

    def came(self, side: Side, data: bytes) -> None:
        """Bytes came from this side: pass on what should be."""
        side.other.say(data)

    def close(self) -> None:
        """Be gone."""
        self.port.stopListening()
        for side in self.sides:
            if side.transport is not None:
                side.transport.abortConnection()


class Meddler(Man):
    """Changes what `rule` says."""

    def __init__(self, host: FakeHost, to: str, rule: Rule = pass_on) -> None:
        super().__init__(host, to)
        self.rule = rule

    def came(self, side: Side, data: bytes) -> None:
        for record in side.records(data):
            changed = self.rule(side.up, side.number, record)
            side.number += 1
            side.other.say(changed)


class TwoFaces(Man):
    """Is bob for alice, and alice for bob, with a key for each."""

    def __init__(self, host: FakeHost, to: str, first: bytes, second: bytes) -> None:
        super().__init__(host, to)
        self.keys = keys_from(first), keys_from(second)
        self.seals: dict[Side, Seal] = {}
        self.read = b""

    def came(self, side: Side, data: bytes) -> None:
        if not side.number and side.up and data[0] == FIRST_BYTE:
            self.seals[side] = Seal(self.keys[0], dialed=False)
            self.seals[side.other] = Seal(self.keys[1], dialed=True)
            side.other.say(self.seals[side.other].start())
        side.number += 1
        seal = self.seals.get(side)
        if seal is None:
            self.read += data
            side.other.say(data)
            return
        try:
            text = seal.shake(data)
        except SealError:
            side.transport.abortConnection()
            return
        side.say(seal.answer())
        self.read += text
        side.rest += text
        beyond = self.seals[side.other]
        if beyond.key and side.rest:
            side.other.say(beyond.close(side.rest))
            side.rest = b""
        if seal.key and side.other.rest:
            side.say(seal.close(side.other.rest))
            side.other.rest = b""


class _Onward(ClientFactory[Protocol]):
    noisy = False

    def __init__(self, side: Side) -> None:
        self.side = side

    def buildProtocol(self, _addr: object) -> Side:
        return self.side
