"""What the console says first: who one is, who is there, how to talk.

Rules: who is there is not known at once, so that sentence is kept up to date until something is
typed. It names few, whoever else is there.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import nsmallest
from typing import Final

from p2pchat import __version__
from p2pchat.console.full.entries import EntryKind, PaneEntry
from p2pchat.node.node import ChatNode
from p2pchat.wire.names import bracketed, visible

_NAMED: Final = 3


class Welcome:
    """The first lines. `add` shows an entry; call `look` now and then until `over`."""

    def __init__(
        self, node: ChatNode, wall_clock: Callable[[], float], add: Callable[[PaneEntry], None]
    ) -> None:
        self._node = node
        self._wall_clock = wall_clock
        self._add = add
        self._who: PaneEntry | None = None

    def show(self) -> None:
        """Say it."""
        node = self._node
        own = bracketed(node.me.peer_id)
        self._say(f"p2pchat {__version__}: you are {own}, port {node.port}")
        self._say(f"the rendezvous, where peers find each other: {node.presence.directory.address}")
        self._who = self._say(self._sentence())
        self._say("type /to and a name to talk with somebody; /help for help")

    def look(self) -> bool:
        """Whether there is something new to draw."""
        if self._who is None or self._who.text == (sentence := f"* {self._sentence()}"):
            return False
        self._who.text, self._who.drawn = sentence, None
        return True

    def over(self) -> None:
        """The person knows: what was said stays as it is."""
        self._who = None

    def _say(self, sentence: str) -> PaneEntry:
        entry = PaneEntry(self._wall_clock(), EntryKind.EVENT, f"* {sentence}")
        self._add(entry)
        return entry

    def _sentence(self) -> str:
        count = self._node.peers.count_connected()
        if not count:
            return "nobody else is connected yet"
        here = nsmallest(_NAMED, (peer.peer_id for peer in self._node.peers.connected()))
        named = ", ".join(map(bracketed, here))
        more = f" and {count - _NAMED:,} more (/peers)" if count > _NAMED else ""
        are = "is" if count == 1 else "are"
        return f"{named}{more} {are} connected: /to {visible(here[0])} opens a conversation"
