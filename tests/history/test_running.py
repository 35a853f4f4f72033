"""How old a message is: the time that its node ran, whatever the wall clock says meanwhile."""

from __future__ import annotations

import sqlite3

from p2pchat.history.store import GATHER
from tests.support.histories import NOW, HistoryCase, pub, send

DAY = 86_400.0
YEARS = 30 * 365 * DAY


class ClockCase(HistoryCase):
    def setUp(self) -> None:
        super().setUp()
        self.start(outbox_ttl=7 * DAY)
        self.say("bob@CIC", "espera")
        self.run_for(60)

    def run_for(self, seconds: float, *, steps: int = 10) -> None:
        """The node runs, and so do both clocks."""
        for _ in range(steps):
            self.wall += seconds / steps
            self.sweep(seconds / steps)

    def again(self, *, off: float = 10.0) -> None:
        """The node leaves, and starts again when it was off for so long."""
        self.history.stop()
        self.wall += off
        self.clock.advance(5000.0)  # another machine's start
        self.restart(outbox_ttl=7 * DAY)
        self.run_for(1)

    def waits(self) -> bool:
        return any(message.entry.text == "espera" for message in self.outbox)


class JumpTests(ClockCase):
    def test_ten_days_ahead_for_a_minute(self) -> None:
        self.wall += 10 * DAY
        self.say("eva@CIC", "no futuro")
        self.run_for(60)
        self.wall -= 10 * DAY
        self.run_for(200)
        self.assertEqual(len(self.outbox), 2)
        self.again()
        self.run_for(200)
        self.assertEqual(len(self.outbox), 2)

    def test_a_start_while_it_is_ten_days_ahead(self) -> None:
        self.again(off=10 * DAY)
        self.say("eva@CIC", "no futuro")
        self.run_for(60)
        self.assertEqual(len(self.outbox), 2)
        self.wall -= 10 * DAY
        self.run_for(600)
        self.again()
        self.run_for(600)
        self.assertEqual(len(self.outbox), 2)

    def test_a_year_ahead_between_a_message_and_the_past(self) -> None:
        self.history.stop()
        self.start(at_once=False, outbox_ttl=7 * DAY)
        self.say("eva@CIC", "antes do salto")
        self.wall += 365 * DAY
        self.thread.at_once = True
        while self.thread.calls:
            self.thread.step()
        self.run_for(60)
        self.again()
        self.run_for(200)
        self.assertIn("antes do salto", [message.entry.text for message in self.outbox])

    def test_a_message_of_thirty_years_ago(self) -> None:
        self.wall -= YEARS
        self.say("eva@CIC", "no passado")
        self.run_for(60)
        self.wall += YEARS
        self.run_for(600)
        self.assertEqual(len(self.outbox), 2)
        self.again()
        self.run_for(600)
        self.assertEqual(len(self.outbox), 2)

    def test_a_whole_run_of_thirty_years_ago(self) -> None:
        self.again(off=-YEARS)
        self.say("eva@CIC", "no passado")
        self.run_for(600)
        self.again(off=YEARS)
        self.run_for(600)
        self.assertEqual(len(self.outbox), 2)

    def test_a_first_run_of_thirty_years_ago(self) -> None:
        self.history.stop()
        self.path += ".new"
        self.wall = NOW - YEARS
        self.restart(outbox_ttl=7 * DAY)
        self.say("bob@CIC", "espera")
        self.run_for(60)
        self.again(off=YEARS)
        self.run_for(600)
        self.assertTrue(self.waits())

    def test_pruning_waits_until_the_clock_is_believed(self) -> None:
        self.history.configure(self.history.settings.__class__(max_age=5 * DAY))
        self.outgoing.publishing.publish("*", "digo")
        self.clock.advance(GATHER)
        self.wall += 10 * DAY
        self.run_for(100)
        self.assertIn("digo", self.lines())
        self.run_for(300)
        self.assertNotIn("digo", self.lines())


class PublishedTests(ClockCase):
    """What we published is offered for as long as it is young, whatever the clock says."""

    def offered(self) -> list[str]:
        ids = self.successResultOf(self.history.published_since(("*",), "", DAY, 9))
        return self.texts(self.successResultOf(self.history.numbered(ids)))

    def publish(self, text: str) -> None:
        self.outgoing.publishing.publish("*", text)
        self.clock.advance(GATHER)

    def test_after_any_jump(self) -> None:
        for jump in (YEARS / 30, -YEARS / 30, YEARS, -YEARS):
            for restarts in (False, True):
                with self.subTest(jump=jump, restarts=restarts):
                    self.doCleanups()
                    self.setUp()
                    self.publish("antes")
                    self.run_for(60)
                    self.wall += jump
                    self.run_for(60)
                    if restarts:
                        self.again()
                    self.publish("depois")
                    self.run_for(600)
                    self.assertEqual(self.offered(), ["antes", "depois"])
                    self.wall -= jump
                    self.run_for(600)
                    self.assertEqual(self.offered(), ["antes", "depois"])
                    self.run_for(0.9 * DAY)
                    self.publish("agora")
                    self.run_for(0.2 * DAY)
                    self.assertEqual(self.offered(), ["agora"])

    def test_after_a_jump_though_nothing_waits(self) -> None:
        for jump in (YEARS / 30, -YEARS / 30):
            with self.subTest(jump=jump):
                self.doCleanups()
                self.setUp()
                self.outgoing.cancel([*self.outbox])
                self.publish("antes")
                self.run_for(60)
                self.wall += jump
                self.publish("depois")
                self.run_for(600)
                self.again()
                self.assertEqual(self.offered(), ["antes", "depois"])
                self.run_for(1.1 * DAY)
                self.publish("agora")
                self.run_for(600)
                self.assertEqual(self.offered(), ["agora"])
                self.history.stop()
                connection = sqlite3.connect(self.path)
                (rows,) = connection.execute("SELECT count(*) FROM run WHERE id > 0").fetchone()
                connection.close()
                self.assertEqual(rows, 2, "those that reach into the last day")

    def test_over_many_restarts(self) -> None:
        for number in range(9):
            self.publish(str(number))
            self.run_for(0.1 * DAY)
            self.again(off=0.2 * DAY)
        self.assertEqual(self.offered(), ["6", "7", "8"])


class RepetitionTests(ClockCase):
    """What came before the wall clock was set is known when it comes again."""

    def test_a_repetition_after_any_jump(self) -> None:
        for jump in (YEARS / 30, -YEARS / 30, YEARS, -NOW):
            for first in (True, False):
                with self.subTest(jump=jump, jumps_before_the_stop=first):
                    self.doCleanups()
                    self.setUp()
                    self.receive(send("1", "oi"), pub("2", "a todos"))
                    self.run_for(60)
                    if first:
                        self.wall += jump
                        self.run_for(60)
                    self.again(off=10.0 if first else jump)
                    self.receive(send("3", "agora"))
                    self.wall = NOW
                    self.again()
                    self.told.take()
                    self.receive(send("1", "oi"), pub("2", "a todos"), send("3", "agora"))
                    self.run_for(60)
                    self.assertEqual(self.told.take(), [])
                    self.assertEqual(sorted(self.lines()), ["a todos", "agora", "espera", "oi"])


class AgeTests(ClockCase):
    def test_running_makes_it_old(self) -> None:
        self.run_for(6.9 * DAY)
        self.assertTrue(self.waits())
        self.run_for(0.2 * DAY)
        self.assertFalse(self.waits())

    def test_being_off_makes_it_old(self) -> None:
        for _ in range(7):
            self.again(off=0.99 * DAY)
            self.assertTrue(self.waits())
        self.again(off=0.99 * DAY)
        self.assertFalse(self.waits())
        self.assertIn(
            (
                "told",
                'not delivered to [bob@CIC]: it waited for too long and is given up ("espera")',
            ),
            self.told.take(),
        )

    def test_being_off_for_long_does_so_when_the_clock_has_said_so_for_a_while(self) -> None:
        self.again(off=8 * DAY)
        self.say("eva@CIC", "agora")
        self.run_for(60)
        self.assertTrue(self.waits())
        self.run_for(180)
        self.assertFalse(self.waits())
        self.again()
        self.run_for(300)
        self.assertEqual([message.entry.text for message in self.outbox], ["agora"])

    def test_both_together(self) -> None:
        for _ in range(4):
            self.run_for(0.9 * DAY)
            self.again(off=0.8 * DAY)
        self.assertTrue(self.waits())
        self.again(off=0.8 * DAY)
        self.assertFalse(self.waits())

    def test_a_killed_node(self) -> None:
        self.run_for(3 * DAY)
        self.outgoing.publishing.publish("*", "digo")
        self.clock.advance(GATHER)
        self.run_for(0.9 * DAY)
        self.restart(outbox_ttl=7 * DAY)
        entry = next(iter(self.outbox)).entry
        self.assertLess(abs(self.history.age(entry) - 3.9 * DAY), 100)

    def test_many_were_given_up(self) -> None:
        for number in range(9):
            self.say(f"p{number}@CIC", "x")
        self.clock.advance(GATHER)
        self.again(off=0.0)
        self.told.take()
        self.run_for(7.1 * DAY)
        told = [event[1] for event in self.told.take() if event[0] == "told"]
        self.assertEqual(len(told), 6)
        self.assertEqual(told[-1], "5 more messages waited for too long and are given up")

    def test_a_file_from_before_this_was_noted(self) -> None:
        self.history.stop()
        connection = sqlite3.connect(self.path)
        connection.execute("DELETE FROM run")
        connection.execute("UPDATE summed SET after = 9")
        connection.execute("UPDATE message SET sum = NULL, at = at - ?", (int(5 * DAY * 1000),))
        connection.commit()
        connection.close()
        self.wall = NOW - 4.5 * DAY
        self.restart(outbox_ttl=7 * DAY)
        self.run_for(1)
        entry = next(iter(self.outbox)).entry
        self.assertLess(abs(self.history.age(entry) - 0.5 * DAY), 100)
        self.say("eva@CIC", "agora")
        self.run_for(6 * DAY)
        self.again(off=0.4 * DAY)
        self.assertTrue(self.waits())
        self.run_for(0.2 * DAY)
        self.assertFalse(self.waits())
