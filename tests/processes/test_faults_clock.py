"""A wall clock that jumps under a real process."""

from __future__ import annotations

import signal
import socket
import sys

from twisted.internet.task import deferLater

from tests.support.processes import ProcessCase, reactor


class RealProcessTests(ProcessCase):
    """A rendezvous whose wall clock jumps while it runs still ends silent connections in time."""

    async def test_a_rendezvous_goes_on(self) -> None:
        program = (
            "import signal, sys, time\n"
            "real, ahead = time.time, [0]\n"
            "time.time = lambda: real() + ahead[0]\n"
            "signal.signal(signal.SIGUSR1, lambda *_: ahead.__setitem__(0, -3600))\n"
            "from p2pchat.service.rendezvous import main\n"
            "sys.exit(main(sys.argv[1:]))\n"
        )
        options = ("--interface", "127.0.0.1", "--port", "0", "--idle-timeout", "0.5")
        server = self.start("rendezvous", sys.executable, "-c", program, *options, stdin=False)
        port = int((await server.expect(r"listens on \S+:(\d+)"))[1])
        silent = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(silent.close)
        silent.setblocking(False)
        await deferLater(reactor, 0.1)
        # Its timer is running when the clock jumps.
        server.signal(signal.SIGUSR1)
        for _ in range(250):
            await deferLater(reactor, 0.02)
            try:
                self.assertIn(b"Timeout", silent.recv(1000))
                break
            except BlockingIOError:
                continue
        else:
            self.fail("a silent connection is kept for ever")
