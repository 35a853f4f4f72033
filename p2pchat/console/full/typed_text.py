"""What of the lines that are typed is text, and what a command.

oi               text            //etc      the text /etc
/etc/hosts oi    text            /etc       a command, and a wrong one
"""

from __future__ import annotations


def text_of(line: str) -> str | None:
    """The text that a typed line sends; None for a command."""
    if not line.startswith("/"):
        return line
    if line.startswith("//"):
        return line[1:]
    word = line.split(maxsplit=1)[0]
    return line if "/" in word[1:] else None


def typed_as(text: str) -> str:
    """The line that sends this text, whatever it begins with."""
    return f"/{text}" if text.startswith("/") else text
