"""`p2pchat keys export` and `import`: who is asked what. The program itself has other tests."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.keys import do
from p2pchat.mesh.identity.key_file import contents_of, export_key
from p2pchat.mesh.identity.key_making import KeyFileError, pem_of

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
        options = Namespace(what=what, file=self.copy, key=key or self.key, replace=False)
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
