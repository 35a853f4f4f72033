"""Worlds that lose their rendezvous for good, and those in which something waits for too long."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.neighbours import FakeLan
from p2pchat.testing.network import FakeNetwork
from p2pchat.testing.worlds.kind import Kind
from p2pchat.testing.worlds.neighbours import VICTIM_IP, HostCarrier
from p2pchat.testing.worlds.world import World


class ComebackWorldTests(SynchronousTestCase):
    def test_a_room_comes_back_and_no_victim_is_dialed_often(self) -> None:
        ran = World(Kind(seed=3, nodes=4, books=True, aimed=True), []).run()
        self.assertEqual(ran.found, {})
        self.assertEqual(ran.counts["one room again"], 1)
        self.assertGreater(ran.counts["moved"], 0)
        self.assertGreater(ran.counts["dialed a victim"], 0)

    def test_without_books_there_is_no_room_again(self) -> None:
        """So the check can fail: the books are what brings them together."""
        world = World(Kind(seed=3, nodes=3, books=True), [])
        made = World.scene

        def without(*words: object, **more: object) -> object:
            scene = made(*words, **more)  # type: ignore[arg-type]
            scene.shared.books = False
            return scene

        self.patch(World, "scene", without)
        self.assertIn("no room again without a rendezvous", world.run().found["I7"])

    def test_the_power_goes_once_something_was_told_to_be_too_old(self) -> None:
        ran = World(Kind(seed=3, nodes=3, brief=True, falls=True), []).run()
        self.assertEqual(ran.found, {})
        self.assertEqual(ran.counts["lost power when something was too old"], 1)
        self.assertGreater(ran.counts["too old"], 1, "the next process finds it too old again")


class HostCarrierTests(SynchronousTestCase):
    def test_who_is_unplugged_or_stands_still_hears_nothing(self) -> None:
        network = FakeNetwork(0)
        lan, heard = FakeLan(network.clock), list[bytes]()
        host = network.host("10.0.0.1")
        carrier = HostCarrier(lan, host)
        carrier.on_datagram = lambda datagram, *_: heard.append(datagram)
        carrier.start()
        for change in (host.unplug, host.plug_in, host.pause, host.resume):
            change()
            lan.shout(VICTIM_IP, change.__name__.encode())
            network.run(1)
        self.assertEqual(heard, [b"plug_in", b"resume"])
        host.unplug()
        carrier.send(b"x")
        self.assertEqual(lan.said[-1][1], b"resume")
