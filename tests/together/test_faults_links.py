"""Networks that fail: cut, delayed, split, joined, half open, silent, on a fake clock.

The same with real sockets is in `test_faults_proxy`.
"""

from __future__ import annotations

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import Status
from p2pchat.node.figures import statistics
from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from p2pchat.testing.nodes import FakeTown
from tests.support.conversation_account import Account

QUICK = Settings(
    connection=ConnectionSettings(
        reconnect_backoff_max=2.0, max_reconnect_attempts=1000, discovery_interval=20
    ),
    limits=LimitSettings(peer_rate=0),
)


class ChaosTests(SynchronousTestCase):
    """A network that does everything at once, while two people talk."""

    def converse(self, seed: int, messages: int, trouble: float) -> Account:
        chance = random.Random(seed)
        town = FakeTown(seed, latency=(0.0005, 0.5), cut=0.6, join=0.4)
        nodes = [town.node(name, settings=QUICK) for name in ("alice@CIC", "bob@CIC")]
        account = Account(nodes)
        hosts = [town.host_of(node) for node in nodes]
        town.run_until_meshed()
        town.run(3)
        for number in range(messages):
            account.say(chance.randrange(2), f"{number:06}")
            town.run(chance.expovariate(100.0))
            if chance.random() < trouble:
                if chance.random() < 0.7:
                    town.network.break_links(*hosts)
                else:
                    for end in town.network.between(*hosts):
                        # From now on silence, in one direction or in both.
                        end.severed = True
                        end.other.severed = chance.random() < 0.5
        # The keep-alive has to find out about silent links first.
        town.run(100)
        town.run_until_meshed()
        town.run(10)
        for one in (0, 1):
            account.say(one, f"{messages + one:06}")
        town.run(10)
        town.close()
        return account

    def test_five_thousand_messages(self) -> None:
        # After a silent cut it takes long until the link is back: of this seed few are silent.
        account = self.converse(8, 5000, trouble=0.004)
        account.check(self, "seed 8")
        # Two of them are the first, seen from both ends.
        self.assertGreater(account.links, 4, "nothing was cut")
        self.assertGreater(account.count("delivered"), 1000)

    def test_without_cuts_nothing_at_all_is_lost(self) -> None:
        account = self.converse(7, 1000, trouble=0.0)
        account.check(self, "no cuts")
        self.assertEqual(account.links, 2)
        self.assertEqual(account.count("delivered"), 1002)


class SilenceTests(SynchronousTestCase):
    """Half-open connections: the other machine is gone, and nobody said so."""

    def pair(self, **connection: Any) -> tuple[FakeTown, ChatNode, ChatNode]:
        town = FakeTown(5)
        settings = Settings(connection=ConnectionSettings(**connection))
        alice = town.node("alice@CIC", settings=settings)
        bob = town.node("bob@CIC", settings=settings)
        town.run_until_meshed()
        town.run(3)
        self.addCleanup(town.close)
        return town, alice, bob

    def test_a_machine_that_is_gone_is_noticed_within_three_intervals_and_one(self) -> None:
        town, alice, bob = self.pair()
        town.host_of(bob).unplug()
        town.run(85)
        self.assertEqual(town.links(alice), {"bob@CIC": 1})
        town.run(40)
        self.assertEqual(town.links(alice), {})
        self.assertEqual(alice.mesh.keepalive.ended, 1)
        figures = statistics(alice).snapshot()["links"]
        self.assertEqual((figures["ended_silent"], figures["connections"]), (1, 0))

    def test_what_was_said_meanwhile_is_reported(self) -> None:
        town, alice, bob = self.pair()
        town.host_of(bob).unplug()
        alice.send("bob@CIC", "anybody?")
        town.run(6)
        self.assertEqual(len(town.seen(alice).failed), 1)

    def test_silence_in_one_direction_only(self) -> None:
        town, alice, bob = self.pair(ping_interval=10)
        (end,) = town.network.between(town.host_of(bob), town.host_of(alice))
        end.severed = True
        town.run(45)
        self.assertEqual(alice.mesh.keepalive.ended, 1)
        town.run_until_meshed()
        alice.send("bob@CIC", "you are back")
        town.run(2)
        self.assertEqual(town.seen(bob).texts, ["you are back"])


class StandstillTests(SynchronousTestCase):
    """We are stopped for a while: a laptop that sleeps, a debugger, a machine that swaps."""

    def sleeping_pair(self, asleep: float, **connection: Any) -> tuple[FakeTown, ChatNode]:
        """Alice is stopped while bob, who is more patient, sends her things."""
        town = FakeTown(3)
        self.addCleanup(town.close)
        patient = ConnectionSettings(ping_interval=60, ack_timeout=300)
        bob = town.node("bob@CIC", settings=Settings(connection=patient))
        alice = town.node(
            "alice@CIC", settings=Settings(connection=ConnectionSettings(**connection))
        )
        town.run_until_meshed()
        alice.send("bob@CIC", "good night")
        stop(town, alice, asleep)
        bob.send("alice@CIC", "still there?")
        return town, alice

    def test_the_link_survives_and_nobody_is_told_of_losses(self) -> None:
        for interval, asleep in ((1.0, 4.5), (1.0, 30.0), (30.0, 100.0), (30.0, 3.0)):
            town, alice = self.sleeping_pair(asleep, ping_interval=interval)
            town.run(asleep + 5)
            seen = town.seen(alice)
            self.assertEqual(seen.texts, ["still there?"])
            self.assertEqual(seen.failed, [], f"{interval} {asleep}")
            self.assertEqual(len(seen.acked), 1)
            self.assertEqual(alice.mesh.keepalive.ended, 0)
            self.assertNotIn(Status.DISCONNECTED, [status for _, status in seen.statuses])
            town.run(10)
            self.assertEqual(town.links(alice), {"bob@CIC": 1})

    def test_a_busy_second_changes_nothing(self) -> None:
        town, alice = self.sleeping_pair(1.0, ack_timeout=1.5)
        town.host_of(town.nodes[0]).unplug()
        town.run(3)
        self.assertEqual(len(town.seen(alice).failed), 1)

    def test_after_it_who_is_late_is_told_as_ever(self) -> None:
        town, alice = self.sleeping_pair(20.0)
        town.host_of(town.nodes[0]).unplug()
        town.run(20)
        self.assertEqual(town.seen(alice).failed, [])
        town.run(2)
        self.assertEqual(len(town.seen(alice).failed), 1)


def stop(town: FakeTown, node: ChatNode, seconds: float) -> None:
    """Have nothing happen on a node's host for a while, as SIGSTOP does: bytes wait, timers too."""
    host = town.host_of(node)
    end = host.seconds() + seconds
    for call in host.getDelayedCalls():
        if call.getTime() < end:
            call.reset(seconds)
    for transport in host.connections():
        transport.pauseProducing()
        # Whatever waits is read in the turn after the first timers ran.
        town.network.clock.callLater(seconds + 0.3, transport.resumeProducing)


class CapacityTests(SynchronousTestCase):
    """As many links as may be, and not one more, in either direction."""

    def test_we_dial_no_more_than_we_may_and_the_rest_when_there_is_room(self) -> None:
        town = FakeTown(2)
        self.addCleanup(town.close)
        connection = ConnectionSettings(reconnect_backoff_max=5, discovery_interval=20)
        settings = Settings(connection=connection, limits=LimitSettings(max_links=6))
        for number in range(10):
            town.node(f"n{number}@CIC")
        town.run_until_meshed()
        small = town.node("small@CIC", settings=settings)
        town.run(30)
        self.assertEqual(len(small.mesh.links), 6)
        self.assertLessEqual(small.mesh.admission.links, 6)
        self.assertGreater(small.mesh.admission.postponed + small.mesh.admission.refused, 3)
        self.assertEqual(small.mesh.admission.dials, 0)
        linked = [*town.links(small)]
        for node in [*town.nodes]:
            if node.me.peer_id in linked[:3]:
                town.leave(node)
        town.run(120)
        self.assertEqual(len(small.mesh.links), 6)
        self.assertNotIn(Status.STALE, [status for _, status in town.seen(small).statuses])

    def test_a_descriptor_limit_holds_whatever_is_listed(self) -> None:
        town = FakeTown(2)
        self.addCleanup(town.close)
        node = town.node("small@CIC", max_descriptors=62)
        for number in range(60):
            town.node(f"n{number:02}@CIC", settings=Settings(limits=LimitSettings(max_links=3)))
        most = 0
        for _ in range(100):
            town.run(0.5)
            most = max(most, len(town.host_of(node).connections()))
        self.assertEqual(node.mesh.admission.max_links, 30)
        self.assertLessEqual(most, 30)

    def test_a_table_full_of_pending_messages_refuses_and_says_so(self) -> None:
        town = FakeTown(2)
        self.addCleanup(town.close)
        settings = Settings(limits=LimitSettings(max_pending_acks=10))
        alice = town.node("alice@CIC", settings=settings)
        bob = town.node("bob@CIC")
        town.run_until_meshed()
        town.host_of(bob).unplug()
        for _ in range(10):
            alice.send("bob@CIC", "x")
        with self.assertRaisesRegex(NotSentError, "still wait for their ACK"):
            alice.send("bob@CIC", "x")
        self.assertEqual(statistics(alice).snapshot()["messages"]["pending_acks"], 10)
