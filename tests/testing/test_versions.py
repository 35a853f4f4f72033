"""Nodes of an older version, and of the code of another folder, among nodes of this one."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import p2pchat
from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.older import AGENT, OlderNode, newer_than
from p2pchat.testing.versions import OtherVersion
from tests.support.processes import ROOT


class OlderNodeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(1)
        self.older = self.town.node("old@CIC", make=OlderNode)
        self.town.node("new@CIC")
        self.streams: dict[Any, bytes] = {}
        self.town.network.tap = self.tap

    def tap(self, end: Any, data: bytes) -> None:
        if end.other.host is self.town.host_of(self.older):
            self.streams[end] = self.streams.get(end, b"") + data

    def test_it_says_nothing_that_is_newer(self) -> None:
        self.town.run_until_meshed()
        newer = self.town.nodes[1]
        newer.send("old@CIC", "oi")
        self.older.send("new@CIC", "oi")
        self.older.publish("*", "to all")
        self.town.run(100)
        self.assertEqual(self.town.seen(newer).texts, ["oi", "to all"])
        self.town.close()
        lines = [line for stream in self.streams.values() for line in stream.splitlines()]
        self.assertGreater(len(lines), 5)
        self.assertTrue(any(AGENT.encode() in line for line in lines))
        self.assertEqual([newer_than(line) for line in lines if newer_than(line)], [])

    def test_what_is_newer_is_found(self) -> None:
        self.assertEqual(newer_than(b'{"type":"NEWS"}'), "the type NEWS")
        self.assertEqual(newer_than(b'{"type":"HELLO","ttl":1,"tls":1}'), "HELLO with tls")
        hello = b'{"type":"HELLO","features":["ack","rooms"]}'
        self.assertEqual(newer_than(hello), "HELLO with rooms")
        self.town.close()

    def test_what_it_cannot_have(self) -> None:
        self.assertRaises(TypeError, self.town.node, "x@CIC", make=OlderNode, make_keys=print)
        self.town.close()


@cache
def loaded_again() -> OtherVersion:
    return OtherVersion(str(ROOT))


class OtherVersionTests(SynchronousTestCase):
    """This code itself, from its folder, loaded a second time."""

    def setUp(self) -> None:
        self.other = loaded_again()

    def test_its_modules_are_its_own(self) -> None:
        self.assertIsNot(self.other.ChatNode, ChatNode)
        self.assertEqual(self.other.version, p2pchat.__version__)
        self.assertIs(sys.modules["p2pchat"], p2pchat)
        with self.other.loaded():
            self.assertIs(sys.modules["p2pchat.node.node"].ChatNode, self.other.ChatNode)
        self.assertIs(sys.modules["p2pchat.node.node"].ChatNode, ChatNode)

    def test_its_nodes_talk_with_ours(self) -> None:
        town = FakeTown(2)
        self.assertRaises(ValueError, self.other.node, town, "old@CIC")
        town.serve()
        alice = town.node("alice@CIC")
        old = self.other.node(town, "old@CIC")
        town.network.run_until(lambda: town.links(alice) == {"old@CIC": 1})
        town.run(1)
        alice.send("old@CIC", "to the other")
        old.send("alice@CIC", "from the other")
        town.run(1)
        self.assertEqual(town.seen(alice).texts, ["from the other"])
        self.assertEqual(len(town.seen(alice).acked), 1)
        gone: list[object] = []
        old.stopService().addBoth(gone.append)
        town.run(3)
        self.assertEqual(gone, [None])
        town.close()

    def test_a_folder_without_it(self) -> None:
        self.assertRaises(ImportError, OtherVersion, self.mktemp())
