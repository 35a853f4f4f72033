"""Vouching: what is refused, remembered and told, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity import key_words
from p2pchat.mesh.identity.key_alerts import HOUR, IN_ALL, KeyAlerts
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.trust import (
    BUSY,
    LIVES_FOR,
    NAME_IN_USE,
    AlertKind,
    Dial,
    OpenLink,
    Policy,
)
from p2pchat.mesh.identity.vouching import Alert, Vouching
from p2pchat.speech import use
from tests.support.loglines import captured
from tests.support.pin_disks import ALICE, BOB, MALLORY, PATH, FakePinDisk, known_keys

B, M = fingerprint(BOB), fingerprint(MALLORY)
HERE, THERE = "10.0.0.2", "10.9.0.3"


@dataclass(eq=False)
class Link:
    key: bytes | None = None
    ip: str = HERE
    heard_at: float = -100.0
    waits_for_us: bool = False


def key(number: int) -> bytes:
    return number.to_bytes(32)


class VouchingTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.seconds = 1.8e9
        self.told: list[str] = []
        self.alerts: list[Alert] = []
        self.dead: list[OpenLink] = []
        self.disk = FakePinDisk()
        self.keys = known_keys(self.disk, self.wall, self.told.append, is_new=True)
        self.vouching = Vouching(
            Policy.PREFER,
            self.keys,
            "alice@CIC",
            ALICE,
            self.wall,
            self.alerts.append,
            self.dead.append,
            self.told.append,
        )

    def wall(self) -> float:
        return self.seconds

    def pinned(self, peer_id: str = "bob@CIC", *, by: bytes = BOB, settled: bool = True) -> None:
        self.keys.opened(peer_id, by, HERE, 0.0)
        if settled:
            self.keys.wrote_to(peer_id, 0.0)

    def comes(
        self, by: bytes | None, *links: Link, peer_id: str = "bob@CIC", now: float = 0.0
    ) -> bool:
        return self.vouching.arrived(peer_id, by, THERE, links, now).take


class RefusalTests(VouchingTestCase):
    def test_another_key(self) -> None:
        self.pinned()
        self.assertFalse(self.comes(MALLORY))
        (alert,) = self.alerts
        self.assertEqual(alert[:2], (AlertKind.OTHER_KEY, "bob@CIC"))
        self.assertEqual((alert.key, alert.known), (MALLORY, BOB))
        self.assertEqual([old.key for old in self.keys.refused_under("bob@CIC")], [MALLORY])
        self.assertIn(b"refused", self.disk.files[PATH])
        self.assertEqual(self.vouching.refused, 1)

    def test_the_key_in_whose_place_the_person_has_put_another_is_nobody_s_for_sure(self) -> None:
        """Perhaps the person has mistyped a fingerprint, and the one before is the true one."""
        self.pinned()
        self.keys.trust("bob@CIC", fingerprint(MALLORY), 0.0, typed=True)
        self.assertFalse(self.comes(BOB))
        (alert,) = self.alerts
        self.assertIn("the key that you knew before", alert.sentence)
        self.assertIn("the key that you chose is not bob@CIC's, or", alert.sentence)
        self.assertTrue(
            alert.sentence.endswith(f": /trust bob@CIC {fingerprint(BOB)}"), alert.sentence
        )
        for false in ("former", "follows", "stolen"):
            self.assertNotIn(false, alert.sentence)

    def test_no_key(self) -> None:
        self.pinned()
        self.assertFalse(self.comes(None))
        self.assertEqual([alert.kind for alert in self.alerts], [AlertKind.NO_KEY])

    def test_a_light_name_is_contested_and_not_settled_by_time(self) -> None:
        self.pinned(settled=False)
        self.comes(None)
        pin = self.keys.pin_of("bob@CIC")
        assert pin is not None
        self.assertTrue(pin.contested)

    def test_no_room(self) -> None:
        for number in range(8):
            self.pinned(f"p{number}@CIC", by=MALLORY, settled=False)
        verdict = self.vouching.arrived("p9@CIC", MALLORY, THERE, (), 0.0)
        self.assertEqual((verdict.take, verdict.bye), (False, BUSY))
        self.assertEqual(self.alerts, [])

    def test_dialing(self) -> None:
        self.assertIs(self.vouching.how_to_dial("bob@CIC", able=False), Dial.ASK)
        self.pinned()
        self.assertIs(self.vouching.how_to_dial("bob@CIC", able=False), Dial.SEALED)
        self.pinned("carol@CIC", by=key(9))

        def shows(by: bytes, *, registered: bool) -> bool:
            return self.vouching.may_show_ourselves(
                "bob@CIC", by, THERE, 0.0, registered=registered
            )

        self.assertTrue(shows(BOB, registered=False))
        for by, registered, told in (
            (MALLORY, False, 0),
            (key(9), True, 0),
            (ALICE, True, 0),
            (MALLORY, True, 1),
        ):
            self.assertFalse(shows(by, registered=registered))
            self.assertEqual(len(self.alerts), told)

    def test_our_own_key_elsewhere(self) -> None:
        """Row 20."""
        self.assertFalse(self.vouching.own_name_came(None, THERE, 0.0))
        self.assertFalse(self.vouching.own_name_came(MALLORY, THERE, 0.0))
        self.assertTrue(self.vouching.own_name_came(ALICE, THERE, 0.0))
        self.assertTrue(self.vouching.own_name_came(ALICE, THERE, 1.0))
        (alert,) = self.alerts
        self.assertIn("your own key is in use at 10.9.0.3, too", alert.sentence)
        self.assertTrue(self.comes(ALICE, peer_id="alice@home"))


class FirstKeyTests(VouchingTestCase):
    """Row 19, with a link in the clear of which nobody knows whether it lives."""

    def comes_in_doubt(self) -> Link:
        link = Link()
        verdict = self.vouching.arrived("bob@CIC", MALLORY, THERE, (link,), 0.0)
        self.assertEqual((verdict.take, verdict.bye, verdict.doubt), (False, NAME_IN_USE, True))
        self.vouching.sweep(LIVES_FOR - 0.1)
        self.assertEqual((self.alerts, self.dead), ([], []))
        return link

    def test_it_lives(self) -> None:
        self.comes_in_doubt().heard_at = 0.5
        self.vouching.sweep(LIVES_FOR)
        (alert,) = self.alerts
        self.assertEqual(
            alert.sentence,
            f"somebody with the key {M} calls itself [bob@CIC], with whom you talk in the clear "
            f"({HERE}): refused. To take it instead: /trust bob@CIC {M}",
        )
        self.assertEqual(self.dead, [])
        self.assertEqual(self.keys.completions("bob@CIC"), [M])

    def test_its_answer_lies_unread(self) -> None:
        self.comes_in_doubt().waits_for_us = True
        self.vouching.sweep(LIVES_FOR)
        self.assertEqual((len(self.alerts), self.dead), (1, []))

    def test_it_is_dead(self) -> None:
        link = self.comes_in_doubt()
        self.vouching.sweep(LIVES_FOR)
        self.assertEqual((self.alerts, self.dead), ([], [link]))
        self.assertEqual(self.keys.refused_under("bob@CIC"), [])
        self.assertTrue(self.comes(MALLORY, now=3.0))

    def test_who_comes_again_and_again_is_no_second_question(self) -> None:
        link = self.comes_in_doubt()
        for tenth in range(40):
            self.vouching.arrived("bob@CIC", key(tenth + 5), THERE, (link,), tenth / 10)
        self.vouching.sweep(LIVES_FOR)
        self.assertEqual(self.dead, [link])

    def test_pinned_nothing(self) -> None:
        self.comes_in_doubt()
        self.assertIsNone(self.keys.pin_of("bob@CIC"))


class HowOftenTests(VouchingTestCase):
    def test_10_000_keys_for_one_name(self) -> None:
        """Row 23."""
        self.pinned()
        for number in range(10_000):
            self.comes(key(number + 10), now=number * 0.01)
        self.assertEqual(len(self.alerts), 1)
        self.assertLess(len(self.disk.files[PATH]), 1000)
        self.comes(key(7), now=HOUR)
        last = [fingerprint(key(number)) for number in (7, 10_009, 10_008, 10_007)]
        self.assertIn(f"The newest first: {', '.join(last)}. ", self.alerts[1].sentence)
        self.assertTrue(self.alerts[1].sentence.endswith(f"/trust bob@CIC {last[0]}"))
        self.assertLess(len(self.disk.files[PATH]), 2000)

    def test_one_key_for_10_000_names(self) -> None:
        """Row 23: each of them refused, light or settled by time."""
        for number in range(100):
            self.keys.opened(f"p{number}@CIC", key(number + 10), "127.0.0.1", 0.0)
        for number in range(100):
            self.comes(MALLORY, peer_id=f"p{number}@CIC", now=float(number))
        self.assertEqual(len(self.alerts), IN_ALL)
        self.vouching.sweep(HOUR - 1)
        self.assertEqual(self.told, [])
        self.vouching.sweep(HOUR)
        self.assertEqual(
            self.told,
            ["keys were refused under 94 other names, too, in the last hour: /keys lists them"],
        )
        self.vouching.sweep(2 * HOUR + 100)
        self.assertEqual(len(self.told), 1)

    def test_nobody_hides_the_alert_of_a_friend_behind_others(self) -> None:
        for number in range(100):
            self.keys.opened(f"p{number}@CIC", key(number + 10), "127.0.0.1", 0.0)
            self.comes(MALLORY, peer_id=f"p{number}@CIC")
        self.pinned()
        self.comes(MALLORY)
        self.assertEqual(self.alerts[-1].peer_id, "bob@CIC")

    def test_a_count_that_nobody_fetched_in_time(self) -> None:
        alerts = KeyAlerts()
        for number in range(8):
            alerts.tell(f"p{number}@CIC", 0.0, settled=False)
        alerts.tell("later@CIC", HOUR, settled=False)
        self.assertEqual((alerts.told, alerts.others(HOUR + 1), alerts.others(HOUR + 2)), (7, 2, 0))


class SentenceTests(VouchingTestCase):
    def test_of_a_settled_name(self) -> None:
        self.pinned()
        self.keys.verify("bob@CIC", B, 0.0)
        day = key_words.day(self.seconds)
        self.comes(MALLORY)
        self.assertEqual(
            self.alerts[0].sentence,
            f"[bob@CIC] came with another key, {M}, than the one that you know ({B}, verified "
            f"{day}). It was refused: nothing was shown or sent. Ask bob@CIC in another way. If "
            f"the new key is bob@CIC's: /trust bob@CIC {M}",
        )
        self.comes(None, now=HOUR)
        self.assertEqual(
            self.alerts[1].sentence,
            f"somebody calls itself [bob@CIC] without encryption, and you know its key ({B}, "
            f"verified {day}): refused. If bob@CIC uses another program now: /keys forget bob@CIC",
        )

    def test_of_a_light_name(self) -> None:
        self.pinned(settled=False)
        self.seconds += 200
        self.comes(MALLORY)
        self.assertEqual(
            self.alerts[0].sentence,
            f"[bob@CIC] came with another key, {M}, than the one that you know ({B}, seen "
            "3 minutes ago from 10.0.0.2, never written to). It was refused: nothing was shown or "
            "sent. /keys forget bob@CIC gives the name free",
        )
        self.comes(None, now=HOUR)
        self.assertIn("gives the name free", self.alerts[1].sentence)

    def test_a_name_is_shown_in_its_one_visible_form(self) -> None:
        name = "b\x1b[31m]\u202eo@CIC"
        self.pinned(name, settled=False)
        self.comes(MALLORY, peer_id=name)
        self.comes(None, peer_id=name, now=HOUR)
        self.comes(MALLORY, Link(heard_at=9.0), peer_id="x\u202e@CIC", now=9.0)
        for sentence in (
            *(alert.sentence for alert in self.alerts),
            str(key_words.refuses_us(name, "alice@CIC", B)),
            key_words.in_the_clear(name),
        ):
            self.assertTrue(sentence.isprintable(), sentence)
            self.assertNotIn("\u202e", sentence)

    def test_of_ourselves(self) -> None:
        self.assertEqual(
            str(key_words.new_own_key("alice@CIC", B, replaces=True)),
            f"a new key was made: {B}. Those who knew you will refuse it until they type "
            f"/trust alice@CIC {B}",
        )
        self.assertEqual(
            str(key_words.refuses_us("bob@CIC", "alice@CIC", B)),
            f"[bob@CIC] refuses your key: it knows another one for [alice@CIC]. Tell bob@CIC your "
            f"fingerprint: {B}",
        )
        self.assertIn("as alice-laptop@CIC", str(key_words.own_key_elsewhere("alice@CIC", THERE)))

    def test_how_long_ago(self) -> None:
        for seconds, text in (
            (-5.0, "just now"),
            (59.0, "just now"),
            (60.0, "1 minute ago"),
            (7200.0, "2 hours ago"),
            (86400.0 * 3, "3 days ago"),
        ):
            self.assertEqual(str(key_words.ago(seconds)), text)


class LanguageTests(VouchingTestCase):
    """The person's language is theirs alone."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(use, "en")
        use("pt_BR")

    def test_who_reads_it_and_who_logs_it(self) -> None:
        self.pinned()
        self.keys.verify("bob@CIC", B, 0.0)
        day = key_words.day(self.seconds)
        logged = captured(self)
        self.comes(MALLORY)
        self.assertEqual(
            self.alerts[0].sentence,
            f"[bob@CIC] veio com outra chave, {M}, e não com a que você conhece ({B}, verificada "
            f"em {day}). Foi recusado: nada foi mostrado nem enviado. Pergunte a bob@CIC por outro "
            f"meio. Se a chave nova for mesmo de bob@CIC: /trust bob@CIC {M}",
        )
        (line,) = logged()
        self.assertIn(f"({B}, verified {day}). It was refused: nothing was shown or sent.", line)

    def test_of_a_light_name(self) -> None:
        self.pinned(settled=False)
        self.seconds += 200
        self.comes(None)
        self.assertIn(f"({B}, vista há 3 minutos vinda de {HERE}", self.alerts[0].sentence)
