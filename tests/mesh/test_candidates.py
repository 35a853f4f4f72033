"""The candidate book: what is kept, who gives way, and that tellers cannot fill it."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.candidates import (
    MOST_AT_A_PLACE,
    MOST_HEARD,
    MOST_OF_A_RANGE,
    MOST_OF_A_TELLER,
    MOST_PLACES,
    MOST_TRIED,
    Candidates,
)


class CandidatesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.friends = {f"friend{number}@CIC" for number in range(50)}
        self.book = Candidates(self.friends, Random(1).uniform)
        self.now = 1000.0

    def names(self, count: int = 1000, without: set[str] | None = None) -> set[str]:
        return {each.peer_id for each in self.book.some(count, without or set())}

    def test_whom_we_met(self) -> None:
        self.book.met("bob@CIC", ("10.0.0.2", 4000), 5.0)
        bob = self.book.tried["bob@CIC"]
        self.assertEqual((bob.places, bob.seen_at), ([("10.0.0.2", 4000)], 5.0))

    def test_the_latest_place_comes_first(self) -> None:
        for number in (*range(8), 5):
            self.book.met("bob@CIC", ("10.0.0.2", 4000 + number), 5.0)
        places = [port - 4000 for _, port in self.book.tried["bob@CIC"].places]
        self.assertEqual((places, len(places)), ([5, 7, 6, 4], MOST_PLACES))

    def test_failures(self) -> None:
        self.book.met("bob@CIC", ("10.0.0.2", 4000), 5.0)
        self.book.met("friend1@CIC", ("10.0.0.3", 4000), 5.0)
        self.book.failed("bob@CIC")
        self.assertEqual(self.book.tried["bob@CIC"].failures, 1)
        self.book.met("bob@CIC", ("10.0.0.2", 4000), 6.0)
        self.assertEqual(self.book.tried["bob@CIC"].failures, 0)
        for _ in range(20):
            self.book.failed("bob@CIC")
            self.book.failed("friend1@CIC")
            self.book.failed("nobody@CIC")
        self.assertEqual([*self.book.tried], ["friend1@CIC"])

    def test_who_was_told_of_is_given_up_at_once(self) -> None:
        self.assertTrue(self.book.told("bob@CIC", ("10.0.0.2", 4000), "eve@CIC", 5.0))
        self.assertEqual(self.names(), {"bob@CIC"})
        self.book.failed("bob@CIC")
        self.assertEqual(self.names(), set())

    def test_who_was_told_of_and_met_is_known_at_first_hand(self) -> None:
        self.book.told("bob@CIC", ("10.0.0.2", 4000), "eve@CIC", 5.0)
        self.assertEqual(self.book.to_tell("CIC", 10, ()), [])
        self.book.met("bob@CIC", ("10.0.0.2", 4000), 6.0)
        self.assertEqual([each.peer_id for each in self.book.to_tell("CIC", 10, ())], ["bob@CIC"])
        self.assertFalse(self.book.told("bob@CIC", ("9.9.9.9", 4000), "eve@CIC", 7.0))
        self.assertEqual(self.book.tried["bob@CIC"].places, [("10.0.0.2", 4000)])

    def test_only_what_is_well_and_of_the_namespace_is_told(self) -> None:
        for name in ("bob@CIC", "carol@CIC", "dan@UnB", "eve@CIC"):
            self.book.met(name, ("10.0.0.2", 4000), 5.0)
        self.book.failed("carol@CIC")
        told = self.book.to_tell("CIC", 10, {"eve@CIC"})
        self.assertEqual([each.peer_id for each in told], ["bob@CIC"])

    def test_what_was_tried_comes_before_what_was_told(self) -> None:
        for number in range(20):
            self.book.told(f"t{number}@CIC", (f"{number + 1}.0.0.1", 4000), f"n{number}", 5.0)
        self.book.met("bob@CIC", ("10.0.0.2", 4000), 5.0)
        self.book.met("carol@CIC", ("10.0.0.3", 4000), 5.0)
        self.assertEqual(self.names(2), {"bob@CIC", "carol@CIC"})
        self.assertEqual(len(self.names(10, {"bob@CIC"})), 10)
        self.assertNotIn("bob@CIC", self.names(10, {"bob@CIC"}))

    def test_choices_are_random(self) -> None:
        for number in range(20):
            self.book.met(f"n{number}@CIC", (f"10.0.0.{number}", 4000), float(number))
        drawn = {name for _ in range(60) for name in self.names(2)}
        self.assertGreater(len(drawn), 15)

    # ------------------------------------------------------------ too much

    def test_one_teller(self) -> None:
        for number in range(1000):
            self.book.told(f"v{number}@CIC", (f"{number % 200 + 1}.7.0.1", 4000), "eve@CIC", 5.0)
        self.assertEqual(len(self.book), MOST_OF_A_TELLER)
        self.assertTrue(self.book.told("bob@CIC", ("10.0.0.2", 4000), "bob@UnB", 5.0))

    def test_one_range(self) -> None:
        for number in range(1000):
            place = (f"198.51.{number % 256}.{number // 256}", 4000)
            self.book.told(f"v{number}@CIC", place, f"teller{number}", 5.0)
            self.book.told(f"w{number}@CIC", (f"2001:db8:{number:x}::1", 4000), f"x{number}", 5.0)
        self.assertEqual(len(self.book), 2 * MOST_OF_A_RANGE)

    def test_one_place(self) -> None:
        for number in range(100):
            self.book.told(f"v{number}@CIC", ("198.51.1.1", 4000), f"teller{number}", 5.0)
        self.assertEqual(len(self.book), MOST_AT_A_PLACE)

    def test_all_who_tell(self) -> None:
        for number in range(1000):
            self.book.told(
                f"v{number}@CIC", (f"{number % 200 + 1}.{number}.0.1", 4000), f"{number}", 5.0
            )
        self.assertEqual(len(self.book), MOST_HEARD)
        self.assertEqual(self.book.refused, 1000 - MOST_HEARD)

    def test_strangers_of_one_address_take_no_others_places(self) -> None:
        for number in range(50):
            self.book.met(f"friend{number}@CIC", (f"10.1.0.{number}", 4000), 1.0)
            self.book.met(f"n{number}@CIC", (f"10.2.0.{number}", 4000), 2.0)
        for number in range(1000):
            self.book.met(f"eve{number}@CIC", ("10.0.0.66", 4000 + number), 100.0 + number)
        kept = {*self.book.tried}
        self.assertEqual(len(kept), MOST_TRIED)
        self.assertEqual(len([name for name in kept if name.startswith(("friend", "n"))]), 100)

    def test_a_friend_finds_room_among_strangers_and_among_friends(self) -> None:
        for number in range(MOST_TRIED):
            self.book.met(f"n{number}@CIC", (f"10.2.0.{number}", 4000), 2.0)
        self.book.met("friend1@CIC", ("10.1.0.1", 4000), 3.0)
        self.assertIn("friend1@CIC", self.book.tried)
        self.assertEqual(len(self.book.tried), MOST_TRIED)

    def test_a_stranger_takes_no_friends_place(self) -> None:
        self.friends |= {f"f{number}@CIC" for number in range(MOST_TRIED)}
        for number in range(MOST_TRIED):
            self.book.met(f"f{number}@CIC", (f"10.2.0.{number}", 4000), 2.0)
        self.book.met("eve@CIC", ("10.1.0.1", 4000), 3.0)
        self.assertNotIn("eve@CIC", self.book.tried)
        self.book.met("friend1@CIC", ("10.1.0.1", 4000), 3.0)
        self.assertIn("friend1@CIC", self.book.tried)

    def test_an_earlier_run(self) -> None:
        self.book.met("bob@CIC", ("10.0.0.2", 4000), 5.0)
        later = Candidates(self.friends, Random(1).uniform)
        later.restore(self.book.tried.values())
        self.assertEqual(later.tried, self.book.tried)
