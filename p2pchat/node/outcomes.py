"""What became of a direct message of ours: told to all observers, and to who said it.

    (nothing) -> QUEUED, LATE, UNKEPT, in any order, or none of them -> DELIVERED or UNDELIVERED

Rules: the last two are the end of a message; one of them comes once, and nothing after it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from p2pchat.logs.levels import Log
from p2pchat.node.observers import Observers

_log: Final = Log("Router")


class NotSentError(Exception):
    """A message that is not accepted; the text is the sentence for the person."""


class Became(enum.Enum):
    """What can be told."""

    QUEUED = "it is safe, and waits for a link"
    LATE = "no ACK came in time; it is kept, and goes out again"
    UNKEPT = "there is no link, and it could not be stored"
    DELIVERED = "its ACK came"
    UNDELIVERED = "it is given up, or cancelled"


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
    reason: str = ""
    """Why it is not delivered, as a sentence."""

    @property
    def over(self) -> bool:
        """Whether nothing more will be told of it."""
        return self.became in (Became.DELIVERED, Became.UNDELIVERED)


Teller: TypeAlias = "Callable[[News], None]"
"""Is told what becomes of one message."""


class Outcomes:
    """Tells, and counts."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers
        self.delivered = self.undelivered = 0
        """Direct messages that were acknowledged, and that were told not to be, perhaps yet."""

    def tell(self, news: News, teller: Teller | None) -> None:
        """Something became of a message; `teller`: who said it, if there still is somebody."""
        peer_id, msg_id, reason = news.peer_id, news.msg_id, news.reason
        match news.became:
            case Became.DELIVERED:
                self.delivered += 1
                self._observers.delivered(peer_id, msg_id, news.seconds)
            case Became.QUEUED:
                self._observers.queued(peer_id, msg_id)
            case _:
                self.undelivered += 1
                _log.warn("Not delivered to {peer}: {why}", peer=peer_id, why=reason)
                self._observers.undelivered(peer_id, msg_id, reason)
        if teller is not None:
            try:
                teller(news)
            except Exception:
                _log.failure("Who said a message failed when it heard of it")
