"""`p2pchat status --check`: one line and an exit status, as monitoring programs want them.

    P2PCHAT OK - alice@CIC: registered, 3 links | links=3 waiting=0 ...        0
    P2PCHAT WARNING - ...: 9,200 of 10,000 links                               1
    P2PCHAT CRITICAL - no node of yours is running: ...                        2

Rules: https://nagios-plugins.org/doc/guidelines.html, "Plugin Output". The line has one `|`, before
its figures. What stands between the dash and it is for a person, and in their language; the rest is
the same in all. A node that does not answer is as bad as one that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from p2pchat.control.client.finding import Choice, find
from p2pchat.control.paths import ControlError
from p2pchat.speech import N_, _, ngettext, spoken
from p2pchat.wire.text import shortened

ANSWER_TIMEOUT: Final = 5.0
"""Seconds that the node may take; monitors give up after ten."""
_STATES: Final = ("OK", "WARNING", "CRITICAL")
_OK, _WARNING, _CRITICAL = range(3)
_FIRST_MINUTE: Final = 60.0
_NEARLY: Final = 0.9
_FULL: Final = (
    ("links", "connections", N_("{n:,} of {most:,} links")),
    ("program", "descriptors", N_("{n:,} of {most:,} open files")),
    ("history", "waiting", N_("{n:,} of {most:,} messages that wait")),
)
"""Section and figure of what is told when it is near its limit, and how."""
_SHOWN: Final = (
    ("links", "open", "links"),
    ("history", "waiting", "waiting"),
    ("history", "not_kept", "not_kept"),
    ("messages", "undelivered", "undelivered"),
    ("log", "failures", "failures"),
    ("program", "resident_memory_bytes", "memory"),
)
_UNITS: Final = {"not_kept": "c", "undelivered": "c", "failures": "c", "memory": "B"}


class Health(NamedTuple):
    """How a node is: 0, 1 or 2, and the line that says so."""

    status: int
    line: str


def check(choice: Choice) -> Health:
    """Ask the node that is meant how it is; it never raises for what a node does."""
    try:
        with find(choice, timeout=ANSWER_TIMEOUT) as node:
            status = node.ask("status")
            stats = node.ask("stats")["stats"]
    except ControlError as why:
        return _health(_CRITICAL, spoken(why))
    except (KeyError, TypeError):
        return _health(_CRITICAL, _("what answers says nothing of a node"))
    if not isinstance(stats, dict):
        stats = {}
    found = [*_trouble(status, stats)]
    worst = max((grade for grade, _said in found), default=_OK)
    said = [sentence for _grade, sentence in sorted(found, key=lambda each: -each[0])]
    if not found:
        links = _number(status.get("links")) or 0
        form = ngettext("registered, {n} link", "registered, {n} links", int(links))
        said = [form.format(n=links)]
    return _health(worst, f"{node.peer_id}: {'; '.join(said)}", [*_figures(stats)])


def _trouble(status: Mapping[str, Any], stats: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """What is not as it should be, each with how bad that is."""
    history = _section(stats, "history")
    if history.get("failing"):
        yield _CRITICAL, _("messages cannot be kept")
    trouble = status.get("trouble") or ""
    if not status.get("registered"):
        young = (_number(status.get("uptime_seconds")) or 0) < _FIRST_MINUTE
        yield _WARNING if young else _CRITICAL, trouble or _("not registered with the rendezvous")
    elif trouble:
        yield _WARNING, trouble
    for section, figure, form in _FULL:
        values = _section(stats, section)
        value, most = _number(values.get(figure)), _number(values.get(f"{figure}_limit"))
        if value is not None and most and value >= _NEARLY * most:
            yield _WARNING, _(form).format(n=value, most=most)


def _figures(stats: Mapping[str, Any]) -> Iterator[str]:
    for section, figure, name in _SHOWN:
        value = _number(_section(stats, section).get(figure))
        if value is not None:
            yield f"{name}={value}{_UNITS.get(name, '')}"


def _section(stats: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = stats.get(name)
    return section if isinstance(section, dict) else {}


def _number(value: object) -> int | float | None:
    return value if isinstance(value, (int, float)) else None


def _health(status: int, sentence: str, figures: list[str] | None = None) -> Health:
    # Only ours is the one that monitors split at.
    text = shortened(sentence, 300).replace("|", "/")
    behind = f" | {' '.join(figures)}" if figures else ""
    return Health(status, f"P2PCHAT {_STATES[status]} - {text}{behind}")
