"""Where a client is in what a node says: after a gap it goes on, and hears nothing twice.

    place = Place(["message"])
    place.subscribe()                ->  the fields of its request `subscribe`
    place.subscribed(answer)             what the node answered
    place.takes(event)               ->  whether it is new; notes how far the client is
    while place.is_behind:               something was missed, and the history has it
        new = place.read(ask("history", **place.history()))

Rules: no I/O, so that it serves blocking programs and others. Events are missed when the connection
was away for too long, when the node was, or when the client reads too slowly. Messages are found in
the history then, if the node keeps one. What else was missed is only counted, as `left_out`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_PAGE: Final = 200
_REMEMBERED: Final = 4000
"""Ids by which an event is known to have come before."""
_OUT_OF_ORDER: Final = 1000
"""By how much an id may be smaller than one that came before it: peers are told in their own
order, and another's message may have to wait for the disk."""


class Place:
    """One client's place. `kinds`: the events that it wants."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = [*kinds]
        self._own_id = ""
        self._run = ""
        self._number: int | None = None
        self._ids: dict[int, None] = {}
        self._highest = 0
        self._start: int | None = None
        self._page_after: int | None = None
        self.is_behind = False
        """Whether messages were missed that the history may have: ask it."""

    def subscribe(self) -> dict[str, Any]:
        """The fields of the request."""
        since: int | str = "now" if self._number is None else self._number
        return {"events": self._kinds, "leave_out": True, "since": since, "run": self._run}

    def subscribed(self, answer: dict[str, Any], own_id: str) -> None:
        """The node, which is called `own_id`, has answered it. Then ask `start` of it."""
        self._own_id = own_id
        again, self._run = self._number is not None, str(answer.get("run", ""))
        last, missed = answer.get("last"), answer.get("missed")
        if isinstance(last, int):
            self._number = last if missed is None or not again else max(self._number or 0, last)
        if again and missed != 0:
            self._fell_behind()

    def begins(self, last_id: int) -> None:
        """The history's latest id is this, of what came before the first `subscribe`."""
        if self._start is None:
            self._start = last_id
        elif last_id < self._start:  # another file: its ids begin anew
            self._start = self._highest = 0
            self._ids.clear()

    @property
    def has_begun(self) -> bool:
        """Whether `begins` was called."""
        return self._start is not None

    def takes(self, event: dict[str, Any]) -> bool:
        """Whether an event is new to the client."""
        number, id_ = event.get("n"), event.get("id")
        if isinstance(number, int):
            self._number = max(self._number or 0, number)
        if event.get("event") == "left_out":
            self._fell_behind()
        return not isinstance(id_, int) or self._is_new(id_)

    def history(self) -> dict[str, Any]:
        """The fields of the next request `history`."""
        if self._page_after is None:
            self._page_after = max(self._start or 0, self._highest - _OUT_OF_ORDER)
        return {"after": self._page_after, "count": _PAGE}

    def read(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """The new events in a page of the history."""
        lines = answer.get("lines", [])
        self.begins(int(answer.get("last_id", 0)))
        events = [self._event(line) for line in lines if self._is_new(int(line["id"]))]
        if lines and answer.get("more_after"):
            self._page_after = int(lines[-1]["id"])
        else:
            self._page_after, self.is_behind = None, False
        return [event for event in events if event["event"] in self._kinds]

    def cannot_read(self) -> None:
        """The node keeps no history, or does not answer."""
        self._page_after, self.is_behind = None, False

    def _fell_behind(self) -> None:
        if self._start is not None and {"message", "sent"} & {*self._kinds}:
            self.is_behind = True

    def _is_new(self, id_: int) -> bool:
        if id_ in self._ids:
            return False
        self._ids[id_] = None
        self._highest = max(self._highest, id_)
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]
        return True

    def _event(self, line: dict[str, Any]) -> dict[str, Any]:
        """A line of the history as the event that it was."""
        where, said_by = line["conversation"], line["from"]
        common = {"time": line["time"], "text": line["text"], "msg_id": line["msg_id"]}
        if "of" in line:
            common["of"] = line["of"]
        if line["state"] != "received":
            return {"event": "sent", "to": where, **common, "id": line["id"]}
        event = {"event": "message", "from": said_by, **common, "id": line["id"]}
        event["to"] = self._own_id if where == said_by else where
        event["security"], event["key"] = line.get("security") or "plain", ""
        return {**event, "said": line["said"]} if "said" in line else event
