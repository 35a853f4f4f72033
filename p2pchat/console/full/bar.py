"""The bar between the messages and the line being typed.

     alice@CIC  registered  3 of 5 peers connected  [bob@CIC]  encrypted  unread: [*] 14, 2 more

Rules: pure. Who one is, the rendezvous and the current conversation are named at every usual width,
however much is unread and whatever names are like. So all else gives way first, a step at a time:
the names of unread conversations, how many peers there are, our own namespace, words for how safe
it is. Only then are names cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product
from typing import Final, NamedTuple

from msgspec import Struct

from p2pchat.console.full.entries import Row
from p2pchat.console.full.widths import cut, steady, width
from p2pchat.console.wording import PLAIN, security_mark, security_word
from p2pchat.speech import _, ngettext
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
    namespace: bool = True
    """Whether our own is told."""


_WHOLE: Final = (
    _Room(40, 40, 16, 2, True, True),
    _Room(40, 40, 16, 1, True, True),
    _Room(30, 30, 16, 1, True, False),
    _Room(20, 20, 16, 0, True, False),
    _Room(20, 20, 16, 0, True, False, namespace=False),
    _Room(16, 20, 16, 0, False, False),
    _Room(16, 20, 16, 0, False, False, namespace=False),
)
"""Most names are not cut."""
_CUT: Final = (
    _Room(10, 12, 10, 0, True, False),
    _Room(7, 12, 6, 0, True, False),
    _Room(10, 12, 10, 0, False, False),
    _Room(7, 8, 6, 0, False, False),
    _Room(4, 6, 3, 0, False, False),
)


def bar_row(state: BarState, columns: int) -> Row:
    """The bar, in exactly so many columns."""
    gap = "  " if columns >= _NARROW else " "
    unread = _unread_text(state, columns)
    leasts = (_ENOUGH, width(_counted(state)))
    for least, step in chain(product(leasts, _WHOLE), product(leasts, _CUT)):
        parts = [part for part in _parts(state, step) if part[1]]
        # Behind what is unread there is no gap.
        room = columns - 1 - sum(width(text) + len(gap) for _style, text in parts)
        if room + (0 if unread else len(gap)) >= min(width(unread), least):
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
        rendezvous = "class:bar-alarm", _("no rendezvous")
    else:
        rendezvous = "class:bar", _("registered") if state.registered else _("registering")
    plain = state.security == PLAIN
    mark = "" if step.words or not state.security else security_mark(state.security).strip()
    where = f"{mark}{_where(state.current, step.where)}"
    own = state.own_id if step.namespace else state.own_id.rpartition("@")[0] or state.own_id
    away = _("away: {text}").format(text=steady(state.away)) if state.away else ""
    n = state.left_out
    left_out = ngettext("{n:,} left out", "{n:,} left out", n).format(n=n) if n > 0 else ""
    return [
        ("class:bar", cut(steady(visible(own)), step.own)),
        (rendezvous[0], cut(rendezvous[1], step.rendezvous)),
        ("class:bar-alarm", _("not kept") if state.not_kept else ""),
        ("class:bar", _peers(state.up, state.known, step.peers)),
        ("class:bar-alarm" if plain and mark else "class:bar", where),
        ("class:bar-alarm" if plain else "class:bar", _safe(state.security) * step.words),
        ("class:bar", away * step.left_out),
        ("class:bar-unread", _how_far_up(state, in_words=step.words and step.where >= _WORDY)),
        ("class:bar", left_out * step.left_out),
    ]


def _where(key: str, most: int) -> str:
    if not key:
        whole = _("all conversations")
        return whole if most > width(whole) else _("all")
    shown = steady(bracketed(key))
    return shown if width(shown) <= most + 2 else cut(shown[:-1], most + 1) + "]"


def _peers(up: int, known: int, detail: int) -> str:
    if detail == 0:
        return ""
    if known == 0:
        return _("no peers yet")
    if detail > 1:
        text = ngettext("{up} of {n} peer connected", "{up} of {n} peers connected", known)
    else:
        text = ngettext("{up}/{n} peer", "{up}/{n} peers", known)
    return text.format(up=up, n=known)


def _how_far_up(state: BarState, *, in_words: bool) -> str:
    if state.past:
        return _("the past (Ctrl-End: now)") if in_words else _("past")
    n = state.below
    return ngettext("{n} below", "{n} below", n).format(n=n) if n else ""


def _safe(security: str) -> str:
    return _("IN THE CLEAR") if security == PLAIN else security_word(security)


def _counted(state: BarState) -> str:
    """How many conversations have unread messages, as short as can be."""
    urgent = "!" if any(each[2] for each in state.unread) else ""
    n = len(state.unread)
    return ngettext("{n} unread", "{n} unread", n).format(n=n) + urgent if n else ""


def _unread_text(state: BarState, room: int) -> str:
    """What is unread: the names of as many conversations as there is room for."""
    if not state.unread:
        return ""
    named, shown, others = "", "", len(state.unread)
    for each in state.unread:
        named = f"{named}, {_unread(*each)}" if named else _unread(*each)
        others -= 1
        longer = _named(named, others)
        if width(longer) > room:
            break
        shown = longer
    if shown:
        return shown
    (key, count, urgent), *rest = state.unread
    tail = f"] {count:,}{'!' if urgent else ''}"
    taken = width(_and_more(f"[{tail}", len(rest)))
    name = cut(steady(visible(key)), room - taken)
    if width(name) < _LEAST_NAME:
        return _counted(state)
    return _and_more(f"[{name}{tail}", len(rest))


def _named(named: str, n: int) -> str:
    if not n:
        return _("unread: {named}").format(named=named)
    text = ngettext("unread: {named}, {n} more", "unread: {named}, {n} more", n)
    return text.format(named=named, n=n)


def _and_more(named: str, n: int) -> str:
    if not n:
        return named
    return ngettext("{named}, {n} more", "{named}, {n} more", n).format(named=named, n=n)


def _unread(key: str, count: int, urgent: bool) -> str:
    return f"[{cut(steady(visible(key)), _LONGEST_UNREAD)}] {count:,}{'!' if urgent else ''}"
