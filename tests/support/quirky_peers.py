"""Stand-ins for other programs that speak the protocol, each with the habit of a real one.

`ForeignPeer` is the plain one that `p2pchat.testing` has, with patience; the others differ from it
in one thing.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from p2pchat.testing.account import Account
from p2pchat.testing.network import FakeHost
from p2pchat.testing.plain import PlainPeer
from p2pchat.testing.plain_link import TIME, PlainLink

__all__ = ["TIME"]


class ForeignPeer(PlainLink):
    """A client of the base protocol: one connection, with us as `us`."""

    def __init__(self, peer: Account, *, dials: bool) -> None:
        super().__init__(peer, dials=dials)
        self.reads: list[tuple[float, bytes]] = []
        """Every read: when, and what came."""
        self.waiting: dict[str, IDelayedCall] = {}

    def dataReceived(self, data: bytes) -> None:
        self.reads.append((self.host.seconds(), data))
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        for call in self.waiting.values():
            call.cancel()
        self.waiting.clear()

    # ------------------------------------------------------------ for impatient clients

    def expect(self, what: str, seconds: float) -> None:
        """Close unless `came(what)` is called in time."""
        self.came(what)
        self.waiting[what] = self.host.callLater(seconds, self._gave_up, what)

    def came(self, what: str) -> None:
        call = self.waiting.pop(what, None)
        if call is not None:
            call.cancel()

    def _gave_up(self, what: str) -> None:
        del self.waiting[what]
        self.transport.loseConnection()


class Program(PlainPeer):
    """A foreign program on a host."""

    def __init__(self, host: FakeHost, peer_id: str, kind: type[PlainLink] = ForeignPeer) -> None:
        super().__init__(host, peer_id, kind)

    @property
    def link(self) -> ForeignPeer:
        """The latest connection."""
        return cast("ForeignPeer", self.links[-1])


# ---------------------------------------------------------------- the habits


class EchoesTheCaller(ForeignPeer):
    """Answers HELLO with the caller's own id, version and features."""

    def on_hello(self, message: dict[str, Any]) -> None:
        self.us = message["peer_id"]
        self.say("HELLO_OK", **{k: v for k, v in message.items() if k in self.greeting()})
        self.opened()


class LosesWhatFollowsHelloOk(ForeignPeer):
    """Reads HELLO_OK with one read, and forgets what else was in it."""

    def lines(self, data: bytes) -> list[bytes]:
        if self.open:
            return super().lines(data)
        return [data.partition(b"\n")[0]]


class ReadsOneLineAtATime(ForeignPeer):
    """Keeps only the first line of each read."""

    def lines(self, data: bytes) -> list[bytes]:
        return super().lines(data)[:1]


class Retransmits(ForeignPeer):
    """Sends every SEND three times, two seconds apart, acknowledged or not."""

    def send(self, payload: Any, **fields: Any) -> str:
        msg_id = super().send(payload, **fields)
        for again in (2, 4):
            self.host.callLater(again, super().send, payload, msg_id=msg_id)
        return msg_id


class ClosesOnUnsolicited(ForeignPeer):
    """Closes on a PONG or BYE_OK that it did not ask for."""

    def on_pong(self, message: dict[str, Any]) -> None:
        self.transport.loseConnection()


class Impatient(ForeignPeer):
    """Closes when there is no HELLO_OK, PONG or ACK within two seconds."""

    def say(self, kind: str, **fields: Any) -> str:
        msg_id = super().say(kind, **fields)
        if kind in ("HELLO", "PING", "SEND"):
            self.expect(kind, 2.0)
        return msg_id

    def notice(self, message: dict[str, Any]) -> None:
        self.came({"HELLO_OK": "HELLO", "PONG": "PING", "ACK": "SEND"}.get(message["type"], ""))
        super().notice(message)


class ClosesWhenSilent(ForeignPeer):
    """Closes a link on which nothing came for sixty seconds, and never pings itself."""

    def notice(self, message: dict[str, Any]) -> None:
        self.expect("anything", 60.0)
        super().notice(message)


class NeverAnswersBye(ForeignPeer):
    """Takes no notice of BYE."""

    def on_bye(self, message: dict[str, Any]) -> None:
        pass


class ClosesOnBye(ForeignPeer):
    """Closes at once when it is told BYE."""

    def on_bye(self, message: dict[str, Any]) -> None:
        self.transport.loseConnection()


class AnswersByeWithAnotherId(ForeignPeer):
    """Makes up a new id for BYE_OK, and leaves the closing to the other end."""

    def on_bye(self, message: dict[str, Any]) -> None:
        self.say("BYE_OK")


class AcksWithFrom(ForeignPeer):
    """Its ACK says `from` and has no timestamp."""

    def on_send(self, message: dict[str, Any]) -> None:
        self.say("ACK", msg_id=message["msg_id"], **{"from": self.peer_id})


class AcksWithSrcAndDst(ForeignPeer):
    """Its ACK looks like a SEND."""

    def on_send(self, message: dict[str, Any]) -> None:
        self.say("ACK", msg_id=message["msg_id"], src=self.peer_id, dst=self.us, timestamp=1.5)


class FloatTimes(ForeignPeer):
    """Its times are seconds since 1970, and its version is a number."""

    def greeting(self) -> dict[str, Any]:
        return {"peer_id": self.peer_id, "version": 1.0, "features": None, "ttl": None}

    def on_send(self, message: dict[str, Any]) -> None:
        self.say("ACK", msg_id=message["msg_id"], timestamp=1714979289.25)


class Impostor(ForeignPeer):
    """Says somebody else's name, and with it what the real one tells to whoever asks."""

    told: ClassVar[dict[str, Any]] = {}

    def greeting(self) -> dict[str, Any]:
        return super().greeting() | (self.told or {"agent": "p2pchat/9", "instance": "a spy"})


class AnswersOnItsNewestLink(ForeignPeer):
    """Dials again without closing its old link, which it reads, and answers on the new one."""

    newest: ClassVar[list[ForeignPeer]] = []

    def opened(self) -> None:
        super().opened()
        self.newest.append(self)

    def say(self, kind: str, **fields: Any) -> str:
        if kind not in ("PONG", "ACK") or self.newest[-1] is self:
            return super().say(kind, **fields)
        return self.newest[-1].say(kind, **fields)


class AnswersOnItsOtherLink(ForeignPeer):
    """Reads all its links, and answers what came on one of them on the other, if there is one."""

    all: ClassVar[list[ForeignPeer]] = []

    def opened(self) -> None:
        super().opened()
        self.all.append(self)

    def say(self, kind: str, **fields: Any) -> str:
        others = [link for link in self.all if link is not self and not link.closed]
        if kind not in ("PONG", "ACK", "BYE_OK") or not others:
            return super().say(kind, **fields)
        return ForeignPeer.say(others[0], kind, **fields)

    def on_bye(self, message: dict[str, Any]) -> None:
        self.say("BYE_OK", msg_id=message["msg_id"], src=self.peer_id, dst=message["src"])


class NeverAcknowledges(ForeignPeer):
    """Shows what it gets, and says nothing of it."""

    def on_send(self, message: dict[str, Any]) -> None:
        pass


class ClosesAtLongLines(ForeignPeer):
    """Closes its link at any line of more than 4,096 bytes."""

    def lines(self, data: bytes) -> list[bytes]:
        lines = super().lines(data)
        if any(len(line) > 4096 for line in lines):
            self.transport.loseConnection()
            return []
        return lines


class CountsItsMessages(ForeignPeer):
    """Numbers its messages from 1, on each link anew."""

    count = 0

    def send(self, payload: Any, **fields: Any) -> str:
        self.count += 1
        return super().send(payload, msg_id=str(self.count), **fields)


class ClosesASecondLink(ForeignPeer):
    """Answers HELLO, and closes when it finds that it has a link with the caller already."""

    def opened(self) -> None:
        super().opened()
        if not self.dials:
            self.transport.loseConnection()


class DropsUs(ForeignPeer):
    """Accepts, answers HELLO, and closes."""

    def opened(self) -> None:
        super().opened()
        self.transport.loseConnection()
