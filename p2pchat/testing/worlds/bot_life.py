"""One run of a node of a world with a bot on it, which is made when the node starts.

    B1  the bot raises nothing
    B2  the bot returns at once: the reactor of a node has other things to do
    B3  bots do not answer each other for ever, and do not flood

Rules: the bot hears last, so that all is in the account before it answers. What it raises is
found, not logged.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from traceback import extract_tb
from typing import Any, Final, TypeAlias

from zope.interface import implementer

from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import NotSentError, Teller
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import INodeObserver
from p2pchat.node.publishing import Published
from p2pchat.testing.worlds.bot_account import BOT, BotAccount, Said, Turn
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.life import Life
from p2pchat.testing.worlds.shared import Shared
from p2pchat.testing.worlds.storage import HandStorage
from p2pchat.wire.messages import Pub, Send

MakeBot: TypeAlias = Callable[[ChatNode], INodeObserver]
"""What makes a bot for a node that has just started; it becomes an observer of the node."""
MOST_SECONDS: Final = 0.1
"""Real seconds that one call of a bot may take; the only thing that depends on the machine."""


class BotLife(Life):
    """One run of the node `name`, with a bot on it."""

    _account: BotAccount

    def __init__(
        self,
        world: Shared,
        name: str,
        ip: str,
        storage: HandStorage,
        make_bot: MakeBot,
        *,
        keeps: bool,
    ) -> None:
        super().__init__(world, name, ip, storage, keeps=keeps)
        self._turn: Turn | None = None
        bot = self.called("make_bot", make_bot, self.node)
        if bot is not None:
            INodeObserver(bot)  # its author hears of one that is none
            self.node.observers.add(_Ear(self, bot))

    # ------------------------------------------------------------ calls of the bot

    def called(self, what: str, method: Callable[..., Any], *arguments: object) -> Any:
        """Call the bot, or what makes it; returns None when it raises."""
        began = perf_counter()
        try:
            return method(*arguments)
        except Exception as fault:
            self._world.found(
                Violation("B1", f"{type(fault).__name__} was raised in {what}", told(fault))
            )
            return None
        finally:
            if perf_counter() - began > MOST_SECONDS:
                kind = f"{what} takes longer than {MOST_SECONDS} s"
                self._world.found(Violation("B2", kind, self.name))

    def shows(self, what: str, bot: Any, peer: Peer, messages: list[Any], *more: object) -> None:
        """Call the bot with messages, as they were said."""
        self._turn = self._account.shown_to_bot(self.name, peer.peer_id, messages)
        self._world.counts["shown to a bot"] += len(messages)
        try:
            self.called(what, getattr(bot, what), peer, [*self._turn.messages], *more)
        finally:
            self._turn = None

    # ------------------------------------------------------------ what the bot says

    def _sends(
        self,
        peer_id: str,
        payload: str,
        tell: Teller | None = None,
        *,
        security: int = 0,
        of: str = "",
    ) -> str:
        if self._is_of_a_person(payload):
            return super()._sends(peer_id, payload, tell, security=security, of=of)
        said = self._said(peer_id, payload)
        msg_id = super()._sends(peer_id, said.wire, tell, security=security, of=of)
        said.message = self._account.by_id[msg_id]
        return msg_id

    def _publishes(self, scope: str, payload: str, *, of: str = "") -> Published:
        if self._is_of_a_person(payload):
            return super()._publishes(scope, payload, of=of)
        said = self._said(scope, payload)
        published = super()._publishes(scope, said.wire, of=of)
        said.message = self._account.by_id[published.msg_id]
        return published

    def _is_of_a_person(self, text: str) -> bool:
        """Whether a step of the world has just said it at this node."""
        message = self._account.by_text.get(text)
        if message is None or message.origin == BOT:
            return False
        return message.sender == self.name and not message.msg_id and self._turn is None

    def _said(self, to: str, text: str) -> Said:
        said = self._account.bot_says(self.name, to, text, self._turn)
        self._world.tell(f"{self.name}: the bot says {text[:80]!r} to {to}")
        self._world.counts["said by a bot"] += 1
        excess = self._account.excess(said)
        if excess:
            self._world.found(Violation("B3", excess, f"{self.name}: {text[:60]!r} to {to}"))
            raise NotSentError(excess)
        return said


def told(fault: BaseException) -> str:
    """An exception in a line: what it says, and where its program was."""
    where = extract_tb(fault.__traceback__)[-1]
    return f"{type(fault).__name__}: {fault} ({where.filename}:{where.lineno}: {where.line})"


@implementer(INodeObserver)
class _Ear:
    """Hears what the node tells, and calls the bot with it."""

    def __init__(self, life: BotLife, bot: Any) -> None:
        self._life = life
        self._bot = bot

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self._life.shows("received", self._bot, peer, messages)

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        self._life.shows("received_late", self._bot, peer, messages, said)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self._life.shows("received_unkept", self._bot, peer, messages)

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        self._call("changed", peer, message)

    def away_changed(self, peer: Peer, text: str) -> None:
        self._call("away_changed", peer, text)

    def key_alert(self, alert: Alert) -> None:
        self._call("key_alert", alert)

    def key_noted(self, peer_id: str, what: str, key: bytes | None) -> None:
        self._call("key_noted", peer_id, what, key)

    def remark(self, sentence: str) -> None:
        self._call("remark", sentence)

    def status_changed(self, peer: Peer) -> None:
        self._call("status_changed", peer)

    def queued(self, peer_id: str, msg_id: str) -> None:
        self._call("queued", peer_id, msg_id)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        self._call("delivered", peer_id, msg_id, seconds)

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        self._call("undelivered", peer_id, msg_id, reason)

    def past_known(self, unread: str) -> None:
        self._call("past_known", unread)

    def notice(self, sentence: str) -> None:
        self._call("notice", sentence)

    def sent(self, to: str, text: str, msg_id: str, number: int) -> None:
        self._call("sent", to, text, msg_id, number)

    def sent_change(self, to: str, text: str, msg_id: str, number: int, of: str) -> None:
        self._call("sent_change", to, text, msg_id, number, of)

    def round_trip(self, peer: Peer, seconds: float) -> None:
        self._call("round_trip", peer, seconds)

    def links_changed(self, peer: Peer) -> None:
        self._call("links_changed", peer)

    def read(self, conversation: str, upto: int) -> None:
        self._call("read", conversation, upto)

    def forgotten(self, peer_id: str) -> None:
        self._call("forgotten", peer_id)

    def _call(self, what: str, *arguments: object) -> None:
        self._life.called(what, getattr(self._bot, what), *arguments)
