"""Takes out of the hash of a shared registry what has ended: one server at a time does it.

Rules: who ended long ago is taken out only, and some at a time. What cannot be read is left alone.
Nothing depends on it but the size of the hash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final

from p2pchat.rendezvous.stores.changes import read_field, scanned_in
from p2pchat.rendezvous.stores.redis import Redis

EVERY: Final = 60.0
"""Seconds between two times."""
_SCAN: Final = 1000
_MOST_AT_ONCE: Final = 2 * _SCAN
"""Fields of a look that are looked at: Redis gives a few more than it is asked for."""
_LOOKS: Final = 1000
"""Looks of one time: more than a full registry takes."""
_PAUSE: Final = 1.0
"""Seconds between two looks at `_SCAN` fields."""
_ENDED: Final = 3600.0
"""Seconds since it has ended: a server that was away for that long may still renew it."""


async def tidy(
    redis: Redis,
    server: str,
    prefix: str,
    wall: Callable[[], float],
    pause: Callable[[float], Awaitable[None]],
) -> int:
    """Do it once, unless another server does it; how many were taken out. Fails as `redis` does."""
    place = f"{prefix}janitor"
    if await redis.call("SET", place, server, "NX", "EX", int(EVERY)) != b"OK":
        return 0
    cursor, count = b"0", 0
    for _ in range(_LOOKS):
        reply = await redis.call("HSCAN", f"{prefix}all", cursor, "COUNT", _SCAN)
        cursor, _, pairs = scanned_in(reply)
        before = wall() - _ENDED
        ended = []
        for field, value in islice(pairs, _MOST_AT_ONCE):
            change = read_field(field, value)
            if change is not None and change.until < before:
                ended.append(field)
        if ended:
            await redis.call("HDEL", f"{prefix}all", *ended)
            count += len(ended)
        if cursor == b"0":
            break
        await pause(_PAUSE)
    return count
