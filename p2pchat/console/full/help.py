"""What /help shows: the daily commands, the keys, and all other commands.

Rules: made of the table of commands and of `vocabulary`, so that it tells of all there is.
"""

from __future__ import annotations

from p2pchat.console.full.sheet import SheetLine
from p2pchat.console.full.vocabulary import DAILY, KEYS, known_commands, usage


def help_lines() -> list[SheetLine]:
    """All of it, the daily commands first."""
    commands = {name: (usage(name, arguments), text) for name, arguments, text in known_commands()}
    daily = [SheetLine(text, head) for head, text in (commands.pop(name) for name in DAILY)]
    others = [SheetLine(text, head) for head, text in commands.values()]
    keys = [SheetLine(text, head) for head, text in KEYS]
    return [
        SheetLine("Plain text goes to the conversation that is open.", style="class:day"),
        *daily,
        SheetLine(""),
        SheetLine("Keys", style="class:day"),
        *keys,
        SheetLine(""),
        SheetLine("More commands", style="class:day"),
        *others,
    ]


def usages_of(name: str) -> list[str]:
    """How a command is written, and what it does; nothing for a name that is none."""
    return [
        f"{usage(command, arguments)}: {summary}"
        for command, arguments, summary in known_commands()
        if command == name
    ]
