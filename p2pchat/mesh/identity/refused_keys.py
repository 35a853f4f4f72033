"""Keys that were refused under a name: for /trust, for /keys, and for Tab.

Rules: four a name, newest first; the names whose last refusal is oldest go. Nothing here decides
whether a key is taken: /trust takes any fingerprint, also one that was flushed out of here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from p2pchat.mesh.identity.key_text import fingerprint

A_NAME: Final = 4
"""Keys that are remembered for one name."""
MOST_NAMES: Final = 10_000
"""Names for which any are."""
COMPLETED_FOR: Final = 3600.0
"""Seconds for which Tab offers a key that was refused."""


class RefusedKey(NamedTuple):
    """A key that somebody came with, and was refused."""

    key: bytes
    fingerprint: str
    at: float
    """Seconds of the wall clock of the last time."""
    ip: str


class RefusedKeys:
    """The keys of each name."""

    def __init__(self) -> None:
        self._keys: dict[str, list[RefusedKey]] = {}

    def add(self, peer_id: str, key: bytes, ip: str, at: float) -> None:
        """A key was refused."""
        keys = [old for old in self._keys.pop(peer_id, ()) if old.key != key]
        keys.insert(0, RefusedKey(key, fingerprint(key), at, ip))
        del keys[A_NAME:]
        self._keys[peer_id] = keys
        if len(self._keys) > MOST_NAMES:
            del self._keys[next(iter(self._keys))]

    def of(self, peer_id: str) -> list[RefusedKey]:
        """Those of a name, newest first."""
        return [*self._keys.get(peer_id, ())]

    def names(self) -> list[str]:
        """The names under which any were refused, the latest first."""
        return [*reversed(self._keys)]

    def with_fingerprint(self, peer_id: str, wanted: str) -> bytes | None:
        """The key of a name that has this fingerprint, as far as it is remembered."""
        return next((old.key for old in self.of(peer_id) if old.fingerprint == wanted), None)

    def forget(self, peer_id: str, key: bytes | None = None) -> None:
        """One key of a name, or all of them, were not refused after all."""
        left = [old for old in self._keys.pop(peer_id, ()) if key is not None and old.key != key]
        if left:
            self._keys[peer_id] = left
