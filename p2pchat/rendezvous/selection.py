"""Which entries of a namespace a DISCOVER asks for, when it does not ask for all of them.

    "limit":500                        the first 500 by name; without a namespace, any 500
    "limit":500,"after":"bob"          the 500 behind them (with "after_ip", behind that one entry)
    "limit":50,"sample":true           50 at random; "families":["ipv6"] wants such addresses only
    "names":["ana","bob"]              those of them that are registered, before the others if any

Rules: pure. A request without `limit` and without `names` asks for everything, whatever else it
says. Each field is checked when it is there, and `null` is the same as none. A name may have
several entries, one of each address, so that pages are sorted by name and address.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, cast

import msgspec
from msgspec import Meta

MOST_LISTED: Final = 1000
"""Entries that one request with a `limit` or with `names` may ask for."""
MOST_NAMES: Final = 100
"""Names that one request may ask for."""
IPV6: Final = "ipv6"
FAMILIES: Final = ("ipv4", IPV6)
"""Kinds of addresses; others are nobody's."""

Limit = Annotated[int, Meta(ge=1, le=MOST_LISTED)]


class Selection(msgspec.Struct, frozen=True, gc=False):
    """Some entries of a namespace; see the fields above."""

    limit: int = 0
    """At most so many besides the named ones, from 1 to `MOST_LISTED`; 0: only the named ones."""
    sample: bool = False
    """Whether these are drawn at random; else they are a page, sorted by name and address."""
    after: tuple[str, str] | None = None
    """The name and the address behind which the page begins; no address: behind all of the name."""
    names: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    """What kinds of addresses a sample is drawn of; none: of all."""

    def fields(self) -> dict[str, object]:
        """What a DISCOVER says of it, for who asks."""
        said: dict[str, object] = {}
        if self.limit:
            said["limit"] = self.limit
        if self.sample:
            said["sample"] = True
        if self.after is not None:
            said["after"], ip = self.after
            if ip:
                said["after_ip"] = ip
        if self.names:
            said["names"] = [*self.names]
        if self.families:
            said["families"] = [*self.families]
        return said

    def takes(self, ip: str) -> bool:
        """Whether a sample may have an entry of this address."""
        return not self.families or FAMILIES[":" in ip] in self.families


class BadFieldError(ValueError):
    """A field of a request is not what it can be; its text is the code of the answer."""


def selection_of(fields: dict[str, Any], longest: int) -> Selection | None:
    """What the fields of a request select, None for everything; names have `longest` characters.

    Raises `BadFieldError`.
    """
    limit, after = fields.get("limit"), fields.get("after")
    if limit is not None and not (type(limit) is int and 1 <= limit <= MOST_LISTED):
        raise BadFieldError("bad_limit")
    sample = fields.get("sample")
    if sample is not None and type(sample) is not bool:
        raise BadFieldError("bad_sample")
    after_ip = fields.get("after_ip")
    if after is not None and not _is_text(after, longest):
        raise BadFieldError("bad_after")
    if after_ip is not None and (after is None or not _is_text(after_ip, longest)):
        raise BadFieldError("bad_after")
    names = _texts(fields, "names", longest)
    families = _texts(fields, "families", longest)
    if limit is None and not names:
        return None
    return Selection(
        limit or 0,
        bool(sample),
        None if after is None else (after, after_ip or ""),
        names,
        families,
    )


def _texts(fields: dict[str, Any], field: str, longest: int) -> tuple[str, ...]:
    value = fields.get(field)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_NAMES:
        raise BadFieldError(f"bad_{field}")
    if not all(_is_text(each, longest) for each in value):
        raise BadFieldError(f"bad_{field}")
    # Each once, in their order.
    return tuple(dict.fromkeys(cast("list[str]", value)))


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest
