"""Which of many peers a node asks its rendezvous for."""

from __future__ import annotations

from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.discovery.schedule import REQUESTS_A_MINUTE
from p2pchat.mesh.discovery.scope import FEW, SAMPLE
from p2pchat.mesh.discovery.seeking import Seeking
from p2pchat.node.news import NotSentError
from p2pchat.rendezvous.directory import DirectoryError, Listings, RequestRefused
from p2pchat.rendezvous.selection import MOST_LISTED
from p2pchat.testing.directory import Fault, StaticDirectory
from p2pchat.testing.nodes import FakeTown
from tests.mesh.test_presence import PresenceTestCase


class LargeRoomTests(PresenceTestCase):
    """Presence, and a rendezvous with many."""

    def fill(self, count: int, namespace: str = "CIC") -> set[str]:
        names = {f"p{n}@{namespace}" for n in range(count)}
        for n, peer_id in enumerate(sorted(names)):
            self.rendezvous.enter(peer_id, f"10.1.{n // 250}.{n % 250}", 4000)
        return names

    def all_listed(self) -> set[str]:
        return {peer_id for names in self.listed for peer_id in names}

    def test_few_are_asked_for_as_ever(self) -> None:
        names = self.fill(100) | self.fill(FEW - 101, "UnB")
        self.start(130)
        self.assertEqual([{*each} for each in self.listed], [names | {"me@CIC"}] * 3)
        self.assertEqual(self.scopes, [None] * 3)
        self.assertFalse(self.presence.partial)

    def test_all_of_a_large_room_are_read_once_and_then_some(self) -> None:
        names = self.fill(2 * MOST_LISTED + 30) | {"me@CIC"}
        self.fill(10, "UnB")
        self.start(5)
        self.assertEqual(self.all_listed(), names, "nobody of the room is left out")
        self.assertEqual(len(self.asked("DISCOVER")), 4, "everybody, and three pages")
        before = len(self.listed)
        self.run_for(600)
        later = self.listed[before:]
        self.assertIn(len(later), range(9, 13))
        self.assertEqual({len({*each}) for each in later} - {SAMPLE, SAMPLE + 1}, set())
        self.assertEqual({"me@CIC" in each for each in later}, {True})
        self.assertGreater(len({frozenset(each) for each in later}), 5, "others each time")
        self.assertEqual(self.presence.registered_in_all, len(names) + 10)

    def test_a_room_that_is_large_while_all_others_are_small(self) -> None:
        names = self.fill(100) | {"me@CIC"}
        self.fill(200, "UnB")
        self.start(130)
        self.assertEqual([{*each} for each in self.listed if each], [names] * 3)
        self.assertEqual(self.scopes[1:], ["CIC"] * 3)

    def test_whoever_asks_is_answered_when_all_pages_are_read(self) -> None:
        self.fill(1500)
        asked = self.outcome(self.presence.first_look())
        self.start(0)
        looks = self.outcome(self.presence.discover())
        self.run_for(5)
        self.assertEqual(asked, [None])
        self.assertEqual((len(looks[0]), looks[0].total, looks[0].whole), (1501, 1501, True))
        looks = self.outcome(self.presence.discover())
        self.run_for(1)
        self.assertEqual((len(looks[0]) in (SAMPLE, SAMPLE + 1), looks[0].total), (True, 1501))
        looks = self.outcome(self.presence.discover(whole=True))
        self.run_for(5)
        self.assertEqual((len({*looks[0]}), looks[0].whole), (1501, True))

    def test_all_are_asked_for_while_some_are(self) -> None:
        self.fill(1500)
        self.start(5)
        early = self.outcome(self.presence.discover())
        self.run_for(0.01)
        late = self.outcome(self.presence.discover(whole=True))
        self.run_for(5)
        self.assertEqual((len(early), len(late[0])), (1, 1501))

    def test_the_budget_holds_for_pages(self) -> None:
        self.fill((REQUESTS_A_MINUTE + 5) * 1000)
        directory = self.rendezvous.at(self.host)
        directory.max_listed = 10**6
        self.presence = self.make(directory)
        self.start(59)
        self.assertEqual(len(self.asked()), REQUESTS_A_MINUTE)
        self.run_for(60)
        self.assertEqual(len(self.all_listed()), (REQUESTS_A_MINUTE + 5) * 1000 + 1)

    def test_no_more_are_read_than_are_kept(self) -> None:
        self.fill(3000)
        directory = self.rendezvous.at(self.host)
        directory.max_listed = 1200
        self.presence = self.make(directory)
        self.start(5)
        self.assertEqual(len(self.all_listed()), 1200)

    def test_it_is_read_anew_after_a_long_silence(self) -> None:
        self.fill(1500)
        self.start(5)
        self.rendezvous.fault = Fault.DEAD
        self.run_for(700)
        self.rendezvous.fault = Fault.NONE
        names = {f"q{n}@CIC" for n in range(300)}
        for n, name in enumerate(names):
            self.rendezvous.enter(name, f"10.3.{n // 250}.{n % 250}", 4000)
        self.run_for(60)
        self.assertEqual(names - self.all_listed(), set())

    def test_the_rendezvous_lost_us_among_many(self) -> None:
        self.fill(500)
        self.start(5)
        self.rendezvous.remove("me@CIC")
        self.rendezvous.enter("you@CIC", "10.0.0.1", 4001)
        self.run_for(130)
        self.assertTrue(self.rendezvous.knows("me@CIC"))

    def test_a_rendezvous_that_knows_no_limit(self) -> None:
        self.rendezvous.selects = False
        names = self.fill(500) | {"me@CIC"}
        self.fill(500, "UnB")
        self.start(130)
        self.assertEqual([{*each} for each in self.listed], [names] * 3)
        self.assertEqual(len(self.asked("DISCOVER")), 3)
        self.assertEqual(self.presence.registered_in_all, 1001)

    def test_a_rendezvous_that_refuses_the_fields(self) -> None:
        directory = self.rendezvous.at(self.host)
        discover = directory.discover

        def strict(namespace: str | None, selection: object = None) -> object:
            if selection is not None:
                return fail(RequestRefused("odd", "Unknown command"))
            return discover(namespace)

        self.patch(directory, "discover", strict)
        self.presence = self.make(directory)
        self.start(70)
        self.assertEqual(self.listed, [["me@CIC"]] * 2)
        self.assertEqual(self.notices, [])

    def test_pages_that_never_advance_end(self) -> None:
        self.fill(1500)
        directory = self.rendezvous.at(self.host)
        some = directory._some

        def stuck(namespace: str | None, selection: object) -> Listings:
            listings = some(namespace, selection)  # type: ignore[arg-type]
            if listings.last is not None:
                listings.last = ("a", "b")
            return listings

        self.patch(directory, "_some", stuck)
        self.presence = self.make(directory)
        self.start(50)
        self.assertLess(len(self.asked()), 6)


class SeekTests(PresenceTestCase):
    """Those who are written to."""

    def test_a_name_of_another_namespace(self) -> None:
        for n in range(500):
            self.rendezvous.enter(f"p{n}@CIC", f"10.1.{n // 250}.{n % 250}", 4000)
        self.rendezvous.enter("ana@UnB", "10.5.0.1", 4000)
        self.start(5)
        self.assertNotIn("ana@UnB", {name for names in self.listed for name in names})
        self.assertEqual([self.presence.seek("ana@UnB") for _ in range(3)], [True] * 3)
        asked = len(self.asked())
        self.run_for(2)
        self.assertEqual(self.listed[-1], ["ana@UnB"])
        self.assertEqual(len(self.asked()), asked + 1)
        self.assertEqual(self.scopes[-1], "UnB")

    def test_names_of_several_namespaces_are_asked_for_at_once(self) -> None:
        self.fill_many()
        others = ("ana@UnB", "ana@USP", "ana@MIT")
        for number, peer_id in enumerate(others):
            self.rendezvous.enter(peer_id, f"10.5.0.{number}", 4000)
        self.start(5)
        for peer_id in others:
            self.presence.seek(peer_id)
        self.run_for(2)
        for peer_id in others:
            self.assertIn([peer_id], self.listed)

    def test_nobody_is_sought_while_all_are_listed(self) -> None:
        self.start(5)
        self.assertFalse(self.presence.seek("ana@UnB"))

    def test_a_rendezvous_that_knows_no_names(self) -> None:
        self.rendezvous.selects = False
        for n in range(500):
            self.rendezvous.enter(f"p{n}@UnB", f"10.1.{n // 250}.{n % 250}", 4000)
        self.start(5)
        self.presence.seek("p7@UnB")
        self.run_for(2)
        self.assertEqual(self.listed[-1], ["p7@UnB"])

    def test_names_are_bounded_and_odd_ones_refused(self) -> None:
        seeking = Seeking(StaticDirectory(), lambda _: self.fail("nothing was asked"), self.fail)
        self.assertFalse(seeking.want("nobody", 0))
        taken = sum(seeking.want(f"p{n}@CIC", 0) for n in range(200))
        self.assertEqual(taken, 100)
        self.assertEqual(sum(seeking.want(f"a@n{n}", 0) for n in range(200)), 99)
        self.assertTrue(seeking.due)
        seeking.stop()
        self.assertFalse(seeking.due)

    def test_a_failure_is_survived(self) -> None:
        self.fill_many()
        self.start(5)
        self.rendezvous.fault = Fault.DEAD
        self.presence.seek("ana@UnB")
        self.run_for(12)
        self.rendezvous.fault = Fault.NONE
        self.rendezvous.enter("ana@UnB", "10.5.0.1", 4000)
        self.run_for(31)
        self.presence.seek("ana@UnB")
        self.run_for(2)
        self.assertIn(["ana@UnB"], self.listed)

    def test_one_that_blocks_who_seeks_is_asked_by_nobody(self) -> None:
        self.fill_many()
        self.start(5)
        self.rendezvous.fault = Fault.BLOCKED
        self.presence.seek("ana@UnB")
        self.run_for(2)
        asked = len(self.asked())
        self.run_for(25)
        self.assertEqual((len(self.asked()), self.rendezvous.impatient), (asked, set()))

    def fill_many(self) -> None:
        for n in range(500):
            self.rendezvous.enter(f"p{n}@CIC", f"10.1.{n // 250}.{n % 250}", 4000)

    def test_it_is_broken_off_when_we_stop(self) -> None:
        self.fill_many()
        self.start(5)
        self.presence.seek("ana@UnB")
        self.run_for(0.51)
        self.presence.stopService()
        asked = self.outcome(self.presence.discover())
        self.assertIsInstance(asked[0].value, DirectoryError)


class TownTests(SynchronousTestCase):
    """Nodes in a town with a large room."""

    def setUp(self) -> None:
        self.town = FakeTown(5, cut=0, join=0)
        self.addCleanup(self.town.close)
        for n in range(400):
            self.town.rendezvous.enter(f"p{n}@CIC", f"10.66.{n // 250}.{n % 250}", 4000)

    def test_whoever_is_written_to_is_found(self) -> None:
        bob = self.town.node("bob@UnB")
        alice = self.town.node("alice@CIC")
        self.town.run(5)
        self.assertFalse(alice.peers.is_linked("bob@UnB"))
        with self.assertRaisesRegex(NotSentError, "is looked for: try again in a moment"):
            alice.send("bob@UnB", "hi")
        self.town.run(8)  # all the places for dials are taken by those who do not answer
        self.assertTrue(alice.peers.is_linked("bob@UnB"))
        alice.send("bob@UnB", "hi")
        self.town.run(1)
        self.assertTrue(bob.peers.is_linked("alice@CIC"))

    def test_a_newcomer_and_those_before_find_each_other(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(5)
        zoe = self.town.node("zoe@CIC")
        self.town.run(5)
        self.assertTrue(alice.peers.is_linked("zoe@CIC") and zoe.peers.is_linked("alice@CIC"))

    def test_those_whose_lease_has_ended_make_room(self) -> None:
        alice = self.town.node("alice@CIC")
        for n in range(20):
            self.town.rendezvous.enter(f"gone{n}@CIC", f"10.67.0.{n}", 4000, ttl=90)
        self.town.run(5)
        self.assertEqual(sum(peer.listed for peer in alice.peers), 420)
        self.town.run(200)
        self.assertEqual(sum(peer.listed for peer in alice.peers), 400)
