"""PAIR in a session: only inside TLS, and only with our own kind that knows it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.guard import Guard
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import FEATURES, OWN_FEATURES, PAIR, Hello, Pair
from p2pchat.wire.outputs import Extended, Output, Remark
from p2pchat.wire.session import Session
from tests.support.sessions import inbound

ALICE = Identity.of("alice@CIC", "p2pchat/1", "ours", OWN_FEATURES)
STEP = Pair("r1", 1, "Q" * 44)


def opened(guard: Guard | None, features: tuple[str, ...], agent: str) -> Session:
    session = inbound(ALICE, guard=guard)
    session.receive(Hello("bob@CIC", features=features, agent=agent), 0.0)
    return session


class PairTests(SynchronousTestCase):
    def test_where_it_counts(self) -> None:
        sealed, clear = (Guard(sealed, lambda *_: "") for sealed in (True, False))
        for guard, features, agent, counts in (
            (sealed, (PAIR,), "p2pchat/2", True),
            (sealed, OWN_FEATURES, "p2pchat/2", True),
            (sealed, FEATURES, "p2pchat/2", False),
            (sealed, (PAIR,), "", False),
            (clear, (PAIR,), "p2pchat/2", False),
            (None, (PAIR,), "p2pchat/2", False),
        ):
            outputs: list[Output] = opened(guard, features, agent).receive(STEP, 1.0)
            if counts:
                self.assertEqual(outputs, [Extended(STEP)])
            else:
                (remark,) = outputs
                assert isinstance(remark, Remark)
                self.assertEqual((remark.level, remark.kind), ("debug", "unexpected"))
