"""The one place where text from outside is made safe to print.

A peer's id, a message, a rendezvous's error: any of it may hold an escape sequence that moves the
cursor, retitles the window or forges a line of a log. `printable` makes such characters visible
and leaves everything else, accents, CJK and emoji (with their joiners), as it came.
"""

from __future__ import annotations

import re

# C0 and C1 controls and DEL; characters that reverse or hide the text around them (bidi marks,
# embeddings and isolates, line and paragraph separators, a stray byte order mark); halves of
# surrogate pairs, which no UTF-8 output can carry.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """`text` with control and escape characters shown as `\\x1b`, `\\n`, `\\u202e` and the like.

    The result is one line, can always be encoded as UTF-8, and holds nothing that a terminal obeys.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


def shortened(text: str, limit: int = 200) -> str:
    """`text` made printable and cut to at most `limit` characters, for logs and error sentences."""
    return printable(text if len(text) <= limit else text[: limit - 1] + "…")


def system_reason(error: OSError) -> str:
    """What the operating system says went wrong, for error sentences."""
    return error.strerror or type(error).__name__
