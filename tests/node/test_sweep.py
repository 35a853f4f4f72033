"""How often a node wakes up: seldom while nothing happens, and in time for what is due."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.nodes import Recorder, connected_pair


class SweepTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town, self.alice, self.bob = connected_pair()
        self.addCleanup(self.town.close)
        self.town.run(5)

    def sweeps(self, seconds: float) -> list[float]:
        """The times of the sweeps of alice's node."""
        times: list[float] = []
        sweep = self.alice.mesh.sweep

        def noted(now: float) -> None:
            times.append(now)
            sweep(now)

        patch = self.patch(self.alice.mesh, "sweep", noted)
        self.town.run(seconds)
        patch.restore()
        return times

    def test_once_a_second_with_a_peer_and_nothing_to_say(self) -> None:
        self.assertIn(len(self.sweeps(20)), (20, 21))

    def test_an_ack_that_does_not_come_is_told_within_a_quarter_of_a_second(self) -> None:
        told = Recorder()
        self.alice.observers.add(told)
        self.sweeps(0.6)
        self.town.host_of(self.bob).pause()
        self.alice.send("bob@CIC", "oi")
        timeout = self.alice.settings.connection.ack_timeout
        self.town.run(timeout - 0.01)
        self.assertEqual(told.failed, [])
        self.town.run(0.27)
        self.assertEqual(len(told.failed), 1)
        self.town.host_of(self.bob).resume()


class RendezvousTests(SynchronousTestCase):
    def test_looks_at_what_is_due_when_it_is(self) -> None:
        town, alice, _ = connected_pair()
        self.addCleanup(town.close)
        town.run(60)
        looks: list[None] = []
        tick = alice.presence._tick

        def noted() -> None:
            looks.append(None)
            tick()

        self.patch(alice.presence, "_tick", noted)
        town.run(600)
        asked = 600 / alice.settings.connection.discovery_interval
        self.assertLessEqual(len(looks), 4 * asked)
