"""Known keys and a thread that waits for the disk: the order of things, and a disk that hangs."""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin_file import PATIENCE, RETRY, open_pins
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.threads import SteppedWorker
from tests.support.pin_disks import ALICE, BOB, MALLORY, PATH

REFUSED = "the known keys cannot be written to {} ({}): they hold until this program ends"


class PinThreadTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[str] = []
        self.disk = FakeDisk(Random(3))
        self.keys = self.start(is_new=True)
        self.keys.opened("bob@CIC", BOB, "10.0.0.2", 0.0)
        self.keys.opened("carol@CIC", MALLORY, "10.0.0.3", 0.0)

    def start(self, *, is_new: bool = False) -> KnownKeys:
        self.thread = SteppedWorker(Clock(), self.disk, by_hand=True)
        file, lines = open_pins(
            self.disk,
            PATH,
            ALICE,
            lambda told: self.told.append(str(told)),
            is_new=is_new,
            thread=self.thread,
        )
        return KnownKeys(lambda: 1.8e9, file, lines)

    def names(self) -> list[str]:
        return sorted(pin.peer_id for pin in self.start().pins())


class OrderTests(PinThreadTestCase):
    def test_a_first_message_waits_until_the_pin_is_written(self) -> None:
        self.assertFalse(self.keys.wrote_to("bob@CIC", 0.0))
        self.assertFalse(self.keys.wrote_to("bob@CIC", 0.1))
        self.assertTrue(self.keys.awaits_disk("bob@CIC"))
        self.thread.step()
        self.assertTrue(self.keys.wrote_to("bob@CIC", 0.2))
        self.assertFalse(self.keys.wrote_to("carol@CIC", 0.2))
        self.disk.kill()
        self.assertEqual(self.names(), ["bob@CIC"])

    def test_a_decision_is_answered_when_it_is_synced(self) -> None:
        bob = fingerprint(BOB)
        for decide in (
            lambda: self.keys.verify("bob@CIC", bob, 0.0),
            lambda: self.keys.trust("dave@CIC", bob, 0.0, typed=True),
            lambda: self.keys.forget("bob@CIC", 0.0),
        ):
            decision = decide()
            self.assertNoResult(decision.synced)
            self.thread.step()
            self.assertEqual(self.successResultOf(decision.synced), "")
            self.disk.power_loss()
            keys, self.keys = self.keys, self.start()
            self.assertEqual(
                {pin.peer_id for pin in self.keys.pins()},
                {pin.peer_id for pin in keys.pins() if pin.settled},
            )

    def test_one_queue(self) -> None:
        """What comes while the thread is at work is the next thing that it does, in its order."""
        answers = [self.keys.trust("bob@CIC", fingerprint(BOB), 0.0, typed=True)]
        answers += [
            self.keys.trust("bob@CIC", fingerprint(key), 0.0, typed=True)
            for key in (MALLORY, ALICE, MALLORY)
        ]
        self.thread.step()
        self.assertEqual([answer.synced.called for answer in answers], [True, False, False, False])
        self.thread.step()
        self.assertEqual([answer.synced.called for answer in answers], [True] * 4)
        self.assertEqual(len(self.thread.calls), 0)
        pin = self.start().pin_of("bob@CIC")
        assert pin is not None
        self.assertTrue(pin.has(MALLORY))

    def test_what_was_forgotten_while_the_file_is_written_anew_stays_forgotten(self) -> None:
        self.keys.trust("bob@CIC", fingerprint(BOB), 0.0, typed=True)
        self.keys.trust("eve@CIC", fingerprint(BOB), 0.0, typed=True)
        assert self.keys.file is not None
        pieces = iter(self.keys.file.everything())
        next(pieces)
        self.keys.forget("eve@CIC", 0.0)
        self.assertEqual([*pieces], [])

    def test_nobody_waits_at_the_end_for_what_is_done(self) -> None:
        self.keys.wrote_to("bob@CIC", 0.0)
        flushed = self.keys.flush(0.0)
        while self.thread.calls:
            self.thread.step()
        self.assertEqual(self.successResultOf(flushed), "")
        self.assertTrue(self.keys.close(0.0))
        self.disk.power_loss()
        self.assertEqual(self.names(), ["bob@CIC"])


class HangingTests(PinThreadTestCase):
    why = REFUSED.format(PATH, "the disk does not answer")

    def test_a_disk_that_hangs(self) -> None:
        """Messages leave, decisions are answered, and nothing is lost when it comes back."""
        written: list[float] = []
        assert self.keys.file is not None
        self.keys.file.on_written = lambda: written.append(0.0)
        self.assertFalse(self.keys.wrote_to("bob@CIC", 0.0))
        decision = self.keys.verify("bob@CIC", fingerprint(BOB), 0.0)
        self.keys.sweep(PATIENCE - 0.1)
        self.assertNoResult(decision.synced)
        self.assertEqual(self.told, [])
        self.keys.sweep(PATIENCE)
        self.assertEqual(self.successResultOf(decision.synced), self.why)
        self.assertEqual((self.told, len(written)), ([self.why], 1))
        self.assertTrue(self.keys.wrote_to("bob@CIC", PATIENCE))
        self.assertTrue(self.keys.wrote_to("carol@CIC", PATIENCE))
        late = self.keys.trust("dave@CIC", fingerprint(BOB), PATIENCE, typed=True)
        self.assertEqual(self.successResultOf(late.synced), self.why)
        for _ in range(10):
            self.keys.sweep(PATIENCE + RETRY)
        self.assertEqual(len(self.thread.calls), 1)
        self.thread.step()
        self.thread.step()
        self.assertEqual(self.told[1:], [f"the known keys are written to {PATH} again"])
        self.assertEqual(self.names(), ["bob@CIC", "carol@CIC", "dave@CIC"])

    def test_the_end_does_not_wait_for_it(self) -> None:
        self.keys.wrote_to("bob@CIC", 0.0)
        self.assertFalse(self.keys.close(1.0))

    def test_a_fault(self) -> None:
        self.disk.read_only = True
        self.keys.wrote_to("bob@CIC", 0.0)
        self.thread.step()
        self.assertEqual(self.told, [REFUSED.format(PATH, "Read-only file system")])
        self.assertTrue(self.keys.wrote_to("bob@CIC", 0.0))
        self.disk.read_only = False
        self.keys.sweep(RETRY)
        self.thread.step()
        self.assertEqual(self.names(), ["bob@CIC"])
