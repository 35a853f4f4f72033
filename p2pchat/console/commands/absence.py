"""The commands that say whether the person is here: /away, /back."""

from __future__ import annotations

from typing import Final

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.replies import Answer, said, wrong
from p2pchat.node.news import NotSentError
from p2pchat.speech import N_, _


def _away(person: Person, rest: str) -> Answer:
    absences = person.node.absences
    if not rest.strip():
        if not absences.own:
            return said(_("you are here"))
        return said(_("you are away: {text}").format(text=absences.own))
    try:
        absences.say(rest)
    except NotSentError as why:
        return wrong(why)
    return said(_("you are away: {text} (/back)").format(text=absences.own))


def _back(person: Person, _rest: str) -> Answer:
    was = person.node.absences.own
    person.node.absences.say("")
    return said(_("you are back") if was else _("you were here"))


AWAY: Final = Command(
    "away", "[text]", N_("tell all peers that you are away, and why"), _away, needs_peers=False
)
BACK: Final = Command("back", "", N_("tell them that you are back"), _back, needs_peers=False)
