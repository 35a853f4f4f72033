"""Which messages were there before: the ids of the latest ones, and how an odd id is compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

from p2pchat.wire.friends import Friends
from p2pchat.wire.messages import Pub, Send

LONGEST_ID: Final = 128
"""Characters of an id that is remembered as it is; no honest one is longer."""
_SHORT: Final = 64
"""Characters of a text that is remembered as it is."""
Mark = str | int | None
"""What is remembered of a text, see `mark_of`; None when that is not known."""
# What is known of an id; more is larger. No enum: this is asked for every message.
_NEW: Final = 0
_OTHER_TEXT: Final = 1
"""It was there with another text only."""
_SAME: Final = 2
"""It was there with this text."""


class RecentIds:
    """The ids of the last messages, with a hash of each text, `limit` of them at most.

    Friends have one half of the places and strangers the other, so that no stranger pushes out what
    a friend said. At least half of either is always there. Ids are kept by sender: nobody can make
    us take somebody else's message for a repetition. The same id with another text is another
    message. `friends`: who is one may change at any time.
    """

    def __init__(self, limit: int, friends: Friends | None = None) -> None:
        self.limit = limit
        self.friends = Friends() if friends is None else friends
        self._known_friends = self.friends.known
        self._of_friends = _Half(max(1, limit // 2))
        self._of_strangers = _Half(max(1, limit - limit // 2))
        self.other_texts = 0
        """Messages that had the id of another one, and another text."""

    def fresh(
        self, peer_id: str, messages: list[Send | Pub]
    ) -> tuple[list[Send | Pub], list[str], Sequence[int]]:
        """Remember what a peer sent; returns what was not there before, in its order.

        And the ids of that, as `id_text` writes them. And the places of those whose id was there
        with another text.
        """
        if len(messages) == 1:
            message = messages[0]
            msg_id = message.msg_id
            if type(msg_id) is not str or len(msg_id) > LONGEST_ID:
                msg_id = id_text(msg_id)
            half, other = self._halves(peer_id)
            if not msg_id or (
                not other.has_of(peer_id) and half.adds_one(peer_id, msg_id, message.payload)
            ):
                return messages, [msg_id], ()
            known = self._remember(peer_id, msg_id, mark_of(message.payload))
            if known == _SAME:
                return [], [], ()
            return messages, [msg_id], () if known == _NEW else (0,)
        ids = [message.msg_id for message in messages]
        half, other = self._halves(peer_id)
        if (
            _usual(ids)
            and not (other.has_of(peer_id) and other.has_any(peer_id, ids))
            and half.adds(peer_id, ids, [message.payload for message in messages])
        ):
            return messages, ids, ()
        fresh: list[Send | Pub] = []
        keys: list[str] = []
        others: list[int] = []
        for message in messages:
            key = id_text(message.msg_id)
            known = self._remember(peer_id, key, mark_of(message.payload)) if key else _NEW
            if known == _SAME:
                continue
            if known == _OTHER_TEXT:
                others.append(len(fresh))
            fresh.append(message)
            keys.append(key)
        return fresh, keys, others

    def is_new(self, peer_id: str, key: str, mark: Mark = None) -> bool:
        """Remember one id, as `id_text` writes it; False when it was remembered already.

        `mark`: that of its text; if it is None, any text is the same.
        """
        return self._remember(peer_id, key, mark) != _SAME

    def has(self, peer_id: str, key: str) -> bool:
        """Whether this peer said something of this id, as far as it is remembered."""
        halves = self._halves(peer_id)
        return any(half.has_of(peer_id) and half.has_any(peer_id, [key]) for half in halves)

    def forget(self, peer_id: str, key: str, text: str) -> None:
        """Take an id for new the next time it comes with this text, and with this text only."""
        mark = mark_of(text)
        for half in (self._of_friends, self._of_strangers):
            half.forget(peer_id, key, mark)

    def _remember(self, peer_id: str, key: str, mark: Mark) -> int:
        """Remember one id with the mark of its text; returns what was known of it before."""
        half, other = self._halves(peer_id)
        known = half.find(peer_id, key, mark)
        if other.has_of(peer_id):
            known = max(known, other.find(peer_id, key, mark))
        if known == _NEW:
            half.add(peer_id, key, mark)
            return known
        if known == _OTHER_TEXT:
            self.other_texts += 1
            half.add(peer_id, key, mark)
        return known

    def _halves(self, peer_id: str) -> tuple[_Half, _Half]:
        """Where to remember what this peer says; and where that is which it said before.

        That is if it became a friend, or was forgotten.
        """
        if peer_id in self._known_friends:
            return self._of_friends, self._of_strangers
        return self._of_strangers, self._of_friends

    def __len__(self) -> int:
        return len(self._of_friends) + len(self._of_strangers)


class _Ids:
    """The ids of one sender, with a mark of each text.

    The marks are looked for only when an id comes again, so they are put in order only then.
    """

    __slots__ = ("_keys", "_marks", "_texts", "ids")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self._marks: dict[str, Mark | set[Mark]] = {}
        """A set only for an id that came with several texts."""
        self._keys: list[str] = []
        self._texts: list[Mark] = []

    def add(self, key: str, mark: Mark) -> None:
        """Remember one more."""
        self.ids.add(key)
        self._keys.append(key)
        self._texts.append(mark)

    def adds(self, keys: list[str], texts: list[str]) -> bool:
        """Remember all of these, none of which is here, unless two of them are the same."""
        ids = self.ids
        before = len(ids)
        ids.update(keys)
        if len(ids) - before < len(keys):
            ids.difference_update(keys)
            return False
        self._keys += keys
        # Texts that are short on average take no more room than so many short ones.
        self._texts += texts if len("".join(texts)) <= _SHORT * len(texts) else map(mark_of, texts)
        return True

    def find(self, key: str, mark: Mark) -> int:
        """Whether this id is here, with this text."""
        if key not in self.ids:
            return _NEW
        there = self._in_order()[key]
        marks = there if isinstance(there, set) else (there,)
        same = mark is None or mark in marks or None in marks
        return _SAME if same else _OTHER_TEXT

    def forget(self, key: str, mark: Mark) -> None:
        """Forget this text of an id; the id with its last one."""
        if key not in self.ids:
            return
        marks = self._in_order()
        there = marks[key]
        if isinstance(there, set):
            there.discard(mark)
        if there in (mark, set()):
            del marks[key]
            self.ids.discard(key)

    def _in_order(self) -> dict[str, Mark | set[Mark]]:
        marks = self._marks
        for key, text in zip(self._keys, self._texts, strict=True):
            mark = mark_of(text) if type(text) is str else text
            there = marks.setdefault(key, mark)
            if isinstance(there, set):
                there.add(mark)
            elif there != mark:
                marks[key] = {there, mark}
        self._keys.clear()
        self._texts.clear()
        return marks


_NOTHING: Final = _Ids()


class _Half:
    """Ids of some senders, at most `limit`: two generations that take turns.

    That costs less than a queue: when one is full, the older one goes.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._recent: dict[str, _Ids] = {}
        self._older: dict[str, _Ids] = {}
        self._recent_count = 0
        self._older_count = 0

    def has_of(self, peer_id: str) -> bool:
        """Whether any id of this sender is here."""
        return peer_id in self._recent or peer_id in self._older

    def has_any(self, peer_id: str, ids: list[str]) -> bool:
        """Whether any of these ids of a sender is here, or may be."""
        recent = self._recent.get(peer_id, _NOTHING).ids
        older = self._older.get(peer_id, _NOTHING).ids
        try:
            return not (recent.isdisjoint(ids) and older.isdisjoint(ids))
        except TypeError:
            return True  # lists and objects have no hash

    def adds(self, peer_id: str, ids: list[str], texts: list[str]) -> bool:
        """Remember all of these if there is room, and no id was there before; else none.

        That is what nearly every chunk is.
        """
        recent = self._recent.get(peer_id)
        if recent is None or len(ids) > self._half - self._recent_count:
            return False
        if self.has_any(peer_id, ids) or not recent.adds(ids, texts):
            return False
        self._added(len(ids))
        return True

    def adds_one(self, peer_id: str, key: str, text: str) -> bool:
        """Remember an id if it was not there before; else nothing has changed.

        That is what a conversation brings, and each call on its way takes half a microsecond there.
        """
        recent = self._recent.get(peer_id)
        if recent is None or key in recent.ids:
            return False
        if self._older and key in self._older.get(peer_id, _NOTHING).ids:
            return False
        recent.add(key, text if len(text) <= _SHORT else hash(text))
        self._recent_count += 1
        if self._recent_count >= self._half:
            self._take_turns()
        return True

    def find(self, peer_id: str, key: str, mark: Mark) -> int:
        """Whether this id is here, with this text."""
        recent = self._recent.get(peer_id, _NOTHING)
        older = self._older.get(peer_id, _NOTHING) if self._older else _NOTHING
        if key not in recent.ids and key not in older.ids:
            return _NEW
        return max(recent.find(key, mark), older.find(key, mark))

    def add(self, peer_id: str, key: str, mark: Mark) -> None:
        """Remember an id."""
        recent = self._recent.get(peer_id)
        if recent is None:
            recent = self._recent[peer_id] = _Ids()
        recent.add(key, mark)
        self._added(1)

    def forget(self, peer_id: str, key: str, mark: Mark) -> None:
        """Take an id, with this text, for new the next time."""
        for generation in (self._recent, self._older):
            ids = generation.get(peer_id)
            if ids is not None:
                ids.forget(key, mark)

    def _added(self, count: int) -> None:
        self._recent_count += count
        if self._recent_count >= self._half:
            self._take_turns()

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


def mark_of(text: str) -> str | int:
    """What is remembered of a text: itself if it is short, which costs no time, else a hash.

    The hash is good for as long as the process runs.
    """
    return text if len(text) <= _SHORT else hash(text)


def _usual(ids: list[Any]) -> bool:
    """Whether all ids are strings of a usual length."""
    try:
        lengths = {*map(len, ids)}
    except TypeError:
        return False  # numbers and null have no length
    return 0 not in lengths and max(lengths, default=0) <= LONGEST_ID
