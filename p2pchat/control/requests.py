"""What a client of the control socket sends: one line -> one `Request`, as in `docs/control.md`.

    {"id":1,"do":"send","to":"bob@CIC","text":"oi"}  ->  Request(do="send", id=1, to="bob@CIC", …)
    {"id":2,"do":5}                                  ->  RequestError("bad_request", …, id=2)

Rules: names and meanings are stable: a field may be added, none is renamed or taken away. A mistake
of the client is a `RequestError`, whose code is for programs and whose text is a sentence for a
person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from p2pchat.console.plain.input_lines import InputLines
from p2pchat.control.broken import id_in
from p2pchat.control.protocol import MAX_REQUEST, USUAL_KINDS
from p2pchat.history.records import NO_ID
from p2pchat.speech import Sentence
from p2pchat.wire.text import shortened

Fields: TypeAlias = dict[str, Any]
_Answering = TypeVar("_Answering")
_BEGINNING: Final = 4096
"""Bytes of a line that is too long in which its id is looked for."""


Id: TypeAlias = Annotated[int, msgspec.Meta(ge=-1, le=NO_ID)]
"""An id of the history; -1: none is named."""


class RequestError(Exception):
    """A request that cannot be fulfilled: `code` for a program, the text for a person."""

    def __init__(self, code: str, sentence: str | Sentence, **fields: object) -> None:
        super().__init__(sentence)
        self.code = code
        self.fields = fields


class Request(Struct, kw_only=True):
    """One line of a client. Each request uses some of the fields."""

    do: str
    id: str | int | float | None = None
    to: str = ""
    text: str = ""
    scope: str = "*"
    ask: bool = True
    format: Literal["json", "text"] = "json"
    events: list[str] = msgspec.field(default_factory=lambda: [*USUAL_KINDS])
    leave_out: bool = False
    attended: bool = False
    line: str = ""
    script: bool = False
    level: str = ""
    security: Literal["plain", "encrypted", "verified"] = "plain"
    peer_id: str = ""
    fingerprint: str = ""
    code: str = ""
    compared: bool = False
    conversation: str = ""
    words: str = ""
    count: int = 50
    before: Id = -1
    after: Id = -1
    around: Id = -1
    upto: Id = 0
    msg_ids: list[str] = msgspec.field(default_factory=list)
    entry: str = ""
    sure: bool = False
    since: int | Literal["now"] | None = None
    run: str = ""
    watching: str | None = None
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    off: bool = False
    token: str = ""


class TooLong(str):
    """The beginning of a line that is too long to be a request."""

    __slots__ = ()


class RequestLines(InputLines):
    """Splits what a client says into lines, `TooLong` for one of more than `MAX_REQUEST` bytes."""

    def __init__(self) -> None:
        super().__init__(MAX_REQUEST)

    def _too_long(self, beginning: bytes) -> str:
        return TooLong(beginning[:_BEGINNING].decode("utf-8", "replace"))


def answering(requests: Mapping[str, _Answering], do: str) -> _Answering:
    """What answers a request of this name; raises `RequestError` with those that there are."""
    found = requests.get(do)
    if found is None:
        known, name = ", ".join(requests), shortened(do, 40)
        sentence = Sentence('no request "{name}": there are {known}', name=name, known=known)
        raise RequestError("unknown_request", sentence)
    return found


def read_request(line: str) -> Request:
    """The request that a line holds; raises `RequestError`, with its id, when it holds none."""
    if isinstance(line, TooLong):
        sentence = Sentence("a request has at most {most} bytes", most=MAX_REQUEST)
        raise RequestError("too_long", sentence, **id_in(line))
    try:
        return _decode(line)
    except (msgspec.DecodeError, RecursionError, ValueError) as why:
        raise RequestError("bad_request", not_read(why), **_id_of(line)) from None


def not_read(why: Exception) -> Sentence:
    """That what came is no request: `why` is what read it in vain, in its own words."""
    return Sentence("not a request: {why}", why=shortened(str(why)))


class _Numbered(Struct):
    """What can be read of a request whose other fields are wrong."""

    id: str | int | float


_decode: Final = msgspec.json.Decoder(Request).decode
_decode_id: Final = msgspec.json.Decoder(_Numbered).decode


def _id_of(line: str) -> Fields:
    try:
        return {"id": _decode_id(line).id}
    except (msgspec.DecodeError, RecursionError, ValueError):
        return id_in(line + "\n")
