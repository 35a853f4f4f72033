"""Who may ask what of the page's server: a table of host, origin, key, type and length.

    refused(Asked("GET", "/api/v1/state", ["127.0.0.1:27880"], key=RIGHT), hosts=())  ->  None
    refused(Asked("GET", "/", ["evil.example"]), hosts=())  ->  Refusal(421, "wrong_host", …)

Rules: pure functions. The name by which somebody asks comes first: a page of another site whose
name leads to this machine is never answered. Then comes where the page is from that asks, then the
key. A body is refused before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from p2pchat.speech import Sentence

API: Final = "/api/v1/"
ENTRY: Final = "/api/v1/session"
"""Where a token becomes a key: the one request that needs none."""
MOST_BODY: Final = 131_072
"""Bytes of a request's body."""
MOST_UNKNOWN: Final = 1024
"""The same of one without the key: a token is shorter."""
JSON: Final = "application/json"

_LOOPBACK: Final = re.compile(r"127(?:\.(?:0|[1-9]\d{0,2})){3}", re.ASCII)
_WITH_PORT: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@?#\s]+)(?::(\d{1,5}))?", re.ASCII)


class Refusal(NamedTuple):
    """Why a request is not answered: an HTTP status, a code for a program, a sentence."""

    status: int
    code: str
    sentence: Sentence


class Asked(NamedTuple):
    """What counts of a request. Of each header: all that were sent."""

    method: str
    target: str
    """What follows the method, as it came."""
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    site: str = ""
    """`Sec-Fetch-Site`, as browsers send it."""
    types: Sequence[str] = ()
    """`Content-Type`."""
    has_key: bool = False
    """Whether it came with the right key."""
    length: int | None = 0
    """Bytes of its body; None when it does not say."""

    @property
    def path(self) -> str:
        """What it is about, without what follows a question mark."""
        return self.target.partition("?")[0]


def refused(asked: Asked, hosts: Collection[str] = ()) -> Refusal | None:
    """Why this is not answered, None if it is. `hosts`: names for us beside those of loopback."""
    if len(asked.hosts) != 1 or not is_ours(asked.hosts[0], hosts):
        return WRONG_HOST
    if not asked.target.startswith("/"):
        return NO_PATH
    if asked.origins and [each.lower() for each in asked.origins] != [
        f"http://{asked.hosts[0]}".lower()
    ]:
        return WRONG_ORIGIN
    if asked.path.startswith("/api/") and asked.site == "cross-site":
        return WRONG_ORIGIN
    if asked.path.startswith("/api/") and not asked.has_key and asked.path != ENTRY:
        return NO_KEY
    if asked.method not in ("GET", "HEAD", "POST"):
        return WRONG_METHOD
    return body_refused(asked)


def body_refused(asked: Asked) -> Refusal | None:
    """Why its body is not read, None if it is or there is none: all that is known before it."""
    if asked.length == 0 and asked.method != "POST":
        return None
    if asked.length is None or asked.length > (MOST_BODY if asked.has_key else MOST_UNKNOWN):
        return TOO_LONG
    types = [each.partition(";")[0].strip().lower() for each in asked.types]
    return None if types == [JSON] else WRONG_TYPE


def is_ours(host: str, hosts: Collection[str] = ()) -> bool:
    """Whether a `Host` is a name of this machine for itself, or one of `hosts`; with any port."""
    found = _WITH_PORT.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower()
    return name in ("localhost", "[::1]") or name in hosts or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    return _LOOPBACK.fullmatch(name) is not None and all(
        int(part) < 256 for part in name.split(".")
    )


WRONG_HOST: Final = Refusal(
    421,
    "wrong_host",
    Sentence("this page is for this machine alone: ask 127.0.0.1, localhost or web.hosts"),
)
NO_PATH: Final = Refusal(400, "bad_request", Sentence("a path is missing"))
WRONG_ORIGIN: Final = Refusal(403, "wrong_origin", Sentence("a page from elsewhere may not ask"))
NO_KEY: Final = Refusal(
    401, "no_key", Sentence("the key is missing or old: p2pchat web gives a new link")
)
WRONG_METHOD: Final = Refusal(405, "wrong_method", Sentence("there are GET and POST"))
TOO_LONG: Final = Refusal(
    413, "too_long", Sentence("a request has a length, and at most {most:,} bytes", most=MOST_BODY)
)
WRONG_TYPE: Final = Refusal(415, "wrong_type", Sentence("a request has the type {type}", type=JSON))
