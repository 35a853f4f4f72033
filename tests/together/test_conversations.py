"""Whole conversations of real nodes over a fake network, in a seeded order of events.

What every story must keep, whatever happens in it: the mesh heals by itself; a PUB arrives once at
everybody who stayed connected; a SEND is delivered once or reported; between two nodes there is one
link; and whoever leaves leaves nothing behind, within three seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.testing.directory import Fault
from p2pchat.testing.nodes import FakeTown
from p2pchat.wire.messages import Pub

SETTLED = 2.0
"""Seconds around a message in which nothing may happen to its link, for it to be due."""


class Said(NamedTuple):
    at: float
    text: str
    sender: str
    connected: frozenset[str]


class Story:
    """A town in which things go wrong at random, and a record of what was said in it."""

    def __init__(self, seed: int, size: int, namespaces: int = 1) -> None:
        self.random = random.Random(f"story {seed}")
        self.town = FakeTown(seed)
        self.town.network.join = 0.3
        self.names = [f"n{n:02}@ns{n % namespaces}" for n in range(size)]
        self.everybody: list[ChatNode] = []
        self.away: set[str] = set()
        self.published: list[Said] = []
        self.sent: dict[str, Said] = {}
        self.trouble: list[tuple[float, str]] = []
        """When something happened to the links of whom."""
        for name in self.names:
            self.arrive(name)

    @property
    def now(self) -> float:
        return self.town.network.clock.seconds()

    def ip(self, name: str) -> str:
        return f"10.1.0.{self.names.index(name) + 1}"

    def arrive(self, name: str) -> None:
        self.away.discard(name)
        self.trouble.append((self.now, name))
        self.everybody.append(self.town.node(name, ip=self.ip(name)))

    def node(self, name: str) -> ChatNode:
        return next(node for node in self.town.nodes if node.me.peer_id == name)

    def somebody(self) -> ChatNode:
        return self.random.choice(self.town.nodes)

    # ------------------------------------------------------------ what can happen

    def say_to_all(self) -> None:
        node = self.somebody()
        text = f"pub {len(self.published)}"
        there = frozenset(
            name
            for name in self.town.links(node)
            if name not in self.away and node.me.peer_id in self.town.links(self.node(name))
        )
        node.publish("*", text)
        self.published.append(Said(self.now, text, node.me.peer_id, there))

    def say_to_one(self) -> None:
        node, other = self.somebody(), self.random.choice(self.names)
        text = f"send {len(self.sent)}"
        try:
            msg_id = node.send(other, text)
        except NotSentError:
            return
        self.sent[msg_id] = Said(self.now, text, node.me.peer_id, frozenset([other]))

    def lose_a_link(self) -> None:
        one, other = self.random.sample(self.town.nodes, 2)
        hosts = self.town.host_of(one), self.town.host_of(other)
        if self.town.network.break_links(*hosts):
            self.trouble += [(self.now, one.me.peer_id), (self.now, other.me.peer_id)]

    def die(self) -> None:
        if len(self.town.nodes) > 2:
            node = self.somebody()
            self.trouble.append((self.now, node.me.peer_id))
            self.away.add(node.me.peer_id)
            self.town.kill(node)

    def go(self) -> None:
        if len(self.town.nodes) > 2:
            node = self.somebody()
            self.trouble.append((self.now, node.me.peer_id))
            self.away.add(node.me.peer_id)
            self.town.leave(node)

    def come_back(self) -> None:
        if self.away:
            self.arrive(self.random.choice(sorted(self.away)))

    def disturb_rendezvous(self) -> None:
        self.town.rendezvous.fault = self.random.choice([*Fault])
        if self.random.random() < 0.3:
            self.town.rendezvous.forget()

    def go_on(self, steps: int, weights: dict[Callable[[], None], int]) -> None:
        for _ in range(steps):
            self.random.choices([*weights], [*weights.values()])[0]()
            self.town.run(self.random.expovariate(2.0))

    def heal(self, at_most: float = 75.0) -> None:
        self.town.rendezvous.fault = Fault.NONE
        for name in sorted(self.away):
            self.arrive(name)
        self.town.run_until_meshed(at_most)

    # ------------------------------------------------------------ what must hold

    def check(self, test: SynchronousTestCase) -> None:
        """Everything that was said arrived as it should."""
        where = f"seed {self.town.network.seed}"
        heard: dict[tuple[str, str], int] = {}
        for node in self.everybody:
            for sender, message in self.town.seen(node).messages:
                kind = "pub" if type(message) is Pub else "send"
                test.assertEqual(message.src, sender, where)
                test.assertTrue(message.payload.startswith(kind), where)
                key = node.me.peer_id, message.payload
                heard[key] = heard.get(key, 0) + 1
        test.assertEqual([key for key, times in heard.items() if times > 1], [], where)
        due = 0
        for said in self.published:
            for name in said.connected:
                if self.is_quiet(said, name):
                    due += 1
                    test.assertIn((name, said.text), heard, f"{where}: never arrived")
        test.assertGreater(due, 0, where)
        outcomes: dict[str, list[str]] = {}
        for node in self.everybody:
            for _, msg_id in self.town.seen(node).acked:
                outcomes.setdefault(msg_id, []).append("delivered")
            for _, msg_id, _ in self.town.seen(node).failed:
                outcomes.setdefault(msg_id, []).append("not")
        for msg_id, said in self.sent.items():
            (receiver,) = said.connected
            outcome = outcomes.pop(msg_id, [])
            if outcome == ["delivered"]:
                test.assertIn((receiver, said.text), heard, where)
            elif self.is_quiet(said, receiver, 6.0):
                test.fail(f"{where}: {said} ended as {outcome}")
            elif said.sender not in {name for _, name in self.trouble}:
                test.assertEqual(outcome, ["not"], f"{where}: {said}")
        test.assertEqual(outcomes, {}, where)

    def is_quiet(self, said: Said, other: str, margin: float = SETTLED) -> bool:
        return not any(
            name in (said.sender, other) and abs(at - said.at) < margin for at, name in self.trouble
        )


class StoryTests(SynchronousTestCase):
    """Random stories; a failure names its seed."""

    def tell(
        self, story: Story, steps: int, weights: dict[Callable[[], None], int], heal: float = 75.0
    ) -> None:
        story.town.run(3)
        story.go_on(steps, weights)
        story.heal(heal)
        story.town.run(SETTLED)
        for _ in range(3):
            story.say_to_all()
            story.town.run(SETTLED)
        story.town.run(6)
        story.check(self)
        self.assertTrue(story.town.meshed())
        story.town.close()

    def test_two_nodes_that_lose_each_other(self) -> None:
        for seed in range(25):
            story = Story(seed, 2)
            weights = {story.say_to_all: 4, story.say_to_one: 6, story.lose_a_link: 2}
            self.tell(story, 60, weights)

    def test_five_nodes_that_come_and_go(self) -> None:
        for seed in range(12):
            story = Story(seed, 5, 2)
            weights = {
                story.say_to_all: 6,
                story.say_to_one: 8,
                story.lose_a_link: 3,
                story.die: 1,
                story.go: 1,
                story.come_back: 2,
            }
            self.tell(story, 80, weights)

    def test_five_nodes_with_a_rendezvous_that_fails(self) -> None:
        for seed in range(12):
            story = Story(seed, 5)
            weights = {
                story.say_to_all: 6,
                story.say_to_one: 6,
                story.lose_a_link: 2,
                story.die: 1,
                story.come_back: 1,
                story.disturb_rendezvous: 2,
            }
            # A rendezvous that blocks is left alone for 30 s, then come registration and discovery.
            self.tell(story, 60, weights, 150.0)

    def test_twenty_nodes(self) -> None:
        for seed in range(2):
            story = Story(seed, 20, 3)
            weights = {
                story.say_to_all: 4,
                story.say_to_one: 12,
                story.lose_a_link: 8,
                story.die: 2,
                story.go: 2,
                story.come_back: 4,
            }
            self.tell(story, 100, weights)
