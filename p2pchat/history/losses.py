"""Messages that were shown although they could not be kept.

Their senders send them again, because they were not acknowledged; then they are to be kept, and not
to be shown a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import id_text

_MOST: Final = 10_000


class Losses:
    """The ids of such messages, the latest ones."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], None] = {}

    def __len__(self) -> int:
        return len(self._shown)

    def shown(self, peer_id: str, messages: Sequence[Send | Pub]) -> list[str]:
        """These were shown and are not kept; returns their ids, as `id_text` writes them."""
        keys = [key for key in (id_text(message.msg_id) for message in messages) if key]
        for key in keys:
            self._shown[peer_id, key] = None
        while len(self._shown) > _MOST:
            del self._shown[next(iter(self._shown))]
        return keys

    def not_shown(self, peer_id: str, messages: Sequence[Send | Pub]) -> list[int]:
        """Which of these have not been shown so, by their places."""
        return [
            at
            for at, message in enumerate(messages)
            if (peer_id, id_text(message.msg_id)) not in self._shown
        ]
