"""With whom the person talks: the current conversation, and what is unread in the others.

    ""          all conversations together, where the console begins
    bob@CIC     direct messages with one peer
    #CIC, *     what is published to a namespace, or to everyone

Rules: pure bookkeeping. Whatever is said is in the common backlog and in that of its conversation;
both are bounded, and so is the number of conversations: strangers can open them. Of theirs the one
in which nothing was said for longest goes, and one of a friend only when there is no other. All
together show what comes, and so it is seen there; but a conversation with unread messages of
earlier sessions stays unread until it is opened itself.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple

from p2pchat.console.full.backlog import Backlog
from p2pchat.console.full.edits import Change
from p2pchat.console.full.entries import EntryKind, PaneEntry
from p2pchat.console.full.order import Order
from p2pchat.console.full.past_view import PastView
from p2pchat.console.full.scrolled import Scrolled
from p2pchat.node.unread import TOGETHER
from p2pchat.node.unread import Unread as Counts
from p2pchat.wire.address import EVERYONE

MOST: Final = 100
"""Conversations that are kept."""
_ENTRIES, _CHARACTERS = 5000, 2_000_000
_ENTRIES_OF_ONE, _CHARACTERS_OF_ONE = 1000, 200_000
_SPEAKERS: Final = 2000


class Unread(NamedTuple):
    """What is unread in a conversation."""

    key: str
    messages: int
    urgent: bool
    """Whether some of it is meant for the person."""


class Conversation:
    """One of them."""

    def __init__(self, key: str, *, together: bool = False) -> None:
        self.key = key
        self.urgent = False
        """Whether a message is meant for the person that came while another conversation was on the
        screen."""
        self.ours = False
        """Whether we said something in it in this session."""
        self.complete = False
        """Whether what was said in earlier sessions is in the backlog, too."""
        self.backlog = (
            Backlog(_ENTRIES, _CHARACTERS, together=True)
            if together
            else Backlog(_ENTRIES_OF_ONE, _CHARACTERS_OF_ONE)
        )
        self.past: PastView | None = None
        """What was gone back to, in place of the backlog."""

    @property
    def view(self) -> Scrolled:
        """What is on the screen while this is the current conversation."""
        return self.backlog if self.past is None else self.past

    def follow(self) -> None:
        """Back to the end."""
        self.past = None
        self.backlog.follow()


class Conversations:
    """All of them. `current` is the one on the screen.

    `on_shown` is called when a conversation comes onto the screen, `on_moved` with the keys of the
    one before and of this one, `on_seen` with the key of one of which all has been seen, and
    `on_taken_out` with the peer_id of whom nothing is to be left.
    `earlier`: conversation -> unread messages of earlier sessions.
    `friends`: those to whom we ever wrote; `home`: the scope of our own namespace. `counts`: what
    is unread, for all surfaces of the node.
    """

    def __init__(
        self, friends: Container[str] = (), home: str = "", counts: Counts | None = None
    ) -> None:
        self._friends = friends
        self._counts = Counts() if counts is None else counts
        self._usual = (home, EVERYONE)
        self._together = Conversation(TOGETHER, together=True)
        self._all: dict[str, Conversation] = {}
        self._speakers: dict[str, None] = {}
        self._friends_who_spoke: dict[str, None] = {}
        self._came_from: str | None = None
        self.order = Order(TOGETHER)
        """The list of conversations; ask `listed` for all that are in it."""
        self.current = self._together
        self._counts.open(self, TOGETHER)
        self.earlier: Mapping[str, int] = {}
        self.on_shown: Callable[[Conversation], None] = lambda _: None
        self.on_seen: Callable[[str], None] = lambda _: None
        self.on_moved: Callable[[str, str], None] = lambda *_: None
        self.on_taken_out: Callable[[str], None] = lambda _: None
        self.last_speaker = ""
        """The peer_id of who wrote last; empty while nobody has."""
        self.forgotten = 0
        """Conversations whose place another one took."""
        self.called: Callable[[str], str] = str
        """What the person calls a peer."""
        self.taken_out = 0
        """How often a peer's messages were taken out."""

    def has_spoken(self, peer_id: str) -> bool:
        """Whether this peer wrote to us, or we to it, not too long ago."""
        return peer_id in self._speakers or peer_id in self._friends_who_spoke

    def unread(self) -> list[Unread]:
        """Those with unread messages: friends first, then the urgent ones, the longest unread."""
        unread: Iterable[str] = dict.fromkeys((*self.earlier, *self._counts.counts))
        if len(self.earlier) + len(self._counts.counts) >= MOST:
            unread = sorted(unread, key=self._is_foreign)
        keys = dict.fromkeys(islice(unread, MOST - 1))
        keys.pop(self.current.key, None)
        return sorted(
            map(self._unread, keys),
            key=lambda each: (each.key not in self._friends, not each.urgent),
        )

    def listed(self) -> list[Unread]:
        """The list of conversations, each with what is unread in it; all together is the first."""
        self.order.add(each.key for each in self.unread())
        return [self._unread(key) for key in self.order]

    def _is_foreign(self, key: str) -> bool:
        """Whether a conversation is none of a friend, of a usual scope, or of those we spoke in."""
        each = self._all.get(key)
        ours = each is not None and each.ours
        return not ours and key not in self._friends and key not in self._usual

    def _unread(self, key: str) -> Unread:
        messages = self._counts.counts.get(key, 0) + self.earlier.get(key, 0)
        each = self._all.get(key)
        urgent = messages > 0 and not key.startswith(("#", EVERYONE))
        return Unread(key, messages, urgent or (each is not None and each.urgent))

    def add(self, entry: PaneEntry) -> None:
        """Something was said, or happened in a conversation; without one it concerns all."""
        self._together.backlog.add(entry)
        if not entry.where:
            if self.current is not self._together:
                self.current.backlog.add(entry)
            return
        if entry.kind is EntryKind.EVENT and entry.where not in self._all:
            return
        conversation = self._of(entry.where)
        unread = entry.kind is EntryKind.MESSAGE and not self._on_screen(conversation)
        conversation.backlog.add(entry, unread=unread)
        if unread:
            conversation.urgent = conversation.urgent or entry.named
        elif entry.kind is EntryKind.MESSAGE:
            self.on_seen(entry.where)
        if entry.kind is EntryKind.MESSAGE:
            self.last_speaker = entry.speaker
            self._spoke(entry.speaker)
        elif entry.kind is EntryKind.OWN:
            conversation.ours = True
            self._spoke(entry.where)

    def answer(self, entry: PaneEntry) -> None:
        """A command said something: it is shown where it was asked, and nowhere else."""
        self.current.backlog.add(entry)
        self.current.follow()

    def change(self, change: Change) -> list[PaneEntry]:
        """Give what was said another text where it is shown; the entries that have it now."""
        shown = [self._together, self._all.get(change.where)]
        found: list[PaneEntry] = []
        for each in shown:
            entry = None if each is None else each.backlog.find(change)
            if entry is not None and each is not None:
                each.backlog.grew(len(change.text) - len(entry.text))
                found.append(entry)
        for entry in found:
            entry.first_text = entry.text if entry.first_text is None else entry.first_text
            entry.text, entry.edited, entry.drawn = change.text, True, None
        return found

    def switch(self, key: str) -> None:
        """Put another conversation on the screen; `TOGETHER` for all."""
        if key == self.current.key:
            return
        self.current.backlog.read()
        self.current.follow()
        before = self.current.key
        self.current = self._together if key == TOGETHER else self._of(key)
        self._counts.open(self, key)
        self.on_moved(before, key)
        for conversation in [*self._all.values()]:
            if self._on_screen(conversation) and self._unread(conversation.key).messages:
                conversation.urgent = False
                self.on_seen(conversation.key)
        self.on_shown(self.current)

    def close(self, key: str) -> bool:
        """Take a conversation off the list, as seen, until something is said in it; False if none.

        All together stays.
        """
        if key == TOGETHER or key not in self.order:
            return False
        if key == self.current.key:
            self.switch(self.order.beside(key, -1))
        if self._unread(key).messages:
            self.on_seen(key)
        self._all.pop(key, None)
        self.order.remove(key)
        return True

    def take_out(self, peer_id: str) -> None:
        """Forget what was said by and to a peer."""
        self.taken_out += 1
        for each in (self._together, *self._all.values()):
            each.backlog.take_out(lambda entry: peer_id in (entry.where, entry.speaker))
            each.past = None
        if peer_id in self._all:
            self._all[peer_id].urgent = False
        self.on_taken_out(peer_id)

    def next_unread(self) -> bool:
        """Go to the next unread conversation, or back to where this began; False for neither."""
        waiting = self.unread()
        if waiting:
            if self._came_from is None:
                self._came_from = self.current.key
            self.switch(waiting[0].key)
            return True
        if self._came_from is None or self._came_from == self.current.key:
            return False
        key, self._came_from = self._came_from, None
        self.switch(key)
        return True

    def _on_screen(self, conversation: Conversation) -> bool:
        if self.current is self._together:
            return conversation.key not in self.earlier
        return conversation is self.current

    def _of(self, key: str) -> Conversation:
        """The conversation, made if it is new; it is now the one that was active last."""
        conversation = self._all.pop(key, None) or Conversation(key)
        self._all[key] = conversation
        self.order.add([key])
        if len(self._all) > MOST:
            others = [key for key, each in self._all.items() if each is not self.current]
            # The one that is active now was just made, and stays.
            gone = next(filter(self._is_foreign, others[:-1]), others[0])
            del self._all[gone]
            self.order.remove(gone)
            self.forgotten += 1
        return conversation

    def _spoke(self, peer_id: str) -> None:
        self._speakers.pop(peer_id, None)
        spoke = self._friends_who_spoke if peer_id in self._friends else self._speakers
        spoke.pop(peer_id, None)
        spoke[peer_id] = None
        if len(spoke) > _SPEAKERS:
            del spoke[next(iter(spoke))]
