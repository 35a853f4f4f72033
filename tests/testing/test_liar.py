"""The liar tells each of its lies, as often as it is told to, and no other."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.liar import Liar
from p2pchat.testing.lies import Lie
from p2pchat.testing.network import FakeNetwork
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.plain import PlainPeer
from p2pchat.testing.plain_link import PlainLink

UNSEEN: Final = {Lie.LISTS_ANOTHER_PLACE, Lie.REGISTERS_ANOTHER}
"""Lies that no connection carries."""


class Greeting(PlainLink):
    """Says more of itself than a plain peer."""

    def greeting(self) -> dict[str, Any]:
        return super().greeting() | {"agent": "p2pchat/9", "instance": "7"}


class EachLieTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork(1)
        self.plain = PlainPeer(self.network.host("10.0.0.1"), "bob@CIC", Greeting)
        self.reads: list[tuple[float, bytes]] = []
        self.network.tap = self.tap

    def tap(self, end: Any, data: bytes) -> None:
        if end.host is self.plain.host:
            self.reads.append((self.network.clock.seconds(), data))

    def talk(self, rates: float | dict[Lie, float]) -> Liar:
        """What a liar with these rates says in five minutes to who asks it everything."""
        self.network = FakeNetwork(1)
        self.network.tap = self.tap
        self.reads.clear()
        self.plain = PlainPeer(self.network.host("10.0.0.1"), "bob@CIC", Greeting)
        host = self.network.host("10.0.0.2")
        liar = Liar(host, "eve@CIC", rates, random=Random(1))
        liar.others = {"carol@CIC": "10.0.0.3", "bob@CIC": "10.0.0.1"}
        liar.listen()
        self.plain.listen()
        liar.dial("10.0.0.1")
        self.plain.dial("10.0.0.2")
        self.network.run(1)
        for number in range(5):
            for link in self.plain.live:
                link.us = link.us or "eve@CIC"
                link.say("PING", timestamp=number)
                link.send(f"{number}")
            self.network.run(60)
        for link in self.plain.live:
            link.say("BYE", src="bob@CIC", dst="eve@CIC")
        self.network.run(60)
        for each in (liar, self.plain):
            each.close()
        self.network.run(0)
        self.assertEqual(host.getDelayedCalls(), [])
        return liar

    def test_each_alone_is_told_and_seen(self) -> None:
        self.talk(0.0)
        honest = [*self.reads]
        self.talk(0.0)
        self.assertEqual(self.reads, honest)
        for lie in set(Lie) - UNSEEN:
            liar = self.talk({lie: 1.0})
            self.assertEqual({*liar.told}, {lie})
            self.assertNotEqual(self.reads, honest, lie)

    def test_as_often_as_it_is_told_to(self) -> None:
        liar = self.talk({Lie.PONG_UNASKED: 0.5, Lie.JUNK: 0.05, Lie.ACK_NEVER: 0.0})
        self.assertGreater(liar.told[Lie.PONG_UNASKED], 3 * liar.told[Lie.JUNK])
        self.assertEqual(liar.told[Lie.ACK_NEVER], 0)
        self.assertEqual({*liar.told}, {Lie.PONG_UNASKED, Lie.JUNK})

    def test_all_at_once(self) -> None:
        self.assertGreater(len(self.talk(1.0).told), 10)
        self.assertGreater(len(self.talk(0.05).told), 10)


class RegistrationTests(SynchronousTestCase):
    def test_it_registers_others_and_at_other_places(self) -> None:
        town = FakeTown(1)
        town.node("alice@CIC")
        town.run(1)
        liar = town.liar("eve@CIC", dict.fromkeys(UNSEEN, 1.0))
        town.run(130)
        listed = {(each.peer_id, each.ip) for each in town.rendezvous.listings()}
        self.assertIn(("alice@CIC", liar.host.ip), listed)
        self.assertIn(("eve@CIC", "10.0.0.1"), listed)
        self.assertEqual({*liar.told}, UNSEEN)
        town.close()
