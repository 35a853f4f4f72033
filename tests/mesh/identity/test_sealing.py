"""Two ends of a sealed link, without a network."""

from __future__ import annotations

import ssl
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_making import pem_of
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.sealing import FIRST_BYTE, Flaw, Seal, SealError
from tests.support.seals import ALICE, BOB, dialer, keys_from, listener, pair, shake_hands


class HandshakeTests(SynchronousTestCase):
    def test_each_end_learns_the_other_s_key(self) -> None:
        one, other = pair()
        self.assertEqual((one.key, other.key), (keys_from(BOB).own, keys_from(ALICE).own))

    def test_nothing_begins_like_it(self) -> None:
        self.assertEqual(dialer().start()[0], FIRST_BYTE)

    def test_byte_by_byte(self) -> None:
        one, other = dialer(), listener()
        for byte in one.start():
            other.shake(bytes([byte]))
        for byte in other.answer():
            one.shake(bytes([byte]))
        for byte in one.answer() + one.close(b"HELLO\n"):
            text = other.shake(bytes([byte]))
        self.assertEqual((text, one.key != b"", other.key != b""), (b"HELLO\n", True, True))

    def test_what_comes_with_finished_is_text(self) -> None:
        """However much it is: only what the handshake took counts as one."""
        one, other = dialer(), listener()
        other.shake(one.start())
        one.shake(other.answer())
        text = b"HELLO and what was typed meanwhile\n" * 1000
        self.assertEqual(other.shake(one.answer() + one.close(text)), text)

    def test_nothing_is_sealed_before_the_other_end_is_known(self) -> None:
        one, other = dialer(), listener()
        hello = one.start()
        for seal in (one, other):
            self.assertEqual((seal.close(b"x"), seal.farewell()), (b"", b""))
            self.assertRaises(SealError, seal.open, b"")
        shake = other.shake(hello)
        self.assertEqual((shake, other.key, other.answered), (b"", b"", True))

    def test_the_listener_says_nothing_more(self) -> None:
        """No tickets: none is kept, and none is a key to what was said."""
        _, other = pair()
        self.assertEqual(other.answer(), b"")

    def test_who_is_refused_learns_nothing_of_the_dialer(self) -> None:
        one, other = dialer(vouch=lambda key: "another key is known"), listener()
        other.shake(one.start())
        error = self.assertRaises(SealError, one.shake, other.answer())
        self.assertEqual((error.flaw, error.detail), (Flaw.KEY, "another key is known"))
        self.assertEqual(one.answer() + one.farewell() + one.close(b"x"), b"")
        self.assertRaises(SealError, one.shake, b"")

    def test_who_is_vouched_for_is_known(self) -> None:
        seen: list[bytes] = []

        def vouch(key: bytes) -> None:
            seen.append(key)

        one, other = dialer(vouch=vouch), listener(vouch=vouch)
        shake_hands(one, other)
        self.assertEqual(seen, [one.key, other.key])

    def test_what_it_took_is_measured(self) -> None:
        ticks = iter(range(100))
        text = pem_of(ALICE)
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        keys = Keys(path, text, cpu=lambda: float(next(ticks)))
        one, other = Seal(keys, dialed=True), listener()
        shake_hands(one, other)
        self.assertEqual(one.spent, 2.0)

    def test_contexts(self) -> None:
        keys = keys_from(ALICE)
        for context in (keys.to_dial, keys.to_listen):
            self.assertEqual(context.minimum_version, ssl.TLSVersion.TLSv1_3)
            self.assertEqual(context.verify_mode, ssl.CERT_REQUIRED)
            self.assertEqual(len(context.get_ca_certs()), 1)
            self.assertIsNone(context.keylog_filename)
        self.assertEqual(keys.to_listen.num_tickets, 0)


class TextTests(SynchronousTestCase):
    def test_both_ways(self) -> None:
        one, other = pair()
        self.assertEqual(other.open(one.close(b"hello\n")), b"hello\n")
        self.assertEqual(one.open(other.close(b"you too\n")), b"you too\n")

    def test_nothing(self) -> None:
        one, other = pair()
        self.assertEqual((one.close(b""), other.open(b"")), (b"", b""))

    def test_no_text_can_be_read_on_the_way(self) -> None:
        one, _ = pair()
        sealed = one.close(b'{"type":"HELLO","peer_id":"alice@CIC"}\n')
        self.assertNotIn(b"HELLO", sealed)
        self.assertNotIn(b"alice", sealed)
        self.assertEqual(len(sealed), 39 + 22)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.integers(0, 70_000), max_size=6), st.lists(st.integers(1, 65_536), max_size=20)
    )
    def test_any_sizes_in_any_chunks(self, sizes: list[int], chunks: list[int]) -> None:
        one, other = pair()
        texts = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
        sealed = b"".join(map(one.close, texts))
        opened = []
        for size in chunks:
            opened.append(other.open(sealed[:size]))
            sealed = sealed[size:]
        opened.append(other.open(sealed))
        self.assertEqual(b"".join(opened), b"".join(texts))

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.integers(1, 16_384), max_size=6), st.lists(st.integers(1, 20_000), max_size=20)
    )
    def test_records_of_other_programs_in_any_chunks(
        self, sizes: list[int], chunks: list[int]
    ) -> None:
        one, other = pair()
        texts = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
        for text in texts:
            one._tls.write(text)
        sealed = one.answer()
        opened = []
        for size in chunks:
            opened.append(other.open(sealed[:size]))
            sealed = sealed[size:]
        opened.append(other.open(sealed))
        self.assertEqual(b"".join(opened), b"".join(texts))

    def test_openssl_is_asked_for_whole_records_only(self) -> None:
        """That the rest is missing is an exception, which costs more than the record."""
        one, other = pair()
        first, second = one.close(b"a line\n" * 20), one.close(b"the next\n")
        asked: list[int] = []
        tls = other._tls
        other._tls = SimpleNamespace(read=lambda size: asked.append(size) or tls.read(size))  # type: ignore[assignment, func-returns-value]
        for at in range(len(first) - 1):
            self.assertEqual(other.open(first[at : at + 1]), b"")
        self.assertEqual(asked, [])
        self.assertEqual(other.open(first[-1:] + second[:9]), b"a line\n" * 20)
        self.assertEqual(other.open(second[9:]), b"the next\n")
        self.assertEqual(len(asked), 2)

    def test_our_own_records_are_short(self) -> None:
        """OpenSSL keeps the room that the longest one took: one of 16 KiB, 20 KiB at each end."""
        one, other = pair()
        sealed = one.close(b"x" * 60_000)
        self.assertEqual(len(sealed), 60_000 + 8 * 22)
        other.open(sealed[:65_536])
        for at in range(0, 7 * 8192, 8192):
            self.assertEqual(sealed[at : at + 5].hex(), "1703031ffb")

    def test_what_comes_with_the_end_of_the_handshake_in_any_pieces(self) -> None:
        for size in (10, 3000, 9000):
            for behind in (0, 3, 20, 3400, 5000):
                one, other = dialer(), listener()
                other.shake(one.start())
                one.shake(other.answer())
                flight, sealed = one.answer(), one.close(b"x" * size)
                text = other.shake(flight + sealed[:behind])
                text += other.open(sealed[behind:])
                self.assertEqual(text, b"x" * size)

    def test_what_is_no_record_is_told_at_once(self) -> None:
        for line in (
            b"GET / HTTP/1.1",
            b'{"type"',
            b"\x17\x03\x03\xff\xff",
            b"\x16\x03\x03\x20\x20",
        ):
            one, other = pair()
            with self.assertRaises(SealError) as caught:
                other.open(one.close(b"text") + line)
            self.assertIs(caught.exception.flaw, Flaw.TAMPERED)

    def test_short_lines_for_ever_are_no_noise(self) -> None:
        """Also of a program that writes a line and its end apart."""
        one, other = pair()
        for _ in range(5000):
            other.open(one.close(b'{"type":"PING"}') + one.close(b"\n"))
            one.open(other.close(b'{"type":"PONG"}\n'))


class EndTests(SynchronousTestCase):
    def test_each_end_says_that_nothing_more_comes(self) -> None:
        one, other = pair()
        self.assertEqual(other.open(one.close(b"BYE\n") + one.farewell()), b"BYE\n")
        self.assertTrue(other.ended)
        self.assertEqual(one.close(b"more") + one.farewell(), b"")
        self.assertEqual(one.open(other.close(b"BYE_OK\n") + other.farewell()), b"BYE_OK\n")
        self.assertTrue(one.ended)

    def test_nothing_is_taken_after_it(self) -> None:
        one, other = pair()
        other.open(one.farewell())
        for _ in range(200):
            self.assertEqual(other.open(bytes(65_536)), b"")
        self.assertEqual(other._in.pending, 0)

    def test_what_comes_behind_it_in_one_chunk_is_dropped(self) -> None:
        one, other = pair()
        text = other.open(one.close(b"BYE\n") + one.farewell() + bytes(60_000))
        self.assertEqual((text, other.ended), (b"BYE\n", True))
        self.assertLess(other._in.pending, 8193)

    def test_an_end_without_it_is_told_apart(self) -> None:
        one, other = pair()
        other.open(one.close(b"half a li"))
        self.assertFalse(other.ended)
