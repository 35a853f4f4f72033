"""Whole nodes, and a rendezvous, whose disk fails."""

from __future__ import annotations

from functools import partial
from random import Random

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history.records import Record
from p2pchat.node.node import ChatNode
from p2pchat.rendezvous.registry import Registry, Verdict
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.rendezvous.stores.sqlite import RegistrationFile
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.network import FakeNetwork
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.threads import SteppedWorker

ANA, BOB = "ana@CIC", "bob@CIC"
FILE = f"/{BOB}.sqlite"


class DiskCase(SynchronousTestCase):
    def begin(self, seed: int = 0) -> None:
        """Ana and Bob, whose disk fails, are connected."""
        self.town = FakeTown(seed)
        self.disk = FakeDisk(Random(seed))
        self.sound = FakeDisk(Random(f"{seed} sound"))
        self.ana = self.town.node(ANA, disk=self.sound)
        self.bob = self.town.node(BOB, disk=self.disk)
        self.ip = self.town.host_of(self.bob).ip
        self.town.run_until_meshed()

    def restart(self) -> None:
        """Bob's node runs again, and they are connected."""
        self.bob = self.town.node(BOB, disk=self.disk, ip=self.ip)
        self.town.run_until_meshed()

    def say(self, *texts: str) -> None:
        for text in texts:
            self.ana.send(BOB, text)

    def kept(self) -> list[str]:
        """What is in Bob's history."""
        assert self.bob.history is not None
        asked: Deferred[list[Record]] = self.bob.history.recent(None, 100)
        self.town.run(1)
        return [record.text for record in self.successResultOf(asked)]

    def notices(self, node: ChatNode) -> str:
        return "\n".join(self.town.seen(node).notices)

    def leave(self) -> None:
        self.town.close()
        self.assertEqual(self.disk.in_use, [])


class PowerTests(DiskCase):
    def test_what_was_acknowledged_is_there_once(self) -> None:
        """The power goes at a commit, or a moment later: nothing is lost, nothing shown twice."""
        texts, unseen = ["first", "one", "three", "two"], 0
        for seed in range(30):
            self.begin(seed)
            bob = self.bob
            self.say("first")
            self.town.run(2)
            self.disk.power_loss_in(1 + seed % 3, partial(self.town.kill, bob))
            self.say("one", "two")
            self.town.run(1)
            self.say("three")
            if bob in self.town.nodes:
                self.town.run(self.disk.random.uniform(0, 0.05))
            if bob in self.town.nodes:
                self.town.kill(bob)
                self.disk.power_loss()
            self.restart()
            self.town.run(30)
            shown = self.town.seen(bob).texts + self.town.seen(self.bob).texts
            self.assertEqual(sorted(self.kept()), texts, f"seed {seed}")
            self.assertEqual(len({*shown}), len(shown), f"seed {seed}")
            self.assertEqual(len(self.town.seen(self.ana).acked), 4, f"seed {seed}")
            # What was stored and not shown before the end is told when it starts again.
            unseen += len(texts) - len(shown)
            if len(shown) < len(texts):
                self.assertIn("not seen yet", self.notices(self.bob), f"seed {seed}")
            self.leave()
        self.assertGreater(unseen, 0)

    def test_one_seed_leaves_the_same_bytes(self) -> None:
        left = []
        for _ in range(2):
            self.begin(5)
            self.say("one", "two")
            self.town.run(1)
            self.town.kill(self.bob)
            self.disk.power_loss()
            self.restart()
            self.leave()
            left.append({path: self.disk.read(path) for path in self.disk.paths})
        self.assertEqual(left[0], left[1])

    def test_what_waits_to_be_delivered_goes_out_once(self) -> None:
        for seed in range(10):
            self.begin(seed)
            self.town.kill(self.ana)
            self.town.run(2)
            self.bob.send(ANA, "while you were away")
            self.town.run(1)
            self.town.kill(self.bob)
            self.disk.power_loss()
            ana = self.town.node(ANA, ip="10.0.0.1", disk=self.sound)
            self.restart()
            self.town.run(10)
            self.assertEqual(self.town.seen(ana).texts, ["while you were away"])
            self.leave()


class TroubleTests(DiskCase):
    def test_a_full_disk_is_told_and_messages_are_kept_again(self) -> None:
        self.begin()
        self.say("one")
        self.town.run(1)
        self.disk.limit = self.disk.used
        self.say("two")
        self.town.run(3)
        self.assertIn("no longer kept", self.notices(self.bob))
        self.assertIn("full", self.notices(self.bob))
        self.disk.limit = None
        self.town.run(60)
        self.say("three")
        self.town.run(10)
        self.assertIn("kept again", self.notices(self.bob))
        self.assertEqual(self.town.seen(self.bob).texts, ["one", "two", "three"])
        self.assertLessEqual({"one", "three"}, {*self.kept()})
        self.leave()

    def test_a_disk_that_can_only_be_read(self) -> None:
        self.begin()
        self.say("one")
        self.town.run(1)
        self.disk.read_only = True
        self.say("two")
        self.town.run(3)
        self.assertIn("no longer kept", self.notices(self.bob))
        self.assertEqual(self.kept(), ["one"])
        self.disk.read_only = False
        self.town.run(30)
        self.leave()

    def test_a_few_calls_fail(self) -> None:
        self.begin()
        self.say("one")
        self.town.run(1)
        self.disk.io_error()
        self.say("two")
        self.town.run(60)
        self.assertIn("two", self.town.seen(self.bob).texts)
        self.say("three")
        self.town.run(5)
        self.assertLessEqual({"one", "three"}, {*self.kept()})
        self.leave()

    def test_a_disk_that_does_not_answer_is_told(self) -> None:
        self.begin()
        self.say("one")
        self.town.run(1)
        self.disk.delay = (20.0, 20.0)
        self.say("two")
        self.town.run(15)
        self.assertIn("the disk does not answer", self.notices(self.bob))
        self.disk.delay = (0.0, 0.01)
        self.town.run(60)
        self.assertIn("kept again", self.notices(self.bob))
        self.leave()


class DamageTests(DiskCase):
    def down(self) -> None:
        """Bob has kept a few messages, and his node is killed."""
        self.begin()
        self.say("one", "two")
        self.town.run(1)
        self.town.kill(self.bob)

    def test_a_damaged_file_is_set_aside(self) -> None:
        self.down()
        self.disk.put(FILE, b"\0no database at all" * 500)
        self.restart()
        self.town.run(5)
        self.assertIn("was damaged", self.notices(self.bob))
        aside = [path for path in self.disk.paths if path.startswith(f"{FILE}.damaged-")]
        self.assertEqual([self.disk.read(path)[:12] for path in aside], [b"\0no database"])
        self.say("three")
        self.town.run(2)
        self.assertEqual(self.kept(), ["three"])
        self.leave()

    def test_one_bit_of_a_name_in_the_schema(self) -> None:
        """SQLite's error is no text then: it is damage all the same, and not told for ever."""
        self.down()
        sound = self.disk.read(FILE)
        flipped = sound.replace(b"indexmessage_waiting", b"indexmessage\xdfwaiting")
        self.assertNotEqual(flipped, sound)
        self.disk.put(FILE, flipped)
        self.restart()
        self.say("three")
        self.town.run(5)
        self.assertIn("was damaged", self.notices(self.bob))
        self.assertEqual(self.kept(), ["three"])
        self.leave()

    def test_a_torn_file_stops_nobody(self) -> None:
        self.down()
        self.disk.tear(FILE)
        self.restart()
        self.say("three")
        self.town.run(10)
        self.assertIn("three", self.kept())
        self.leave()

    def test_a_lost_file_is_begun_anew(self) -> None:
        self.down()
        self.disk.lose(FILE)
        self.restart()
        self.say("three")
        self.town.run(5)
        self.assertEqual(self.kept(), ["three"])
        self.leave()


class RendezvousTests(SynchronousTestCase):
    def test_registrations_after_a_loss_of_power(self) -> None:
        """The file is sound, and what is missing are the latest batches alone."""
        found = set()
        for seed in range(20):
            self.disk, self.network = FakeDisk(Random(seed)), FakeNetwork(seed)
            self.host = self.network.host("10.0.0.9")
            registry, _ = self.serve()
            for name, pause in (("a", 20), ("b", 1)):  # checkpointed, or not
                now = self.host.seconds()
                granted = registry.register("10.0.0.1", "CIC", name, 4000, 7200, now)
                self.assertIs(granted, Verdict.GRANTED)
                self.network.run(pause)
            self.host.kill()
            self.disk.power_loss()
            registry, persistence = self.serve()
            found.add("".join(sorted(each.name for each in registry.all())))
            stopped = persistence.stopService()
            self.network.run(5)
            self.successResultOf(stopped)
            self.assertEqual((self.disk.in_use, self.host.getDelayedCalls()), ([], []))
        self.assertEqual(found, {"a", "ab"})

    def serve(self) -> tuple[Registry, Persistence]:
        registry = Registry(100, 100)
        persistence = Persistence(
            registry,
            RegistrationFile("/registrations.sqlite", self.disk),
            reactor=self.host,
            wall=self.host.wall,
            monotonic=self.host.seconds,
            thread=SteppedWorker(self.host, self.disk),
        )
        persistence.startService()
        return registry, persistence
