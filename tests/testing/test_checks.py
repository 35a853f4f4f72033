"""The checks of a world, on accounts that are written by hand: what they find, and what may be."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history.database import Database
from p2pchat.history.records import ABANDONED, WAITING, Batch, Record
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.worlds.account import CANCELLED, DELIVERED, QUEUED, Account
from p2pchat.testing.worlds.checks import Peers, file_violations, public_violations
from p2pchat.testing.worlds.storage import path_of

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
