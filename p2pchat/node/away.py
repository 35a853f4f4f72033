"""Who is away: what our peers say of themselves, and what we say of us.

    say("lunch")  ->  AWAY to each p2pchat that lists the feature, also on each link that opens
    AWAY  ->  heard  ->  away_changed, of one peer once in `EVERY` seconds at most

Rules: no I/O. Kept by nobody: what a peer said is forgotten with its last link. What a less safe
link says than the one that is written to counts for nothing. The text is made printable here. Of
strangers the observers are told at a pace that leaves the screen to others, of a friend always.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.news import NotSentError
from p2pchat.node.observers import Observers
from p2pchat.speech import Sentence
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import AWAY, Away
from p2pchat.wire.names import in_cells
from p2pchat.wire.text import printable

MOST: Final = 80
"""Characters of a text."""
EVERY: Final = 10.0
"""Seconds between two times that the observers are told of one peer."""
STRANGERS: Final = 2.0
"""Times a second that the observers are told of strangers, in all."""
AT_ONCE: Final = 20.0
"""The same after a quiet time."""
_LINKS_A_SWEEP: Final = 500


class Absences:
    """Of one node. Call `opened` and `closed` for each link, and `sweep` several times a second."""

    def __init__(self, context: LinkContext, peers: PeerTable, observers: Observers) -> None:
        self._context = context
        self._peers = peers
        self._observers = observers
        self.own = ""
        """What we say; empty while we are here."""
        self._line = b""
        self._to_tell: dict[IPeerLink, None] = {}
        self._texts: dict[Peer, str] = {}
        self._processes: dict[Peer, str] = {}
        """Which process of a peer said so, by its instance."""
        self._told: dict[Peer, tuple[float, str]] = {}
        """When the observers were told of a peer last, and what."""
        self._friends_pending: dict[Peer, None] = {}
        self._strangers_pending: dict[Peer, None] = {}
        self._allowance = TokenBucket(STRANGERS, 0.0, AT_ONCE)
        self.ignores: Callable[[str], bool] = lambda _: False
        """Whether a peer is one of whom nothing is to be heard."""

    def text_of(self, peer_id: str) -> str:
        """What a peer says, printable; empty for one that is here, or says nothing."""
        peer = self._peers.get(peer_id)
        return "" if peer is None or self.ignores(peer_id) else self._texts.get(peer, "")

    # ------------------------------------------------------------ what we say

    def say(self, text: str) -> None:
        """Tell all that listen why we are away; an empty text tells that we are back.

        Raises `NotSentError` for a text that is too long.
        """
        text = printable(" ".join(text.split()))
        if len(text) > MOST:
            sentence = Sentence(
                "that has {count} characters, and {most} are shown beside a name",
                count=len(text),
                most=MOST,
            )
            raise NotSentError(sentence)
        if text == self.own:
            return
        self.own = text
        self._line = encode(Away(self._context.new_id(), text))
        for peer in self._peers.connected():
            self._to_tell.update(dict.fromkeys(peer.links))
        self._tell_some()

    def opened(self, peer: Peer, link: IPeerLink, now: float) -> None:
        """A link is new: what we say is said on it, also that we are back.

        What another process of the peer said counts no more. Its link may be dead for a while
        without anybody knowing.
        """
        process = self._processes.get(peer, link.instance)
        if process != link.instance and self._counts(peer, link) and self._texts.pop(peer, ""):
            self._told[peer] = (now, self._told.get(peer, (now, ""))[1])
            pending = self._friends_pending if self._is_friend(peer) else self._strangers_pending
            pending[peer] = None
        if self._line:
            self._to_tell[link] = None
            self._tell_some()

    def _tell_some(self) -> None:
        for link in [*islice(self._to_tell, _LINKS_A_SWEEP)]:
            del self._to_tell[link]
            if AWAY in link.shared and not link.leaving and not link.send(self._line):
                self._to_tell[link] = None  # there was no room

    # ------------------------------------------------------------ what others say

    def heard(self, peer: Peer, link: IPeerLink, message: Away, now: float) -> None:
        """A peer says that it is away, or back."""
        if not self._counts(peer, link):
            return
        self._processes[peer] = link.instance
        text = in_cells(printable(message.text[: MOST + 1]), MOST)
        if text == self._texts.get(peer, ""):
            return
        if text:
            self._texts[peer] = text
        else:
            del self._texts[peer]
        pending = self._friends_pending if self._is_friend(peer) else self._strangers_pending
        pending[peer] = None
        self._look(peer, now, pending)

    def _counts(self, peer: Peer, link: IPeerLink) -> bool:
        """Whether a link is as safe as the one that is written to."""
        used = peer.link_in_use if peer.links else link
        return used.key is None or (link.key is not None and link.security == used.security)

    def closed(self, peer: Peer, link: IPeerLink) -> None:
        """A link is gone."""
        self._to_tell.pop(link, None)
        if not peer.links:
            self._texts.pop(peer, None)
            self._processes.pop(peer, None)
            self._told.pop(peer, None)
            self._friends_pending.pop(peer, None)
            self._strangers_pending.pop(peer, None)

    @property
    def at_rest(self) -> bool:
        """Whether `sweep` has nothing to do."""
        return not (self._to_tell or self._friends_pending or self._strangers_pending)

    def sweep(self, now: float) -> None:
        """Tell what could not be told yet."""
        if self._to_tell:
            self._tell_some()
        for pending in (self._friends_pending, self._strangers_pending):
            for peer in [*islice(pending, _LINKS_A_SWEEP)]:
                self._look(peer, now, pending)

    def _is_friend(self, peer: Peer) -> bool:
        return peer.peer_id in self._peers.friends

    def _look(self, peer: Peer, now: float, pending: dict[Peer, None]) -> None:
        text, (at, before) = self._texts.get(peer, ""), self._told.get(peer, (-EVERY, ""))
        if now - at < EVERY:
            return
        ignored = self.ignores(peer.peer_id)
        paced = text != before and not ignored and not self._is_friend(peer)
        if paced and not self._allowance.take_some(1, now):
            return
        del pending[peer]
        if text != before:
            self._told[peer] = (now, text)
            if not ignored:
                self._observers.away_changed(peer, text)
