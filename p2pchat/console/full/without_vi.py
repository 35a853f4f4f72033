"""An application of prompt_toolkit without the keys of vi, which nobody can switch on here.

    with without_vi():
        Application(...)

Rules: they are two thirds of all bindings, and every one is looked at when a key is pressed for the
first time. An application always loads them all, so their loaders are others meanwhile. Where a
version of prompt_toolkit has none by these names, there is nothing to leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from prompt_toolkit.key_binding import KeyBindings, defaults

_LOADERS: Final = ("load_vi_bindings", "load_vi_search_bindings")


@contextmanager
def without_vi() -> Iterator[None]:
    """An application that is made in this block has no keys of vi."""
    there = vars(defaults)
    before: dict[str, Any] = {name: there[name] for name in _LOADERS if name in there}
    there.update(dict.fromkeys(before, KeyBindings))
    try:
        yield
    finally:
        there.update(before)
