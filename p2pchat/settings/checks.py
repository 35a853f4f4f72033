"""What a setting's value must be, said once for the configuration file and the command line.

Rules: a check takes a value as JSON holds it and returns what the program uses, or raises
`Unfit` with what was expected. On the command line everything is text: `from_text` turns what
looks like a number into one, and the same check decides. A string is never a number in a file,
and true is not 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from p2pchat.wire.text import printable, shortened

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
FORMATS: Final = ("text", "json")

_LARGEST: Final = 1_000_000_000  # thirty years, a gigabyte: beyond this it is a slip of the hand
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


class ConfigError(Exception):
    """A setting, or the file that holds it, cannot be used; the text is one sentence saying why."""


class Unfit(ValueError):
    """The value is not what was expected; the text says what that is."""


class Check(NamedTuple):
    """One kind of value.

    `accept` takes a value as JSON holds it and returns the value to use, or raises `Unfit`.
    `numeric` says that text from a command line is to be read as a number first.
    """

    accept: Callable[[object], Any]
    numeric: bool = False

    def from_text(self, text: str) -> object:
        """What `text` from a command line would be in a file; give it to `accept`."""
        if self.numeric and len(text) <= 40 and _NUMBER.fullmatch(text):
            return int(text) if text.lstrip("+-").isdecimal() else float(text)
        return text


def number(expected: str, *, above: float | None = None, at_least: float | None = None) -> Check:
    """A finite number; `expected` names the bounds, as "a number above 0"."""

    def accept(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Unfit(expected)
        if above is not None and not value > above:  # written so that NaN fails
            raise Unfit(expected)
        if at_least is not None and not value >= at_least:
            raise Unfit(expected)
        if not value <= _LARGEST:
            raise Unfit(f"a number of at most {_LARGEST}")
        return float(value)

    return Check(accept, numeric=True)


def whole(low: int, high: int | None = None) -> Check:
    """A whole number from `low` to `high`; 5.0 is one, too."""
    if high is not None:
        expected = f"a whole number from {low} to {high}"
    elif low == 1:
        expected = "a whole number above 0"
    else:
        expected = f"a whole number of at least {low}"

    def accept(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(expected)
        if value < low or (high is not None and value > high):
            raise Unfit(expected)
        if value > _LARGEST:
            raise Unfit(f"a whole number of at most {_LARGEST}")
        return value

    return Check(accept, numeric=True)


def _accept_label(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 64 or not value.strip():
        raise Unfit("a text of 1 to 64 characters")
    if "@" in value:
        raise Unfit("a text without @")
    if printable(value) != value:
        raise Unfit("a text without control characters")
    return value


def _accept_host(value: object) -> str:
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= 253
        or printable(value) != value
        or re.search(r"[\s/@\[\]\\]", value)
    ):
        raise Unfit("a host name or an IP address")
    if value.count(":") == 1:
        raise Unfit("a host name or an IP address without a port")
    if ":" in value and not _is_ipv6(value):
        raise Unfit("a host name or an IP address")
    return value


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address

    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _accept_serve(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Unfit("[HOST:]PORT")
    serve_address(value)
    return value


def _accept_level(value: object) -> str:
    if not isinstance(value, str) or value.upper() not in LEVELS:
        raise Unfit(f"one of {', '.join(LEVELS)}")
    return value.upper()


def _accept_yes_or_no(value: object) -> bool:
    words = {"yes": True, "no": False}
    if isinstance(value, str):
        value = words.get(value.lower(), value)
    if not isinstance(value, bool):
        raise Unfit("yes or no")
    return value


def _accept_format(value: object) -> str:
    if not isinstance(value, str) or value.lower() not in FORMATS:
        raise Unfit(f"one of {', '.join(FORMATS)}")
    return value.lower()


def _accept_endpoint(value: object) -> str:
    if not isinstance(value, str) or not re.match(r"[A-Za-z0-9]+:", value):
        raise Unfit('an endpoint like "systemd:domain=INET:index=0"')
    return value


def _accept_path(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Unfit("the name of a file")
    return value


LABEL: Final = Check(_accept_label)
HOST: Final = Check(_accept_host)
SERVE: Final = Check(_accept_serve)
LEVEL: Final = Check(_accept_level)
FORMAT: Final = Check(_accept_format)
YES_OR_NO: Final = Check(_accept_yes_or_no)
ENDPOINT: Final = Check(_accept_endpoint)
PATH: Final = Check(_accept_path)
PORT: Final = whole(1, 65535)
PORT_OR_FREE: Final = whole(0, 65535)


def checked(name: str, check: Check, value: object) -> Any:
    """What `check` makes of `value`, which a file holds under `name`.

    Raises ConfigError, as: `connection.ping_interval: expected a number above 0, got "soon"`.
    """
    try:
        return check.accept(value)
    except Unfit as unfit:
        raise ConfigError(f"{name}: expected {unfit}, got {shown(value)}") from None


def checked_text(name: str, check: Check, text: str) -> Any:
    """The same as `checked` for a `text` from the command line."""
    value = check.from_text(text)
    try:
        return check.accept(value)
    except Unfit as unfit:
        got = shown(text) if isinstance(value, str) else shortened(text, 60)
        raise ConfigError(f"{name}: expected {unfit}, got {got}") from None


def shown(value: object) -> str:
    """`value` as JSON, short and printable, for a sentence."""
    import json

    try:
        return shortened(json.dumps(value, ensure_ascii=False), 60)
    except (RecursionError, ValueError):
        return "something that cannot be shown"


def split_address(text: str) -> tuple[str, str | None]:
    """`HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT` or a bare IPv6 address as (host, port or None).

    Both parts are still text and unchecked; a port that is missing after its colon is "".
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return text, None
        return host, rest[1:] if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


def serve_address(text: str) -> tuple[str | None, int]:
    """`[HOST:]PORT` as (host, or None for all interfaces; port). Raises Unfit."""
    host, port = (None, text) if text.isdecimal() else split_address(text)
    try:
        checked = PORT.accept(PORT.from_text(port or ""))
        return (HOST.accept(host) if host else None), checked
    except Unfit:
        raise Unfit("[HOST:]PORT with a port from 1 to 65535") from None
