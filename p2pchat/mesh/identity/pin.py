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
