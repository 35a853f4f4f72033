"""`p2pchat tail --follow`: the events of a node, over restarts and broken connections.

    for event in follow(choice, kinds, say): ...

Rules: no Twisted. The node must run at the beginning. From then on it is looked for again and
again, and what was missed is read from its history.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from p2pchat.control.client.finding import Choice, Node, Refused, find
from p2pchat.control.client.place import Place
from p2pchat.control.paths import ControlError
from p2pchat.speech import _, spoken

_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 5.0
_BETWEEN: Final = 0.5


def follow(
    choice: Choice,
    kinds: Sequence[str],
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    look_for: Callable[[Choice], Node] = find,
) -> Iterator[dict[str, Any]]:
    """The events of the node that is meant, and no end; `say` is told when it goes and comes.

    Raises `ControlError` when there is no such node at the beginning.
    """
    place, wait = Place(kinds), _FIRST_WAIT
    node = look_for(choice)
    choice = choice if choice.control else Choice(None, *_names(node))
    while True:
        try:
            with node:
                for event in _events(node, place):
                    wait = _FIRST_WAIT
                    yield event
            say(_("the node stops"))
        except ControlError as why:
            if isinstance(why, Refused):
                raise
            say(spoken(why))
        while True:
            sleep(wait)
            wait = min(_LONGEST_WAIT, 2 * wait)
            try:
                node = look_for(choice)
            except ControlError:
                continue
            say(_("the node is there again"))
            break


def _names(node: Node) -> tuple[str, str]:
    name, _at, namespace = node.peer_id.rpartition("@")
    return name, namespace


def _events(node: Node, place: Place) -> Iterator[dict[str, Any]]:
    """What this connection brings, with what was missed before it; ends when the node stops."""
    if not place.has_begun:
        _begin(node, place)
    place.subscribed(node.ask("subscribe", **place.subscribe()), node.peer_id)
    yield from _missed(node, place)
    for event in node.events():
        if event.get("event") == "stopping":
            return
        if place.takes(event):
            yield event
        yield from _missed(node, place)


def _begin(node: Node, place: Place) -> None:
    with suppress(Refused):  # it keeps nothing, or is of an earlier version
        place.begins(int(node.ask("history", count=1)["last_id"]))


def _missed(node: Node, place: Place) -> Iterator[dict[str, Any]]:
    while place.is_behind:
        try:
            yield from place.read(node.ask("history", **place.history()))
        except Refused as why:
            if why.answer.get("code") == "busy":
                time.sleep(_BETWEEN)
                continue
            place.cannot_read()
