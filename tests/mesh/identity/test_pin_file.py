"""The file of known keys: what a kill, a power cut, a full disk and damage leave of it."""

from __future__ import annotations

import random
import stat
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.disk import SYSTEM
from p2pchat.mesh.identity import pin_file
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Hold
from p2pchat.mesh.identity.pin_file import RETRY, SYNC_WITHIN, open_pins
from p2pchat.mesh.identity.pin_lines import (
    Line,
    PinsDamagedError,
    head_line,
    read_lines,
    seconds,
    stamp,
    whole_line,
)
from p2pchat.speech import Sentence
from tests.support.loglines import captured
from tests.support.pin_disks import ALICE, BOB, MALLORY, PATH, FakePinDisk, known_keys

WALL = 1.8e9
HEAD = head_line(ALICE)
SEEN = b"".join(
    whole_line(Line(stamp(WALL), f"p{number}@CIC", "seen", key, how="written"))
    for number, key in enumerate(
        (
            "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
            "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
        )
    )
)


class PinFileTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[str] = []

    def tell(self, sentence: Sentence) -> None:
        self.told.append(str(sentence))

    def known(self, disk: FakePinDisk, *, is_new: bool = False) -> KnownKeys:
        return known_keys(disk, lambda: WALL, self.told.append, is_new=is_new)

    def settled(self, keys: KnownKeys) -> dict[str, str]:
        return {pin.peer_id: pin.fingerprint for pin in keys.pins() if pin.settled}


class ReadingTests(PinFileTestCase):
    def test_every_event(self) -> None:
        disk = FakePinDisk()
        keys = self.known(disk, is_new=True)
        pin = keys.opened("bob@CIC", BOB, "10.0.0.2", 0.0)
        keys.wrote_to("bob@CIC", 1.0)
        keys.verify("bob@CIC", pin.fingerprint, 2.0)
        keys.refused("bob@CIC", MALLORY, "10.9.0.3")
        keys.refusal_told("bob@CIC", 3.0)
        keys.trust("carol@CIC", fingerprint(MALLORY), 4.0, typed=False)
        keys.trust("carol@CIC", fingerprint(BOB), 4.0, typed=True)
        keys.trust("dave@CIC", fingerprint(BOB), 5.0, typed=True)
        keys.forget("dave@CIC", 6.0)
        keys.close(7.0)
        again = self.known(FakePinDisk({PATH: bytes(disk.files[PATH])}))
        bob, carol = again.pin_of("bob@CIC"), again.pin_of("carol@CIC")
        assert bob is not None
        assert carol is not None
        self.assertEqual((bob.key, bob.hold, bob.verified), (BOB, Hold.BY_PERSON, WALL))
        self.assertEqual((carol.key, carol.trusted, carol.verified), (None, True, WALL))
        self.assertTrue(carol.has(BOB))
        self.assertIsNone(again.pin_of("dave@CIC"))
        self.assertEqual([old.key for old in again.refused_under("bob@CIC")], [MALLORY])
        self.assertEqual(self.told, [])

    def test_it_belongs_to_a_key_of_ours(self) -> None:
        for data, told in (
            (HEAD + SEEN, []),
            (b"", [f"nobody is known any more: {PATH} is empty"]),
            (
                head_line(MALLORY) + SEEN,
                [f"{PATH} was made with another key of yours: those whom it knows are known still"],
            ),
        ):
            self.told.clear()
            disk = FakePinDisk({PATH: data})
            keys = self.known(disk)
            self.assertEqual(self.told, told)
            self.assertEqual(len(keys.pins()), 2 if data else 0)
            self.assertTrue(disk.files[PATH].startswith(HEAD))

    def test_it_is_gone(self) -> None:
        self.known(FakePinDisk())
        self.assertEqual(self.told, [f"nobody is known any more: {PATH} is gone"])
        self.told.clear()
        self.known(FakePinDisk(), is_new=True)
        self.assertEqual(self.told, [])

    def test_damage_is_never_nobody(self) -> None:
        first, second = SEEN.splitlines(keepends=True)
        for data, where in (
            (b"\x00" * 40 + b"\n" + SEEN, "line 1 is not that of known keys"),
            (SEEN, "line 1 is not that of known keys"),
            (HEAD + first[:-20] + b"\n" + second, "line 2 cannot be read"),
            (HEAD + first + second.replace(b"seen", b"sean"), "line 3 cannot be read"),
            (HEAD + first + second.replace(b"AgIC", b"AgI"), "line 3 cannot be read"),
            (HEAD + first + second.replace(b"p1@CIC", b"p1"), "line 3 cannot be read"),
            (HEAD + first + second.replace(b"Z", b"X"), "line 3 cannot be read"),
            (HEAD + first + b"\n" + second, "line 3 cannot be read"),
        ):
            with self.assertRaises(PinsDamagedError) as caught:
                self.known(FakePinDisk({PATH: data}))
            self.assertEqual(
                str(caught.exception),
                f"cannot read the known keys in {PATH} ({where}): bring the file back from a copy, "
                "or move it away, and then nobody is known any more",
            )

    def test_it_may_not_be_read(self) -> None:
        disk = FakePinDisk({PATH: HEAD})

        def read(path: str) -> bytes:
            raise PermissionError(13, "Permission denied")

        disk.read = read  # type: ignore[method-assign]
        with self.assertRaises(PinsDamagedError) as caught:
            self.known(disk)
        self.assertIn("(Permission denied)", str(caught.exception))

    def test_a_settled_key_gives_way_to_nothing_but_the_person(self) -> None:
        other = SEEN.replace(b"p1@CIC", b"p0@CIC")
        keys = self.known(FakePinDisk({PATH: HEAD + other}))
        pin = keys.pin_of("p0@CIC")
        assert pin is not None
        self.assertEqual(pin.fingerprint, "Y3YW-Z254-ZYFB-5S3W")

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=200), st.integers(0, len(HEAD + SEEN)), st.booleans())
    def test_whatever_stands_in_it(self, noise: bytes, at: int, instead: bool) -> None:
        whole = HEAD + SEEN
        data = whole[:at] + noise + (b"" if instead else whole[at:])
        try:
            contents = read_lines(data)
        except PinsDamagedError:
            return
        self.assertLessEqual(contents.size, len(data))
        self.assertEqual(
            data[: contents.size].count(b"\n"), len(contents.lines) + bool(contents.own)
        )

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, 253_402_300_799))
    def test_times(self, second: int) -> None:
        self.assertEqual(seconds(stamp(second)), second)

    def test_a_clock_that_is_set_to_nonsense(self) -> None:
        for second in (-1e12, 1e18, float("inf")):
            seconds(stamp(second))


class KillTests(PinFileTestCase):
    def test_200_kills_lose_nothing_that_was_settled(self) -> None:
        """At any byte of what was written: pins of steps that were over hold, and no other keys."""
        chance = random.Random(5)
        for _ in range(20):
            disk, history = self.lived(chance)
            data = bytes(disk.files[PATH])
            for cut in chance.choices(range(history[0][0], len(data) + 1), k=10):
                after_kill = FakePinDisk({PATH: data[:cut]})
                known = self.settled(self.known(after_kill))
                over = max(index for index, (size, _) in enumerate(history) if size <= cut)
                allowed = [pins for _, pins in history[over : over + 2]]
                for name in known.keys() | allowed[0].keys():
                    self.assertIn(known.get(name), [pins.get(name) for pins in allowed])
                self.goes_on(after_kill, known)
        self.assertEqual(self.told, [])

    def lived(self, chance: random.Random) -> tuple[FakePinDisk, list[tuple[int, dict[str, str]]]]:
        disk = FakePinDisk()
        keys = self.known(disk, is_new=True)
        history = [(len(disk.files[PATH]), self.settled(keys))]
        for step in range(40):
            name = f"p{chance.randrange(6)}@CIC"
            key = bytes([chance.randrange(4, 8)]) * 32
            pin = keys.pin_of(name)
            act = chance.randrange(6)
            if act == 0:
                keys.trust(name, fingerprint(key), step, typed=chance.random() < 0.5)
            elif act == 1 and pin is not None:
                keys.verify(name, pin.fingerprint, step)
            elif act == 2 and chance.random() < 0.3:
                keys.forget(name, step)
            elif act == 3:
                keys.refused(name, key, "10.9.0.3")
                keys.refusal_told(name, step)
            elif pin is None or pin.has(key):
                keys.opened(name, key, "10.0.0.2", step)
                keys.wrote_to(name, step)
            history.append((len(disk.files[PATH]), self.settled(keys)))
        self.assertNotIn("replace", disk.calls[1:])
        return disk, history

    def goes_on(self, disk: FakePinDisk, known: dict[str, str]) -> None:
        """What comes next is not glued to a torn end."""
        keys = self.known(disk)
        keys.opened("new@CIC", BOB, "10.0.0.2", 0.0)
        keys.wrote_to("new@CIC", 0.0)
        self.assertEqual(self.settled(self.known(disk)), {**known, "new@CIC": fingerprint(BOB)})

    def test_a_first_message_is_written_before_it_leaves_and_synced_within_a_second(self) -> None:
        disk = FakePinDisk()
        keys = self.known(disk, is_new=True)
        keys.opened("bob@CIC", BOB, "10.0.0.2", 10.0)
        keys.wrote_to("bob@CIC", 10.0)
        self.assertEqual(disk.calls, ["replace", "write"])
        for quarter in range(4):
            keys.sweep(10.0 + quarter * SYNC_WITHIN / 4)
        self.assertEqual(disk.calls, ["replace", "write", "sync"])
        self.assertEqual(disk.synced[PATH], len(disk.files[PATH]))

    def test_what_the_person_decides_is_synced_before_the_answer(self) -> None:
        disk = FakePinDisk()
        keys = self.known(disk, is_new=True)
        pin = keys.opened("bob@CIC", BOB, "10.0.0.2", 10.0)
        for act in (
            lambda: keys.verify("bob@CIC", pin.fingerprint, 10.0),
            lambda: keys.trust("bob@CIC", fingerprint(MALLORY), 10.0, typed=True),
            lambda: keys.forget("bob@CIC", 10.0),
        ):
            self.assertEqual(self.successResultOf(act().synced), "")
            self.assertEqual(disk.synced[PATH], len(disk.files[PATH]))


class DiskTests(PinFileTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.disk = FakePinDisk()
        self.keys = self.known(self.disk, is_new=True)
        self.keys.opened("bob@CIC", BOB, "10.0.0.2", 0.0)
        self.keys.opened("carol@CIC", MALLORY, "10.0.0.3", 0.0)

    def stored(self) -> dict[str, str]:
        return self.settled(self.known(FakePinDisk({PATH: bytes(self.disk.files[PATH])})))

    def test_a_full_disk(self) -> None:
        logged = captured(self)
        self.disk.room = 30
        self.assertTrue(self.keys.wrote_to("bob@CIC", 0.0))
        self.assertEqual(
            self.told,
            [
                f"the known keys cannot be written to {PATH} (No space left on device): "
                "they hold until this program ends"
            ],
        )
        self.assertEqual(logged(), [], "who is told has it in the log, too")
        self.keys.wrote_to("carol@CIC", 1.0)
        self.assertEqual(len(self.settled(self.keys)), 2)
        self.assertEqual(self.stored(), {})
        writes = self.disk.calls.count("write")
        self.keys.sweep(RETRY - 1)
        self.assertEqual(self.disk.calls.count("write"), writes)
        self.disk.room = None
        self.keys.sweep(RETRY)
        self.assertEqual(self.told[1:], [f"the known keys are written to {PATH} again"])
        self.assertEqual(self.stored(), self.settled(self.keys))
        self.assertEqual(self.disk.synced[PATH], len(self.disk.files[PATH]))

    def test_the_person_is_told_whether_it_is_stored(self) -> None:
        self.disk.read_only = True
        decision = self.keys.trust("bob@CIC", fingerprint(MALLORY), 0.0, typed=True)
        self.assertNotEqual(self.successResultOf(decision.synced), "")
        pin = self.keys.pin_of("bob@CIC")
        assert pin is not None
        self.assertTrue(pin.has(MALLORY))
        self.disk.read_only = False
        self.keys.sweep(RETRY)
        self.assertEqual(self.stored(), {"bob@CIC": fingerprint(MALLORY)})

    def test_a_folder_that_is_read_only_from_the_start(self) -> None:
        disk = FakePinDisk()
        disk.read_only = True
        keys = self.known(disk, is_new=True)
        keys.opened("bob@CIC", BOB, "10.0.0.2", 0.0)
        keys.wrote_to("bob@CIC", 1.0)
        self.assertEqual(len(self.told), 1)
        disk.read_only = False
        keys.sweep(RETRY + 1)
        self.assertEqual(self.settled(self.known(disk)), {"bob@CIC": fingerprint(BOB)})

    def test_a_sync_that_fails_has_the_whole_file_written_anew(self) -> None:
        self.disk.sync_fails = True
        self.keys.wrote_to("bob@CIC", 0.0)
        self.keys.sweep(1.0)
        self.assertIn("(Input/output error)", self.told[0])
        self.disk.sync_fails = False
        # The kernel says once that a page is lost, and then that all is well.
        del self.disk.files[PATH][len(HEAD) :]
        self.keys.sweep(1.0 + RETRY)
        self.assertEqual(self.stored(), {"bob@CIC": fingerprint(BOB)})

    def test_lines_that_wait_are_bounded(self) -> None:
        self.patch(pin_file, "_WAITING", 1000)
        self.disk.room = 0
        for number in range(50):
            self.keys.trust(f"p{number}@CIC", fingerprint(BOB), 0.0, typed=True)
        self.disk.room = None
        self.keys.sweep(RETRY)
        self.assertEqual(len(self.stored()), 50)

    def test_it_is_written_anew_when_it_has_grown(self) -> None:
        self.patch(pin_file, "GROWTH", 5_000)
        self.patch(pin_file, "_AT_ONCE", 10)
        for number in range(100):
            name = f"p{number % 20}@CIC"
            self.keys.trust(name, fingerprint(bytes([number]) * 32), 0.0, typed=True)
            self.keys.sweep(float(number))
        for number in range(100, 140):
            # While pieces of the new file are made.
            self.keys.trust("late@CIC", fingerprint(bytes([number]) * 32), 0.0, typed=True)
            self.keys.forget(f"p{number % 5}@CIC", 0.0)
            self.keys.sweep(float(number))
            self.assertEqual(self.stored(), self.settled(self.keys))
        self.assertGreater(self.disk.calls.count("replace"), 1)
        self.assertLess(len(self.disk.files[PATH]), 12_000)

    def test_it_is_written_anew_at_the_start_when_most_of_it_is_superseded(self) -> None:
        for number in range(100):
            self.keys.trust("bob@CIC", fingerprint(bytes([number]) * 32), 0.0, typed=True)
        self.assertEqual(len(self.disk.files[PATH].splitlines()), 101)
        known = self.settled(self.known(self.disk))
        self.assertEqual(len(self.disk.files[PATH].splitlines()), 3)
        self.assertEqual(self.stored(), known)


class RealDiskTests(PinFileTestCase):
    """The disk of the system does what the fake does."""

    def test_it_is_the_persons_alone(self) -> None:
        path = Path(self.mktemp())
        file, lines = open_pins(SYSTEM, str(path), ALICE, self.tell, is_new=True)
        keys = KnownKeys(lambda: WALL, file, lines)
        keys.opened("bob@CIC", BOB, "10.0.0.2", 0.0)
        keys.wrote_to("bob@CIC", 0.0)
        keys.close(0.0)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        path.chmod(0o644)
        with path.open("ab") as torn:
            torn.write(b'{"time":')
        file, lines = open_pins(SYSTEM, str(path), ALICE, self.tell)
        keys = KnownKeys(lambda: WALL, file, lines)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        keys.trust("carol@CIC", fingerprint(MALLORY), 0.0, typed=True)
        keys.close(0.0)
        _, lines = open_pins(SYSTEM, str(path), ALICE, self.tell)
        self.assertEqual([line.peer_id for line in lines], ["bob@CIC", "carol@CIC"])
