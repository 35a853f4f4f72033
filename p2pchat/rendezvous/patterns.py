"""Names with stars: `spam*@*` matches each text that begins with `spam` and holds an `@` behind it.

Rules: `*` stands for any characters, none included. A question costs one search for each star, and
none goes back: the first place where a part fits leaves most for the parts behind it.
"""

from __future__ import annotations


class Pattern:
    """One text with at least one star."""

    __slots__ = ("_begin", "_end", "_parts", "_shortest")

    def __init__(self, text: str) -> None:
        self._begin, *parts, self._end = text.split("*")
        self._parts = tuple(filter(None, parts))
        self._shortest = len(self._begin) + len(self._end)

    def matches(self, text: str) -> bool:
        """Whether this is one of the texts that the pattern stands for."""
        begin, end = self._begin, self._end
        if len(text) < self._shortest or not (text.startswith(begin) and text.endswith(end)):
            return False
        place, last = len(begin), len(text) - len(end)
        for part in self._parts:
            place = text.find(part, place, last)
            if place < 0:
                return False
            place += len(part)
        return True
