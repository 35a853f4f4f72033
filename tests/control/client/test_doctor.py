"""`p2pchat doctor`: what it says of a machine and of a network, and that it is over in time."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client import doctor as doctors
from p2pchat.control.client.doctor import Found, doctor, page
from p2pchat.settings.values import (
    HistorySettings,
    LanSettings,
    PeerSettings,
    RendezvousSettings,
    Settings,
)
from p2pchat.speech import use


class RendezvousCase(SynchronousTestCase):
    def server(self, answer: bytes | None, drips: threading.Event | None = None) -> int:
        """The port of a server that answers its first connection with this; None: never.

        With `drips` it sends a byte now and then, until that is set or the other end has gone.
        """
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                if answer is None:
                    over.wait(10)
                elif drips is not None:
                    try:
                        for byte in answer:
                            connection.sendall(bytes([byte]))
                            if drips.wait(0.01):
                                break
                    except OSError:
                        pass
                else:
                    connection.recv(1000)
                    connection.sendall(answer)

        over = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        return int(listening.getsockname()[1])

    def asked(
        self, answer: bytes | None, drips: threading.Event | None = None
    ) -> tuple[list[str], list[str]]:
        """What is said of a rendezvous that answers this, and what is said to help."""
        settings = Settings(
            rendezvous=RendezvousSettings(host="127.0.0.1", port=self.server(answer, drips))
        )
        found = [*doctors._rendezvous(settings)]
        return [each.says for each in found], [each.helps for each in found if each.helps]


class RendezvousTests(RendezvousCase):
    def test_a_listing(self) -> None:
        listing = {"status": "OK", "peers": [{"name": "a"}, {"name": "b"}]}
        says, helps = self.asked(json.dumps(listing).encode() + b"\n")
        self.assertRegex(says[0], r"^127\.0\.0\.1:\d+: 2 registered, \d+ ms$")
        self.assertEqual(helps, [])

    def test_one_that_tells_only_who_is_registered(self) -> None:
        says, helps = self.asked(b'{"status":"ERROR","error":"peer_not_registered"}\n')
        self.assertRegex(says[0], r"it answers \(peer_not_registered\), \d+ ms$")
        self.assertEqual(helps, [])

    def test_what_is_no_rendezvous(self) -> None:
        for answer in (b"SSH-2.0-x\r\n", b"[]\n", b"", b"[" * 100_000 + b"\n", b"\xff\n"):
            says, helps = self.asked(answer)
            self.assertRegex(says[0], "what answers is no rendezvous$")
            self.assertEqual(len(helps), 1)

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        settings = Settings(rendezvous=RendezvousSettings(host="127.0.0.1", port=port))
        says, helps = zip(
            *((it.says, it.helps) for it in doctors._rendezvous(settings)), strict=True
        )
        self.assertIn("refused", says[0])
        self.assertIn("--lan or /dial", helps[-1])

    def test_one_that_never_answers(self) -> None:
        self.patch(doctors, "_ANSWER", 0.05)
        says, helps = self.asked(None)
        self.assertRegex(says[0], "no answer|timed out")
        self.assertEqual(len(helps), 1)

    def test_one_that_drips(self) -> None:
        """Its bytes come one by one, each in time: no thread of ours is left with them."""
        self.patch(doctors, "_ANSWER", 0.2)
        drops = threading.Event()
        self.addCleanup(drops.set)
        began = time.monotonic()
        says, helps = self.asked(b'{"status":"OK",' + b" " * 1000, drips=drops)
        self.assertLess(time.monotonic() - began, 2)
        self.assertRegex(says[0], "no answer|timed out")
        self.assertEqual(len(helps), 1)

    def test_none(self) -> None:
        (found,) = doctors._rendezvous(Settings())
        self.assertIn("only its nodes are met", found.says)
        self.assertEqual(found.helps, "")


class PageTests(SynchronousTestCase):
    def test_all_is_well(self) -> None:
        lines = page([("a", lambda: [Found("a", "one"), Found("longer", "two")])])
        self.assertEqual(lines, ["a       one", "longer  two", "all is well"])

    def test_what_is_wrong_comes_last(self) -> None:
        lines = page(
            [("a", lambda: [Found("a", "one", "do this")]), ("b", lambda: [Found("b", "two")])]
        )
        self.assertEqual(lines, ["a  one", "b  two", "! a: do this"])

    def test_one_that_fails_or_hangs_costs_the_others_nothing(self) -> None:
        over = threading.Event()
        self.addCleanup(over.set)

        def hang() -> Iterable[Found]:
            over.wait(10)
            return []

        def fail() -> Iterable[Found]:
            raise ZeroDivisionError("division")

        lines = page([("a", hang), ("b", fail), ("c", lambda: [Found("c", "fine")])], 0.05)
        self.assertEqual(lines[2], "c  fine")
        self.assertIn("no answer in 0.05 s", lines[0])
        self.assertIn("could not be looked at: division", lines[1])
        self.assertEqual([line.split(":")[0] for line in lines[3:]], ["! a", "! b"])


class LookTests(SynchronousTestCase):
    def test_the_port(self) -> None:
        with socket.create_server(("", 0)) as taken:
            number = taken.getsockname()[1]
            (found,) = doctors._port(Settings(peer=PeerSettings(port=number)))
            self.assertEqual((found.says, found.helps != ""), (f"{number} is taken", True))
            self.patch(doctors, "_PORT", number)
            (found,) = doctors._port(Settings())
            self.assertEqual(found.helps, "", "the next one is used")

    def test_the_network(self) -> None:
        for answer, lan, says, helps in (
            (([], set(), ""), False, "no interface leads", False),
            (([], set(), ""), True, "no interface leads", True),
            ((["10.0.0.1"], set(), ""), True, "nobody else was heard", False),
            (
                (["10.0.0.1"], {"[bob@CIC] at 10.0.0.2:4000"}, ""),
                True,
                "1 heard: \\[bob@CIC\\]",
                False,
            ),
            ((["10.0.0.1"], set(), "cannot listen"), True, "cannot listen", True),
        ):
            self.patch(doctors, "heard_on_the_network", lambda answer=answer, **_: answer)
            (found,) = doctors._network(Settings(lan=LanSettings(enabled=lan)))
            self.assertRegex(found.says, says)
            self.assertEqual(bool(found.helps), helps, found)

    def test_a_folder_that_cannot_be_written(self) -> None:
        self.patch(os, "access", lambda *_: False)
        (found,) = doctors._files()
        self.assertIn("nothing can be kept", found.helps)

    def test_a_disk_that_is_nearly_full(self) -> None:
        self.patch(shutil, "disk_usage", lambda _: SimpleNamespace(free=9))
        (found,) = doctors._files()
        self.assertIn("nearly full", found.helps)

    def test_a_clock_that_was_never_set(self) -> None:
        self.patch(time, "gmtime", lambda: time.struct_time((1970, *[1] * 8)))
        (found,) = doctors._clock()
        self.assertIn("set it", found.helps)

    def test_everything(self) -> None:
        self.patch(doctors, "heard_on_the_network", lambda **_: ([], set(), ""))
        lines = doctor(Settings(history=HistorySettings(file="none")))
        for about in ("lo ", "IPv4", "IPv6", "port", "rendezvous", "network", "clock", "files"):
            self.assertTrue(any(line.startswith(about) for line in lines), (about, lines))

    def test_in_portuguese(self) -> None:
        self.addCleanup(use, "en")
        use("pt_BR")
        self.patch(doctors, "heard_on_the_network", lambda **_: ([], set(), ""))
        lines = doctor(Settings(lan=LanSettings(enabled=True)))
        for about in ("IPv4 ", "porta ", "rendezvous ", "rede ", "relógio ", "arquivos "):
            self.assertTrue(any(line.startswith(about) for line in lines), (about, lines))
        self.assertIn("! rede: /dial HOST[:PORT] ou um rendezvous", "\n".join(lines))
