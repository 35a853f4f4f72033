"""The page of a node, for who opens and closes it: a console, or a program at the control socket.

Rules: the node itself has none. Who wires a program together says what opens it.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred


class Link(Struct, frozen=True):
    """The way to the page."""

    url: str
    """With a token that can be used once, within two minutes."""
    port: int
    pages: int
    """How many pages hear of the node already."""


class IPage(Protocol):
    """What opens it."""

    def open(self, port: int = 0) -> Link:
        """Serve it, unless it is served already, and give a link.

        `port`: where; 0 leaves that to the settings, which leave it to chance. Raises
        `CannotStartError` with a sentence.
        """

    def close(self) -> Deferred[None]:
        """Serve it no more, and end all pages; fires when its port is closed."""

    def waits(self, token: str) -> bool:
        """Whether a link with this token can still be used."""
