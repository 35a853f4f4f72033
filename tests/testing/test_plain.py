"""The program of another make: what it does, and what it finds wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol, ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.account import Told
from p2pchat.testing.network import FakeNetwork
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.plain import PlainPeer


class AmongNodesTests(SynchronousTestCase):
    def test_what_both_say_is_in_the_account_and_nodes_do_nothing_wrong(self) -> None:
        for real in (False, True):
            town = FakeTown(3)
            if real:
                town.serve()
            alice, zoe = town.node("alice@CIC"), town.node("zoe@CIC")
            bob, eve = town.plain("bob@CIC"), town.plain("eve@CIC", ask=False)
            town.run(130)
            eve.dial(town.host_of(alice).ip)
            town.run(1)
            sent = [bob.send("alice@CIC", "oi"), bob.send("zoe@CIC", "oi too")]
            sent.append(bob.publish("#CIC", "to all"))
            self.assertEqual(bob.send("eve@CIC", "we have no link"), "")
            for text in "abc":
                alice.send("bob@CIC", text)
            alice.publish("*", "published")
            zoe.send("bob@CIC", "d")
            town.run(5)
            self.assertEqual(bob.said[Told("alice@CIC", sent[0], "oi")], 1)
            self.assertEqual(bob.acked, bob.said)
            self.assertEqual(town.seen(alice).texts, ["oi", "to all"])
            self.assertEqual(bob.texts_from("alice@CIC"), [*"abc", "published"])
            self.assertEqual(len(town.seen(alice).acked), 3)
            self.assertEqual(eve.texts_from("alice@CIC"), ["published"])
            eve.leave()
            town.run(3)
            self.assertEqual(eve.live, [])
            self.assertEqual(bob.faults + eve.faults, [])
            town.close()
            self.assertEqual(bob.faults + eve.faults, [])

    def test_one_that_is_killed(self) -> None:
        town = FakeTown(3)
        town.node("alice@CIC")
        bob = town.plain("bob@CIC")
        town.run(10)
        bob.host.kill()
        town.run(10)
        town.close()


class Saying(Protocol):
    """A node that says what it is told to, whatever comes."""


class FaultTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.bob = PlainPeer(self.network.host("10.0.0.1"), "bob@CIC")
        there = self.network.host("10.0.0.2")
        self.node: Any = Saying()
        factory: Any = ServerFactory.forProtocol(lambda: self.node)
        there.listenTCP(4000, factory)
        self.bob.dial("10.0.0.2")
        self.network.run(1)

    def faults(self, *lines: str) -> list[str]:
        before = len(self.bob.faults)
        self.node.transport.write("".join(line + "\n" for line in lines).encode())
        self.network.run(1)
        return [fault.what for fault in self.bob.faults[before:]]

    def opened(self) -> Callable[..., list[str]]:
        self.assertEqual(self.faults('{"type":"HELLO_OK","peer_id":"a@CIC"}'), [])
        return self.faults

    def test_before_the_handshake(self) -> None:
        early = '{"type":"PING","msg_id":"1","timestamp":1}'
        self.assertEqual(self.faults(early), ["PING before the handshake"])
        self.assertEqual(len(self.faults('{"type":"HELLO","peer_id":"a@CIC"}')), 1)
        self.assertEqual(self.bob.faults[-1].ip, "10.0.0.2")

    def test_what_is_right(self) -> None:
        faults = self.opened()
        chat = '{"type":"%s","msg_id":"%s","src":"a@CIC","dst":"%s","payload":"x"}'
        for kind, dst in (("SEND", "bob@CIC"), ("SEND", "bob"), ("PUB", "*"), ("PUB", "#CIC")):
            self.assertEqual(faults(chat % (kind, dst, dst)), [])
        self.assertEqual(faults('{"type":"PING","msg_id":"1","timestamp":1}'), [])
        self.assertEqual(len(self.bob.heard), 4)

    def test_what_is_wrong(self) -> None:
        faults = self.opened()
        chat = '{"type":"%s","msg_id":"1","src":"%s","dst":"%s","payload":"x"}'
        ack = '{"type":"ACK","msg_id":"%s"}'
        self.bob.link.send("once", msg_id="twice")
        self.assertEqual(faults(ack % "twice"), [])
        for line in (
            ack % "twice",
            "nonsense",
            "[]",
            '{"type":"HELLO_OK","peer_id":"a@CIC"}',
            '{"type":"PONG","msg_id":"1"}',
            '{"type":"CATCH_UP","msg_id":"1"}',
            '{"type":"X","msg_id":"%s"}' % ("x" * 40_000),
            chat % ("SEND", "b@CIC", "bob@CIC"),
            chat % ("SEND", "a@CIC", "eve@CIC"),
            chat % ("PUB", "a@CIC", "#other"),
            ack % "other",
            '{"type":"BYE_OK","msg_id":"1"}',
        ):
            self.assertEqual(len(faults(line)), 1, line)
