"""The checks of a world by what its nodes told and showed, and by the files that they left.

    G3  what was accepted and not cancelled is shown once at a peer that is there in the end
    G4  what one says to another is shown there in the order in which it was said
    G5  what was published is shown to every other node of the namespace
    G6  a message is queued or kept as often as it may be, then has one end, and nothing after it
    L9  the file says of each message what was told last

Rules: a world is over when they are asked, all its nodes were there for long enough, and have left.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from p2pchat.disk import Disk
from p2pchat.history.reading import Reader
from p2pchat.history.records import ABANDONED, PUBLISHED, RECEIVED, WAITING, HistoryError, Record
from p2pchat.history.records import DELIVERED as STORED_DELIVERED
from p2pchat.node.outbox import MOST_TIMES
from p2pchat.testing.worlds.account import (
    CANCELLED,
    DELIVERED,
    ENDS,
    GIVEN_UP,
    KEPT,
    KILLED,
    QUEUED,
    Account,
    Message,
)
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.kind import LIAR
from p2pchat.testing.worlds.storage import path_of

_STATES: Final = {
    DELIVERED: STORED_DELIVERED,
    CANCELLED: ABANDONED,
    GIVEN_UP: ABANDONED,
    QUEUED: WAITING,
    KEPT: WAITING,
}


class Peers(Struct, frozen=True):
    """Who there is in the end."""

    nodes: tuple[str, ...]
    """The peer_ids of the nodes."""
    forgetful: frozenset[str] = frozenset()
    """Of those, the ones that keep no history: what they are told ends with their process."""

    def keeps(self, name: str) -> bool:
        """Whether this is a node that keeps what is said."""
        return name in self.nodes and name not in self.forgetful

    def whole(self, message: Message) -> bool:
        """Whether both ends of a message keep it."""
        return self.keeps(message.sender) and self.keeps(message.to)


def public_violations(account: Account, peers: Peers) -> Iterator[Violation]:
    """What is wrong with what was told and shown in the end."""
    for sentence in account.strange:
        yield Violation("G6", "nobody said it", sentence)
    times = {name: account.times_shown(name) for name in account.shown_to}
    for message in account.by_id.values():
        if account.damaged & {message.sender, message.to}:
            continue  # what was in the file may be gone; see `damaged_violations`
        if message.direct:
            yield from _outcome(message, peers, old=account.all_is_old)
            count = times.get(message.to, {}).get(message.text, 0)
            yield from _shown(account, message, peers, count)
        elif peers.keeps(message.sender):
            for name in peers.nodes:
                if name != message.sender and peers.keeps(name) and name not in account.damaged:
                    count = times.get(name, {}).get(message.text, 0)
                    yield from _published(account, message, name, count)
    for name in peers.nodes:
        if name not in account.damaged:
            yield from _order(account, name)


def _outcome(message: Message, peers: Peers, *, old: bool) -> Iterator[Violation]:
    """`old`: whether so much time has passed that nothing waits any more."""
    there, tellings = peers.whole(message), message.tellings()
    what = f"{message.text[:60]} to {message.to}: {message.told}"
    for told in tellings:
        ends = [at for at, outcome in enumerate(told) if outcome in ENDS]
        if len(ends) > 1:
            yield Violation("G6", f"two ends: {told[ends[0]]}, {told[ends[1]]}", what)
        elif ends and ends[0] != len(told) - 1:
            yield Violation("G6", f"{told[ends[0]]}, and then {told[ends[0] + 1]}", what)
    if any(CANCELLED in told for told in tellings[:-1]) and not message.perhaps_back:
        later = [told for told in tellings if told]
        if CANCELLED not in later[-1]:
            yield Violation("G6", "cancelled, and sent all the same after a kill", what)
    last = next((told for told in reversed(tellings) if told), [])
    ended = bool(last) and last[-1] in ENDS
    if not (ended or message.perhaps_lost):
        if message.perhaps_cancelled and len(tellings) > 1:
            pass  # perhaps it was deleted just before, and nobody was left to hear of that
        elif message.perhaps_cancelled and (there or message.forgotten):
            yield Violation("G6", "cancelled or forgotten, and its end was not told", what)
        elif there:
            yield Violation("G6", "its peer is there, and its end was not told", what)
        elif old and peers.keeps(message.sender):
            yield Violation("G6", "it waits for longer than it may", what)
        elif not last and message.sender in peers.nodes and len(tellings) == 1:
            yield Violation("G6", "nothing was told of it", what)
    if any(message.too_old and GIVEN_UP in told for told in tellings[:-1]):
        later = [told for told in tellings if told]
        if DELIVERED in later[-1] and not message.perhaps_back:
            yield Violation("G6", "too old, and sent all the same after a kill", what)
    if GIVEN_UP in message.told and there and not (message.perhaps_lost or message.too_old):
        yield Violation("G6", "given up, and its peer is there", what)
    if CANCELLED in message.told and not message.perhaps_cancelled:
        yield Violation("G6", "cancelled, and nobody asked for it", what)


def _shown(account: Account, message: Message, peers: Peers, count: int) -> Iterator[Violation]:
    to, text = message.to, message.text
    what = f"{text[:60]} to {to}: {message.told}, shown {count} times"
    # Each process of its sender has as many tries, and forgets them when it is killed.
    most: float = MOST_TIMES * len(message.tellings())
    if to in peers.nodes:
        most = 1 if peers.keeps(to) else math.inf
    if count > most and (to, text) not in account.perhaps_forgotten | account.unkept:
        yield Violation("G3", "shown more than once", what)
    elif not count and to not in account.kills:
        if DELIVERED in message.told and to != LIAR:
            yield Violation("G3", "delivered, and never shown", what)
        elif peers.whole(message) and not (
            message.perhaps_cancelled or message.perhaps_lost or message.too_old
        ):
            yield Violation("G3", "accepted, and never shown", what)


def _published(account: Account, message: Message, name: str, count: int) -> Iterator[Violation]:
    """Rooms: the other namespace hears only what is for all, and catches up with nothing."""
    what = f"{message.text[:60]} of {message.sender} to {message.to}: at {name} {count} times"
    kin = name.rpartition("@")[2] == message.sender.rpartition("@")[2]
    lost = message.perhaps_lost or name in account.kills
    if not count and kin and not lost and message.to in ("*", "#" + name.rpartition("@")[2]):
        yield Violation("G5", "published, and not shown to all", what)
    elif count > 1 and (name, message.text) not in account.perhaps_forgotten | account.unkept:
        yield Violation("G5", "published, and shown more than once", what)


def _order(account: Account, receiver: str) -> Iterator[Violation]:
    """In the order of the first showing: a repetition after a `forget` may come at any time."""
    latest: dict[tuple[str, str], Message] = {}
    seen: set[str] = set()
    for message in account.shown_to.get(receiver, ()):
        if not message.direct or message.text in seen:
            continue
        seen.add(message.text)
        if CANCELLED in message.told:
            continue  # withdrawn on its way: what was said next waited for it no longer
        whose = message.sender, message.way
        before = latest.get(whose)
        if before is not None and before.place > message.place:
            if {receiver, message.sender} & (account.silent | account.damaged):
                continue  # it waits for its ACK on a link of which nobody knows that it is dead
            what = f"at {receiver}: {message.text} after {before.text}"
            yield Violation("G4", "shown after what was said later", what)
        else:
            latest[whose] = message


def file_violations(account: Account, name: str, disk: Disk) -> Iterator[Violation]:
    """What is wrong in the file that the node of this name has left on its disk.

    Of a damaged file may be missing what was in it, if that was told.
    """
    reader = Reader(path_of(name), disk)
    try:
        records = [*reader.everything()]
        told = name in account.told_of_damage or bool(reader.newly_damaged())
    except HistoryError:
        if name in account.damaged:
            return  # who looks into it is told
        raise
    finally:
        reader.close()
    if name not in account.damaged and disk.exists(path_of(name)):
        data = disk.read(path_of(name))
        for who, text in account.forgotten_by:
            if who != name:
                continue
            whole = re.compile(re.escape(text.encode()) + rb"(?!\d)")
            # What follows a text in the file may look like digits: `alice 2` is no `alice 20`.
            # Others may quote it: `echo: alice 2`.
            rightly = sum(
                _goes_on(each.text, text) + len(whole.findall(each.text.encode()))
                for each in records
                if each.text != text
            )
            if len(whole.findall(data)) > rightly:
                yield Violation("L8", "forgotten, and in the bytes of the file", text[:60])
    for violation in _wrong_in(account, name, records):
        if name not in account.damaged or violation.check == "I2":
            yield violation
        elif not told:
            yield Violation("L9", f"damaged, and nobody was told: {violation.kind}", violation.what)


def _goes_on(text: str, longer: str) -> bool:
    """Whether the longer one is this text with more digits."""
    return text != longer and longer.startswith(text) and longer[len(text) :].isdigit()


def _wrong_in(account: Account, name: str, records: list[Record]) -> Iterator[Violation]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(account.worded(record.text), []).append(record)
    for message in account.by_id.values():
        if message.sender == name:
            yield from _own(account, message, found.get(message.text, []))
        elif message.to == name and DELIVERED in message.told:
            yield from _delivered(account, message, found.get(message.text, []))
    for text in account.times_shown(name):
        states = [record.state for record in found.get(text, [])]
        # What cannot come again is shown before it is stored (docs/history.md).
        perhaps = (name, text) in account.perhaps_forgotten | account.unkept or (
            name in account.kills and not account.by_text[text].direct
        )
        if states != [RECEIVED] and not (perhaps and not states):
            yield Violation(
                "L9", "shown, and not once in the file", f"{text[:60]} at {name}: {states}"
            )
    for text, records in found.items():
        said = account.by_text.get(text)
        if said is not None and any(
            each.changes != said.of for each in records if each.text == said.text
        ):
            yield Violation(
                "L9", "in the file as a change of another one", f"{text[:60]} at {name}"
            )
        whose = {record.sender for record in records}
        if said is None and account.lied_to:
            continue
        if said is None:
            yield Violation("I2", "in the file, and nobody said it", f"{text[:60]!r} at {name}")
        elif whose != {said.sender}:
            yield Violation(
                "I2", "in the file under another name", f"{text[:60]} at {name}: {whose}"
            )


def _delivered(account: Account, message: Message, records: list[Record]) -> Iterator[Violation]:
    """What an ACK was sent for was safe then, whatever happened later."""
    whose = (message.to, message.text)
    if not records and whose not in account.perhaps_forgotten | account.unkept:
        yield Violation(
            "I1", "delivered, and not in the file", f"{message.text[:60]} to {message.to}"
        )
    elif len(records) > 1:
        yield Violation(
            "I1", "delivered, and twice in the file", f"{message.text[:60]} to {message.to}"
        )


def _own(account: Account, message: Message, records: list[Record]) -> Iterator[Violation]:
    told, states = message.told, [record.state for record in records]
    what = f"{message.text[:60]} to {message.to}: {told}, in the file {states}"
    last = next((each for each in reversed(told) if each != KILLED), None)
    if not states:
        if (message.sender, message.text) in account.perhaps_forgotten or message.perhaps_lost:
            return
        yield Violation("L9", "accepted, and not in the file", what)
    elif len(states) > 1:
        yield Violation("L9", "more than once in the file", what)
    elif message.forgotten:
        yield Violation("L9", "forgotten, and in the file", what)
    elif not message.direct:
        if states != [PUBLISHED]:
            yield Violation("L9", "published, and not so in the file", what)
    elif last is not None and states != [_STATES[last]]:
        late = told[-1] == KILLED and (last != CANCELLED or message.perhaps_back)
        if late and states == [WAITING]:
            return  # its end was not written yet
        if late and states == [ABANDONED] and message.called_off_unheard:
            return  # it was cancelled, which was written, and nobody was left to tell of that
        state = {WAITING: "waiting", ABANDONED: "abandoned"}.get(states[0], "delivered")
        yield Violation("L9", f"{last}, and {state} in the file", what)
