"""A connection whose answer waits for other servers."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.rendezvous.test_connection import DISCOVER, GRANTED, REGISTER, ServerCase


class Books:
    """A shared registry that says what the test says."""

    def __init__(self) -> None:
        self.ready = True
        self.noted = 0
        self.waits: list[Deferred[None]] = []
        self.patient = True

    def when_ready(self) -> Deferred[None]:
        self.waits.append(Deferred())
        return self.waits[-1]

    def committed(self) -> Deferred[None] | None:
        return self.when_ready() if self.patient else None

    caught_up = committed


class WaitTests(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        self.books = Books()
        self.factory.shared = self.books
        self.factory.answers.registry.journal = self.noted

    def noted(self, _: object) -> None:
        self.books.noted += 1

    def test_a_registration_is_answered_when_others_can_know_it(self) -> None:
        protocol, transport = self.connected()
        protocol.dataReceived(REGISTER)
        self.assertEqual((transport.value(), transport.state), (b"", "open"))
        protocol.dataReceived(b"more")
        self.books.waits[0].callback(None)
        self.assertEqual((transport.value(), transport.state), (GRANTED, "closing"))
        self.lose(protocol)

    def test_the_client_closed_its_half_meanwhile(self) -> None:
        protocol, transport = self.connected()
        protocol.dataReceived(REGISTER + b"more")
        protocol.readConnectionLost()
        self.assertEqual(transport.state, "open")
        self.books.waits[0].callback(None)
        self.assertEqual((transport.value(), transport.state), (GRANTED, "closing"))
        self.lose(protocol)

    def test_the_client_is_gone(self) -> None:
        protocol, transport = self.connected()
        protocol.dataReceived(REGISTER)
        self.lose(protocol)
        self.books.waits[0].callback(None)
        self.assertEqual(transport.value(), b"")

    def test_a_wait_without_end_is_cut_off(self) -> None:
        protocol, transport = self.connected()
        protocol.dataReceived(REGISTER)
        self.clock.pump([1] * 9)
        self.assertEqual(transport.state, "open")
        self.clock.pump([1] * 3)
        self.assertEqual(transport.state, "aborted")
        self.lose(protocol)

    def test_nobody_waits_when_nothing_changed(self) -> None:
        self.register(1)
        self.assertIn(b'"x0"', self.ask(DISCOVER, "127.0.0.1"))
        self.assertEqual(self.books.waits, [])

    def test_a_stranger_is_looked_for_once_more(self) -> None:
        protocol, transport = self.connected("127.0.0.1")
        protocol.dataReceived(DISCOVER)
        self.register(1)
        self.books.waits[0].callback(None)
        self.assertIn(b'"x0"', transport.value())
        self.lose(protocol)

    def test_without_a_wait_the_answer_comes_at_once(self) -> None:
        self.books.patient = False
        self.assertEqual(self.ask(REGISTER), GRANTED)
        self.assertIn(b"peer_not_registered", self.ask(DISCOVER, "10.0.0.1"))

    def test_nothing_is_answered_before_the_start_is_over(self) -> None:
        self.books.ready = False
        protocol, transport = self.connected()
        protocol.dataReceived(DISCOVER)
        self.assertEqual(transport.value(), b"")
        self.books.ready, self.books.patient = True, False
        self.books.waits[0].callback(None)
        self.assertIn(b"peer_not_registered", transport.value())
        self.lose(protocol)
