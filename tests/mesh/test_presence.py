"""Being found and finding, whatever the rendezvous does."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.discovery.presence import Presence
from p2pchat.mesh.discovery.schedule import REQUESTS_A_MINUTE, RequestSchedule
from p2pchat.rendezvous.directory import (
    Blocked,
    DirectoryError,
    Grant,
    IDirectory,
    Listings,
    RequestRefused,
    Unreachable,
)
from p2pchat.rendezvous.selection import Selection
from p2pchat.testing.directory import FakeRendezvous, Fault, StaticDirectory
from p2pchat.testing.network import FakeNetwork


class PresenceTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.host = self.network.host("10.0.0.1")
        self.rendezvous = FakeRendezvous(self.network.clock)
        self.listed: list[list[str]] = []
        self.scopes: list[str | None] = []
        self.notices: list[str] = []
        self.presence = self.make(self.rendezvous.at(self.host))

    def tearDown(self) -> None:
        if self.presence.running:
            self.presence.stopService()
        self.assertEqual(self.host.getDelayedCalls(), [])

    def take_in(self, found: Listings) -> Deferred[None]:
        self.listed.append([entry.peer_id for entry in found])
        self.scopes.append(found.namespace)
        return succeed(None)

    def make(
        self,
        directory: IDirectory,
        *,
        interval: float = 60.0,
        budget: int | None = REQUESTS_A_MINUTE,
        ttl: int = 7200,
    ) -> Presence:
        presence = Presence(
            self.host,
            directory,
            "me",
            "CIC",
            schedule=RequestSchedule(interval, budget, self.network.random.uniform),
            ttl=ttl,
            on_listings=self.take_in,
            on_notice=lambda sentence: self.notices.append(str(sentence)),
        )
        presence.port = 4000
        return presence

    def start(self, seconds: float = 1.0) -> None:
        self.presence.startService()
        self.network.run(seconds)

    def run_for(self, seconds: float) -> None:
        self.network.run(seconds)

    def asked(self, kind: str = "") -> list[float]:
        """When requests of one type, or of any, were made, since the start."""
        return [
            round(at - 1000.0, 1) for at, _, what in self.rendezvous.requests if kind in ("", what)
        ]

    def outcome(self, deferred: Deferred[Any]) -> list[Any]:
        results: list[Any] = []
        deferred.addBoth(results.append)
        return results


class PlainSailingTests(PresenceTestCase):
    """While the rendezvous works."""

    def test_it_registers_and_then_discovers(self) -> None:
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000)
        self.start()
        kinds = [kind for _, _, kind in self.rendezvous.requests]
        self.assertEqual(kinds, ["REGISTER", "DISCOVER"])
        self.assertEqual(self.listed, [["bob@CIC", "me@CIC"]])
        self.assertEqual(self.presence.grant, Grant(7200.0, "10.0.0.1"))
        self.assertEqual((self.presence.trouble, self.notices), ("", []))

    def test_it_discovers_periodically_and_renews_at_half_the_lease(self) -> None:
        self.presence = self.make(self.rendezvous.at(self.host), ttl=200)
        self.start(303)
        self.assertEqual(len(self.asked("DISCOVER")), 6)
        for at, expected in zip(self.asked("REGISTER"), (0, 100, 200, 300), strict=True):
            self.assertLess(abs(at - expected), 2.1)

    def test_a_tiny_lease_does_not_take_all_requests(self) -> None:
        self.presence = self.make(self.rendezvous.at(self.host), ttl=1, interval=10.0)
        self.start(300)
        self.assertGreaterEqual(len(self.asked("DISCOVER")), 25)
        self.assertLessEqual(len(self.asked()), 5 * REQUESTS_A_MINUTE)

    def test_a_directory_of_our_own_may_be_asked_often(self) -> None:
        self.presence = self.make(self.rendezvous.at(self.host), interval=1.0, budget=None)
        self.start(100)
        self.assertGreater(len(self.asked("DISCOVER")), 60)

    def test_discover_asks_now_and_answers_everybody_with_what_was_asked_afterwards(self) -> None:
        self.start()
        results = [self.outcome(self.presence.discover()) for _ in range(4)]
        self.run_for(1)
        self.assertEqual(len(self.asked("DISCOVER")), 3, "one that was there, and one for the rest")
        self.assertEqual([[e.peer_id for e in r[0]] for r in results], [["me@CIC"]] * 4)
        self.assertEqual(len(self.listed), 3)

    def test_a_question_is_not_answered_by_a_request_that_was_sent_before(self) -> None:
        self.start()
        listings, answers = self.rendezvous.listings, [Listings()]
        self.patch(self.rendezvous, "listings", lambda *_: answers.pop() if answers else listings())
        early = self.outcome(self.presence.discover())
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000)
        late = self.outcome(self.presence.discover())
        self.run_for(1)
        self.assertEqual(early, [[]])
        self.assertEqual([entry.peer_id for entry in late[0]], ["me@CIC", "bob@CIC"])

    def test_who_may_not_ask_once_more_is_told(self) -> None:
        self.start()
        early, late = (self.outcome(self.presence.discover()) for _ in range(2))
        self.patch(RequestSchedule, "may_ask", lambda *_: False)
        self.run_for(1)
        self.assertEqual([entry.peer_id for entry in early[0]], ["me@CIC"])
        self.assertIn("too often", str(late[0].value))

    def test_the_first_look(self) -> None:
        before = self.outcome(self.presence.first_look())
        self.presence.startService()
        self.assertEqual(before, [])
        self.run_for(1)
        self.assertEqual(before, [None])
        self.assertEqual(self.outcome(self.presence.first_look()), [None])

    def test_withdrawing(self) -> None:
        self.start()
        self.presence.stopService()
        done = self.outcome(self.presence.withdraw())
        self.run_for(1)
        self.assertEqual(done, [None])
        self.assertFalse(self.rendezvous.knows("me@CIC"))
        self.assertEqual(self.outcome(self.presence.withdraw()), [None])
        self.assertEqual(len(self.asked("UNREGISTER")), 1)

    def test_a_static_directory_is_one(self) -> None:
        self.presence = self.make(StaticDirectory([("bob@CIC", "10.0.0.9", 4000)]))
        self.start(130)
        self.assertEqual(self.listed, [["bob@CIC", "me@CIC"]] * 3)
        self.presence.stopService()
        self.outcome(self.presence.withdraw())
        self.assertEqual(
            [e.peer_id for e in self.successResultOf(self.presence.directory.discover("CIC"))],
            ["bob@CIC"],
        )


class FaultTests(PresenceTestCase):
    """While it does not."""

    def test_dead_from_the_start(self) -> None:
        self.rendezvous.fault = Fault.DEAD
        looked = self.outcome(self.presence.first_look())
        self.start(600)
        self.assertEqual(looked, [None])
        self.assertEqual(len(self.notices), 1)
        self.assertIn("rendezvous.test:8080", self.notices[0])
        waits = [b - a for a, b in zip(self.asked(), self.asked()[1:], strict=False)]
        self.assertLess(waits[0], 2)
        self.assertLess(max(waits), 31)
        self.assertGreater(min(waits[6:]), 20)
        self.rendezvous.fault = Fault.NONE
        self.run_for(31)
        self.assertTrue(self.rendezvous.knows("me@CIC"))
        self.assertEqual(self.presence.trouble, "")

    def test_the_address_is_said_once(self) -> None:
        address = self.presence.directory.address
        reason = Unreachable(f"the rendezvous at {address} cannot be used: nothing listens there")
        self.patch(self.presence.directory, "register", lambda *_: fail(reason))
        self.start(1)
        self.assertEqual(self.notices, [str(reason)])

    def test_it_dies_while_we_are_registered(self) -> None:
        self.start(61)
        self.rendezvous.fault = Fault.DEAD
        self.run_for(120)
        self.assertNotEqual(self.presence.trouble, "")
        self.assertEqual(self.notices, [])
        self.rendezvous.forget()
        self.rendezvous.fault = Fault.NONE
        self.run_for(60)
        self.assertTrue(self.rendezvous.knows("me@CIC"))
        self.assertIn(["me@CIC"], self.listed)

    def test_one_failed_discover_does_not_stop_discovery(self) -> None:
        self.start(50)
        self.rendezvous.fault = Fault.DEAD
        self.run_for(15)
        self.rendezvous.fault = Fault.NONE
        before = len(self.listed)
        self.run_for(60)
        self.assertGreater(len(self.listed), before)

    def test_when_it_answers_again_we_register_anew_for_those_who_gave_us_up(self) -> None:
        self.start(50)
        self.rendezvous.fault = Fault.DEAD
        self.run_for(100)
        self.rendezvous.fault = Fault.NONE
        registered = len(self.asked("REGISTER"))
        self.run_for(60)
        self.assertEqual(len(self.asked("REGISTER")), registered + 1)

    def test_it_forgets_us_without_saying_so(self) -> None:
        self.start(50)
        self.rendezvous.forget()
        self.run_for(60)
        self.assertTrue(self.rendezvous.knows("me@CIC"))

    def test_it_says_that_it_does_not_know_us(self) -> None:
        self.start(50)
        self.rendezvous.fault = Fault.NOT_REGISTERED
        self.rendezvous.forget()
        asked = len(self.asked())
        results = self.outcome(self.presence.discover())
        self.rendezvous.fault = Fault.NONE
        self.run_for(0.1)
        self.assertTrue(self.rendezvous.knows("me@CIC"))
        self.run_for(2)
        self.assertEqual(len(self.asked()), asked + 3)  # DISCOVER, REGISTER, DISCOVER
        self.assertIsInstance(results[0].value, DirectoryError)

    def test_it_never_knows_us(self) -> None:
        self.rendezvous.fault = Fault.NOT_REGISTERED
        looked = self.outcome(self.presence.first_look())
        self.start(300)
        self.assertEqual(looked, [None])
        self.assertLess(len(self.asked()), 25)
        self.assertNotEqual(self.presence.trouble, "")

    def test_it_registers_us_and_then_does_not_know_us(self) -> None:
        forgetful = _Forgetful()
        self.presence = self.make(forgetful, budget=None)
        looked = self.outcome(self.presence.first_look())
        self.start(300)
        self.assertEqual(looked, [None])
        self.assertLess(forgetful.asked, 40)

    def test_it_blocks_us(self) -> None:
        self.start(50)
        self.rendezvous.fault = Fault.BLOCKED
        self.run_for(12)
        self.rendezvous.fault = Fault.NONE
        asked = len(self.asked())
        results = self.outcome(self.presence.discover())
        self.assertIsInstance(results[0].value, DirectoryError)
        self.run_for(25)
        self.assertEqual(len(self.asked()), asked)
        self.run_for(10)
        self.assertGreater(len(self.asked()), asked)

    def test_a_block_for_ever_is_not_believed(self) -> None:
        class Blocking(StaticDirectory):
            asked = 0

            def register(self, *rest: object) -> Deferred[Grant]:
                self.asked += 1
                return fail(Blocked("go away", 1e9))

        directory = Blocking()
        self.presence = self.make(directory)
        self.start(650)
        self.assertEqual(directory.asked, 2)

    def test_it_does_not_like_our_name(self) -> None:
        self.rendezvous.fault = Fault.REFUSING
        self.start(200)
        self.assertEqual(len(self.notices), 1)
        self.assertIn("bad_name", self.notices[0])

    def test_it_does_not_like_our_name_and_still_tells_who_is_there(self) -> None:
        reason = RequestRefused("the rendezvous is full", "registry_full")
        self.patch(self.presence.directory, "register", lambda *_: fail(reason))
        self.patch(self.presence.directory, "discover", lambda *_: succeed(Listings()))
        self.start(305)
        self.assertEqual(self.listed, [[]] * 6)
        self.assertEqual(self.notices, ["rendezvous rendezvous.test:8080: the rendezvous is full"])

    def test_it_is_slow_or_silent(self) -> None:
        for fault in (Fault.SLOW, Fault.SILENT):
            self.rendezvous.fault = fault
            self.presence = self.make(self.rendezvous.at(self.host))
            before = len(self.asked())
            self.start(120)
            self.assertLess(len(self.asked()) - before, 12)
            self.presence.stopService()
            done = self.outcome(self.presence.withdraw())
            self.run_for(0.8)
            self.assertEqual(done, [None])
            self.run_for(10)

    def test_it_lies(self) -> None:
        self.rendezvous.fault = Fault.LYING
        self.start(300)
        self.assertLess(len(self.asked()), 20)
        self.assertEqual(len(self.listed), 5)

    def test_a_listing_of_all_that_is_too_long(self) -> None:
        """The node looks for its own namespace, says so once, and tries all again in an hour."""
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000, ttl=86_400)
        self.rendezvous.enter("spam@x", "10.0.0.8", 4000, ttl=86_400)
        self.rendezvous.fault = Fault.TOO_LONG
        looked = self.outcome(self.presence.first_look())
        self.start(1)
        self.assertEqual((looked, self.listed), ([None], [["bob@CIC", "me@CIC"]]))
        results = self.outcome(self.presence.discover())
        self.run_for(1)
        self.assertEqual([entry.peer_id for entry in results[0]], ["bob@CIC", "me@CIC"])
        self.run_for(3500)
        self.assertEqual(len(self.asked("DISCOVER")), 2 + 1 + 58)
        self.run_for(3600)
        sentence = (
            "rendezvous rendezvous.test:8080: the listing of all namespaces is too long, so only "
            "CIC is looked for"
        )
        self.assertEqual((self.notices, self.presence.trouble), ([sentence], ""))
        self.assertEqual({*self.scopes}, {"CIC"})
        self.rendezvous.fault = Fault.NONE
        self.run_for(3700)
        self.assertEqual({*self.listed[-1]}, {"bob@CIC", "spam@x", "me@CIC"})
        self.assertIsNone(self.scopes[-1])
        self.rendezvous.fault = Fault.TOO_LONG
        self.run_for(61)
        self.assertEqual(self.notices, [sentence] * 2)

    def test_the_listing_of_our_own_namespace_is_too_long_as_well(self) -> None:
        self.rendezvous.fault = Fault.ALL_TOO_LONG
        looked = self.outcome(self.presence.first_look())
        self.start(1)
        results = self.outcome(self.presence.discover())
        self.run_for(8000)
        self.assertEqual((looked, self.listed), ([None], []))
        self.assertIn("too long", str(results[0].value))
        self.assertEqual(len(self.notices), 2)
        self.assertIn("the listing of CIC is too long, so nobody new is found", self.notices[1])
        self.assertLess(len(self.asked("DISCOVER")), 140)
        self.assertTrue(self.rendezvous.knows("me@CIC"))
        self.rendezvous.fault = Fault.TOO_LONG
        self.run_for(61)
        self.assertEqual(self.listed, [["me@CIC"]])

    def test_the_budget(self) -> None:
        self.start()
        results = [self.outcome(self.presence.discover()) for _ in range(1)]
        for _ in range(100):
            results.append(self.outcome(self.presence.discover()))
            self.run_for(0.1)
        self.assertEqual(len(self.asked()), REQUESTS_A_MINUTE - 4)
        self.assertIn("too often", str(results[-1][0].value))
        self.run_for(60)
        self.assertIsInstance(self.outcome(self.presence.discover()), list)
        self.run_for(1)
        self.assertGreater(len(self.asked()), REQUESTS_A_MINUTE - 4)

    def test_who_asks_on_and_on_does_not_keep_us_from_renewing(self) -> None:
        self.presence = self.make(self.rendezvous.at(self.host), ttl=200)
        self.start()
        for _ in range(4000):
            self.presence.discover().addErrback(lambda _: None)
            self.run_for(0.05)
        renewed = self.asked("REGISTER")
        self.assertLess(renewed[1], 110)
        self.assertTrue(self.rendezvous.knows("me@CIC"))

    def test_who_asks_when_it_does_not_know_us_is_told_to_ask_again(self) -> None:
        self.presence = self.make(_Forgetful())
        self.start()
        refused = self.outcome(self.presence.discover())
        self.assertEqual(str(refused[0].value), "who?: we register again, ask in a moment")

    def test_registering_anew_at_once(self) -> None:
        self.presence.register_anew()
        self.assertEqual(self.asked(), [])
        self.start(10)
        self.rendezvous.forget()
        self.presence.register_anew()
        self.run_for(1)
        self.assertTrue(self.rendezvous.knows("me@CIC"))
        self.assertEqual(len(self.asked()), 4)


class OwnMachineTests(PresenceTestCase):
    """A directory that the nodes of this machine share, and that changes hands among them."""

    def setUp(self) -> None:
        super().setUp()
        self.presence = self.local()

    def local(self) -> Presence:
        return self.make(self.rendezvous.at(self.host), interval=3.0, budget=None, ttl=30)

    def look(self) -> list[Any]:
        return self.outcome(self.presence.first_look())

    def names(self, answer: list[Any]) -> list[str]:
        return sorted(entry.peer_id for entry in answer[0])

    def test_who_registers_at_a_new_one_within_an_interval_is_met(self) -> None:
        looked = self.look()
        self.start(0.1)
        asked = self.outcome(self.presence.discover())
        self.run_for(3.3)
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000, ttl=30)
        self.run_for(0.5)
        self.assertEqual((looked, asked), ([], []))
        self.run_for(0.7)
        self.assertEqual(looked, [None])
        self.assertEqual(self.names(asked), ["bob@CIC", "me@CIC"])
        self.assertIn("bob@CIC", self.listed[-1])

    def test_one_that_has_known_somebody_for_longer_is_believed_at_once(self) -> None:
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000, ttl=30)
        self.run_for(6)
        looked = self.look()
        self.start(0.1)
        self.assertEqual(looked, [None])

    def test_and_so_is_one_that_has_known_us_for_longer(self) -> None:
        self.start(10)
        for _ in range(12):
            asked = self.outcome(self.presence.discover())
            self.run_for(0.5)
            self.assertEqual(self.names(asked), ["me@CIC"])

    def test_one_that_does_not_know_us_has_just_taken_over(self) -> None:
        self.start(9)
        self.rendezvous.fault = Fault.NOT_REGISTERED
        refused = self.outcome(self.presence.discover())
        self.rendezvous.fault = Fault.NONE
        self.rendezvous.forget()
        self.run_for(0.1)
        self.assertTrue(self.rendezvous.knows("me@CIC"))
        self.assertIn("ask in a moment", str(refused[0].value))
        asked = self.outcome(self.presence.discover())
        self.run_for(3)
        self.assertEqual(asked, [])
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000, ttl=30)
        self.run_for(1.5)
        self.assertEqual(self.names(asked), ["bob@CIC", "me@CIC"])

    def test_while_nobody_serves_it_a_first_look_waits_a_little(self) -> None:
        self.rendezvous.fault = Fault.DEAD
        looked = self.look()
        self.start(1)
        self.assertEqual(looked, [])
        self.rendezvous.fault = Fault.NONE
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000, ttl=30)
        self.run_for(4.5)
        self.assertEqual((looked, self.listed[-1]), ([None], ["bob@CIC", "me@CIC"]))

    def test_but_not_for_ever(self) -> None:
        for fault in (Fault.DEAD, Fault.REFUSING, Fault.NOT_REGISTERED, Fault.LYING):
            self.rendezvous.fault = fault
            self.presence = self.local()
            looked = self.look()
            self.start(8)
            self.assertEqual(looked, [None], fault)
            self.presence.stopService()
            self.run_for(1)

    def test_it_changes_hands_while_we_register(self) -> None:
        self.start(0)
        self.run_for(0.01)
        self.assertEqual(self.asked(), [0.0])
        self.presence.register_anew()
        self.run_for(0.1)
        kinds = [kind for _, _, kind in self.rendezvous.requests]
        self.assertEqual(kinds, ["REGISTER", "REGISTER", "DISCOVER"])
        self.assertTrue(self.rendezvous.knows("me@CIC"))

    def test_it_changes_hands_while_we_discover(self) -> None:
        self.start(10)
        self.rendezvous.enter("old@CIC", "10.0.0.9", 4000)
        asked = self.outcome(self.presence.discover())
        self.run_for(0.01)
        self.rendezvous.forget()
        self.presence.register_anew()
        self.run_for(6)
        self.assertEqual(self.names(asked), ["me@CIC"])
        self.assertNotIn(["me@CIC", "old@CIC"], self.listed)
        self.assertEqual((self.notices, self.presence.trouble), ([], ""))


class _Forgetful(StaticDirectory):
    """Grants a registration and denies it."""

    asked = 0

    def register(self, namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        self.asked += 1
        return super().register(namespace, name, port, ttl)

    def discover(
        self, namespace: str | None, selection: Selection | None = None
    ) -> Deferred[Listings]:
        from p2pchat.rendezvous.directory import NotRegistered

        self.asked += 1
        return fail(NotRegistered("who?"))


class StopTests(PresenceTestCase):
    """Stopping, at whatever stage."""

    def test_while_it_registers(self) -> None:
        self.start(0)
        self.run_for(0.01)
        self.presence.stopService()
        done = self.outcome(self.presence.withdraw())
        self.run_for(1)
        self.assertEqual(done, [None])
        self.assertEqual(len(self.asked("UNREGISTER")), 1)
        self.assertEqual(len(self.asked()), 2)

    def test_a_registration_under_way_is_not_handled_after_the_withdrawal(self) -> None:
        for delay in (0.3, 0.6):
            self.rendezvous.requests.clear()
            self.presence = self.make(self.rendezvous.at(self.host))
            self.rendezvous.delay = delay
            self.start(0.01)
            self.presence.stopService()
            self.rendezvous.delay = 0.02
            done = self.outcome(self.presence.withdraw())
            self.assertEqual(len(self.asked()), 1)
            self.run_for(0.7)
            self.assertEqual(done, [None])
            self.run_for(1)
            self.assertFalse(self.rendezvous.knows("me@CIC"))
            kinds = [kind for _, _, kind in self.rendezvous.requests]
            self.assertEqual(kinds, ["REGISTER", "UNREGISTER"])

    def test_while_somebody_waits_for_a_shorter_listing(self) -> None:
        self.rendezvous.fault = Fault.TOO_LONG
        self.start(1)
        self.patch(RequestSchedule, "may_ask", lambda *_: len(self.asked("DISCOVER")) < 3)
        self.presence._scope.anew()
        results = self.outcome(self.presence.discover())
        self.run_for(1)
        self.assertEqual(results, [])
        self.presence.stopService()
        self.assertIsInstance(results[0].value, DirectoryError)

    def test_while_it_discovers(self) -> None:
        looked = self.outcome(self.presence.first_look())
        self.start(0.03)
        results = self.outcome(self.presence.discover())
        self.presence.stopService()
        self.assertEqual(looked, [None])
        self.assertIsInstance(results[0].value, DirectoryError)
        self.run_for(100)
        self.assertEqual(len(self.asked()), 2)

    def test_before_it_was_started(self) -> None:
        results = self.outcome(self.presence.discover())
        self.assertIsInstance(results[0].value, DirectoryError)
        self.presence.stopService()
        self.assertEqual(self.outcome(self.presence.withdraw()), [None])
        self.assertEqual(self.asked(), [])

    def test_the_rendezvous_dies_before_we_withdraw(self) -> None:
        self.start()
        self.rendezvous.fault = Fault.SILENT
        self.presence.stopService()
        done = self.outcome(self.presence.withdraw())
        self.run_for(0.6)
        self.assertEqual(done, [])
        self.run_for(0.2)
        self.assertEqual(done, [None])

    def test_a_fault_of_our_own_is_logged_and_does_no_harm(self) -> None:
        def fail_on(_: object) -> Deferred[None]:
            raise RuntimeError("ours")

        self.presence._on_listings = fail_on
        looked = self.outcome(self.presence.first_look())
        self.start(130)
        self.assertEqual(len(self.asked("DISCOVER")), 3)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 3)
        self.assertEqual(looked, [None])

    def test_a_directory_that_breaks_its_promise(self) -> None:
        class Broken(StaticDirectory):
            def register(self, *rest: object) -> Deferred[Grant]:
                return fail(ValueError("unforeseen"))

            def unregister(self, *rest: object) -> Deferred[None]:
                return succeed(None)

        self.presence = self.make(Broken())
        self.start(2)
        self.assertGreater(len(self.flushLoggedErrors(ValueError)), 0)
