"""What a page asks, as the request of the control socket that it is.

    body(b'{"to":"bob@CIC","text":"oi"}')   ->  PageRequest(to="bob@CIC", text="oi")
    query(b"conversation=%23CIC&count=20")  ->  PageRequest(conversation="#CIC", count=20)

Rules: pure functions. Whatever cannot be read is a `RequestError` with a sentence. Fields that
nobody knows are ignored, and `do` is never taken from outside.
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import parse_qsl

import msgspec

from p2pchat.control.requests import Request, RequestError, not_read

_MOST_FIELDS: Final = 40
MINUTES: Final = 15


class PageRequest(Request, kw_only=True):
    """A request of a page. Each path uses some of the fields."""

    do: str = ""
    ask: bool = False
    page: str = ""
    """Which page asks: a word that it has chosen."""
    tag: str = ""
    msg_id: str = ""
    q: str = ""
    minutes: Annotated[int, msgspec.Meta(ge=1, le=MINUTES)] = MINUTES


_decode: Final = msgspec.json.Decoder(PageRequest).decode


def body(data: bytes) -> PageRequest:
    """What the body of a POST says."""
    try:
        found = _decode(data or b"{}")
    except (msgspec.DecodeError, RecursionError, ValueError) as why:
        raise _not_read(why) from None
    found.do = ""
    return found


def query(text: bytes) -> PageRequest:
    """What follows the question mark of a GET."""
    try:
        fields = dict(
            parse_qsl(
                text.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MOST_FIELDS,
            )
        )
        fields.pop("do", None)
        return msgspec.convert(fields, PageRequest, strict=False)
    except (msgspec.ValidationError, RecursionError, ValueError) as why:
        raise _not_read(why) from None


def _not_read(why: Exception) -> RequestError:
    return RequestError("bad_request", not_read(why))
