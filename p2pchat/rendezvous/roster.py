"""Who is in each namespace in the order of names, so that a few of many can be found quickly.

Rules: a place is (name, ip), once in its namespace. Most namespaces are small, and cost nothing:
only of those with more than `_SMALL` places a sorted list is kept, in which a place is found,
entered and taken out by its order, and drawn by its number.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection
from typing import Final

from p2pchat.rendezvous.selection import MOST_LISTED, Selection

Place = tuple[str, str]
"""(name, ip)."""
_SMALL: Final = 64
_DRAWN: Final = 4
"""Places that are drawn for each that is wanted, when not every kind of address is."""
_LAST: Final = "\U0010ffff"
"""Behind every address of a name."""


def drawn(numbers: range, count: int) -> list[int]:
    """So many different ones of these numbers, at random."""
    total, begin = len(numbers), numbers.start
    if 2 * count > total:
        return random.sample(numbers, count)
    # For few of many, a third of what `sample` takes.
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen[begin + int(random.random() * total)] = None
    return [*chosen]


class Rosters:
    """The sorted places of every large namespace; `draw(range, n)` gives n different numbers."""

    def __init__(self, draw: Callable[[range, int], list[int]]) -> None:
        self._draw = draw
        self._sorted: dict[str, list[Place]] = {}

    def added(self, namespace: str, place: Place, places: Collection[Place]) -> None:
        """This place is new among `places`, which are those of the namespace."""
        roster = self._sorted.get(namespace)
        if roster is not None:
            insort(roster, place)
        elif len(places) > _SMALL:
            self._sorted[namespace] = sorted(places)

    def removed(self, namespace: str, place: Place) -> None:
        """This place is gone."""
        roster = self._sorted.get(namespace)
        if roster is None:
            return
        del roster[bisect_left(roster, place)]
        if len(roster) < _SMALL // 2:
            del self._sorted[namespace]

    def select(
        self, namespace: str, selection: Selection, places: Collection[Place]
    ) -> list[Place]:
        """The places that are asked for, each once: the named ones, then the others."""
        roster = self._sorted.get(namespace)
        if roster is None:
            roster = sorted(places)
        chosen = self._named(roster, selection.names)
        if selection.sample:
            chosen += self._drawn(roster, selection)
        elif selection.limit:
            begin = 0
            if selection.after is not None:
                name, ip = selection.after
                begin = bisect_right(roster, (name, ip or _LAST))
            chosen += roster[begin : begin + selection.limit]
        return [*dict.fromkeys(chosen)] if selection.names else chosen

    def _named(self, roster: list[Place], names: tuple[str, ...]) -> list[Place]:
        """What these names have, and of a name with very many places, some of them at random."""
        chosen: list[Place] = []
        for name in names:
            begin, end = bisect_left(roster, (name, "")), bisect_right(roster, (name, _LAST))
            places, share = range(begin, end), MOST_LISTED // len(names)
            if len(places) > share:
                chosen += [roster[number] for number in self._draw(places, share)]
            else:
                chosen += roster[begin:end]
        return chosen

    def _drawn(self, roster: list[Place], selection: Selection) -> list[Place]:
        limit = selection.limit
        count = limit * _DRAWN if selection.families else limit
        drawn = self._draw(range(len(roster)), min(count, len(roster)))
        places = [roster[number] for number in drawn]
        if selection.families:
            places = [place for place in places if selection.takes(place[1])]
        return places[:limit]
