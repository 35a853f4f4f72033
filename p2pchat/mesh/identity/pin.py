"""One pin: the key that a name is known by, and how well.

LIGHT      in memory: while a link with that key is open, and for 10 minutes after its end
BY_TIME    on disk, after an hour of open links that nobody contested; goes when there are many
BY_PERSON  on disk, after a direct message, /verify, /pair or /trust; never goes by itself
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from p2pchat.mesh.identity.key_text import fingerprint


class Hold(IntEnum):
    """How firmly a pin holds; what holds refuses, however firmly."""

    LIGHT = 0
    BY_TIME = 1
    BY_PERSON = 2


class Change(Struct):
    """What is known about the changes of a name's key; few names have any."""

    next: bytes = b""
    """The key that is to follow, as the pinned one has stated; empty for none."""
    second: bytes = b""
    """Another one of which it has stated the same. Then neither follows: one is a thief's."""
    count: int = 0
    """The largest `Statement.count` of this name; /trust does not change it."""
    announced: float = 0.0
    """Seconds of the wall clock at which `next`, or the present key, was stated."""
    former: bytes = b""
    """The key that the present one has replaced; empty for none."""
    moved: float = 0.0
    """Seconds of the wall clock at which the key came that had been stated; 0: it did not."""


class Pin(Struct):
    """What is known about the key of a name. Only `KnownKeys` changes it."""

    peer_id: str
    chosen: str
    """The fingerprint, where it came before the key; else it may be empty until it is asked for."""
    key: bytes | None
    """32 bytes; None when /trust came before the first contact, and the first key with this
    fingerprint becomes it."""
    since: float
    """Seconds of the wall clock at which this key was first seen under this name."""
    seen: float
    """The same for the last time."""
    ip: str = ""
    """From where it came last; empty when it is not known."""
    hold: Hold = Hold.LIGHT
    verified: float | None = None
    """Seconds of the wall clock at which the person has compared the fingerprint."""
    by_code: bool = False
    """Whether that was done by a code, which both programs have compared: see `/pair`."""
    trusted: bool = False
    """Whether the person has chosen this key with /trust."""
    contested: bool = False
    """Whether somebody else claimed the name while the pin was light."""
    fleeting: bool = False
    """Whether the key ends with its process: such a pin is never settled."""
    links: int = 0
    """Open links with this key."""
    open_since: float = 0.0
    """Since when there is one, by the node's clock; without one, when the last ended."""
    open_before: float = 0.0
    """Seconds for which there were links before."""
    line: int = 0
    """The number of the line that settles it; see `PinFile.written`."""

    change: Change | None = None
    """What is known about changes of the key."""

    @property
    def fingerprint(self) -> str:
        """As it is shown: `XXXX-XXXX-XXXX-XXXX`."""
        if not self.chosen and self.key is not None:  # those of a whole file take too long at start
            self.chosen = fingerprint(self.key)
        return self.chosen

    @property
    def settled(self) -> bool:
        """Whether it is on disk."""
        return self.hold > Hold.LIGHT

    def has(self, key: bytes) -> bool:
        """Whether this is the key."""
        return key == self.key if self.key is not None else fingerprint(key) == self.fingerprint

    def follows(self, key: bytes) -> bool:
        """Whether this key is to follow: the first link with it moves the pin."""
        change = self.change
        return change is not None and not change.second and change.next == key

    def was(self, key: bytes) -> bool:
        """Whether this is the key that the present one has replaced."""
        return self.change is not None and self.change.former == key
