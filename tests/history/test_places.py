"""How far we caught up with each peer: no place passes a gap."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history import places
from p2pchat.history.places import Places
from tests.support.histories import NOW, BrokenConnection, HistoryCase, pub, send

BOB = "bob@CIC"


class PlaceTests(SynchronousTestCase):
    def test_an_answer_is_quiet_when_nothing_came_since_the_last_look(self) -> None:
        made = Places()
        made.refused(BOB)
        self.assertEqual(made.quiet(), [])
        made.refused(BOB)
        self.assertEqual(made.quiet(), [])
        self.assertEqual(made.quiet(), [BOB])
        self.assertTrue(made.has_gap(BOB))
        made.asked(BOB)
        self.assertFalse(made.has_gap(BOB))
        self.assertEqual(made.quiet(), [])

    def test_both_tables_are_bounded(self) -> None:
        self.patch(places, "_MAX", 2)
        made = Places()
        for number in range(4):
            made.moved(f"p{number}@CIC", str(number))
            made.refused(f"p{number}@CIC")
        self.assertEqual([made.last(f"p{number}@CIC") for number in range(4)], ["", "", "2", "3"])
        self.assertEqual([made.has_gap(f"p{number}@CIC") for number in range(4)], [0, 0, 1, 1])


class KeptPlaceTests(HistoryCase):
    """The place of a history."""

    def setUp(self) -> None:
        super().setUp()
        self.link.keeps = True

    def write(self) -> None:
        self.clock.advance(1)
        self.history.sweep(self.clock.seconds())

    def test_what_could_not_be_stored_is_passed_by_nothing_late(self) -> None:
        self.start()
        self.receive_late([NOW - 9], pub("1", "1"))
        self.write()
        self.assertEqual(self.history.places.last(BOB), "1")
        BrokenConnection.trouble = OSError("full")  # type: ignore[assignment]
        self.receive_late([NOW - 8], pub("2", "2"))
        self.write()
        BrokenConnection.trouble = None
        self.receive_late([NOW - 7], pub("3", "3"))
        self.write()
        self.assertEqual(self.history.places.last(BOB), "")
        self.restart()
        self.assertEqual(self.history.places.last(BOB), "1", "3 is not in the file")

    def test_when_the_peer_is_asked_anew_it_moves_on(self) -> None:
        self.start()
        self.history.places.refused(BOB)
        self.receive_late([NOW - 8], pub("1", "1"))
        self.receive(send("2", "2"), pub("3", "3"))
        self.write()
        self.assertEqual(self.history.places.last(BOB), "")
        self.assertEqual(self.lines(), ["2", "3"], "what comes live has nothing to do with it")
        self.history.places.asked(BOB)
        self.receive_late([NOW - 8], pub("1", "1"))
        self.write()
        self.assertEqual((self.history.places.last(BOB), self.lines()), ("1", ["2", "3", "1"]))
        self.assertEqual(
            [event[0] for event in self.told.take()],
            ["ready", "not kept", "kept"],
            "each is shown once",
        )

    def test_what_came_live_and_was_not_stored_is_a_gap_too(self) -> None:
        self.start()
        for message, gap in ((send("1", "1"), False), (pub("2", "2"), True)):
            BrokenConnection.trouble = OSError("full")  # type: ignore[assignment]
            self.receive(message)
            self.write()
            self.assertIs(self.history.places.has_gap(BOB), gap)
