"""What people say to each other, in the log: its length, and the words only where they are wanted.

Rules: every line of the log that is about a message has its text from `logged`. The text is gone
before there is an event, so that no observer of any log can write it.
"""

from __future__ import annotations

_shown = False


def show_texts(wanted: bool) -> None:
    """Whether the log holds the texts of messages from now on (the setting `logging.texts`)."""
    global _shown
    _shown = wanted


def logged(text: str) -> str:
    """What the log says for the text of a message."""
    return text if _shown else f"{len(text)} characters"
