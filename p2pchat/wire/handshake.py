"""The handshake of a session: who is at the other end, from the first byte until it is open.

    who dials     HELLO ->       <- HELLO_OK         open
                  HELLO, tls ->  <- HELLO_OK, tls    the end: it comes back in TLS
                  HELLO ->       <- BYE              the end
    who answers   <- HELLO       HELLO_OK ->         open
                  <- HELLO, tls  HELLO_OK, tls ->    probed: nothing more may come

Rules: those of `p2pchat.wire.session`, whose class derives from this one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.wire.address import split_peer_id
from p2pchat.wire.guard import ANOTHER_KEY, Guard
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import HISTORY, Bye, Hello, HelloOk, Message, Unknown
from p2pchat.wire.names import bracketed
from p2pchat.wire.outputs import Ending, Finish, Opened, Output, Probed, Remark, Transmit
from p2pchat.wire.states import State
from p2pchat.wire.text import shortened

_NOTHING: Final[frozenset[str]] = frozenset()
_SHARED: Final[dict[frozenset[str], frozenset[str]]] = {}
"""What two ends can have in common, once for all links: as many as we have sets of features."""


class Handshake:
    """What a session knows of the two ends, and how it comes to know it.

    For the arguments see `p2pchat.wire.session.Session`.
    """

    __slots__ = (
        "dialed",
        "guard",
        "instance",
        "is_p2pchat",
        "keeps",
        "me",
        "new_id",
        "peer_id",
        "port",
        "shared",
        "state",
    )

    def __init__(
        self, me: Identity, new_id: Callable[[], str], dialed: str | None, guard: Guard | None
    ) -> None:
        self.me = me
        self.new_id = new_id
        self.dialed = dialed
        self.guard = guard
        self.state = State.AWAIT_HELLO if dialed is None else State.AWAIT_HELLO_OK
        self.peer_id = ""
        self.is_p2pchat = False
        self.keeps = False
        self.shared = _NOTHING
        """The features of our own kind that both ends list."""
        self.instance = ""
        self.port = 0
        """Where the other end listens, if it said so."""

    def start(self) -> list[Output]:
        """The connection is up, and encrypted if it is to be: the dialer speaks first."""
        if self.state is State.AWAIT_HELLO_OK:
            hello = self.me.hello()
            return [Transmit(hello if self.guard is None else self.guard.greeting(hello))]
        return []

    def on_hello(self, hello: Hello, _now: float) -> list[Output]:
        """Who dialed us says who it is."""
        if hello.instance and hello.instance == self.me.instance:
            return self.finish(Ending.SELF, "a connection from ourselves")
        try:
            split_peer_id(hello.peer_id)
        except ValueError as why:
            return self.finish(Ending.REFUSED, f"impossible peer_id: {why}")
        guard = self.guard
        if guard is not None and guard.is_asked(hello):
            self.state = State.PROBED
            return [Transmit(self._hello_ok(is_p2pchat=bool(hello.agent))), Probed()]
        if hello.peer_id == self.me.peer_id:
            taken = f"somebody else is {bracketed(hello.peer_id)}, too"
            return self.finish(Ending.NAME_IN_USE, taken)
        if guard is not None:
            reason = guard.vouch(hello.peer_id, hello)
            if reason:
                return self._turn_away(reason, hello.peer_id)
        self._open(hello.peer_id, hello)
        return [Transmit(self._hello_ok(is_p2pchat=self.is_p2pchat)), Opened()]

    def on_hello_ok(self, answer: HelloOk, _now: float) -> list[Output]:
        """The one whom we dialed says who it is."""
        if answer.instance and answer.instance == self.me.instance:
            return self.finish(Ending.SELF, "a connection to ourselves")
        guard = self.guard
        if guard is not None and guard.is_asked(answer):
            return self.finish(Ending.UPGRADE, "it can encrypt")
        sealed = guard is not None and guard.sealed
        # A key belongs to the name that its owner says, and to no other.
        peer_id = answer.peer_id or (not sealed and self.dialed) or ""
        if peer_id == self.me.peer_id:
            if answer.instance or sealed:
                taken = f"somebody else is {bracketed(peer_id)}, too"
                return self.finish(Ending.NAME_IN_USE, taken)
            # Some clients answer with the caller's id; who was dialed is what we know of them.
            peer_id = self.dialed or ""
        try:
            split_peer_id(peer_id)
        except ValueError as why:
            return self.finish(Ending.REFUSED, f"impossible peer_id: {why}")
        if guard is not None:
            reason = guard.vouch(peer_id, answer)
            if reason:
                return self._turn_away(reason, peer_id)
        self._open(peer_id, answer)
        return [Opened()]

    def _open(self, peer_id: str, greeting: Hello) -> None:
        self.state = State.OPEN
        self.peer_id = peer_id
        self.is_p2pchat = bool(greeting.agent)
        # A feature that is listed proves nothing by itself: some clients echo what they are told.
        if self.is_p2pchat:
            shared = frozenset(self.me.features).intersection(greeting.features)
            self.shared = _SHARED.setdefault(shared, shared)
            self.keeps = HISTORY in shared
        self.instance = greeting.instance[:64]
        port = greeting.port
        if self.is_p2pchat and isinstance(port, int) and 0 < port < 65_536:
            self.port = port

    def on_hello_again(self, hello: Hello, now: float) -> list[Output]:
        """A second HELLO of the same peer is answered again; some clients repeat it."""
        if hello.peer_id == self.peer_id:
            return [Transmit(self._hello_ok(is_p2pchat=self.is_p2pchat))]
        return self.on_unexpected(hello, now)

    def on_not_hello(self, message: Message | Unknown, _now: float) -> list[Output]:
        """Who dials has to begin with HELLO."""
        return self.finish(Ending.REFUSED, f"the first message was {_type(message)}, not HELLO")

    def on_after_probe(self, message: Message | Unknown, _now: float) -> list[Output]:
        """Who can encrypt has nothing to say in the clear; somebody else may have said it."""
        return self.spoke_after_probe(_type(message))

    def spoke_after_probe(self, what: str = "something") -> list[Output]:
        """Bytes came from who had only asked whether we encrypt."""
        if self.state is not State.PROBED:
            return []
        return self.finish(Ending.REFUSED, f"{what} came in the clear from who can encrypt")

    def on_turned_away(self, bye: Bye, _now: float) -> list[Output]:
        """The one whom we dialed does not want us now."""
        reason = shortened(bye.reason, 80) or "no reason given"
        ending = Ending.REFUSED
        if self.guard is not None and self.guard.sealed and bye.reason.startswith(ANOTHER_KEY):
            ending = Ending.KEY_REFUSED
        return self.finish(ending, f"the other end answered BYE: {reason}")

    def on_unexpected(self, message: Message | Unknown, _now: float) -> list[Output]:
        """The policy for every pair that the table does not list: logged, and nothing happens."""
        text = f"ignored {_type(message)} from {self.other_end} in state {self.state.value}"
        return [Remark("debug", "unexpected", text)]

    def finish(self, ending: Ending, reason: str) -> list[Output]:
        """End here, without another word."""
        self.state = State.CLOSED
        return [Finish(ending, reason)]

    @property
    def other_end(self) -> str:
        """Who is there, as far as we know: for a log."""
        name = self.peer_id or self.dialed
        return bracketed(name) if name else "a stranger"

    def _hello_ok(self, *, is_p2pchat: bool) -> HelloOk:
        answer = self.me.hello_ok(is_p2pchat=is_p2pchat)
        return answer if self.guard is None else self.guard.greeting(answer)

    def _turn_away(self, reason: str, peer_id: str) -> list[Output]:
        """Whoever says to be this peer is not let in: say why, and close."""
        text = f"who says to be {bracketed(peer_id)} is refused: {reason}"
        bye = Bye(self.new_id(), self.me.peer_id, peer_id, reason)
        return [Transmit(bye), *self.finish(Ending.REFUSED, text)]


def _type(message: Message | Unknown) -> str:
    if isinstance(message, Unknown):
        return f"[{message.type}]"  # a stranger's word, like a name
    return str(message.__struct_config__.tag)
