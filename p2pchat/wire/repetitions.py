"""Which messages were there before: the ids of the latest ones, and how an odd id is compared."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any, Final
from zlib import crc32

from p2pchat.wire.friends import Friends
from p2pchat.wire.messages import Pub, Send

LONGEST_ID: Final = 128
"""Characters of an id that is remembered as it is; no honest one is longer."""
_NOTHING: Final[frozenset[str]] = frozenset()


class RecentIds:
    """The ids of the last messages, at least half of `limit` and at most all of it.

    Ids are kept by sender: nobody can make us take somebody else's message for a repetition. Two
    generations that take turns cost less than a queue: when one is full, the older one goes.
    """

    def __init__(self, limit: int, friends: Friends | None = None) -> None:
        self.limit = limit
        self.friends = Friends() if friends is None else friends
        self._half = max(1, limit // 2)
        self._recent: dict[str, set[str]] = {}
        self._older: dict[str, set[str]] = {}
        self._recent_count = 0
        self._older_count = 0

    def fresh(self, peer_id: str, messages: list[Send | Pub]) -> tuple[list[Send | Pub], list[str]]:
        """Remember what a peer sent; returns what was not there before, in its order.

        And the ids of that, as `id_text` writes them.
        """
        if len(messages) == 1:
            msg_id = messages[0].msg_id
            if type(msg_id) is not str or len(msg_id) > LONGEST_ID:
                msg_id = id_text(msg_id)
            return (messages, [msg_id]) if not msg_id or self.is_new(peer_id, msg_id) else ([], [])
        ids = [message.msg_id for message in messages]
        recent = self._recent.get(peer_id)
        if (
            recent is not None
            and len(ids) <= self._half - self._recent_count
            and _usual_and_new(ids, recent, self._older.get(peer_id, _NOTHING))
        ):
            # What nearly every chunk is: no id was there before, and there is room for them all.
            before = len(recent)
            recent.update(ids)
            added = len(recent) - before
            self._recent_count += added
            if self._recent_count >= self._half:
                self._take_turns()
            return (messages, ids) if added == len(ids) else _first_of_each(messages)
        fresh: list[Send | Pub] = []
        keys: list[str] = []
        for message in messages:
            key = id_text(message.msg_id)
            if not key or self.is_new(peer_id, key):
                fresh.append(message)
                keys.append(key)
        return fresh, keys

    def is_new(self, peer_id: str, key: str) -> bool:
        """Remember one id, as `id_text` writes it; False when it was remembered already."""
        recent = self._recent.get(peer_id)
        if recent is None:
            recent = self._recent[peer_id] = set()
        if key in recent or (self._older and key in self._older.get(peer_id, _NOTHING)):
            return False
        recent.add(key)
        self._recent_count += 1
        if self._recent_count >= self._half:
            self._take_turns()
        return True

    def forget(self, peer_id: str, key: str) -> None:
        """Take an id for new the next time."""
        for ids in (self._recent.get(peer_id), self._older.get(peer_id)):
            if ids is not None:
                ids.discard(key)

    def _take_turns(self) -> None:
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


def _usual_and_new(ids: list[Any], recent: Set[str], older: Set[str]) -> bool:
    """Whether all ids are strings of a usual length, and none of them is remembered."""
    try:
        lengths = {*map(len, ids)}
        if 0 in lengths or max(lengths, default=0) > LONGEST_ID:
            return False
        return recent.isdisjoint(ids) and older.isdisjoint(ids)
    except TypeError:
        # What else may be an id has no length (numbers, null), or no hash (lists, objects).
        return False


def _first_of_each(messages: list[Send | Pub]) -> tuple[list[Send | Pub], list[str]]:
    """Without the messages whose id an earlier one of them has; and the ids."""
    first: dict[str, Send | Pub] = {}
    for message in messages:
        first.setdefault(message.msg_id, message)
    return [*first.values()], [*first]
