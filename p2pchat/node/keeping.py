"""The router of a node that keeps messages: what was said is delivered later, and nothing twice.

    in    deliver -> history.received -> kept: ACKs go out, observers are told
    out   send -> a link, and history.on_its_way;  or, without a link, history.queue
          a link opens -> what waits for this peer goes out, in order, and we ask what we missed

Rules: as in `router`. A message is delivered only when its ACK came; until then it is kept and
goes out again, with the same msg_id, when the next link opens. What a peer missed it gets once a
link, and only what we published ourselves, in a namespace that we share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from p2pchat.history.durable import DurableHistory
from p2pchat.history.outbox import OutboxFullError, Queued
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.catching_up import CatchingUp
from p2pchat.node.observers import Observers
from p2pchat.node.router import NotSentError, Published, Router, line_of
from p2pchat.settings.values import Settings
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import CatchUp, Pub, Said, Send
from p2pchat.wire.repetitions import RecentIds, id_text
from p2pchat.wire.text import shortened

MakeHistory = Callable[[str, "KeepingRouter", RecentIds], DurableHistory]
"""From our peer_id, whom to tell, and the ids to fill in, to a history."""

_log: Final = Log("Router")
_MOST_AT_ONCE: Final = 1000
_NAMES: Final = 5
_WINDOW: Final = 256
"""Messages of the outbox on their way to one peer at a time."""
_PLAIN_WINDOW: Final = 32
"""The same to another program, which gets them one at a time, with pauses."""
KEPT: Final = "it is kept, and sent again when a link opens"
"""What follows the reason why a message was not delivered yet."""


class KeepingRouter(Router):
    """Sends, publishes and delivers for one node that keeps messages.

    `history` is made by `make_history`; open it, sweep it and stop it.
    """

    def __init__(
        self,
        own_id: str,
        peers: PeerTable,
        settings: Settings,
        new_id: Callable[[], str],
        observers: Observers,
        batch: WriteBatch,
        make_history: MakeHistory,
    ) -> None:
        super().__init__(own_id, peers, settings, new_id, observers, batch)
        self._hearers = observers
        self.history = make_history(own_id, self, self._seen)
        self._catching_up = CatchingUp(own_id, self.history, new_id, lambda: self._limits)

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on; see `Router.configure`."""
        super().configure(settings)
        self._limits = settings.history

    # ------------------------------------------------------------ out

    def send(self, peer_id: str, payload: str, now: float) -> str:
        """Send a direct message, or keep it until there is a link; see `Router.send`.

        One that has to wait is told to the observers as `queued` when it is safe.
        """
        peer = self._peers.get(peer_id)
        if peer_id == self._own_id or (peer is None and not _possible(peer_id)):
            return super().send(peer_id, payload, now)
        message = Send(self._new_id(), self._own_id, peer_id, payload, True)
        line, msg_id = line_of(message), str(message.msg_id)
        if (
            peer is not None
            and peer.links
            and not self.history.outbox.is_behind(peer_id)
            and len(self._pending) < self._max_pending
            and (link := self._hand_over(peer, msg_id, line, now)) is not None
        ):
            self.history.on_its_way(peer_id, msg_id, payload, link)
            self.sent += 1
            _log.info("SEND {to}: {text}", to=peer_id, text=payload)
        else:
            try:
                self.history.queue(peer_id, msg_id, payload)
            except OutboxFullError as why:
                raise NotSentError(str(why)) from None
            _log.info("SEND {to}, which waits: {text}", to=peer_id, text=payload)
        return msg_id

    def publish(self, scope: str, payload: str) -> Published:
        """Publish to `*` or `#namespace`, and keep it; see `Router.publish`."""
        published = super().publish(scope, payload)
        self.history.published(scope, published.msg_id, payload)
        return published

    def acknowledged(self, msg_id: object, now: float) -> None:
        """An ACK came, perhaps after its time or that of an earlier run."""
        if not isinstance(msg_id, str):
            return
        pending = msg_id in self._pending
        waited = self.history.acknowledged(msg_id)
        super().acknowledged(msg_id, now)
        if waited is None:
            return
        if not pending:
            self.delivered += 1
            self._observers.delivered(waited.peer_id, msg_id, waited.seconds)
        if waited.earlier:
            # Who sent it then is no longer there to be told.
            text = shortened(waited.earlier, 40)
            self._observers.notice(f'delivered to {waited.peer_id}, which was away: "{text}"')
        self._send_waiting(waited.peer_id, now)

    def sweep(self, now: float) -> None:
        """Report what is overdue, and send on what waited for room."""
        super().sweep(now)
        for peer_id in self.history.outbox.peers_behind[:_MOST_AT_ONCE]:
            self._send_waiting(peer_id, now)
        self.history.sweep(now)

    def link_opened(self, peer: Peer, now: float) -> None:
        """A link is new: send what waits, and ask for what we missed."""
        peer_id = peer.peer_id
        if self.history.ready:
            self.history.outbox.link_opened(peer_id)
            self._send_waiting(peer_id, now)
            self._catching_up.ask(peer)

    def link_closed(self, peer: Peer, link: IPeerLink, now: float) -> None:
        """A link is gone: what it may not have delivered goes out on another one, if there is."""
        self.history.outbox.link_closed(peer.peer_id, link)
        if peer.links:
            self._send_waiting(peer.peer_id, now)
        else:
            self._catching_up.lost(peer.peer_id)

    def _give_up(self, msg_id: str, peer_id: str, reason: str) -> None:
        peer = self._peers.get(peer_id)
        if self.history.overdue(msg_id, () if peer is None else peer.links):
            reason = f"{reason}: {KEPT}"
        super()._give_up(msg_id, peer_id, reason)

    def _send_waiting(self, peer_id: str, now: float) -> None:
        """Send the next messages that wait for this peer, as far as there is room."""
        peer, outbox = self._peers.get(peer_id), self.history.outbox
        if peer is None or not peer.links or not outbox.is_behind(peer_id):
            return
        window = _WINDOW if peer.links[0].is_p2pchat else _PLAIN_WINDOW
        for queued in outbox.due(peer_id, window):
            if len(self._pending) >= self._max_pending:
                return
            line = self._waiting_line(queued, late=peer.links[0].keeps)
            link = self._hand_over(peer, queued.msg_id, line, now, after=queued.link)
            if link is None:
                return
            outbox.sent(queued, link)
            self.sent += 1

    def _waiting_line(self, queued: Queued, *, late: bool) -> bytes:
        entry = queued.entry
        if late:
            try:
                return encode(
                    Said(entry.msg_id, self._own_id, entry.conversation, entry.text, entry.at, True)
                )
            except ValueError:
                pass  # the longest texts leave no room for the time
        return line_of(Send(entry.msg_id, self._own_id, entry.conversation, entry.text, True))

    # ------------------------------------------------------------ in

    def deliver(self, peer: Peer, link: IPeerLink, messages: list[Send | Pub]) -> None:
        """Take out repetitions and keep the rest; ACKs and observers follow when it is safe."""
        history = self.history
        if not history.ready:
            history.postpone(peer, link, messages)
            return
        fresh, ids = self._seen.fresh(peer.peer_id, messages)
        self.received += len(fresh)
        repeated = len(messages) - len(fresh)
        if repeated:
            self.duplicates += repeated
            new = {id(message) for message in fresh}
            again = [message for message in messages if id(message) not in new]
            acks = _to_acknowledge(again)
            if acks:
                history.repeated(peer, link, acks)
        if fresh:
            self._log_received(peer.peer_id, fresh)
            history.received(peer, link, fresh, ids, _to_acknowledge(fresh))

    def status_changed(self, peer: Peer) -> None:
        """A peer came or went; whoever says something and leaves is heard first."""
        self.history.after_shown(peer.peer_id, lambda: self._hearers.status_changed(peer))

    def extended(self, peer: Peer, link: IPeerLink, message: Said | CatchUp) -> None:
        """A late message came, or the other end asks for what it missed."""
        if isinstance(message, CatchUp):
            self._catching_up.answer(peer, link, message)
        else:
            self._deliver_late(peer, link, message)

    def _deliver_late(self, peer: Peer, link: IPeerLink, message: Said) -> None:
        plain = _plain(message)
        if not self.history.ready:
            self.history.postpone(peer, link, [plain], [message.said])
        else:
            self._keep_late(peer, link, plain, message.said)

    def _keep_late(self, peer: Peer, link: IPeerLink, message: Send | Pub, said: float) -> None:
        acks: list[object] = [message.msg_id] if message.require_ack else []
        key = id_text(message.msg_id)
        if key and not self._seen.is_new(peer.peer_id, key):
            self.duplicates += 1
            if acks:
                self.history.repeated(peer, link, acks)
            return
        self.received += 1
        self._log_received(peer.peer_id, [message])
        self.history.received(peer, link, [message], [key], acks, [said])

    # ------------------------------------------------------------ what the history tells

    def acknowledge(self, peer: Peer, link: IPeerLink, msg_ids: list[object]) -> None:
        """These are safe: acknowledge them, on another link if theirs is ending."""
        if peer.links and (link not in peer.links or getattr(link, "leaving", False)):
            link = peer.links[0]
        link.acknowledge(msg_ids)

    def kept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """These are safe: show them."""
        self._hearers.received(peer, messages)

    def kept_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """The same for messages that were said a while ago."""
        self._hearers.received_late(peer, messages, said)

    def not_kept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """These could not be stored: show them, with a mark."""
        self._hearers.received_unkept(peer, messages)

    def queued(self, peer_id: str, msg_id: str) -> None:
        """A message of ours waits safely for a link."""
        self._hearers.queued(peer_id, msg_id)

    def given_up(self, peer_id: str, msg_id: str) -> None:
        """A message of ours has waited for too long."""
        _log.warn("Not delivered to {peer}: it waited for too long", peer=peer_id)
        self._hearers.undelivered(peer_id, msg_id, "it waited for too long and is given up")

    def put_off(
        self,
        peer: Peer,
        link: IPeerLink,
        messages: list[Send | Pub],
        said: list[float] | None,
    ) -> None:
        """These came before the past was known."""
        if said is None:
            self.deliver(peer, link, messages)
        else:
            for message, when in zip(messages, said, strict=True):
                self._keep_late(peer, link, message, when)

    def history_ready(self) -> None:
        """The outbox is known: send what waits for who is connected already."""
        for peer in self._peers.connected():
            self.history.outbox.link_opened(peer.peer_id)
            self._catching_up.ask(peer)
        unread, sentence = [*self.history.unread.items()], ""
        if unread:
            shown = ", ".join(f"{count} of {name}" for name, count in unread[:_NAMES])
            more = f", and {len(unread) - _NAMES} more" if len(unread) > _NAMES else ""
            sentence = f"not seen yet: {shown}{more} (/history shows them)"
        self._hearers.past_known(sentence)

    def told(self, sentence: str) -> None:
        """Something that the person should know."""
        _log.warn("{text}", text=sentence)
        self._hearers.notice(sentence)


def _possible(peer_id: str) -> bool:
    try:
        split_peer_id(peer_id)
    except ValueError:
        return False
    return True


def _plain(message: Said) -> Send | Pub:
    kind: Any = Send if message.require_ack else Pub
    plain: Send | Pub = kind(
        message.msg_id, message.src, message.dst, message.payload, message.require_ack
    )
    return plain


def _to_acknowledge(messages: list[Send | Pub]) -> list[object]:
    return [m.msg_id for m in messages if m.require_ack and m.msg_id is not None]
