"""Several rendezvous: which one is asked, and what becomes of what the others had."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.directory import Grant, NotRegistered, RequestRefused, Unreachable
from p2pchat.rendezvous.fallback import Fallback
from p2pchat.testing.directory import FakeRendezvous, Fault
from p2pchat.testing.nodes import FakeTown


class Place:
    """A directory that answers, or fails with `trouble`."""

    def __init__(self, address: str) -> None:
        self.address = self.source = address
        self.max_listed = 10
        self.wanted: Any = ()
        self.trouble: Exception | None = None
        self.asked: list[str] = []

    def _say(self, what: str, answer: Any) -> Deferred[Any]:
        self.asked.append(what)
        return succeed(answer) if self.trouble is None else fail(self.trouble)

    def register(self, *_: object) -> Deferred[Grant]:
        return self._say("register", Grant(60.0, self.address))

    def discover(self, *_: object) -> Deferred[Any]:
        return self._say("discover", self.address)

    def unregister(self, *_: object) -> Deferred[None]:
        return self._say("unregister", None)


class FallbackTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.places = [Place(f"r{number}") for number in range(3)]
        self.first, self.second, self.third = self.places
        self.directory = Fallback(self.clock, self.places)

    def register(self) -> str:
        return self.successResultOf(self.directory.register("CIC", "ana", 4000, 60)).ip

    def discover(self) -> Any:
        return self.successResultOf(self.directory.discover("CIC"))

    def test_the_first_while_it_answers(self) -> None:
        self.assertEqual((self.register(), self.discover(), self.discover()), ("r0", "r0", "r0"))
        self.assertEqual((self.second.asked, self.directory.address), ([], "r0"))

    def test_the_next_when_it_does_not(self) -> None:
        self.first.trouble = Unreachable("no answer")
        self.second.trouble = Unreachable("no answer")
        self.assertEqual(self.register(), "r2")
        self.assertEqual((self.directory.address, self.directory.source), ("r2", "r2"))
        self.assertEqual((self.discover(), len(self.first.asked)), ("r2", 1), "not asked each time")

    def test_around_to_the_first_again(self) -> None:
        self.first.trouble = Unreachable("no answer")
        self.register()
        self.first.trouble, self.second.trouble = None, Unreachable("no answer")
        self.third.trouble = Unreachable("no answer")
        self.assertEqual(self.discover(), "r0")

    def test_none_answers(self) -> None:
        for place in self.places:
            place.trouble = Unreachable(f"{place.address} is silent")
        why = self.failureResultOf(self.directory.discover("CIC"), Unreachable)
        self.assertEqual(why.getErrorMessage(), "r2 is silent")
        self.assertEqual([len(place.asked) for place in self.places], [1, 1, 1])
        self.assertEqual(self.directory.address, "r0")

    def test_a_refusal_is_an_answer(self) -> None:
        self.first.trouble = RequestRefused("bad name", "bad_name")
        self.failureResultOf(self.directory.register("CIC", "ana", 4000, 60), RequestRefused)
        self.assertEqual(self.second.asked, [])
        self.first.trouble, self.second.trouble = Unreachable("x"), NotRegistered("who?")
        self.failureResultOf(self.directory.discover("CIC"), NotRegistered)
        self.assertEqual(self.directory.address, "r1", "so that we register there")

    def test_back_at_the_first_after_ten_minutes(self) -> None:
        self.first.trouble = Unreachable("no answer")
        self.register()
        self.first.trouble = None
        self.clock.advance(599)
        self.assertEqual(self.register(), "r1")
        self.clock.advance(1)
        self.assertEqual((self.discover(), self.register(), self.discover()), ("r1", "r0", "r0"))

    def test_while_the_first_is_gone_it_is_tried_once_in_ten_minutes(self) -> None:
        self.first.trouble = Unreachable("no answer")
        for _ in range(120):
            self.assertEqual(self.register(), "r1")
            self.clock.advance(30)
        self.assertEqual(len(self.first.asked), 6)

    def test_we_unregister_wherever_we_registered(self) -> None:
        self.register()
        self.first.trouble = Unreachable("no answer")
        self.register()
        self.failureResultOf(self.directory.unregister("CIC", "ana", 4000), Unreachable)
        self.assertEqual(self.second.asked[-1], "unregister")
        self.assertEqual(self.third.asked, [])

    def test_what_is_wanted_is_wanted_of_all(self) -> None:
        self.directory.max_listed, self.directory.wanted = 7, {"bob@CIC"}
        self.assertEqual([place.max_listed for place in self.places], [7] * 3)
        self.assertEqual([place.wanted for place in self.places], [{"bob@CIC"}] * 3)
        self.assertEqual(self.directory.max_listed, 7)


class RoomTests(SynchronousTestCase):
    def test_a_room_goes_on_to_the_next_one_and_comes_back(self) -> None:
        town = FakeTown()
        self.addCleanup(town.close)
        second = FakeRendezvous(town.network.clock)

        def node(name: str, number: int) -> Any:
            host = town.network.host(f"10.0.0.{number}")
            both = [town.rendezvous.at(host), second.at(host)]
            return town.node(f"{name}@CIC", ip=host.ip, directory=Fallback(host, both))

        node("alice", 1)
        node("bob", 2)
        town.run_until_meshed()
        town.rendezvous.fault = Fault.DEAD
        town.run(130)
        self.assertTrue(second.knows("alice@CIC") and second.knows("bob@CIC"))
        node("carol", 3)
        town.run_until_meshed()
        town.rendezvous.fault = Fault.NONE
        town.run(8000)
        self.assertTrue(town.rendezvous.knows("alice@CIC"))
        node("dan", 4)
        town.run_until_meshed(200)
