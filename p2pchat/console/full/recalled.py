"""The last message, brought back with the Up key and changed, is another text for it.

Rules: only of the conversation on the screen, only the last one said there, and only while it has
the text that came back. Whatever else was brought back is a message of its own.
"""

from __future__ import annotations

from prompt_toolkit.buffer import Buffer

from p2pchat.console.full.conversations import Conversation


def text_to_run(line: Buffer, current: Conversation) -> str:
    """What the line says; as /edit, if it is the last message said here, and was changed."""
    text, typed = line.text, line.history.get_strings()
    if not typed or line.working_index != len(typed) - 1 or text == typed[-1]:
        return text
    if not text.strip() or text.startswith("/"):
        return text
    last = current.backlog.last_said(current.key)
    return f"/edit {text}" if last is not None and last.text == typed[-1] else text
