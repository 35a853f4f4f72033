"""The checks of a world, on accounts that are written by hand: what they find, and what may be."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history.database import Database
from p2pchat.history.records import ABANDONED, RECEIVED, WAITING, Batch, Record
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.worlds.account import (
    CANCELLED,
    CHANGE,
    DELIVERED,
    GIVEN_UP,
    QUEUED,
    Account,
)
from p2pchat.testing.worlds.checks import Peers, file_violations, public_violations
from p2pchat.testing.worlds.storage import path_of
from p2pchat.wire.changes import kept_id

ALICE, BOB, MALLORY = "alice@CIC", "bob@CIC", "mallory@CIC"
PEERS = Peers((ALICE, BOB))


class OrderTests(SynchronousTestCase):
    def kinds(self, *ways: str) -> list[str]:
        """What is wrong when a stranger says a text on each of these connections, and the later
        ones are shown first."""
        account = Account()
        texts = [account.say(MALLORY, ALICE, "visit") for _ in ways]
        for text, way in zip(texts, ways, strict=True):
            account.accepted(text, text)
            account.by_id[text].way = way
            account.told(text, DELIVERED)
        for text in reversed(texts):
            account.shown(ALICE, text)
        return [each.check for each in public_violations(account, PEERS)]

    def test_what_one_says_on_one_connection_has_an_order(self) -> None:
        self.assertEqual(self.kinds("1", "1"), ["G4"])

    def test_of_two_connections_either_may_be_quicker(self) -> None:
        self.assertEqual(self.kinds("1", "2"), [])


class CancelledTests(SynchronousTestCase):
    """A message that was told to wait, and is abandoned in the file when all is over."""

    def setUp(self) -> None:
        self.account = Account()
        self.text = self.account.say(ALICE, BOB, "send")
        self.account.accepted(self.text, "id")
        self.account.told("id", QUEUED)
        self.disk = FakeDisk(Random(1))

    def kinds(self, state: int = ABANDONED) -> list[str]:
        """What is wrong with a file in which the message has this state."""
        database = Database(path_of(ALICE), self.disk, lambda: 0.0)
        database.load(9)
        database.commit(Batch(entries=[Record(1, BOB, ALICE, "id", 0.0, state, self.text)]))
        database.close()
        return [each.kind for each in file_violations(self.account, ALICE, self.disk)]

    def test_nobody_asked_for_it(self) -> None:
        self.account.killed(ALICE, {"id"})
        self.assertEqual(self.kinds(), ["queued, and abandoned in the file"])

    def test_its_process_was_killed_between_the_request_and_the_answer(self) -> None:
        self.account.asks(ALICE, BOB, forgets=False)
        self.account.killed(ALICE, {"id"})
        self.assertEqual(self.kinds(), [])

    def test_its_process_was_killed_after_the_answer(self) -> None:
        window = self.account.asks(ALICE, BOB, forgets=False)
        self.account.answered(window, done=True)
        self.account.killed(ALICE, {"id"})
        self.assertEqual(self.kinds(), ["queued, and abandoned in the file"])

    def test_the_request_was_about_another_peer(self) -> None:
        self.account.asks(ALICE, "eva@UnB", forgets=False)
        self.account.killed(ALICE, {"id"})
        self.assertEqual(self.kinds(), ["queued, and abandoned in the file"])

    def test_it_was_told_to_be_cancelled_before_the_kill(self) -> None:
        self.account.asks(ALICE, BOB, forgets=False)
        self.account.told("id", CANCELLED)
        self.account.killed(ALICE, {"id"})
        self.assertEqual(self.kinds(WAITING), ["cancelled, and waiting in the file"])


class ChangedTests(SynchronousTestCase):
    """A text that Bob gives what he said to Alice, and what is in her file."""

    def setUp(self) -> None:
        self.account = Account()
        self.texts = [self.account.say(BOB, ALICE, "send") for _ in range(3)]
        for text, of in zip(self.texts, ("", "", "1"), strict=True):
            msg_id = str(len(self.account.by_id) + 1)
            self.account.accepted(text, msg_id, of=of)
            self.account.told(msg_id, DELIVERED)
            self.account.shown(ALICE, text)

    def kinds(self, changes: str, mark: str = "") -> list[str]:
        """What is wrong with a file in which the last text changes this message."""
        disk, ids = FakeDisk(Random(1)), ["1", "2", kept_id("3", changes) if changes else "3"]
        database = Database(path_of(ALICE), disk, lambda: 0.0)
        database.load(9)
        texts = [*self.texts[:2], mark + self.texts[2]]
        records = [
            Record(at, BOB, BOB, msg_id, 0.0, RECEIVED, text)
            for at, (msg_id, text) in enumerate(zip(ids, texts, strict=True), 1)
        ]
        database.commit(Batch(entries=records))
        database.close()
        return [each.kind for each in file_violations(self.account, ALICE, disk)]

    def test_it_changes_what_it_was_said_to_change(self) -> None:
        self.assertEqual(self.kinds("1"), [])

    def test_it_changes_another_message_or_none(self) -> None:
        for changes in ("2", ""):
            self.assertEqual(self.kinds(changes), ["in the file as a change of another one"])

    def test_where_the_first_text_is_not_known_it_has_a_mark(self) -> None:
        self.assertEqual(self.kinds("", CHANGE), [])


class TooOldTests(SynchronousTestCase):
    """A message that its node gave up because it had waited for too long."""

    def setUp(self) -> None:
        self.account = Account()
        self.text = self.account.say(ALICE, BOB, "send")
        self.account.accepted(self.text, "id")
        self.account.told("id", GIVEN_UP)
        self.message = self.account.by_id["id"]
        self.message.too_old = True

    def kinds(self) -> list[str]:
        return [each.kind for each in public_violations(self.account, PEERS)]

    def test_that_is_its_end(self) -> None:
        self.assertEqual(self.kinds(), [])

    def test_its_peer_is_there_and_it_is_not_old(self) -> None:
        self.message.too_old = False
        found = ["given up, and its peer is there", "accepted, and never shown"]
        self.assertEqual(self.kinds(), found)

    def test_it_is_sent_all_the_same_after_a_kill(self) -> None:
        self.account.killed(ALICE, {"id"})
        self.account.told("id", DELIVERED)
        self.account.shown(BOB, self.text)
        self.assertEqual(self.kinds(), ["too old, and sent all the same after a kill"])

    def test_it_never_left_and_is_shown(self) -> None:
        self.message.never_left = True
        self.account.shown(BOB, self.text)
        self.assertEqual(self.kinds(), ["nobody said it"])

    def test_another_one_waits_when_all_are_old(self) -> None:
        text = self.account.say(ALICE, "nobody@CIC", "send")
        self.account.accepted(text, "other")
        self.account.told("other", QUEUED)
        self.assertEqual(self.kinds(), [])
        self.account.all_is_old = True
        self.assertEqual(self.kinds(), ["it waits for longer than it may"])
