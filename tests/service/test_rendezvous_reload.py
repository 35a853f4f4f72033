"""What a rendezvous does at SIGHUP, without a process of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.ban_file import reading
from p2pchat.rendezvous.registry import Registry, Verdict
from p2pchat.service.rendezvous_reload import Reload
from p2pchat.settings.checks import ConfigError
from p2pchat.turns import at_once
from tests.support.loglines import captured


class Threads(Clock):
    """A clock that runs at once what a signal's handler wants to be run."""

    def callFromThread(self, call: Any) -> None:
        call()


class FileTests(SynchronousTestCase):
    def write(self, content: bytes) -> str:
        path = Path(self.mktemp()).resolve()
        path.write_bytes(content)
        return str(path)

    def refused(self, path: str) -> str:
        with self.assertRaises(ConfigError) as caught:
            at_once(reading(path))
        return str(caught.exception)

    def test_a_file(self) -> None:
        path = self.write("\ufeff# why\r\n192.0.2.0/24\r\nolá@CIC".encode())
        bans = at_once(reading(path))
        self.assertTrue(bans.address("192.0.2.9"))
        self.assertTrue(bans.name("CIC", "olá"))

    def test_what_cannot_be_used_is_one_sentence(self) -> None:
        pipe = self.mktemp()
        os.mkfifo(pipe)
        for path, words in (
            ("/nowhere/bans", "ban-file: /nowhere/bans: cannot be read: No such file or directory"),
            ("/", "Is a directory"),
            (pipe, "is no file"),
            ("/dev/zero", "is no file"),
            (self.write(b"a@b\n\xff@x"), "not UTF-8 text"),
            (self.write(b"a@b\nwho"), "line 2: expected an address, a network or NAME@NAMESPACE"),
            (self.write(b"# long\n" * 200_000), "larger than 1048576 bytes"),
        ):
            self.assertIn(words, self.refused(path))


class ReloadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve()
        self.path.write_text("mallory@n")
        self.registry = Registry()
        self.left = 0
        self.reload = self.make(str(self.path))
        self.lines = captured(self)

    def make(self, path: str | None) -> Reload:
        def leave() -> None:
            self.left += 1

        return Reload(Threads(), self.registry, path, leave)

    def register(self, name: str) -> Verdict:
        return self.registry.register("192.0.2.1", "n", name, 1, 60, 0.0)

    def begin(self) -> None:
        self.reload.startService()
        self.addCleanup(self.reload.stopService)

    def hang_up(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    def test_it_reads_the_file_again_and_ends_what_is_banned_now(self) -> None:
        self.reload.read()
        self.assertIs(self.register("mallory"), Verdict.BANNED)
        self.register("eve")
        self.begin()
        self.path.write_text("eve@n")
        self.hang_up()
        self.assertIs(self.register("eve"), Verdict.BANNED)
        self.assertIs(self.register("mallory"), Verdict.GRANTED)
        self.assertIn(f"Read {self.path}: 1 registrations ended", self.lines()[-1])

    def test_a_file_that_cannot_be_used_any_more_changes_nothing(self) -> None:
        self.reload.read()
        self.begin()
        for content in ("eve", None):
            self.path.write_text(content) if content else self.path.unlink()
            self.hang_up()
            self.assertIs(self.register("mallory"), Verdict.BANNED)
            self.assertIn("the bans stay as they were", self.lines()[-1])

    def test_without_a_file(self) -> None:
        self.reload = self.make(None)
        self.begin()
        self.hang_up()
        self.assertIs(self.register("mallory"), Verdict.GRANTED)
        self.assertEqual((self.lines(), self.left), ([], 0))

    def test_stopped_it_leaves_the_signal_to_whoever_had_it(self) -> None:
        before = signal.getsignal(signal.SIGHUP)
        self.reload.startService()
        self.assertNotEqual(signal.getsignal(signal.SIGHUP), before)
        self.reload.stopService()
        self.assertEqual(signal.getsignal(signal.SIGHUP), before)

    def test_nothing_is_ended_while_what_belongs_to_it_stops(self) -> None:
        """Its database may take a while: the signal must not have its default effect yet."""
        before = signal.getsignal(signal.SIGHUP)
        stopping: Deferred[None] = Deferred()
        child = Service()
        self.patch(child, "stopService", lambda: stopping)
        child.setServiceParent(self.reload)
        self.reload.startService()
        self.reload._terminals = [9999]
        self.reload.stopService()
        self.hang_up()
        self.assertEqual(self.left, 0)
        stopping.callback(None)
        self.assertEqual(signal.getsignal(signal.SIGHUP), before)

    def test_a_second_signal_while_the_file_is_read_begins_anew(self) -> None:
        seconds = iter(range(1_000_000))
        clock = Threads()
        clock.seconds = lambda: float(next(seconds))  # type: ignore[method-assign]
        self.reload = Reload(clock, self.registry, str(self.path), lambda: None)
        self.begin()
        self.path.write_text("# much\n" * 1000 + "mallory@n")
        self.hang_up()
        self.path.write_text("eve@n")
        self.hang_up()
        while clock.calls:
            clock.calls.pop(0).func()
        self.assertIs(self.register("mallory"), Verdict.GRANTED)
        self.assertIs(self.register("eve"), Verdict.BANNED)
        self.assertEqual(len(self.lines()), 1)

    def test_a_window_that_is_closed_ends_the_server_once(self) -> None:
        outer, inner = os.openpty()
        self.addCleanup(os.close, inner)
        self.begin()
        self.reload._terminals = [inner]
        self.hang_up()
        self.assertEqual(self.left, 0)
        os.close(outer)
        for _ in range(2):
            self.hang_up()
        self.assertEqual(self.left, 1)

    def test_told_to_stop_twice_it_waits_for_nobody(self) -> None:
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        hurried: list[None] = []
        stopping: Deferred[None] = Deferred()
        child = Service()
        self.patch(child, "stopService", lambda: stopping)
        child.setServiceParent(self.reload)
        self.reload.leaving.append(child)
        self.reload.hurry = lambda: hurried.append(None)
        self.reload.startService()
        self.reload.leave()
        self.assertEqual((self.left, hurried), (1, []))
        self.reload.stopService()
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        self.reload.leave()
        self.assertEqual((self.left, len(hurried)), (1, 3))
        stopping.callback(None)
        after = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        self.assertEqual(after, before)

    def test_who_was_to_outlive_the_terminal_does(self) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        self.patch(os, "isatty", lambda _: True)
        self.reload.startService()
        self.reload.stopService()
        self.assertEqual(self.reload._terminals, [])
