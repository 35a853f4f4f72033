"""The tables of trust, cell by cell."""

from __future__ import annotations

from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.identity.trust import (
    BUSY,
    ENCRYPTION_REQUIRED,
    LIVES_FOR,
    NAME_IN_USE,
    TAKEN,
    AlertKind,
    Dial,
    OpenLink,
    Policy,
    Verdict,
    another_key,
    dialed_in_vain,
    how_to_dial,
    may_carry,
    may_show_ourselves,
    may_stay,
    vouch,
)
from tests.support.pin_disks import BOB, MALLORY

OFF, PREFER, REQUIRE = Policy.OFF, Policy.PREFER, Policy.REQUIRE
PIN = Pin("bob@CIC", fingerprint(BOB), BOB, since=100.0, seen=100.0)
NOW = 1000.0


class Link(NamedTuple):
    key: bytes | None
    ip: str = "10.0.0.2"
    heard_at: float = NOW
    waits_for_us: bool = False


def arrives(
    policy: Policy,
    pin: Pin | None,
    key: bytes | None,
    *links: OpenLink,
    room: bool = True,
    able: bool = False,
    ip: str = "10.0.0.2",
) -> Verdict:
    return vouch(policy, pin, "bob@CIC", key, ip, links, NOW, room=room, able=able)


class DialTests(SynchronousTestCase):
    def test_every_cell(self) -> None:
        for policy, pinned, able, dial in (
            (OFF, False, False, Dial.PLAIN),
            (OFF, False, True, Dial.PLAIN),
            (OFF, True, False, Dial.PLAIN),
            (OFF, True, True, Dial.PLAIN),
            (PREFER, False, False, Dial.ASK),
            (PREFER, False, True, Dial.SEALED),
            (PREFER, True, False, Dial.SEALED),
            (PREFER, True, True, Dial.SEALED),
            (REQUIRE, False, False, Dial.SEALED),
            (REQUIRE, False, True, Dial.SEALED),
            (REQUIRE, True, False, Dial.SEALED),
            (REQUIRE, True, True, Dial.SEALED),
        ):
            self.assertIs(how_to_dial(policy, pinned=pinned, able=able), dial)

    def test_who_sees_our_certificate(self) -> None:
        self.assertTrue(may_show_ourselves(None, MALLORY))
        self.assertTrue(may_show_ourselves(PIN, BOB))
        self.assertFalse(may_show_ourselves(PIN, MALLORY))

    def test_an_address_that_passed_to_somebody_else_is_no_alert(self) -> None:
        for registered, somebodys, told in (
            (True, False, True),
            (True, True, False),
            (False, False, False),
            (False, True, False),
        ):
            verdict = dialed_in_vain(registered=registered, somebodys=somebodys)
            self.assertEqual(verdict.alert is AlertKind.OTHER_KEY, told)
            self.assertEqual((verdict.refuse_key, verdict.contested), (told, told))
            self.assertFalse(verdict.take)
            self.assertEqual(verdict.bye, "")


class ArrivalTests(SynchronousTestCase):
    def test_every_cell(self) -> None:
        other = Verdict(
            False, another_key("bob@CIC"), AlertKind.OTHER_KEY, refuse_key=True, contested=True
        )
        plain = Verdict(False, ENCRYPTION_REQUIRED, AlertKind.NO_KEY, contested=True)
        for policy, pin, key, verdict in (
            (OFF, None, None, TAKEN),
            (OFF, PIN, None, TAKEN),
            (OFF, None, BOB, Verdict(False, NAME_IN_USE)),
            (OFF, PIN, BOB, Verdict(False, NAME_IN_USE)),
            (PREFER, None, None, TAKEN),
            (PREFER, None, BOB, TAKEN),
            (PREFER, PIN, BOB, TAKEN),
            (PREFER, PIN, MALLORY, other),
            (PREFER, PIN, None, plain),
            (REQUIRE, None, None, Verdict(False, ENCRYPTION_REQUIRED)),
            (REQUIRE, None, BOB, TAKEN),
            (REQUIRE, PIN, BOB, TAKEN),
            (REQUIRE, PIN, MALLORY, other),
            (REQUIRE, PIN, None, Verdict(False, ENCRYPTION_REQUIRED, contested=True)),
        ):
            self.assertEqual(arrives(policy, pin, key), verdict, (policy, pin, key))

    def test_a_fingerprint_that_was_pinned_before_the_first_contact(self) -> None:
        pin = Pin("bob@CIC", fingerprint(BOB), None, since=0.0, seen=0.0)
        self.assertTrue(arrives(PREFER, pin, BOB).take)
        self.assertFalse(arrives(PREFER, pin, MALLORY).take)
        self.assertFalse(arrives(PREFER, pin, None).take)

    def test_an_address_that_can_do_it_says_that_it_cannot(self) -> None:
        self.assertEqual(
            arrives(PREFER, None, None, able=True), Verdict(False, ENCRYPTION_REQUIRED)
        )
        self.assertTrue(arrives(OFF, None, None, able=True).take)

    def test_no_room(self) -> None:
        self.assertEqual(arrives(PREFER, None, BOB, room=False), Verdict(False, BUSY))
        self.assertTrue(arrives(PREFER, PIN, BOB, room=False).take)

    def test_two_links_of_one_name_never_have_two_keys_nor_a_key_and_none(self) -> None:
        for policy in Policy:
            for pin in (None, PIN):
                for links in ([Link(BOB)], [Link(BOB), Link(BOB)]):
                    self.assertFalse(arrives(policy, pin, MALLORY, *links).take)
                    self.assertFalse(arrives(policy, pin, None, *links).take)

    def test_a_second_sealed_link_with_the_same_key(self) -> None:
        self.assertEqual(arrives(PREFER, PIN, BOB, Link(BOB)), TAKEN)


class FirstKeyTests(SynchronousTestCase):
    """Row 19: a first key comes while somebody talks in the clear under the name."""

    def test_from_the_same_address(self) -> None:
        self.assertEqual(arrives(PREFER, None, BOB, Link(None)), Verdict(True, end=True))
        same = Link(None, "2001:db8::1")
        self.assertTrue(arrives(PREFER, None, BOB, same, ip="2001:db8::2").take)

    def test_from_another_address_while_it_lives(self) -> None:
        verdict = Verdict(False, NAME_IN_USE, AlertKind.SECOND, refuse_key=True)
        for heard_at in (NOW, NOW - LIVES_FOR):
            link = Link(None, heard_at=heard_at)
            self.assertEqual(arrives(PREFER, None, MALLORY, link, ip="10.9.0.3"), verdict)

    def test_from_another_machine_of_a_link_without_ipv4(self) -> None:
        link = Link(None, "fe80::b%eth0")
        verdict = arrives(PREFER, None, MALLORY, link, ip="fe80::bad%eth0")
        self.assertEqual(verdict.alert, AlertKind.SECOND)
        self.assertTrue(arrives(PREFER, None, BOB, link, ip="fe80::b%eth0").take)

    def test_from_another_address_when_it_is_not_sure_whether_it_lives(self) -> None:
        link = Link(None, heard_at=NOW - LIVES_FOR - 0.1)
        verdict = arrives(PREFER, None, MALLORY, link, ip="10.9.0.3")
        self.assertEqual((verdict.take, verdict.bye, verdict.doubt), (False, NAME_IN_USE, True))

    def test_one_of_two_is_at_the_same_address(self) -> None:
        links = (Link(None), Link(None, "10.9.0.3"))
        self.assertFalse(arrives(PREFER, None, MALLORY, *links, ip="10.9.0.3").take)

    def test_the_pinned_key_has_the_name(self) -> None:
        verdict = arrives(PREFER, PIN, BOB, Link(None, "10.9.0.3"))
        self.assertEqual(verdict, Verdict(True, end=True))


class OpenLinkTests(SynchronousTestCase):
    def test_what_stays_after_a_decision_of_the_person(self) -> None:
        for policy, pin, key, stays in (
            (OFF, None, None, True),
            (OFF, PIN, None, True),
            (OFF, PIN, BOB, True),
            (OFF, PIN, MALLORY, False),
            (PREFER, None, None, True),
            (PREFER, PIN, None, False),
            (PREFER, PIN, BOB, True),
            (PREFER, PIN, MALLORY, False),
            (PREFER, None, MALLORY, True),
            (REQUIRE, None, None, False),
            (REQUIRE, PIN, None, False),
            (REQUIRE, PIN, BOB, True),
        ):
            self.assertEqual(may_stay(policy, pin, key), stays, (policy, pin, key))

    def test_what_was_typed_in_the_clear_does_not_move_to_a_new_key(self) -> None:
        self.assertTrue(may_carry(PIN, None))
        self.assertTrue(may_carry(PIN, PIN.since))
        self.assertFalse(may_carry(PIN, PIN.since - 1))
        chosen = Pin("bob@CIC", fingerprint(BOB), BOB, since=100.0, seen=100.0, trusted=True)
        self.assertTrue(may_carry(chosen, chosen.since - 1))
