"""Who we are, as every handshake says it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import FEATURES, HISTORY


class IdentityTests(SynchronousTestCase):
    def test_what_reaches_us(self) -> None:
        me = Identity.of("alice@CIC", "agent", "instance")
        self.assertEqual((me.peer_id, me.agent, me.instance), ("alice@CIC", "agent", "instance"))
        self.assertEqual(me.addresses, {"alice@CIC", "alice", ""})
        self.assertEqual(me.scopes, {"alice@CIC", "alice", "", "*", "#CIC", "CIC"})

    def test_an_impossible_peer_id_is_refused(self) -> None:
        with self.assertRaises(ValueError) as caught:
            Identity.of("alice")
        self.assertEqual(str(caught.exception), "[alice] has no @: a peer_id is name@namespace")

    def test_only_another_p2pchat_is_told_of_our_extensions(self) -> None:
        me = Identity.of("alice@CIC", features=(*FEATURES, HISTORY))
        self.assertEqual(me.hello().features, (*FEATURES, HISTORY))
        self.assertEqual(me.hello_ok(is_p2pchat=True).features, (*FEATURES, HISTORY))
        self.assertEqual(me.hello_ok(is_p2pchat=False).features, FEATURES)
