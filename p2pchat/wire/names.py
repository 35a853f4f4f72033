"""Names that others chose: how they are shown, found again, and told from names they look like.

    bob@CIC                        ->  bob@CIC
    bob\\u202e@CIC, b[o]b@CIC       ->  bob\\u202e@CIC, b\\x5bo\\x5db@CIC, as they are typed, too

Rules: a name is shown in one form everywhere, in which nothing is hidden, and it can be typed so.
In a sentence of ours it stands in brackets, which it can neither close nor outgrow: a stranger may
be called like the rest of the sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from p2pchat.wire.text import printable

CELLS: Final = 40
"""Columns of a terminal that a name in a sentence may take."""

# Characters without a look of their own whose category does not tell it: fillers, joiners,
# selectors of variants, a blank pattern.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_OURS: Final = frozenset("[]\\\uff3b\uff3d")
"""Brackets, and the sign with which a visible form begins: a name has them in that form alone."""
_PLAIN: Final = re.compile(r"[!-Z^-~]+( [!-Z^-~]+)*")
_ODD_SPACES: Final = re.compile("^ | $|(?<= ) ")
_WITHOUT_WIDTH: Final = ("Mn", "Me", "Cf")
# Letters that look like others, after casefold and without accents.
_LOOKS: Final = str.maketrans(
    dict(
        pair
        for pair in (
            # Cyrillic
            "аa вb еe ѕs іl јj кk мm нh оo рp сc тt уy хx ԁd ԛq ԝw һh ӏl ьb гr "
            # Greek
            "αa βb εe ηn ιl κk νv οo ρp τt υu χx γy ωw σo "
            # Latin, digits and signs
            "ıl ɑa ɡg il 1l |l !l 0o 5s $s"
        ).split()
    )
)


def is_hidden(character: str) -> bool:
    """Whether it cannot be seen, or moves what stands around it: no name of ours may have it."""
    category = unicodedata.category(character)
    return (
        category in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn")
        or (category == "Zs" and character != " ")
        or _BLANK.match(character) is not None
    )


@lru_cache(maxsize=4096)
def visible(name: str) -> str:
    """The one form in which a peer_id or a scope is shown, and can be typed."""
    if _PLAIN.fullmatch(name):
        return name
    shown = "".join(
        each.encode("unicode_escape").decode("ascii").replace("\\\\", "\\x5c")
        if each == "\\" or (each > "~" and is_hidden(each)) or each < " "
        else f"\\x{ord(each):02x}" if each in "[]" else each
        for each in name
    )
    shown = shown.replace("\uff3b", "\\uff3b").replace("\uff3d", "\\uff3d")
    return printable(_ODD_SPACES.sub(r"\\x20", shown))


@lru_cache(maxsize=4096)
def bracketed(name: str) -> str:
    """A name in a sentence of ours: `[bob@CIC]`, at most `CELLS` columns between the brackets."""
    return f"[{in_cells(visible(name))}]"


def in_cells(shown: str, most: int = CELLS) -> str:
    """What is printable, or its beginning and an ellipsis, in so many columns of a terminal."""
    if shown.isascii() and len(shown) <= most:
        return shown
    taken = 0
    end = len(shown)
    for at, character in enumerate(shown):
        taken += cells(character)
        if taken > most:
            return shown[:end] + "…"
        if taken < most:
            end = at + 1
    return shown


def cells(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(character) in _WITHOUT_WIDTH
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


@lru_cache(maxsize=4096)
def skeleton(name: str) -> str:
    """What a name looks like to who reads it quickly: the same for names that are easily confused.

    It is only compared with other skeletons, and never shown.
    """
    name = unicodedata.normalize("NFKD", name).casefold()
    seen = "".join(
        each for each in name if not is_hidden(each) and unicodedata.category(each) != "Mn"
    )
    return seen.translate(_LOOKS).replace("rn", "m").replace("vv", "w")


def known_as(shown: str, names: Iterable[str]) -> list[str]:
    """Those of `names` whose visible form this is."""
    return [name for name in names if visible(name) == shown]
