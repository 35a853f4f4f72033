"""What can be told of a direct message of ours, to who said it.

    QUEUED, LATE, UNKEPT, in any order, or none of them -> DELIVERED, UNDELIVERED or UNCONFIRMED

Rules: the last three are the end of a message; one of them comes once, and nothing after it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from p2pchat.speech import Sentence

NOT_CONFIRMED: Final = "sent, not confirmed"
"""How the reason begins, in English, for which a message ends that was sent, and perhaps read."""


class NotSentError(Exception):
    """A message that is not accepted; its `Sentence` is for the person."""


class InsecureError(NotSentError):
    """The link to a peer is less safe than the message demands: nothing left, nothing is kept."""


class Became(enum.Enum):
    """What can be told."""

    QUEUED = "it is safe, and waits for a link"
    LATE = "no ACK came in time; it is kept, and goes out again"
    UNKEPT = "there is no link, and it could not be stored"
    DELIVERED = "its ACK came"
    UNDELIVERED = "it is given up, or cancelled"
    UNCONFIRMED = "another program got it several times, and never acknowledged it"


class News(NamedTuple):
    """What became of a message, for who said it."""

    peer_id: str
    msg_id: str
    text: str
    became: Became
    first: bool = True
    """Whether nothing was told of it before."""
    seconds: float = 0.0
    """Until its ACK came."""
    reason: Sentence | str = ""
    """Why it is not delivered; show it with `spoken`."""

    @property
    def over(self) -> bool:
        """Whether nothing more will be told of it."""
        return self.became in (Became.DELIVERED, Became.UNDELIVERED, Became.UNCONFIRMED)


Teller: TypeAlias = "Callable[[News], None]"
"""Is told what becomes of one message."""
