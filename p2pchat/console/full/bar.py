"""The bar between the messages and the line being typed.

     alice@CIC  registered  3/5 links  [bob@CIC]  encrypted  unread: [*] 14     ↓ 12 below

Rules: pure. What matters most stays when the terminal is narrow: what is unread, then how safe the
conversation is, then where one is, which the prompt tells, too, then the links, the rendezvous, and
last who one is oneself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from p2pchat.console.full.entries import Row
from p2pchat.console.full.widths import cut, steady, width
from p2pchat.console.wording import PLAIN
from p2pchat.wire.names import bracketed, visible

_LONGEST_UNREAD: Final = 20
_GAP: Final = "  "


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
    left_out: int = 0
    """Messages of a flood that were not shown since the start."""
    not_kept: bool = False
    """Whether messages are not kept, though they should be."""
    away: str = ""
    """What the peer of the current conversation says of why it is away."""
    security: str = ""
    """How safe the current conversation is: plain, encrypted or verified; empty for none."""


def bar_row(state: BarState, columns: int) -> Row:
    """The bar, in exactly so many columns."""
    parts = _parts(state)
    # Drop the least important until the rest fits; the first of them is merely cut.
    for least in sorted(range(len(parts)), key=lambda index: parts[index][0], reverse=True):
        if _taken(parts) <= columns:
            break
        if sum(1 for part in parts if part[2]) > 1:
            parts[least] = (*parts[least][:2], "")
    row: Row = []
    room = columns
    for _, style, text in parts:
        if text and room > len(_GAP):
            text = cut(text, room - len(_GAP) // 2)
            row += [(style, text), ("class:bar", _GAP)]
            room -= width(text) + len(_GAP)
    filled = sum(width(text) for _, text in row)
    if filled > columns:
        row[-1] = ("class:bar", " " * (len(_GAP) - (filled - columns)))
    return [*row, ("class:bar", " " * max(0, columns - filled))]


def _parts(state: BarState) -> list[tuple[int, str, str]]:
    """(rank, style, text) from left to right; a higher rank goes first when there is no room."""
    if state.trouble:
        rendezvous = (3, "class:bar-alarm", "no rendezvous")
    else:
        word = "registered" if state.registered else "registering"
        rendezvous = (4, "class:bar", word)
    unread = ", ".join(_unread(*each) for each in state.unread)
    urgent = any(each[2] for each in state.unread)
    return [
        (5, "class:bar", " " + steady(visible(state.own_id))),
        rendezvous,
        (2, "class:bar-alarm", "not kept" if state.not_kept else ""),
        (2, "class:bar", f"{state.up}/{state.known} links"),
        (1, "class:bar", steady(bracketed(state.current)) if state.current else "all"),
        (3, "class:bar", f"away: {steady(state.away)}" if state.away else ""),
        (0, "class:bar-alarm" if state.security == PLAIN else "class:bar", _safe(state.security)),
        (0, "class:bar-alarm" if urgent else "class:bar-unread", unread and f"unread: {unread}"),
        (1, "class:bar-unread", f"{state.below} below" if state.below else ""),
        (6, "class:bar", f"{state.left_out:,} left out" if state.left_out else ""),
    ]


def _safe(security: str) -> str:
    return "IN THE CLEAR" if security == PLAIN else security


def _taken(parts: Sequence[tuple[int, str, str]]) -> int:
    return sum(width(text) + len(_GAP) for _, _, text in parts if text)


def _unread(key: str, count: int, urgent: bool) -> str:
    return f"[{cut(steady(visible(key)), _LONGEST_UNREAD)}] {count:,}{'!' if urgent else ''}"
