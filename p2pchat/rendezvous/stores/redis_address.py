"""Where the Redis of a shared registry is.

    redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]
    redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT],HOST[:PORT]…/NAME[/DB]     NAME: the master's

Rules: pure. A password is never shown.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_MOST_SENTINELS: Final = 16
_ADDRESS: Final = re.compile(
    r"redis(?P<sentinel>\+sentinel)?://"
    r"(?:(?P<user>[^:@/]*):(?P<password>[^@/]*)@)?"
    r"(?P<hosts>[^/@]{1,1000})"
    r"(?:/(?P<first>[^/]{1,100}))?(?:/(?P<second>[0-9]{1,5}))?/?"
)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._-]{1,253})(?::([0-9]{1,5}))?")


class RedisAddress(Struct, frozen=True):
    """One Redis, or the Sentinels that know it."""

    hosts: tuple[tuple[str, int], ...]
    master: str | None = None
    """What the Sentinels call it; None: `hosts` is the Redis itself."""
    database: int = 0
    user: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        hosts = ",".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in self.hosts)
        if self.master is None:
            return f"redis://{hosts}/{self.database}"
        return f"redis+sentinel://{hosts}/{self.master}/{self.database}"


def redis_address(text: str) -> RedisAddress:
    """What `text` says; raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(text)
    first, second = match["first"], match["second"]
    if match["sentinel"]:
        if first is None:
            raise ValueError(text)
        master, database, port = first, second or "0", _SENTINEL_PORT
    else:
        master, database, port = None, first or "0", _PORT
        if second is not None:
            raise ValueError(text)
    hosts = tuple(_host(part, port) for part in match["hosts"].split(","))
    many = len(hosts) > (_MOST_SENTINELS if match["sentinel"] else 1)
    if many or not database.isascii() or not database.isdigit():
        raise ValueError(text)
    user, password = match["user"] or None, match["password"]
    return RedisAddress(
        hosts,
        master,
        int(database),
        None if user is None else unquote(user),
        None if password is None else unquote(password),
    )


def _host(text: str, port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None:
        raise ValueError(text)
    number = int(match[2]) if match[2] else port
    if not 1 <= number <= 65_535:
        raise ValueError(text)
    return match[1].strip("[]"), number
