"""The screen of the plain console, and what it shows of what comes in: floods are cut short."""

from __future__ import annotations

import time

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.plain.screen import Digest, Screen, Transcript
from p2pchat.console.wording import BURST, RATE
from p2pchat.turns import Turns
from p2pchat.wire.messages import Pub, Send


def sends(*texts: str) -> list[Send | Pub]:
    return [Send(text, "alice@CIC", "ana@CIC", text) for text in texts]


class ScreenCase(SynchronousTestCase):
    room = 1000

    def setUp(self) -> None:
        self.clock = Clock()
        self.output = StringTransport()
        self.screen = Screen(self.clock, room=self.room)
        self.screen.connect(self.output)

    def shown(self) -> list[str]:
        """What came out since the last call."""
        text: str = self.output.value().decode()
        self.output.clear()
        return text.splitlines()

    def turn(self) -> list[str]:
        self.clock.advance(0)
        return self.shown()


class ScreenTests(ScreenCase):
    def test_lines_leave_once_a_turn(self) -> None:
        self.screen.write(["a", "b"])
        self.screen.write(["c"])
        self.screen.write([])
        self.assertEqual(self.shown(), [])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(self.turn(), ["a", "b", "c"])

    def test_what_the_encoding_lacks_is_replaced(self) -> None:
        screen = Screen(self.clock, "ascii")
        screen.connect(output := StringTransport())
        screen.write(["olá 🙂"])
        self.clock.advance(0)
        self.assertEqual(output.value(), b"ol? ?\n")

    def test_nothing_is_written_while_nobody_reads(self) -> None:
        self.screen.pauseProducing()
        self.screen.write(["a"])
        self.assertEqual(self.turn(), [])
        self.screen.resumeProducing()
        self.assertEqual(self.shown(), ["a"])

    def test_what_waits_is_bounded_and_the_rest_counted(self) -> None:
        self.screen.pauseProducing()
        block = ["x" * 1023] * 1024
        for _ in range(9):
            self.screen.write(block)
        self.assertEqual((self.screen.full, self.screen.left_out), (True, 0))
        self.screen.write(["one", "two"])
        self.assertEqual(self.screen.left_out, 2)
        self.screen.resumeProducing()
        shown = self.shown()
        self.assertEqual(len(shown), 9 * 1024 + 1)
        self.assertEqual(shown[-1], "… 2 lines were left out, because nobody read them")
        self.assertFalse(self.screen.full)

    def test_an_output_that_is_gone_is_forgotten(self) -> None:
        self.screen.write(["a"])
        self.screen.stopProducing()
        self.screen.write(["b"])
        self.assertEqual((self.turn(), self.screen.gone), ([], True))

    def test_finishing_hands_over_even_what_nobody_reads(self) -> None:
        self.screen.pauseProducing()
        self.screen.write(["a"])
        self.screen.finish()
        self.assertEqual(self.shown(), ["a"])
        self.assertIsNone(self.output.producer)

    def test_without_an_output_nothing_happens(self) -> None:
        screen = Screen(self.clock)
        screen.write(["a"])
        self.clock.advance(0)
        screen.finish()
        self.assertTrue(screen.gone)


class TranscriptTests(ScreenCase):
    def test_everything_is_shown(self) -> None:
        transcript = Transcript(Turns(self.clock), screen := Screen(self.clock))
        screen.connect(output := StringTransport())
        transcript.received("alice@CIC", sends(*map(str, range(10_000))))
        transcript.event("* [bob@CIC] has left")
        transcript.close()
        self.clock.advance(0)
        shown = output.value().decode().splitlines()
        self.assertEqual((len(shown), shown[0]), (10_001, "[alice@CIC] 0"))
        self.assertEqual((shown[-1], screen.left_out), ("* [bob@CIC] has left", 0))

    def test_beyond_the_room_it_is_counted(self) -> None:
        transcript = Transcript(Turns(self.clock), self.screen)
        self.screen.pauseProducing()
        transcript.event("x" * 1001)
        transcript.event("y")
        transcript.received("alice@CIC", sends("a", "b"))
        self.assertEqual(self.screen.left_out, 3)
        self.screen.resumeProducing()
        self.assertEqual(self.shown()[1:], ["… 3 lines were left out, because nobody read them"])


class DigestTests(ScreenCase):
    def setUp(self) -> None:
        super().setUp()
        self.digest = Digest(self.clock, self.screen)

    def receive(self, *texts: str) -> None:
        self.digest.received("alice@CIC", sends(*texts))

    def settle(self, seconds: float) -> list[str]:
        self.clock.pump([0, seconds, 0])
        return self.shown()

    def test_a_few_lines_are_shown_at_the_end_of_the_turn(self) -> None:
        self.receive("a", "b")
        self.digest.event("* [bob@CIC] is connected")
        self.receive("c")
        self.assertEqual(
            self.settle(0),
            ["[alice@CIC] a", "[alice@CIC] b", "* [bob@CIC] is connected", "[alice@CIC] c"],
        )

    def test_a_burst_shows_its_last_lines_and_the_number_of_the_others(self) -> None:
        for n in range(100):
            self.receive(*(f"{n}-{m}" for m in range(100)))
        shown = self.settle(0)
        self.assertEqual(shown[0], "… 9,800 more messages (the log has them at DEBUG)")
        self.assertEqual((len(shown), shown[-1]), (1 + BURST, "[alice@CIC] 99-99"))
        self.assertEqual(shown[1], "[alice@CIC] 98-0")
        self.assertEqual(self.digest.left_out, 9_800)

    def test_what_was_left_out_is_in_the_history_if_there_is_one(self) -> None:
        self.digest = Digest(self.clock, self.screen, kept=True)
        self.receive(*map(str, range(5_000)))
        self.assertEqual(self.settle(0)[0], "… 4,800 more messages (/history shows them)")

    def test_one_enormous_batch(self) -> None:
        self.receive(*map(str, range(5_000)))
        self.assertEqual(self.settle(0)[-1], "[alice@CIC] 4999")

    def test_a_flood_shows_a_few_lines_a_second(self) -> None:
        count = 0
        for _ in range(100):
            self.receive(*["x"] * 1000)
            self.clock.advance(0.1)
            count += len(self.shown())
        self.assertLess(count, BURST + 10 * (RATE + 2))
        self.assertGreater(count, BURST + 8 * RATE)

    def test_what_waits_in_a_flood_is_bounded(self) -> None:
        self.receive(*["x"] * BURST)
        self.settle(0)
        for n in range(10_000):
            self.receive(str(n))
        self.assertLessEqual(len(self.digest._recent), BURST)
        shown = self.settle(1.001)
        self.assertEqual(shown[0], "… 9,980 more messages (the log has them at DEBUG)")
        self.assertEqual(shown[-1], "[alice@CIC] 9999")
        self.assertEqual(len(shown), 21)

    def test_calm_after_a_flood_is_shown_whole(self) -> None:
        self.receive(*["x"] * 1000)
        self.settle(60)
        self.receive("a", "b")
        self.assertEqual(self.settle(0), ["[alice@CIC] a", "[alice@CIC] b"])

    def test_while_nobody_reads_the_last_lines_wait(self) -> None:
        self.screen.pauseProducing()
        self.receive(*map(str, range(1000)))
        self.assertEqual(self.settle(0), [])
        self.receive("last")
        self.clock.advance(0)
        self.screen.resumeProducing()
        shown = self.settle(0)
        self.assertEqual(shown[0], "… 801 more messages (the log has them at DEBUG)")
        self.assertEqual(shown[-1], "[alice@CIC] last")

    def test_room_in_the_middle_of_a_flood_changes_nothing(self) -> None:
        self.receive(*["x"] * 1000)
        self.settle(0)
        self.receive(*["x"] * 1000)
        self.clock.advance(0)
        self.screen.pauseProducing()
        self.screen.resumeProducing()
        self.assertEqual(self.shown(), [])
        self.assertEqual(len(self.settle(1.001)), 21)

    def test_closing_shows_the_last_lines_and_leaves_no_timer(self) -> None:
        self.receive(*["x"] * 1000)
        self.settle(0)
        self.receive(*map(str, range(1000)))
        self.clock.advance(0)
        self.digest.close()
        shown = self.turn()
        self.assertEqual(shown[-1], "[alice@CIC] 999")
        self.assertEqual(len(shown), 1 + RATE)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.digest.close()
        self.assertEqual(self.turn(), [])

    def test_taking_in_a_message_costs_next_to_nothing(self) -> None:
        batch = sends(*["x"] * 50)
        self.screen.pauseProducing()
        began = time.process_time()
        for _ in range(10_000):
            self.digest.received("alice@CIC", batch)
        spent = time.process_time() - began
        # Half a million messages; formatting them takes more than ten times as long.
        self.assertLess(spent, 0.5)
