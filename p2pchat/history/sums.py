"""Checksums of what the history file holds, so that damage is never taken for what was said.

    message.sum   of all its fields       name.sum    of its number and text
    segment.sum   of all its fields       name.marks  of what is noted of a name; kept by a trigger
    run.sum       of all its fields       summed      rows of `message` up to this id may have none

Rules: no I/O but in `segments`. CRC-32 finds every single flipped bit. What is changed in a row is
changed in its sum by the difference: what was damaged before stays damaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from sqlite3 import Connection
from typing import Any, Final
from zlib import crc32

from p2pchat.history.records import STATES, Record

EVERY: Final = 1 << 62
"""The id up to which rows may have no sum, in a file of before there were sums."""
_MARKS: Final = "3 * read_upto + 5 * friend + 7 * bytes"
MARKS_DIFFER: Final = f"marks IS NOT {_MARKS}"
"""Whether what is noted of a `name` is not as it was noted."""
SET_MARKS: Final = f"marks = {_MARKS}"
MARKED: Final = (
    "CREATE TRIGGER marked AFTER UPDATE OF read_upto, friend, bytes ON name BEGIN"
    " UPDATE name SET marks = marks + 3 * (NEW.read_upto - OLD.read_upto)"
    " + 5 * (NEW.friend - OLD.friend) + 7 * (NEW.bytes - OLD.bytes) WHERE id = NEW.id; END"
)
"""Keeps `marks` by the difference, so that what was damaged before stays so."""
ROW_IS_WHOLE: Final = (
    "message_is_whole(m.id, m.conversation, m.sender, CAST(m.msg_id AS BLOB), m.at, m.said,"
    " m.state, CAST(m.text AS BLOB), m.security, m.sum, (SELECT after FROM summed))"
)
"""Whether a row of `message m` is as it was kept; see `prepare`."""
NAME_IS_WHOLE: Final = "name_is_whole({0}.id, CAST({0}.text AS BLOB), {0}.sum)"
"""Whether a row of `name` is as it was kept; insert what it is called in the statement."""
CHANGE_STATE: Final = (
    "UPDATE message SET state = ?1, sum = changed_sum(id, conversation, sender,"
    " CAST(msg_id AS BLOB), at, said, state, CAST(text AS BLOB), security, sum, ?1) WHERE id = ?2"
)


def of_message(
    id_: int, conversation: int, sender: int, msg_id: str, at: int, said: int | None, state: int,
    text: str, security: int | None,
) -> int:  # fmt: skip
    """The sum of a row of `message`."""
    return _of_row(
        id_, conversation, sender, msg_id.encode(), at, said, state, text.encode(), security
    )


def of_segment(id_: int, count: int, strangers: int, data: bytes) -> int:
    """The sum of a row of `segment`."""
    return crc32(data, crc32(b"%d %d %d" % (id_, count, strangers)))


def of_name(id_: int, text: str) -> int:
    """The sum of a row of `name`."""
    return _of_name(id_, text.encode())


def of_run(id_: int, total: int, wall: int) -> int:
    """The sum of a row of `run`."""
    return crc32(b"%d %d %d" % (id_, total, wall))


def record(row: Sequence[Any], after: int) -> Record | None:
    """A row of `schema.FIELDS` as a record; None when it is not as it was kept.

    `after`: rows up to this id may have no sum.
    """
    id_, conversation, sender, msg_id, at, said, state, text, security, kept = row[:10]
    where, c_sum, who, s_sum = row[10:]
    if kept is None:
        security = None
        if (
            id_ is None or id_ > after or where is None or who is None
            or type(at) is not int or type(state) is not int or not 0 <= state < len(STATES)
        ):  # fmt: skip
            return None
    elif kept != of_message(id_, conversation, sender, msg_id, at, said, state, text, security):
        return None
    if after != EVERY and not (
        _is_name(conversation, where, c_sum) and _is_name(sender, who, s_sum)
    ):
        return None
    return Record(id_, where, who, msg_id, at / 1000, state, text, said and said / 1000, security)


@lru_cache(1024)
def _is_name(id_: int, text: str | None, kept: int | None) -> bool:
    return text is not None and kept == of_name(id_, text)


def segments(
    connection: Connection, rest: str = "", *values: object
) -> Iterator[tuple[int, bytes]]:
    """Id and data of each row of `segment`, as `rest` says; empty data when it is damaged."""
    for id_, count, strangers, data, kept in connection.execute(
        f"SELECT id, count, strangers, data, sum FROM segment {rest}", values
    ):
        yield id_, data if segment_is_whole(id_, count, strangers, data, kept) else b""


def segment_is_whole(id_: Any, count: Any, strangers: Any, data: Any, kept: Any) -> bool:
    """Whether a row of `segment` is as it was kept; one without a sum may be."""
    return type(data) is bytes and (
        kept is None or (type(strangers) is int and kept == of_segment(id_, count, strangers, data))
    )


def summed_after(connection: Connection) -> int:
    """The id up to which rows of `message` may have no sum."""
    (after,) = connection.execute("SELECT after FROM summed").fetchone()
    return int(after)


def prepare(connection: Connection) -> None:
    """Make the functions that statements of the history use."""
    for name, arguments, function in (
        ("message_is_whole", 11, _message_is_whole),
        ("changed_sum", 11, _changed),
        ("name_is_whole", 3, _name_is_whole),
        ("name_sum", 2, _of_name),
        ("segment_sum", 4, of_segment),
        ("segment_is_whole", 5, segment_is_whole),
        ("run_sum", 3, of_run),
        ("data_sum", 1, crc32),
    ):
        connection.create_function(name, arguments, function, deterministic=True)


def _of_row(
    id_: Any, conversation: Any, sender: Any, msg_id: bytes, at: Any, said: Any, state: Any,
    text: bytes, security: Any,
) -> int:  # fmt: skip
    head = f"{id_} {conversation} {sender} {at} {said} {state} {security} ".encode()
    return crc32(text or b"", crc32(b"%b%b\0" % (head, msg_id or b"")))


def _message_is_whole(*values: Any) -> bool:
    *row, after = values
    return row_is_whole(row, after)


def row_is_whole(row: Sequence[Any], after: int) -> bool:
    """Whether a row of `message`, with its texts as bytes and its sum, is as it was kept."""
    *fields, kept = row
    if kept is None:
        return bool(fields[0] <= after)
    return bool(kept == _of_row(*fields))


def _changed(*values: Any) -> int | None:
    *row, kept, state = values
    if type(kept) is not int:
        return None
    changed = [*row]
    changed[6] = state
    return kept ^ _of_row(*row) ^ _of_row(*changed)


def _name_is_whole(id_: Any, text: Any, kept: Any) -> bool:
    return type(text) is bytes and bool(kept == _of_name(id_, text))


def _of_name(id_: int, text: bytes) -> int:
    return crc32(b"%d %b" % (id_, text))
