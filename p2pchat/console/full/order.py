"""The list of conversations: in the order in which they came, so that their numbers stay.

Rules: pure. All together is the first one, number 0. A conversation has its place from when
something is said in it, or it is opened, until it is closed or forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Order:
    """The keys of the conversations that are listed; `first` is always one of them."""

    def __init__(self, first: str) -> None:
        self._first = first
        self._keys: dict[str, None] = {first: None}

    def __iter__(self) -> Iterator[str]:
        return iter([*self._keys])

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Iterable[str]) -> None:
        """Put these at the end, unless they are listed."""
        for key in keys:
            self._keys.setdefault(key)

    def remove(self, key: str) -> None:
        """Take one out; those behind it move up."""
        if key != self._first:
            self._keys.pop(key, None)

    def at(self, number: int) -> str | None:
        """The one with this number; None where the list is shorter."""
        keys = [*self._keys]
        return keys[number] if number < len(keys) else None

    def beside(self, key: str, steps: int) -> str:
        """The one so many places further down, or up if negative; round and round."""
        keys = [*self._keys]
        return keys[(keys.index(key) + steps) % len(keys)] if key in self._keys else self._first
