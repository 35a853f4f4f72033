"""Events of a node -> lines for a person, in the words that a console of the node uses.

Rules: no Twisted. What a node tells is text from outside: every line is made printable here, and
an event without its fields is a line all the same.
"""

from __future__ import annotations

import calendar
import json
import time
from typing import Any, Final

from p2pchat.console.wording import EDITED, PLAIN, REUSED, away_line, said_note, sender
from p2pchat.node.news import NOT_CONFIRMED
from p2pchat.speech import _, ngettext
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import printable


def encrypts(status: dict[str, Any]) -> bool:
    """Whether a node with this `status` encrypts: then each message has a mark of how it came."""
    return bool(status.get("fingerprint")) and status.get("policy") != "off"


def message_line(event: dict[str, Any], *, marks: bool = False) -> str:
    """A message as a line; `marks`: with that of how it came."""
    to = _name(event.get("to"))
    begin = sender(
        _name(event.get("alias") or event.get("from")),
        to=to if to.startswith(("*", "#")) else "",
        claims="claims" in event,
        note=_note(event)
        + (_(EDITED) if event.get("of") else "")
        + (_(REUSED) if event.get("other_text") is True else ""),
        security=(text_of(event.get("security")) or PLAIN) if marks else "",
    )
    return begin + text_of(event.get("text"))


def is_for_a_person(event: dict[str, Any]) -> bool:
    """Whether it is shown: of whom a person ignores, not even the coming and going is."""
    return event.get("ignored") is not True


def event_line(event: dict[str, Any], *, marks: bool = False) -> str:
    """Any event as a line, as `p2pchat tail` shows it; `marks` as in `message_line`."""
    kind, peer_id = event.get("event"), bracketed(_name(event.get("peer_id")))
    if kind == "message":
        return message_line(event, marks=marks)
    if kind == "peer":
        return _("* {peer} is {status}").format(peer=peer_id, status=text_of(event.get("status")))
    if kind == "delivered":
        took = float(event.get("seconds", 0)) * 1000
        return _("delivered to {peer} in {ms:.1f} ms").format(peer=peer_id, ms=took)
    if kind == "away":
        return away_line(_name(event.get("peer_id")), text_of(event.get("text")))
    if kind == "queued":
        return _("waits for {peer}").format(peer=peer_id)
    if kind == "undelivered":
        reason = text_of(event.get("reason"))
        if reason.startswith(NOT_CONFIRMED):
            return f"{peer_id}: {reason}"
        return _("not delivered to {peer}: {why}").format(peer=peer_id, why=reason)
    if kind == "key":
        what = text_of(event.get("what"))
        return _("* the key of {peer}: {what}").format(peer=peer_id, what=what)
    if kind in _OTHERS:
        return _other_line(event, peer_id)
    return f"* {text_of(event.get('text') or kind)}"


_OTHERS: Final = ("sent", "read", "links", "round_trip", "forgotten", "left_out")


def _other_line(event: dict[str, Any], peer_id: str) -> str:
    match event["event"]:
        case "sent":
            edited = _(EDITED) if event.get("of") else ""
            return f"-> {bracketed(_name(event.get('to')))}{edited}: {text_of(event.get('text'))}"
        case "read":
            where = bracketed(_name(event.get("conversation")))
            return _("* {conversation} is read").format(conversation=where)
        case "links":
            links = event.get("links")
            count = len(links) if isinstance(links, list) else 0
            line = ngettext("* {peer} has {n} link", "* {peer} has {n} links", count)
            return line.format(peer=peer_id, n=count)
        case "round_trip":
            return f"{peer_id}: {float(event.get('seconds', 0)) * 1000:.1f} ms"
        case "left_out":
            left_out = event.get("count")
            one = 1 if left_out == 1 else 2
            line = ngettext("* {n} event is left out", "* {n} events are left out", one)
            return line.format(n=text_of(left_out))
        case _:
            return _("* what {peer} said is forgotten").format(peer=peer_id)


def text_of(value: object) -> str:
    """A field as printable text; what is missing is empty, what is no text is JSON."""
    if value is None:
        return ""
    return printable(value if isinstance(value, str) else json.dumps(value))


def _name(value: object) -> str:
    """A field that names a peer or a scope, as it came."""
    return value if isinstance(value, str) else text_of(value)


def _note(event: dict[str, Any]) -> str:
    """What else there is to say of a message, before its bracket closes."""
    if event.get("kept") is False:
        return _(" (not kept)")
    try:
        then = calendar.timegm(time.strptime(str(event["said"]), "%Y-%m-%dT%H:%M:%SZ"))
        return said_note(then, time.time())
    except (KeyError, ValueError, OverflowError, OSError):
        return ""
