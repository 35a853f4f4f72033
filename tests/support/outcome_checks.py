"""The checks of a world by what its nodes told and showed, and by the files that they left.

    G3  what was accepted and not cancelled is shown once at a peer that is there in the end
    G4  what one says to another is shown there in the order in which it was said
    G5  what was published is shown to every other node of the namespace
    G6  a message is queued or kept as often as it may be, then has one end, and nothing after it
    L9  the file says of each message what was told last

Rules: a world is over when they are asked, all its nodes were there for long enough, and have left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from p2pchat.history.reading import Reader
from p2pchat.history.records import ABANDONED, PUBLISHED, RECEIVED, WAITING, Record
from p2pchat.history.records import DELIVERED as STORED_DELIVERED
from tests.support.outcome_account import (
    CANCELLED,
    DELIVERED,
    ENDS,
    GIVEN_UP,
    KEPT,
    QUEUED,
    Account,
    Message,
)
from tests.support.outcome_inner import Violation

_STATES: Final = {
    DELIVERED: STORED_DELIVERED,
    CANCELLED: ABANDONED,
    GIVEN_UP: ABANDONED,
    QUEUED: WAITING,
    KEPT: WAITING,
}


def public_violations(account: Account, names: Sequence[str]) -> Iterator[Violation]:
    """What is wrong with what was told and shown in the end; `names`: the nodes that there are."""
    for sentence in account.strange:
        yield Violation("G6", "nobody said it", sentence)
    times = {name: account.times_shown(name) for name in names}
    for message in account.by_id.values():
        if message.direct:
            yield from _outcome(message, there=message.to in names)
            if message.to in names:
                yield from _shown(account, message, times[message.to].get(message.text, 0))
        else:
            for name in names:
                if name != message.sender:
                    count = times[name].get(message.text, 0)
                    yield from _published(account, message, name, count)
    for name in names:
        yield from _order(account, name)


def _outcome(message: Message, *, there: bool) -> Iterator[Violation]:
    told = message.told
    ends = [at for at, outcome in enumerate(told) if outcome in ENDS]
    what = f"{message.text} to {message.to}: {told}"
    if len(ends) > 1:
        yield Violation("G6", f"two ends: {told[ends[0]]}, {told[ends[1]]}", what)
    elif ends and ends[0] != len(told) - 1:
        yield Violation("G6", f"{told[ends[0]]}, and then {told[ends[0] + 1]}", what)
    elif not ends and message.perhaps_cancelled and (there or message.forgotten):
        yield Violation("G6", "cancelled or forgotten, and its end was not told", what)
    elif not ends and there:
        yield Violation("G6", "its peer is there, and its end was not told", what)
    elif not told:
        yield Violation("G6", "nothing was told of it", what)
    if GIVEN_UP in told and there:
        yield Violation("G6", "given up, and its peer is there", what)
    if CANCELLED in told and not message.perhaps_cancelled:
        yield Violation("G6", "cancelled, and nobody asked for it", what)


def _shown(account: Account, message: Message, count: int) -> Iterator[Violation]:
    what = f"{message.text} to {message.to}: {message.told}, shown {count} times"
    if count > 1 and (message.to, message.text) not in account.perhaps_forgotten:
        yield Violation("G3", "shown more than once", what)
    elif not count and DELIVERED in message.told:
        yield Violation("G3", "delivered, and never shown", what)
    elif not count and not message.perhaps_cancelled:
        yield Violation("G3", "accepted, and never shown", what)


def _published(account: Account, message: Message, name: str, count: int) -> Iterator[Violation]:
    what = f"{message.text} of {message.sender} to {message.to}: at {name} {count} times"
    if not count:
        yield Violation("G5", "published, and not shown to all", what)
    elif count > 1 and (name, message.text) not in account.perhaps_forgotten:
        yield Violation("G5", "published, and shown more than once", what)


def _order(account: Account, receiver: str) -> Iterator[Violation]:
    """In the order of the first showing: a repetition after a `forget` may come at any time."""
    latest: dict[str, Message] = {}
    seen: set[str] = set()
    for message in account.shown_to.get(receiver, ()):
        if not message.direct or message.text in seen:
            continue
        seen.add(message.text)
        before = latest.get(message.sender)
        if before is not None and before.place > message.place:
            what = f"at {receiver}: {message.text} after {before.text}"
            yield Violation("G4", "shown after what was said later", what)
        else:
            latest[message.sender] = message


def file_violations(account: Account, name: str, path: str) -> Iterator[Violation]:
    """What is wrong in the file that the node of this name has left."""
    reader = Reader(path)
    try:
        records = [*reader.everything()]
    finally:
        reader.close()
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.text, []).append(record)
    for message in account.by_id.values():
        if message.sender == name:
            yield from _own(account, message, found.get(message.text, []))
    for text in account.times_shown(name):
        states = [record.state for record in found.get(text, [])]
        forgotten = (name, text) in account.perhaps_forgotten
        if states != [RECEIVED] and not (forgotten and not states):
            yield Violation("L9", "shown, and not once in the file", f"{text} at {name}: {states}")


def _own(account: Account, message: Message, records: list[Record]) -> Iterator[Violation]:
    told, states = message.told, [record.state for record in records]
    what = f"{message.text} to {message.to}: {told}, in the file {states}"
    if not states:
        if (message.sender, message.text) not in account.perhaps_forgotten:
            yield Violation("L9", "accepted, and not in the file", what)
    elif len(states) > 1:
        yield Violation("L9", "more than once in the file", what)
    elif message.forgotten:
        yield Violation("L9", "forgotten, and in the file", what)
    elif not message.direct:
        if states != [PUBLISHED]:
            yield Violation("L9", "published, and not so in the file", what)
    elif told and states != [_STATES[told[-1]]]:
        state = {WAITING: "waiting", ABANDONED: "abandoned"}.get(states[0], "delivered")
        yield Violation("L9", f"{told[-1]}, and {state} in the file", what)
