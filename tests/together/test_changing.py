"""Changes of what was said, between nodes that lose links, processes and power."""

from __future__ import annotations

from random import Random
from typing import Any

from p2pchat.history.records import Record
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.node.node import ChatNode
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.older import OlderNode
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Edit
from tests.support.towns import MeshTestCase


class ChangingTests(MeshTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.disks = {name: FakeDisk(Random(name)) for name in ("alice@CIC", "bob@CIC")}

    def node(self, name: str, **options: Any) -> ChatNode:
        return self.town.node(name, disk=self.disks[name], **options)

    def keeping_pair(self) -> tuple[ChatNode, ChatNode]:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.town.run_until_meshed()
        self.town.run(6)
        return alice, bob

    def changes(self, node: ChatNode) -> list[str]:
        return [text for _, _, text in self.town.seen(node).changes]

    def kept(self, node: ChatNode, conversation: str | None = None) -> list[Record]:
        assert node.history is not None
        found: list[list[Record]] = []
        node.history.recent(conversation, 100).addCallback(found.append)
        self.town.network.run_until(lambda: bool(found))
        return found[0]

    def says(self, link: PeerProtocol, msg_id: str, of: str, text: str, src: str) -> None:
        link.send(encode(Edit(msg_id, of, src, "bob@CIC", text)))
        self.town.run(1)

    def test_there_and_acknowledged_and_both_are_kept(self) -> None:
        alice, bob = self.keeping_pair()
        first = alice.send("bob@CIC", "helo")
        change = alice.send("bob@CIC", "hello", of=first)
        self.town.run(1)
        seen = self.town.seen(bob)
        self.assertEqual((seen.texts, seen.changes), (["helo"], [("alice@CIC", first, "hello")]))
        self.assertEqual([msg_id for _, msg_id in self.town.seen(alice).acked], [first, change])
        for node in (alice, bob):
            kept = [(line.text, line.changes, line.said_id) for line in self.kept(node)]
            self.assertEqual(kept, [("helo", "", first), ("hello", first, change)])

    def test_without_histories(self) -> None:
        alice, bob = self.pair()
        first = alice.send("bob@CIC", "helo")
        change = alice.send("bob@CIC", "hello", of=first)
        self.town.run(1)
        self.assertEqual(self.town.seen(bob).changes, [("alice@CIC", first, "hello")])
        self.assertEqual(self.town.seen(alice).acked[-1], ("bob@CIC", change))

    def test_what_was_published(self) -> None:
        alice, bob = self.keeping_pair()
        older = self.town.node("old@CIC", make=OlderNode)
        plain = self.town.plain("plain@CIC")
        self.town.run(10)
        published = alice.publish("#CIC", "helo")
        alice.publish("#CIC", "hello", of=published.msg_id)
        self.town.run(10)
        self.assertEqual(self.town.seen(bob).changes, [("alice@CIC", published.msg_id, "hello")])
        self.assertEqual(self.town.seen(older).texts, ["helo", "* hello"])
        heard = [each["payload"] for link in plain.links for each in link.got("PUB")]
        self.assertEqual(heard, ["helo", "* hello"])

    def test_who_does_not_know_changes_gets_a_message(self) -> None:
        alice = self.node("alice@CIC")
        older = self.town.node("old@CIC", make=OlderNode)
        self.town.run_until_meshed()
        first = alice.send("old@CIC", "helo")
        change = alice.send("old@CIC", "hello", of=first)
        self.town.run(2)
        self.assertEqual(self.town.seen(older).texts, ["helo", "* hello"])
        self.assertEqual(self.town.seen(alice).acked[-1], ("old@CIC", change))

    def test_it_waits_and_survives_both_restarts(self) -> None:
        alice, bob = self.keeping_pair()
        first = alice.send("bob@CIC", "helo")
        self.town.run(1)
        self.town.leave(bob)
        self.town.run(1)
        alice.send("bob@CIC", "hello", of=first)
        self.town.run(5)
        self.town.kill(alice)
        self.disks["alice@CIC"].power_loss()
        self.town.run(40)
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.town.run(30)
        self.assertEqual(self.town.seen(bob).changes, [("alice@CIC", first, "hello")])
        self.assertEqual(len(alice.outgoing.outbox), 0)
        self.assertEqual([line.text for line in self.kept(bob)], ["helo", "hello"])

    def test_it_is_taken_once_however_often_it_comes(self) -> None:
        alice, bob = self.keeping_pair()
        first = alice.send("bob@CIC", "helo")
        self.town.run(1)
        for _ in range(3):
            self.says(self.only_link(alice), "e1", first, "hello", "alice@CIC")
        self.assertEqual(self.changes(bob), ["hello"])
        self.town.kill(bob)
        self.disks["bob@CIC"].power_loss()
        self.town.run(40)
        bob = self.node("bob@CIC")
        self.town.run(60)
        self.says(self.only_link(alice), "e1", first, "hello", "alice@CIC")
        self.assertEqual((self.changes(bob), self.town.seen(bob).texts), ([], []))

    def test_who_was_away_catches_up_with_changes(self) -> None:
        alice, bob = self.keeping_pair()
        self.town.leave(bob)
        published = alice.publish("#CIC", "helo")
        alice.publish("#CIC", "hello", of=published.msg_id)
        alice.publish("#CIC", "later")
        self.town.run(1)
        for _ in range(2):
            bob = self.node("bob@CIC")
            self.town.run(30)
            self.assertEqual(
                [line.text for line in self.kept(bob, "#CIC")], ["helo", "hello", "later"]
            )
            self.town.leave(bob)
        self.assertEqual(self.town.seen(bob).texts, [], "it was there the first time")

    def test_links_that_break_lose_and_repeat_nothing(self) -> None:
        for seed in range(3):
            self.disks = {name: FakeDisk(Random(f"{name} {seed}")) for name in self.disks}
            self.town.close()
            self.town = FakeTown(seed)
            alice, bob = self.keeping_pair()
            random, said = Random(seed), []
            for number in range(30):
                first = alice.send("bob@CIC", f"text {number}")
                alice.send("bob@CIC", f"changed {number}", of=first)
                said += [f"text {number}", f"changed {number}"]
                if random.random() < 0.4:
                    self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
                if number == 15:
                    self.town.kill(bob)
                    self.disks["bob@CIC"].power_loss()
                    self.town.run(5)
                    bob = self.node("bob@CIC")
                self.town.run(random.random())
            self.town.run(120)
            self.assertEqual(len(alice.outgoing.outbox), 0)
            self.assertEqual([line.text for line in self.kept(bob, "alice@CIC")], said)

    def test_what_changes_nothing(self) -> None:
        alice, bob = self.keeping_pair()
        eva = self.town.node("eva@CIC")
        self.town.run_until_meshed()
        first = alice.send("bob@CIC", "helo")
        self.town.run(1)
        (link,) = (each for each in eva.mesh.links if each.peer_id == "bob@CIC")
        assert isinstance(link, PeerProtocol)
        self.says(link, "e1", first, "not mine", "eva@CIC")  # of a message of somebody else
        self.says(link, "e2", "never", "never seen", "eva@CIC")
        self.assertEqual(self.changes(bob), [])
        self.assertEqual(self.town.seen(bob).texts, ["helo", "* not mine", "* never seen"])
        self.says(link, "e3", first, "in her name", "alice@CIC")
        self.says(link, "", first, "no id", "eva@CIC")
        self.says(link, "e4", "x" * 129, "no such id", "eva@CIC")
        self.assertEqual(len(self.town.seen(bob).texts), 3)

    def test_of_what_was_forgotten(self) -> None:
        alice, bob = self.keeping_pair()
        first = alice.send("bob@CIC", "helo")
        self.town.run(1)
        bob.outgoing.forget("alice@CIC")
        self.town.run(3)
        alice.send("bob@CIC", "hello", of=first)
        self.town.run(3)
        self.assertEqual([line.text for line in self.kept(bob)], ["hello"])

    def test_who_is_ignored(self) -> None:
        alice, bob = self.keeping_pair()
        bob.lists.ignore("alice@CIC")
        first = alice.send("bob@CIC", "helo")
        alice.send("bob@CIC", "hello", of=first)
        alice.publish("*", "all")
        alice.absences.say("lunch")
        self.town.run(2)
        seen = self.town.seen(bob)
        self.assertEqual((seen.texts, seen.changes, seen.away, self.kept(bob)), ([], [], [], []))
        self.assertEqual(len(self.town.seen(alice).acked), 2)
        self.town.leave(bob)
        bob = self.node("bob@CIC")
        self.town.run(20)
        alice.send("bob@CIC", "still")
        self.town.run(2)
        self.assertEqual((self.town.seen(bob).texts, len(bob.lists.ignored)), ([], 1))
        bob.lists.unignore("alice@CIC", bob.wall())
        alice.send("bob@CIC", "again")
        self.town.run(2)
        self.assertEqual(self.town.seen(bob).texts, ["again"])

    def test_what_was_said_while_ignored_is_not_caught_up_with(self) -> None:
        alice, bob = self.keeping_pair()
        bob.lists.ignore("alice@CIC")
        alice.publish("#CIC", "unseen")
        self.town.run(5)
        bob.lists.unignore("alice@CIC", bob.wall())
        self.town.run(5)
        for _ in range(2):
            self.town.leave(bob)
            self.town.run(5)
            alice.publish("#CIC", "missed")
            bob = self.node("bob@CIC")
            self.town.run(20)
            self.assertEqual(self.town.seen(bob).texts, ["missed"])
