"""A stranger of a world: it dials a node, and has one habit, the same for the whole connection.

    visitor = Visitor(host, "mallory@CIC", account)
    visitor.visit("10.0.0.1", "alice@CIC", [Habit.SAME_ID, Habit.BYE])
    visitor.overstayed()      who keeps a connection that should have ended long ago

Rules: its habits are those that no chance would bring often enough, and each shows by what it
does to others. What it says begins with `visit`, or is in the account of all.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final

from p2pchat.testing.network import FakeHost
from p2pchat.testing.plain import PlainPeer
from p2pchat.testing.plain_link import TIME, PlainLink
from p2pchat.testing.worlds.account import DELIVERED, Account
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.neighbours import VICTIM_IP, VICTIM_PORT

_BAD_LINES: Final = 30
"""More than a node puts up with in a row."""
_ACKS: Final = 20
_CROWD: Final = 16
"""More than a narrow node has links."""
_TEXTS: Final = 3
_TOLD: Final = 50


class Habit(enum.Enum):
    """What it does with a connection."""

    SILENT = "it says nothing"
    NAMESAKE = "it says that it is a p2pchat of the node's own name"
    BYE = "it says BYE, and stays"
    JUNK = "it writes nothing but bad lines"
    ACKS = "it acknowledges what the node says to others"
    DEAF = "it reads no more"
    SAME_ID = "it gives several texts one id, as some programs do"
    FOR_ANOTHER = "it sends what is for somebody else"
    CHANGES = "it changes what others said"
    AIMS = "it says that many peers are where somebody else is"
    CROWD = "it has many names, and one connection for each"


_ENDS: Final = frozenset({Habit.SILENT, Habit.BYE, Habit.JUNK, Habit.NAMESAKE})
"""Those of which a node has to end the connection."""


class Visitor(PlainPeer):
    """Such a stranger; `world` is the account of all."""

    def __init__(self, host: FakeHost, peer_id: str, world: Account) -> None:
        super().__init__(host, peer_id, VisitorLink)
        self.world = world
        self.numbers = count(1)
        self.parted = False
        self.coming: dict[str, list[tuple[Habit, str]]] = {}
        """Address -> the habits of the connections that it makes there, and whose node it is."""

    def visit(self, ip: str, whose: str, habits: Sequence[Habit]) -> None:
        """Dial the node `whose` at this address, once for each habit."""
        coming = self.coming[ip] = []
        for habit in habits:
            coming += [(habit, whose)] * (_CROWD if habit is Habit.CROWD else 1)
        for _ in coming:
            self.dial(ip)

    def part(self) -> None:
        """Leave, and come no more, but for the connections that a node has to end."""
        self.parted = True
        for link in self.live:
            if link.habit not in _ENDS and link.transport is not None:
                link.transport.abortConnection()

    def overstayed(self) -> Iterator[Violation]:
        """The connections that their node should have ended, and did not."""
        for link in self.live:
            end = link.transport
            cut = end is None or end.severed or end.other.severed or end.other.gone
            if link.habit in _ENDS and not cut:
                yield Violation("I4", f"{link.habit.value}, and is not sent away", link.whose)


class VisitorLink(PlainLink):
    """One connection of it."""

    peer: Visitor
    habit = Habit.SILENT
    whose = ""

    def __init__(self, peer: Any, *, dials: bool) -> None:
        super().__init__(peer, dials=dials)
        self._id = f"the same {next(peer.numbers)}"
        self._awaited = ""
        self._said = 0

    def connectionMade(self) -> None:
        """See `IProtocol`."""
        coming = self.peer.coming.get(self.transport.getPeer().host)
        if coming:
            self.habit, self.whose = coming.pop()
        if self.peer.parted and self.habit not in _ENDS:
            self.transport.abortConnection()
        elif self.habit is not Habit.SILENT:
            super().connectionMade()

    def greeting(self) -> dict[str, Any]:
        """The fields of its HELLO."""
        fields = super().greeting()
        if self.habit is Habit.NAMESAKE:
            fields |= {"peer_id": self.whose, "agent": "p2pchat/1", "instance": self._id}
        elif self.habit is Habit.CHANGES:
            fields |= {"features": ["ack", "edit"], "agent": "p2pchat/1", "instance": self._id}
        elif self.habit is Habit.AIMS:
            fields |= {"features": ["ack", "peers"], "agent": "p2pchat/1", "instance": self._id}
        elif self.habit is Habit.CROWD:
            fields["peer_id"] = f"m{next(self.peer.numbers)}@CIC"
        return fields

    def opened(self) -> None:
        """The handshake is done."""
        super().opened()
        match self.habit:
            case Habit.BYE:
                self.say("BYE", src=self.peer_id, dst=self.us)
            case Habit.JUNK:
                self.raw(b"no message\n" * _BAD_LINES)
            case Habit.ACKS:
                self._acknowledge_others()
            case Habit.DEAF:
                self.transport.pauseProducing()
            case Habit.SAME_ID:
                self._next()
            case Habit.CHANGES:
                self._change_others()
            case Habit.FOR_ANOTHER:
                self.send(f"visit {next(self.peer.numbers)}", dst="nobody@CIC")

    def _acknowledge_others(self) -> None:
        open_ones = [
            message.msg_id
            for message in self.peer.world.by_id.values()
            if message.sender == self.us and message.direct and not message.ended
        ]
        for msg_id in open_ones[-_ACKS:]:
            self.say("ACK", msg_id=msg_id, timestamp=TIME)

    def _change_others(self) -> None:
        """Give what others said here another text, which is a message of its own then."""
        world, us = self.peer.world, self.us
        theirs = [each for each in world.shown_to.get(us, ()) if each.sender != self.peer_id]
        for first in theirs[-_TEXTS:]:
            msg_id = f"change {next(self.peer.numbers)}"
            text = world.say(self.peer_id, us, "visit")
            world.accepted(text, msg_id, of=first.msg_id)
            world.by_id[msg_id].perhaps_lost = True
            world.by_id[msg_id].way = msg_id
            said = {"msg_id": msg_id.replace(" ", "-"), "of": first.msg_id, "payload": text}
            self.say("EDIT", src=self.peer_id, dst=us, **said)

    def on_peers_req(self, message: dict[str, Any]) -> None:
        """Tell an address of somebody who has nothing to do with it."""
        if self.habit is Habit.AIMS:
            numbers = range(_TOLD)
            told = [
                {"id": f"v{next(self.peer.numbers)}@CIC", "ip": VICTIM_IP, "port": VICTIM_PORT}
                for _ in numbers
            ]
            asked = {"msg_id": message["msg_id"], "namespace": message["namespace"]}
            self.say("PEERS", **asked, peers=told)

    def _next(self) -> None:
        """The next text with the same id; it is never sent again, whatever comes of it."""
        if self._said == _TEXTS:
            return
        self._said += 1
        world, self._awaited = self.peer.world, f"{self._id} {self._said}"
        text = world.say(self.peer_id, self.us, "visit")
        world.accepted(text, self._awaited)
        world.by_id[self._awaited].perhaps_lost = True
        world.by_id[self._awaited].way = self._id
        self.send(text, msg_id=self._id)

    def on_ack(self, message: dict[str, Any]) -> None:
        """What it said was read."""
        if message.get("msg_id") == self._id and self._awaited:
            awaited, self._awaited = self._awaited, ""
            self.peer.world.told(awaited, DELIVERED)
            self._next()

    def on_bye_ok(self, message: dict[str, Any]) -> None:
        """Stay, as if nothing had been said."""
