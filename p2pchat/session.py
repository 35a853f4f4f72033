"""The HELLO to BYE machine of one connection between two peers (protocol, section 1).

Rules of this module: a session owns no socket, no clock and no reactor. It is told what arrived
(`receive`, `chat`, `bad_line`, `line_too_long`), what time it is (`tick`) and what the node wants
(`start`, `ping`, `leave`), and answers with a list of outputs that the caller must perform in that
order. After a `Finish` it answers with empty lists. Whatever the remote end does is an output,
never an exception. What a message does in which state says `p2pchat.session_states`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct

from p2pchat.address import EVERYONE, split_peer_id
from p2pchat.messages import FEATURES, Bye, Hello, HelloOk, Message, Pub, Send, Unknown
from p2pchat.outputs import Deliver, Ending, Finish, Output, Remark, Transmit
from p2pchat.session_states import TABLE, State, unexpected
from p2pchat.text import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BYE_TIMEOUT: Final = 2.0
"""Seconds that we wait for a BYE_OK before we close without it."""
_MAX_PINGS: Final = 4


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

    def hello(self) -> Hello:
        """Who we are, for the one whom we dialed."""
        return Hello(self.peer_id, features=self.features, agent=self.agent, instance=self.instance)

    def hello_ok(self, *, kin: bool) -> HelloOk:
        """Who we are, for the one who dialed us; only our own kin can use what we can besides."""
        features = self.features if kin else FEATURES
        return HelloOk(self.peer_id, features=features, agent=self.agent, instance=self.instance)


class Session:
    """One connection's conversation, from HELLO to BYE.

    `dialed` is the peer_id that we meant to reach, None when the other end dialed us. `now` is
    seconds of any steady clock. `new_id` gives a fresh message id. What has no underscore is also
    for the steps of `p2pchat.session_states`.
    """

    __slots__ = (
        "_bad_lines",
        "_claimed",
        "_deadline",
        "dialed",
        "instance",
        "keeps",
        "kin",
        "max_bad_lines",
        "me",
        "new_id",
        "peer_id",
        "pings",
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
        self.me = me
        self.new_id = new_id
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
        self.pings: tuple[tuple[Raw, float], ...] = ()

    # ------------------------------------------------------------ what the node wants

    def start(self) -> list[Output]:
        """The connection is up: the dialer speaks first."""
        if self.state is State.AWAIT_HELLO_OK:
            return [Transmit(self.me.hello())]
        return []

    def ping(self, now: float, msg_id: Raw) -> bool:
        """Expect the answer to a PING of this id; False, and send none, unless the session is open.

        The line is the caller's, who may send the same one to many.
        """
        if self.state is not _OPENED:
            return False
        self.pings = (*self.pings[1 - _MAX_PINGS :], (msg_id, now))
        return True

    def leave(self, reason: str, now: float) -> list[Output]:
        """End in order: say BYE and wait for its answer; before the handshake, just close."""
        if self.state is State.OPEN:
            self.state = State.CLOSING
            self._deadline = now + BYE_TIMEOUT
            return [Transmit(self._farewell(reason))]
        if self.state in (State.CLOSING, State.CLOSED):
            return []
        return self.finish(Ending.LEFT, reason)

    def tick(self, now: float) -> list[Output]:
        """Look at the deadline of the handshake or of the BYE_OK; call it about once a second."""
        if now < self._deadline or self.state in (State.OPEN, State.CLOSED):
            return []
        if self.state is State.CLOSING:
            return self.finish(Ending.LEFT, "no BYE_OK in time")
        return self.finish(Ending.TIMEOUT, "no handshake in time")

    # ------------------------------------------------------------ what arrived

    def receive(self, message: Message | Unknown, now: float) -> list[Output]:
        """One message came; returns what to do about it."""
        self._bad_lines = 0
        step = TABLE[self.state].get(type(message), unexpected)
        return step(self, message, now)

    def chat(self, messages: Sequence[Send | Pub]) -> list[Output]:
        """A run of SEND and PUB came; the same as `receive` for each, for a fraction of the cost.

        Only for a session that `takes_chat`; any other drops them.
        """
        if not self.takes_chat:
            return []
        self._bad_lines = 0
        peer_id, addresses, scopes = self.peer_id, self.me.addresses, self.me.scopes
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
        me, peer_id, claimed = self.me, self.peer_id, self._claimed
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
        remark = Remark("warn", "bad line", f"bad line from {self.other_end}: {why}")
        if self._bad_lines < self.max_bad_lines:
            return [remark]
        return [remark, *self._break_off("protocol error")]

    def line_too_long(self) -> list[Output]:
        """A line passed the limit, with or without its newline: nothing after it can be read."""
        if self.state is State.CLOSED:
            return []
        remark = Remark("warn", "long line", f"line too long from {self.other_end}")
        return [remark, *self._break_off("line_too_long")]

    # ------------------------------------------------------------ the end

    def finish(self, ending: Ending, reason: str) -> list[Output]:
        """End here, without another word."""
        self.state = State.CLOSED
        return [Finish(ending, reason)]

    @property
    def other_end(self) -> str:
        """Who is there, as far as we know: for a log."""
        return self.peer_id or self.dialed or "a stranger"

    def _farewell(self, reason: str) -> Bye:
        to = self.peer_id or self.dialed or ""
        return Bye(self.new_id(), self.me.peer_id, to, reason)

    def _break_off(self, reason: str) -> list[Output]:
        if self.state is State.CLOSING:
            return self.finish(Ending.LEFT, reason)
        return [Transmit(self._farewell(reason)), *self.finish(Ending.VIOLATION, reason)]
