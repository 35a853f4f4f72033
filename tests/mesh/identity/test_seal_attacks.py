"""What an enemy can put into a sealed link: before the handshake, during it, and into records."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_making import pem_of
from p2pchat.mesh.identity.sealing import HANDSHAKE_BYTES, NOISE_BYTES, Flaw, Seal, SealError
from tests.support.certificates import context_with, dear_one, odd_ones, pem_by_anyone
from tests.support.forged_records import ALERT, CLOSE_NOTIFY, HANDSHAKE, KEY_UPDATE, Forger
from tests.support.hellos import GROUPS, P256_POINT, client_hello, early_data, hello_retry
from tests.support.seals import MALLORY, Raw, dialer, listener, pair

SERVER, CLIENT = ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT
TAMPERED = Flaw.TAMPERED


class AttackTestCase(SynchronousTestCase):
    def flaw(self, call: Callable[[bytes], bytes], data: bytes) -> Flaw:
        error: SealError = self.assertRaises(SealError, call, data)
        return error.flaw

    def is_dead(self, seal: Seal) -> None:
        """Nothing is opened any more, nothing sealed."""
        self.assertRaises(SealError, seal.open, b"")
        self.assertRaises(SealError, seal.shake, b"")
        self.assertEqual(seal.close(b"x") + seal.farewell(), b"")


class RecordTests(AttackTestCase):
    def test_any_one_bit(self) -> None:
        for bit in range(8 * 30):
            one, other = pair()
            sealed = bytearray(one.close(b"pay 10\n"))
            if bit >= 8 * len(sealed):
                break
            sealed[bit // 8] ^= 1 << bit % 8
            try:
                # A longer record has not come yet; what follows is taken for its end.
                text = other.open(bytes(sealed)) + other.open(one.close(b"x" * 16384) * 4)
            except SealError:
                self.is_dead(other)
            else:
                self.fail(f"bit {bit}: {text[:20]!r}")

    def test_replayed_dropped_swapped(self) -> None:
        for order in ((0, 0), (1,), (1, 0), (0, 2)):
            one, other = pair()
            records = [one.close(b"first\n"), one.close(b"second\n"), one.close(b"third\n")]
            self.assertIs(self.flaw(other.open, b"".join(records[n] for n in order)), TAMPERED)
            self.is_dead(other)

    def test_a_line_in_the_clear_in_both_directions(self) -> None:
        for end in (0, 1):
            seal = pair()[end]
            self.assertIs(self.flaw(seal.open, b'{"type":"BYE"}\n'), TAMPERED)
            self.is_dead(seal)

    def test_a_line_for_an_answer(self) -> None:
        one = dialer()
        one.start()
        self.assertIs(self.flaw(one.shake, b'{"type":"HELLO_OK"}\n'), Flaw.PLAIN)
        self.assertEqual(one.answer(), b"")

    def test_an_alert_is_told_from_an_attack(self) -> None:
        other = listener()
        forger = Forger(other)
        self.assertIs(self.flaw(other.open, forger.record(bytes((2, 20)), ALERT)), Flaw.ALERT)

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200), st.binary(max_size=40), st.integers(0, 60))
    def test_changed_records(self, inner: bytes, junk: bytes, at: int) -> None:
        one, other = pair()
        sealed = one.close(inner)
        changed = sealed[:at] + junk + sealed[at + len(junk) :]
        try:
            text = other.open(changed)
        except SealError:
            return
        self.assertTrue(inner.startswith(text))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=5000))
    def test_any_bytes(self, data: bytes) -> None:
        for seal in (listener(), dialer(), *pair()):
            if not seal.key and seal._dialed:
                seal.start()
            for prefix in (b"", b"\x16\x03\x01"):
                try:
                    self.assertEqual(seal.shake(prefix + data), b"")
                except SealError:
                    break


class NoiseTests(AttackTestCase):
    """What costs much and says nothing ends the link, within one turn's worth of it."""

    def flood(self, make: Callable[[Forger], bytes], first: bytes = b"") -> int:
        """How many bytes of this an end takes until it ends."""
        other = listener()
        forger = Forger(other, first)
        sent = 0
        while sent < 1_000_000:
            data = b""
            while len(data) < 2048:
                data += make(forger)
            try:
                other.open(data)
            except SealError as error:
                self.assertIs(error.flaw, Flaw.NOISE)
                self.is_dead(other)
                self.assertEqual((other.answer(), other._out.pending), (b"", 0))
                return sent + len(data)
            sent += len(data)
        raise AssertionError("goes on")

    def test_key_updates(self) -> None:
        limit = NOISE_BYTES + 2100
        self.assertLess(self.flood(lambda it: it.key_update(wants_answer=False)), limit)

    def test_key_updates_that_want_an_answer(self) -> None:
        self.assertLess(self.flood(lambda it: it.key_update(wants_answer=True)), 4096)

    def test_eight_answers_are_given(self) -> None:
        other = listener()
        forger = Forger(other)
        for _ in range(8):
            other.open(forger.key_update(wants_answer=True))
            self.assertEqual(len(other.close(b"text")), 27 + 26)
        other.open(forger.key_update(wants_answer=True))
        other.close(b"text")
        self.assertIs(self.flaw(other.open, forger.record(b"more")), Flaw.NOISE)

    def test_an_update_now_and_then_is_nothing(self) -> None:
        other = listener()
        forger = Forger(other)
        text = b"a line of an ordinary length, as people type them, and then some more of it\n"
        for _ in range(1000):
            data = forger.key_update(wants_answer=False) + forger.record(text)
            data += forger.record(text)
            self.assertEqual(other.open(data), text * 2)

    def test_records_of_one_byte(self) -> None:
        for byte in (b"x", b"\n"):
            self.assertLess(self.flood(lambda it, byte=byte: it.record(byte)), 32_768)  # type: ignore[misc]

    def test_padding(self) -> None:
        self.assertLess(self.flood(lambda it: it.record(b"x", padding=16_000)), 65_536)
        self.assertLess(self.flood(lambda it: it.record(b"x\n", padding=300)), 32_768)

    def test_behind_finished(self) -> None:
        update = KEY_UPDATE + b"\0"
        self.assertLess(self.flood(lambda it: it.record(b"x"), first=b"HELLO"), 32_768)
        other = listener()
        forger = Forger(other)
        self.assertIs(self.flaw(other.open, forger.record(update * 3, HANDSHAKE)), TAMPERED)

    def test_much_in_one_chunk_is_given_up_early(self) -> None:
        """OpenSSL never gets what is beyond the limit, and so nobody waits for it."""
        other = listener()
        forger = Forger(other)
        data = b"".join(forger.key_update(wants_answer=False) for _ in range(2500))
        began = time.thread_time()
        self.assertIs(self.flaw(other.open, data), Flaw.NOISE)
        first = time.thread_time() - began
        self.assertLess(first, 0.05)
        self.assertLess(other._noise, NOISE_BYTES + 28)

    def test_all_after_close_notify(self) -> None:
        other = listener()
        forger = Forger(other)
        other.open(forger.record(CLOSE_NOTIFY, ALERT))
        self.assertTrue(other.ended)
        record = forger.record(b"x" * 16_000)
        for _ in range(820):
            self.assertEqual(other.open(record), b"")
        self.assertEqual(other._in.pending, 0)


class HelloTests(AttackTestCase):
    """The dearest first packets, in CPU time of this thread."""

    def cheapest(self, make: Callable[[], tuple[Seal, bytes]]) -> float:
        """The least that the refusal of such a packet takes, in seconds."""
        times = []
        for _ in range(10):
            seal, data = make()
            began = time.thread_time()
            self.assertIs(self.flaw(seal.shake, data), Flaw.HANDSHAKE)
            times.append(time.thread_time() - began)
        return min(times)

    def test_the_hello_is_one_that_would_be_answered(self) -> None:
        other = listener()
        self.assertEqual(other.shake(client_hello("P-256", P256_POINT)), b"")
        self.assertGreater(len(other.answer()), 500)

    def test_other_groups_are_refused_at_once(self) -> None:
        for group in GROUPS.keys() - {"P-256"}:
            hello = client_hello(group)
            took = self.cheapest(lambda hello=hello: (listener(), hello))  # type: ignore[misc]
            self.assertLess(took, 0.0005, group)

    def test_a_point_beside_the_curve(self) -> None:
        point = P256_POINT[:-1] + b"\0"
        self.assertLess(self.cheapest(lambda: (listener(), client_hello("P-256", point))), 0.001)

    def test_a_dialer_changes_its_group_for_nobody(self) -> None:
        for group in GROUPS:

            def make(group: str = group) -> tuple[Seal, bytes]:
                one = dialer()
                return one, hello_retry(one.start(), group)

            self.assertLess(self.cheapest(make), 0.0005, group)
            one, retry = make()
            self.assertRaises(SealError, one.shake, retry)
            self.assertEqual(one.answer(), b"")

    def test_an_offer_to_resume_is_not_taken(self) -> None:
        """There is a whole handshake, or none; nothing that came early is text."""
        other = listener()
        try:
            self.assertEqual(other.shake(client_hello("P-256", P256_POINT, early_data())), b"")
            self.assertEqual(other.shake(bytes.fromhex("17030300ff") + bytes(255)), b"")
        except SealError as error:
            self.assertIn(error.flaw, (Flaw.HANDSHAKE, Flaw.ALERT))
        self.assertEqual(other.key, b"")

    def test_an_endless_handshake(self) -> None:
        for size in (1, 100, 60_000):
            other = listener()
            big = b"\x16\x03\x01\x40\x00\x01\x00\xff\xfc" + bytes(70_000)
            taken = 0
            while taken < 10_000:
                try:
                    other.shake(big[taken : taken + size])
                except SealError as error:
                    self.assertIs(error.flaw, Flaw.ENDLESS)
                    break
                taken += size
            self.assertLess(taken, HANDSHAKE_BYTES)
            self.assertLessEqual(other._in.pending, HANDSHAKE_BYTES)

    def test_an_old_version(self) -> None:
        context = context_with(CLIENT, pem_by_anyone(MALLORY))
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        other = listener()
        self.assertIs(self.flaw(other.shake, Raw(context, dialed=True).shake()), Flaw.HANDSHAKE)
        self.assertEqual(other.answer()[:1], b"\x15")  # it is told, in the clear


class ImpostorTests(AttackTestCase):
    """Ends that are not what they should be: no byte after its hello leaves a dialer."""

    def dial(self, context: ssl.SSLContext) -> tuple[Flaw, Raw]:
        """Dial an end with this context; what the dialer finds, and the other end."""
        one, other = dialer(), Raw(context, dialed=False)
        answer = other.shake(one.start())
        flaw = self.flaw(one.shake, answer)
        self.is_dead(one)
        self.assertEqual(one.answer(), b"")
        self.assertFalse(other.done)
        self.assertEqual(one.key, b"")
        return flaw, other

    def be_dialed(self, context: ssl.SSLContext) -> Flaw:
        """Listen to an end with this context; what the listener finds."""
        one, other = Raw(context, dialed=True), listener()
        try:
            other.shake(one.shake())
            other.shake(one.shake(other.answer()))
        except SealError as error:
            self.is_dead(other)
            self.assertEqual(other.key, b"")
            return error.flaw
        raise AssertionError("taken")

    def test_odd_certificates(self) -> None:
        of_another_form = {
            "P-256",
            "RSA",
            "another subject",
            "another serial number",
            "one more extension",
        }
        for kind, pem in odd_ones(MALLORY).items():
            seen, _ = self.dial(context_with(SERVER, pem))
            heard = self.be_dialed(context_with(CLIENT, pem))
            expected = Flaw.HANDSHAKE
            if kind in of_another_form:
                expected = Flaw.FORM
            elif kind == "45 more certificates":
                expected = Flaw.ENDLESS
            self.assertEqual((kind, seen, heard), (kind, expected, expected))

    def test_no_certificate(self) -> None:
        self.assertIs(self.be_dialed(context_with(CLIENT)), Flaw.HANDSHAKE)

    def test_another_protocol_or_none(self) -> None:
        for alpn in ((), ("http/1.1",), ("p2pchat/2", "h2")):
            own = pem_by_anyone(MALLORY)
            flaw, _ = self.dial(context_with(SERVER, own, alpn))
            self.assertIn(flaw, (Flaw.PROTOCOL, Flaw.HANDSHAKE, Flaw.ALERT))
            flaw = self.be_dialed(context_with(CLIENT, own, alpn))
            self.assertIn(flaw, (Flaw.PROTOCOL, Flaw.HANDSHAKE))

    def test_the_same_end_with_the_right_things_is_taken(self) -> None:
        """So it is the oddity that is refused above."""
        one, other = dialer(), Raw(context_with(SERVER, pem_by_anyone(MALLORY)), dialed=False)
        one.shake(other.shake(one.start()))
        other.shake(one.answer())
        self.assertEqual((other.done, len(one.key)), (True, 32))

    def test_somebody_else_s_certificate_without_its_key(self) -> None:
        """OpenSSL signs with what it has, so the certificate is changed on its way."""
        text = pem_of(MALLORY)
        private, _, _ = text.partition("-----BEGIN CERTIFICATE")
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write(private + pem_of(b"b" * 32).partition("KEY-----\n")[2])
        self.assertRaises(ssl.SSLError, ssl.SSLContext(CLIENT).load_cert_chain, path)

    def test_a_dear_key_is_seen_by_what_it_costs(self) -> None:
        """OpenSSL verifies with a key of any kind, before its form is looked at."""
        costs = []
        for pem in (pem_by_anyone(MALLORY), dear_one()):
            one = Raw(context_with(CLIENT, pem), dialed=True)
            other = listener(cpu=time.thread_time)
            other.shake(one.shake())
            before = other.spent
            answer = one.shake(other.answer())
            self.assertTrue(other.answered)
            if pem == dear_one():
                self.assertIs(self.flaw(other.shake, answer), Flaw.FORM)
            else:
                other.shake(answer)
            costs.append(other.spent - before)
        self.assertGreater(costs[1], 4 * costs[0])
