"""What is being typed, for each conversation.

Rules: what was typed in one conversation never stands in another: it waits until that is opened
again. The Up key brings back what was said in the conversation that is open, and commands of all.
"""

from __future__ import annotations

from typing import Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.past_lines import PastLines

MOST: Final = 1_000_000
"""Characters of drafts that are kept; the oldest go."""


class Drafts:
    """Keeps the `line` of each of these conversations, and tells `past` which one is open."""

    def __init__(self, line: Buffer, past: PastLines, conversations: Conversations) -> None:
        self._line = line
        self._past = past
        self._waiting: dict[str, Document] = {}
        conversations.on_moved = self._moved
        conversations.on_taken_out = self._taken_out

    def _moved(self, before: str, after: str) -> None:
        """Another conversation came onto the screen."""
        self._waiting.pop(before, None)
        if self._line.text:
            self._waiting[before] = Document(self._line.text, self._line.cursor_position)
            characters = sum(len(each.text) for each in self._waiting.values())
            while characters > MOST and len(self._waiting) > 1:
                characters -= len(self._waiting.pop(next(iter(self._waiting))).text)
        self._past.where = after
        self._line.reset(self._waiting.pop(after, None))

    def _taken_out(self, peer_id: str) -> None:
        """Nothing is to be left of what was said to this peer."""
        self._waiting.pop(peer_id, None)
        self._past.take_words_out(peer_id)
        # With the lines that are left.
        self._line.reset(self._line.document)
