"""`p2pchat keys export` and `import`: who is asked what. The program itself has other tests."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.keys import do
from p2pchat.mesh.identity.key_file import contents_of, export_key, open_key
from p2pchat.mesh.identity.key_making import KeyFileError, pem_of
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.key_words import day
from p2pchat.mesh.identity.next_key import read_next

SEED = bytes(range(32))


class AskingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.key, self.copy = (os.path.join(self.folder, name) for name in ("my.key", "copy"))
        with open(self.key, "w", encoding="ascii") as file:
            file.write(pem_of(SEED))
        os.chmod(self.key, 0o600)
        self.prompts: list[str] = []

    def typing(self, *words: str | Exception) -> Any:
        """Do with who types these at the prompts, one after the other."""
        rest = iter(words)

        def getpass(prompt: str) -> str:
            self.prompts.append(prompt)
            word = next(rest)
            if isinstance(word, Exception):
                raise word
            return word

        return patch("p2pchat.control.client.keys.getpass", getpass)

    def run_keys(self, what: str, *words: str | Exception, key: str = "") -> list[str]:
        options = Namespace(
            what=what, file=self.copy, key=key or self.key, replace=False, now=False
        )
        options.name, options.namespace = "alice", "CIC"
        with self.typing(*words):
            return [*do(options)]

    def is_refused(self, sentence: str, *words: str | Exception) -> None:
        with self.assertRaises(KeyFileError) as caught:
            self.run_keys("export", *words)
        self.assertIn(sentence, str(caught.exception))
        self.assertFalse(os.path.exists(self.copy))

    def test_twice_for_a_copy_and_once_to_take_it(self) -> None:
        self.run_keys("export", "olá é", "olá é")
        self.assertEqual(self.prompts, ["passphrase for the copy: ", "once more: "])
        self.assertTrue(contents_of(self.copy).locked)
        new = os.path.join(self.folder, "new.key")
        del self.prompts[:]
        self.run_keys("import", "olá é", key=new)
        self.assertEqual(self.prompts, [f"passphrase of {self.copy}: "])
        self.assertEqual(contents_of(new).key, contents_of(self.key).key)

    def test_a_key_with_a_passphrase_is_opened_first(self) -> None:
        locked = os.path.join(self.folder, "locked.key")
        export_key(self.key, locked, b"", b"old")
        self.run_keys("export", "old", "new", "new", key=locked)
        self.assertEqual(self.prompts[0], f"passphrase of {locked}: ")

    def test_two_that_differ(self) -> None:
        self.is_refused("two passphrases", "one", "another")

    def test_none(self) -> None:
        self.is_refused("with a passphrase only", "")
        self.assertEqual(len(self.prompts), 1)

    def test_what_is_no_text(self) -> None:
        self.is_refused("no text", UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"))
        self.is_refused("no text", "\udcff")

    def test_nobody_is_there(self) -> None:
        with self.assertRaises(EOFError):
            self.run_keys("export", EOFError())
        self.assertFalse(os.path.exists(self.copy))


class RotatingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.key = os.path.join(self.folder, "alice@CIC.key")
        self.node = open_key(self.key, "alice@CIC", lambda _: SEED)

    def run_keys(self, what: str, *, now: bool = False, file: str | None = None) -> str:
        options = Namespace(what=what, file=file, key=self.key, now=now, replace=False)
        return "\n".join(do(options))

    def release(self) -> None:
        assert self.node.lock is not None
        self.node.lock.release()

    def test_beside_a_running_node(self) -> None:
        own = contents_of(self.key).key
        self.addCleanup(self.release)
        said = self.run_keys("rotate")
        found = read_next(self.key)
        assert found is not None
        new = fingerprint(found.statement.new)
        self.assertIn(f"has another key from {day(found.until)} on: {new}", said)
        self.assertIn(f"next key  {new}  from", self.run_keys("list"))
        with self.assertRaises(KeyFileError):
            self.run_keys("rotate")
        self.assertIn("in half a minute", self.run_keys("rotate", now=True))
        self.assertIn(f"next key  {new}  soon", self.run_keys("list"))
        self.assertEqual(contents_of(self.key).key, own)

    def test_without_a_node_now_is_now(self) -> None:
        self.release()
        self.assertIn("from now on", self.run_keys("rotate", now=True))
        self.assertNotEqual(contents_of(self.key).key, self.node.keys.own)
        self.assertIsNone(read_next(self.key))
        self.assertNotIn("next key", self.run_keys("list"))

    def test_what_cannot_be_meant(self) -> None:
        self.release()
        with self.assertRaises(ValueError):
            self.run_keys("rotate", file="x")
