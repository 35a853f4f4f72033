"""What /help shows: the daily commands, the keys, and all other commands.

Rules: made of the table of commands and of `vocabulary`, so that it tells of all there is.
"""

from __future__ import annotations

from p2pchat.console.full.sheet import SheetLine
from p2pchat.console.full.vocabulary import DAILY, KEYS, known_commands, usage
from p2pchat.speech import _


def help_lines() -> list[SheetLine]:
    """All of it, the daily commands first."""
    commands = {name: (usage(name, arguments), text) for name, arguments, text in known_commands()}
    daily = [SheetLine(_(text), head) for head, text in (commands.pop(name) for name in DAILY)]
    others = [SheetLine(_(text), head) for head, text in commands.values()]
    keys = [SheetLine(_(text), _(head)) for head, text in KEYS]
    return [
        SheetLine(_("Plain text goes to the conversation that is open."), style="class:day"),
        *daily,
        SheetLine(""),
        SheetLine(_("Keys"), style="class:day"),
        *keys,
        SheetLine(""),
        SheetLine(_("More commands"), style="class:day"),
        *others,
    ]


def usages_of(name: str) -> list[str]:
    """How a command is written, and what it does; nothing for a name that is none."""
    return [
        f"{usage(command, arguments)}: {_(summary)}"
        for command, arguments, summary in known_commands()
        if command == name
    ]
