"""Work whose answer may be long, done one piece after the other, as far as its client reads.

    long_answers = LongAnswers(lambda: out.has_room)
    long_answers.do(look_up)       # a Deferred of what `look_up` answers, which is called later
    long_answers.go_on()           # there is room again

Rules: an answer is in memory only while it is on its way to a client that reads. So a client that
asks a thousand times and does not read costs one answer, not a thousand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred


class LongAnswers:
    """One after the other; none is begun while `has_room` says that there is none."""

    def __init__(self, has_room: Callable[[], bool]) -> None:
        self._has_room = has_room
        self._waiting: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        self._working = self._going_on = False

    @property
    def waiting(self) -> bool:
        """Whether there is something that has not been begun."""
        return bool(self._waiting)

    def do(self, work: Callable[[], Any]) -> Deferred[Any]:
        """Call `work` when it is its turn; fires with what it answers, or fails as it does."""
        answered: Deferred[Any] = Deferred()
        self._waiting.append((work, answered))
        self.go_on()
        return answered

    def go_on(self) -> None:
        """There may be room again."""
        if self._going_on:
            return
        # What is answered at once comes back here: a loop, or a thousand would be a thousand deep.
        self._going_on = True
        while self._waiting and not self._working and self._has_room():
            work, answered = self._waiting.popleft()
            self._working = True
            maybeDeferred(work).addBoth(self._over, answered)
        self._going_on = False

    def clear(self) -> None:
        """Begin nothing more; what has not been begun is never answered."""
        self._waiting.clear()

    def _over(self, result: Any, answered: Deferred[Any]) -> None:
        # First the answer goes out: it decides whether there is room for the next.
        answered.callback(result)
        self._working = False
        self.go_on()
