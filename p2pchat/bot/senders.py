"""The messages of each sender, one after the other, and no more of them than a rate allows.

Rules: a sender that has none at hand has no task. The number of senders is bounded, and so is what
waits of each, and what is remembered of their rates. What is left out is counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from p2pchat.bot.message import Message

MOST_SENDERS: Final = 1000
MOST_OF_ONE: Final = 100
_MOST_REMEMBERED: Final = 10_000


class Senders:
    """Calls `deal_with`, which does not fail, for each message.

    `rate`: messages a second of one sender, on average of `burst`.
    """

    def __init__(
        self, deal_with: Callable[[Message], Awaitable[None]], rate: float, burst: int
    ) -> None:
        self._deal_with = deal_with
        self._rate, self._burst = rate, float(burst)
        self._queues: dict[str, deque[Message]] = {}
        self._allowances: dict[str, tuple[float, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.left_out = 0
        """Messages that came faster than they may, or than they were dealt with."""

    def take(self, message: Message) -> None:
        """A message came."""
        queue = self._queues.get(message.sender)
        full = len(self._queues) >= MOST_SENDERS if queue is None else len(queue) >= MOST_OF_ONE
        if full or not self._is_allowed(message.sender):
            self.left_out += 1
        elif queue is not None:
            queue.append(message)
        else:
            self._queues[message.sender] = deque([message])
            task = asyncio.get_running_loop().create_task(self._work_off(message.sender))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Deal with nothing more."""
        for task in self._tasks:
            task.cancel()

    async def _work_off(self, sender: str) -> None:
        queue = self._queues[sender]
        try:
            while queue:
                await self._deal_with(queue.popleft())
        finally:
            del self._queues[sender]

    def _is_allowed(self, sender: str) -> bool:
        now = asyncio.get_running_loop().time()
        left, then = self._allowances.pop(sender, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        allowed = left >= 1.0
        # The latest last, so that whoever was silent for longest is forgotten.
        self._allowances[sender] = (left - allowed, now)
        if len(self._allowances) > _MOST_REMEMBERED:
            del self._allowances[next(iter(self._allowances))]
        return allowed
