"""What a store gathers before it is written, and whom it tells about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Struct, field
from twisted.internet.defer import Deferred

from p2pchat.history.records import Batch, Change, Entry, Loaded, Piece
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.wire.messages import Pub, Send

_T = TypeVar("_T")


class InThread(Protocol):
    """Makes blocking calls somewhere else, one after the other."""

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """Make `call`; its result fires in the reactor's thread."""

    def stop(self) -> None:
        """End when what was given is done."""


class Held(Struct, gc=False):
    """Messages that came, and what is to happen when they are safe."""

    piece: Piece
    peer: Peer
    link: IPeerLink
    acks: list[object]
    """The ids that `link` is to acknowledge then."""
    messages: list[Send | Pub]
    """What is to be shown then; empty when it has been already."""
    said: list[float] | None = None
    """For messages that came late: when each of them was said."""


class Gathering(Struct):
    """A batch before it is written, with what is to happen afterwards."""

    held: list[Held] = field(default_factory=list)
    repeats: list[tuple[Peer, IPeerLink, list[object]]] = field(default_factory=list)
    """Acknowledgements for messages whose first copy is in this batch or in one before it."""
    entries: list[Entry] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    count: int = 0
    """Messages, others' and ours."""
    awaited: bool = False
    """Whether somebody waits for an ACK."""

    def batch(self) -> Batch:
        """What the database gets."""
        pieces = [held.piece for held in self.held]
        return Batch(pieces, self.entries, self.changes, self.read)

    def __bool__(self) -> bool:
        return bool(self.count or self.repeats or self.changes)


class StoreOwner(Protocol):
    """What a store tells."""

    def opened(self, loaded: Loaded) -> None:
        """The past is known; from now on the store takes messages."""

    def stored(self, done: Gathering) -> None:
        """This is safe."""

    def not_stored(self, done: Gathering, why: str) -> None:
        """This is lost to the history; `entries`, `changes` and `read` are tried again."""

    def replaced(self, aside: str) -> None:
        """The damaged file is now called `aside`; a new one was begun."""

    def works_again(self) -> None:
        """Storing works, after it did not."""


class HistoryOwner(Protocol):
    """What a history tells its node."""

    def acknowledge(self, peer: Peer, link: IPeerLink, msg_ids: list[object]) -> None:
        """These are safe: acknowledge them, on this link or another one."""

    def kept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """These are safe: show them."""

    def kept_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """The same for messages that were said a while ago, at these times (wall clock)."""

    def not_kept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """These could not be stored: show them, with a mark."""

    def queued(self, peer_id: str, msg_id: str) -> None:
        """A message of ours waits safely for a link."""

    def given_up(self, peer_id: str, msg_id: str) -> None:
        """A message of ours has waited for too long and is not sent any more."""

    def put_off(
        self,
        peer: Peer,
        link: IPeerLink,
        messages: list[Send | Pub],
        said: list[float] | None,
    ) -> None:
        """These came before the past was known: deliver them now; `said`: when, of late ones."""

    def history_ready(self) -> None:
        """The past, and with it the outbox, is known."""

    def told(self, sentence: str) -> None:
        """Something that the person should know."""
