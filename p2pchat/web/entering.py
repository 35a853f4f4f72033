"""The one secret of the page: a key, for which a link's token is exchanged.

    token = entry.token(now)     for a link: once, within 120 s
    entry.key_for(token, now)    the key, or None
    entry.has_key(given)         whether this is the key
    entry.renew()                all who have the old key are out

Rules: no I/O; time is passed in. The key is made with the process, and never written anywhere. A
token is worth one exchange, few are outstanding, and the oldest goes.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final

LASTS: Final = 120.0
"""Seconds that a token is worth something."""
MOST: Final = 16
"""Tokens that are outstanding."""
_BYTES: Final = 32


class Entry:
    """The key of one node's pages, and the tokens for it. `random_bytes`: from the system."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._tokens: dict[str, float] = {}
        self.key = self._secret()
        """What a page shows with each request."""

    def token(self, now: float) -> str:
        """A new token."""
        self._look(now)
        while len(self._tokens) >= MOST:
            del self._tokens[next(iter(self._tokens))]
        token = self._secret()
        self._tokens[token] = now + LASTS
        return token

    def waits(self, token: str, now: float) -> bool:
        """Whether nobody has used this token yet, and somebody still can."""
        self._look(now)
        return token in self._tokens

    def key_for(self, given: str, now: float) -> str | None:
        """The key for a token, which is used up; None for a wrong or an old one."""
        self._look(now)
        # All are compared, in a time that tells nothing.
        right = [token for token in self._tokens if _same(token, given)]
        for token in right:
            del self._tokens[token]
        return self.key if right else None

    def has_key(self, given: str) -> bool:
        """Whether this is the key."""
        return _same(self.key, given)

    def renew(self) -> None:
        """Make another key; the tokens for the old one are worth nothing."""
        self._tokens.clear()
        self.key = self._secret()

    def _look(self, now: float) -> None:
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}

    def _secret(self) -> str:
        # As short as can be: a link is longer than many a terminal is wide.
        return urlsafe_b64encode(self._random_bytes(_BYTES)).rstrip(b"=").decode()


def _same(secret: str, given: str) -> bool:
    return hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))
