"""`p2pchat outbox`, `search`, `reconnect`, `block`, `forget` and `log`: what they ask and show.

Rules: no Twisted. Each gives a value for programs and lines for a person; whoever shows the lines
makes them printable.
"""

from __future__ import annotations

import argparse
import calendar
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from p2pchat.control.client.event_lines import text_of
from p2pchat.control.client.finding import Node
from p2pchat.speech import N_, _, ngettext
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import shortened

_STAGES: Final = {
    "waits": N_("waits"),
    "on_its_way": N_("on its way"),
    "overdue": N_("no ACK came"),
}
_AT_ONCE: Final = 500


class Shown(NamedTuple):
    """What a command shows, and whether all was done."""

    value: object
    lines: list[str]
    done: bool = True


def _outbox(node: Node, options: argparse.Namespace) -> Shown:
    words: list[str] = options.what
    if words[:1] == ["cancel"]:
        return _cancel(node, words[1:])
    rows = [*_waiting(node, words[0] if words else "")]
    return Shown(rows, [*map(_waiting_line, rows)] or [_("nothing waits")])


def _waiting_line(row: dict[str, Any]) -> str:
    stage = text_of(row.get("stage"))
    return _("{msg_id}  {time}  to {peer}: {text}  ({stage})").format(
        msg_id=text_of(row.get("msg_id")),
        time=_moment(row),
        peer=bracketed(text_of(row.get("to"))),
        text=shortened(text_of(row.get("text")), 60),
        stage=_(_STAGES.get(stage, stage)),
    )


def _waiting(node: Node, peer_id: str) -> Iterator[dict[str, Any]]:
    after: list[str] = []
    while True:
        answer = node.ask("outbox", peer_id=peer_id, msg_ids=after, count=200)
        yield from answer["messages"]
        if not answer["more"] or not answer["messages"]:
            return
        after = [answer["messages"][-1]["msg_id"]]


def _cancel(node: Node, ids: list[str]) -> Shown:
    if ids == ["all"]:
        ids = [row["msg_id"] for row in _waiting(node, "")]
    count, unknown, reasons = 0, [], []
    for start in range(0, len(ids), _AT_ONCE):
        answer = node.ask("cancel", msg_ids=ids[start : start + _AT_ONCE])
        count += answer["cancelled"]
        unknown += answer["unknown"]
        reasons += [answer["reason"]] if "reason" in answer else []
    lines = [ngettext("cancelled {n} message", "cancelled {n} messages", count).format(n=count)]
    lines += [_("no message {id} waits").format(id=text_of(each)) for each in unknown[:10]]
    lines += [_("but not for good: {why}").format(why=text_of(each)) for each in reasons[:1]]
    value = {"cancelled": count, "unknown": unknown, "for_good": not reasons}
    return Shown(value, lines, done=not unknown and not reasons)


def _search(node: Node, options: argparse.Namespace) -> Shown:
    from p2pchat.console.commands.past import history_line
    from p2pchat.history.records import SECURITIES, STATES, Record

    words, count = " ".join(options.words), max(1, options.count)
    found: list[dict[str, Any]] = []
    before: dict[str, int] = {}
    while len(found) < count:
        answer = node.ask(
            "search",
            words=words,
            conversation=options.conversation,
            count=min(200, count - len(found)),
            **before,
        )
        found = [*answer["lines"], *found]
        if not answer["more_before"] or not answer["lines"]:
            break
        before = {"before": answer["lines"][0]["id"]}
    records = [
        Record(
            line["id"],
            line["conversation"],
            line["from"],
            line["msg_id"],
            _seconds(line["time"]),
            STATES.index(line["state"]),
            line["text"],
            _seconds(line["said"]) if "said" in line else None,
            SECURITIES.index(line["security"]) if line.get("security") else None,
        )
        for line in found
    ]
    nothing = _('nothing is kept that has "{words}"').format(words=shortened(words, 60))
    return Shown(found, [*map(history_line, records)] or [nothing])


def _reconnect(node: Node, _options: argparse.Namespace) -> Shown:
    count = node.ask("reconnect")["dialing"]
    line = _("there is nobody to dial")
    if count:
        line = ngettext("dialing {n} peer", "dialing {n} peers", count).format(n=count)
    return Shown({"dialing": count}, [line])


def _block(node: Node, options: argparse.Namespace) -> Shown:
    answer = node.ask("unblock" if options.remove else "block", entry=options.entry)
    entry = bracketed(text_of(answer["entry"]))
    value = {key: answer[key] for key in ("entry", "configured", "added")}
    if answer["entry"]:
        state = _("{entry} is blocked until the node ends")
        if answer["entry"] in answer["configured"]:
            state = _("{entry} is blocked by limits.blocked")
        elif options.remove:
            state = _("{entry} is not blocked any more")
        return Shown(value, [state.format(entry=entry)])
    lines = [f"{text_of(each)} (limits.blocked)" for each in answer["configured"]]
    until = _("{entry} (until the node ends)")
    lines += [until.format(entry=text_of(each)) for each in answer["added"]]
    return Shown(value, lines or [_("nobody is blocked")])


def _forget(node: Node, options: argparse.Namespace) -> Shown:
    answer = node.ask("forget", peer_id=options.peer)
    value = {key: answer[key] for key in ("peer_id", "messages")}
    who = bracketed(text_of(answer["peer_id"]))
    count = int(answer["messages"])
    line = ngettext(
        "forgot {n} message of and to {peer}", "forgot {n} messages of and to {peer}", count
    )
    return Shown(value, [line.format(n=count, peer=who)])


def _log(node: Node, options: argparse.Namespace) -> Shown:
    level = text_of(node.ask("log", level=options.level)["level"])
    return Shown({"level": level}, [_("the log tells {level} and graver").format(level=level)])


ORDERS: Final[dict[str, Callable[[Node, argparse.Namespace], Shown]]] = {
    "outbox": _outbox,
    "search": _search,
    "reconnect": _reconnect,
    "block": _block,
    "forget": _forget,
    "log": _log,
}
"""Each of them, by its word."""


def _moment(row: dict[str, Any]) -> str:
    """When something was said, in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(_seconds(row.get("time"))))


def _seconds(moment: object) -> float:
    try:
        return float(calendar.timegm(time.strptime(str(moment), "%Y-%m-%dT%H:%M:%SZ")))
    except (ValueError, OverflowError):
        return 0.0
