"""Which messages were there before: the ids of the latest ones, and how an odd id is compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

if TYPE_CHECKING:
    from p2pchat.messages import Pub, Send

LONGEST_ID: Final = 128
"""Characters of an id that is remembered as it is; no honest one is longer."""
_NOTHING: Final[frozenset[str]] = frozenset()


class RecentIds:
    """The ids of the last messages, at least half of `limit` and at most all of it.

    Ids are kept by sender: nobody can make us take somebody else's message for a repetition. Two
    generations that take turns cost less than a queue: when one is full, the older one goes.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._recent: dict[str, set[str]] = {}
        self._older: dict[str, set[str]] = {}
        self._recent_count = 0
        self._older_count = 0

    def fresh(self, peer_id: str, messages: list[Send | Pub]) -> list[Send | Pub]:
        """Remember what a peer sent; returns what was not there before, in its order."""
        ids = [message.msg_id for message in messages]
        usual = _usual(ids)
        if (
            usual is not None
            and self._recent.get(peer_id, _NOTHING).isdisjoint(usual)
            and self._older.get(peer_id, _NOTHING).isdisjoint(usual)
            and len(usual) <= self._half - self._recent_count
        ):
            # What nearly every chunk is: different ids, none seen before, and room for them all.
            self._recent.setdefault(peer_id, set()).update(usual)
            self._count(len(usual))
            return messages
        return [
            message
            for message in messages
            if not (key := id_text(message.msg_id)) or self.is_new(peer_id, key)
        ]

    def is_new(self, peer_id: str, key: str) -> bool:
        """Remember one id, as `id_text` writes it; False when it was remembered already."""
        recent = self._recent.get(peer_id)
        if recent is None:
            recent = self._recent[peer_id] = set()
        if key in recent or key in self._older.get(peer_id, _NOTHING):
            return False
        recent.add(key)
        self._count(1)
        return True

    def forget(self, peer_id: str, key: str) -> None:
        """Take an id for new the next time."""
        for ids in (self._recent.get(peer_id), self._older.get(peer_id)):
            if ids is not None:
                ids.discard(key)

    def _count(self, more: int) -> None:
        self._recent_count += more
        if self._recent_count >= self._half:
            self._older, self._older_count = self._recent, self._recent_count
            self._recent, self._recent_count = {}, 0

    def __len__(self) -> int:
        return self._recent_count + self._older_count


def id_text(msg_id: object) -> str:
    """A msg_id as it is compared and stored: short, the same for the same id, empty for None."""
    if type(msg_id) is str and len(msg_id) <= LONGEST_ID:
        return msg_id
    if msg_id is None:
        return ""
    text = json.dumps(msg_id)
    return text if len(text) <= LONGEST_ID else f"{text[:64]}…{crc32(text.encode()):08x}"


def _usual(ids: list[Any]) -> set[str] | None:
    """The ids as a set if they are all different, and strings of a usual length; else None."""
    if {*map(type, ids)} != {str}:
        return None
    usual = {*ids}
    if len(usual) != len(ids) or "" in usual or max(map(len, ids)) > LONGEST_ID:
        return None
    return usual
