"""A link that does nothing but remember what it was told, and the context of such links."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.send_queue import SendQueue, WriteBatch
from p2pchat.settings.values import Settings
from p2pchat.wire.codec import decode
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import ByeOk, Pong, Pub, Send
from tests.support.links import TIME, RecordingOwner


class InstantBatch(WriteBatch):
    """A turn that ends with whatever is put into it."""

    def __init__(self) -> None:
        super().__init__(Clock())

    def before_flush(self, call: Callable[[], None]) -> None:
        call()


def fake_context(own_id: str, settings: Settings, clock: Clock, ids: str = "id-") -> LinkContext:
    """What a node's links share, with ids that are counted and a turn that ends at once."""
    numbers = count(1)
    me = Identity.of(own_id)
    context = LinkContext(
        me, settings, RecordingOwner(), clock, lambda: f"{ids}{next(numbers)}", lambda: TIME
    )
    context.batch = InstantBatch()
    return context


@implementer(IPeerLink)
class FakeLink:
    """An `IPeerLink` whose queue is full, or whose end is near, while `takes` is False."""

    def __init__(
        self, peer_id: str = "bob@CIC", *, outbound: bool = False, instance: str = ""
    ) -> None:
        self.peer_id = peer_id
        self.is_p2pchat = bool(instance)
        self.keeps = False
        self.shared: frozenset[str] = frozenset()
        self.instance = instance
        self.listens_on = 0
        self.outbound = outbound
        self.opened_at = 0.0
        self.sent = 0
        self.received = 0
        self.takes = True
        self.deliver: Callable[[IPeerLink, list[Send | Pub]], None]
        self.on_send: Callable[[bytes], None] | None = None
        self.lines: list[bytes] = []
        self.acknowledged: list[object] = []
        self.pings = 0
        self.left: list[str] = []
        self.gave_up: list[str] = []
        self.heard_at = 0.0
        self.waits_for_us = False
        self.dialed = peer_id if outbound else None
        self.ip, self.address = "10.0.0.9", "10.0.0.9:4000"
        self.leaving = self.held = False
        self.rate_pauses = 0
        self.key: bytes | None = None
        self.own_key: bytes | None = None
        self.security = "plain"
        self.transport: Any = None
        self.queue = SendQueue(InstantBatch(), self.lines.append, 1 << 20)

    def tick(self, now: float) -> None: ...

    def look(self) -> None: ...

    def hold(self) -> None:
        self.held = True

    def read_on(self) -> None:
        self.held = False

    def has_room(self, size: int) -> bool:
        return self.takes

    def send(self, line: bytes) -> bool:
        if not self.takes:
            return False
        self.lines.append(line)
        self.sent += 1
        if self.on_send is not None:
            self.on_send(line)
        return True

    def send_all(self, lines: list[bytes], block: bytes) -> bool:
        assert block == b"".join(lines)
        return all(self.send(line) for line in lines)

    def acknowledge(self, msg_ids: list[object]) -> None:
        self.acknowledged += msg_ids

    def ping(self) -> None:
        self.pings += 1

    def answered(self, answer: Pong | ByeOk) -> bool:
        return False

    def leave(self, reason: str) -> None:
        self.left.append(reason)

    def give_up(self, reason: str) -> None:
        self.gave_up.append(reason)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was sent on this link."""
        return [json.loads(line) for line in self.lines]

    @property
    def chat(self) -> list[Send | Pub]:
        """The SENDs and PUBs among these."""
        decoded = map(decode, self.lines)
        return [message for message in decoded if isinstance(message, (Send, Pub))]
