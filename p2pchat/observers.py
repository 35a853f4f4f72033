"""Telling several observers, so that one that fails hurts nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from zope.interface import implementer

from p2pchat.interfaces import IHistoryObserver, INodeObserver, IUnreadObserver
from p2pchat.logs import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pchat.messages import Pub, Send
    from p2pchat.peers import Peer

_log: Final = Log("Node")


@implementer(INodeObserver)
class Observer:
    """Hears everything and does nothing: override what interests you, for example in a bot."""

    def status_changed(self, peer: Peer) -> None:
        """See `INodeObserver`."""

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """See `INodeObserver`."""

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        """See `INodeObserver`."""

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """See `INodeObserver`."""

    def notice(self, sentence: str) -> None:
        """See `INodeObserver`."""


@implementer(INodeObserver, IHistoryObserver, IUnreadObserver)
class Observers:
    """Passes every event on to all observers, in the order in which they were added."""

    def __init__(self) -> None:
        self._observers: list[INodeObserver] = []

    def add(self, observer: INodeObserver) -> None:
        """Tell this one, too, from now on."""
        self._observers.append(observer)

    def remove(self, observer: INodeObserver) -> None:
        """Tell this one no more."""
        self._observers.remove(observer)

    def status_changed(self, peer: Peer) -> None:
        """See `INodeObserver`."""
        self._tell(lambda observer: observer.status_changed(peer))

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """See `INodeObserver`."""
        # As `_tell` does, but this is asked for every message.
        for observer in (*self._observers,):
            try:
                observer.received(peer, messages)
            except Exception:
                _log.failure("An observer failed")

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        """See `INodeObserver`."""
        self._tell(lambda observer: observer.delivered(peer_id, msg_id, seconds))

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """See `INodeObserver`."""
        self._tell(lambda observer: observer.undelivered(peer_id, msg_id, reason))

    def notice(self, sentence: str) -> None:
        """See `INodeObserver`."""
        self._tell(lambda observer: observer.notice(sentence))

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """See `IHistoryObserver`."""

        def tell(observer: Any) -> None:
            if hasattr(observer, "received_late"):
                observer.received_late(peer, messages, said)
            else:
                observer.received(peer, messages)

        self._tell(tell)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """See `IHistoryObserver`."""

        def tell(observer: Any) -> None:
            if hasattr(observer, "received_unkept"):
                observer.received_unkept(peer, messages)
            else:
                observer.received(peer, messages)

        self._tell(tell)

    def queued(self, peer_id: str, msg_id: str) -> None:
        """See `IHistoryObserver`."""

        def tell(observer: Any) -> None:
            if hasattr(observer, "queued"):
                observer.queued(peer_id, msg_id)

        self._tell(tell)

    def past_known(self, unread: str = "") -> None:
        """See `IUnreadObserver`; `unread` is the notice for the others, empty for none."""

        def tell(observer: Any) -> None:
            if hasattr(observer, "past_known"):
                observer.past_known()
            elif unread:
                observer.notice(unread)

        self._tell(tell)

    def _tell(self, event: Callable[[INodeObserver], None]) -> None:
        for observer in (*self._observers,):
            try:
                event(observer)
            except Exception:
                _log.failure("An observer failed")
