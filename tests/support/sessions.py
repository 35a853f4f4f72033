"""Sessions to test with: alice@CIC is us, bob@CIC the other end."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.codec import raw_json
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import Hello, Ping
from p2pchat.wire.outputs import Ending, Finish, Output, Transmit
from p2pchat.wire.session import Session
from p2pchat.wire.states import State

ME: Final = Identity.of("alice@CIC", "p2pchat/1", "our-instance")


def inbound(me: Identity = ME, **options: Any) -> Session:
    ids = count(1)
    return Session(me, 0.0, lambda: f"id-{next(ids)}", **options)


def outbound(dialed: str = "bob@CIC") -> Session:
    return inbound(dialed=dialed)


def opened(peer_id: str = "bob@CIC", **options: Any) -> Session:
    session = inbound(**options)
    session.receive(Hello(peer_id), 0.0)
    assert session.state is State.OPEN
    return session


class SessionTestCase(SynchronousTestCase):
    def assertEnds(
        self, session: Session, outputs: list[Output], ending: Ending, reason: str
    ) -> None:
        """Nothing but the end, and so without a word to the other end."""
        self.assertEqual(outputs, [Finish(ending, reason)])
        self.assertIs(session.state, State.CLOSED)

    def assertOpened(
        self, session: Session, peer_id: str, *, is_p2pchat: bool, instance: str
    ) -> None:
        self.assertIs(session.state, State.OPEN)
        self.assertEqual(
            (session.peer_id, session.is_p2pchat, session.instance), (peer_id, is_p2pchat, instance)
        )


def asked(session: Session, now: float, msg_id: str = "p-1", timestamp: str = "t") -> list[Output]:
    """What leaves when a PING of this id is wanted: it, or nothing."""
    ping = Ping(raw_json(msg_id), raw_json(timestamp))
    return [Transmit(ping)] if session.ping(now, ping.msg_id) else []
