"""The client of the rendezvous, against servers that misbehave in every way, on a fake reactor."""

from __future__ import annotations

import json
from typing import Any, cast
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver, StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from p2pchat.logs.levels import get_level, set_level
from p2pchat.rendezvous import exchange as exchange_module
from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.directory import (
    Blocked,
    DirectoryError,
    Grant,
    IDirectory,
    Listing,
    ListingTooLong,
    NotRegistered,
    RequestRefused,
    Unreachable,
)
from p2pchat.rendezvous.replies import read_grant, read_listings, refusal
from p2pchat.testing.network import FakeNetwork
from p2pchat.wire.text import printable

HERE = ("10.0.0.1",)
"""Our end of the connections that `Server` plays."""


class Server(Clock):
    """A reactor whose only connection is played by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.factory: Any = None
        self.protocol: Any = None
        self.refuses: Exception | None = None

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float | None) -> Server:
        if self.refuses:
            raise self.refuses
        self.host, self.port, self.factory = host, port, factory
        return self

    def stopConnecting(self) -> None:
        self.fail(error.UserError())

    def fail(self, reason: Exception) -> None:
        self.factory.clientConnectionFailed(self, Failure(reason))

    def accept(self) -> dict[str, Any]:
        """Take the connection; what was asked."""
        self.protocol = self.factory.buildProtocol(None)
        self.transport = Transport(self)
        self.protocol.makeConnection(self.transport)
        asked = self.transport.value()
        assert asked.endswith(b"\n")
        assert asked.count(b"\n") == 1
        return cast("dict[str, Any]", json.loads(asked))

    def say(self, data: bytes) -> None:
        if not self.transport.gone:
            self.protocol.dataReceived(data)

    def close(self, reason: Exception | None = None) -> None:
        if not self.transport.gone:
            self.transport.gone = True
            self.protocol.connectionLost(Failure(reason or error.ConnectionDone()))


class Transport(StringTransport):
    gone = False

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server

    def loseConnection(self) -> None:
        self.server.callLater(0, self.server.close)

    def abortConnection(self) -> None:
        self.server.callLater(0, self.server.close, error.ConnectionAborted())


class ClientCase(TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.client = RendezvousClient(self.server, "rdv.example", 8080, timeout=10)

    def tearDown(self) -> None:
        self.assertEqual(self.server.getDelayedCalls(), [])

    def discover(self, *reply: bytes, namespace: str | None = None) -> Any:
        """The result of a DISCOVER that is answered with `reply` and a close, or its error."""
        return self.answered(self.client.discover(namespace), *reply)

    def register(self, *reply: bytes) -> Any:
        return self.answered(self.client.register("CIC", "alice", 4000, 60), *reply)

    def answered(self, deferred: Deferred[Any], *reply: bytes) -> Any:
        self.server.accept()
        for piece in reply:
            self.server.say(piece)
        self.server.advance(0)
        self.server.close()
        return self.result(deferred)

    def result(self, deferred: Deferred[Any]) -> Any:
        results: list[Any] = []
        deferred.addBoth(results.append)
        self.assertEqual(len(results), 1)
        return results[0].value if isinstance(results[0], Failure) else results[0]

    def assertError(self, kind: type[DirectoryError], found: object, *words: str) -> None:
        self.assertIsInstance(found, kind)
        for word in words:
            self.assertIn(word, str(found))


class RequestTests(ClientCase):
    def test_is_a_directory(self) -> None:
        verifyObject(IDirectory, self.client)
        self.assertEqual(self.client.address, "rdv.example:8080")
        self.assertEqual(RendezvousClient(self.server, "::1", 8080).address, "[::1]:8080")

    def test_register(self) -> None:
        deferred = self.client.register("CIC", "olá", 4000, 7200)
        self.assertEqual((self.server.host, self.server.port), ("rdv.example", 8080))
        self.assertEqual(
            self.server.accept(),
            {"type": "REGISTER", "namespace": "CIC", "name": "olá", "port": 4000, "ttl": 7200},
        )
        self.server.say(b'{"status":"OK","ttl":60,"ip":"192.0.2.1","port":4000}\n')
        self.assertNoResult(deferred)  # not before the connection is gone
        self.server.advance(0)
        self.assertEqual(self.result(deferred), Grant(60, "192.0.2.1", here=HERE))

    def test_discover(self) -> None:
        deferred = self.client.discover(None)
        self.assertEqual(self.server.accept(), {"type": "DISCOVER"})
        self.server.close()
        self.assertError(Unreachable, self.result(deferred))
        deferred = self.client.discover("CIC")
        self.assertEqual(self.server.accept(), {"type": "DISCOVER", "namespace": "CIC"})
        self.server.close()
        self.assertError(Unreachable, self.result(deferred))

    def test_unregister(self) -> None:
        deferred = self.client.unregister("CIC", "alice", 4000)
        self.assertEqual(
            self.server.accept(),
            {"type": "UNREGISTER", "namespace": "CIC", "name": "alice", "port": 4000},
        )
        self.server.say(b'{"status":"OK"}\r\n')
        self.server.advance(0)
        self.assertIsNone(self.result(deferred))

    def test_replies_in_pieces_with_and_without_newline(self) -> None:
        reply = b'{"status":"OK","peers":[]}'
        for pieces in (
            [reply + b"\n"],
            [bytes([byte]) for byte in reply + b"\n"],
            [reply],
            [b"\r\n", b"\n ", reply + b"\r\n"],
            [reply + b"\n", b"something else\n"],
        ):
            self.assertEqual(self.discover(*pieces), [])


class SourceTests(SynchronousTestCase):
    """Which address an answer came from: what it may name depends on that."""

    def test_the_other_end_of_the_connection_or_this_machine(self) -> None:
        network = FakeNetwork(1)
        home, away = network.host("10.0.0.1"), network.host("10.0.0.9")

        class Answering(Protocol):
            transport: Any

            def dataReceived(self, data: bytes) -> None:
                self.transport.write(b'{"status":"OK","peers":[]}\n')
                self.transport.loseConnection()

        factory: Any = ServerFactory.forProtocol(Answering)
        factory.noisy = False
        for host in (home, away):
            host.listenTCP(8080, factory)
        for ip, source in (
            ("10.0.0.9", "10.0.0.9"),
            ("10.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
        ):
            client = RendezvousClient(home, ip, 8080)
            client.register("CIC", "a", 4000, 60)
            network.run(1)
            self.assertEqual(client.source, "")
            reply = client.discover(None)
            network.run(1)
            self.assertEqual((self.successResultOf(reply), client.source), ([], source))


class TroubleTests(ClientCase):
    """Connections that fail, break, or take too long."""

    def test_no_connection(self) -> None:
        for reason, words in (
            (error.ConnectionRefusedError(), "refused"),
            (error.TCPTimedOutError(), "in time"),
            (error.DNSLookupError("x"), "looked up"),
            (error.ConnectError(string="\x1b[31m"), "\\x1b[31m"),
        ):
            deferred = self.client.discover(None)
            self.server.fail(reason)
            self.assertError(Unreachable, self.result(deferred), words, "rdv.example:8080")
        deferred = self.client.discover(None)
        with mock.patch.object(error.ConnectError, "__str__", return_value=""):
            self.server.fail(error.ConnectError())
        self.assertError(Unreachable, self.result(deferred))

    def test_addresses_that_cannot_be(self) -> None:
        for host in ("..", "x" * 64, ""):
            impossible = RendezvousClient(self.server, host, 8080).discover(None)
            if host:
                self.assertError(Unreachable, self.result(impossible), "no name")
            else:
                self.server.fail(error.DNSLookupError())
                self.assertError(Unreachable, self.result(impossible))
        self.server.refuses = OverflowError("port must be 0-65535")
        self.assertError(Unreachable, self.result(self.client.discover(None)), "0-65535")

    def test_closed_without_a_word(self) -> None:
        for blank in (b"", b"\n", b" \r\n"):
            self.assertError(Unreachable, self.discover(blank), "without an answer")
        deferred = self.client.discover(None)
        self.server.accept()
        self.server.close(error.ConnectionLost())
        self.assertError(Unreachable, self.result(deferred), "without an answer")

    def test_broken_in_the_middle(self) -> None:
        for part in (b"{", b'{"status":"OK","peers":[{"ip":"192.0.2.1"}', b'{"status":"ER'):
            self.assertError(Unreachable, self.discover(part), "middle")

    def test_no_connection_in_time(self) -> None:
        deferred = self.client.discover(None)
        self.server.advance(9.9)
        self.assertNoResult(deferred)
        self.server.advance(0.1)
        self.assertError(Unreachable, self.result(deferred), "in time")

    def test_no_answer_in_time(self) -> None:
        for request in (
            lambda: self.client.discover(None),
            lambda: self.client.unregister("a", "b", 1),
        ):
            deferred: Deferred[Any] = request()
            self.server.advance(5)
            self.server.accept()
            self.server.advance(4.9)
            self.assertNoResult(deferred)
            self.server.advance(0.1)
            self.server.advance(0)
            self.assertError(Unreachable, self.result(deferred), "in time")

    def test_a_listing_may_take_longer_while_it_comes(self) -> None:
        deferred = self.client.discover(None)
        self.server.accept()
        for piece in (b'{"status":"OK",', b'"peers"', b":[", b"]", b"}"):
            self.server.advance(9)
            self.server.say(piece)
        self.server.say(b"\n")
        self.server.advance(0)
        self.assertEqual(self.result(deferred), [])

    def test_a_dribble_has_an_end(self) -> None:
        for request, end in (
            (lambda: self.client.discover(None), 60),
            (lambda: self.client.register("a", "b", 1, 60), 10),
        ):
            deferred: Deferred[Any] = request()
            self.server.accept()
            for _ in range(end - 1):
                self.server.advance(1)
                self.server.say(b"[")
            self.assertNoResult(deferred)
            self.server.advance(1)
            self.server.advance(0)
            self.assertError(Unreachable, self.result(deferred), "in time")

    def test_a_server_that_does_not_close(self) -> None:
        deferred = self.client.discover(None)
        self.server.accept()
        self.server.transport.loseConnection = lambda: None  # type: ignore[method-assign]
        self.server.say(b'{"status":"OK","peers":[]}\n')
        self.server.say(b"x" * 1000)
        self.server.advance(10)
        self.server.advance(0)
        self.assertEqual(self.result(deferred), [])

    def test_a_reply_that_is_too_long(self) -> None:
        with mock.patch.object(exchange_module, "MAX_REPLY", 1024 * 1024):
            found = self.discover(b"[" + b" " * 1024 * 1024)
        self.assertError(ListingTooLong, found, "1 MiB")
        self.assertEqual(found.code, "reply_too_long")

    def test_a_long_reply_that_breaks_off_or_does_not_come_in_time(self) -> None:
        """The server cuts off who is too slow for it, and we who is too slow for us."""
        for wait in (0, 61):
            for size, kind in ((1_000_000, Unreachable), (2_200_000, ListingTooLong)):
                deferred = self.client.discover(None)
                self.server.accept()
                self.server.say(b"[" + b" " * size)
                for _ in range(wait):
                    self.server.advance(1)
                    if not deferred.called:
                        self.server.say(b" ")
                if not wait:
                    self.server.close()
                self.server.advance(0)
                words = "" if kind is Unreachable else "2 MiB"
                self.assertError(kind, self.result(deferred), words)

    def test_cancelled_while_connecting(self) -> None:
        deferred = self.client.discover(None)
        deferred.cancel()
        self.assertIsInstance(self.result(deferred), CancelledError | Unreachable)

    def test_cancelled_while_waiting(self) -> None:
        deferred = self.client.discover(None)
        self.server.accept()
        self.server.say(b"{")
        deferred.cancel()
        self.assertIsInstance(self.result(deferred), CancelledError)
        self.server.advance(0)
        self.assertTrue(self.server.transport.gone)


class ErrorTests(ClientCase):
    """Replies that say no, in the ways of several servers."""

    def error(self, **fields: object) -> Any:
        return self.discover(json.dumps({"status": "ERROR"} | fields).encode() + b"\n")

    def test_not_registered(self) -> None:
        for told in ("peer_not_registered", "Peer not registered.", "the peer is NOT REGISTERED"):
            for field in ("message", "error"):
                self.assertError(NotRegistered, self.error(**{field: told}), "does not know us")
        self.assertError(NotRegistered, self.error(status="peer_not_registered"))

    def test_blocked(self) -> None:
        for told, seconds in (
            (
                "Connection from 192.0.2.1:4711 has been blocked due to excessive login attempts "
                "(limit: 50). The block will be lifted in 48 seconds.",
                48,
            ),
            ("Blocked. Try again in 12.5s", 12.5),
            ("too many requests, wait 3 sec", 3),
            ("rate_limit", 60),
            ("too_many_connections", 60),
            ("blocked for 0 seconds", 1),
            ("blocked for 999999999 seconds", 3600),
            ("blocked for " + "9" * 400 + " seconds", 3600),
        ):
            found = self.error(message=told)
            self.assertError(Blocked, found, "too many connections")
            self.assertEqual(found.seconds, seconds)

    def test_refused(self) -> None:
        for told, words in (
            ("bad_name", "choose one of 1 to 64 characters"),
            ("BAD_PORT (abc)", "1 to 65535"),
            ("line_too_long", "shorter"),
            ("Unknown command", "does not know the request"),
            ("registry_full", "try again later"),
            ("too_many_registrations", "end other nodes here"),
            ("banned", "choose another one"),
            ("listing_too_long", "one namespace only"),
            ("no peers for you \x1b[2J", "\\x1b[2J"),
        ):
            for field in ("message", "error", "detail"):
                found = self.error(**{field: told})
                self.assertError(RequestRefused, found, words)
                self.assertEqual(found.code, told)
        self.assertLess(len(str(self.error(message="x" * 10_000))), 400)

    def test_a_reason_in_an_odd_place_or_none(self) -> None:
        self.assertError(RequestRefused, self.error(message=None, error="bad_ttl"), "86400")
        self.assertError(RequestRefused, self.error(message={"code": 5}), "ERROR")
        self.assertError(RequestRefused, self.error(status="bad_port"), "1 to 65535")
        self.assertError(RequestRefused, self.error(status=None), "without a status")
        self.assertError(RequestRefused, self.error(status=["OK"]), "without a status")

    def test_what_is_not_of_this_protocol(self) -> None:
        for odd in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"SSH-2.0-OpenSSH_9\n",
            b"\x1b]0;owned\x07\n",
            b"\xff\xfe\x00\n",
            b"[" * 100_000 + b"\n",
            b"9" * 10_000 + b"\n",
            b"null\n",
            b'"OK"\n',
            b"5\n",
            b"{}\n",
            b'{"status":"OK","peers":5}\n',
            b'{"status":"OK","peers":{"a":1}}\n',
        ):
            with self.subTest(odd=odd[:30]):
                self.assertError(RequestRefused, self.discover(odd))


class ListingTests(ClientCase):
    """What a DISCOVER may contain."""

    GOOD = {  # noqa: RUF012
        "ip": "192.0.2.1",
        "port": 4000,
        "name": "alice",
        "namespace": "CIC",
        "ttl": 60,
        "expires_in": 30,
    }
    ALICE = Listing("alice", "CIC", "192.0.2.1", 4000, 60, 30)

    def listed(self, *entries: object) -> Any:
        reply = json.dumps({"status": "OK", "peers": entries}).encode() + b"\n"
        return self.discover(reply)

    def entry(self, **changes: Any) -> dict[str, Any]:
        return {k: v for k, v in (self.GOOD | changes).items() if v is not ...}

    def test_usual(self) -> None:
        self.assertEqual(self.listed(self.GOOD, self.entry(extra=[1])), [self.ALICE] * 2)

    def test_the_first_ones_and_who_is_wanted(self) -> None:
        self.client.max_listed = 1
        self.client.wanted = {"bob@CIC"}
        bob = self.entry(name="bob")
        listings = self.listed(self.GOOD, self.GOOD, bob)
        self.assertEqual([entry.name for entry in listings], ["alice", "bob"])
        self.assertFalse(listings.whole)
        long = self.listed(*[self.GOOD] * 1000, bob)
        self.assertEqual([entry.name for entry in long], ["alice", "bob"])

    def test_odd_but_usable(self) -> None:
        for changes, expected in (
            ({"port": "4000"}, self.ALICE),
            ({"port": 4000.0}, self.ALICE),
            ({"ttl": "60", "expires_in": "30"}, self.ALICE),
            ({"expires_in": ...}, Listing("alice", "CIC", "192.0.2.1", 4000, 60, 60)),
            ({"expires_in": None}, Listing("alice", "CIC", "192.0.2.1", 4000, 60, 60)),
            ({"expires_in": 1.5}, Listing("alice", "CIC", "192.0.2.1", 4000, 60, 1.5)),
            ({"expires_in": -3}, Listing("alice", "CIC", "192.0.2.1", 4000, 60, 0)),
            ({"ttl": ...}, Listing("alice", "CIC", "192.0.2.1", 4000, 0, 30)),
            ({"ttl": None, "expires_in": None}, Listing("alice", "CIC", "192.0.2.1", 4000, 0, 0)),
            ({"ttl": [], "expires_in": {}}, Listing("alice", "CIC", "192.0.2.1", 4000, 0, 0)),
            (
                {"ttl": float("nan"), "expires_in": float("inf")},
                Listing("alice", "CIC", "192.0.2.1", 4000, 0, 0),
            ),
            ({"ip": "2001:db8::1"}, Listing("alice", "CIC", "2001:db8::1", 4000, 60, 30)),
            ({"ip": "host.example"}, Listing("alice", "CIC", "host.example", 4000, 60, 30)),
            ({"name": "a b@c😀"}, Listing("a b@c😀", "CIC", "192.0.2.1", 4000, 60, 30)),
        ):
            with self.subTest(changes=changes):
                self.assertEqual(self.listed(self.entry(**changes), self.GOOD)[0], expected)

    def test_nonsense_is_left_out_and_told_once(self) -> None:
        self.addCleanup(set_level, get_level())
        set_level("DEBUG")
        ports: list[object] = [..., None, 0, 65536, 4000.5, True, "x", [], 10**400]
        nonsense: list[object] = [
            *(None, 5, "alice", [], {}, [self.GOOD]),
            *(self.entry(port=bad) for bad in ports),
            *(self.entry(ip=bad) for bad in (..., None, "", 5, "a b", "\x1b", "x" * 300, "[::1]")),
            *(self.entry(name=bad) for bad in (..., None, "", 5, "x" * 65, "\x1b[2J", "\ud800")),
            *(self.entry(namespace=bad) for bad in (..., None, "", 5, "x" * 65, "a@b", "\n")),
        ]
        events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.assertEqual(self.listed(self.GOOD, *nonsense, self.GOOD), [self.ALICE] * 2)
        told = [event for event in events if "count" in event]
        self.assertEqual([event["count"] for event in told], [len(nonsense)])

    def test_odd_replies(self) -> None:
        good = json.dumps(self.GOOD).encode()
        for reply in (
            b"[%b]\n" % good,
            b'{"peers":[%b]}\n' % good,
            b'{"status":"ok","peers":[%b]}\n' % good,
            b'{"status":"OK","x":NaN,"peers":[%b]}\n' % good,
            b'{"status":"OK","peers":[%b,{"name":"\xff"}]}\n' % good,
            b'{"status":"OK","peers":[%b,{"name":"\\ud800"}]}\n' % good,
        ):
            self.assertEqual(self.discover(reply), [self.ALICE])
        self.assertEqual(self.discover(b'{"status":"OK"}\n'), [])
        self.assertEqual(self.discover(b'{"status":"OK","peers":null}\n'), [])

    def test_grants(self) -> None:
        for reply, expected in (
            (b'{"status":"OK","ttl":30,"ip":"192.0.2.1"}\n', Grant(30, "192.0.2.1", here=HERE)),
            (b'{"status":"OK","ttl":"30"}\n', Grant(30, "", here=HERE)),
            (b'{"status":"OK"}\n', Grant(60, "", here=HERE)),
            (b'{"status":"OK","ttl":0,"ip":null}\n', Grant(60, "", here=HERE)),
            (b'{"status":"OK","ttl":-1,"ip":"\\u001b"}\n', Grant(60, "", here=HERE)),
            (b'{"status":"OK","ttl":NaN,"ip":5}\n', Grant(60, "", here=HERE)),
        ):
            self.assertEqual(self.register(reply), expected)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["status", "peers", "message", "error", "ip", "port", "name", "namespace", "ttl"]
            ),
            inner | st.sampled_from(["OK", "ERROR", "blocked 5 s", "peer_not_registered"]),
            max_size=6,
        )
    ),
    max_leaves=12,
)


class AnythingTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=300)
    @given(json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=80))
    def test_only_directory_errors_come_out(self, reply: bytes) -> None:
        for read in (read_listings, lambda data: read_grant(data, 60)):
            try:
                result: Any = read(reply)
            except DirectoryError as refused:
                self.assertEqual(printable(str(refused)), str(refused))
            else:
                for peer in result if isinstance(result, list) else []:
                    self.assertTrue(1 <= peer.port <= 65535)

    @given(st.text())
    def test_any_reason_is_some_error(self, text: str) -> None:
        self.assertIsInstance(refusal(text), DirectoryError)
