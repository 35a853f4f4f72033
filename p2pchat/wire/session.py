"""The HELLO to BYE machine of one connection between two peers (protocol, section 1).

Rules of this module: a session owns no socket, no clock and no reactor. It is told what arrived
(`receive`, `chat`, `bad_line`, `line_too_long`), what time it is (`tick`) and what the node wants
(`start`, `ping`, `leave`), and answers with a list of outputs that the caller must perform in that
order. After a `Finish` it answers with empty lists. Whatever the remote end does is an output,
never an exception. What a message does in which state says `p2pchat.wire.states`. The steps until
it is open are those of `p2pchat.wire.handshake`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Raw

from p2pchat.wire.changes import is_usual
from p2pchat.wire.codec import from_raw
from p2pchat.wire.guard import Guard
from p2pchat.wire.handshake import Handshake
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    AWAY,
    EDIT,
    PAIR,
    PEERS,
    Ack,
    Away,
    Bye,
    ByeOk,
    CatchUp,
    Edit,
    KeyChange,
    Message,
    Pair,
    Peers,
    PeersReq,
    Ping,
    Pong,
    Pub,
    Said,
    Send,
    Unknown,
)
from p2pchat.wire.names import bracketed
from p2pchat.wire.outputs import (
    Acknowledged,
    Deliver,
    Elsewhere,
    Ending,
    Extended,
    Measured,
    Output,
    Remark,
    Transmit,
)
from p2pchat.wire.states import TABLE, State
from p2pchat.wire.text import shortened

_Step = Callable[["Session", Any, float], list[Output]]

BYE_TIMEOUT: Final = 2.0
"""Seconds that we wait for a BYE_OK before we close without it."""
_MAX_PINGS: Final = 4


# Members of an enumeration, looked up once: these are asked for with every chunk.
_OPENED: Final = State.OPEN
_CLOSING: Final = State.CLOSING


class Session(Handshake):
    """One connection's conversation, from HELLO to BYE.

    `dialed` is the peer_id that we meant to reach, None when the other end dialed us. `now` is
    seconds of any steady clock. `new_id` gives a fresh message id. `guard` knows about encryption;
    without one everything is in the clear. The steps that `p2pchat.wire.states` names are the
    methods `on_...`.
    """

    __slots__ = (
        "_bad_lines",
        "_bye_id",
        "_claimed",
        "_deadline",
        "max_bad_lines",
        "pings",
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
        guard: Guard | None = None,
    ) -> None:
        super().__init__(me, new_id, dialed, guard)
        self.max_bad_lines = max_bad_lines
        self._deadline = now + handshake_timeout
        self._bad_lines = 0
        self._claimed = ""
        self._bye_id = ""
        # Not a dict: it is empty for nearly all of the time, and there are as many as links.
        self.pings: tuple[tuple[Raw, float], ...] = ()

    # ------------------------------------------------------------ what the node wants

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
        step = _STEPS[self.state].get(type(message), Session.on_unexpected)
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
        claims, claimed, who = 0, "", bracketed(peer_id)
        for message in messages:
            if message.dst not in (addresses if type(message) is Send else scopes):
                text = f"{who} sent us a message for {bracketed(message.dst)}: dropped"
                remarks.append(Remark("info", "not for us", text))
            elif message.ttl <= 0:
                text = f"{who} sent a message with ttl <= 0: dropped"
                remarks.append(Remark("info", "ttl", text))
            else:
                ours.append(message)
                if message.src != peer_id and message.src:
                    claims, claimed = claims + 1, message.src
        if claimed != self._claimed and claims:
            self._claimed = claimed
            text = f"{who} sent {claims} message(s) in the name of {bracketed(claimed)}"
            remarks.append(Remark("warn", "claimed src", f"{text}: shown as from {who}"))
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
        if self.state is State.PROBED:
            return self.spoke_after_probe("a bad line")
        self._bad_lines += 1
        remark = Remark("warn", "bad line", f"bad line from {self.other_end}: {why}")
        if self._bad_lines < self.max_bad_lines:
            return [remark]
        return [remark, *self._break_off("protocol error")]

    def line_too_long(self) -> list[Output]:
        """A line passed the limit, with or without its newline: nothing after it can be read."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.PROBED:
            return self.spoke_after_probe("a long line")
        remark = Remark("warn", "long line", f"line too long from {self.other_end}")
        return [remark, *self._break_off("line_too_long")]

    # ------------------------------------------------------------ the steps of the table

    def on_chat(self, message: Send | Pub, _now: float) -> list[Output]:
        """A single SEND or PUB."""
        return self.chat((message,))

    def on_extended(self, message: Said | CatchUp, now: float) -> list[Output]:
        """What only two p2pchats that keep messages say to each other."""
        if not self.keeps:
            return self.on_unexpected(message, now)
        if isinstance(message, Said):
            ours = self.me.addresses if message.require_ack else self.me.scopes
            if message.dst not in ours or message.ttl <= 0:
                text = (
                    f"{bracketed(self.peer_id)} sent us a late message for {bracketed(message.dst)}"
                )
                return [Remark("info", "not for us", f"{text}: dropped")]
        return [Extended(message)]

    def on_edit(self, edit: Edit, now: float) -> list[Output]:
        """The other end gives what it said another text: nobody changes what another one said."""
        if EDIT not in self.shared:
            return self.on_unexpected(edit, now)
        who = bracketed(self.peer_id)
        if edit.dst not in self.me.scopes or edit.ttl <= 0:
            text = f"{who} sent us a change for {bracketed(edit.dst)}: dropped"
            return [Remark("info", "not for us", text)]
        usual = is_usual(edit.msg_id) and is_usual(edit.of)
        if edit.src not in (self.peer_id, "") or not usual:
            return [
                Remark("info", "change", f"{who} sent a change that cannot be its own: dropped")
            ]
        return [Extended(edit)]

    def on_away(self, away: Away, now: float) -> list[Output]:
        """The other end is away, or back."""
        if AWAY not in self.shared or away.ttl <= 0:
            return self.on_unexpected(away, now)
        return [Extended(away)]

    def on_key_change(self, change: KeyChange, now: float) -> list[Output]:
        """The other end's next key: in the clear anybody could have said so."""
        sealed = self.guard is not None and self.guard.sealed
        if not sealed or not self.is_p2pchat or change.ttl <= 0:
            return self.on_unexpected(change, now)
        return [Extended(change)]

    def on_peers(self, message: PeersReq | Peers, now: float) -> list[Output]:
        """Where others are is asked, or told."""
        if PEERS not in self.shared or message.ttl <= 0:
            return self.on_unexpected(message, now)
        return [Extended(message)]

    def on_pair(self, message: Pair, now: float) -> list[Output]:
        """Keys are compared by a code: in the clear there is none to compare."""
        if PAIR not in self.shared or self.guard is None or not self.guard.sealed:
            return self.on_unexpected(message, now)
        return [Extended(message)]

    def on_ack(self, ack: Ack, _now: float) -> list[Output]:
        """A SEND of ours was received."""
        return [Acknowledged(ack.msg_id)]

    def on_ping(self, ping: Ping, _now: float) -> list[Output]:
        """Answered with its own id and time, of whatever type they are."""
        if ping.ttl <= 0:
            return [
                Remark(
                    "info", "ttl", f"{bracketed(self.peer_id)} sent a PING with ttl <= 0: dropped"
                )
            ]
        pong = Pong(ping.msg_id, ping.timestamp)
        return [Transmit(pong)]

    def on_pong(self, pong: Pong, now: float) -> list[Output]:
        """The answer to one of the last PINGs gives a round-trip time; any other says nothing."""
        pings, msg_id = self.pings, pong.msg_id
        if len(pings) == 1 and pings[0][0] == msg_id:
            # Nearly every PONG: the one that is awaited, with the id as it was sent.
            self.pings = ()
            return [Measured(now - pings[0][1])]
        value = from_raw(msg_id)
        for ping in pings:
            if from_raw(ping[0]) == value:
                self.pings = tuple(it for it in pings if it is not ping)
                return [Measured(now - ping[1])]
        return [] if self.is_p2pchat else [Elsewhere(pong)]

    def on_bye(self, bye: Bye, _now: float) -> list[Output]:
        """The other end leaves: answer, and close."""
        msg_id = self.new_id() if bye.msg_id is None else bye.msg_id
        answer = ByeOk(msg_id, self.me.peer_id, self.peer_id)
        was_ours = self.state is State.CLOSING
        ending = Ending.LEFT if was_ours else Ending.SAID_BYE
        return [Transmit(answer), *self.finish(ending, shortened(bye.reason, 80))]

    def on_bye_ok(self, answer: ByeOk, _now: float) -> list[Output]:
        """The other end has heard that we leave: here, with any id, or on another link."""
        elsewhere: list[Output] = [] if answer.msg_id == self._bye_id else [Elsewhere(answer)]
        if self.state is not _CLOSING:
            return elsewhere
        return [*elsewhere, *self.finish(Ending.LEFT, "BYE answered")]

    def answered(self, answer: Pong | ByeOk, now: float) -> list[Output]:
        """What an answer does that came on another link of this peer; nothing if it is not ours.

        The id proves that the other end has read the question here: nobody else was told it.
        """
        if isinstance(answer, ByeOk):
            if self.state is not _CLOSING or answer.msg_id != self._bye_id:
                return []
            return self.finish(Ending.LEFT, "BYE answered on another link")
        if not self.takes_chat or all(ping[0] != answer.msg_id for ping in self.pings):
            return []
        return self.on_pong(answer, now)

    def on_ignored(self, _message: Message | Unknown, _now: float) -> list[Output]:
        """Nothing comes of it."""
        return []

    # ------------------------------------------------------------ the end

    def _farewell(self, reason: str) -> Bye:
        to = self.peer_id or self.dialed or ""
        self._bye_id = self.new_id()
        return Bye(self._bye_id, self.me.peer_id, to, reason)

    def _break_off(self, reason: str) -> list[Output]:
        if self.state is State.CLOSING:
            return self.finish(Ending.LEFT, reason)
        return [Transmit(self._farewell(reason)), *self.finish(Ending.VIOLATION, reason)]


_STEPS: Final[dict[State, dict[type, _Step]]] = {
    state: {kind: getattr(Session, step) for kind, step in steps.items()}
    for state, steps in TABLE.items()
}
"""`TABLE` with the methods that it names, looked up once."""
