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

from p2pchat.ports import CannotStartError, listen_on, open_port
from p2pchat.settings import PeerSettings
from tests.processes import ProcessCase

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
        self.refused("tcp:many")
        self.refused("nonsense:1")

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
