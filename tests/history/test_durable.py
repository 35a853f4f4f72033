"""A history in its node: what is shown is safe, what is acknowledged is safe, nothing twice."""

from __future__ import annotations

import os
import sqlite3
from typing import cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from p2pchat.history import file_calls, mending, store, tidying, waiting
from p2pchat.history.filing import AT_ONCE
from p2pchat.history.records import ABANDONED, DELIVERED, PUBLISHED, WAITING
from p2pchat.history.store import GATHER, MANY
from p2pchat.history.tidying import QUIET, WORTH_FILING
from p2pchat.mesh.peers import Peer
from p2pchat.node import incoming, showing
from p2pchat.node.news import NotSentError
from p2pchat.node.observers import Observers
from p2pchat.node.outbox import Stage
from p2pchat.settings.values import HistorySettings
from p2pchat.speech import use
from p2pchat.wire.messages import Send
from p2pchat.wire.repetitions import RecentIds
from tests.support.fake_link import FakeLink
from tests.support.histories import FULL, NOW, BrokenConnection, HistoryCase, pub, send


class ReceivingTests(HistoryCase):
    def setUp(self) -> None:
        super().setUp()
        self.start(at_once=False)
        self.thread.step()
        self.told.take()

    def test_nothing_is_acknowledged_or_shown_before_it_is_safe(self) -> None:
        self.receive(send("1", "um"), send("2", "dois"), pub("3", "três"))
        self.clock.advance(GATHER)
        self.assertEqual((self.acked(), self.told.take()), ([], []))
        self.thread.step()
        self.assertEqual(self.acked(), ["1", "2"])
        self.assertEqual(self.told.take(), [("kept", "bob@CIC", ["um", "dois", "três"])])
        self.assertEqual(self.lines(), ["um", "dois", "três"])

    def test_what_happens_afterwards_is_told_afterwards(self) -> None:
        self.incoming.status_changed(self.peer)
        self.assertEqual(self.told.take(), [("status", "bob@CIC")])
        self.receive(send("1", "um"))
        self.clock.advance(0)
        self.receive(send("2", "dois"))
        # He went and came back: what he is now is told, once.
        self.incoming.status_changed(self.peer)
        self.incoming.status_changed(self.peer)
        self.incoming.status_changed(Peer("eva@CIC"))
        self.thread.step()
        self.assertEqual(self.told.take(), [("status", "eva@CIC"), ("kept", "bob@CIC", ["um"])])
        self.clock.advance(0)
        BrokenConnection.trouble = FULL
        self.thread.step()
        self.assertEqual(
            self.told.take()[1:], [("not kept", "bob@CIC", ["dois"]), ("status", "bob@CIC")]
        )

    def test_a_batch_waits_for_time_or_number(self) -> None:
        self.patch(store, "MANY", 100)
        self.receive(*(send(str(n), "x") for n in range(99)))
        self.assertEqual(self.thread.calls, [])
        self.receive(send("last", "x"))
        self.assertEqual(len(self.thread.calls), 1)
        self.receive(send("next", "y"))
        self.clock.advance(1)
        self.assertEqual(len(self.thread.calls), 1, "one batch at a time")
        self.thread.step()
        self.assertEqual(len(self.acked()), 100)
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.acked(), ["next"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_ack_does_not_wait_longer_than_for_the_disk(self) -> None:
        self.receive(pub("1", "um"))
        self.clock.advance(0)
        self.assertEqual(self.thread.calls, [])
        self.receive(send("2", "dois"))
        self.assertEqual(self.thread.calls, [], "what else is read in this turn comes along")
        self.clock.advance(0)
        self.assertEqual(len(self.thread.calls), 1)
        self.receive(send("3", "três"))
        self.thread.step()
        self.assertEqual(self.acked(), ["2"])
        self.clock.advance(0)
        self.thread.step()
        self.assertEqual(self.acked(), ["3"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_nobody_sends_again_is_shown_at_once(self) -> None:
        self.receive(pub("1", "um"), pub("2", "dois"))
        self.assertEqual(self.told.take(), [("kept", "bob@CIC", ["um", "dois"])])
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.told.take(), [])
        self.assertEqual(self.lines(), ["um", "dois"])

    def test_what_may_come_again_is_safe_before_it_is_shown(self) -> None:
        self.link.keeps = True
        self.receive(pub("1", "um"))
        self.assertEqual(self.told.take(), [])
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.told.take(), [("kept", "bob@CIC", ["um"])])

    def test_nothing_of_a_peer_overtakes_what_it_said_before(self) -> None:
        self.receive(send("1", "um"))
        self.receive(pub("2", "dois"))
        self.clock.advance(0)
        self.receive(pub("3", "três"))
        self.assertEqual(self.told.take(), [])
        self.thread.step()
        self.receive(pub("4", "quatro"))
        self.clock.advance(GATHER)
        self.thread.step()
        self.receive(pub("5", "cinco"))
        texts = [text for _, _, texts in self.told.take() for text in texts]
        self.assertEqual(texts, ["um", "dois", "três", "quatro", "cinco"])
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.lines(), texts)

    def test_many_that_gathered_meanwhile_follow_at_once(self) -> None:
        self.receive(send("0", "x"))
        self.clock.advance(GATHER)
        self.receive(*(send(str(n), "x") for n in range(1, 2 * MANY)))
        self.thread.step()
        self.assertEqual(len(self.thread.calls), 1)
        self.thread.step()
        self.assertEqual(len(self.acked()), 2 * MANY)

    def test_a_repetition_is_acknowledged_when_its_first_copy_is_safe(self) -> None:
        self.receive(send("1", "um"))
        self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        self.receive(send("1", "um"))
        self.assertEqual(self.acked(), [])
        self.thread.step()
        self.assertEqual(self.acked(), ["1", "1"])
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.acked(), ["1"])
        self.receive(send("1", "um"))
        self.assertEqual(self.acked(), ["1"])
        self.assertEqual(self.told.take(), [("kept", "bob@CIC", ["um"])])
        self.assertEqual(self.lines(), ["um"])

    def test_repetitions_that_wait_are_bounded(self) -> None:
        self.receive(send("1", "um"))
        for _ in range(MANY + 10):
            self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(len(self.acked()), MANY + 1)

    def test_what_was_said_earlier(self) -> None:
        self.receive_late([NOW - 60, NOW - 30], pub("1", "antes"), pub("2", "depois"))
        self.receive_late([1e308, -1e308], pub("3", "x"), pub("4", "y"))
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(
            self.told.take(),
            [
                ("late", "bob@CIC", ["antes"], [NOW - 60]),
                ("late", "bob@CIC", ["depois"], [NOW - 30]),
                ("late", "bob@CIC", ["x"], [NOW]),
                ("late", "bob@CIC", ["y"], [0.0]),
            ],
        )
        self.assertEqual(self.history.places.last("bob@CIC"), "4")
        self.receive(pub("5", "live"))
        self.assertEqual(self.history.places.last("bob@CIC"), "4")
        self.restart()
        self.assertEqual(self.history.places.last("bob@CIC"), "4")

    def test_beyond_a_limit_messages_are_shown_with_a_mark_and_not_acknowledged(self) -> None:
        self.patch(waiting, "MAX_WAITING", 40_000)
        self.history.configure(self.history.settings)
        self.receive(send("first", "x"))
        self.clock.advance(GATHER)
        for number in range(80):
            self.receive(send(f"many{number}", "x" * 1000))
        told = ("told", "messages are no longer kept: the disk does not keep up")
        self.assertEqual(self.told.take(), [told], "nothing overtakes what is being stored")
        self.thread.step()
        self.assertEqual(self.told.take(), [("kept", "bob@CIC", ["x"])])
        self.clock.advance(GATHER)
        self.thread.step()
        acked = self.acked()
        lost = self.history.not_kept
        self.assertEqual(len(acked) + lost, 81)
        self.assertGreater(lost, 0)
        self.assertEqual(self.lines(None)[0], "x")
        kinds = [event[0] for event in self.told.take()]
        self.assertEqual(kinds, ["kept"] * (80 - lost) + ["not kept"] * lost)


class FailingTests(HistoryCase):
    def test_a_full_disk(self) -> None:
        self.start()
        self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        self.told.take()
        self.acked()
        BrokenConnection.trouble = FULL
        self.receive(send("2", "dois"), send(None, "sem id"))
        self.clock.advance(GATHER)
        self.assertEqual(
            self.told.take(),
            [
                ("told", "messages are no longer kept: database or disk is full"),
                ("not kept", "bob@CIC", ["dois", "sem id"]),
            ],
        )
        self.receive(send("3", "três"))
        self.receive(send("2", "dois"))
        self.clock.advance(GATHER)
        # Told once; a repetition of what was shown is not shown, and still not acknowledged.
        self.assertEqual(self.told.take(), [("not kept", "bob@CIC", ["três"])])
        self.assertEqual(self.acked(), [])
        self.assertEqual(self.history.not_kept, 4)
        BrokenConnection.trouble = None
        self.receive(send("2", "dois"), send("4", "quatro"))
        self.clock.advance(GATHER)
        self.assertEqual(
            self.told.take(),
            [("told", "messages are kept again"), ("kept", "bob@CIC", ["quatro"])],
        )
        self.assertEqual(self.acked(), ["2", "4"])
        self.assertEqual(self.lines(), ["um", "dois", "quatro"])
        self.receive(send("3", "três"))
        self.clock.advance(GATHER)
        self.assertEqual((self.told.take(), self.acked()), ([], ["3"]))

    def test_it_is_told_in_the_language_of_the_person_and_logged_in_english(self) -> None:
        use("pt_BR")
        self.addCleanup(use, "en")
        logged: list[LogEvent] = []
        observer = cast("ILogObserver", logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.start()
        self.told.take()
        BrokenConnection.trouble = FULL
        self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        told = "as mensagens não são mais guardadas: o disco está cheio"
        self.assertEqual(self.told.take()[0], ("told", told))
        texts = [event["text"] for event in logged if "text" in event]
        self.assertEqual(texts, ["messages are no longer kept: database or disk is full"])
        self.assertEqual({type(text) for text in texts}, {str})

    def test_what_was_shown_at_once_and_is_lost_is_not_shown_again(self) -> None:
        self.start()
        self.told.take()
        BrokenConnection.trouble = FULL
        self.receive(pub("1", "um"))
        self.clock.advance(GATHER)
        self.assertEqual(
            self.told.take(),
            [
                ("kept", "bob@CIC", ["um"]),
                ("told", "messages are no longer kept: database or disk is full"),
            ],
        )
        self.receive(pub("1", "um"))
        self.receive(pub("2", "dois"))
        self.assertEqual(self.told.take(), [], "while keeping fails, all carry a mark")
        self.assertEqual(self.history.not_kept, 1)
        self.clock.advance(GATHER)
        self.assertEqual(self.told.take(), [("not kept", "bob@CIC", ["dois"])])
        self.assertEqual(self.history.not_kept, 2)

    def test_a_repetition_is_not_acknowledged_for_a_first_copy_that_was_lost(self) -> None:
        self.start(at_once=False)
        self.thread.step()
        self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        self.receive(send("1", "um"))
        self.receive(send("2", "dois"))
        BrokenConnection.trouble = FULL
        self.thread.step()
        BrokenConnection.trouble = None
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.acked(), ["2"])
        self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.acked(), ["1"])
        shown = [event for event in self.told.take() if "um" in str(event)]
        self.assertEqual(shown, [("not kept", "bob@CIC", ["um"])])

    def test_late_messages_that_were_shown_are_not_shown_again(self) -> None:
        self.start()
        BrokenConnection.trouble = FULL
        self.receive_late([NOW], pub("1", "a"))
        self.clock.advance(GATHER)
        BrokenConnection.trouble = None
        self.told.take()
        self.receive_late([NOW - 2, NOW - 1], pub("1", "a"), pub("2", "b"))
        self.clock.advance(GATHER)
        self.assertEqual(self.told.take()[-1], ("late", "bob@CIC", ["b"], [NOW - 1]))

    def test_two_texts_of_an_id_are_each_kept_and_shown_once(self) -> None:
        self.start()
        false, true, late = send("1", "falso"), pub("1", "verdadeiro"), pub("1", "tarde")
        self.told.take()
        BrokenConnection.trouble = FULL
        self.receive(false)
        self.clock.advance(GATHER)
        BrokenConnection.trouble = None
        self.receive(true)
        self.receive(send("1", "a sós"))
        self.clock.advance(GATHER)
        self.receive_late([NOW - 2], late)
        for _ in range(2):
            self.receive(true, false)
            self.receive_late([NOW - 2, NOW - 1], late, true)
            self.clock.advance(GATHER)
        self.assertEqual(
            [event[2] for event in self.told.take() if event[0] != "told"],
            [["falso"], ["verdadeiro"], ["a sós (reused id)"], ["tarde (reused id)"]],
        )
        self.assertEqual(sorted(self.lines()), ["a sós", "falso", "tarde", "verdadeiro"])
        self.assertEqual(self.acked(), ["1"] * 3)

    def test_after_a_restart_too_however_long_they_are(self) -> None:
        for filed in (False, True):
            self.start()
            first, second = (pub(filed, letter * 9000) for letter in "fv")
            for message in (first, second):
                self.receive(message)
            self.clock.advance(GATHER)
            while filed and self.database.file():
                pass
            self.restart()
            self.told.take()
            self.receive(second, first, pub(filed, "t" * 9000))
            self.clock.advance(GATHER)
            self.assertEqual(self.told.take(), [("kept", "bob@CIC", ["t" * 9000 + " (reused id)"])])

    def test_what_was_shown_is_remembered_up_to_a_limit(self) -> None:
        self.patch(showing, "_MAX_UNKEPT", 3)
        self.start()
        BrokenConnection.trouble = FULL
        self.receive(*(send(str(n), str(n)) for n in range(10)))
        self.clock.advance(GATHER)
        self.assertLessEqual(len(self.incoming._showing._unkept_of_strangers), 3)

    def test_strangers_do_not_push_out_what_is_remembered_of_a_friend(self) -> None:
        self.patch(showing, "_MAX_UNKEPT", 3)
        self.start()
        self.incoming._seen.friends.wrote_to("bob@CIC")
        BrokenConnection.trouble = FULL
        self.receive(send("1", "de um amigo"))
        self.clock.advance(GATHER)
        for name in range(10):
            self.incoming.deliver(Peer(f"x{name}@CIC"), self.link, [send("1", "de outro")])
            self.clock.advance(GATHER)
        self.told.take()
        BrokenConnection.trouble = None
        self.receive(send("1", "de um amigo"))
        self.clock.advance(GATHER)
        self.assertEqual([event for event in self.told.take() if event[1:2] == ("bob@CIC",)], [])
        self.assertIn("de um amigo", self.lines())

    def test_our_own_messages_are_tried_again(self) -> None:
        self.start()
        BrokenConnection.trouble = FULL
        self.say("eva@CIC", "espera")
        self.linked()
        self.say("bob@CIC", "vai")
        self.outgoing.acknowledged("bob@CIC", "m2")
        self.history.mark_read("bob@CIC")
        self.clock.advance(GATHER)
        not_kept = "it could not be kept (database or disk is full), and goes out if a link opens"
        self.assertEqual(
            [event for event in self.told.take() if event[0] != "ready"],
            [
                ("delivered", "bob@CIC", "m2", 0.0),
                ("told", "messages are no longer kept: database or disk is full"),
                ("undelivered", "eva@CIC", "m1", not_kept),
            ],
        )
        self.sweep(1)
        self.assertEqual(self.lines(), [])
        self.successResultOf(self.history.flush())
        BrokenConnection.trouble = None
        self.sweep(5)
        self.assertEqual(
            self.told.take(),
            [("told", "messages are kept again"), ("queued", "eva@CIC", "m1")],
        )
        states = [line.state for line in self.successResultOf(self.history.recent(None, 9))]
        self.assertEqual(states, [WAITING, DELIVERED])

    def test_what_is_tried_again_is_bounded(self) -> None:
        self.patch(store, "_MAX_AGAIN", 5)
        self.start()
        BrokenConnection.trouble = FULL
        for number in range(20):
            self.outgoing.publishing.publish("*", str(number))
            self.clock.advance(GATHER)
        BrokenConnection.trouble = None
        self.sweep(6)
        self.assertEqual(self.lines(), ["15", "16", "17", "18", "19"])

    def test_a_past_that_cannot_be_read(self) -> None:
        self.start()
        self.outgoing.publishing.publish("*", "old")
        self.clock.advance(GATHER)
        self.patch(
            file_calls.FileCalls,
            "call",
            _failing_first(file_calls.FileCalls.call, sqlite3.OperationalError("?")),
        )
        self.restart()
        self.assertEqual(self.told.take(), [])
        self.outgoing.publishing.publish("*", "new")
        self.say("bob@CIC", "espera")
        self.receive(send("1", "um"))
        for _ in range(4):
            self.sweep()
        # Nothing is taken for new before the past is known, and nothing is shown.
        self.assertFalse(self.history.ready)
        self.assertTrue(self.history.failing)
        self.assertEqual(
            self.told.take(),
            [
                ("told", "what waits from earlier is not known yet: ?"),
                (
                    "undelivered",
                    "bob@CIC",
                    "m3",
                    "it could not be kept (?), and goes out when the history can be read",
                ),
            ],
        )
        self.sweep()
        self.clock.advance(GATHER)
        self.assertTrue(self.history.ready)
        self.assertFalse(self.history.failing)
        known = "what waits from earlier is known now, and messages are kept"
        told = self.told.take()
        self.assertEqual(told[0], ("told", known))
        self.assertIn(("kept", "bob@CIC", ["um"]), told)
        self.assertIn(("queued", "bob@CIC", "m3"), told)
        self.assertEqual(sorted(self.lines()), ["espera", "new", "old", "um"])

    def test_a_disk_that_hangs(self) -> None:
        self.start(at_once=False)
        self.thread.step()
        self.told.take()
        self.say("bob@CIC", "espera")
        self.clock.advance(GATHER)
        self.sweep(file_calls.HANGS_AFTER - 1)
        self.assertEqual((self.told.take(), self.history.failing), ([], False))
        self.sweep()
        self.say("bob@CIC", "e mais")
        self.sweep()
        reason = "it could not be kept (the disk does not answer), and goes out if a link opens"
        self.assertEqual(
            self.told.take(),
            [
                ("told", "the disk does not answer: messages are not kept"),
                ("undelivered", "bob@CIC", "m1", reason),
                ("undelivered", "bob@CIC", "m2", reason),
            ],
        )
        self.assertTrue(self.history.failing)
        self.sweep(60)
        self.assertEqual(self.told.take(), [], "once")
        # A command is answered all the same, with what is on the disk.
        self.assertEqual(self.lines(), [])
        self.thread.step()
        self.assertFalse(self.history.failing)
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(
            self.told.take(),
            [
                ("told", "messages are kept again"),
                ("queued", "bob@CIC", "m1"),
                ("queued", "bob@CIC", "m2"),
            ],
        )

    def test_a_disk_that_hangs_while_it_is_tidied_up(self) -> None:
        self.start(at_once=False)
        self.thread.step()
        self.history._store.tidying._file(1, more=False)
        self.told.take()
        self.sweep(file_calls.HANGS_AFTER)
        self.sweep()
        self.assertEqual(
            self.told.take(), [("told", "the disk does not answer: messages are not kept")]
        )
        self.thread.step()
        self.sweep()
        self.assertEqual(self.told.take(), [("told", "messages are kept again")])
        self.assertFalse(self.history.failing)

    def test_a_damaged_file_gets_the_outbox_again(self) -> None:
        self.start()
        self.say("bob@CIC", "espera")
        self.clock.advance(GATHER)
        self.sweep()
        self.told.take()
        BrokenConnection.trouble = _damage_once()
        beyond = sqlite3.DatabaseError("malformed")
        beyond.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        self.patch(mending, "make_anew", _raising(beyond))
        self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        events = self.told.take()
        self.assertRegex(
            events[0][1],
            r"^the history file was damaged: it is now /.*\.damaged-\S+, and a new one begun$",
        )
        self.assertEqual(events[1:], [("kept", "bob@CIC", ["um"])])
        self.assertEqual(self.acked(), ["1"])
        self.clock.advance(GATHER)
        self.successResultOf(self.history.stop())
        self.restart()
        self.assertEqual([each.msg_id for each in self.outbox], ["m1"])

    def test_a_damaged_file_at_the_start(self) -> None:
        with open(self.path, "wb") as file:
            file.write(b"SQLite format 3\0 and then rubbish" * 100)
        self.start()
        (told, ready) = self.told.take()
        self.assertEqual(ready, ("ready",))
        self.assertIn("the history file was damaged", told[1])


def _damage_once() -> sqlite3.Error:
    damage = sqlite3.DatabaseError("malformed")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    real = BrokenConnection.execute

    def execute(self: BrokenConnection, sql: str, *values: object) -> object:
        BrokenConnection.execute = real  # type: ignore[method-assign]
        BrokenConnection.trouble = None
        raise damage

    BrokenConnection.execute = execute  # type: ignore[method-assign]
    return damage


def _raising(trouble: Exception) -> object:
    def call(*_: object) -> None:
        raise trouble

    return call


def _failing_first(real: object, trouble: Exception) -> object:
    from twisted.internet.defer import fail

    calls: list[int] = []

    def call(self: object, what: object) -> object:
        calls.append(1)
        return fail(trouble) if len(calls) == 1 else real(self, what)  # type: ignore[operator]

    return call


class RestartTests(HistoryCase):
    def test_what_was_stored_is_a_repetition_in_the_next_process(self) -> None:
        self.start(at_once=False)
        self.thread.step()
        self.receive(send("1", "um"), pub("2", "dois"))
        self.clock.advance(GATHER)
        self.thread.step()
        self.receive(send("3", "três"))
        self.clock.advance(GATHER)
        # Killed here: stored, shown, perhaps not acknowledged; 3 neither.
        self.restart()
        self.acked()
        self.receive(send("1", "um"), pub("2", "dois"), send("3", "três"))
        self.clock.advance(GATHER)
        self.assertEqual(self.told.take(), [("ready",), ("kept", "bob@CIC", ["três"])])
        self.assertEqual(sorted(map(str, self.acked())), ["1", "3"])
        self.assertEqual(self.lines(), ["um", "dois", "três"])
        self.assertEqual(self.history.places.last("bob@CIC"), "")

    def test_messages_that_come_before_the_past_is_known_are_put_off(self) -> None:
        self.start(at_once=False)
        self.assertFalse(self.history.ready)
        self.patch(incoming, "_MAX_EARLY", 2)
        self.receive(send("0", "0"))
        self.receive_late([NOW - 1], pub("1", "1"))
        self.receive(send("2", "2"))
        self.assertEqual(self.told.take(), [])
        self.thread.step()
        self.assertTrue(self.history.ready)
        self.clock.advance(0)
        self.thread.step()
        self.assertEqual(
            self.told.take(),
            [("ready",), ("kept", "bob@CIC", ["0"]), ("late", "bob@CIC", ["1"], [NOW - 1])],
        )
        self.assertEqual((self.history.not_kept, self.acked()), (1, ["0"]))

    def test_what_came_before_the_past_is_known_is_taken_in_piece_by_piece(self) -> None:
        self.start()
        kept: list[str] = []

        def keep(_arrival: object, messages: list[Send], _ids: object) -> bool:
            kept.append(messages[0].payload)
            return True

        self.patch(self.history, "keep", keep)
        again = incoming.Incoming(Observers(), RecentIds(100), self.history)
        for text in "012":
            again.deliver(self.peer, self.link, [send(text, text)])
        pieces = again.past_known()
        next(pieces)
        again.deliver(self.peer, self.link, [send("3", "3")])
        self.assertEqual(kept, ["0"])
        self.assertEqual([*pieces], [None] * 3)
        again.deliver(self.peer, self.link, [send("4", "4")])
        self.assertEqual(kept, [*"01234"])

    def test_a_message_of_ours_before_the_past_is_known_is_told_when_it_is_safe(self) -> None:
        self.start(at_once=False)
        self.linked(FakeLink("carol@CIC"))
        self.say("bob@CIC", "olá")
        self.say("carol@CIC", "olá")
        self.thread.step()
        self.assertEqual(self.told.take(), [("ready",)])
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.told.take(), [("queued", "bob@CIC", "m1")])

    def test_ids_go_on_where_they_were(self) -> None:
        self.start()
        for number in range(3):
            self.receive(send(str(number), str(number)))
            self.clock.advance(GATHER)
            self.restart()
        self.assertEqual(self.lines(), ["0", "1", "2"])

    def test_stop_writes_what_waits_and_leaves_no_thread(self) -> None:
        self.start(at_once=False)
        self.thread.step()
        self.receive(send("1", "um"))
        self.clock.advance(GATHER)
        self.receive(send("2", "dois"))
        stopped = self.history.stop()
        self.thread.step()
        self.assertNoResult(stopped)
        self.thread.step()
        self.assertEqual(self.acked(), ["1", "2"])
        self.thread.step()
        self.successResultOf(stopped)
        self.assertTrue(self.thread.stopped)
        self.assertTrue(self.reading.stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.history.sweep(99)
        self.assertEqual(self.thread.calls, [])

    def test_stop_when_storing_fails_and_before_anything_was_read(self) -> None:
        self.start()
        BrokenConnection.trouble = FULL
        self.receive(send("1", "um"))
        self.successResultOf(self.history.stop())
        self.assertEqual(self.acked(), [])
        BrokenConnection.trouble = None
        self.start()
        self.successResultOf(self.history.recent(None, 1))
        self.successResultOf(self.history.flush())
        self.successResultOf(self.history.stop())


class OutboxTests(HistoryCase):
    def test_queued_is_said_when_it_is_safe_and_survives(self) -> None:
        self.start(at_once=False)
        self.thread.step()
        self.told.take()
        self.say("bob@CIC", "um")
        self.say("bob@CIC", "dois")
        self.clock.advance(GATHER)
        self.assertEqual(self.told.take(), [])
        self.thread.step()
        self.assertEqual(
            self.told.take(), [("queued", "bob@CIC", "m1"), ("queued", "bob@CIC", "m2")]
        )
        self.restart()
        self.assertEqual(
            [(each.msg_id, each.entry.text) for each in self.outbox.due("bob@CIC", 8)],
            [("m1", "um"), ("m2", "dois")],
        )
        self.wall -= 1000  # the clock is set: how long it took does not go by it
        self.clock.advance(3)
        for _ in range(2):
            self.outgoing.acknowledged("bob@CIC", "m1")
        ready, (*delivered, seconds), told = self.told.take()
        self.assertEqual(ready, ("ready",))
        self.assertEqual(delivered, ["delivered", "bob@CIC", "m1"])
        self.assertAlmostEqual(seconds, 3 + GATHER)
        self.assertEqual(told, ("told", 'delivered to [bob@CIC], which was away: "um"'))
        self.clock.advance(GATHER)
        self.restart()
        self.assertEqual([each.msg_id for each in self.outbox], ["m2"])

    def test_what_was_sent_and_not_acknowledged_survives_too(self) -> None:
        self.start()
        self.linked()
        self.say("bob@CIC", "um")
        self.say("bob@CIC", "dois")
        self.outgoing.acknowledged("bob@CIC", "m2")
        self.clock.advance(GATHER)
        self.sweep(5)
        self.assertEqual(
            [event[::2] for event in self.told.take()[1:]],
            [
                ("delivered", "m2"),
                ("undelivered", "m1"),
            ],
        )
        self.assertEqual([each.stage for each in self.outbox], [Stage.OVERDUE])
        self.restart()
        self.assertEqual([each.msg_id for each in self.outbox.due("bob@CIC", 8)], ["m1"])

    def test_what_is_said_before_the_past_is_known_comes_after_it(self) -> None:
        self.start()
        self.say("bob@CIC", "antes")
        self.clock.advance(GATHER)
        self.restart(at_once=False)
        self.linked()
        self.say("bob@CIC", "depois")
        self.say("eva@CIC", "também")
        self.outgoing.publishing.publish("*", "a todos")
        self.outgoing.cancel(self.outbox.of_peer("eva@CIC"))
        self.assertEqual(self.link.lines, [], "nothing leaves before the past is known")
        self.thread.at_once = True
        self.thread.step()
        self.assertEqual([each.msg_id for each in self.outbox], ["m1", "m2"])
        self.clock.advance(GATHER)
        self.assertEqual([each.payload for each in self.link.chat], ["antes", "depois", "a todos"])
        self.assertEqual(self.lines(), ["antes", "depois", "também", "a todos"])
        states = [line.state for line in self.successResultOf(self.history.recent(None, 9))]
        self.assertEqual(states, [WAITING, WAITING, ABANDONED, PUBLISHED])

    def test_limits(self) -> None:
        self.start(outbox_max_per_peer=1)
        self.say("bob@CIC", "um")
        with self.assertRaisesRegex(NotSentError, "1 message waits for .bob@CIC. already"):
            self.say("bob@CIC", "dois")

    def test_cancelling(self) -> None:
        self.start()
        self.say("bob@CIC", "um")
        cancelled = [*self.outbox]
        self.assertEqual(self.successResultOf(self.outgoing.cancel(cancelled)), (1, None))
        self.assertEqual(self.successResultOf(self.outgoing.cancel(cancelled)), (0, None))
        self.assertEqual(self.told.take()[1:], [("undelivered", "bob@CIC", "m1", "cancelled")])
        self.clock.advance(GATHER)
        self.assertEqual(self.told.take(), [])
        (line,) = self.successResultOf(self.history.recent(None, 9))
        self.assertEqual(line.state, ABANDONED)
        self.assertEqual(len(self.outbox), 0)

    def test_what_waited_for_too_long_is_given_up(self) -> None:
        self.start(outbox_ttl=60.0)
        self.say("bob@CIC", "um")
        self.clock.advance(GATHER)
        self.told.take()
        for _ in range(2):
            self.wall += 61
            self.sweep(61)
        reason = "it waited for too long and is given up"
        self.assertEqual(self.told.take(), [("undelivered", "bob@CIC", "m1", reason)])
        self.clock.advance(GATHER)
        self.restart(outbox_ttl=60.0)
        self.assertEqual(len(self.outbox), 0)

    def test_our_publications(self) -> None:
        self.start()
        self.outgoing.publishing.publish("#CIC", "a todos")
        self.clock.advance(GATHER)
        ids = self.successResultOf(self.history.published_since(("#CIC",), "", 9, 9))
        (line,) = self.successResultOf(self.history.numbered([*ids, 10**9]))
        self.assertEqual(
            (line.conversation, line.sender, line.text, line.state),
            ("#CIC", "alice@CIC", "a todos", PUBLISHED),
        )


class PersonTests(HistoryCase):
    def test_search_and_forget(self) -> None:
        self.start()
        self.receive(send("1", "uma palavra"))
        self.say("bob@CIC", "outra palavra")
        # What was said just now is written first.
        self.assertEqual(len(self.successResultOf(self.history.search("palavra", 9))), 2)
        self.history.unread["bob@CIC"] = 3
        self.assertEqual(self.successResultOf(self.outgoing.forget("bob@CIC")), 2)
        self.assertEqual((self.lines(), len(self.outbox)), ([], 0))
        self.assertEqual(self.told.take()[-1], ("undelivered", "bob@CIC", "m1", "forgotten"))
        self.assertEqual(self.history.unread, {})

    def test_a_file_that_cannot_be_searched(self) -> None:
        self.start()
        os.mkdir(self.path)
        self.failureResultOf(self.history.search("x", 9))

    def test_what_was_seen_is_noted_also_where_it_is_never_quiet(self) -> None:
        self.start()
        for number in range(20):
            self.receive(pub(f"p{number}", "x"))
            self.history.mark_read("#CIC")
            self.sweep(0.25)
        self.restart()
        self.assertLess(self.history.unread.get("#CIC", 0), 10)

    def test_unread_survives_until_it_is_seen(self) -> None:
        self.start()
        self.receive(send("1", "a"), pub("2", "b"))
        self.clock.advance(GATHER)
        self.restart()
        self.assertEqual(self.history.unread, {"bob@CIC": 1, "#CIC": 1})
        self.history.mark_read("#CIC")
        self.assertEqual(self.history.unread, {"bob@CIC": 1})
        self.sweep()
        self.restart()
        self.assertEqual(self.history.unread, {"bob@CIC": 1})

    def test_what_an_attending_person_sees_is_read(self) -> None:
        self.start()
        self.history.attending += 1
        self.receive(send("1", "a"), pub("2", "b"))
        self.clock.advance(GATHER)
        self.successResultOf(self.history.stop())
        self.restart()
        self.assertEqual(self.history.unread, {})

    def test_what_is_noted_as_read_is_bounded(self) -> None:
        self.patch(store, "_MAX_READ", 2)
        self.start()
        for number in range(5):
            self.history.mark_read(f"p{number}@CIC")
        self.assertEqual(len(self.history._store._read), 2)


class TidyingTests(HistoryCase):
    def test_filing_waits_for_a_quiet_moment(self) -> None:
        self.start()
        self.receive(*(send(str(n), "x") for n in range(1003)))
        self.clock.advance(GATHER)
        self.assertEqual(self.history._store.tidying.unfiled, 1003)
        self.sweep(QUIET - 0.1)
        self.assertEqual(self.history._store.tidying.unfiled, 1003)
        self.sweep(0.1)
        self.assertEqual(self.history._store.tidying.unfiled, 0)

    def test_few_wait_for_more(self) -> None:
        self.start()
        self.receive(*(send(str(n), "x") for n in range(WORTH_FILING - 1)))
        self.clock.advance(GATHER)
        self.thread.at_once = False
        self.sweep(QUIET)
        # Looking for what is too old is all there is to do, and moving the -wal to the file.
        self.thread.step()
        self.sweep(QUIET)
        self.thread.step()
        self.sweep(QUIET)
        self.assertEqual(self.thread.calls, [])
        self.assertEqual(self.history._store.tidying.unfiled, WORTH_FILING - 1)
        self.thread.at_once = True
        self.receive(send("one", "more"))
        self.sweep(1)
        self.sweep(QUIET)
        self.assertEqual(self.history._store.tidying.unfiled, 0)

    def test_filing_stops_when_messages_come(self) -> None:
        self.start()
        for first in range(0, 2 * AT_ONCE, 500):
            self.receive(*(send(str(n), "x") for n in range(first, first + 500)))
        self.clock.advance(GATHER)
        self.thread.at_once = False
        self.sweep(QUIET)
        self.receive(send("a", "y"))
        self.history.sweep(self.clock.seconds())
        self.thread.step()
        left = self.history._store.tidying.unfiled
        self.assertEqual(left, AT_ONCE)
        self.assertEqual(self.thread.calls, [])
        self.clock.advance(GATHER)
        self.thread.step()
        self.assertEqual(self.acked()[-1], "a")

    def test_filing_does_not_wait_for_ever(self) -> None:
        self.start()
        for second in range(110):
            self.receive(send(str(second), "x"))
            self.sweep(1)
            if second == 58:
                self.assertEqual(self.history._store.tidying.unfiled, 59)
        self.assertLess(self.history._store.tidying.unfiled, 59)

    def test_a_single_message_is_filed_after_a_minute(self) -> None:
        self.start()
        for _ in range(100):
            self.sweep(1)
        self.receive(send("1", "x"))
        self.sweep(1)
        for _ in range(58):
            self.sweep(1)
            self.assertEqual(self.history._store.tidying.unfiled, 1)
        self.sweep(1)
        self.sweep(1)
        self.assertEqual(self.history._store.tidying.unfiled, 0)

    def test_filing_that_has_too_much_to_do_does_not_wait(self) -> None:
        self.patch(tidying, "MAX_UNFILED", 3000)
        self.start()
        self.receive(*(send(str(n), "x") for n in range(5000)))
        self.assertLess(self.history._store.tidying.unfiled, 3001)

    def test_other_limits_while_it_runs(self) -> None:
        self.start()
        self.say("bob@CIC", "um")
        self.receive(send("1", "oi"))
        self.sweep()
        settings = HistorySettings(max_age=10.0, outbox_ttl=5.0, outbox_max=1, max_bytes=4096)
        self.history.configure(settings)
        self.outbox.settings = settings
        with self.assertRaisesRegex(NotSentError, "1 message waits already"):
            self.say("eva@CIC", "dois")
        self.told.take()
        self.wall += 11
        self.sweep(61)
        self.assertEqual([event[::2] for event in self.told.take()], [("undelivered", "m1")])
        self.sweep()
        self.sweep(61)
        self.sweep()
        self.assertEqual(self.lines(), [])

    def test_pruning_by_age(self) -> None:
        self.start(max_age=100.0)
        for number in range(2):
            self.receive(send(str(number), str(number)))
            self.clock.advance(GATHER)
            self.wall += 60
            self.sweep()
        self.wall += 20
        self.sweep(61)
        self.sweep()
        self.assertEqual(self.lines(), ["1"])

    def test_tidying_that_fails_is_tried_again_later(self) -> None:
        self.start()
        self.receive(*(send(str(n), "x") for n in range(WORTH_FILING)))
        self.clock.advance(GATHER)
        BrokenConnection.trouble = FULL
        self.sweep(QUIET)
        BrokenConnection.trouble = None
        self.assertEqual(self.history._store.tidying.unfiled, WORTH_FILING)
        self.sweep(1)
        self.assertEqual(self.history._store.tidying.unfiled, WORTH_FILING)
        self.sweep(6)
        self.assertEqual(self.history._store.tidying.unfiled, 0)
