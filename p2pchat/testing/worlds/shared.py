"""What all nodes of a world share: its network, its account, its settings, and their makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from msgspec import Struct

from p2pchat.settings.values import Settings
from p2pchat.testing.neighbours import FakeLan
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.worlds.account import Account
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.narrow import USUAL
from p2pchat.testing.worlds.unread import Unread


class Shared(Struct, eq=False):
    """What all nodes of a world share."""

    town: FakeTown
    account: Account
    tell: Callable[[str], None]
    found: Callable[[Violation], None]
    counts: Counter[str]
    """What happened, and how often."""
    unread: Unread
    settings: Settings = USUAL
    """Those of every node."""
    clocks_jump: bool = False
    """Whether a wall clock may jump, so that a message may seem older than it is."""
    older: Collection[str] = ()
    """The nodes of the version before this one."""
    sealed: Collection[str] = ()
    """The nodes that encrypt."""
    books: bool = False
    """Whether the nodes keep books of whom they met, and where."""
    gave_up: Callable[[str], None] = lambda _: None
    """To be told whose message was told to have waited for too long."""
    lan: FakeLan | None = None
    """The network on which they hear each other's beacons, if they do."""

    def of_today(self, *names: str) -> bool:
        """Whether all of these say what this version says."""
        return not any(name in self.older for name in names)
