"""Known keys of which one follows another: in memory, and in the file that is read again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_text import fingerprint, key_text
from p2pchat.mesh.identity.known_keys import LIGHT_FOR, SETTLES_AFTER, KnownKeys
from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.mesh.identity.pin_lines import Line, PinsDamagedError, read_lines, whole_line
from p2pchat.mesh.identity.pin_past import everything, replay
from p2pchat.mesh.identity.pins import Pins
from p2pchat.mesh.identity.refused_keys import RefusedKeys
from p2pchat.mesh.identity.statement import Statement, make
from p2pchat.mesh.identity.trust import Stated
from tests.support.pin_disks import PATH, FakePinDisk, known_keys
from tests.support.seals import ALICE, BOB, keys_from

NAME = "bob@CIC"
SEEDS = (ALICE, BOB, b"3" * 32, b"4" * 32)
KEYS = [keys_from(seed).own for seed in SEEDS]
OWN = bytes([9]) * 32
STATEMENTS = {
    (old, new): make(KEYS[old], SEEDS[old], KEYS[new], SEEDS[new], 10 * old + new + 1, NAME)
    for old in range(4)
    for new in range(4)
    if old != new
}


def known_in(pin: Pin | None) -> object:
    """What is to be the same after a restart."""
    if pin is None or not pin.settled:
        return None
    change = pin.change
    changed = None
    if change is not None:
        # A name whose key was only ever replaced by a person has no other.
        changed = (change.next, change.second, change.count, change.former, change.moved > 0)
    return pin.key, pin.fingerprint, pin.verified is not None, pin.trusted, pin.hold, changed


class World:
    """The known keys of alice, who hears of bob alone, and their file."""

    def __init__(self) -> None:
        self.disk = FakePinDisk()
        self.seconds = 1000.0
        self.keys = self.open(is_new=True)
        self.open_pins: list[Pin] = []

    def open(self, *, is_new: bool = False) -> KnownKeys:
        return known_keys(self.disk, lambda: self.seconds, lambda _: None, OWN, is_new=is_new)

    @property
    def pin(self) -> Pin | None:
        return self.keys.pin_of(NAME)

    def comes(self, who: int) -> None:
        pin = self.pin
        if pin is None or pin.has(KEYS[who]) or pin.follows(KEYS[who]):
            self.open_pins.append(self.keys.opened(NAME, KEYS[who], "10.0.0.2", self.seconds))
        else:
            self.keys.refused(NAME, KEYS[who], "10.0.0.2")

    def goes(self, _: int) -> None:
        if self.open_pins:
            self.keys.closed(self.open_pins.pop(), self.seconds)

    def writes(self, _: int) -> None:
        self.keys.wrote_to(NAME, self.seconds)

    def verifies(self, who: int) -> None:
        self.keys.verify(NAME, fingerprint(KEYS[who]), self.seconds)

    def trusts(self, who: int) -> None:
        self.keys.trust(NAME, fingerprint(KEYS[who]), self.seconds, typed=bool(who % 2))

    def states(self, which: int) -> None:
        (old, _), statement = [*STATEMENTS.items()][which % len(STATEMENTS)]
        self.keys.announced(NAME, KEYS[old], statement, self.seconds)

    def forgets(self, _: int) -> None:
        self.keys.forget(NAME, self.seconds)

    def waits(self, _: int) -> None:
        self.seconds += SETTLES_AFTER / 2
        for _ in range(3):
            self.keys.sweep(self.seconds)
            self.seconds += 6

    def restarts(self, _: int) -> None:
        before = known_in(self.pin)
        self.keys.flush(self.seconds)
        assert self.keys.close(self.seconds)
        self.keys, self.open_pins = self.open(), []
        assert known_in(self.pin) == before, (known_in(self.pin), before)

    def compacts(self, _: int) -> None:
        """What is written anew says the same as all that was written."""
        pins, refused = Pins(), RefusedKeys()
        for line in read_lines(self.data(*everything(self.keys._pins, self.keys._refused))).lines:
            replay(line, pins, refused)
        assert known_in(pins.get(NAME)) == known_in(self.pin)

    @staticmethod
    def data(*lines: bytes) -> bytes:
        head = b'{"file":"p2pchat keys 1","own":"%b"}\n' % key_text(OWN).encode()
        return b"".join((head, *lines))


STEPS = (
    *("comes", "goes", "writes", "verifies", "trusts", "states", "forgets", "waits"),
    *("restarts", "compacts", "states", "comes"),
)


class FileTests(SynchronousTestCase):
    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 11)), max_size=30))
    def test_any_story_is_the_same_after_a_restart(self, story: list[tuple[str, int]]) -> None:
        world = World()
        world.comes(0)
        for step, number in story:
            getattr(world, step)(number if step == "states" else number % 4)
            world.seconds += 1
        world.compacts(0)
        world.restarts(0)

    def test_each_step_of_a_change_after_a_restart(self) -> None:
        """What a story by chance may not reach."""
        first, other = ([*STATEMENTS].index(pair) for pair in ((0, 1), (0, 2)))
        onward = [*STATEMENTS].index((1, 3))
        world = World()
        for step, number in (
            *(("comes", 0), ("states", first), ("writes", 0), ("comes", 1), ("states", onward)),
            *(("verifies", 1), ("comes", 3), ("trusts", 0), ("comes", 0), ("states", other)),
            *(("trusts", 1), ("trusts", 0), ("comes", 0), ("states", other), ("states", first)),
        ):
            getattr(world, step)(number)
            if world.pin is not None and world.pin.settled:
                world.compacts(0)
                world.restarts(0)
        pin = world.pin
        assert pin is not None
        assert pin.change is not None
        self.assertEqual((pin.key, pin.change.next), (KEYS[0], b""))
        self.assertEqual(pin.change.count, STATEMENTS[1, 3].count)

    def test_a_dispute_after_a_restart(self) -> None:
        world = World()
        for step, number in (("comes", 0), ("writes", 0), ("states", 0), ("states", 1)):
            getattr(world, step)(number)
        for _ in range(2):
            world.compacts(0)
            world.restarts(0)
            assert world.pin is not None
            assert world.pin.change is not None
            self.assertEqual((world.pin.change.next, world.pin.change.second), (KEYS[1], KEYS[2]))
            self.assertFalse(world.pin.follows(KEYS[1]))

    def test_lines_that_are_damaged(self) -> None:
        one, other = key_text(KEYS[0]), key_text(KEYS[1])
        good = Line("2026-11-30T00:00:00Z", NAME, "announced", one, next=other, count=7)
        self.assertEqual(len(read_lines(World.data(whole_line(good))).lines), 1)
        for wrong in (
            Line(good.time, NAME, "announced", one),
            Line(good.time, NAME, "announced", "", next=other),
            Line(good.time, NAME, "disputed", one, next=other[1:]),
            Line(good.time, NAME, "rotated", one),
            Line(good.time, NAME, "rotated", "", was=other),
            Line(good.time, NAME, "rotated", one, was="x"),
            Line(good.time, NAME, "seen", one, count=-1),
            Line(good.time, NAME, "seen", one, count=2**63),
        ):
            with self.assertRaises(PinsDamagedError):
                read_lines(World.data(whole_line(wrong)))

    def test_a_torn_end_at_each_byte(self) -> None:
        """The pin before it holds, and the key that is to follow is said again with the link."""
        world = World()
        world.comes(0)
        world.writes(0)
        settled = len(world.disk.files[PATH])
        world.states(0)
        self.assertTrue(world.pin is not None and world.pin.follows(KEYS[1]))
        whole = bytes(world.disk.files[PATH])
        for size in range(settled, len(whole)):
            world.disk = FakePinDisk({PATH: whole[:size]})
            pin = world.open().pin_of(NAME)
            assert pin is not None
            self.assertEqual((pin.key, pin.hold), (KEYS[0], Hold.BY_PERSON))
            self.assertFalse(pin.follows(KEYS[1]))


class MovedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.told: list[bytes | None] = []
        self.world.keys.on_moved = lambda pin, _: self.told.append(pin.key)

    def test_a_light_pin_moves_too_and_goes_as_others(self) -> None:
        world = self.world
        world.comes(0)
        world.states(0)
        world.comes(1)
        self.assertEqual(self.told, [KEYS[1]])
        self.assertEqual((world.keys.names_of(KEYS[0]), world.keys.light), ([], 1))
        self.assertEqual(world.keys.names_of(KEYS[1]), [NAME])
        world.goes(0)
        world.goes(0)
        world.keys.sweep(world.seconds + LIGHT_FOR + 1)
        self.assertEqual((world.pin, world.keys.light), (None, 0))

    def test_what_was_typed_waits_for_the_line_on_the_disk(self) -> None:
        world = self.world
        world.comes(0)
        world.writes(0)
        world.states(0)
        world.comes(1)
        self.assertFalse(world.keys.awaits_disk(NAME))  # it is there already
        self.assertIn(b'"rotated"', bytes(world.disk.files[PATH]))

    def test_bad_signatures_change_nothing(self) -> None:
        world = self.world
        world.comes(0)
        good = STATEMENTS[0, 1]
        for bad in (
            Statement(good.old, good.new, good.count, good.by_new, good.by_old),
            Statement(good.old, good.new, good.count + 1, good.by_old, good.by_new),
            Statement(good.old, KEYS[2], good.count, good.by_old, good.by_new),
        ):
            what = world.keys.announced(NAME, KEYS[0], bad, 0.0)
            self.assertIs(what, Stated.NOTHING)
        assert world.pin is not None
        self.assertIsNone(world.pin.change)
