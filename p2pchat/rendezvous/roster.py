"""Who is in each namespace in the order of names, so that a few of many can be found quickly.

Rules: a place is (name, ip), once in its namespace. Most namespaces are small, and cost nothing:
only of those with more than `_SMALL` places two lists are kept. One is sorted, to find a name or
what is behind it. The other has no order, to draw from.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from p2pchat.rendezvous.selection import MOST_LISTED, Selection

Place = tuple[str, str]
"""(name, ip)."""
_SMALL: Final = 64
_DRAWN: Final = 4
"""Places that are drawn for each that is wanted, when not every kind of address is."""
_LAST: Final = "\U0010ffff"
"""Behind every address of a name."""

_R = TypeVar("_R", bound="Placed")


def drawn(numbers: range, count: int) -> list[int]:
    """So many different ones of these numbers, at random."""
    total, begin = len(numbers), numbers.start
    if 2 * count > total:
        return random.sample(numbers, count)
    # For few of many, a third of what `sample` takes.
    draw = random.random
    chosen: set[int] = set()
    while missing := count - len(chosen):
        chosen.update([begin + int(draw() * total) for _ in range(missing)])
    return [*chosen]


class Placed(Protocol):
    """What this needs of a registration."""

    ip: str
    place: Place
    number: int
    """Where it stands among those of its namespace, in no order."""


class Rosters(Generic[_R]):
    """The registrations of every large namespace; `draw(range, n)` gives n different numbers."""

    def __init__(self, draw: Callable[[range, int], list[int]]) -> None:
        self._draw = draw
        self._sorted: dict[str, list[Place]] = {}
        self._numbered: dict[str, list[_R]] = {}

    def added(self, namespace: str, new: _R, places: Mapping[Place, _R]) -> None:
        """This one's place is new among `places`, which are those of the namespace."""
        roster = self._sorted.get(namespace)
        if roster is not None:
            insort(roster, new.place)
            numbered = self._numbered[namespace]
            new.number = len(numbered)
            numbered.append(new)
        elif len(places) > _SMALL:
            self._sorted[namespace] = sorted(places)
            self._numbered[namespace] = numbered = [*places.values()]
            for number, each in enumerate(numbered):
                each.number = number

    def replaced(self, namespace: str, old: _R, new: _R) -> None:
        """Another registration has this place now."""
        numbered = self._numbered.get(namespace)
        if numbered is not None:
            new.number = old.number
            numbered[old.number] = new

    def removed(self, namespace: str, gone: _R) -> None:
        """This place is gone."""
        roster = self._sorted.get(namespace)
        if roster is None:
            return
        del roster[bisect_left(roster, gone.place)]
        numbered = self._numbered[namespace]
        last = numbered.pop()
        if last is not gone:
            last.number = gone.number
            numbered[last.number] = last
        if len(roster) < _SMALL // 2:
            del self._sorted[namespace], self._numbered[namespace]

    def select(self, namespace: str, selection: Selection, places: Mapping[Place, _R]) -> list[_R]:
        """Those that are asked for, each once: the named ones, then the others."""
        roster = self._sorted.get(namespace)
        chosen: list[_R] = []
        if selection.names or not selection.sample:
            if roster is None:
                roster = sorted(places)
            found = self._named(roster, selection.names)
            if selection.limit and not selection.sample:
                found += _page(roster, selection)
            chosen = [places[place] for place in found]
        if selection.sample:
            chosen += self._drawn(self._numbered.get(namespace) or [*places.values()], selection)
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

    def _drawn(self, numbered: list[_R], selection: Selection) -> list[_R]:
        limit = selection.limit
        count = limit * _DRAWN if selection.families else limit
        numbers = self._draw(range(len(numbered)), min(count, len(numbered)))
        some = [numbered[number] for number in numbers]
        if selection.families:
            return [each for each in some if selection.takes(each.ip)][:limit]
        return some


def _page(roster: list[Place], selection: Selection) -> list[Place]:
    begin = 0
    if selection.after is not None:
        name, ip = selection.after
        begin = bisect_right(roster, (name, ip or _LAST))
    return roster[begin : begin + selection.limit]
