"""TLS on one link: what stands between the transport and the lines.

    inbound    the first byte tells: 0x16 is TLS, all else is a line
    outbound   TLS from the first byte, or lines from the first byte; never one after the other

Rules: no line is said before the handshake is done, so nothing waits for it. What is read is opened
at once, what is written is sealed once a turn. An error ends the link: before the other end's key
is known as REFUSED, after that as LOST, for somebody was in between. Who makes noise below TLS has
broken the protocol. With the connection goes the seal: it holds tens of KiB. The link is forgotten
then, too, since circles of thousands that ended wait for the collector, and make one turn long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from zope.interface import Attribute

from p2pchat.mesh.identity.sealing import FIRST_BYTE, Flaw, Seal, SealError
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.mesh.link.send_queue import write_now
from p2pchat.wire.outputs import Ending, Output, Remark
from p2pchat.wire.session import Session
from p2pchat.wire.states import State

NO_TLS_HERE: Final = b"\x15\x03\x03\x00\x02\x02\x28"
"""A fatal alert (handshake_failure): what a node says to TLS while it encrypts nothing."""
MOST_SEALED: Final = 2**37
"""Bytes after which a link is made anew: AES-GCM bounds what one key may seal (RFC 8446, 5.5)."""


class ISealable(IPeerLink):
    """What is asked of the connection below the encryption, beside what a node asks of it."""

    transport: Any = Attribute("Where bytes go.")
    session: Session = Attribute("Its conversation.")
    sealed: SealedLink | None = Attribute("The encryption, None in the clear.")
    inlet: Callable[[bytes], bytes] | None = Attribute(
        "What bytes go through before they are lines; None where they are lines already."
    )

    def perform(outputs: list[Output]) -> None:
        """Do what the session wants."""

    def take_text(text: bytes) -> None:
        """Take in lines that came sealed, beside what is being read."""

    def nothing_more(text: bytes) -> None:
        """Take in the last text: the other end has said, sealed, that nothing more comes."""


def begin(link: ISealable, context: LinkContext) -> bool:
    """Begin a connection as it is to be; whether the session may speak at once."""
    security = context.security
    if link.dialed is None:
        if security is not None or context.refuses_tls:
            link.inlet = partial(_first_bytes, link, context)
    elif link.sealed is not None:
        link.inlet = link.sealed.opened
        link.sealed.begin()
        return False
    elif security is not None:
        link.session.guard = security.guard(link, sealed=False)
    return True


def _first_bytes(link: ISealable, context: LinkContext, data: bytes) -> bytes:
    """The first byte of an inbound connection tells what it is, for good."""
    if not data:
        return data
    security = context.security
    if data[0] != FIRST_BYTE:
        link.inlet = None
        if security is not None:
            link.session.guard = security.guard(link, sealed=False)
        return data
    if security is None:
        link.transport.write(NO_TLS_HERE)
        link.perform(link.session.finish(Ending.REFUSED, "it encrypts, and this node does not"))
        return b""
    link.sealed = SealedLink(link, security)
    link.inlet = link.sealed.opened
    link.session.guard = security.guard(link, sealed=True)
    return link.sealed.opened(data)


class _Gone(NamedTuple):
    """What is still asked of a link that is gone."""

    peer_id: str
    ip: str


class SealedLink:
    """The encryption of one connection; `key` is the other end's, empty until it is known, and
    `own_key` the one that we have shown.

    The connection gives what it reads to `opened`, and calls `farewell` and `lost` at its end.
    `begin` is for who dialed: it sends the first bytes.
    """

    __slots__ = ("_left", "_link", "_seal", "_security", "_waiting", "key", "own_key")

    def __init__(self, link: ISealable, security: LinkSecurity) -> None:
        self._link = link
        self._security = security
        dialed = link.dialed is not None
        vouch = partial(security.judge.recognised, link) if dialed else None
        self._seal: Seal | None = Seal(security.keys, dialed=dialed, vouch=vouch)
        self._left = MOST_SEALED
        self._waiting = b""
        self.key = b""
        self.own_key = security.keys.own

    @property
    def security(self) -> str:
        """How safe what is said here is; see `IPeerLink`."""
        return self._security.judge.mark(self._link.peer_id, self.key)

    def begin(self) -> None:
        """Say the first bytes of the connection."""
        link = self._link
        link.session.guard = self._security.guard(link, sealed=True)
        if self._seal is not None and link.session.state is State.AWAIT_HELLO_OK:
            write_now(link.transport, self._seal.start())

    def opened(self, data: bytes) -> bytes:
        """The text in what came, perhaps nothing yet."""
        seal = self._seal
        if seal is None:
            return b""
        if not seal.key:
            return self._shaken(seal, data)
        try:
            text = seal.open(data)
        except SealError as why:
            self._failed(why)
            return b""
        if seal.owes:
            write_now(self._link.transport, seal.answer())
        return self._last(text) if seal.ended else text

    def _last(self, text: bytes) -> bytes:
        self._link.nothing_more(text)
        return b""

    def _shaken(self, seal: Seal, data: bytes) -> bytes:
        """A part of the handshake came, and perhaps text behind its end."""
        link = self._link
        if self._waiting:
            self._waiting += data
            return b""
        if link.dialed is None and not self._security.may_step(self):
            self._waiting = data
            link.hold()
            return b""
        return self._stepped(seal, data)

    def _stepped(self, seal: Seal, data: bytes) -> bytes:
        link, spent, text = self._link, seal.spent, b""
        failure: SealError | None = None
        try:
            text = seal.shake(data)
        except SealError as why:
            failure = why
        answer = seal.answer()
        if answer:
            write_now(link.transport, answer)
        if link.dialed is None:
            late = failure is not None and seal.answered
            self._security.stepped(link.ip, seal.spent - spent, failed_late=late)
        if failure is not None:
            self._failed(failure)
            failure = None  # it holds this frame, which would hold it: a circle
            return b""
        if not seal.key:
            return b""
        self.key = seal.key
        self._security.handshakes += 1
        self._security.handshake_seconds += seal.spent
        link.queue.through(self._write)
        link.perform(link.session.start())
        return self._last(text) if seal.ended else text

    @property
    def ip(self) -> str:
        """Who pays for the handshake."""
        return self._link.ip

    @property
    def waits(self) -> bool:
        """Whether what came waits for its turn: nothing more is to be read."""
        return bool(self._waiting)

    def go_on(self) -> None:
        """Our turn has come: take in what waited."""
        data, self._waiting = self._waiting, b""
        seal, link = self._seal, self._link
        if seal is not None:
            link.read_on()
            text = self._stepped(seal, data)
            if text:
                link.take_text(text)

    def _failed(self, why: SealError) -> None:
        """Nothing more is to be had from here."""
        if not self.key:
            self._security.handshakes_failed += 1
        elif why.flaw in (Flaw.TAMPERED, Flaw.NOISE):
            self._security.broken += 1
        if self._seal is None:
            return
        session = self._link.session
        if why.flaw is Flaw.NOISE:
            ending = Ending.VIOLATION
        elif session.peer_id:
            ending = Ending.LOST
        else:
            ending = Ending.REFUSED
        level: Literal["warn", "info"] = "warn" if why.flaw is Flaw.TAMPERED else "info"
        text = f"TLS with {session.other_end} at {self._link.ip}: {why}"
        self._link.perform([Remark(level, "tls", text), *session.finish(ending, str(why))])

    def _write(self, text: bytes) -> None:
        """Seal what leaves in this turn, and send it."""
        seal = self._seal
        if seal is None:
            return
        self._left -= len(text)
        if self._left < 0:
            self._link.give_up("as much was sealed with one key as may be")
            return
        try:
            sealed = seal.close(text)
        except SealError as why:
            self._failed(why)
            return
        write_now(self._link.transport, sealed)

    def farewell(self) -> None:
        """Nothing more leaves: say so, sealed."""
        if self._seal is not None:
            last = self._seal.farewell()
            if last:
                write_now(self._link.transport, last)

    def lost(self) -> None:
        """The connection is gone."""
        self._seal = None
        self._security.forget(self)
        gone: Any = _Gone(self._link.peer_id, self._link.ip)
        self._link = gone
