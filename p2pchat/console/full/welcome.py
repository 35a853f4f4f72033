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
from p2pchat.speech import _, ngettext
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
        who = _("p2pchat {version}: you are {me}, port {port}")
        own = bracketed(node.me.peer_id)
        self._say(who.format(version=__version__, me=own, port=node.port))
        where = _("the rendezvous, where peers find each other: {address}")
        self._say(where.format(address=node.presence.directory.address))
        self._who = self._say(self._sentence())
        self._say(_("type /to and a name to talk with somebody; /help for help"))

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
            return _("nobody else is connected yet")
        here = nsmallest(_NAMED, (peer.peer_id for peer in self._node.peers.connected()))
        named = ", ".join(map(bracketed, here))
        others = count - _NAMED
        if others > 0:
            text = ngettext(
                "{named} and {n:,} more (/peers) are connected: /to {first} opens a conversation",
                "{named} and {n:,} more (/peers) are connected: /to {first} opens a conversation",
                others,
            )
        elif count == 1:
            text = _("{named} is connected: /to {first} opens a conversation")
        else:
            text = _("{named} are connected: /to {first} opens a conversation")
        return text.format(named=named, n=others, first=visible(here[0]))
