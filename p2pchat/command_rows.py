"""What one row of the command table is, and what a command has at hand when it runs.

Rules: a command knows the node by the protocols here and no other way, so that it runs against any
node that has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from p2pchat.outbox import Outbox, Sender
from p2pchat.replies import wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from p2pchat.interfaces import IHistory
    from p2pchat.presence import Presence
    from p2pchat.replies import Answer, Reply
    from p2pchat.router import Published
    from p2pchat.session import Identity
    from p2pchat.stats import Statistics


class Dials(Protocol):
    """What /reconnect needs of a mesh."""

    def reconnect(self) -> int:
        """Dial every known peer that is not connected; returns how many."""


class Node(Sender, Protocol):
    """What commands need of a node."""

    me: Identity
    presence: Presence
    history: IHistory | None

    @property
    def statistics(self) -> Statistics:
        """All counters and limits."""

    @property
    def mesh(self) -> Dials:
        """Whoever dials."""

    def publish(self, scope: str, payload: str) -> Published:
        """Publish to `*` or `#namespace`, or raise `NotSentError`."""


class Person(Protocol):
    """Who types commands at a node, and what is known of them."""

    node: Node
    clock: IReactorTime
    wall_clock: Callable[[], float]
    """Seconds since the epoch."""
    outbox: Outbox
    """Their direct messages."""
    published: int
    """How many messages they published to at least one peer."""
    forgotten: Callable[[str], None]
    """Called with the peer_id when what was said by and to a peer has been deleted."""


class Command(Struct, frozen=True):
    """One row of the table."""

    name: str
    arguments: str
    summary: str
    run: Callable[[Person, str], Answer]
    """Gets what follows the name, without the white space before it."""
    needs_peers: bool = True
    """Whether its outcome depends on whom we have met."""

    @property
    def usage(self) -> str:
        """How it is written."""
        return f"/{self.name} {self.arguments}".rstrip()

    def misused(self, why: str = "") -> Reply:
        """What to answer when what follows the name cannot be understood."""
        usage = f"usage: {self.usage}"
        return wrong(f"{usage} ({why})" if why else usage)
