"""`p2pchat keys`: what it lists, what it copies, and what it does not replace."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client import keys as client_keys
from p2pchat.control.client.commands import run
from p2pchat.disk import SYSTEM
from p2pchat.locks import lock
from p2pchat.mesh.identity.key_file import contents_of, open_key, read
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin_file import open_pins
from p2pchat.settings.paths import default_key_path


class KeysCase(SynchronousTestCase):
    """A data folder with alice's key. `passphrases` are typed when they are asked for."""

    def setUp(self) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        self.patch(os, "environ", {**os.environ, "XDG_DATA_HOME": str(folder)})
        self.folder = folder
        self.path = default_key_path("alice@CIC")
        self.key = self.make("alice@CIC")
        self.passphrases: list[str] = []
        self.asked: list[str] = []
        self.patch(client_keys, "getpass", self.ask)

    def ask(self, prompt: str) -> str:
        self.asked.append(prompt)
        if not self.passphrases:
            raise EOFError
        return self.passphrases.pop(0)

    def make(self, peer_id: str) -> str:
        own = open_key(default_key_path(peer_id), peer_id, lambda size: peer_id.encode()[:1] * size)
        assert own.lock is not None
        own.lock.release()
        return fingerprint(own.keys.own)

    def do(self, *words: str, status: int = 0, typed: str = "") -> str:
        self.passphrases = typed.split()
        out, complaint = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", complaint)
        done = run(["keys", *words])
        out.flush()
        shown: bytes = out.buffer.getvalue()
        self.assertEqual(done, status, complaint.getvalue())
        return shown.decode() + complaint.getvalue()


class ListTests(KeysCase):
    def test_ours_and_whom_they_know(self) -> None:
        self.assertEqual(self.do(), f"[alice@CIC]  {self.key}  {self.path}\n")
        own, _ = read(self.path)
        file, _ = open_pins(SYSTEM, f"{self.path}s", own.own, lambda _: None, is_new=True)
        known = KnownKeys(lambda: 1.8e9, file)
        known.trust("bob@CIC", "DEQM-6DST-FF90-X7D2", 0.0, typed=True)
        known.close(0.0)
        bob = "  verified  [bob@CIC]  DEQM-6DST-FF90-X7D2  first seen 2027-01-15"
        self.assertIn(bob, self.do("list"))
        Path(f"{self.path}s").write_bytes(b"{}\n")
        self.assertIn("cannot be read: line 1", self.do())

    def test_one_of_several(self) -> None:
        self.make("bob@CIC")
        self.make("bob@home")
        self.assertEqual(self.do().count("\n"), 3)
        self.assertEqual(self.do("--name", "bob", "--namespace", "home").count("\n"), 1)
        self.assertIn("there is no such key", self.do("--name", "eve", status=1))

    def test_a_name_of_strange_characters(self) -> None:
        self.make("zé [x]@CIC")
        self.assertIn("[zé \\x5bx\\x5d@CIC]  ", self.do("--name", "zé [x]"))

    def test_what_is_not_understood(self) -> None:
        for words in (("show",), ("list", "FILE"), ("export",), ("import",)):
            self.assertIn("say: keys [list |", self.do(*words, status=2))


class ExportTests(KeysCase):
    def setUp(self) -> None:
        super().setUp()
        self.copy = str(self.folder / "copy")

    def test_a_copy_with_a_passphrase(self) -> None:
        self.do("export", self.copy, typed="secret secret")
        self.assertEqual(len(self.asked), 2)
        self.assertEqual(contents_of(self.copy)[:2], ("alice@CIC", True))
        self.assertEqual(os.stat(self.copy).st_mode & 0o777, 0o600)
        keys, _ = read(self.copy, passphrase=b"secret")
        self.assertEqual(fingerprint(keys.own), self.key)

    def test_what_is_not_written(self) -> None:
        self.assertIn("two passphrases", self.do("export", self.copy, status=1, typed="one two"))
        self.assertIn("no passphrase was given", self.do("export", self.copy, status=1))
        self.passphrases = [""]
        self.assertFalse(os.path.exists(self.copy))
        self.make("bob@CIC")
        self.assertIn("there are several", self.do("export", self.copy, status=1, typed="a a"))
        there = self.do("export", self.path, "--name", "alice", status=1, typed="a a")
        self.assertIn("is there already", there)

    def test_it_goes_back(self) -> None:
        self.do("export", self.copy, typed="secret secret")
        os.unlink(self.path)
        self.assertIn("does not open", self.do("import", self.copy, status=1, typed="wrong"))
        shown = self.do("import", self.copy, typed="secret")
        self.assertIn(f"[alice@CIC] has the key {self.key} from now on, in {self.path}", shown)
        self.assertFalse(contents_of(self.path).locked)


class ImportTests(KeysCase):
    def setUp(self) -> None:
        super().setUp()
        self.make("bob@CIC")
        self.theirs = default_key_path("bob@CIC")

    def test_a_key_that_is_there_stays_unless_it_is_to_be_replaced(self) -> None:
        words = ("import", self.theirs, "--name", "alice")
        self.assertIn("--replace", self.do(*words, status=1))
        self.assertEqual(fingerprint(contents_of(self.path).key or b""), self.key)
        self.do(*words, "--replace")
        self.assertEqual(contents_of(self.path).key, contents_of(self.theirs).key)

    def test_one_that_a_node_uses_stays_anyway(self) -> None:
        held = lock(self.path)
        assert held is not None
        self.addCleanup(held.release)
        words = ("import", self.theirs, "--name", "alice", "--replace")
        self.assertIn("is in use by another process", self.do(*words, status=1))
        self.assertEqual(fingerprint(contents_of(self.path).key or b""), self.key)

    def test_whose_it_is_to_be(self) -> None:
        self.assertIn("[carol@CIC] has", self.do("import", self.theirs, "--name", "carol"))
        words = ("import", self.theirs, "--name", "dave", "--namespace", "home")
        self.assertIn("[dave@home] has", self.do(*words))
        self.assertTrue(os.path.exists(default_key_path("dave@home")))
        bare = self.folder / "bare"
        bare.write_text(Path(self.theirs).read_text(encoding="ascii").partition("\n")[2])
        self.assertIn("does not say whose key", self.do("import", str(bare), status=1))
        self.assertIn("[eve@lobby] has", self.do("import", str(bare), "--name", "eve"))

    def test_what_is_no_key(self) -> None:
        (self.folder / "rubbish").write_text("rubbish")
        words = ("import", str(self.folder / "rubbish"), "--name", "carol")
        self.assertIn("is damaged", self.do(*words, status=1))
        self.assertIn("cannot be read", self.do("import", "/nowhere", "--name", "x", status=1))
        self.assertFalse(os.path.exists(default_key_path("carol@CIC")))
