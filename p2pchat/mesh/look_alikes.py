"""Telling the person of a peer whose name looks like that of somebody to whom we wrote.

Rules: a name is told once, when a link with it opens. Strangers choose their names, so what is told
is limited and the rest is counted; a name that was not told has another chance with its next link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import Repetitions
from p2pchat.speech import Sentence, counted
from p2pchat.wire.friends import Friends
from p2pchat.wire.names import bracketed

_INTERVAL: Final = 60.0
_TOLD_AT_MOST: Final = 10
_REMEMBERED: Final = 1000
"""Names that are told once; the oldest of more are forgotten, and may be told again."""
_log: Final = Log("PeerServer")


class LookAlikes:
    """Notices the names; `tell` gets sentences for the person."""

    def __init__(self, friends: Friends, tell: Callable[[Sentence], None]) -> None:
        self._friends = friends
        self._tell = tell
        self._told: dict[str, None] = {}
        self._budget: Repetitions[str] = Repetitions(_TOLD_AT_MOST, _INTERVAL, 1)

    @property
    def not_told(self) -> int:
        """Links of look-alikes that were not told, because there were too many."""
        return self._budget.suppressed

    def opened(self, peer_id: str, now: float) -> None:
        """A link with this peer has opened."""
        friend = self._friends.taken_for(peer_id)
        if not friend or peer_id in self._told:
            return
        left_out = self._budget.tell("", now)
        if left_out is None:
            return
        self._told[peer_id] = None
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        sentence = Sentence(
            "{peer} is connected, looks like {friend}, and may be somebody else",
            peer=bracketed(peer_id),
            friend=bracketed(friend),
        )
        if left_out:
            sentence = counted(
                "{alert} ({n} more link with such names)",
                "{alert} ({n} more links with such names)",
                left_out,
                alert=sentence,
            )
        _log.warn("{text}", text=str(sentence))
        self._tell(sentence)
