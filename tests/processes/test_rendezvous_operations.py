"""A rendezvous as an administrator runs it: behind HAProxy, on an open socket, to its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SkipTest

from p2pchat.rendezvous.proxied import ProxiedFactory
from p2pchat.rendezvous.server import RendezvousService
from tests.processes.test_rendezvous_sockets import REGISTER, Asking
from tests.support.processes import ProcessCase

reactor: Any = global_reactor
SOURCE = "127.0.0.9"
HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen first
  bind fd@{first}
  server one 127.0.0.1:{port} send-proxy
listen second
  bind fd@{second}
  server one 127.0.0.1:{port} send-proxy-v2
"""


def listening(case: ProcessCase) -> socket.socket:
    """A socket that listens on loopback, for another program."""
    end = socket.socket()
    case.addCleanup(end.close)
    end.bind(("127.0.0.1", 0))
    end.listen()
    end.setblocking(False)
    return end


class Systemd(DatagramProtocol):
    """What a service tells systemd; `heard` fires with the word that was waited for."""

    def __init__(self, word: bytes) -> None:
        self._word = word
        self.heard: Deferred[bytes] = Deferred()

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        if self._word in datagram and not self.heard.called:
            self.heard.callback(datagram)


class BalancerTests(ProcessCase):
    async def test_behind_haproxy_the_client_s_address_is_stored(self) -> None:
        program = shutil.which("haproxy")
        if program is None:
            raise SkipTest("haproxy is not installed")
        server = RendezvousService(
            0, "127.0.0.1", in_front=lambda factory: ProxiedFactory(factory, ["127.0.0.1"])
        )
        server.startService()
        self.addCleanup(server.stopService)
        opened = [listening(self) for _ in range(2)]
        config = Path(self.folder, "haproxy.cfg")
        first, second = (each.fileno() for each in opened)
        config.write_text(HAPROXY.format(first=first, second=second, port=server.port))
        fds = {each.fileno(): each.fileno() for each in opened}
        self.start("haproxy", program, "-db", "-f", str(config.resolve()), fds=fds)
        for half_close, each in ((False, opened[0]), (True, opened[1])):
            asking = Asking(REGISTER, half_close)
            place = TCP4ClientEndpoint(
                reactor, "127.0.0.1", each.getsockname()[1], bindAddress=(SOURCE, 0)
            )
            await connectProtocol(place, asking)
            self.assertEqual(json.loads(await asking.done)["ip"], SOURCE)
        self.assertEqual({each.ip for each in server.registry.all()}, {SOURCE})


STARTER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='x', LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, '-c', *sys.argv[2:]])
"""
MAIN = "import sys; from p2pchat.service.rendezvous_start import main; sys.exit(main())"
SETTINGS = {
    "server": {
        "listen": "systemd:domain=INET:index=0",
        "database": "names.db",
        "ban_file": "bans",
    },
    "logging": {"format": "json", "file": "server.log"},
    "control": {"path": "c.sock"},
}


class AdministratorTests(ProcessCase):
    async def test_from_the_first_request_to_the_last(self) -> None:
        """A configuration, a port that somebody else opened, commands, and a request at the end."""
        folder = self.folder.resolve()
        Path(folder, "bans").write_text("")
        config = Path(folder, "rendezvous.json")
        config.write_text(json.dumps(SETTINGS))
        opened, systemd = listening(self), Systemd(b"STOPPING=1")
        notified = reactor.listenUNIXDatagram(str(folder / "notify"), systemd)
        self.addCleanup(notified.stopListening)
        number = opened.fileno()
        words = [sys.executable, "-c", STARTER, str(number), MAIN, "--config", str(config)]
        environ = {"NOTIFY_SOCKET": str(folder / "notify")}
        server = self.start("server", *words, fds={number: number}, environ=environ)

        async def connected(data: bytes) -> Asking:
            asking = Asking(data, half_close=False)
            port = opened.getsockname()[1]
            await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), asking)
            return asking

        async def command(*words: str, status: int = 0) -> str:
            program = self.start(words[0], sys.executable, "-c", MAIN, *words)
            self.assertEqual(await program.ended, status, program.output)
            return program.output

        registered = await connected(REGISTER)
        self.assertIn(b'"status":"OK"', await registered.done)
        said = await command("ban", "*@*", "--control", "c.sock", status=1)
        self.assertIn("*@*: it refuses everybody", said)
        said = await command("ban", "--yes", "alice@*", "--control", "c.sock")
        self.assertEqual(said, "banned alice@*: 1 registration ended\n")
        self.assertEqual(Path(folder, "bans").read_text(), "alice@*\n")

        line = REGISTER.replace(b"alice", b"late")
        late = await connected(line[:20])
        refused = await connected(REGISTER)  # answered, so that the one before was accepted
        self.assertIn(b"banned", await refused.done)
        server.signal(signal.SIGTERM)
        await systemd.heard
        transport: Any = late.transport
        transport.write(line[20:])
        self.assertIn(b'"status":"OK"', await late.done)
        self.assertEqual(await server.ended, 0, server.output)
        with closing(sqlite3.connect(folder / "names.db")) as database:
            rows = database.execute("SELECT name FROM registration").fetchall()
        self.assertEqual(rows, [("late",)])
        for text in Path(folder, "server.log").read_text().splitlines():
            json.loads(text)
        self.assertFalse(os.path.exists(folder / "c.sock"))
