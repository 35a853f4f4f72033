"""When our next key is found and taken, and what the person reads of a file that cannot be used."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_making import KeyFileError
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.succession import LOOK_EVERY, SURE, Succession
from tests.support.rotations import FakeNextKey, keys_of


class NotTaken(FakeNextKey):
    """A next key that can be read, and not taken: the folder is read-only, or full."""

    why = "the disk is full"

    def take(self) -> Keys:
        if self.why:
            raise KeyFileError(self.why)
        return super().take()


class SuccessionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.file, self.wall, self.now = NotTaken(), 0.0, 0.0
        self.told: list[str] = []
        own = keys_of("bob@CIC").own
        self.succession = Succession(
            self.file, own, lambda: self.wall, lambda it: self.told.append(str(it))
        )
        self.taken: list[Keys] = []
        self.succession.on_taken = self.taken.append

    def run_for(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.5)):
            self.now += 0.5
            self.succession.sweep(self.now)

    def test_one_that_cannot_be_taken_is_told_once(self) -> None:
        for at_once in (True, False):
            self.setUp()
            self.file.put("bob@CIC", "bob, later", 0.0, at_once=at_once)
            self.wall = 1e9
            self.run_for(3600)
            self.assertEqual(self.told, ["your next key is not used: the disk is full"])
            self.file.why = "another trouble"
            self.run_for(3600)
            self.assertEqual(len(self.told), 2)
            self.file.why = ""
            self.run_for(LOOK_EVERY + SURE)
            self.assertEqual((len(self.told), len(self.taken)), (2, 1))

    def test_another_one_in_its_place_that_cannot_be_taken_is_told_again(self) -> None:
        self.file.put("bob@CIC", "bob, later", 0.0, at_once=True)
        self.run_for(100)
        self.file.put("bob@CIC", "a thief", 0.0, at_once=True)
        self.run_for(100)
        self.assertEqual(len(self.told), 2)
