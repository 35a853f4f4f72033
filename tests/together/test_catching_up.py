"""Catching up when links break, queues are full and disks fail: no gap is passed, none stays."""

from __future__ import annotations

import random
from typing import Any

from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Peer
from p2pchat.node.node import ChatNode
from p2pchat.wire.messages import CatchUp
from tests.support.fake_link import FakeLink
from tests.together.test_keeping import FullDatabase, KeepingCase

AGAIN = 12.0
"""Seconds within which a gap is closed: twice the wait between two searches, and a little."""


def keeping_link(instance: str) -> FakeLink:
    link = FakeLink(instance=instance)
    link.keeps = True
    return link


class GapCase(KeepingCase):
    def pair(self, **history: Any) -> tuple[ChatNode, ChatNode]:
        alice, bob = self.node("alice@CIC", **history), self.node("bob@CIC")
        self.meet()
        return alice, bob

    def peer(self, node: ChatNode) -> Peer:
        """The only one that this node knows."""
        (peer,) = node.peers
        return peer

    def with_links(self, node: ChatNode, *links: FakeLink) -> Peer:
        """The node's only peer, which has these links until the test ends."""
        peer = self.peer(node)
        real = [*peer.links]
        self.addCleanup(self.town.close)
        self.addCleanup(peer.links.__setitem__, slice(None), real)
        peer.links[:] = links
        return peer

    def texts_on(self, link: FakeLink) -> list[str]:
        return [message["payload"] for message in link.messages if message["type"] == "SAID"]

    def asked_on(self, link: FakeLink) -> list[str]:
        """From where this link was asked to go on, each time."""
        return [message["after"] for message in link.messages if message["type"] == "CATCH_UP"]

    def publish(self, node: ChatNode, *texts: str) -> None:
        for text in texts:
            node.publish("*", text)
        self.town.run(1)


class AskingTests(GapCase):
    def test_each_process_is_asked_once_whatever_happens_to_its_links(self) -> None:
        alice, _ = self.pair()
        old, new = keeping_link("old"), keeping_link("new")
        peer = self.with_links(alice, old, new)
        for _ in range(3):
            alice._catching_up.ask(peer)
        self.assertEqual((self.asked_on(old), self.asked_on(new)), ([""], [""]))

    def test_the_rest_of_an_answer_is_asked_for_on_another_link(self) -> None:
        alice, _ = self.pair()
        first, second = keeping_link("bob"), keeping_link("bob")
        peer = self.with_links(alice, first, second)
        alice._catching_up.ask(peer)
        self.assertEqual((self.asked_on(first), self.asked_on(second)), ([""], []))
        assert alice.history is not None
        alice.history.places.moved("bob@CIC", "m3")
        peer.links.remove(first)
        alice._catching_up.link_closed(peer, first)
        self.assertEqual(self.asked_on(second), ["m3"])
        alice._catching_up.link_closed(peer, first)
        self.assertEqual(self.asked_on(second), ["m3"])

    def test_a_link_that_says_farewell_is_not_asked(self) -> None:
        alice, _ = self.pair()
        first, second = keeping_link("bob"), keeping_link("bob")
        peer = self.with_links(alice, first, second)
        first.leaving = True
        alice._catching_up.ask(peer)
        self.assertEqual((self.asked_on(first), self.asked_on(second)), ([], [""]))

    def test_a_question_waits_for_room(self) -> None:
        alice, _ = self.pair()
        link = keeping_link("bob")
        peer = self.with_links(alice, link)
        link.takes = False
        alice._catching_up.ask(peer)
        self.town.run(1)
        link.takes = True
        self.town.run(1)
        self.assertEqual(self.asked_on(link), [""])


class AnsweringTests(GapCase):
    def test_an_answer_stays_on_its_link(self) -> None:
        alice, _ = self.pair()
        first, second = keeping_link("bob"), keeping_link("bob")
        peer = self.with_links(alice)
        self.publish(alice, *"0123")
        peer.links[:] = [first, second]
        first.on_send = lambda _: setattr(first, "takes", first.sent < 2)
        alice._catching_up.answer(peer, first, CatchUp("c", "", 10, 60.0))
        self.town.run(1)
        self.assertEqual((self.texts_on(first), self.texts_on(second)), ([*"01"], []))
        # The link breaks with 1 on its way, and before we hear of it, the peer asks elsewhere.
        after = first.messages[0]["msg_id"]
        alice._catching_up.answer(peer, second, CatchUp("d", after, 10, 60.0))
        first.takes = True
        self.town.run(1)
        self.assertEqual((self.texts_on(first), self.texts_on(second)), ([*"01"], [*"123"]))
        peer.links.remove(first)
        alice._catching_up.link_closed(peer, first)
        self.town.run(1)
        self.assertEqual(self.texts_on(second), [*"123"])

    def test_what_was_on_its_way_on_another_link_is_told_again(self) -> None:
        alice, _ = self.pair()
        first, second = keeping_link("bob"), keeping_link("bob")
        peer = self.with_links(alice, first, second)
        alice._catching_up.answer(peer, second, CatchUp("c", "", 10, 60.0))
        self.publish(alice, "lost")
        self.assertEqual([message["type"] for message in first.messages], ["PUB"])
        peer.links.remove(first)
        alice._catching_up.link_closed(peer, first)
        self.town.run(AGAIN)
        self.assertEqual(self.texts_on(second), ["lost"])

    def test_a_new_process_is_answered_at_once_and_the_same_one_now_and_then(self) -> None:
        alice, _ = self.pair()
        old, new = keeping_link("old"), keeping_link("new")
        peer = self.with_links(alice)
        self.publish(alice, "x")
        peer.links[:] = [old, new]
        for link in (old, new):
            for _ in range(10):
                alice._catching_up.answer(peer, link, CatchUp("c", "", 10, 60.0))
                self.town.run(0.1)
            self.assertEqual(self.texts_on(link), ["x"])
        self.town.run(AGAIN)
        self.assertEqual((self.texts_on(old), self.texts_on(new)), (["x"], ["x", "x"]))

    def test_what_is_published_while_an_answer_is_read_comes_too(self) -> None:
        alice = self.node("alice@CIC")
        self.publish(alice, *"01")
        assert alice.history is not None
        reading: Any = alice.history._storage.reading
        reading.at_once = False
        bob = self.node("bob@CIC")
        self.town.network.run_until(lambda: bool(reading.calls), 60)
        self.publish(alice, "2")
        reading.at_once = True
        while reading.calls:
            reading.step()
        self.town.run(AGAIN)
        self.assertEqual(sorted(self.texts(bob)), [*"012"])
        self.town.close()

    def test_what_was_said_before_the_past_is_known_comes_too(self) -> None:
        alice = self.node("alice@CIC")
        self.publish(alice, "0")
        self.town.leave(alice)
        alice = self.node("alice@CIC", at_once=False)
        self.publish(alice, "1")
        bob = self.node("bob@CIC")
        self.meet()
        writing = self.threads[1]
        writing.at_once = True
        while writing.calls:
            writing.step()
        self.publish(alice, "2")
        self.town.run(AGAIN)
        self.assertEqual(sorted(self.texts(bob)), [*"012"])
        self.town.close()


class DroppedTests(GapCase):
    """The queue of a link is full: what is published then comes when it has left."""

    def full(self, *, full: bool) -> None:
        send_all = PeerProtocol.send_all
        if full:
            self.full_patch = self.patch(PeerProtocol, "send_all", lambda *_: False)
        else:
            self.full_patch.restore()
            self.assertIsNot(PeerProtocol.send_all, send_all)

    def test_it_comes_late_and_once(self) -> None:
        alice, bob = self.pair()
        self.publish(alice, "before")
        self.full(full=True)
        self.publish(alice, *"01")
        self.assertEqual(alice.outgoing.publishing.dropped, 2)
        self.full(full=False)
        self.town.run(AGAIN)
        self.publish(alice, "after")
        self.town.run(AGAIN)
        self.assertEqual(self.texts(bob), ["before", *"01", "after"])
        self.assertEqual(self.late(bob), [*"01"])
        self.town.close()

    def test_within_the_bounds(self) -> None:
        alice, bob = self.pair(catch_up=3)
        self.full(full=True)
        self.publish(alice, *"01234")
        self.full(full=False)
        self.town.run(AGAIN)
        self.assertEqual(self.texts(bob), [*"234"])
        self.town.close()

    def test_who_asks_for_nothing_gets_nothing(self) -> None:
        alice = self.node("alice@CIC")
        others = [
            self.node("plain@CIC", keeps=False),
            self.node("far@UnB"),
            self.node("no@CIC", catch_up=0),
        ]
        self.meet()
        self.full(full=True)
        self.publish(alice, "x")
        self.full(full=False)
        self.town.run(AGAIN)
        self.assertEqual([self.texts(other) for other in others], [[]] * 3)
        self.town.close()


class FullDiskTests(GapCase):
    def test_what_could_not_be_written_is_told_when_it_is(self) -> None:
        alice = self.node("alice@CIC")
        self.publish(alice, "0")
        FullDatabase.full = {self.path("alice@CIC")}
        self.publish(alice, "1")
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.texts(bob), ["0"])
        FullDatabase.full = set()
        self.town.run(2 * AGAIN)
        self.assertEqual(self.texts(bob), [*"01"])
        self.town.close()

    def test_who_could_not_keep_a_change_asks_again(self) -> None:
        alice, bob = self.pair()
        first = alice.publish("#CIC", "helo").msg_id
        self.town.run(2)
        FullDatabase.full = {self.path("bob@CIC")}
        alice.publish("#CIC", "hello", of=first)
        self.town.run(2)
        self.assertEqual(self.hearing[bob].unkept, ["hello"])
        FullDatabase.full = set()
        self.town.run(60 + AGAIN)
        self.assertEqual(self.kept("bob@CIC"), ["helo", "hello"])

    def test_who_could_not_keep_an_answer_asks_again(self) -> None:
        alice = self.node("alice@CIC")
        self.publish(alice, *"012")
        FullDatabase.full = {self.path("bob@CIC")}
        bob = self.node("bob@CIC")
        self.meet()
        self.publish(alice, "3")
        self.assertEqual(self.hearing[bob].unkept, [*"0123"])
        FullDatabase.full = set()
        self.town.run(60 + AGAIN)
        self.assertEqual(self.kept("bob@CIC"), [*"0123"])
        self.assertEqual(self.texts(bob), [*"0123"], "each is shown once")
        self.town.kill(bob)
        self.publish(alice, "4")
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.texts(bob), ["4"])
        self.town.close()


class WorldTests(GapCase):
    """Three nodes that publish while everything fails now and then."""

    NAMES = ("alice@CIC", "bob@CIC", "eva@CIC")

    def test_all_that_its_publisher_keeps_is_at_everybody_in_the_end(self) -> None:
        for seed in range(4):
            with self.subTest(seed=seed):
                self.seed = seed
                self.setUp()
                self.live(random.Random(seed))

    def live(self, chance: random.Random) -> None:
        full: set[str] = set()
        send_all = PeerProtocol.send_all

        def sometimes_full(link: PeerProtocol, *lines: Any) -> bool:
            return link.peer_id not in full and send_all(link, *lines)

        queues = self.patch(PeerProtocol, "send_all", sometimes_full)
        nodes = {name: self.node(name, catch_up=5000) for name in self.NAMES}
        for number in range(60):
            for name, node in nodes.items():
                node.publish(chance.choice(("*", "#CIC")), f"{name} {number}")
            for thread in self.threads:
                thread.at_once = chance.random() < 0.6
                for _ in range(chance.randrange(3)):
                    if thread.calls:
                        thread.step()
            self.town.run(chance.random())
            one, other = chance.sample(self.NAMES, 2)
            match chance.randrange(12):
                case 0 | 1:
                    hosts = self.town.host_of(nodes[one]), self.town.host_of(nodes[other])
                    self.town.network.break_links(*hosts)
                case 2:
                    self.work()
                    self.town.kill(nodes[one])
                    nodes[one] = self.node(one, catch_up=5000)
                case 3:
                    FullDatabase.full = {self.path(one)} - FullDatabase.full
                case 4 | 5:
                    full ^= {one}
        FullDatabase.full = set()
        full.clear()
        self.work()
        self.town.run(150)
        for publisher in self.NAMES:
            said = [text for text in self.kept(publisher) if text.startswith(publisher)]
            self.assertGreater(len(said), 20)
            for other in self.NAMES:
                heard = [text for text in self.kept(other) if text.startswith(publisher)]
                # Who is killed may have said more than it keeps.
                self.assertEqual({*said} - {*heard}, set(), f"{publisher} at {other}")
                self.assertEqual(len(heard), len({*heard}), "kept twice")
        queues.restore()
        self.town.close()

    def work(self) -> None:
        """Have the disks do what they were asked for."""
        for thread in self.threads:
            thread.at_once = True
            while thread.calls:
                thread.step()
