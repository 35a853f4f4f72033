"""Noticing that somebody else uses our name, and telling the person once for each place."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.own_name import OwnName
from p2pchat.rendezvous.directory import Grant, Listing
from p2pchat.settings.values import PeerSettings, Settings
from p2pchat.speech import plain
from tests.support.towns import MeshTestCase


def listing(ip: str, port: int) -> Listing:
    return Listing("alice", "CIC", ip, port, 60, 60)


class OwnNameTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[str] = []
        self.name = OwnName("alice@CIC", lambda sentence: self.told.append(str(sentence)))
        self.name.granted(Grant(60, "10.0.0.1"))
        self.name.port = 4000

    def test_what_is_ours_and_what_is_not(self) -> None:
        ours, older, elsewhere = (
            listing(ip, port)
            for ip, port in (("10.0.0.1", 4000), ("10.0.0.1", 3999), ("10.0.7.7", 4000))
        )
        for entries, strange in (
            ([], []),
            ([ours], []),
            ([older, ours], []),
            ([older], ["10.0.0.1:3999"]),
            ([ours, elsewhere], ["10.0.7.7:4000"]),
        ):
            self.told.clear()
            self.name.listed(entries)
            start = "somebody else uses the name [alice@CIC] (registered at "
            self.assertEqual(self.told, [f"{start}{at}): choose another one" for at in strange])

    def test_before_our_address_is_known_nothing_is_strange(self) -> None:
        self.name.granted(Grant(60))
        self.name.listed([listing("10.0.7.7", 4000)])
        self.assertEqual(self.told, [])

    def test_each_place_is_told_once_and_a_hundred_at_most(self) -> None:
        for _ in range(2):
            for n in range(200):
                self.name.in_use(plain(f"at 10.0.1.{n}"))
        self.assertEqual(len(self.told), 100)
        self.assertEqual(len(set(self.told)), 100)


class NodesTests(MeshTestCase):
    """Whole nodes with one name."""

    def test_our_name_at_another_address(self) -> None:
        alice = self.town.node("alice@CIC")
        self.rendezvous.enter("alice@CIC", "10.0.7.7", 4000)
        for _ in range(3):
            alice.presence.discover()
            self.town.run(1)
        (notice,) = self.town.seen(alice).notices
        self.assertIn("10.0.7.7:4000", notice)
        self.assertIn("choose another", notice)
        self.assertEqual(self.town.links(alice), {})

    def test_our_name_on_another_port_of_our_machine(self) -> None:
        one = self.town.node("alice@CIC", ip="10.0.0.1")
        self.town.run(1)
        other = self.town.node(
            "alice@CIC", ip="10.0.0.1", settings=Settings(peer=PeerSettings(port=4001))
        )
        self.town.run(125)
        self.assertEqual(len(self.town.seen(one).notices), 1)
        self.assertEqual(len(self.town.seen(other).notices), 1)
