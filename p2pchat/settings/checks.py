"""What a setting's value must be, said once for the configuration file and the command line.

Rules: a kind takes a value as JSON holds it and returns what the program uses, or raises `Unfit`
with what was expected. On the command line everything is text: `from_text` turns what looks like a
number into one, and the same kind decides. A string is never a number in a file, and true is not 1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from p2pchat.speech import LANGUAGES, Sentence
from p2pchat.wire.blocklist import block_entry
from p2pchat.wire.names import is_hidden
from p2pchat.wire.text import is_text, printable, shortened

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
FORMATS: Final = ("text", "json")
POLICIES: Final = ("prefer", "require", "off")

_LARGEST: Final = 1_000_000_000  # thirty years, a gigabyte: beyond this it is a slip of the hand
_MOST_BLOCKED: Final = 10_000
_MOST_NAMES: Final = 32
_NAME: Final = re.compile(r"[\w.:@*?\[\]!-]{1,15}", re.ASCII)
_MOST_HOSTS: Final = 16
_MOST_PLACES: Final = 4
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


class ConfigError(Exception):
    """A setting, or the file that holds it, cannot be used; its `Sentence` says why.

    The field `place` of one that begins with the name of a setting is that name.
    """


class Unfit(ValueError):
    """The value is not what was expected; its `Sentence` says what that is."""


class Option(NamedTuple):
    """What stands beside a field of a structure of settings: `Annotated[float, SECONDS(...)]`."""

    kind: Kind
    about: str
    """What --help says, without the default."""
    name: str
    """The option on the command line; empty: made from the field's name."""
    metavar: str
    restart: bool
    """Whether a running node cannot change it."""


class Kind(NamedTuple):
    """One kind of value.

    `metavar` stands for such a value in --help. `accept` takes a value as JSON holds it and returns
    the value to use, or raises `Unfit`. `numeric` says that text from a command line is to be read
    as a number first.
    """

    metavar: str
    accept: Callable[[object], Any]
    numeric: bool = False

    def __call__(
        self, about: str, name: str = "", *, metavar: str = "", restart: bool = False
    ) -> Option:
        """A setting of this kind, to annotate its field with; see `Option`."""
        return Option(self, about, name, metavar or self.metavar, restart)

    def from_text(self, text: str) -> object:
        """What `text` from a command line would be in a file; give it to `accept`."""
        if self.numeric and len(text) <= 40 and _NUMBER.fullmatch(text):
            return int(text) if text.lstrip("+-").isdecimal() else float(text)
        return text


def number(metavar: str, *, above: float | None = None, low: float = 0) -> Kind:
    """A finite number above `above`, or of at least `low`."""
    if above is not None:
        expected = Sentence("a number above {bound}", bound=above)
        return _numeric(metavar, float, lambda value: value > above, expected)
    expected = Sentence("a number of at least {bound}", bound=low)
    if not low:
        expected = Sentence("a number of 0 or more")
    return _numeric(metavar, float, lambda value: value >= low, expected)


def whole(metavar: str, low: int, high: int = _LARGEST) -> Kind:
    """A whole number from `low` to `high`; 5.0 is one, too."""
    if high != _LARGEST:
        expected = Sentence("a whole number from {low} to {high}", low=low, high=high)
        return _numeric(metavar, int, lambda value: low <= value <= high, expected)
    expected = Sentence("a whole number of at least {bound}", bound=low)
    if low == 1:
        expected = Sentence("a whole number above 0")
    if not low:
        expected = Sentence("a whole number of 0 or more")
    return _numeric(metavar, int, lambda value: value >= low, expected)


def _numeric(
    metavar: str, form: type[int | float], fits: Callable[[float], bool], expected: Sentence
) -> Kind:
    def accept(value: object) -> int | float:
        if form is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        # NaN fits no bounds.
        if isinstance(value, bool) or not isinstance(value, (int, form)) or not fits(value):
            raise Unfit(expected)
        if value > _LARGEST:
            raise Unfit(
                Sentence("a whole number of at most {bound}", bound=_LARGEST)
                if form is int
                else Sentence("a number of at most {bound}", bound=_LARGEST)
            )
        return form(value)

    return Kind(metavar, accept, numeric=True)


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    """One of `words`, however it is capitalized."""
    usual = {word.lower(): word for word in words}

    def accept(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in usual:
            raise Unfit(Sentence("one of {words}", words=", ".join(words)))
        return usual[value.lower()]

    return accept


def _accept_yes_or_no(value: object) -> bool:
    words = {"yes": True, "no": False}
    if isinstance(value, str):
        value = words.get(value.lower(), value)
    if not isinstance(value, bool):
        raise Unfit(Sentence("yes or no"))
    return value


def _accept_label(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 64 or not value.strip():
        raise Unfit(Sentence("a text of 1 to 64 characters"))
    if "@" in value:
        raise Unfit(Sentence("a text without @"))
    if value.strip() != value:
        raise Unfit(Sentence("a text without blanks at its ends"))
    if printable(value) != value:
        raise Unfit(Sentence("a text without control characters"))
    if any(map(is_hidden, value)):
        raise Unfit(Sentence("a text without characters that cannot be seen"))
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
        raise Unfit(Sentence("a host name or an IP address"))
    if value.count(":") == 1:
        raise Unfit(Sentence("a host name or an IP address without a port"))
    if ":" in value and not _is_ipv6(value):
        raise Unfit(Sentence("a host name or an IP address"))
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
        raise Unfit(Sentence("[HOST:]PORT"))
    serve_address(value)
    return value


def _accept_endpoint(value: object) -> str:
    if not isinstance(value, str) or not re.match(r"[A-Za-z0-9]+:", value):
        raise Unfit(Sentence('an endpoint like "systemd:domain=INET:index=0"'))
    return value


def _accept_path(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Unfit(Sentence("the name of a file"))
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise Unfit(Sentence("the name of a file")) from None
    whole = os.path.expanduser(value)
    if whole.startswith("~"):
        raise Unfit(Sentence("~ or ~USER, a user of this machine, before the name of a file"))
    return whole


def _accept_blocked(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_BLOCKED:
        raise Unfit(Sentence("a list of at most {most} names and addresses", most=_MOST_BLOCKED))
    if not all(isinstance(entry, str) for entry in value):
        raise Unfit(Sentence("a list of texts"))
    try:
        return tuple(block_entry(entry) for entry in value)
    except ValueError as why:
        expected = Sentence("names, NAME@*, *@NAMESPACE, addresses or networks ({why})", why=why)
        raise Unfit(expected) from None


def _accept_interfaces(value: object) -> tuple[str, ...]:
    names = _names(value, _MOST_NAMES)
    if not all(_NAME.fullmatch(name) for name in names):
        raise Unfit(Sentence("names of interfaces, like eth0 or wl*"))
    return tuple(names)


def _accept_own_address(value: object) -> str:
    text = _accept_serve(value)
    host, port = serve_address(text)
    if host is not None and host.lower() != "localhost" and not _is_loopback(host):
        raise Unfit(
            Sentence(
                "an address of this machine alone (the page is not encrypted: "
                "use ssh -L {port}:127.0.0.1:{port})",
                port=port,
            )
        )
    return text


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _accept_host_names(value: object) -> tuple[str, ...]:
    names = _names(value, _MOST_HOSTS)
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        raise Unfit(Sentence("host names, without a port"))
    return tuple(name.lower() for name in names)


def _accept_places(value: object) -> tuple[str, ...]:
    places = tuple(_names(value, _MOST_PLACES))
    for place in places:
        host_port(place, 1)
    return places


def host_port(place: str, usual: int) -> tuple[str, int]:
    """`HOST[:PORT]` as (host, port); `usual` is the port of one without. Raises Unfit."""
    host, port = split_address(place)
    try:
        number: int = usual if port is None else PORT.accept(PORT.from_text(port))
        return HOST.accept(host), number
    except Unfit:
        raise Unfit(Sentence("HOST or HOST:PORT, with commas between them")) from None


def _names(value: object, most: int) -> Sequence[str]:
    """A list of so many texts at most; on a command line they have commas between them."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)) or len(value) > most:
        raise Unfit(Sentence("a list of at most {most} names", most=most))
    if not all(isinstance(name, str) for name in value):
        raise Unfit(Sentence("a list of texts"))
    return value


COUNT: Final = whole("N", 1)
SECONDS: Final = number("SECONDS", above=0)
PORT: Final = whole("PORT", 1, 65535)
PORT_OR_FREE: Final = whole("PORT", 0, 65535)
LABEL: Final = Kind("NAME", _accept_label)
HOST: Final = Kind("ADDRESS", _accept_host)
SERVE: Final = Kind("[HOST:]PORT", _accept_serve)
ENDPOINT: Final = Kind("ENDPOINT", _accept_endpoint)
PATH: Final = Kind("FILE", _accept_path)
LANGUAGE: Final = Kind("|".join(LANGUAGES), _one_of(LANGUAGES))
LEVEL: Final = Kind("LEVEL", _one_of(LEVELS))
FORMAT: Final = Kind("FORMAT", _one_of(FORMATS))
POLICY: Final = Kind("|".join(POLICIES), _one_of(POLICIES))
OWN_ADDRESS: Final = Kind("[HOST:]PORT", _accept_own_address)
HOST_NAMES: Final = Kind("NAMES", _accept_host_names)
BLOCKED: Final = Kind("LIST", _accept_blocked)
PLACES: Final = Kind("HOST[:PORT],...", _accept_places)
INTERFACES: Final = Kind("NAMES", _accept_interfaces)
YES_OR_NO: Final = Kind("YES|NO", _accept_yes_or_no)
FLAG: Final = Kind("", _accept_yes_or_no)
"""Yes or no in a file; on the command line the option alone says yes."""


def checked(name: str, kind: Kind, value: object) -> Any:
    """What `kind` makes of `value`, which a file holds under `name`.

    Raises ConfigError, as: `connection.ping_interval: expected a number above 0, got "soon"`.
    """
    try:
        return kind.accept(value)
    except Unfit as unfit:
        raise ConfigError(_unlike(name, unfit, shown(value))) from None


def checked_text(name: str, kind: Kind, text: str) -> Any:
    """The same as `checked` for a `text` from the command line; `name` is that of the option."""
    value = kind.from_text(text)
    if kind is not PATH and not is_text(text):
        raise ConfigError(_unlike(name, Sentence("text in UTF-8"), shown(text)))
    try:
        return kind.accept(value)
    except Unfit as unfit:
        got = shown(text) if isinstance(value, str) else shortened(text, 60)
        raise ConfigError(_unlike(name, unfit, got)) from None


def _unlike(place: str, what: Unfit | Sentence, got: str) -> Sentence:
    return Sentence("{place}: expected {what}, got {got}", place=place, what=what, got=got)


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
        raise Unfit(Sentence("[HOST:]PORT with a port from 1 to 65535")) from None
