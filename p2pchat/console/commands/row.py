"""What one row of the command table is, and what a command has at hand when it runs or waits.

Rules: a command is given what follows its name, and answers; it prints nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from p2pchat.console.commands.said import LastSaid
from p2pchat.console.commands.sent import SentMessages
from p2pchat.console.replies import Answer, Reply, wrong
from p2pchat.node.node import ChatNode
from p2pchat.speech import _

_LOOK: Final = 0.02


class Person(Protocol):
    """Who types commands at a node, and what is known of them."""

    node: ChatNode
    clock: IReactorTime
    sent: SentMessages
    """Their direct messages."""
    published: int
    """How many messages they published to at least one peer."""
    forgotten: Callable[[str], None]
    """Called with the peer_id when what was said by and to a peer has been deleted."""
    interactive: bool
    """Whether a person types, who can be asked; a script cannot."""
    said: LastSaid
    """What they said last, and where."""
    where: Callable[[], str]
    """The current conversation; empty where there is none."""

    def confirmed(self, what: str) -> bool:
        """Whether they have just been asked this: then they mean it. Else that is noted now."""


class Command(Struct, frozen=True):
    """One row of the table."""

    name: str
    arguments: str
    summary: str
    """What it does, in English; a literal that is marked with `N_`. Show it with `_`."""
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
        usage = _("usage: {usage}").format(usage=self.usage)
        return wrong(f"{usage} ({why})" if why else usage)


def until(clock: IReactorTime, come: Callable[[], bool], seconds: float) -> Deferred[None]:
    """Fires when `come` says so, which is asked every 20 ms, or when so many seconds have passed.

    It may have fired already when it is returned.
    """
    deadline = clock.seconds() + seconds
    over: Deferred[None] = Deferred()

    def look() -> None:
        if come() or clock.seconds() >= deadline:
            over.callback(None)
        else:
            clock.callLater(_LOOK, look)

    look()
    return over
