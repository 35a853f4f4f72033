"""What is not stored yet, and what is to happen when it is."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field
from twisted.internet.defer import Deferred

from p2pchat.history.records import Batch
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.speech import Sentence
from p2pchat.wire.messages import Pub, Send


class Arrival(Struct):
    """Messages that came together, or came again, and what is to happen when they are safe."""

    peer: Peer
    link: IPeerLink
    acks: list[object]
    """The ids that `link` is to acknowledge then."""
    messages: list[Send | Pub] = field(default_factory=list)
    """What is to be shown then; empty when it has been already."""
    first: int = 0
    """The id of the first of them, and the others follow; 0 while they have none."""
    said: list[float] | None = None
    """For messages that came late: when each of them was said."""
    is_change: bool = False
    """Whether it is one change of what its peer said before."""


class Unstored(Batch):
    """The next batch, with those who wait for it."""

    arrivals: list[Arrival] = field(default_factory=list)
    """What came with the messages of this batch."""
    repeats: list[Arrival] = field(default_factory=list)
    """Messages that came again: their first copy is in this batch or in one before it."""
    count: int = 0
    """Messages, others' and ours."""
    awaited: bool = False
    """Whether somebody waits for an ACK."""
    flushes: list[Deferred[Sentence | None]] = field(default_factory=list)
    """Those who wait until it is written: with why it is lost, or None."""


class Outcome(NamedTuple):
    """What became of a batch."""

    trouble: Sentence | None = None
    """Why it is lost; None when it is stored. Our own messages in it are tried again."""
    again: bool = False
    """Whether storing works again, after it did not."""
    aside: str = ""
    """What the damaged file is called now, if a new one was begun."""
