"""One encrypted link: what is on it, what an attacker on the way can do to it, and how it ends."""

from __future__ import annotations

import gc
import ssl
import weakref
from itertools import count
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.sealing import HANDSHAKE_BYTES
from p2pchat.mesh.link import sealed_link
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.settings.values import LimitSettings, Settings
from p2pchat.wire.codec import decode, encode
from p2pchat.wire.messages import Hello, Send
from p2pchat.wire.outputs import Ending
from p2pchat.wire.states import State
from tests.support.links import TestedLink
from tests.support.sealed_links import SealedEnd, SealedPair
from tests.support.seals import ALICE, BOB, MALLORY, Raw, keys_from

HELLO: Final = b'{"type":"HELLO","peer_id":"eve@CIC"}\n'


def line(text: str = "oi", to: str = "bob@CIC") -> bytes:
    return encode(Send("m1", "alice@CIC", to, text, True))


def finish_of(end: SealedEnd) -> tuple[Ending, str]:
    """How its link ended, or would when the connection goes."""
    end.link.connectionLost(Failure(ConnectionDone()))
    (finish,) = end.finishes
    return finish.ending, finish.reason


class LinkTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.pair = SealedPair()
        self.alice, self.bob = self.pair.alice, self.pair.bob

    def say(self, text: str = "oi") -> None:
        self.assertTrue(self.alice.link.send(line(text)))


class CollectorTests(SynchronousTestCase):
    """Thousands of circles that wait for the collector make one turn of 80 ms and more."""

    def setUp(self) -> None:
        gc.disable()
        self.addCleanup(gc.enable)

    def is_gone(self, end: SealedEnd) -> bool:
        """Whether nothing is left of a link that ended, but for what the fakes keep."""
        end.link.connectionLost(Failure(ConnectionDone()))
        end.owner.events.clear()
        link = weakref.ref(end.link)
        del end.link
        return link() is None

    def test_an_open_link(self) -> None:
        pair = SealedPair()
        pair.open()
        self.assertTrue(self.is_gone(pair.alice))
        self.assertTrue(self.is_gone(pair.bob))

    def test_one_that_was_left_half_open(self) -> None:
        pair = SealedPair()
        pair.bob.link.dataReceived(pair.alice.said())
        pair.bob.said()
        self.assertTrue(self.is_gone(pair.bob))

    def test_one_whose_handshake_failed(self) -> None:
        bob = SealedEnd("bob@CIC", BOB)
        bob.link.dataReceived(b"\x16\x03\x01\x00\x05 none")
        bob.said()
        self.assertEqual(bob.security.handshakes_failed, 1)
        self.assertTrue(self.is_gone(bob))

    def test_one_in_the_clear(self) -> None:
        bob = SealedEnd("bob@CIC", BOB)
        bob.link.dataReceived(HELLO)
        bob.said()
        self.assertTrue(self.is_gone(bob))

    def test_what_it_was_is_known_still(self) -> None:
        pair = SealedPair()
        pair.open()
        pair.bob.link.connectionLost(Failure(ConnectionDone()))
        link = pair.bob.link
        self.assertEqual((link.key, link.security), (keys_from(ALICE).own, "encrypted"))


class WayTests(LinkTestCase):
    def test_a_handshake_then_hello_then_lines(self) -> None:
        self.pair.open()
        self.assertEqual(self.alice.link.key, keys_from(BOB).own)
        self.assertEqual(self.bob.link.key, keys_from(ALICE).own)
        self.assertEqual((self.alice.link.security, self.bob.link.security), ("encrypted",) * 2)
        self.say()
        self.pair.pump()
        self.assertEqual(self.bob.owner.texts, ["oi"])
        self.assertEqual(self.alice.owner.of("ack"), ["m1"])

    def test_its_attributes_are_no_more_than_python_keeps_together(self) -> None:
        """With one more, each link of a process has a dictionary of its own: 1.3 KiB."""
        self.pair.open()
        for end in (self.alice, self.bob):
            self.assertLessEqual(len(vars(end.link)), 28)

    def test_the_dialer_says_hello_with_its_last_flight(self) -> None:
        """One round trip before HELLO, as in the clear there is none: it must not be more."""
        self.bob.link.dataReceived(self.alice.said())
        self.alice.link.dataReceived(self.bob.said())
        self.bob.link.dataReceived(self.alice.said())
        self.assertEqual(self.bob.link.peer_id, "alice@CIC")

    def test_each_byte_by_itself(self) -> None:
        for _ in range(20):
            for one, other in ((self.alice, self.bob), (self.bob, self.alice)):
                for byte in one.said():
                    other.link.dataReceived(bytes([byte]))
        self.assertEqual(self.alice.link.peer_id, "bob@CIC")
        self.say("byte by byte")
        for byte in self.alice.said():
            self.bob.link.dataReceived(bytes([byte]))
        self.assertEqual(self.bob.owner.texts, ["byte by byte"])

    def test_handshakes_are_counted_with_what_they_cost(self) -> None:
        for secret in (ALICE, BOB):
            self.patch(keys_from(secret), "cpu", count(0, 1e-4).__next__)
        self.pair = SealedPair()
        self.alice, self.bob = self.pair.alice, self.pair.bob
        self.pair.open()
        for end in (self.alice, self.bob):
            security = end.context.security
            assert security is not None
            self.assertEqual((security.handshakes, security.handshakes_failed), (1, 0))
            self.assertGreater(security.handshake_seconds, 0)
        self.bob.link.dataReceived(b"\x17\x03\x03\x00\x20" + bytes(32))
        security = self.bob.context.security
        assert security is not None
        self.assertEqual((security.broken, security.handshakes_failed), (1, 0))
        other = SealedEnd("bob@CIC", BOB)
        other.link.dataReceived(b"\x16" + bytes(40))
        security = other.context.security
        assert security is not None
        self.assertEqual((security.handshakes, security.handshakes_failed), (0, 1))

    def test_an_empty_first_chunk_decides_nothing(self) -> None:
        self.bob.link.dataReceived(b"")
        self.pair.open()
        other = SealedEnd("bob@CIC", BOB)
        other.link.dataReceived(b"")
        other.link.dataReceived(HELLO)
        self.assertEqual((other.link.peer_id, other.link.key), ("eve@CIC", None))

    def test_lines_behind_the_handshake_in_one_chunk(self) -> None:
        self.bob.link.dataReceived(self.alice.said())
        self.alice.link.dataReceived(self.bob.said())
        flight = self.alice.said()
        self.bob.link.dataReceived(flight)
        self.alice.link.dataReceived(self.bob.said())
        for number in range(1500):
            self.say(f"{number}")
        self.bob.link.dataReceived(self.alice.said())
        self.bob.clock.run(1)
        self.assertEqual(self.bob.owner.texts, [f"{number}" for number in range(1500)])

    def test_more_than_a_record_has_room_for(self) -> None:
        self.pair.open()
        texts = ["x" * 30_000, "y" * 30_000, "z"]
        for text in texts:
            self.say(text)
        self.pair.pump()
        self.assertEqual(self.bob.owner.texts, texts)

    def test_what_is_said_of_the_key(self) -> None:
        self.bob = self.pair.bob = SealedEnd("bob@CIC", BOB, fleeting=True)
        self.pair.open()
        self.assertEqual(self.alice.judge.asked, [("bob@CIC", keys_from(BOB).own, True)])
        self.assertEqual(self.bob.judge.asked, [("alice@CIC", keys_from(ALICE).own, False)])

    def test_bytes_are_counted_sealed(self) -> None:
        limits = LimitSettings(peer_rate=1000, peer_bytes=1000)
        self.pair = SealedPair(Settings(limits=limits))
        self.alice, self.bob = self.pair.alice, self.pair.bob
        self.pair.open()
        for _ in range(20):
            self.say("x" * 500)
            self.pair.pump()
        self.assertFalse(self.bob.transport.reading)
        self.bob.link.give_up("over")

    def test_after_so_many_bytes_the_link_is_made_anew(self) -> None:
        self.patch(sealed_link, "MOST_SEALED", 2000)
        self.pair = SealedPair()
        self.alice, self.bob = self.pair.alice, self.pair.bob
        self.pair.open()
        for _ in range(4):
            self.alice.link.send(line("x" * 500))
            self.pair.pump()
        self.assertIs(finish_of(self.alice)[0], Ending.LOST)


class RefusalTests(LinkTestCase):
    def test_a_dialer_shows_itself_to_the_known_key_alone(self) -> None:
        """Not a byte follows its ClientHello."""
        self.alice.judge.known = keys_from(MALLORY).own
        self.bob.link.dataReceived(self.alice.said())
        self.alice.link.dataReceived(self.bob.said())
        self.assertEqual(self.alice.said(), b"")
        self.assertIsNone(self.bob.link.key)
        self.assertEqual(
            finish_of(self.alice), (Ending.REFUSED, "its key was refused (another key is known)")
        )

    def test_who_is_refused_hears_why_inside_tls_and_opens_nothing(self) -> None:
        self.bob.judge.refuses = "another key is known for alice@CIC"
        self.pair.pump()
        self.assertEqual((self.alice.link.peer_id, self.bob.link.peer_id), ("", ""))
        self.assertIs(finish_of(self.bob)[0], Ending.REFUSED)
        ending, reason = finish_of(self.alice)
        self.assertIs(ending, Ending.KEY_REFUSED)
        self.assertIn(self.bob.judge.refuses, reason)

    def test_a_dialer_refuses_the_name_that_answers(self) -> None:
        self.alice.judge.refuses = "another key is known for bob@CIC"
        self.pair.pump()
        self.assertEqual(self.alice.link.peer_id, "")
        self.assertIs(finish_of(self.alice)[0], Ending.REFUSED)
        self.assertEqual(finish_of(self.bob), (Ending.SAID_BYE, self.alice.judge.refuses))

    def test_lines_where_tls_was_dialed(self) -> None:
        """A plain program at the address of a known peer: it gets a ClientHello, and no more."""
        said = self.alice.said()
        self.assertEqual(said[0], 0x16)
        self.alice.link.dataReceived(b'{"type":"HELLO_OK","peer_id":"bob@CIC"}\n')
        self.assertEqual(self.alice.said(), b"")
        self.assertEqual(finish_of(self.alice)[0], Ending.REFUSED)
        self.assertEqual(self.alice.judge.asked, [])

    def test_an_endless_handshake(self) -> None:
        record = bytes.fromhex("16030140000100fffc") + bytes(16_379)
        for _ in range(3):
            self.bob.link.dataReceived(record[:HANDSHAKE_BYTES])
        self.assertIs(finish_of(self.bob)[0], Ending.REFUSED)

    def test_a_handshake_that_comes_byte_by_byte_ends_in_ten_seconds(self) -> None:
        for byte in self.alice.said()[:12]:
            self.bob.link.dataReceived(bytes([byte]))
            self.bob.run(0.9)
        self.assertIs(self.bob.link.session.state, State.CLOSED)
        self.assertIs(finish_of(self.bob)[0], Ending.TIMEOUT)

    def test_a_stranger_without_a_certificate(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["p2pchat/1"])
        raw = Raw(context, dialed=True)
        for _ in range(3):
            self.bob.link.dataReceived(raw.shake(self.bob.said()))
        self.assertTrue(raw.done)
        self.assertIs(finish_of(self.bob)[0], Ending.REFUSED)
        self.assertEqual(self.bob.judge.asked, [])

    def test_hello_inside_tls_is_read_strictly(self) -> None:
        """A name that the other end did not say gets no key."""
        for odd in (
            b'{"type":"HELLO_OK"}\n',
            b'{"type":"HELLO_OK","src":"bob@CIC"}\n',
            b'{"type":"HELLO_OK","peer_id":"alice@CIC"}\n',
            b'{"type":"HELLO_OK","peer_id":""}\n',
        ):
            with self.subTest(odd=odd):
                self.setUp()
                self.bob.link.dataReceived(self.alice.said())
                self.alice.link.dataReceived(self.bob.said())
                self.bob.link.dataReceived(self.alice.said())
                self.alice.link.take_text(odd)
                self.assertEqual((self.alice.link.peer_id, self.alice.judge.asked), ("", []))


class OnTheWayTests(LinkTestCase):
    """Whoever is in the middle of an open link ends it, and no more."""

    def cut(self, data: bytes) -> list[bytes]:
        """The records in these bytes."""
        records = []
        while data:
            size = 5 + int.from_bytes(data[3:5])
            records.append(data[:size])
            data = data[size:]
        return records

    def opened(self) -> None:
        self.setUp()
        self.pair.open()

    def test_every_changed_bit_ends_the_link(self) -> None:
        self.opened()
        self.say("secret")
        size = len(self.alice.said())
        for at in range(0, size * 8, 7):
            self.opened()
            self.say("secret")
            data = bytearray(self.alice.said())
            data[at // 8] ^= 1 << at % 8
            self.bob.link.dataReceived(bytes(data))
            self.bob.link.dataReceived(bytes(100))
            self.assertEqual(self.bob.owner.texts, [], at)
            ending, _ = finish_of(self.bob)
            self.assertIn(ending, (Ending.LOST, Ending.VIOLATION), at)

    def test_what_is_repeated_left_out_or_swapped(self) -> None:
        for change in (
            lambda records: [records[0], records[0], records[1]],
            lambda records: [records[1]],
            lambda records: [records[1], records[0]],
            lambda records: [records[0], line("in the clear")],
        ):
            self.opened()
            self.say("one")
            first = self.alice.said()
            self.say("two")
            records = [first, self.alice.said()]
            for record in change(records):
                self.bob.link.dataReceived(record)
            self.assertNotIn("in the clear", self.bob.owner.texts)
            self.assertLessEqual(self.bob.owner.texts.count("one"), 1)
            self.assertNotIn("two", self.bob.owner.texts)
            self.assertIn("tampered", finish_of(self.bob)[1])

    def test_it_is_told_at_warn(self) -> None:
        self.opened()
        self.bob.link.dataReceived(bytes.fromhex("1703030013") + bytes(19))
        self.assertTrue(any("tampered" in text for text in self.bob.owner.of("remark")))

    def test_a_connection_that_ends_without_a_word_is_lost(self) -> None:
        self.opened()
        self.say("half")
        self.bob.link.dataReceived(self.alice.said()[:-5])
        self.bob.link.readConnectionLost()
        self.assertEqual(self.bob.owner.texts, [])
        self.assertIs(finish_of(self.bob)[0], Ending.LOST)

    def test_two_keys_in_the_middle(self) -> None:
        """At the first contact nobody can tell; each end has the key of who is in between."""
        to_alice = SealedEnd("bob@CIC", MALLORY)
        to_bob = SealedEnd("alice@CIC", MALLORY, dialed="bob@CIC")
        for one, other in ((self.alice, to_alice), (to_bob, self.bob)):
            for _ in range(4):
                other.link.dataReceived(one.said())
                one.link.dataReceived(other.said())
        self.assertEqual(self.alice.link.key, keys_from(MALLORY).own)
        self.assertEqual(self.bob.link.key, keys_from(MALLORY).own)

    def test_a_handshake_cannot_be_handed_on(self) -> None:
        """Mallory accepts alice and carries her bytes to carol: carol is not fooled by them."""
        carol = SealedEnd("carol@CIC", b"c" * 32)
        self.alice.judge.known = keys_from(BOB).own
        carol.link.dataReceived(self.alice.said())
        self.alice.link.dataReceived(carol.said())
        self.assertEqual(self.alice.said(), b"")
        self.assertIsNone(carol.link.key)

    def test_the_middle_of_a_handshake_is_changed(self) -> None:
        for number in range(3):
            self.setUp()
            flights = 0

            def spoil(data: bytes, number: int = number) -> bytes:
                nonlocal flights
                flights += 1
                changed = bytearray(data)
                if flights == number + 1:
                    changed[len(changed) // 2] ^= 1
                return bytes(changed)

            self.pair.pump(to_bob=spoil, to_alice=spoil)
            self.assertEqual(self.bob.owner.of("opened"), [], number)


class EndTests(LinkTestCase):
    def say_and_end(self, count: int) -> None:
        """Have so many lines and the close_notify behind them arrive together."""
        for number in range(count):
            self.say(f"{number}")
        self.alice.clock.run(0)
        sealed = self.alice.link.sealed
        assert sealed is not None
        sealed.farewell()
        self.bob.link.dataReceived(self.alice.said())

    def test_a_farewell_is_sealed_and_ends_in_order(self) -> None:
        self.pair.open()
        self.alice.link.leave("leaving")
        self.pair.pump()
        self.assertEqual(finish_of(self.bob), (Ending.SAID_BYE, "leaving"))
        self.assertEqual(finish_of(self.alice), (Ending.LEFT, "BYE answered"))

    def test_close_notify_is_the_end_of_the_stream(self) -> None:
        self.pair.open()
        self.say_and_end(3)
        self.assertEqual(self.bob.owner.texts, ["0", "1", "2"])
        self.bob.link.dataReceived(line("in the clear"))
        self.assertEqual(self.bob.owner.texts, ["0", "1", "2"])
        self.assertEqual(finish_of(self.bob)[0], Ending.LOST)

    def test_all_lines_before_close_notify_are_taken_in(self) -> None:
        self.pair.open()
        self.say_and_end(1500)
        self.bob.clock.run(1)
        self.assertEqual(len(self.bob.owner.texts), 1500)
        self.assertEqual(finish_of(self.bob), (Ending.LOST, "the other end closed its side"))

    def test_what_comes_after_the_end_piles_up_nowhere(self) -> None:
        self.pair.open()
        self.bob.link.leave("leaving")
        self.bob.run(3)
        for _ in range(100):
            self.bob.link.dataReceived(bytes(65_536))
        self.assertEqual(finish_of(self.bob)[0], Ending.LEFT)

    def test_the_seal_goes_with_the_connection(self) -> None:
        self.pair.open()
        sealed = self.bob.link.sealed
        assert sealed is not None
        self.bob.link.connectionLost(Failure(ConnectionDone()))
        self.assertIsNone(sealed._seal)
        self.assertIsNone(self.bob.link.inlet)
        self.assertEqual(self.bob.link.key, keys_from(ALICE).own)


class CostTests(LinkTestCase):
    def test_links_share_the_names_of_their_attributes(self) -> None:
        """CPython does so for 30 of them: with more, a chunk of lines took two thirds longer."""
        self.pair.open()
        link = self.alice.link
        link.factory = None
        for each in (link, TestedLink().link):
            self.assertLessEqual(len(vars(each)), 30)


class TurnTests(LinkTestCase):
    """Who waits for its handshake."""

    def test_beyond_the_budget_nothing_is_read_until_its_turn(self) -> None:
        self.bob.security.budget.spent("192.168.1.1", 10.0, 0.0)
        self.bob.link.dataReceived(self.alice.said())
        self.assertEqual(self.bob.said(), b"")
        self.assertFalse(self.bob.transport.reading)
        self.bob.clock.run(90)
        self.assertTrue(self.bob.transport.reading)
        self.pair.open()

    def test_who_is_gone_waits_no_more(self) -> None:
        self.bob.security.budget.spent("192.168.1.1", 10.0, 0.0)
        self.bob.link.dataReceived(self.alice.said())
        self.assertEqual(self.bob.security.budget.waiting, 1)
        self.bob.link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.bob.security.budget.waiting, 0)
        self.assertEqual(self.bob.clock.getDelayedCalls(), [])

    def test_who_waits_is_over_in_ten_seconds_too(self) -> None:
        self.bob.security.budget.spent("192.168.1.1", 10.0, 0.0)
        self.bob.link.dataReceived(self.alice.said())
        self.bob.run(11)
        self.assertIs(finish_of(self.bob)[0], Ending.TIMEOUT)

    def test_on_a_slow_machine_no_honest_step_is_dear(self) -> None:
        keys = self.bob.keys
        for usual, rests in ((0.001, 1), (0.010, 0)):
            self.patch(keys, "usual", usual)
            security = LinkSecurity(keys, self.bob.judge, self.bob.clock)
            security.stepped("10.0.0.7", 0.012)
            self.assertEqual(security.budget.rests, rests)

    def test_our_own_dials_are_not_held_up(self) -> None:
        self.alice.security.budget.spent("192.168.1.1", 10.0, 0.0)
        self.pair.open()

    def test_hello_says_who_can_encrypt_in_the_clear_too(self) -> None:
        plain = SealedEnd("alice@CIC", ALICE, dialed="bob@CIC", sealed=False)
        hello: Any = decode(plain.said().rstrip())
        assert isinstance(hello, Hello)
        self.assertEqual((hello.tls, plain.link.key), (1, None))
