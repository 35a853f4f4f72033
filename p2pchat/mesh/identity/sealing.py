"""One encrypted link: TLS 1.3 over memory, from bytes to bytes.

    dialer                                    listener
    start() -> ClientHello                ->  shake(), answer() -> ServerHello ... Finished
    shake(), answer() -> Certificate ...  ->  shake(); key is there
    key is there: close(text)            <->  open(data)

Rules: no I/O, no clock. Nothing but `SealError` leaves it, and after one nothing is opened and
nothing is sealed any more.

- The dialer writes nothing after its ClientHello until the protocol, the form of the certificate
  and `vouch` were looked at. After a refusal its answer is thrown away: an impostor never sees our
  certificate.
- At most 4,096 bytes of handshake are taken. Only what the handshake took counts.
- OpenSSL gets whole records, at most 8,192 bytes at a time, and is read before the next ones. Its
  word for "the rest is missing" costs as much as ten lines. Our own records are no longer.
- Bytes that yield no text are noise: KeyUpdates, padding, records of one byte. So are more than 8
  KeyUpdates that want an answer. Too much noise is an error.
- After close_notify (`ended`) nothing is taken. The end of TCP without it is a cut.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Final

from p2pchat.mesh.identity.certificates import key_of
from p2pchat.mesh.identity.keys import ALPN, Keys

HANDSHAKE_BYTES: Final = 4096
"""The most that the other end may say before its key is known. (Measured: 785 to 2,105 bytes.)"""
NOISE_BYTES: Final = 8192
"""The most that may come without text. Few, because a KeyUpdate of 27 bytes takes as long as 9
lines: they are 6 ms."""
_SLICE: Final = 8192
_OVERHEAD: Final = 22
"""What a record adds to its text."""
_RECORD: Final = _SLICE - _OVERHEAD
"""The most text in a record of ours: a link keeps room for the longest one that it ever had."""
_LONGEST: Final = 16_384
"""The most text in any record."""
_HEADER: Final = b"\x17\x03\x03"
"""How every record begins after the handshake; two bytes with its length follow."""
_HEADER_SIZE: Final = 5
_KEY_UPDATE: Final = 27
"""Bytes of a KeyUpdate, sealed."""
_KEY_UPDATES: Final = 8
FIRST_BYTE: Final = 0x16
"""Every TLS connection begins with it, and no line does."""


class Flaw(Enum):
    """What is wrong with the other end, or with what came."""

    PLAIN = "does not encrypt"
    HANDSHAKE = "the handshake failed"
    ENDLESS = "the handshake does not end"
    PROTOCOL = "it speaks another protocol"
    FORM = "its certificate is of another form"
    KEY = "its key was refused"
    TAMPERED = "the connection was tampered with"
    NOISE = "noise below TLS"
    ALERT = "the other end ended the encryption"
    DEAD = "the encryption has ended"


class SealError(Exception):
    """Nothing more is to be had from this link: end it.

    `flaw` says why, and `detail` has OpenSSL's word for it, or that of `vouch`.
    """

    def __init__(self, flaw: Flaw, detail: str = "") -> None:
        super().__init__(f"{flaw.value} ({detail})" if detail else flaw.value)
        self.flaw = flaw
        self.detail = detail


class Seal:
    """One end of a link; `keys` are ours, and `dialed` says which end.

    `vouch` gets the other end's key, and says why it is refused, or None. The dialer has answered
    nothing by then.
    """

    __slots__ = (
        *("_cpu", "_dead", "_dialed", "_fed", "_in", "_key_updates", "_noise", "_out", "_part"),
        *("_said", "_tls", "_vouch", "answered", "ended", "key", "owes", "spent"),
    )

    def __init__(
        self, keys: Keys, *, dialed: bool, vouch: Callable[[bytes], str | None] | None = None
    ) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        context = keys.to_dial if dialed else keys.to_listen
        self._tls = context.wrap_bio(self._in, self._out, server_side=not dialed)
        self._cpu = keys.cpu
        self._dialed = dialed
        self._vouch = vouch
        self._dead = self._said = False
        self._fed = self._noise = self._key_updates = 0
        self._part = b""
        self.key = b""
        """The key of the other end, 32 bytes; empty until the handshake is done."""
        self.spent = 0.0
        """Seconds of CPU that the handshake took so far."""
        self.answered = False
        """Whether the listener had an answer to the hello: a failure after that is a dear one."""
        self.owes = False
        """Whether `open` was asked for an `answer`: the other end wants new keys."""
        self.ended = False
        """Whether the other end has said, sealed, that nothing more comes."""

    def start(self) -> bytes:
        """The dialer's first bytes; the connection's first."""
        self._step()
        return self._out.read()

    def shake(self, data: bytes) -> bytes:
        """Take what came while `key` is empty; write `answer()` then, even after an error.

        Returns the text that came behind the handshake, if `key` is there now. Raises `SealError`.
        """
        if self.key:
            return self.open(data)
        if self._dead:
            raise SealError(Flaw.DEAD)
        taken = data[: HANDSHAKE_BYTES - self._fed]
        self._in.write(taken)
        self._fed += len(taken)
        if self._step():
            self._look()
            # What is behind the last record of the handshake, OpenSSL has not looked at.
            return self.open(self._in.read() + data[len(taken) :])
        if self._fed >= HANDSHAKE_BYTES:
            raise self._refusal(Flaw.ENDLESS)
        self.answered = self.answered or self._out.pending > 0
        return b""

    def answer(self) -> bytes:
        """What the handshake has to say, to be written at once; may be nothing.

        Later: an answer to a KeyUpdate, when `owes` says so; it goes out with the next `close`
        otherwise.
        """
        self.owes = False
        return self._out.read()

    def open(self, data: bytes) -> bytes:
        """The text in what came; nothing when no record is whole. Raises `SealError`.

        Look at `ended` then: the other end has said that nothing more comes.
        """
        if self._dead or not self.key:
            raise SealError(Flaw.DEAD)
        if self.ended:
            return b""
        if self._part:
            data, self._part = self._part + data, b""
        size = len(data)
        if _HEADER_SIZE < size <= _SLICE and size == _HEADER_SIZE + (data[3] << 8 | data[4]):
            return self._open(data, size, size)  # one record, as a conversation brings it
        return self._open_all(data, size)

    def close(self, text: bytes) -> bytes:
        """Seal text; nothing after `farewell` or an error, nor before `key` is there."""
        if self._dead or self._said or not self.key:
            return b""
        if len(text) <= _RECORD:
            return self._close(text)
        view = memoryview(text)
        return b"".join(
            [self._close(view[at : at + _RECORD]) for at in range(0, len(view), _RECORD)]
        )

    def farewell(self) -> bytes:
        """close_notify: nothing more comes from us; text may still come. Nothing the second time.

        Also nothing after an error, nor before `key` is there.
        """
        if self._dead or self._said or not self.key:
            return b""
        self._said = True
        with suppress(ssl.SSLError, OSError):  # it has said so, and would wait for the other end
            self._tls.unwrap()
        return self._out.read()

    def _step(self) -> bool:
        """One step of the handshake; whether it is done on this end."""
        began = self._cpu()
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, OSError, ValueError) as error:
            raise self._refusal(_flaw_in_handshake(error), _word(error)) from None
        finally:
            self.spent += self._cpu() - began
        return True

    def _look(self) -> None:
        """Look at who is there, before anything of ours leaves."""
        if self._tls.selected_alpn_protocol() != ALPN:
            raise self._refusal(Flaw.PROTOCOL)
        key = key_of(self._tls.getpeercert(binary_form=True) or b"")
        if key is None:
            raise self._refusal(Flaw.FORM)
        reason = self._vouch(key) if self._vouch is not None else None
        if reason is not None:
            raise self._refusal(Flaw.KEY, reason)
        self.key = key
        self._vouch = None

    def _open_all(self, data: bytes, size: int) -> bytes:
        """Open the records that are whole, as many at a time as may be; keep the rest."""
        view = memoryview(data)
        texts: list[bytes] = []
        begin = end = 0
        while begin < size:
            after = _end_of_record(data, end)
            # KeyUpdates beyond the last one that may come take no time.
            if after <= size and after - begin <= min(_SLICE, NOISE_BYTES + 1 - self._noise):
                end = after
                if end < size:
                    continue
            if begin < end:
                texts.append(self._open(view[begin:end], end - begin, end - begin))
            elif after > size:
                break
            else:
                end = after
                *parts, last = range(begin, end, _SLICE)
                texts += [self._open(view[at : at + _SLICE], _LONGEST, 0) for at in parts]
                texts.append(self._open(view[last:end], _LONGEST, end - begin))
            begin = end
        self._part = data[begin:]
        return b"".join(texts)

    def _open(self, data: bytes | memoryview, room: int, size: int) -> bytes:
        """Open so much; no record in it, or that ends in it, has more text than `room` bytes.

        `size` is how many bytes of whole records it brings to their end.
        """
        if self.ended:
            return b""
        answers = self._out.pending
        self._in.write(data)
        pieces = []
        try:
            while True:
                piece = self._tls.read(room)
                if not piece:
                    self.ended = True
                    break
                pieces.append(piece)
                if not self._in.pending and len(piece) < room:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except (ssl.SSLError, OSError, ValueError) as error:
            word = _word(error)
            raise self._refusal(Flaw.ALERT if "ALERT" in word else Flaw.TAMPERED, word) from None
        text = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        answers = self._out.pending - answers
        fair = _OVERHEAD * len(pieces)
        if answers or self._noise or size > len(text) + fair or 3 * len(text) < fair:
            self._count(size, len(text), len(pieces), answers)
        return text

    def _count(self, sealed: int, text: int, records: int, answers: int) -> None:
        """Tell noise from use: records of some bytes are use, and a quarter of the text is free."""
        fair = text + (text >> 2) + min(_OVERHEAD * records, 3 * text)
        self._noise = max(0, self._noise + sealed - fair)
        if answers:
            self.owes = True
            self._key_updates += -(-answers // _KEY_UPDATE)
        if self._noise > NOISE_BYTES or self._key_updates > _KEY_UPDATES:
            raise self._refusal(Flaw.NOISE)

    def _close(self, text: bytes | memoryview) -> bytes:
        try:
            self._tls.write(text)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise self._refusal(Flaw.DEAD, _word(error)) from None
        sealed = self._out.read()
        if len(sealed) > len(text) + _OVERHEAD:
            self._key_updates += 1  # OpenSSL answers some only now; the next `open` looks at it
        return sealed

    def _refusal(self, flaw: Flaw, detail: str = "") -> SealError:
        """The error after which nothing goes on, and nothing that waits is written.

        Only a listener's alert stays: it says nothing of us, and helps who wrote the other program.
        """
        self._dead = True
        self._vouch = None
        if self._dialed or flaw not in (Flaw.HANDSHAKE, Flaw.PLAIN):
            self._out.read()
        return SealError(flaw, detail)


def _end_of_record(data: bytes, at: int) -> int:
    """Where the record ends that begins here; behind the end of `data` when its end is missing.

    What is no record counts as whole: OpenSSL is to say what is wrong with it.
    """
    if len(data) < at + _HEADER_SIZE:
        return at + _HEADER_SIZE
    size = data[at + 3] << 8 | data[at + 4]
    if not data.startswith(_HEADER, at) or size > _LONGEST + 256:
        return len(data)
    return at + _HEADER_SIZE + size


def _flaw_in_handshake(error: Exception) -> Flaw:
    word = _word(error)
    if word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"):
        return Flaw.PLAIN
    return Flaw.ALERT if "ALERT" in word else Flaw.HANDSHAKE


def _word(error: Exception) -> str:
    """OpenSSL's word for what happened: a constant of the library, no text of the other end."""
    return str(getattr(error, "reason", None) or type(error).__name__)
