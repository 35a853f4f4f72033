"""Known keys: what strangers can pin, what the person settles, and what goes by itself."""

from __future__ import annotations

from time import process_time

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity import pin_past, pins
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import (
    LIGHT_FOR,
    SETTLES_AFTER,
    Compared,
    KnownKeys,
)
from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.mesh.identity.pins import MOST_OF_A_GROUP, MOST_OF_A_KEY
from p2pchat.mesh.identity.refused_keys import A_NAME, COMPLETED_FOR, MOST_NAMES, RefusedKeys
from tests.support.pin_disks import ALICE, BOB, MALLORY, PATH, FakePinDisk, known_keys


def key(number: int) -> bytes:
    return number.to_bytes(32)


class KnownKeysTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.seconds = 1.8e9
        self.told: list[str] = []
        self.disk = FakePinDisk()
        self.keys = self.start(is_new=True)

    def start(self, *, is_new: bool = False) -> KnownKeys:
        return known_keys(self.disk, lambda: self.seconds, self.told.append, is_new=is_new)

    def pin(self, peer_id: str = "bob@CIC") -> Pin:
        pin = self.keys.pin_of(peer_id)
        assert pin is not None
        return pin

    def opened(self, peer_id: str = "bob@CIC", by: bytes = BOB, now: float = 0.0) -> Pin:
        return self.keys.opened(peer_id, by, "10.0.0.2", now)


class RefusedAndTrustedTests(KnownKeysTestCase):
    def test_what_is_trusted_was_not_refused_after_a_restart_either(self) -> None:
        self.opened()
        self.keys.wrote_to("bob@CIC", 0.0)
        self.keys.refused("bob@CIC", MALLORY, "10.0.0.9")
        self.keys.refusal_told("bob@CIC", 0.0)
        self.keys.trust("bob@CIC", fingerprint(MALLORY), 1.0, typed=False)
        self.assertEqual(self.keys.refused_names(), [])
        self.keys.close(2.0)
        self.keys = self.start()
        self.assertEqual(self.pin().fingerprint, fingerprint(MALLORY))
        self.assertEqual(self.keys.refused_names(), [])
        self.assertEqual(self.keys.completions("bob@CIC"), [])


class LightTests(KnownKeysTestCase):
    def test_it_goes_ten_minutes_after_its_last_link(self) -> None:
        first = self.opened()
        second = self.opened(now=5.0)
        self.keys.closed(first, 10.0)
        self.keys.sweep(10.0 + LIGHT_FOR)
        self.keys.closed(second, 1000.0)
        self.keys.sweep(1000.0 + LIGHT_FOR - 6)
        self.assertEqual(self.keys.light, 1)
        self.keys.sweep(1000.0 + LIGHT_FOR)
        self.assertIsNone(self.keys.pin_of("bob@CIC"))
        self.assertEqual(self.keys.names_of(BOB), [])

    def test_a_new_link_keeps_it(self) -> None:
        self.keys.closed(self.opened(), 0.0)
        self.keys.closed(self.opened(now=500.0), 600.0)
        self.keys.sweep(1100.0)
        self.assertEqual(self.keys.light, 1)
        self.keys.sweep(600.0 + LIGHT_FOR)
        self.assertEqual(self.keys.light, 0)

    def test_nothing_of_it_is_on_the_disk(self) -> None:
        self.opened()
        self.keys.close(1.0)
        self.assertEqual(self.disk.files[PATH].count(b"\n"), 1)

    def test_a_link_that_outlives_its_pin(self) -> None:
        """The person forgets it, it comes back, and only then the old link ends."""
        old = self.opened()
        self.keys.forget("bob@CIC", 1.0)
        new = self.opened(now=2.0)
        self.keys.closed(old, 3.0)
        self.assertEqual(new.links, 1)
        self.keys.sweep(3.0 + LIGHT_FOR)
        self.assertIs(self.keys.pin_of("bob@CIC"), new)

    def test_another_key_is_a_fault_of_ours(self) -> None:
        self.opened()
        self.assertRaises(ValueError, self.opened, by=MALLORY)

    def test_a_fleeting_one_is_never_settled(self) -> None:
        self.keys.opened("bob@CIC", BOB, "10.0.0.2", 0.0, fleeting=True)
        self.assertTrue(self.keys.wrote_to("bob@CIC", 0.0))
        text = fingerprint(BOB)
        self.assertEqual(self.keys.verify("bob@CIC", text, 0.0).compared, Compared.EQUAL)
        self.keys.trust("bob@CIC", text, 0.0, typed=True)
        self.keys.sweep(SETTLES_AFTER)
        self.assertEqual((self.pin().hold, self.disk.calls), (Hold.LIGHT, ["replace"]))

    def test_a_settled_one_does_not_become_fleeting(self) -> None:
        self.opened()
        self.keys.wrote_to("bob@CIC", 0.0)
        self.keys.opened("bob@CIC", BOB, "10.0.0.2", 1.0, fleeting=True)
        self.assertFalse(self.pin().fleeting)


class BoundTests(KnownKeysTestCase):
    def fill(self, ip: str, of: int, by: bytes | None = None) -> int:
        """How many names one who tries `of` gets."""
        taken = 0
        for number in range(of):
            name, its = f"{ip}-{number}@CIC", by or key(hash((ip, number)) & 0xFFFFFFFFFFFF)
            if self.keys.has_room(name, its, ip):
                self.keys.opened(name, its, ip, 0.0)
                taken += 1
        return taken

    def test_one_key_for_10_000_names(self) -> None:
        self.assertEqual(self.fill("10.9.0.3", 10_000, MALLORY), MOST_OF_A_KEY)
        self.assertEqual(self.fill("10.9.7.3", 10_000, MALLORY), 0)
        self.assertTrue(self.keys.has_room("10.9.0.3-1@CIC", MALLORY, "10.8.0.3"))

    def test_an_address_and_its_group(self) -> None:
        self.assertEqual(self.fill("10.9.0.3", 1000), MOST_OF_A_GROUP)
        # The others of the same room still have one each.
        self.assertEqual(self.fill("10.9.0.4", 1000), 1)
        self.assertEqual(self.fill("10.9.1.4", 1000), MOST_OF_A_GROUP)

    def test_an_ipv6_network(self) -> None:
        self.assertEqual(self.fill("2001:db8::1", 1000), MOST_OF_A_GROUP)
        self.assertEqual(self.fill("2001:db8::2", 1000), 0)

    def test_this_machine(self) -> None:
        self.assertEqual(self.fill("127.0.0.1", 500), 500)

    def test_in_all(self) -> None:
        self.patch(pins, "MOST_LIGHT", 100)
        self.assertEqual(sum(self.fill(f"10.{number}.0.1", 20) for number in range(20)), 100)

    def test_what_is_settled_or_gone_does_not_count(self) -> None:
        self.fill("10.9.0.3", 8, MALLORY)
        self.keys.wrote_to("10.9.0.3-0@CIC", 0.0)
        self.assertTrue(self.keys.has_room("x@CIC", MALLORY, "10.9.0.3"))
        for pin in self.keys.pins():
            self.keys.closed(pin, 0.0)
        self.keys.sweep(LIGHT_FOR)
        self.assertEqual(self.fill("10.9.0.4", 100), MOST_OF_A_GROUP)

    def test_of_those_that_time_settled_the_longest_unseen_goes(self) -> None:
        self.patch(pins, "MOST_BY_TIME", 3)
        for number in range(5):
            self.seconds += 1
            self.opened(f"p{number}@CIC", key(number))
        self.keys.wrote_to("p0@CIC", 0.0)
        for number in (3, 2):
            self.keys.closed(self.pin(f"p{number}@CIC"), SETTLES_AFTER - number)
            self.opened(f"p{number}@CIC", key(number), SETTLES_AFTER - number)
        self.keys.closed(self.pin("p4@CIC"), SETTLES_AFTER)
        self.keys.sweep(SETTLES_AFTER)
        self.keys.sweep(SETTLES_AFTER + 10)
        known = {pin.peer_id for pin in self.keys.pins() if pin.settled}
        self.assertIn("p0@CIC", known)
        self.assertEqual((len(known), self.keys.dropped), (4, 0))
        self.opened("p5@CIC", key(5), SETTLES_AFTER)
        self.keys.closed(self.pin("p1@CIC"), SETTLES_AFTER + 20)
        self.keys.sweep(2 * SETTLES_AFTER)
        self.assertEqual(self.keys.dropped, 1)
        self.assertIsNone(self.keys.pin_of("p1@CIC"))
        self.keys.close(2 * SETTLES_AFTER)
        self.assertIsNone(self.start().pin_of("p1@CIC"))

    def test_many_that_time_settled_and_that_all_have_links(self) -> None:
        """Room for one more is found at once, however many were looked at before."""
        most, more = 30_000, 2_000
        self.patch(pins, "MOST_BY_TIME", most)
        known = pins.Pins()
        for number in range(most + more):
            pin = Pin(f"p{number}@CIC", "", key(number), since=0.0, seen=0.0)
            known.add(pin, f"10.{number >> 8}.{number & 255}.1")
            known.opened(pin, 0.0)
            if number < most:
                known.settle(pin, Hold.BY_TIME)
        began, turns = process_time(), 0
        while due := known.open_for(SETTLES_AFTER, SETTLES_AFTER):
            turns += 1
            for pin in due:
                known.settle(pin, Hold.BY_TIME)
            while (oldest := known.one_too_many()) is not None:
                known.take_out(oldest)
        self.assertEqual((turns, len(known.by_time)), (more // pins.AT_ONCE, most))
        self.assertLess(process_time() - began, 0.15)

    def test_the_file_holds_what_the_person_settled_however_much_it_is(self) -> None:
        self.patch(pin_past, "_MOST_BYTES", 1000)
        for number in range(20):
            self.opened(f"p{number}@CIC", key(number))
        self.keys.sweep(SETTLES_AFTER)
        for number in range(4):
            self.keys.wrote_to(f"p{number}@CIC", SETTLES_AFTER)
        assert self.keys.file is not None
        self.keys.file.write_anew()
        self.assertLess(len(self.disk.files[PATH]), 1200)
        known = {pin.peer_id for pin in self.start().pins()}
        self.assertLessEqual({f"p{number}@CIC" for number in range(4)}, known)
        self.assertIn("p19@CIC", known)


class SettlingTests(KnownKeysTestCase):
    def test_the_first_direct_message(self) -> None:
        self.assertTrue(self.keys.wrote_to("bob@CIC", 0.0))
        self.opened()
        self.assertTrue(self.keys.wrote_to("bob@CIC", 0.0))
        self.assertTrue(self.keys.wrote_to("bob@CIC", 0.0))
        self.assertEqual(self.disk.calls, ["replace", "write"])
        self.assertIs(self.pin().hold, Hold.BY_PERSON)

    def test_an_hour_of_links_together(self) -> None:
        now = 0.0
        for _ in range(5):
            pin = self.opened(now=now)
            self.keys.sweep(now + SETTLES_AFTER / 6)
            self.assertIs(pin.hold, Hold.LIGHT)
            self.keys.closed(pin, now + SETTLES_AFTER / 6)
            now += SETTLES_AFTER / 6 + 60
        self.opened(now=now)
        self.keys.sweep(now + SETTLES_AFTER / 6)
        self.assertIs(self.pin().hold, Hold.BY_TIME)
        self.assertIn(b'"how":"time"', self.disk.files[PATH])

    def test_two_links_at_once_are_no_two_hours(self) -> None:
        self.opened()
        self.opened()
        self.keys.sweep(SETTLES_AFTER / 2)
        self.assertIs(self.pin().hold, Hold.LIGHT)

    def test_a_name_that_is_contested_is_never_settled_by_time(self) -> None:
        self.opened()
        self.keys.contested("bob@CIC")
        self.keys.sweep(10 * SETTLES_AFTER)
        self.assertIs(self.pin().hold, Hold.LIGHT)
        self.assertTrue(self.keys.wrote_to("bob@CIC", 10 * SETTLES_AFTER))

    def test_what_time_settled_the_person_settles_for_good(self) -> None:
        self.opened()
        self.keys.sweep(SETTLES_AFTER)
        self.assertTrue(self.keys.wrote_to("bob@CIC", SETTLES_AFTER))
        self.keys.close(SETTLES_AFTER)
        self.keys = self.start()
        self.assertIs(self.pin().hold, Hold.BY_PERSON)


class PersonTests(KnownKeysTestCase):
    def test_verify(self) -> None:
        text = fingerprint(BOB)
        for name, typed, compared in (
            ("carol@CIC", text, Compared.UNKNOWN),
            ("bob@CIC", fingerprint(MALLORY), Compared.DIFFERENT),
            ("bob@CIC", text.lower().replace("-", " "), Compared.EQUAL),
        ):
            self.opened()
            self.assertEqual(self.keys.verify(name, typed, 0.0).compared, compared)
            self.assertEqual(self.pin().verified is not None, compared is Compared.EQUAL)
        self.assertRaises(ValueError, self.keys.verify, "bob@CIC", text[:4], 0.0)

    def test_a_code_verifies_the_key_that_is_known_and_stays_told_apart(self) -> None:
        for name, theirs, compared in (
            ("carol@CIC", BOB, Compared.UNKNOWN),
            ("bob@CIC", MALLORY, Compared.DIFFERENT),
            ("bob@CIC", BOB, Compared.EQUAL),
        ):
            self.opened()
            decision = self.keys.paired(name, theirs, 0.0)
            self.assertEqual(decision.compared, compared)
            self.assertEqual(self.pin().verified is not None, compared is Compared.EQUAL)
        for _ in range(2):
            self.assertTrue(self.pin().by_code)
            self.assertIs(self.pin().hold, Hold.BY_PERSON)
            self.assertIn(b'"event":"verified","key":', self.disk.files[PATH])
            self.assertIn(b'"how":"code"', self.disk.files[PATH])
            file = self.keys.file
            assert file is not None
            file.write_anew()
            self.keys.close(1.0)
            self.keys = self.start()
        self.keys.verify("bob@CIC", fingerprint(BOB), 0.0)
        self.assertFalse(self.pin().by_code)
        self.keys.close(2.0)
        self.keys = self.start()
        self.assertEqual((self.pin().verified is not None, self.pin().by_code), (True, False))

    def test_trust_takes_a_refused_key(self) -> None:
        self.opened()
        self.keys.wrote_to("bob@CIC", 0.0)
        self.keys.refused("bob@CIC", MALLORY, "10.9.0.3")
        self.keys.trust("bob@CIC", fingerprint(MALLORY), 0.0, typed=False)
        self.assertEqual((self.pin().key, self.pin().verified), (MALLORY, None))
        self.assertEqual(self.keys.refused_under("bob@CIC"), [])
        self.assertIn(b'"was":', self.disk.files[PATH])
        self.assertEqual(self.keys.names_of(BOB), [])
        self.assertEqual(self.keys.names_of(MALLORY), ["bob@CIC"])

    def test_trust_of_a_key_that_was_flushed_out(self) -> None:
        """Row 23: strangers cannot take from the person the fingerprint that bob read out."""
        self.opened(by=ALICE)
        self.keys.wrote_to("bob@CIC", 0.0)
        self.keys.refused("bob@CIC", BOB, "10.0.0.2")
        for number in range(10_000):
            self.keys.refused("bob@CIC", key(number), "10.9.0.3")
        self.assertEqual(len(self.keys.refused_under("bob@CIC")), A_NAME)
        self.keys.trust("bob@CIC", fingerprint(BOB), 0.0, typed=True)
        self.assertIsNone(self.pin().key)
        self.assertEqual(self.opened().key, BOB)
        self.keys.close(0.0)
        self.keys = self.start()
        self.assertEqual((self.pin().key, self.pin().verified), (BOB, self.seconds))

    def test_trust_before_the_first_contact(self) -> None:
        decision = self.keys.trust("bob@CIC", fingerprint(BOB), 0.0, typed=True)
        self.assertEqual(self.successResultOf(decision.synced), "")
        self.keys = self.start()
        self.assertRaises(ValueError, self.opened, by=MALLORY)
        self.assertEqual(self.opened().hold, Hold.BY_PERSON)
        self.assertEqual(self.keys.names_of(BOB), ["bob@CIC"])

    def test_trust_of_what_is_no_name_or_no_fingerprint(self) -> None:
        for name, text in (("bob", fingerprint(BOB)), ("bob@CIC", "Y3YW-Z254")):
            self.assertRaises(ValueError, self.keys.trust, name, text, 0.0, typed=True)

    def test_forget(self) -> None:
        self.assertEqual(self.keys.forget("bob@CIC", 0.0).compared, Compared.UNKNOWN)
        self.opened()
        self.keys.wrote_to("bob@CIC", 0.0)
        self.keys.refused("bob@CIC", MALLORY, "10.9.0.3")
        self.keys.forget("bob@CIC", 0.0)
        self.assertEqual(self.keys.refused_under("bob@CIC"), [])
        self.assertIn(b"forgotten", self.disk.files[PATH])
        self.assertIsNone(self.start().pin_of("bob@CIC"))

    def test_tab_completes_what_was_refused_in_the_last_hour(self) -> None:
        self.opened()
        self.keys.refused("bob@CIC", key(1), "10.9.0.3")
        self.seconds += COMPLETED_FOR - 10
        self.keys.refused("bob@CIC", key(2), "10.9.0.3")
        both = [fingerprint(key(2)), fingerprint(key(1))]
        self.assertEqual(self.keys.completions("bob@CIC"), both)
        self.seconds += 20
        self.assertEqual(self.keys.completions("bob@CIC"), both[:1])
        self.keys.verify("bob@CIC", fingerprint(BOB), 0.0)
        self.assertEqual(self.keys.completions("bob@CIC"), [])

    def test_one_key_two_names(self) -> None:
        """Row 20: one person may have two names."""
        self.opened("bob@CIC")
        self.opened("bob@home")
        self.assertEqual(self.keys.names_of(BOB), ["bob@CIC", "bob@home"])
        self.keys.forget("bob@CIC", 0.0)
        self.assertEqual(self.keys.names_of(BOB), ["bob@home"])


class RefusedTests(SynchronousTestCase):
    def test_names_are_bounded(self) -> None:
        refused = RefusedKeys()
        for number in range(MOST_NAMES + 10):
            refused.add(f"p{number}@CIC", BOB, "10.9.0.3", 0.0)
        self.assertEqual(refused.of("p9@CIC"), [])
        self.assertEqual(len(refused.of("p10@CIC")), 1)

    def test_the_same_key_again(self) -> None:
        refused = RefusedKeys()
        for by, at in ((BOB, 1.0), (MALLORY, 2.0), (BOB, 3.0)):
            refused.add("bob@CIC", by, "10.9.0.3", at)
        self.assertEqual(
            [(old.key, old.at) for old in refused.of("bob@CIC")], [(BOB, 3.0), (MALLORY, 2.0)]
        )
