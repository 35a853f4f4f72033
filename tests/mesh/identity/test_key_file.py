"""The file with our own key: made, read, refused, exported and imported."""

from __future__ import annotations

import builtins
import os
import ssl
import stat
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.locks import lock
from p2pchat.mesh.identity import keys
from p2pchat.mesh.identity.key_file import (
    OwnKey,
    export_key,
    fleeting_key,
    import_key,
    open_key,
    read,
)
from p2pchat.mesh.identity.key_making import (
    KeyFileError,
    NoCryptography,
    RefusedBySystem,
    pem_of,
    seed_in,
)
from tests.support.seals import ALICE, BOB, keys_from

ME = "alice@CIC"


class KeyFileTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.path = str(self.folder / "alice@CIC.key")

    def open(self, seed: bytes = ALICE, passphrase: bytes = b"", me: str = ME) -> OwnKey:
        """Open the file as a node does, and let it go at once."""
        own = open_key(self.path, me, lambda size: seed[:size], passphrase, float)
        assert own.lock is not None
        own.lock.release()
        return own

    def write(self, data: str | bytes) -> None:
        self.folder.mkdir(exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)

    def content(self) -> bytes:
        return Path(self.path).read_bytes()

    def mode(self) -> int:
        return stat.S_IMODE(os.stat(self.path).st_mode)

    def refused(self, words: str, passphrase: bytes = b"", me: str = ME) -> None:
        """The file is refused with this in one sentence, and stays as it is."""
        before = self.content() if os.path.isfile(self.path) else b""
        error = self.assertRaises(KeyFileError, self.open, passphrase=passphrase, me=me)
        self.assertIn(words, str(error))
        self.assertIn(self.path, str(error))
        self.assertNotIn("\n", str(error))
        self.assertEqual(self.content() if before else b"", before)


class FirstStartTests(KeyFileTestCase):
    def test_a_key_is_made_once(self) -> None:
        first, second = self.open(ALICE), self.open(BOB)
        self.assertEqual((first.made, second.made), (True, False))
        self.assertEqual(first.keys.own, keys_from(ALICE).own)
        self.assertEqual(second.keys.own, first.keys.own)
        self.assertEqual(self.mode(), 0o600)
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        self.assertEqual(os.listdir(self.folder), ["alice@CIC.key"])

    def test_whatever_the_umask_is(self) -> None:
        self.addCleanup(os.umask, os.umask(0))
        self.open()
        self.assertEqual(self.mode(), 0o600)

    def test_what_a_killed_process_left_is_no_obstacle(self) -> None:
        self.folder.mkdir()
        Path(self.path + ".new").write_text("half a k")
        self.assertTrue(self.open().made)
        self.assertEqual(os.listdir(self.folder), ["alice@CIC.key"])

    def test_nothing_is_there_before_all_is_on_disk(self) -> None:
        calls: list[str] = []

        def note(name: str) -> None:
            real = getattr(os, name)

            def call(*args: Any) -> Any:
                calls.append(name)
                return real(*args)

            self.patch(os, name, call)

        note("fsync")
        note("rename")
        self.open()
        self.assertEqual(calls, ["fsync", "rename", "fsync"])

    def test_a_disk_that_is_full(self) -> None:
        def fsync(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        self.patch(os, "fsync", fsync)
        error = self.assertRaises(KeyFileError, self.open)
        self.assertIn("No space left on device", str(error))
        self.assertFalse(os.path.exists(self.path))

    def test_one_process_has_it(self) -> None:
        own = open_key(self.path, ME, lambda size: ALICE, b"", float)
        self.refused("in use by another process")
        assert own.lock is not None
        own.lock.release()
        self.open()

    def test_it_is_free_after_a_failure(self) -> None:
        self.write("nothing")
        self.refused("damaged")
        held = lock(self.path)
        assert held is not None
        held.release()

    def test_a_key_of_this_process_only(self) -> None:
        before = set(os.listdir("/tmp"))
        own = fleeting_key(lambda size: ALICE[:size], float)
        self.assertEqual((own.keys.own, own.made, own.lock), (keys_from(ALICE).own, True, None))
        left = {name for name in set(os.listdir("/tmp")) - before if name.startswith("p2pchat-")}
        self.assertEqual(left, set())


class ReadTests(KeyFileTestCase):
    def test_others_could_read_it(self) -> None:
        self.open()
        for mode in (0o644, 0o640, 0o604, 0o666):
            os.chmod(self.path, mode)
            self.assertTrue(self.open().was_open)
            self.assertEqual(self.mode(), 0o600)
            self.assertFalse(self.open().was_open)

    def test_of_another_user(self) -> None:
        self.open()
        self.patch(os, "geteuid", lambda: os.getuid() + 1)
        self.refused("belongs to another user")

    def test_damaged(self) -> None:
        whole = pem_of(ALICE)
        other = pem_of(BOB)
        private, begin, certificate = whole.partition("-----BEGIN CERTIFICATE")
        for data in (
            "",
            "\n",
            "nothing",
            b"\xff\xfe\0",
            private,
            begin + certificate,
            whole[:-40],
            whole[:150] + "?" + whole[151:],
            private + begin + other.partition("-----BEGIN CERTIFICATE")[2],
            whole.replace("GFhY", "GFiY", 1),
            whole * 80,  # as many certificates are no handshake that others would take
        ):
            self.write(data)
            self.refused("is damaged: put a copy of it back")

    def test_a_certificate_that_nobody_would_take(self) -> None:
        """Its last byte is of the signature, which only the other end verifies."""
        whole = pem_of(ALICE)
        der = bytearray(keys.certificate_in(whole))
        der[-1] ^= 1
        self.write(whole.partition("-----BEGIN CERT")[0] + ssl.DER_cert_to_PEM_cert(bytes(der)))
        self.refused("is damaged")

    def test_of_another_name(self) -> None:
        self.open()
        self.refused("is the key of alice@CIC", me="bob@CIC")

    def test_any_name_is_one_line(self) -> None:
        for name in ("a\nb@CIC", "Łuk asz@Ą", "a\x1b[2J@x", "-----BEGIN CERTIFICATE-----@x"):
            self.open(me=name)
            self.assertEqual(self.content().count(b"\n"), 1 + pem_of(ALICE).count("\n"))
            self.assertFalse(self.open(me=name).made)
            self.refused("is the key of", me="other@CIC")
            os.unlink(self.path)

    def test_a_name_cannot_reach_the_terminal(self) -> None:
        self.write("p2pchat key of \x1b[2J\n" + pem_of(ALICE))
        self.open()

    def test_a_file_that_says_no_name_is_anybody_s(self) -> None:
        self.write(pem_of(ALICE))
        self.assertEqual(self.open(me="bob@CIC").keys.own, keys_from(ALICE).own)

    def test_what_is_no_file(self) -> None:
        self.folder.mkdir()
        os.mkfifo(self.path, 0o600)
        self.refused("is no file")
        os.unlink(self.path)
        os.mkdir(self.path)
        self.refused("is no file")
        os.rmdir(self.path)
        os.symlink("nowhere", self.path)
        self.refused("cannot be read")

    def test_a_passphrase(self) -> None:
        self.assertTrue(self.open(passphrase=b"secret").made)
        self.assertIn(b"ENCRYPTED", self.content())
        self.assertEqual(self.open(passphrase=b"secret").keys.own, keys_from(ALICE).own)
        self.refused("does not open with this passphrase", passphrase=b"Secret")
        self.refused("has a passphrase")
        error = self.assertRaises(KeyFileError, self.open, passphrase=b"x" * 1001)
        self.assertIn("1000 bytes", str(error))

    def test_a_passphrase_for_what_has_none(self) -> None:
        self.open()
        self.assertFalse(self.open(passphrase=b"secret").made)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 690), st.binary(min_size=1, max_size=3))
    def test_any_damage_is_one_sentence(self, at: int, junk: bytes) -> None:
        whole = b"p2pchat key of alice@CIC\n" + pem_of(ALICE).encode()
        self.write(whole[:at] + junk + whole[at + len(junk) :])
        try:
            self.assertEqual(self.open().keys.own, keys_from(ALICE).own)
        except KeyFileError as error:
            self.assertNotIn("\n", str(error))


class SystemTests(KeyFileTestCase):
    def test_without_cryptography(self) -> None:
        """A key that is there needs it not; one that is to be made does."""
        self.open()
        real = builtins.__import__

        def refuse(name: str, *args: Any, **named: Any) -> Any:
            if name.startswith("cryptography"):
                raise ImportError(name)
            return real(name, *args, **named)

        self.patch(builtins, "__import__", refuse)
        self.open()
        os.unlink(self.path)
        error = self.assertRaises(NoCryptography, self.open)
        self.assertIn("--security off", str(error))
        self.assertEqual(os.listdir(self.folder), [])

    def test_without_ed25519(self) -> None:
        """The library refuses any key of this kind, as under FIPS: the file is not to blame."""
        self.open()

        def refuse(*args: Any, **named: Any) -> None:
            raise ssl.SSLError(1, "[SSL] unsupported")

        self.patch(ssl.SSLContext, "load_cert_chain", refuse)
        error = self.assertRaises(RefusedBySystem, self.open)
        self.assertIn("--security off", str(error))


class MovingTests(KeyFileTestCase):
    def test_out_and_in_again(self) -> None:
        self.open()
        copy = str(self.folder / "copy")
        export_key(self.path, copy, b"", b"secret")
        self.assertEqual(stat.S_IMODE(os.stat(copy).st_mode), 0o600)
        self.assertNotIn(b"BEGIN PRIVATE", Path(copy).read_bytes())
        os.unlink(self.path)
        import_key(copy, self.path, "bob@CIC", b"secret")
        self.assertEqual(self.open(me="bob@CIC").keys.own, keys_from(ALICE).own)
        self.refused("is the key of bob@CIC")

    def test_a_private_key_alone_is_enough(self) -> None:
        alone = self.mktemp()
        Path(alone).write_text(pem_of(ALICE).partition("-----BEGIN CERT")[0])
        import_key(alone, self.path, ME)
        self.assertEqual(self.open().keys.own, keys_from(ALICE).own)
        self.assertEqual(seed_in(self.content().decode()), ALICE)

    def test_nothing_leaves_in_the_clear(self) -> None:
        self.open()
        self.assertRaises(KeyFileError, export_key, self.path, self.mktemp(), b"", b"")

    def test_an_export_overwrites_nothing(self) -> None:
        self.open()
        target = self.mktemp()
        Path(target).write_text("mine")
        error = self.assertRaises(KeyFileError, export_key, self.path, target, b"", b"secret")
        self.assertIn(target, str(error))
        self.assertEqual(Path(target).read_text(), "mine")

    def test_an_import_overwrites_a_key_only_when_told(self) -> None:
        self.open(ALICE)
        source = self.mktemp()
        Path(source).write_text(pem_of(BOB))
        error = self.assertRaises(KeyFileError, import_key, source, self.path, ME)
        self.assertIn("--replace", str(error))
        self.assertEqual(self.open().keys.own, keys_from(ALICE).own)
        import_key(source, self.path, ME, replace=True)
        self.assertEqual(self.open().keys.own, keys_from(BOB).own)

    def test_not_while_a_node_uses_it(self) -> None:
        source = self.mktemp()
        Path(source).write_text(pem_of(BOB))
        own = open_key(self.path, ME, lambda size: ALICE, b"", float)
        assert own.lock is not None
        self.addCleanup(own.lock.release)
        error = self.assertRaises(KeyFileError, import_key, source, self.path, ME, replace=True)
        self.assertIn("in use", str(error))
        self.assertEqual(read(self.path)[0].own, keys_from(ALICE).own)

    def test_wrong_passphrases(self) -> None:
        self.open(passphrase=b"secret")
        for passphrase in (b"", b"Secret"):
            for call in (
                lambda p=passphrase: export_key(self.path, self.mktemp(), p, b"new"),
                lambda p=passphrase: import_key(self.path, self.mktemp(), ME, p),
            ):
                error = self.assertRaises(KeyFileError, call)
                self.assertIn("passphrase", str(error))

    def test_what_is_no_key(self) -> None:
        source = self.mktemp()
        for text in ("", "nothing", pem_of(ALICE).partition("\n")[0]):
            Path(source).write_text(text)
            self.assertRaises(KeyFileError, import_key, source, self.path, ME)
        self.assertFalse(os.path.exists(self.path))

    def test_the_source_stays_as_it_is(self) -> None:
        """It may be somebody else's, or on a disk without modes."""
        source = self.mktemp()
        Path(source).write_text(pem_of(ALICE))
        os.chmod(source, 0o644)
        import_key(source, self.path, ME)
        self.assertEqual(stat.S_IMODE(os.stat(source).st_mode), 0o644)

    def test_nothing_is_left_open(self) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            self.open()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
