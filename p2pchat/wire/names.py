"""Names that others chose: how they are shown, found again, and told from names they look like.

    bob@CIC                        ->  bob@CIC
    bob\\u202e@CIC, b[o]b@CIC       ->  bob\\u202e@CIC, b\\x5bo\\x5db@CIC, as they are typed, too

Rules: a name is shown in one form everywhere, in which nothing is hidden, and it can be typed so.
In a sentence of ours it stands in brackets, which it can neither close nor outgrow: a stranger may
be called like the rest of the sentence. A name that is written from right to left has no isolates
around it: terminals that reorder text drop them, at least at the beginning of a line, and a console
that does not know them gives them a cell, so that columns shift. Where a terminal reorders, figures
behind such a name may stand before it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from p2pchat.wire.text import printable

CELLS: Final = 40
"""Columns of a terminal that a name in a sentence may take."""
NAMED_WITHIN: Final = 2000
"""Characters of a text in which a name is looked for: more than a screen of most terminals."""
_LONGEST: Final = 200  # characters; a peer_id has 129 at most, what only claims to be one has any

# Characters without a look of their own whose category does not tell it: fillers, joiners,
# selectors of variants, blank patterns, heads and hieroglyphs, the place of an object.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_PLAIN: Final = re.compile(r"[!-Z^-~]+( [!-Z^-~]+)*(?<! [+~])")
# Also the one before a sign at the end that could be taken for the mark of how a message came.
_ODD_SPACES: Final = re.compile("^ | $|(?<= ) | (?=[+~]$)")
_WITHOUT_WIDTH: Final = ("Mn", "Me", "Cf")
# Letters that look like others, after casefold and without accents: Cyrillic, Greek, Latin, signs.
_LOOK_ALIKES: Final = (
    ("abesljkmhopctyxdqwhlbr", "авеѕіјкмнорстухԁԛԝһӏьг"),
    ("abenlkvoptuxywo", "αβεηικνορτυχγωσ"),
    ("lagllllos", "ıɑɡi1|!05"),
)
_LOOKS: Final = {
    ord(one): other
    for others, these in _LOOK_ALIKES
    for other, one in zip(others, these, strict=True)
}


def is_hidden(character: str) -> bool:
    """Whether it cannot be seen, or moves what stands around it: no name of ours may have it.

    What is for private use, or not assigned, looks like whatever a font makes of it: often nothing.
    """
    category = unicodedata.category(character)
    return (
        category in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co")
        or (category == "Zs" and character != " ")
        or _BLANK.match(character) is not None
    )


def visible(name: str) -> str:
    """The one form in which a peer_id or a scope is shown, and can be typed."""
    return _visible(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")


@lru_cache(maxsize=4096)
def _visible(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    shown = "".join(map(_shown, name))
    return printable(_ODD_SPACES.sub(r"\\x20", shown))


def _shown(character: str) -> str:
    if character in "[]\\":
        return f"\\x{ord(character):02x}"
    if character in "\uff3b\uff3d" or is_hidden(character):
        return character.encode("unicode_escape").decode("ascii")
    return character


def is_escaped(name: str) -> bool:
    """Whether it may be the visible form of a name that is another one."""
    return "\\" in name or " marks)" in name


def bracketed(name: str) -> str:
    """A name in a sentence of ours: `[bob@CIC]`, at most `CELLS` columns between the brackets."""
    return f"[{in_cells(visible(name))}]"


def in_table(name: str) -> str:
    """A name in a column of a table: what is longer than `CELLS` would wrap every row."""
    return in_cells(visible(name))


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
    return "".join(map(_look, name)).replace("rn", "m").replace("vv", "w")


@lru_cache(maxsize=32_768)
def _look(character: str) -> str:
    # One at a time, and remembered: some become eighteen others.
    folded = unicodedata.normalize("NFKD", character).casefold()
    seen = [it for it in folded if unicodedata.category(it) != "Mn" and not is_hidden(it)]
    return "".join(seen).translate(_LOOKS)


def naming(peer_id: str) -> Callable[[str], bool]:
    """Tells whether a text has the name of a peer_id as a word of its own, however it is written.

    Of a long text only the first `NAMED_WITHIN` characters count.
    """
    name = re.escape(peer_id.rpartition("@")[0])
    search = re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE).search
    return lambda text: search(text, 0, NAMED_WITHIN) is not None
