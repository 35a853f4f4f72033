"""The seams of the program: what one part may ask of another without knowing its class.

Only seams with more than one real implementation are named here. The session, the codec and the
configuration have one each and need no interface; what Twisted names already (IReactorTime,
IService) is used as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.defer import Deferred

    from p2pchat.history.outbox import Outbox, Queued, Waited
    from p2pchat.history.records import Line
    from p2pchat.messages import CatchUp, Pub, Said, Send
    from p2pchat.outputs import Finish, Remark
    from p2pchat.peers import Peer
    from p2pchat.protocol import PeerProtocol
    from p2pchat.rendezvous.listing import Grant, Listing
    from p2pchat.settings import HistorySettings


class IPeerLink(Interface):
    """One live connection to a peer, direct or through somebody else, after its handshake."""

    peer_id: str = Attribute("The peer's id.")
    kin: bool = Attribute("Whether the other end is a p2pchat, too.")
    keeps: bool = Attribute("Whether both ends keep messages, and so may speak of late ones.")
    instance: str = Attribute("The random name of the peer's process; empty for other programs.")
    outbound: bool = Attribute("Whether we dialed.")
    opened_at: float = Attribute("When the handshake ended, seconds of the node's clock.")
    sent: int = Attribute("SEND and PUB that went out.")
    received: int = Attribute("SEND and PUB that came in.")

    def send(line: bytes) -> bool:
        """Queue one encoded SEND or PUB; False when the queue is full or the link is ending."""

    def has_room(size: int) -> bool:
        """Whether `size` more bytes would be taken now."""

    def send_all(lines: list[bytes], block: bytes) -> bool:
        """Queue several encoded PUBs, all or none; `block` is the lines joined."""

    def acknowledge(msg_ids: list[object]) -> None:
        """Answer SENDs that were accepted; the ids as they came."""

    def ping() -> None:
        """Ask for a sign of life."""

    def leave(reason: str) -> None:
        """Say BYE and close, in order, within a few seconds."""


class ILinkOwner(Interface):
    """What a connection tells its node. Calls come in the order in which things happened."""

    def link_made(link: PeerProtocol) -> None:
        """A connection exists; its handshake begins. `link_closed` will follow, sooner or later."""

    def link_opened(link: PeerProtocol) -> None:
        """The handshake is done."""

    def link_closed(link: PeerProtocol, finish: Finish) -> None:
        """The connection is gone; also called for those that never opened (no peer_id then)."""

    def chat_received(link: PeerProtocol, messages: list[Send | Pub]) -> None:
        """Messages for us came on this link, in this order."""

    def extended(link: PeerProtocol, message: Said | CatchUp) -> None:
        """A message of our own kind's extensions came."""

    def acknowledged(link: PeerProtocol, msg_id: object) -> None:
        """An ACK came."""

    def round_trip(link: PeerProtocol, seconds: float) -> None:
        """A PING was answered."""

    def remarked(link: PeerProtocol, remark: Remark) -> None:
        """Something worth a line in the log happened; strangers can cause it, so limit the rate."""


class INodeObserver(Interface):
    """Whoever wants to know what happens in a node: the console, a history, a bot.

    An observer that raises is logged and hurts nobody else; it must not block.
    """

    def status_changed(peer: Peer) -> None:
        """`peer.status` has a new value."""

    def received(peer: Peer, messages: list[Send | Pub]) -> None:
        """New messages, repetitions taken out. A `src` other than the peer's id is only a claim."""

    def delivered(peer_id: str, msg_id: str, seconds: float) -> None:
        """The ACK for a SEND of ours came, `seconds` after it was sent."""

    def undelivered(peer_id: str, msg_id: str, reason: str) -> None:
        """No ACK came in time, or the message could not be sent."""

    def notice(sentence: str) -> None:
        """Something that the person should know, for example that our name is in use."""


class IHistoryObserver(Interface):
    """What an `INodeObserver` may hear besides, when the node keeps messages.

    Who has none of these methods gets late messages, and those that could not be kept, as others.
    """

    def received_late(peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """New messages that were said a while ago, at these times (wall clock)."""

    def received_unkept(peer: Peer, messages: list[Send | Pub]) -> None:
        """New messages that could not be kept."""

    def queued(peer_id: str, msg_id: str) -> None:
        """A message of ours waits, safely, until there is a link to its peer."""


class IUnreadObserver(Interface):
    """What an `INodeObserver` may hear besides, when it shows by itself what is unread.

    Who has no such method gets a notice instead.
    """

    def past_known() -> None:
        """The history is ready: its `unread` tells what nobody has seen yet."""


class IDirectory(Interface):
    """Where peers announce themselves and find each other (protocol, section 2).

    Every method returns a Deferred that fails with a `p2pchat.rendezvous.listing.DirectoryError`
    and nothing else, within a bounded time.
    """

    address: str = Attribute("What to call this directory in messages to the person.")

    def register(namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        """Announce `name@namespace` on `port` for `ttl` seconds; register again before it ends."""

    def discover(namespace: str | None) -> Deferred[Sequence[Listing]]:
        """List the live registrations of `namespace`, or of every namespace for None."""

    def unregister(namespace: str, name: str, port: int) -> Deferred[None]:
        """Withdraw one registration."""


class IHistory(Interface):
    """Durable messages: what came, what was said, and what still waits for its ACK.

    Nothing here blocks. Times are the wall clock's, seconds since the epoch.
    """

    ready: bool = Attribute("Whether the past is known; until then, postpone what comes.")
    attended: bool = Attribute("Whether a person sees everything as it comes.")
    unread: dict[str, int] = Attribute("Conversation -> messages of earlier runs not seen yet.")
    outbox: Outbox = Attribute("What waits for its ACK.")

    def open() -> None:
        """Begin to read the past."""

    def configure(settings: HistorySettings) -> None:
        """Go by these settings from now on, as far as they can change while a node runs."""

    def sweep(now: float) -> None:
        """Do what is done now and then; call it several times a second."""

    def flush() -> Deferred[None]:
        """Write what waits; fires when that is done, or has failed."""

    def stop() -> Deferred[None]:
        """Write what waits, and close the file."""

    def postpone(
        peer: Peer,
        link: IPeerLink,
        messages: list[Send | Pub],
        said: list[float] | None = None,
    ) -> None:
        """Put off messages that came before `ready`; `said`: when, of late ones."""

    def received(
        peer: Peer,
        link: IPeerLink,
        messages: list[Send | Pub],
        ids: list[str],
        acks: list[object],
        said: list[float] | None = None,
    ) -> None:
        """Keep new messages; when they are safe, acknowledge `acks` and show them.

        `ids`: theirs, as `repetitions.id_text` writes them; it is not changed afterwards.
        """

    def repeated(peer: Peer, link: IPeerLink, acks: list[object]) -> None:
        """Acknowledge messages that came before, as soon as those are safe."""

    def after_shown(peer_id: str, call: Callable[[], None]) -> None:
        """Make a call when all that came from a peer is shown; of several, only the last one."""

    def last_published(peer_id: str) -> str:
        """The msg_id of the last PUB that is kept of a peer; empty when none is known."""

    def queue(peer_id: str, msg_id: str, payload: str) -> Queued:
        """Keep a direct message until a link opens; raises `OutboxFullError`."""

    def on_its_way(peer_id: str, msg_id: str, payload: str, link: IPeerLink) -> None:
        """Keep a direct message that was just sent on `link`, until it is acknowledged."""

    def published(scope: str, msg_id: str, payload: str) -> None:
        """Keep a PUB of ours."""

    def acknowledged(msg_id: str) -> Waited | None:
        """An ACK came: for whom, and how long the message waited; None for one of no message."""

    def overdue(msg_id: str, links: Sequence[IPeerLink]) -> bool:
        """No ACK came in time; whether the message is kept and will be sent again.

        `links`: those that are open to its peer.
        """

    def cancel(msg_ids: Sequence[str]) -> int:
        """Send these messages no more; returns how many of them were waiting."""

    def recent(conversation: str | None, count: int) -> Deferred[list[Line]]:
        """The last messages of a conversation, or of all for None, oldest first."""

    def search(words: str, count: int) -> Deferred[list[Line]]:
        """The last messages that hold all `words`, oldest first."""

    def peers_called(name: str) -> Deferred[list[str]]:
        """The peers of this bare name of whom something is or was kept, without us."""

    def published_since(
        scopes: Sequence[str], after: str, age: float, count: int
    ) -> Deferred[list[Line]]:
        """PUBs of ours after the one with the id `after`, and not older than `age` seconds."""

    def forget(peer_id: str) -> Deferred[int]:
        """Delete what was said by and to a peer, and what waits for it; fires with how many."""

    def mark_read(conversation: str) -> None:
        """The person has seen all there is in a conversation."""
