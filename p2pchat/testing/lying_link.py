"""A connection of a liar: what it says in place of what the protocol's table says.

Rules: each lie is asked for where the table has its rule, with the probability that the liar gives
it, and counted when it is told. A connection on which no lie is told is that of a plain peer. Every
text begins with `lie`, so that it is known for what it is wherever it is shown.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from p2pchat.testing.lies import (
    BAD_UTF8,
    IMPOSSIBLE_NAMES,
    JUNK,
    LONG_LINE,
    ODD_IDS,
    ODD_VALUES,
    Lie,
)
from p2pchat.testing.plain_link import TIME, PlainLink

_FEATURES: Final = ["ack", "metrics", "away", "edit", "history"]
_TIMES: Final[tuple[Any, ...]] = (0, -1e18, 1e18, 1e308, 4e9, "soon", None, ..., [], True)


class Deceiver(Protocol):
    """What a connection knows of its liar."""

    random: Random
    every: tuple[float, float]

    def lies(self, lie: Lie) -> bool:
        """Whether it tells this lie now; counted if so."""

    def another(self, but: str) -> str:
        """The name of somebody else whom it heard of."""

    def id_of_another(self) -> Any:
        """A msg_id that it heard."""

    def heard_id(self, msg_id: Any) -> None:
        """Remember one."""


class LyingLink(PlainLink):
    """One connection of a liar."""

    def __init__(self, peer: Any, *, dials: bool) -> None:
        super().__init__(peer, dials=dials)
        self.liar: Deceiver = peer
        self.random: Random = peer.random
        self._greeted_with: dict[str, Any] = {}
        self._number = 0
        self._rest = b""
        self._latest: dict[str, Any] = {}
        self._calls: list[IDelayedCall] = []

    # ------------------------------------------------------------ its beginning and its end

    def connectionMade(self) -> None:
        """See `IProtocol`."""
        if self.liar.lies(Lie.NO_GREETING):
            return
        if self.dials and self.liar.lies(Lie.CHAT_FIRST):
            self.send(self.text(), dst="")
        super().connectionMade()

    def on_hello(self, message: dict[str, Any]) -> None:
        """Answer it, perhaps with what it says itself."""
        self._greeted_with = message
        self.us = message["peer_id"]
        if self.liar.lies(Lie.CHAT_FIRST):
            self.send(self.text())
        super().on_hello(message)

    def greeting(self) -> dict[str, Any]:
        """The fields of its HELLO and HELLO_OK."""
        lies, fields = self.liar.lies, super().greeting()
        if lies(Lie.KIND):
            fields |= {"agent": "p2pchat/9", "features": _FEATURES}
            fields["instance"] = self.random.choice(["", "a liar", "x" * 500])
        if lies(Lie.ECHO):
            fields |= {
                name: value
                for name, value in self._greeted_with.items()
                if name in ("features", "agent", "instance", "version")
            }
        if lies(Lie.NAME_OF_ANOTHER):
            fields["peer_id"] = self.liar.another(self.us)
        if lies(Lie.NAME_OF_THE_NODE):
            fields["peer_id"] = self.us
        if lies(Lie.NAME_IMPOSSIBLE):
            fields["peer_id"] = self.random.choice(IMPOSSIBLE_NAMES)
        if lies(Lie.ODD_GREETING):
            fields[self.random.choice(["version", "features", "agent", "instance", "ttl"])] = (
                self.random.choice(ODD_VALUES)
            )
        return fields

    def opened(self) -> None:
        """The handshake is done: now it has its moments."""
        if not self.open:
            self._later(self.random.uniform(*self.liar.every), self._moment)
        super().opened()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See `IProtocol`."""
        super().connectionLost(reason)
        for call in self._calls:
            if call.active():
                call.cancel()
        self._calls.clear()

    def _later(self, seconds: float, act: Any, *args: object) -> None:
        self._calls = [call for call in self._calls if call.active()]
        self._calls.append(self.host.callLater(seconds, act, *args))

    # ------------------------------------------------------------ what it answers

    def notice(self, message: dict[str, Any]) -> None:
        """React to a message, and remember its id for later."""
        self.liar.heard_id(message.get("msg_id"))
        super().notice(message)

    def on_send(self, message: dict[str, Any]) -> None:
        """Acknowledge it, or what it likes to."""
        lies, msg_id = self.liar.lies, message["msg_id"]
        if lies(Lie.ACK_NEVER):
            return
        if lies(Lie.ACK_WRONG_ID):
            msg_id = self.peer.new_id()
        if lies(Lie.ACK_ODD_ID):
            msg_id = self.random.choice(ODD_IDS)
        if lies(Lie.ACK_WITHOUT_ID):
            msg_id = ...
        ack = {"msg_id": msg_id, "timestamp": TIME}
        if lies(Lie.ACK_LATE):
            self._later(self.random.uniform(0, 60), lambda: self.say("ACK", **ack))
        else:
            self.say("ACK", **ack)
        if lies(Lie.ACK_TWICE):
            self.say("ACK", **ack)

    def on_ping(self, message: dict[str, Any]) -> None:
        """Answer it, perhaps."""
        if self.liar.lies(Lie.PONG_WRONG_ID):
            message = message | {"msg_id": self.random.choice(ODD_IDS)}
        if not self.liar.lies(Lie.PONG_NEVER):
            super().on_ping(message)

    def on_bye(self, message: dict[str, Any]) -> None:
        """Answer it, perhaps."""
        if self.liar.lies(Lie.BYE_OK_WRONG_ID):
            message = message | {"msg_id": self.random.choice(ODD_IDS)}
        if not self.liar.lies(Lie.BYE_IGNORED):
            super().on_bye(message)

    def raw(self, data: bytes) -> None:
        """Write bytes, perhaps in pieces with pauses between them."""
        if self.closed or self.transport is None:
            return
        if not self._rest and len(data) > 1 and self.liar.lies(Lie.PIECES):
            at = self.random.randrange(1, len(data))
            super().raw(data[:at])
            self._rest = data[at:]
            self._later(self.random.uniform(0, 0.2), self._write_rest)
        elif self._rest:
            self._rest += data
        else:
            super().raw(data)

    def _write_rest(self) -> None:
        rest, self._rest = self._rest, b""
        super().raw(rest)

    # ------------------------------------------------------------ what it says unasked

    def text(self) -> str:
        """Another text, known for what it is."""
        self._number += 1
        return f"lie {self._number} of {self.peer_id}"

    def _moment(self) -> None:
        for lie, tell in _MOMENTS.items():
            if not self.closed and self.liar.lies(lie):
                tell(self)
        if not self.closed:
            self._later(self.random.uniform(*self.liar.every), self._moment)

    def _chat(self, **fields: Any) -> None:
        """A SEND or a PUB that would be right but for these fields."""
        kind = self.random.choice(["SEND", "PUB"])
        dst = self.us if kind == "SEND" else "*"
        base = {"src": self.peer_id, "dst": dst, "payload": self.text()}
        said = {"msg_id": self.peer.new_id(), **base, "require_ack": kind == "SEND", **fields}
        self._latest = {"kind": kind, **said}
        self.say(**self._latest)

    def _again(self, **fields: Any) -> None:
        if not self._latest:
            self._chat()
        self.say(**(self._latest | fields))

    def _wrong_types(self) -> None:
        kind = self.random.choice(["SEND", "PUB", "PING", "PONG", "ACK", "BYE", "BYE_OK", "HELLO"])
        names = ["msg_id", "src", "dst", "payload", "require_ack", "ttl", "timestamp", "peer_id"]
        fields: dict[str, Any] = {"src": self.peer_id, "dst": self.us, "payload": self.text()}
        for name in self.random.sample(names, 2):
            fields[name] = self.random.choice(ODD_VALUES)
        self.say(kind, **fields)

    def _late(self) -> None:
        odd = {"said": self.random.choice(_TIMES), "require_ack": self.random.random() < 0.5}
        base = {"src": self.peer_id, "dst": self.us, "payload": self.text()}
        name = self.random.choice([*base, "msg_id", "said"])
        self.say("SAID", **(base | odd | {name: self.random.choice(ODD_VALUES)}))

    def _catch_up(self) -> None:
        odd = self.random.choice
        after = odd([*ODD_IDS, self.liar.id_of_another()])
        limit, age = odd([0, -1, 1, 10**9, 10**30, "all", None]), odd(_TIMES)
        self.say("CATCH_UP", after=after, limit=limit, max_age=age)

    def _change(self) -> None:
        odd = self.random.choice
        of = odd([self._latest.get("msg_id"), self.liar.id_of_another(), *ODD_IDS])
        src = odd([self.peer_id, self.peer_id, "", self.liar.another("")])
        dst = odd([self.us, self.us, "*", "#elsewhere", self.liar.another(self.us)])
        self.say("EDIT", of=of, src=src, dst=dst, payload=self.text())

    def _away(self) -> None:
        text = self.random.choice(["\x1b[2J", "\u202e", "x" * 9000, "", *ODD_VALUES])
        self.say("AWAY", text=text)

    def _silence(self) -> None:
        self.transport.pauseProducing()
        self._later(self.random.uniform(1, 120), self.transport.resumeProducing)


_MOMENTS: Final[dict[Lie, Any]] = {
    Lie.HELLO_AGAIN: lambda it: it.say(
        it.random.choice(["HELLO", "HELLO_OK"]), **PlainLink.greeting(it)
    ),
    Lie.HELLO_OTHER: lambda it: it.say("HELLO", peer_id=it.liar.another(it.us)),
    Lie.ACK_UNSENT: lambda it: it.say("ACK", msg_id=it.liar.id_of_another(), timestamp=TIME),
    Lie.PONG_UNASKED: lambda it: it.say("PONG", timestamp=TIME),
    Lie.BYE_OK_UNASKED: lambda it: it.say("BYE_OK", src=it.peer_id, dst=it.us),
    Lie.FOR_ANOTHER: lambda it: it._chat(dst=it.liar.another(it.us)),
    Lie.SRC_OF_ANOTHER: lambda it: it._chat(src=it.liar.another("")),
    Lie.WRONG_NAMESPACE: lambda it: it._chat(dst="#elsewhere"),
    Lie.ODD_ID: lambda it: it._chat(msg_id=it.random.choice(ODD_IDS)),
    Lie.SAME_ID: lambda it: it._again(payload=it.text()),
    Lie.ID_OF_ANOTHER: lambda it: it._chat(msg_id=it.liar.id_of_another()),
    Lie.AGAIN: lambda it: it._again(),
    Lie.WRONG_TYPES: LyingLink._wrong_types,
    Lie.UNKNOWN_TYPE: lambda it: it.say(it.random.choice(["HAVE", "", "send", "X" * 999])),
    Lie.LATE: LyingLink._late,
    Lie.CATCH_UP: LyingLink._catch_up,
    Lie.CHANGE: LyingLink._change,
    Lie.AWAY: LyingLink._away,
    Lie.JUNK: lambda it: it.raw(it.random.choice(JUNK)),
    Lie.BAD_UTF8: lambda it: it.raw(BAD_UTF8),
    Lie.LONG_LINE: lambda it: it.raw(LONG_LINE),
    Lie.BYE_AND_ON: lambda it: it.say("BYE", src=it.peer_id, dst=it.us),
    Lie.SILENCE: LyingLink._silence,
    Lie.HALF_CLOSE: lambda it: it.transport.loseWriteConnection(),
}
"""What it does in a moment of its own, in this order."""
