"""Taking a port: by number, the first free one, or by an endpoint."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ServerFactory
from twisted.trial.unittest import TestCase

from p2pchat.mesh.link.ports import CannotStartError, listen_on, open_port
from p2pchat.settings.values import PeerSettings
from tests.support.processes import ProcessCase

reactor: Any = _reactor


class EndpointTests(TestCase):
    def refused(self, description: str) -> str:
        with self.assertRaises(CannotStartError) as caught:
            listen_on(reactor, ServerFactory(), description)
        self.assertIn(description, str(caught.exception))
        return str(caught.exception)

    async def test_an_endpoint_instead_of_a_number(self) -> None:
        peer = PeerSettings(listen="tcp:0:interface=127.0.0.1", port=1)
        port, nth = open_port(reactor, ServerFactory(), peer, loopback=False)
        self.assertEqual((port.getHost().host, nth), ("127.0.0.1", 1))  # type: ignore[attr-defined]
        await port.stopListening()  # type: ignore[misc]

    def test_what_cannot_be(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            self.assertIn("in use", self.refused(f"tcp:{number}:interface=127.0.0.1"))
        self.assertIn("no such", self.refused("systemd:domain=INET:index=3"))
        self.assertIn("No such file", self.refused("unix:/none/socket"))

    def test_what_is_no_endpoint_is_said_in_a_sentence_of_ours(self) -> None:
        for description, why in (
            ("tcp:foo", "expected tcp:PORT[:interface=ADDRESS], the port from 0 to 65535"),
            ("tcp:", "expected tcp:PORT"),
            ("tcp:-1", "the port from 0 to 65535"),
            ("tcp:65536", "the port from 0 to 65535"),
            ("tcp:0:port=1", "expected tcp:PORT"),
            ("tcp:0:interface=::1", r"a colon in ADDRESS as \:"),
            ("tcp:1\\", "expected tcp:PORT"),
            ("unix:x:mode=9", "expected unix:PATH"),
            ("systemd:domain=INET", "expected systemd:domain=INET:index=NUMBER or "),
            ("systemd:domain=INET:index=x", "expected systemd:domain=INET:index=NUMBER or "),
            ("nonsense:1", '"nonsense" is no kind of endpoint, or is written otherwise (usual '),
        ):
            with self.subTest(description=description):
                sentence = self.refused(description)
                self.assertTrue(sentence.startswith(f"cannot listen on {description}: "), sentence)
                self.assertIn(why, sentence)

    def test_a_kind_of_endpoint_whose_module_is_not_installed(self) -> None:
        from twisted.internet import endpoints

        def missing(*_: object) -> None:
            raise ModuleNotFoundError("No module named 'quic'", name="quic")

        self.patch(endpoints, "serverFromString", missing)
        self.assertIn("this needs the module quic, which is", self.refused("quic:1"))

    def test_one_that_is_not_ready_at_once(self) -> None:
        class Slow:
            def listen(self, factory: ServerFactory) -> Deferred[Any]:
                return Deferred()

        from twisted.internet import endpoints

        self.patch(endpoints, "serverFromString", lambda *_: Slow())
        self.assertIn("not ready", self.refused("slow:1"))


class ActivationTests(ProcessCase):
    async def test_a_socket_that_systemd_opened(self) -> None:
        """The program gets descriptor 3, as systemd hands it over, and listens on it."""
        opened = socket.socket()
        self.addCleanup(opened.close)
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        opened.setblocking(False)
        starter = Path(self.folder, "starter.py")
        starter.write_text(
            "import os, sys\n"
            "os.dup2(int(sys.argv[1]), 3)\n"
            "os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='x', LISTEN_PID=str(os.getpid()))\n"
            "os.execv(sys.executable, [sys.executable, '-m', 'p2pchat', *sys.argv[2:]])\n"
        )
        fd = os.dup(opened.fileno())
        self.addCleanup(os.close, fd)
        command = [sys.executable, str(starter.resolve()), str(fd), "--name", "relay"]
        command += ["--listen", "systemd:domain=INET:index=0", "--log-file", "-"]
        program = self.start("relay", *command, fds={fd: fd})
        self.assertEqual(await self.port_of(program), opened.getsockname()[1])
