"""Changes of what was said: by which id a change is kept, and how it reads where nobody knows it.

Rules: a change is a message of its own, which names the first one. It is kept under one id made of
both, longer than any other that is kept: so it needs no column of its own, and no other message
can be taken for one. An earlier version shows it as a message.
"""

from __future__ import annotations

from typing import Final

from p2pchat.wire.repetitions import LONGEST_ID

_PLACES: Final = LONGEST_ID + 1
_ESCAPE: Final = "\\"
"""In an id that is kept and was no Unicode, and so grew longer than others."""
_MARK: Final = "* "


def is_usual(msg_id: str) -> bool:
    """Whether an id can be that of a change, or of what one changes: it has the form of ours."""
    return (
        0 < len(msg_id) <= LONGEST_ID
        and msg_id.isascii()
        and msg_id.isprintable()
        and " " not in msg_id
        and _ESCAPE not in msg_id
    )


def kept_id(msg_id: str, of: str) -> str:
    """The id by which the change `msg_id` of the message `of` is kept; both are usual ones."""
    return msg_id.ljust(_PLACES) + of


def said_id(kept: str) -> str:
    """The id by which a message that is kept goes over the wire."""
    if len(kept) <= LONGEST_ID:
        return kept
    return kept[:_PLACES].rstrip() if changed_id(kept) else kept


def changed_id(kept: str) -> str:
    """The id of the message that one that is kept changes; empty for a message of its own."""
    return "" if len(kept) <= _PLACES or _ESCAPE in kept else kept[_PLACES:]


def as_message(text: str) -> str:
    """A change for who cannot, or must not, change what it is about."""
    return _MARK + text
