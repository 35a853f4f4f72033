"""Taking a port with real sockets: an endpoint, one that is in use, one that systemd opened."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.protocol import ServerFactory

from p2pchat.mesh.link.ports import CannotStartError, listen_on, open_port
from p2pchat.settings.values import PeerSettings
from tests.support.processes import ProcessCase

reactor: Any = _reactor


class PortTests(ProcessCase):
    async def test_an_endpoint_instead_of_a_number(self) -> None:
        peer = PeerSettings(listen="tcp:0:interface=127.0.0.1", port=1)
        port = open_port(reactor, ServerFactory(), peer, loopback=False)
        self.assertEqual(port.getHost().host, "127.0.0.1")  # type: ignore[attr-defined]
        await port.stopListening()  # type: ignore[misc]

    def test_what_the_system_refuses(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            for description, why in (
                (f"tcp:{number}:interface=127.0.0.1", "in use"),
                ("unix:/none/socket", "No such file"),
                ("tcp:-1", "the port from 0 to 65535"),
                ("tcp:65536", "the port from 0 to 65535"),
            ):
                with self.assertRaises(CannotStartError) as caught:
                    listen_on(reactor, ServerFactory(), description)
                sentence = str(caught.exception)
                self.assertTrue(sentence.startswith(f"cannot listen on {description}: "), sentence)
                self.assertIn(why, sentence)

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
