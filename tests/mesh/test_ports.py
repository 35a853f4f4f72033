"""Taking a port by number or by an endpoint: what is refused, and in which sentence.

With real sockets it is tested in `tests/processes/test_ports`.
"""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet import endpoints
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.listener import accept_few
from p2pchat.mesh.link.ports import CannotStartError, listen_on, open_port
from p2pchat.settings.values import PeerSettings
from p2pchat.testing.network import FakeNetwork


class EndpointTests(SynchronousTestCase):
    def refused(self, description: str) -> str:
        with self.assertRaises(CannotStartError) as caught:
            listen_on(MemoryReactor(), ServerFactory(), description)
        self.assertIn(description, str(caught.exception))
        return str(caught.exception)

    def test_what_is_no_endpoint_is_said_in_a_sentence_of_ours(self) -> None:
        for description, why in (
            ("tcp:foo", "expected tcp:PORT[:interface=ADDRESS], the port from 0 to 65535"),
            ("tcp:", "expected tcp:PORT"),
            ("tcp:0:port=1", "expected tcp:PORT"),
            ("tcp:0:interface=::1", r"a colon in ADDRESS as \:"),
            ("tcp:1\\", "expected tcp:PORT"),
            ("unix:x:mode=9", "expected unix:PATH"),
            ("systemd:domain=INET", "expected systemd:domain=INET:index=NUMBER or "),
            ("systemd:domain=INET:index=3", "systemd handed over no such socket"),
            ("systemd:domain=INET:index=x", "expected systemd:domain=INET:index=NUMBER or "),
            ("nonsense:1", 'no such kind of endpoint: "nonsense" (usual '),
        ):
            with self.subTest(description=description):
                sentence = self.refused(description)
                self.assertTrue(sentence.startswith(f"cannot listen on {description}: "), sentence)
                self.assertIn(why, sentence)

    def test_a_kind_of_endpoint_whose_module_is_not_installed(self) -> None:
        def missing(*_: object) -> None:
            raise ModuleNotFoundError("No module named 'quic'", name="quic")

        self.patch(endpoints, "serverFromString", missing)
        self.assertIn("this needs the module quic, which is", self.refused("quic:1"))

    def test_one_that_is_not_ready_at_once(self) -> None:
        class Slow:
            def listen(self, factory: ServerFactory) -> Deferred[Any]:
                return Deferred()

        self.patch(endpoints, "serverFromString", lambda *_: Slow())
        self.assertIn("not ready", self.refused("slow:1"))


class NumberTests(SynchronousTestCase):
    """Ports by number, and one by an endpoint, on a machine of the fake network."""

    def setUp(self) -> None:
        self.host = FakeNetwork(1).host("10.0.0.1")

    def open(self, **fields: Any) -> int:
        """The port that is taken."""
        open_port(self.host, ServerFactory(), PeerSettings(**fields), loopback=False)
        return [*self.host.ports][-1]

    def test_the_first_free_one_from_4000_on(self) -> None:
        self.assertEqual([self.open() for _ in range(3)], [4000, 4001, 4002])

    def test_the_one_of_the_settings_or_none(self) -> None:
        self.assertEqual(self.open(port=5000), 5000)
        with self.assertRaises(CannotStartError) as caught:
            self.open(port=5000)
        sentence = "cannot listen on all interfaces, port 5000: "
        self.assertTrue(str(caught.exception).startswith(sentence), caught.exception)

    def test_an_endpoint_comes_before_a_number(self) -> None:
        self.assertEqual(self.open(listen="tcp:6000", port=5000), 6000)
        with self.assertRaises(CannotStartError) as caught:
            self.open(listen="tcp:6000")
        self.assertTrue(str(caught.exception).startswith("cannot listen on tcp:6000: "))


class FamiliesTests(SynchronousTestCase):
    """Over which families a port is opened, on systems that differ."""

    def setUp(self) -> None:
        self.opened: list[tuple[int, str]] = []
        self.closed: list[str] = []
        self.refused: dict[str, int] = {}
        self.only = False

    def listenTCP(self, port: int, *_: object, interface: str, backlog: int) -> Any:
        """What a reactor does."""
        if interface in self.refused:
            raise CannotListenError(interface, port, OSError(self.refused[interface], "no"))
        self.opened.append((port or 5000, interface))
        only, closed = self.only, self.closed

        class Socket:
            def getsockopt(self, *_: int) -> int:
                return int(only)

        class Opened:
            socket = Socket()
            numberAccepts = 1

            def getHost(self) -> Any:
                return IPv4Address("TCP", interface, port or 5000)

            def stopListening(self) -> Deferred[None]:
                closed.append(interface)
                return succeed(None)

        return Opened()

    def open(self, port: int | None = None, *, loopback: bool = False) -> Any:
        return open_port(self, ServerFactory(), PeerSettings(port=port), loopback=loopback)

    def test_one_socket_takes_both(self) -> None:
        self.open()
        self.assertEqual(self.opened, [(4000, "::")])

    def test_ipv4_alone_where_there_is_no_ipv6(self) -> None:
        for code in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            self.opened.clear()
            self.refused = {"::": code}
            self.open()
            self.assertEqual(self.opened, [(4000, "")])

    def test_two_sockets_where_one_takes_ipv6_only(self) -> None:
        self.only = True
        port = self.open(0)
        self.assertEqual(self.opened, [(5000, "::"), (5000, "")])
        accept_few(port, 7)
        self.assertEqual(port.numberAccepts, 7)
        self.assertEqual(port.getHost().port, 5000)
        self.successResultOf(port.stopListening())
        self.assertEqual(self.closed, ["::", ""])

    def test_a_number_that_ipv4_has_is_taken(self) -> None:
        self.only = True
        self.refused = {"": errno.EADDRINUSE}
        with self.assertRaises(CannotStartError):
            self.open(4000)
        self.assertEqual(self.closed, ["::"])

    def test_what_only_this_machine_reaches(self) -> None:
        self.open(loopback=True)
        self.assertEqual(self.opened, [(4000, "127.0.0.1"), (4000, "::1")])
        self.refused = {"::1": errno.EADDRINUSE}
        port = self.open(loopback=True)
        self.assertEqual((self.opened[2:], self.closed), ([(4000, "127.0.0.1")], []))
        self.assertEqual(port.getHost().port, 4000)
