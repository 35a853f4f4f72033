"""The one place where text from outside is made safe to print.

A peer's id, a message, a rendezvous's error: any of it may hold an escape sequence that moves the
cursor, retitles the window or forges a line of a log. `printable` makes such characters visible
and leaves everything else, accents, CJK and emoji (with their joiners), as it came. Marks that
take no room of their own, thousands of them on one letter, are work for whoever draws them: a cell
keeps `MARKS` of them, and the rest is counted.

What is for private use stays in a text, as symbols of many fonts do: it takes a cell, and hides
nothing. In a name it is made visible; see `names`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import groupby
from typing import Final

from p2pchat.speech import Sentence, plain

MARKS: Final = 8
"""Characters without a width that one cell may hold: the flag of a region has six."""

# C0 and C1 controls and DEL; characters that reverse or hide the text around them (bidi marks,
# embeddings and isolates, line and paragraph separators, a stray byte order mark, annotations
# between lines); halves of surrogate pairs, which no UTF-8 output can carry.
UNSAFE: Final = (
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e"
    r"\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What must not be printed, as a regular expression that other languages read in the same way."""
_UNSAFE: Final = re.compile(UNSAFE + "+")
_MOST_REMEMBERED: Final = 10_000


def printable(text: str) -> str:
    """`text` with control and escape characters shown as `\\x1b`, `\\n`, `\\u202e` and the like.

    The result is one line, can always be encoded as UTF-8, and holds nothing that a terminal obeys.
    """
    # What Python calls printable holds nothing unsafe, and is known in a tenth of the time.
    if not text.isprintable():
        text = _UNSAFE.sub(_visible, text)
    return text if text.isascii() else _marks_counted(text)


def _visible(match: re.Match[str]) -> str:
    found = match.group()
    # One between other characters, thousands of times, is what costs most.
    return _escape(found) if len(found) == 1 else found.encode("unicode_escape").decode("ascii")


@lru_cache(maxsize=256)
def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class _MarkTable(dict[str, bool]):
    """Whether a character takes no room of its own: accents, joiners, vowel signs, half syllables.

    It is asked for each character of what strangers write, and so remembers the answers.
    """

    def __missing__(self, character: str) -> bool:
        found = character >= "\u0300" and (
            unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf")
            # Vowels and finals of Korean syllables, and their fillers.
            or "\u115f" <= character <= "\u11ff"
            or "\ud7b0" <= character <= "\ud7ff"
            or character in "\u3164\uffa0"
            # What is not assigned yet may become a mark, but not where emoji are added.
            or (
                unicodedata.category(character) == "Cn"
                and not "\U0001f000" <= character <= "\U0001faff"
            )
        )
        if len(self) < _MOST_REMEMBERED:
            self[character] = found
        return found


_is_mark: Final = _MarkTable().__getitem__


def _marks_counted(text: str) -> str:
    # Of a run that is too long every ninth character is a mark: most texts are done here.
    if not any(map(_is_mark, text[MARKS :: MARKS + 1])):
        return text
    kept: list[str] = []
    for marks, run in groupby(text, _is_mark):
        characters = "".join(run)
        if marks and len(characters) > MARKS:
            characters = f"{characters[:MARKS]}(+{len(characters) - MARKS:,} marks)"
        kept.append(characters)
    return "".join(kept)


def marks_in_cells(text: str) -> str:
    """The same number of characters, where marks beyond `MARKS` on a cell have cells of their own.

    For a line that is being edited: each place in it stays where it is.
    """
    if text.isascii() or not any(map(_is_mark, text[MARKS :: MARKS + 1])):
        return text
    kept: list[str] = []
    for marks, run in groupby(text, _is_mark):
        characters = "".join(run)
        if marks and len(characters) > MARKS:
            characters = characters[:MARKS] + "·" * (len(characters) - MARKS)
        kept.append(characters)
    return "".join(kept)


def shortened(text: str, limit: int = 200) -> str:
    """`text` made printable and cut to at most `limit` characters, for logs and error sentences."""
    return printable(text if len(text) <= limit else text[: limit - 1] + "…")


def is_text(word: str) -> bool:
    """Whether a word of the command line is text, and not bytes that are no UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def system_reason(error: OSError) -> str:
    """What the operating system says went wrong, for the log."""
    return error.strerror or type(error).__name__


def why_not(error: OSError) -> Sentence:
    """The same for a sentence that a person reads."""
    text = system_reason(error)
    return _REASONS.get(text) or plain(text)


_REASONS: Final = {
    str(reason): reason
    for reason in (
        Sentence("Address already in use"),
        Sentence("Cannot assign requested address"),
        Sentence("Connection refused"),
        Sentence("Connection reset by peer"),
        Sentence("Is a directory"),
        Sentence("It is no regular file"),
        Sentence("Network is unreachable"),
        Sentence("No route to host"),
        Sentence("No space left on device"),
        Sentence("No such file or directory"),
        Sentence("Not a directory"),
        Sentence("Permission denied"),
        Sentence("Read-only file system"),
        Sentence("Too many open files"),
    )
}
"""What a system says most often; everything else is said in its own words."""
