"""The port of the page: when it is open, and where; with real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from p2pchat.control.answers import Requests
from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.service.page import NodesPage
from p2pchat.settings.reading import changed
from p2pchat.settings.values import Settings
from p2pchat.testing.nodes import FakeTown
from tests.support.web_clients import request

reactor: Any = _reactor


class Client(Protocol):
    """Says something, and hears what comes until the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.heard = b""
        self.over: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._data)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over.callback(self.heard)


class PortTests(TestCase):
    """A page on a real port, of a node in a fake network."""

    def setUp(self) -> None:
        self.town = FakeTown(3)
        self.alice = self.town.node("alice@CIC")
        self.addCleanup(self.town.close)
        self.page = self.make()

    def make(self, **web: Any) -> NodesPage:
        values = {f"web.{name}": value for name, value in web.items()}
        self.alice.configure(changed(self.alice.settings, values))

        def requests() -> Requests:
            return Requests(self.alice, reactor, stop=lambda: None, timestamp=lambda: "now")

        page = NodesPage(reactor, self.alice, requests)
        self.addCleanup(page.stopService)
        return page

    @inlineCallbacks
    def status(self, data: bytes, port: int) -> Any:
        client = Client(data)
        yield connectProtocol(HostnameEndpoint(reactor, b"127.0.0.1", port), client)
        heard = yield client.over
        return int(heard.split()[1]) if heard else 0

    @inlineCallbacks
    def test_who_is_refused(self) -> Any:
        """The rules at a real socket: port, host, origin, key, body, name that leads here."""
        link = self.page.open()
        port, token = link.port, link.url.rpartition("=")[2]
        own = f"127.0.0.1:{port}"
        entry = json.dumps({"token": token}).encode()
        client = Client(request("POST", "/api/v1/session", entry, host=own))
        yield connectProtocol(HostnameEndpoint(reactor, b"127.0.0.1", port), client)
        key = json.loads((yield client.over).partition(b"\r\n\r\n")[2])["key"]
        state, send = "/api/v1/links", "/api/v1/send"
        huge: dict[str, Any] = {"Content_Type": "application/json", "Content_Length": "300000000"}
        for wanted, data in (
            (200, request("GET", "/", host=own)),
            (200, request("GET", state, key=key, host=own)),
            (200, request("GET", state, key=key, host=f"localhost:{port + 1}")),
            (401, request("GET", state, host=own)),
            (403, request("GET", state, key=key, host=own, Origin=f"http://127.0.0.1:{port + 1}")),
            (403, request("POST", send, b"{}", key=key, host=own, Origin="http://evil.example")),
            (403, request("POST", send, b"{}", key=key, host=own, Origin="null")),
            (421, request("GET", state, key=key, host=f"evil.example:{port}")),
            (421, request("GET", "/", host="127.0.0.1.evil.com")),
            (421, b"GET / HTTP/1.0\r\n\r\n"),
            (413, request("POST", send, key=key, host=own, **huge) + b"x" * 100_000),
            (413, request("POST", send, host=own, **huge)),
            (413, request("POST", send, key=key, host=own, Transfer_Encoding="chunked")),
            (400, b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 600),
            (0, b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000),
            (200, request("GET", "/", host=own) * 50),
        ):
            status = yield self.status(data, port)
            self.assertEqual(status, wanted, data[:120])

    @inlineCallbacks
    def test_it_opens_once_and_closes(self) -> Any:
        first = self.page.open()
        again = self.page.open()
        self.assertEqual(first.port, again.port)
        self.assertNotEqual(first.url, again.url)
        self.assertRegex(first.url, r"^http://127\.0\.0\.1:\d+/#token=[\w-]{43}$")
        yield self.page.close()
        yield self.page.close()
        self.assertFalse(self.page.waits(again.url.rpartition("=")[2]))
        self.assertEqual(self.page.open().port, first.port)

    @inlineCallbacks
    def test_a_page_hears_that_it_ends(self) -> Any:
        """Before the process does; and one that does not read holds up nobody."""
        link = self.page.open()
        entry = json.dumps({"token": link.url.rpartition("=")[2]}).encode()
        own = f"127.0.0.1:{link.port}"
        client = Client(request("POST", "/api/v1/session", entry, host=own))
        yield connectProtocol(HostnameEndpoint(reactor, b"127.0.0.1", link.port), client)
        key = json.loads((yield client.over).partition(b"\r\n\r\n")[2])["key"]
        stream = Client(request("GET", "/api/v1/events?page=p", key=key, host=own))
        yield connectProtocol(HostnameEndpoint(reactor, b"127.0.0.1", link.port), stream)
        while b"hello" not in stream.heard:
            yield deferLater(reactor, 0)
        yield self.page.stopService()
        self.assertIn(b'{"event":"stopping"}', (yield stream.over))

    def test_a_link_is_in_no_log(self) -> None:
        with capturedLogs() as events:
            token = self.page.open().url.rpartition("=")[2]
        self.assertTrue(events)
        self.assertNotIn(token, repr(events))

    def test_the_first_free_port(self) -> None:
        other = self.make()
        one, two = self.page.open().port, other.open().port
        self.assertTrue(one < two)

    @inlineCallbacks
    def test_a_port_that_is_taken(self) -> Any:
        taken = self.page.open().port
        other = self.make()
        with self.assertRaisesRegex(CannotStartError, rf"127\.0\.0\.1, port {taken}: "):
            other.open(taken)
        yield other.close()

    def test_the_address_of_the_settings(self) -> None:
        free = self.page.open().port
        self.page.close()
        page = self.make(address=f"127.0.0.2:{free}")
        self.assertEqual(page.open().url.partition("#")[0], f"http://127.0.0.2:{free}/")

    @inlineCallbacks
    def test_names_of_a_proxy(self) -> Any:
        port = self.page.open().port
        data = request("GET", "/", host="chat.example")
        self.assertEqual((yield self.status(data, port)), 421)
        self.alice.configure(changed(self.alice.settings, {"web.hosts": ("chat.example",)}))
        self.assertEqual((yield self.status(data, port)), 200)


class QuietTests(SynchronousTestCase):
    def test_nothing_of_it_is_there_before_it_is_asked_for(self) -> None:
        """Neither the room nor Twisted's HTTP is imported by a node."""
        words = (
            "import sys; import p2pchat.service.chat, p2pchat.service.companions;"
            "import p2pchat.control.service;"
            "import p2pchat.console.full.service;"
            "print([m for m in sys.modules if m.startswith(('twisted.web', 'p2pchat.web'))])"
        )
        said = subprocess.run(
            [sys.executable, "-c", words], capture_output=True, text=True, check=True
        )
        self.assertEqual(said.stdout.strip(), "[]", said.stderr)

    def test_what_an_address_may_be(self) -> None:
        from p2pchat.settings.checks import ConfigError
        from p2pchat.settings.reading import check_text

        for good in ("27880", "localhost:1", "127.5.5.5:80", "[::1]:9"):
            self.assertEqual(check_text("web.address", good), good)
        for bad in ("0.0.0.0:80", "10.0.0.1:27880", "example.org:80", "[::]:80"):
            with self.assertRaisesRegex(ConfigError, r"use ssh -L \d+:127\.0\.0\.1:\d+"):
                check_text("web.address", bad)
        self.assertEqual(Settings().web.hosts, ())
        hosts = check_text("web.hosts", "A.example, b")
        self.assertEqual(hosts, ("a.example", "b"))
        for bad in ("a:80", "http://a", "a b", "-a", "*"):
            with self.assertRaisesRegex(ConfigError, "web.hosts: expected host names"):
                check_text("web.hosts", bad)
