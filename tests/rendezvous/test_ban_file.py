"""The file of bans as an administrator changes it: what is written, what stays, what cannot be."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import p2pchat.rendezvous.ban_file as ban_file_module
from p2pchat.rendezvous.ban_file import BanFile, checked_entry
from p2pchat.settings.checks import ConfigError
from p2pchat.turns import at_once
from p2pchat.wire.networks import read_network


class BanFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve()
        self.path.parent.mkdir(exist_ok=True)
        self.file = BanFile(str(self.path))

    def test_an_entry_is_added_below_whatever_there_is(self) -> None:
        for before, after in (
            (b"", b"a@b\n"),
            (b"x@y", b"x@y\na@b\n"),
            (b"# why\r\nx@y\r\n", b"# why\r\nx@y\r\na@b\n"),
        ):
            self.path.write_bytes(before)
            self.file.add("a@b")
            self.assertEqual(self.path.read_bytes(), after)
            self.assertTrue(at_once(self.file.reading()).name("b", "a"))

    def test_an_entry_is_taken_out_and_the_rest_stays(self) -> None:
        self.path.write_bytes(b"\xef\xbb\xbf# all\r\n 10.1.2.3/8 # why\n10.0.0.0/8\r10.0.0.1\na@b")
        self.path.chmod(0o640)
        self.assertTrue(self.file.has("10.0.0.0/8"))
        self.file.remove("10.0.0.0/8")
        self.assertEqual(self.path.read_bytes(), b"\xef\xbb\xbf# all\r\n10.0.0.1\na@b")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o640)
        self.assertFalse(self.file.has("10.0.0.0/8"))
        self.assertEqual(os.listdir(self.path.parent), [self.path.name])

    def test_behind_a_link_and_beside_what_somebody_left_there(self) -> None:
        self.path.write_text("a@b\n")
        other = self.path.parent / "precious"
        other.write_text("precious")
        (self.path.parent / f"{self.path.name}.new").symlink_to(other)
        link = self.path.parent / "link"
        link.symlink_to(self.path)
        BanFile(str(link)).remove("a@b")
        self.assertTrue(link.is_symlink())
        self.assertEqual((self.path.read_text(), other.read_text()), ("", "precious"))

    def test_a_full_disk_leaves_no_half_of_an_entry(self) -> None:
        self.path.write_text("a@b\n")
        write = os.write
        self.patch(os, "write", lambda fd, data: write(fd, data[:7]))
        with self.assertRaises(OSError):
            self.file.add("203.0.113.7")
        self.assertEqual(self.path.read_text(), "a@b\n")

    def test_nothing_is_added_to_a_file_that_would_be_too_large(self) -> None:
        text = "a@b\n" + "\n" * 1_048_570
        self.path.write_text(text)
        at_once(self.file.reading())
        with self.assertRaises(OSError):
            self.file.add("203.0.113.7")
        self.assertEqual(self.path.read_text(), text)

    def test_of_lines_that_cannot_be_the_entry_no_network_is_made(self) -> None:
        made: list[str] = []

        def reading(text: str) -> object:
            made.append(text)
            return read_network(text)

        self.patch(ban_file_module, "read_network", reading)
        self.path.write_text("a@b\n\n10.0.0.1\n" * 50 + "# 10.0.0.2\n*@x\n10.0.0.2/32\n")
        for entry, lines in (("x@y", 0), ("b@c", 0), ("10.0.0.2", 52), ("*@x", 0)):
            self.assertEqual(self.file.has(entry), lines > 0 or entry == "*@x", entry)
            self.assertEqual(len(made), lines)
            made.clear()

    def test_what_no_file_holds_counts_as_well(self) -> None:
        self.path.write_text("a@b")
        self.file.unwritten["c@d"] = None
        bans = at_once(self.file.reading())
        self.assertTrue(bans.name("b", "a") and bans.name("d", "c"))
        nowhere = BanFile(None)
        nowhere.unwritten["c@d"] = None
        self.assertTrue(at_once(nowhere.reading()).name("d", "c"))
        self.assertFalse(nowhere.has("c@d"))

    def test_what_is_no_entry(self) -> None:
        for text in (
            *("", "#", "a@b # why", "# a@b", "alice", "10.0.0.0/33", "a@b\nc@d"),
            *("a\x1b@b", "*" * 9 + "@b", "x" * 200 + "@b"),
        ):
            with self.assertRaises(ConfigError, msg=text) as caught:
                checked_entry(text)
            self.assertNotIn("line 1", str(caught.exception))
        self.assertEqual(checked_entry(" olá@CIC "), "olá@CIC")
