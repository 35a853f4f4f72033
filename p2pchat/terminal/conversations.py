"""With whom the person talks: the current conversation, and what is unread in the others.

    ""          all conversations together, where the console begins
    bob@CIC     direct messages with one peer
    #CIC, *     what is published to a namespace, or to everyone

Rules: pure bookkeeping. Whatever is said is in the common backlog and in that of its conversation;
both are bounded, and so is the number of conversations: strangers can open them, and the one in
which nothing was said for longest goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from p2pchat.terminal.backlog import Backlog
from p2pchat.terminal.entries import Kind

if TYPE_CHECKING:
    from p2pchat.terminal.entries import Entry

TOGETHER: Final = ""
MOST: Final = 100
"""Conversations that are kept."""
_ENTRIES, _CHARACTERS = 5000, 2_000_000
_ENTRIES_OF_ONE, _CHARACTERS_OF_ONE = 1000, 200_000
_SPEAKERS: Final = 2000


class Conversation:
    """One of them."""

    def __init__(self, key: str, *, together: bool = False) -> None:
        self.key = key
        self.unread = 0
        """Messages that came while another conversation was on the screen."""
        self.urgent = False
        """Whether one of these is meant for the person."""
        self.backlog = (
            Backlog(_ENTRIES, _CHARACTERS, together=True)
            if together
            else Backlog(_ENTRIES_OF_ONE, _CHARACTERS_OF_ONE)
        )


class Conversations:
    """All of them. `current` is the one on the screen."""

    def __init__(self) -> None:
        self._together = Conversation(TOGETHER, together=True)
        self._all: dict[str, Conversation] = {}
        self._speakers: dict[str, None] = {}
        self._came_from: str | None = None
        self.current = self._together
        self.last_speaker = ""
        """The peer_id of who wrote last; empty while nobody has."""
        self.forgotten = 0
        """Conversations whose place another one took."""

    def has_spoken(self, peer_id: str) -> bool:
        """Whether this peer wrote to us, or we to it, not too long ago."""
        return peer_id in self._speakers

    def unread(self) -> list[Conversation]:
        """Those with unread messages: the urgent ones first, then the longest unread."""
        waiting = [each for each in self._all.values() if each.unread]
        return sorted(waiting, key=lambda each: not each.urgent)

    def add(self, entry: Entry) -> None:
        """Something was said, or happened in a conversation; without one it concerns all."""
        self._together.backlog.add(entry)
        if not entry.where:
            if self.current is not self._together:
                self.current.backlog.add(entry)
            return
        if entry.kind is Kind.EVENT and entry.where not in self._all:
            return
        conversation = self._of(entry.where)
        unread = entry.kind is Kind.MESSAGE and not self._on_screen(conversation)
        conversation.backlog.add(entry, unread=unread)
        if unread:
            conversation.unread += 1
            conversation.urgent = conversation.urgent or entry.named
        if entry.kind is Kind.MESSAGE:
            self.last_speaker = entry.speaker
            self._spoke(entry.speaker)
        elif entry.kind is Kind.OWN:
            self._spoke(entry.where)

    def answer(self, entry: Entry) -> None:
        """A command said something: it is shown where it was asked, and nowhere else."""
        self.current.backlog.add(entry)
        self.current.backlog.follow()

    def switch(self, key: str) -> None:
        """Put another conversation on the screen; `TOGETHER` for all."""
        if key == self.current.key:
            return
        self.current.backlog.read()
        self.current.backlog.follow()
        self.current = self._together if key == TOGETHER else self._of(key)
        seen = [*self._all.values()] if key == TOGETHER else [self.current]
        for conversation in seen:
            conversation.unread, conversation.urgent = 0, False

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
        return self.current in (conversation, self._together)

    def _of(self, key: str) -> Conversation:
        """The conversation, made if it is new; it is now the one that was active last."""
        conversation = self._all.pop(key, None) or Conversation(key)
        self._all[key] = conversation
        if len(self._all) > MOST:
            oldest = next(key for key, each in self._all.items() if each is not self.current)
            del self._all[oldest]
            self.forgotten += 1
        return conversation

    def _spoke(self, peer_id: str) -> None:
        self._speakers.pop(peer_id, None)
        self._speakers[peer_id] = None
        if len(self._speakers) > _SPEAKERS:
            del self._speakers[next(iter(self._speakers))]
