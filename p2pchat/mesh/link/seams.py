"""The seams of a link: what a node asks of one connection, and what a connection tells its owner.

`IPeerLink` is what a node knows of a link, whether it is direct or leads through somebody else.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import Attribute, Interface

from p2pchat.mesh.link.send_queue import SendQueue
from p2pchat.wire.messages import ByeOk, Extension, Pong, Pub, Send
from p2pchat.wire.outputs import Finish, Remark


class IPeerLink(Interface):
    """One connection to a peer, direct or through somebody else."""

    peer_id: str = Attribute("The peer's id; empty until the handshake is done.")
    dialed: str | None = Attribute("Whom we meant to reach; None for an inbound link.")
    ip: str = Attribute("The other end's address, without a port.")
    address: str = Attribute("The other end's address and port, for people and the log.")
    key: bytes | None = Attribute("The other end's key, 32 bytes; None in the clear.")
    own_key: bytes | None = Attribute("Ours, as the other end sees it here; None in the clear.")
    security: str = Attribute("How safe the link is: `plain`, `encrypted` or `verified`.")
    is_p2pchat: bool = Attribute("Whether the other end is a p2pchat, too.")
    keeps: bool = Attribute("Whether both ends keep messages, and so may speak of late ones.")
    shared: frozenset[str] = Attribute("The features of our own kind that both ends list.")
    listens_on: int = Attribute("The port on which the other end listens; 0: it did not say.")
    instance: str = Attribute("The random name of the peer's process; empty for other programs.")
    outbound: bool = Attribute("Whether we dialed.")
    opened_at: float = Attribute("When the handshake ended, seconds of the node's clock.")
    heard_at: float = Attribute("When anything was received last, seconds of the node's clock.")
    queue: SendQueue = Attribute("What waits to be sent.")
    leaving: bool = Attribute("Whether a farewell is under way: an answer might not be read.")
    waits_for_us: bool = Attribute("Whether it is us who do not read: silence proves nothing.")
    rate_pauses: int = Attribute("How often we stopped reading because the peer sent too fast.")
    deliver: Callable[[IPeerLink, list[Send | Pub]], None] = Attribute(
        "Takes messages for us that came on this link, in their order; the owner sets it."
    )
    sent: int = Attribute("SEND, PUB, SAID and CATCH_UP that went out.")
    received: int = Attribute("SEND and PUB that came in.")

    def send(line: bytes) -> bool:
        """Queue one encoded line; False when the queue is full or the link is ending."""

    def has_room(size: int) -> bool:
        """Whether `size` more bytes would be taken now."""

    def send_all(lines: list[bytes], block: bytes) -> bool:
        """Queue several encoded PUBs, all or none; `block` is the lines joined."""

    def acknowledge(msg_ids: list[object]) -> None:
        """Answer SENDs that were accepted; the ids as they came."""

    def ping() -> None:
        """Ask for a sign of life."""

    def answered(answer: Pong | ByeOk) -> bool:
        """Take an answer that came on another link of the peer; whether it was for this one."""

    def leave(reason: str) -> None:
        """Say BYE and close, in order, within a few seconds."""

    def give_up(reason: str) -> None:
        """End a link that no longer works, without a word that nobody would read."""

    def look() -> None:
        """Read what has come already, before the reactor's turn for it."""

    def hold() -> None:
        """Read no further, until `read_on` is called."""

    def read_on() -> None:
        """Read again what was held; nothing happens if it was not."""

    def tick(now: float) -> None:
        """Look at the deadlines of the handshake and of the closing; about once a second."""


class ILinkOwner(Interface):
    """What a connection tells its node. Calls come in the order in which things happened."""

    def link_made(link: IPeerLink) -> None:
        """A connection exists; its handshake begins. `link_closed` will follow, sooner or later."""

    def link_opened(link: IPeerLink) -> None:
        """The handshake is done: set `link.deliver`, which is called from now on."""

    def link_closed(link: IPeerLink, finish: Finish) -> None:
        """The connection is gone; also called for those that never opened (no peer_id then)."""

    def extended(link: IPeerLink, message: Extension) -> None:
        """A message of our own kind's extensions came."""

    def acknowledged(link: IPeerLink, msg_id: object) -> None:
        """An ACK came."""

    def answered_elsewhere(link: IPeerLink, answer: Pong | ByeOk) -> None:
        """An answer came that belongs to another link of the same peer, if to any."""

    def round_trip(link: IPeerLink, seconds: float) -> None:
        """A PING was answered."""

    def remarked(link: IPeerLink, remark: Remark) -> None:
        """Something worth a line in the log happened; strangers can cause it, so limit the rate."""
