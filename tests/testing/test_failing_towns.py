"""Whole towns whose hosts and links fail, and what they are in the end: as if nothing had been."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from itertools import islice

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import TestCase

from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.testing.lies import IMPERSONATING, Lie
from p2pchat.testing.nodes import FakeTown

YEAR = 365 * 86_400.0
NAMES = ("alice@CIC", "bob@CIC", "carol@CIC")


class FailingTownCase(TestCase):
    def setUp(self) -> None:
        self.events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.wanted: dict[ChatNode, list[str]] = {}
        self.numbers = itertools.count()

    def begin(self, seed: int, names: tuple[str, ...] = NAMES) -> list[ChatNode]:
        self.town = FakeTown(seed)
        self.nodes = [self.town.node(name) for name in names]
        self.wanted = {node: [] for node in self.nodes}
        return self.nodes

    def talk(self, count: int, seconds: float) -> None:
        """Send so many messages between nodes, with up to so many seconds after each."""
        random = self.town.network.random
        for number in islice(self.numbers, count):
            one, other = random.sample(self.nodes, 2)
            text = f"{number} from {one.me.peer_id}"
            one.send(other.me.peer_id, text)
            self.wanted[other].append(text)
            self.town.run(random.uniform(0, seconds))

    def failures(self) -> list[object]:
        bad = (LogLevel.error, LogLevel.critical)
        return [event for event in self.events if event["log_level"] in bad]

    def assertAllIsWell(self, within: float = 120.0) -> None:
        """Nothing failed, all are connected, and each message arrived once; then all leave."""
        self.town.run_until_meshed(within)
        self.assertDelivered()

    def assertDelivered(self) -> None:
        for node, wanted in self.wanted.items():
            texts = Counter(self.town.seen(node).texts)
            got = {text: texts[text] for text in texts if " from " in text}
            self.assertEqual(
                got, dict.fromkeys(wanted, 1), (node.me.peer_id, self.town.network.seed)
            )
        self.assertEqual(self.failures(), [])
        self.town.close()


class LinksTests(FailingTownCase):
    def test_a_loss_one_way_heals(self) -> None:
        for seed in range(2):
            alice, bob, _ = self.begin(seed)
            self.town.run_until_meshed()
            here, there = self.town.host_of(alice), self.town.host_of(bob)
            # After many attempts they give up, until one of them registers anew.
            for seconds, within in ((3.0, 0.0), (100.0, 120.0), (1000.0, 3700.0)):
                self.town.network.begin_loss(here, there)
                self.town.run(seconds)
                self.town.network.end_loss(here, there)
                self.town.run_until_meshed(within)
            self.talk(20, 1)
            self.town.run(10)
            self.assertAllIsWell()

    def test_what_is_said_during_a_short_loss_arrives_once(self) -> None:
        for seed in range(3):
            alice, bob, _ = self.begin(seed)
            self.town.run_until_meshed()
            here, there = self.town.host_of(alice), self.town.host_of(bob)
            self.town.network.begin_loss(here, there)
            self.talk(20, 0.1)
            self.town.network.end_loss(here, there)
            self.town.run(10)
            self.assertAllIsWell()


class HostsTests(FailingTownCase):
    def test_one_that_stands_still_for_a_minute(self) -> None:
        for seed in range(3):
            alice, _, _ = self.begin(seed)
            self.town.run_until_meshed()
            host = self.town.host_of(alice)
            host.pause()
            self.town.run(60)
            host.resume()
            self.town.run_until_meshed(120)
            self.talk(20, 1)
            self.town.run(10)
            self.assertAllIsWell()

    def test_one_that_stands_still_for_a_moment_is_not_noticed(self) -> None:
        for seed in range(3):
            nodes = self.begin(seed)
            self.town.run_until_meshed()
            before = [len(self.town.seen(node).statuses) for node in nodes]
            host = self.town.host_of(nodes[0])
            for number in range(10):
                nodes[1].send(NAMES[0], f"{number} from bob")
                self.wanted[nodes[0]].append(f"{number} from bob")
                host.pause()
                self.town.run(2)
                host.resume()
                self.town.run(1)
            self.assertEqual([len(self.town.seen(node).statuses) for node in nodes], before)
            self.assertAllIsWell()

    def test_a_clock_that_jumps_a_year(self) -> None:
        for seed, jump in enumerate((YEAR, -YEAR, 3600.0, -50 * YEAR)):
            alice, bob, _ = self.begin(seed)
            self.town.run_until_meshed()
            self.town.host_of(bob).wall_rate = 1.5
            self.talk(10, 1)
            self.town.host_of(alice).wrong_by += jump
            self.talk(10, 1)
            self.town.run(100)
            self.town.host_of(alice).wrong_by -= jump
            self.talk(10, 1)
            self.town.run(10)
            self.assertAllIsWell(0)

    def test_steady_clocks_of_different_rates(self) -> None:
        nodes = self.begin(1)
        for node, rate in zip(nodes, (0.99, 1.0, 1.01), strict=True):
            self.town.host_of(node).steady_rate = rate
        self.town.run_until_meshed()
        self.town.run(1200)
        self.talk(20, 1)
        self.town.run(10)
        self.assertAllIsWell(0)


class LiarTests(FailingTownCase):
    def test_one_that_breaks_every_rule(self) -> None:
        for seed in range(2):
            self.town = FakeTown(seed)
            if seed % 2:
                self.town.serve()
            self.nodes = [self.town.node(name) for name in NAMES]
            self.wanted = {node: [] for node in self.nodes}
            liar = self.town.liar("eve@CIC", 0.1)
            self.town.run(20)
            for _ in range(6):
                self.talk(5, 3)
                for node in self.nodes:
                    with contextlib.suppress(NotSentError):
                        node.send("eve@CIC", "what about this?")
            self.town.run(60)
            self.assertGreater(len(liar.told), 25)
            self.assertDelivered()

    def test_one_that_says_only_its_own_name_is_shown_under_it(self) -> None:
        for seed in range(2):
            nodes = self.begin(seed)
            rates = {lie: 0.1 for lie in Lie if lie not in IMPERSONATING}
            rates |= {Lie.SRC_OF_ANOTHER: 0.5, Lie.ID_OF_ANOTHER: 0.5}
            liar = self.town.liar("eve@CIC", rates)
            self.town.run(20)
            self.talk(20, 3)
            self.assertGreater(liar.told[Lie.SRC_OF_ANOTHER], 0)
            for node in nodes:
                for peer_id, message in self.town.seen(node).messages:
                    if message.payload.startswith("lie"):
                        self.assertEqual(peer_id, "eve@CIC")
            self.assertDelivered()

    def test_one_seed_is_one_story(self) -> None:
        stories = []
        for seed in (3, 3, 4):
            self.begin(seed)
            liar = self.town.liar("eve@CIC", 0.1)
            self.town.run(60)
            stories.append((liar.told, liar.heard, self.town.network.random.random()))
            self.town.close()
        self.assertEqual(stories[0], stories[1])
        self.assertNotEqual(stories[0], stories[2])

    def test_without_lies_it_is_a_plain_peer(self) -> None:
        alice, *_ = self.begin(1)
        liar = self.town.liar("eve@CIC", 0.0)
        self.town.run(70)
        alice.send("eve@CIC", "hello")
        liar.send("alice@CIC", "9 from eve")
        self.wanted[alice].append("9 from eve")
        self.town.run(5)
        self.assertEqual(liar.acked, liar.said)
        self.assertEqual(len(self.town.seen(alice).acked), 1)
        self.assertEqual((liar.faults, liar.told), ([], Counter()))
        self.assertDelivered()
