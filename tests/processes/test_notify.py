"""What systemd is told, on a fake notify socket."""

from __future__ import annotations

import os
import socket

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.service.notify import NotifyService, NotifySocket, notify_service
from tests.support.control_sockets import short_folder


class Systemd:
    """The other end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        words = []
        while True:
            try:
                words.append(self.socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return words


class NotifyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sentence = "1 link"
        self.systemd = Systemd(os.path.join(short_folder(self), "notify"))
        self.addCleanup(self.systemd.socket.close)

    def service(self, **environ: str) -> NotifyService:
        self.environ = {"NOTIFY_SOCKET": self.systemd.address, **environ}
        service = notify_service(self.clock, self.status, self.environ, pid=77)
        assert service is not None
        return service

    def status(self) -> str:
        return self.sentence

    def test_nobody_wants_to_know(self) -> None:
        environ: dict[str, str] = {}
        self.assertIsNone(notify_service(self.clock, self.status, environ))
        self.assertIsNone(notify_service(self.clock, self.status, {"NOTIFY_SOCKET": "vsock:1"}))

    def test_a_whole_life(self) -> None:
        service = self.service()
        self.assertEqual(self.environ, {})  # nothing for the programs that we start
        service.startService()
        self.assertEqual(self.systemd.heard(), [["READY=1", "STATUS=1 link"]])
        self.clock.advance(5)
        self.assertEqual(self.systemd.heard(), [])
        self.sentence = "2 links\nREADY=0"
        self.clock.advance(5)
        self.assertEqual(self.systemd.heard(), [["STATUS=2 links\\nREADY=0"]])
        service.reloading(lambda: 12.5)
        service.reloaded()
        self.assertEqual(
            self.systemd.heard(), [["RELOADING=1", "MONOTONIC_USEC=12500000"], ["READY=1"]]
        )
        service.stopService()
        self.assertEqual(self.systemd.heard(), [["STOPPING=1", "STATUS=leaving"]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_watchdog_hears_twice_in_its_period(self) -> None:
        service = self.service(WATCHDOG_USEC="4000000", WATCHDOG_PID="77")
        service.startService()
        self.assertEqual(self.systemd.heard()[1:], [["WATCHDOG=1"]])
        self.clock.pump([2.0] * 3)
        self.assertEqual(self.systemd.heard(), [["WATCHDOG=1"]] * 3)
        self.sentence = "5 links"
        self.clock.advance(2)
        self.assertEqual(self.systemd.heard(), [["WATCHDOG=1", "STATUS=5 links"]])
        service.stopService()

    def test_somebody_elses_watchdog(self) -> None:
        for odd in ({"WATCHDOG_PID": "78"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}):
            service = self.service(**{"WATCHDOG_USEC": "4000000", **odd})
            service.startService()
            self.clock.advance(4)
            self.assertNotIn(["WATCHDOG=1"], self.systemd.heard())
            service.stopService()

    def test_a_status_that_fails_does_not_stop_the_watchdog(self) -> None:
        service = self.service(WATCHDOG_USEC="4000000")
        self.status = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
        service = NotifyService(self.clock, NotifySocket(self.systemd.address), self.status, 4.0)
        service.startService()
        self.clock.advance(2)
        self.assertEqual(self.systemd.heard()[-1], ["WATCHDOG=1"])
        service.stopService()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_an_abstract_address(self) -> None:
        systemd = Systemd(f"@p2pchat-test-{os.getpid()}")
        self.addCleanup(systemd.socket.close)
        channel = NotifySocket(systemd.address)
        channel.send("READY=1", "STATUS=olá")
        self.assertEqual(systemd.heard(), [["READY=1", "STATUS=olá"]])
        channel.close()

    def test_nobody_listens_any_more(self) -> None:
        channel = NotifySocket(self.systemd.address + ".gone")
        channel.send("READY=1")
        self.assertEqual(channel.lost, 1)
        channel.close()

    def test_no_socket_can_be_had(self) -> None:
        def fail(*_: object) -> None:
            raise OSError(24, "Too many open files")

        self.patch(socket, "socket", fail)
        environ = {"NOTIFY_SOCKET": "/run/notify"}
        self.assertIsNone(notify_service(self.clock, self.status, environ))
