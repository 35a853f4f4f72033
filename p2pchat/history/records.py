"""What the history holds, as plain values that any part of the program may look at.

Rules: no database and no clock here. Times are seconds since the epoch (wall clock), because no
other clock outlives a restart; in the file they are whole milliseconds.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from p2pchat.wire.changes import changed_id, said_id
from p2pchat.wire.repetitions import Mark

RECEIVED: Final = 0
"""A message of somebody else."""
PUBLISHED: Final = 1
"""A PUB of ours."""
DELIVERED: Final = 2
"""A SEND of ours whose ACK came."""
WAITING: Final = 3
"""A SEND of ours that is not acknowledged yet: the outbox."""
ABANDONED: Final = 4
"""A SEND of ours that was cancelled, or waited for too long."""

NO_ID: Final = 1 << 62
"""Above each id."""

STATES: Final = ("received", "published", "delivered", "waiting", "abandoned")
"""The names of the five, at their numbers."""

PLAIN: Final = 0
ENCRYPTED: Final = 1
VERIFIED: Final = 2
SECURITIES: Final = ("plain", "encrypted", "verified")
"""The names of the three, at their numbers; see `Record.security`."""


class HistoryError(Exception):
    """The history cannot be read or written; the text is a sentence for the person."""


class Record(Struct, gc=False):
    """One message of the history: a row of `message`, somebody else's or ours."""

    id: int
    """Its place: a later message has a larger one."""
    conversation: str
    """A peer_id for direct messages; `*` or `#namespace` for published ones."""
    sender: str
    """The peer_id of who said it, ours included."""
    msg_id: str
    at: float
    """When it was received or sent here."""
    state: int
    text: str
    said: float | None = None
    """When its sender said it, if that was told and is not `at`."""
    security: int | None = None
    """How a received message came; None when that is not known.

    Of a SEND of ours: PLAIN when its peer had a link in the clear as it was said, ENCRYPTED or
    VERIFIED when it leaves only on a link that is at least that; else None."""

    @property
    def said_id(self) -> str:
        """Its id as it went over the wire, where a change of it names it."""
        return said_id(self.msg_id)

    @property
    def changes(self) -> str:
        """The `said_id` of the message that this is another text of; empty for one of its own."""
        return changed_id(self.msg_id)

    @property
    def came(self) -> str:
        """How it came, by its name; empty for what is ours, and when it is not known."""
        known = self.state == RECEIVED and self.security is not None
        return SECURITIES[self.security or 0] if known else ""


class Piece(Struct, frozen=True, gc=False):
    """Messages of one peer that came together, packed for the file; see `segments.pack`."""

    first: int
    """The id of the first one; the others follow."""
    messages: int
    data: bytes
    stranger: bool = False
    """Whether we never wrote to that peer."""


class Change(Struct, frozen=True, gc=False):
    """A message of ours has a new state."""

    id: int
    state: int


class Run(Struct, frozen=True, gc=False):
    """How long the node had run, when the wall clock said something; see `running`."""

    id: int
    """The first message of ours for which it holds; 0: as it was noted last."""
    total: float
    wall: float


class Since(Struct, frozen=True, gc=False):
    """From when on messages of ours are young enough, by how long the node ran; see `running`.

    With an id below `known`: those of `wall` or later. With one from `known` on: those from `later`
    on, and those from `first` on of `at` or later.
    """

    known: int = NO_ID
    wall: float = 0.0
    later: int = NO_ID
    first: int = NO_ID
    at: float = 0.0


class Batch(Struct):
    """What is written together, with one sync of the disk."""

    pieces: list[Piece] = field(default_factory=list)
    entries: list[Record] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    """Conversation -> the id up to which the person has seen it."""
    runs: list[Run] = field(default_factory=list)
    runs_from: int = NO_ID
    """The id of the first of all these that is needed even if nothing waits any more."""


class Loaded(Struct):
    """What a node needs to know of the past when it starts."""

    next_id: int = 1
    seen: list[tuple[str, str, bool, Mark]] = field(default_factory=list)
    """Sender, msg_id, whether it is a PUB that came late, and the text's mark.

    Of the latest, oldest first."""
    waiting: list[Record] = field(default_factory=list)
    """The outbox, oldest first."""
    friends: list[str] = field(default_factory=list)
    """The peers to whom we wrote."""
    unread: dict[str, int] = field(default_factory=dict)
    """Conversation -> how many of its messages the person has not seen, 1000 at most."""
    unfiled: int = 0
    """How many messages are not filed yet."""
    aside: str = ""
    """What the damaged file is called now; empty when there was none."""
    has_words: bool = True
    """Whether there is an index of words; without, a search reads every message."""
    runs: list[Run] = field(default_factory=list)
    """What was noted of earlier runs."""
    newest: float = 0.0
    """The latest time in the file; 0 when there is none."""
    is_checked: bool = True
    """Whether it is known that all is there; not of a large file."""
    is_cut: bool = False
    """Whether the end of the -wal, which holds what was kept last, could not be read."""
    unreadable: int = 0
    """Rows that could not be read and are left out."""
