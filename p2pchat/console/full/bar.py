"""The bar between the messages and the line being typed.

     alice@CIC  registered  3 of 5 peers connected  [bob@CIC]  encrypted  unread: [*] 14, 2 more

Rules: pure. Who one is, the rendezvous and the current conversation are named at every usual width,
however much is unread and whatever names are like. So all else gives way first, a step at a time:
the names of unread conversations, how many peers there are, words for how safe it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Final, NamedTuple

from msgspec import Struct

from p2pchat.console.full.entries import Row
from p2pchat.console.full.widths import cut, steady, width
from p2pchat.console.wording import PLAIN, security_mark
from p2pchat.wire.names import bracketed, visible

_LONGEST_UNREAD: Final = 20
_ENOUGH: Final = 30
"""Columns in which one unread conversation is named, and the others are counted."""
_NARROW: Final = 60
_LEAST_NAME: Final = 3
_WORDY: Final = 20


class BarState(Struct, frozen=True):
    """What the bar tells."""

    own_id: str
    registered: bool
    trouble: bool
    """Whether the rendezvous does not answer."""
    up: int
    known: int
    current: str
    """The current conversation; empty for all together."""
    unread: Sequence[tuple[str, int, bool]] = ()
    """Conversation, how many, and whether one is meant for us; the first is the next."""
    below: int = 0
    """Entries below what is on the screen."""
    past: bool = False
    """Whether what is on the screen was read from the history."""
    left_out: int = 0
    """Messages of a flood that were not shown since the start."""
    not_kept: bool = False
    """Whether messages are not kept, though they should be."""
    away: str = ""
    """What the peer of the current conversation says of why it is away."""
    security: str = ""
    """How safe the current conversation is: plain, encrypted or verified; empty for none."""


class _Room(NamedTuple):
    """How much is told of everything but what is unread."""

    own: int
    where: int
    rendezvous: int
    """Columns of these three."""
    peers: int
    """2 for a sentence, 1 for figures, 0 for nothing."""
    words: bool
    """Whether it is a word that tells how safe the conversation is."""
    left_out: bool


_STEPS: Final = (
    _Room(40, 40, 13, 2, True, True),
    _Room(40, 40, 13, 1, True, True),
    _Room(30, 30, 13, 1, True, False),
    _Room(20, 20, 13, 0, True, False),
    _Room(10, 12, 10, 0, True, False),
    _Room(7, 12, 6, 0, True, False),
    _Room(16, 20, 13, 0, False, False),
    _Room(10, 12, 10, 0, False, False),
    _Room(7, 8, 6, 0, False, False),
    _Room(4, 6, 3, 0, False, False),
)


def bar_row(state: BarState, columns: int) -> Row:
    """The bar, in exactly so many columns."""
    gap = "  " if columns >= _NARROW else " "
    unread = _unread_text(state, columns)
    for least, step in product((_ENOUGH, width(_counted(state))), _STEPS):
        parts = [part for part in _parts(state, step) if part[1]]
        room = columns - 1 - sum(width(text) + len(gap) for _, text in parts)
        if room >= min(width(unread), least):
            break
    if unread and room > 0:
        urgent = any(each[2] for each in state.unread)
        style = "class:bar-alarm" if urgent else "class:bar-unread"
        parts.append((style, cut(_unread_text(state, room), room)))
    row: Row = [("class:bar", " ")]
    taken = 1
    for number, (style, text) in enumerate(parts):
        between = gap if number else ""
        shown = cut(text, columns - taken - len(between))
        if not shown:
            break
        row += [("class:bar", between), (style, shown)]
        taken += len(between) + width(shown)
    return [*row, ("class:bar", " " * max(0, columns - taken))]


def _parts(state: BarState, step: _Room) -> list[tuple[str, str]]:
    """Style and text of all but what is unread, from left to right."""
    if state.trouble:
        rendezvous = "class:bar-alarm", "no rendezvous"
    else:
        rendezvous = "class:bar", "registered" if state.registered else "registering"
    plain = state.security == PLAIN
    mark = "" if step.words or not state.security else security_mark(state.security).strip()
    where = f"{mark}{_where(state.current, step.where)}"
    return [
        ("class:bar", cut(steady(visible(state.own_id)), step.own)),
        (rendezvous[0], cut(rendezvous[1], step.rendezvous)),
        ("class:bar-alarm", "not kept" if state.not_kept else ""),
        ("class:bar", _peers(state.up, state.known, step.peers)),
        ("class:bar-alarm" if plain and mark else "class:bar", where),
        ("class:bar-alarm" if plain else "class:bar", _safe(state.security) * step.words),
        ("class:bar", f"away: {steady(state.away)}" if state.away and step.left_out else ""),
        ("class:bar-unread", _how_far_up(state, in_words=step.words and step.where >= _WORDY)),
        ("class:bar", f"{state.left_out:,} left out" * (state.left_out > 0 and step.left_out)),
    ]


def _where(key: str, most: int) -> str:
    if not key:
        return "all conversations" if most > len("all conversations") else "all"
    shown = steady(bracketed(key))
    return shown if width(shown) <= most + 2 else cut(shown[:-1], most + 1) + "]"


def _peers(up: int, known: int, detail: int) -> str:
    if detail == 0:
        return ""
    if known == 0:
        return "no peers yet"
    peers = "peer" if known == 1 else "peers"
    return f"{up} of {known} {peers} connected" if detail > 1 else f"{up}/{known} {peers}"


def _how_far_up(state: BarState, *, in_words: bool) -> str:
    if state.past:
        return "the past (Ctrl-End: now)" if in_words else "past"
    return f"{state.below} below" if state.below else ""


def _safe(security: str) -> str:
    return "IN THE CLEAR" if security == PLAIN else security


def _counted(state: BarState) -> str:
    """How many conversations have unread messages, as short as can be."""
    urgent = "!" if any(each[2] for each in state.unread) else ""
    return f"{len(state.unread)} unread{urgent}" if state.unread else ""


def _unread_text(state: BarState, room: int) -> str:
    """What is unread: the names of as many conversations as there is room for."""
    if not state.unread:
        return ""
    text, others = "", len(state.unread)
    for each in state.unread:
        longer = f"{text}, {_unread(*each)}" if text else f"unread: {_unread(*each)}"
        if width(longer + _more(others - 1)) > room:
            break
        text, others = longer, others - 1
    if text:
        return text + _more(others)
    (key, count, urgent), *rest = state.unread
    tail = f"] {count:,}{'!' if urgent else ''}{_more(len(rest))}"
    name = cut(steady(visible(key)), room - width(tail) - 1)
    return f"[{name}{tail}" if width(name) >= _LEAST_NAME else _counted(state)


def _more(others: int) -> str:
    return f", {others} more" if others else ""


def _unread(key: str, count: int, urgent: bool) -> str:
    return f"[{cut(steady(visible(key)), _LONGEST_UNREAD)}] {count:,}{'!' if urgent else ''}"
