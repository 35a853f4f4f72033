"""The commands that say whether the person is here: /away, /back."""

from __future__ import annotations

from typing import Final

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.replies import Answer, said, wrong
from p2pchat.node.news import NotSentError


def _away(person: Person, rest: str) -> Answer:
    absences = person.node.absences
    if not rest.strip():
        return said(f"you are away: {absences.own}" if absences.own else "you are here")
    try:
        absences.say(rest)
    except NotSentError as why:
        return wrong(why)
    return said(f"you are away: {absences.own} (/back)")


def _back(person: Person, _rest: str) -> Answer:
    was = person.node.absences.own
    person.node.absences.say("")
    return said("you are back" if was else "you were here")


AWAY: Final = Command(
    "away", "[text]", "tell all peers that you are away, and why", _away, needs_peers=False
)
BACK: Final = Command("back", "", "tell them that you are back", _back, needs_peers=False)
