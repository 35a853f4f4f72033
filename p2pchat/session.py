"""The HELLO to BYE machine of one connection between two peers (protocol, section 1).

    AWAIT_HELLO ----HELLO----> OPEN --leave()--> CLOSING --BYE_OK--> CLOSED
    AWAIT_HELLO_OK -HELLO_OK-> OPEN ---BYE-----------------------> CLOSED

Rules of this module: a session owns no socket, no clock and no reactor. It is told what arrived
(`receive`, `chat`, `bad_line`, `line_too_long`), what time it is (`tick`) and what the node wants
(`start`, `ping`, `leave`), and answers with a list of outputs that the caller must perform in that
order. After a `Finish` it answers with empty lists. Whatever the remote end does is an output,
never an exception.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, ClassVar, Final

from msgspec import Raw, Struct

from p2pchat.address import EVERYONE, split_peer_id
from p2pchat.messages import (
    FEATURES,
    HISTORY,
    Ack,
    Bye,
    ByeOk,
    CatchUp,
    Hello,
    HelloOk,
    Message,
    Ping,
    Pong,
    Pub,
    Said,
    Send,
    Unknown,
)
from p2pchat.outputs import (
    Acknowledged,
    Deliver,
    Ending,
    Extended,
    Finish,
    Measured,
    Opened,
    Output,
    Remark,
    Transmit,
)
from p2pchat.text import shortened
from p2pchat.wire import from_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BYE_TIMEOUT: Final = 2.0
"""Seconds that we wait for a BYE_OK before we close without it."""
_MAX_PINGS: Final = 4


class State(enum.Enum):
    """Where a session stands."""

    AWAIT_HELLO = "await-hello"
    AWAIT_HELLO_OK = "await-hello-ok"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


# Members of an enumeration, looked up once: these are asked for with every chunk.
_OPENED: Final = State.OPEN
_CLOSING: Final = State.CLOSING


class Identity(Struct, frozen=True):
    """Who we are in every handshake."""

    peer_id: str
    agent: str
    instance: str
    """Random, one per process: it tells a dial to ourselves from another user of our peer_id."""
    addresses: frozenset[str]
    """What the `dst` of a SEND to us may be."""
    scopes: frozenset[str]
    """What the `dst` of a PUB to us may be."""
    features: tuple[str, ...] = FEATURES
    """What we can, as our HELLO says it."""

    @classmethod
    def of(
        cls,
        peer_id: str,
        agent: str = "",
        instance: str = "",
        features: tuple[str, ...] = FEATURES,
    ) -> Identity:
        """The identity of `peer_id`; raises `ValueError`, with a sentence, if it is impossible."""
        name, namespace = split_peer_id(peer_id)
        addresses = frozenset((peer_id, name, ""))
        scopes = addresses | {EVERYONE, "#" + namespace, namespace}
        return cls(peer_id, agent, instance, addresses, scopes, features)


class Session:
    """One connection's conversation, from HELLO to BYE.

    `dialed` is the peer_id that we meant to reach, None when the other end dialed us. `now` is
    seconds of any steady clock. `new_id` gives a fresh message id.
    """

    __slots__ = (
        "_bad_lines",
        "_claimed",
        "_deadline",
        "_me",
        "_new_id",
        "_pings",
        "dialed",
        "instance",
        "keeps",
        "kin",
        "max_bad_lines",
        "peer_id",
        "state",
    )

    def __init__(
        self,
        me: Identity,
        now: float,
        new_id: Callable[[], str],
        *,
        dialed: str | None = None,
        handshake_timeout: float = 10.0,
        max_bad_lines: int = 20,
    ) -> None:
        self._me = me
        self._new_id = new_id
        self.dialed = dialed
        self.max_bad_lines = max_bad_lines
        self.state = State.AWAIT_HELLO if dialed is None else State.AWAIT_HELLO_OK
        self.peer_id = ""
        self.kin = False
        self.keeps = False
        self.instance = ""
        self._deadline = now + handshake_timeout
        self._bad_lines = 0
        self._claimed = ""
        # Not a dict: it is empty for nearly all of the time, and there are as many as links.
        self._pings: tuple[tuple[Raw, float], ...] = ()

    # ------------------------------------------------------------ what the node wants

    def start(self) -> list[Output]:
        """The connection is up: the dialer speaks first."""
        if self.state is State.AWAIT_HELLO_OK:
            return [Transmit(self._greeting(Hello))]
        return []

    def ping(self, now: float, msg_id: Raw) -> bool:
        """Expect the answer to a PING of this id; False, and send none, unless the session is open.

        The line is the caller's, who may send the same one to many.
        """
        if self.state is not _OPENED:
            return False
        self._pings = (*self._pings[1 - _MAX_PINGS :], (msg_id, now))
        return True

    def leave(self, reason: str, now: float) -> list[Output]:
        """End in order: say BYE and wait for its answer; before the handshake, just close."""
        if self.state is State.OPEN:
            self.state = State.CLOSING
            self._deadline = now + BYE_TIMEOUT
            return [Transmit(self._farewell(reason))]
        if self.state in (State.CLOSING, State.CLOSED):
            return []
        return self._finish(Ending.LEFT, reason)

    def tick(self, now: float) -> list[Output]:
        """Look at the deadline of the handshake or of the BYE_OK; call it about once a second."""
        if now < self._deadline or self.state in (State.OPEN, State.CLOSED):
            return []
        if self.state is State.CLOSING:
            return self._finish(Ending.LEFT, "no BYE_OK in time")
        return self._finish(Ending.TIMEOUT, "no handshake in time")

    # ------------------------------------------------------------ what arrived

    def receive(self, message: Message | Unknown, now: float) -> list[Output]:
        """One message came; returns what to do about it."""
        self._bad_lines = 0
        row = self._TABLE[self.state]
        step = row.get(type(message))
        if step is not None:
            return step(self, message, now)
        return self._unexpected(message)

    def chat(self, messages: Sequence[Send | Pub]) -> list[Output]:
        """A run of SEND and PUB came; the same as `receive` for each, for a fraction of the cost.

        Only for a session that `takes_chat`; any other drops them.
        """
        if not self.takes_chat:
            return []
        self._bad_lines = 0
        peer_id, addresses, scopes = self.peer_id, self._me.addresses, self._me.scopes
        ours: list[Send | Pub] = []
        remarks: list[Output] = []
        claims, claimed = 0, ""
        for message in messages:
            if message.dst not in (addresses if type(message) is Send else scopes):
                remarks.append(
                    Remark(
                        "info",
                        "not for us",
                        f"{peer_id} sent us a message for {shortened(message.dst, 80)}: dropped",
                    )
                )
            elif message.ttl <= 0:
                remarks.append(
                    Remark("info", "ttl", f"{peer_id} sent a message with ttl <= 0: dropped")
                )
            else:
                ours.append(message)
                if message.src != peer_id and message.src:
                    claims, claimed = claims + 1, message.src
        if claimed != self._claimed and claims:
            self._claimed = claimed
            remarks.append(
                Remark(
                    "warn",
                    "claimed src",
                    f"{peer_id} sent {claims} message(s) in the name of "
                    f"{shortened(claimed, 80)}: shown as from {peer_id}",
                )
            )
        if ours:
            remarks.append(Deliver(ours))
        return remarks

    def welcomes(self, messages: Sequence[Message]) -> bool:
        """Whether all that came are SEND and PUB for us that say nothing odd.

        Nearly every chunk is of this kind, and then `chat` has only one answer: deliver them all.
        """
        if self.state is not _OPENED and self.state is not _CLOSING:
            return False
        # Who always names somebody else as the source has been remarked upon already.
        me, peer_id, claimed = self._me, self.peer_id, self._claimed
        for message in messages:
            if type(message) is Send:
                if message.dst not in me.addresses:
                    return False
            elif type(message) is not Pub or message.dst not in me.scopes:
                return False
            if (message.src != peer_id and message.src != claimed) or message.ttl <= 0:
                return False
        self._bad_lines = 0
        return True

    @property
    def takes_chat(self) -> bool:
        """Whether SEND and PUB are welcome: while open, and while our BYE is on its way."""
        return self.state is _OPENED or self.state is _CLOSING

    def bad_line(self, why: str) -> list[Output]:
        """A line came that is no message; many in a row end the session."""
        if self.state is State.CLOSED:
            return []
        self._bad_lines += 1
        remark = Remark("warn", "bad line", f"bad line from {self._who()}: {why}")
        if self._bad_lines < self.max_bad_lines:
            return [remark]
        return [remark, *self._break_off("protocol error")]

    def line_too_long(self) -> list[Output]:
        """A line passed the limit, with or without its newline: nothing after it can be read."""
        if self.state is State.CLOSED:
            return []
        remark = Remark("warn", "long line", f"line too long from {self._who()}")
        return [remark, *self._break_off("line_too_long")]

    # ------------------------------------------------------------ transitions: the handshake

    def _hello(self, hello: Hello, _now: float) -> list[Output]:
        if hello.instance and hello.instance == self._me.instance:
            return self._finish(Ending.SELF, "a connection from ourselves")
        if hello.peer_id == self._me.peer_id:
            return self._finish(Ending.NAME_IN_USE, f"somebody else is {hello.peer_id}, too")
        try:
            split_peer_id(hello.peer_id)
        except ValueError as why:
            return self._finish(Ending.REFUSED, f"impossible peer_id: {why}")
        self._open(hello.peer_id, hello)
        return [Transmit(self._greeting(HelloOk)), Opened()]

    def _hello_ok(self, answer: HelloOk, _now: float) -> list[Output]:
        if answer.instance and answer.instance == self._me.instance:
            return self._finish(Ending.SELF, "a connection to ourselves")
        peer_id = answer.peer_id or self.dialed or ""
        if peer_id == self._me.peer_id:
            if answer.instance:
                return self._finish(Ending.NAME_IN_USE, f"somebody else is {peer_id}, too")
            # Some clients answer with the caller's id; who was dialed is what we know of them.
            peer_id = self.dialed or ""
        try:
            split_peer_id(peer_id)
        except ValueError as why:
            return self._finish(Ending.REFUSED, f"impossible peer_id: {why}")
        self._open(peer_id, answer)
        return [Opened()]

    def _open(self, peer_id: str, greeting: Hello) -> None:
        self.state = State.OPEN
        self.peer_id = peer_id
        self.kin = bool(greeting.agent)
        # A feature that is listed proves nothing by itself: some clients echo what they are told.
        self.keeps = self.kin and HISTORY in greeting.features and HISTORY in self._me.features
        self.instance = greeting.instance[:64]

    def _hello_again(self, hello: Hello, _now: float) -> list[Output]:
        if hello.peer_id == self.peer_id:
            return [Transmit(self._greeting(HelloOk))]
        return self._unexpected(hello)

    def _not_hello(self, message: Message | Unknown, _now: float) -> list[Output]:
        return self._finish(Ending.REFUSED, f"the first message was {_type(message)}, not HELLO")

    def _turned_away(self, bye: Bye, _now: float) -> list[Output]:
        reason = shortened(bye.reason, 80) or "no reason given"
        return self._finish(Ending.REFUSED, f"the other end answered BYE: {reason}")

    # ------------------------------------------------------------ transitions: the open session

    def _chat(self, message: Send | Pub, _now: float) -> list[Output]:
        return self.chat((message,))

    def _extended(self, message: Said | CatchUp, _now: float) -> list[Output]:
        if not self.keeps:
            return self._unexpected(message)
        if isinstance(message, Said):
            ours = self._me.addresses if message.require_ack else self._me.scopes
            if message.dst not in ours or message.ttl <= 0:
                text = f"{self.peer_id} sent us a late message for {shortened(message.dst, 80)}"
                return [Remark("info", "not for us", f"{text}: dropped")]
        return [Extended(message)]

    def _ack(self, ack: Ack, _now: float) -> list[Output]:
        return [Acknowledged(ack.msg_id)]

    def _ping(self, ping: Ping, _now: float) -> list[Output]:
        if ping.ttl <= 0:
            return [Remark("info", "ttl", f"{self.peer_id} sent a PING with ttl <= 0: dropped")]
        pong = Pong(ping.msg_id, ping.timestamp)
        return [Transmit(pong)]

    def _pong(self, pong: Pong, now: float) -> list[Output]:
        pings, msg_id = self._pings, pong.msg_id
        if len(pings) == 1 and pings[0][0] == msg_id:
            # Nearly every PONG: the one that is awaited, with the id as it was sent.
            self._pings = ()
            return [Measured(now - pings[0][1])]
        value = from_raw(msg_id)
        for ping in pings:
            if from_raw(ping[0]) == value:
                self._pings = tuple(it for it in pings if it is not ping)
                return [Measured(now - ping[1])]
        return []

    def _bye(self, bye: Bye, _now: float) -> list[Output]:
        msg_id = self._new_id() if bye.msg_id is None else bye.msg_id
        answer = ByeOk(msg_id, self._me.peer_id, self.peer_id)
        was_ours = self.state is State.CLOSING
        ending = Ending.LEFT if was_ours else Ending.SAID_BYE
        return [Transmit(answer), *self._finish(ending, shortened(bye.reason, 80))]

    def _bye_ok(self, _answer: ByeOk, _now: float) -> list[Output]:
        return self._finish(Ending.LEFT, "BYE answered")

    def _ignore(self, _message: Message | Unknown, _now: float) -> list[Output]:
        return []

    def _unexpected(self, message: Message | Unknown) -> list[Output]:
        """The policy for every pair that the table does not list: logged, and nothing happens."""
        text = f"ignored {_type(message)} from {self._who()} in state {self.state.value}"
        return [Remark("debug", "unexpected", text)]

    _TABLE: ClassVar[dict[State, dict[type, Callable[[Any, Any, float], list[Output]]]]]

    # ------------------------------------------------------------ pieces

    def _greeting(self, kind: type[Hello]) -> Hello:
        me = self._me
        known_as_plain = kind is HelloOk and not self.kin
        features = FEATURES if known_as_plain else me.features
        return kind(me.peer_id, features=features, agent=me.agent, instance=me.instance)

    def _farewell(self, reason: str) -> Bye:
        to = self.peer_id or self.dialed or ""
        return Bye(self._new_id(), self._me.peer_id, to, reason)

    def _break_off(self, reason: str) -> list[Output]:
        if self.state is State.CLOSING:
            return self._finish(Ending.LEFT, reason)
        return [Transmit(self._farewell(reason)), *self._finish(Ending.VIOLATION, reason)]

    def _finish(self, ending: Ending, reason: str) -> list[Output]:
        self.state = State.CLOSED
        return [Finish(ending, reason)]

    def _who(self) -> str:
        return self.peer_id or self.dialed or "a stranger"


def _type(message: Message | Unknown) -> str:
    return message.type if isinstance(message, Unknown) else str(message.__struct_config__.tag)


_OPEN: Final[dict[type, Callable[[Any, Any, float], list[Output]]]] = {
    Send: Session._chat,
    Pub: Session._chat,
    Said: Session._extended,
    CatchUp: Session._extended,
    Ack: Session._ack,
    Ping: Session._ping,
    Pong: Session._pong,
    Bye: Session._bye,
    Hello: Session._hello_again,
}
_ANY: Final = (Hello, HelloOk, Ping, Pong, Ack, Send, Pub, Said, CatchUp, Bye, ByeOk, Unknown)

Session._TABLE = {
    State.AWAIT_HELLO: dict.fromkeys(_ANY, Session._not_hello) | {Hello: Session._hello},
    State.AWAIT_HELLO_OK: {HelloOk: Session._hello_ok, Bye: Session._turned_away},
    State.OPEN: _OPEN,
    # Our BYE may have crossed with messages: they still count, until the other end has seen it.
    State.CLOSING: _OPEN | {ByeOk: Session._bye_ok, Hello: Session._ignore},
    State.CLOSED: dict.fromkeys(_ANY, Session._ignore),
}
