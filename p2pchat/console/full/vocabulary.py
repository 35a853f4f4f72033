"""What can be typed in the full console: the commands it adds, and the keys worth knowing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from p2pchat.console.commands.table import COMMANDS
from p2pchat.speech import N_

EXTRA: Final = (
    (
        "to",
        "[peer_id | #namespace | *] [text]",
        N_("where plain text goes; without one, all are shown"),
    ),
    ("list", "", N_("the conversations; on a wide screen they stand at the left")),
    (
        "close",
        "[peer_id | #namespace | *]",
        N_("take a conversation off the list, until more is said"),
    ),
    ("mouse", "", N_("the wheel scrolls the messages; once more, and it does not")),
    ("reply", "[message]", N_("answer whoever wrote last; /r is the same")),
)
"""The commands that only this console has: name, arguments, summary, to be shown with `_`."""
KEYS: Final = (
    ("Tab", N_("completes commands, peers and namespaces, and names in text")),
    ("Alt-Enter", N_("a new line in a message")),
    ("Alt-A", N_("the next conversation with unread messages")),
    (N_("Alt-1 to Alt-9, Alt-0"), N_("a conversation of the list by its number; all of them")),
    (N_("Alt-Left, Alt-Right"), N_("the conversation before and after in the list")),
    ("PageUp, PageDown", N_("scroll, through all that is kept")),
    ("Ctrl-End, Esc", N_("back to the end")),
    (N_("Up, Ctrl-R"), N_("what was typed before")),
    (
        "//, /etc/hosts",
        N_("a text that begins with a slash: //x sends /x, and a path is no command"),
    ),
    ("Ctrl-Z", N_("stops the program until the shell's fg; meanwhile nothing comes in")),
    (N_("Ctrl-C twice, Ctrl-D"), N_("leave")),
)
"""Keys, and what they do."""
DAILY: Final = ("to", "reply", "list", "msg", "pub", "peers", "history", "search", "close", "quit")
"""The commands that one needs every day, in the order of /help."""


def known_commands() -> Sequence[tuple[str, str, str]]:
    """All commands of this console: name, arguments, summary."""
    shared = [(each.name, each.arguments, each.summary) for each in COMMANDS]
    return sorted([*EXTRA, *shared])


def usage(command: str, arguments: str) -> str:
    """How a command is written."""
    return f"/{command} {arguments}".rstrip()
