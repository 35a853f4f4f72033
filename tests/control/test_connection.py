"""One client of the control socket: its lines, its limits, its faults, its end."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.trial.unittest import SynchronousTestCase

import p2pchat.control.connection as connection_module
from p2pchat.control.answers import LOOKING, REQUESTS
from p2pchat.control.connection import MAX_PENDING
from p2pchat.control.outgoing import MAX_QUEUE
from p2pchat.control.protocol import MAX_REQUEST
from p2pchat.control.service import ControlService
from tests.support.control_sockets import Client, ControlledTown
from tests.support.loglines import captured


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = ControlledTown()
        self.addCleanup(self.place.close)
        self.client = Client(self.place.service)
        self.addCleanup(self.client.hang_up)
        self.connection, self.wire = self.client.connection, self.client.wire

    def figures(self) -> dict[str, Any]:
        return dict(self.place.service.section().read())

    def test_it_is_told_whom_it_talks_to(self) -> None:
        (hello,) = self.client.heard()
        self.assertEqual((hello["event"], hello["protocol"]), ("hello", 1))
        self.assertEqual(hello["peer_id"], "alice@CIC")
        self.assertGreater(hello["pid"], 0)

    def test_requests_come_in_pieces_and_together(self) -> None:
        self.client.heard()
        data = b'{"id":1,"do":"status"}\n\n  \n{"id":2,"do":"status"}\r\n{"id":3,'
        for byte in data:
            self.connection.dataReceived(bytes([byte]))
        self.connection.dataReceived(b'"do":"status"}\n{"id":4,"do":"status"}\n')
        self.assertEqual([answer["id"] for answer in self.client.heard()], [1, 2, 3, 4])
        self.assertEqual(self.figures()["requests"], 4)

    def test_mistakes_are_answered_and_hurt_nothing(self) -> None:
        self.client.heard()
        for line in (b"hello", b'{"do":7}', b"\xff\xfe", b"[]"):
            self.connection.dataReceived(line + b"\n")
            (answer,) = self.client.heard()
            self.assertEqual((answer["ok"], answer["code"]), (False, "bad_request"))
        for wrong, answered in (({"do": "send", "to": 5, "id": 1}, 1), ({"id": "a"}, "a")):
            self.client.say(wrong)
            (answer,) = self.client.heard()
            self.assertEqual((answer["id"], answer["code"]), (answered, "bad_request"))
        self.assertTrue(self.client.ask("status")["ok"])

    def test_a_line_without_end(self) -> None:
        self.client.heard()
        for _ in range(10):
            self.connection.dataReceived(b"x" * MAX_REQUEST)
        (answer,) = self.client.heard()
        self.assertEqual(answer["code"], "too_long")
        self.connection.dataReceived(b'\n{"do":"status"}\n')
        self.assertTrue(self.client.heard()[0]["ok"])

    def test_little_is_read_at_once(self) -> None:
        """Of 64 clients in one turn, each with thousands of short requests."""
        self.assertEqual(FileDescriptor.bufferSize, 65_536)
        self.assertEqual(self.wire.bufferSize, 8_192)

    def test_the_longest_message_fits(self) -> None:
        text = "\u0001" * 5_000
        self.client.say({"do": "send", "to": "bob@CIC", "text": text})
        self.place.town.run(1)
        self.assertTrue(self.client.heard()[-1]["ok"])
        self.assertEqual(self.place.town.seen(self.place.bob).texts, [text])

    def test_a_fault_of_ours_is_an_answer_and_one_traceback(self) -> None:
        log = captured(self)
        presence, self.place.alice.presence = self.place.alice.presence, None  # type: ignore[assignment]
        answer = self.client.ask("status")
        self.assertEqual((answer["ok"], answer["code"]), (False, "failed"))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        self.assertEqual(len(log()), 1)
        self.assertTrue(self.client.ask("conn")["ok"])
        self.place.alice.presence = presence

    def test_an_answer_that_cannot_be_written_hurts_nothing(self) -> None:
        self.place.service.requests._reload = lambda: [object()]  # type: ignore[list-item]
        self.client.say({"do": "reload"})
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.assertTrue(self.client.ask("conn")["ok"])

    # ------------------------------------------------------------ limits

    def test_too_many_requests_wait(self) -> None:
        self.client.heard()
        for _ in range(MAX_PENDING):
            self.client.say({"do": "peers"})
        self.assertEqual(self.client.heard(), [])
        self.assertEqual(self.client.ask("status", id=5)["code"], "busy")
        self.place.town.run(1)
        self.assertEqual(len(self.client.heard()), MAX_PENDING)
        self.assertTrue(self.client.ask("status")["ok"])

    def test_too_many_requests_of_all_wait(self) -> None:
        self.patch(connection_module, "MAX_PENDING_IN_ALL", 200)
        others = [self.place.client(), self.place.client()]
        for other in others:
            self.addCleanup(other.hang_up)
            other.say(*[{"do": "peers"}] * 100)
        self.client.heard()
        self.client.say(*[{"do": "peers"}] * 51)
        (answer,) = self.client.heard()
        self.assertEqual(answer["code"], "busy")
        others.pop().hang_up()
        self.client.say({"do": "peers"})
        self.assertEqual(self.client.heard(), [])

    def test_a_reader_that_falls_asleep_and_wakes(self) -> None:
        self.client.ask("subscribe")
        self.wire.pauseReader()
        for n in range(50):
            self.place.alice.observers.notice(f"notice {n}")
        self.assertEqual(self.client.heard(), [])
        self.wire.resumeReader()
        texts = [event["text"] for event in self.client.heard()]
        self.assertEqual(texts, [f"notice {n}" for n in range(50)])
        self.wire.resumeReader()
        self.assertEqual(self.client.heard(), [])

    def test_one_that_never_wakes_is_disconnected_and_nobody_else(self) -> None:
        log = captured(self)
        other = self.place.client()
        self.addCleanup(other.hang_up)
        other.ask("subscribe")
        self.client.ask("subscribe")
        self.wire.pauseReader()
        text = "x" * 10_000
        for _ in range(MAX_QUEUE // len(text) + 1):
            self.place.alice.observers.notice(text)
        self.assertTrue(self.wire.aborted)
        self.assertEqual((self.figures()["disconnected"], self.figures()["clients"]), (1, 1))
        self.assertEqual(len(other.heard()), MAX_QUEUE // len(text) + 1)
        self.assertIn("did not read", log()[0])
        self.place.alice.observers.notice("more")
        self.connection.out.stopProducing()
        self.client.say({"do": "status"})
        self.assertEqual(self.wire.value(), b"")

    def test_one_that_wants_it_so_loses_events_and_is_told(self) -> None:
        self.client.ask("subscribe", leave_out=True)
        self.wire.pauseReader()
        text = "x" * 10_000
        for n in range(300):
            self.place.alice.observers.notice(f"{n} {text}")
        self.client.say({"id": 1, "do": "status"})
        self.assertFalse(self.wire.aborted)
        self.wire.resumeReader()
        *events, answer, gap = self.client.heard()
        self.assertEqual(events[-1]["text"], f"{len(events) - 1} {text}")
        self.assertEqual(answer["id"], 1)
        self.assertEqual(gap, {"event": "left_out", "count": 300 - len(events)})
        self.place.alice.observers.notice("again")
        self.assertEqual(self.client.heard()[0]["text"], "again")

    def test_there_is_a_limit_of_clients(self) -> None:
        clients = [self.place.client() for _ in range(63)]
        late = Client(self.place.service)
        (answer,) = late.heard()
        self.assertEqual(answer["code"], "busy")
        self.assertTrue(late.wire.disconnecting)
        late.hang_up()
        self.assertEqual((self.figures()["clients"], self.figures()["refused"]), (64, 1))
        for client in clients:
            client.hang_up()
        self.assertEqual(self.figures()["clients"], 1)

    def test_where_one_can_only_look(self) -> None:
        looking = ControlService(
            self.place.reactor, self.place.alice, stop=lambda: None, looks_at=self.place.service
        )
        client = Client(looking)
        self.addCleanup(client.hang_up)
        client.heard()
        for name in REQUESTS:
            client.say({"do": name, "id": 1})
            self.place.town.run(1)
            answers = client.heard()
            refused = any(answer.get("code") == "read_only" for answer in answers)
            self.assertIs(refused, name not in LOOKING, name)
        for more in ({"attended": True}, {"watching": "bob@CIC"}):
            self.assertEqual(client.ask("subscribe", **more)["code"], "read_only")
        self.assertEqual(self.place.stopped, 0)
        self.assertTrue(client.ask("subscribe", events=["notice"])["ok"])
        self.place.alice.observers.notice("seen here, too")
        self.assertEqual(client.heard()[0]["text"], "seen here, too")

    # ------------------------------------------------------------ the end

    def test_a_client_that_closes_its_side_gets_its_answers(self) -> None:
        self.client.heard()
        self.client.say({"id": 1, "do": "send", "to": "bob@CIC", "text": "oi"})
        self.connection.dataReceived(b'{"id":2,"do":"status"}')
        self.connection.readConnectionLost()
        self.assertFalse(self.wire.disconnecting)
        self.place.town.run(1)
        self.assertEqual([answer["id"] for answer in self.client.heard()], [2, 1])
        self.assertTrue(self.wire.disconnecting)

    def test_or_its_events(self) -> None:
        self.client.heard()
        self.client.say({"do": "subscribe"})
        self.connection.readConnectionLost()
        self.connection.writeConnectionLost()
        self.place.alice.observers.notice("still there")
        self.assertEqual(self.client.heard()[-1]["text"], "still there")
        self.assertFalse(self.wire.disconnecting)

    def gone(self, *, at_once: bool) -> None:
        """A subscriber closes its socket, perhaps one side of it first."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        wire: Any = self.wire
        wire.fileno = ours.fileno
        self.client.say({"do": "subscribe"})
        if at_once:
            theirs.close()
        else:
            theirs.shutdown(socket.SHUT_WR)
        self.connection.readConnectionLost()
        self.assertIs(self.wire.disconnecting, at_once)
        theirs.close()

    def test_a_subscriber_that_is_gone_is_not_kept_until_the_next_event(self) -> None:
        """`p2pchat attach` leaves so: with 64 of them nobody else could connect."""
        self.gone(at_once=True)

    def test_nor_one_that_closed_its_own_side_before(self) -> None:
        self.gone(at_once=False)
        other = self.place.client()
        self.addCleanup(other.hang_up)
        self.assertTrue(self.wire.disconnecting)

    def test_nor_where_nobody_else_connects(self) -> None:
        self.gone(at_once=False)
        self.place.service.factory.look_who_is_gone()
        self.assertTrue(self.wire.disconnecting)

    def test_one_that_asked_nothing(self) -> None:
        self.connection.readConnectionLost()
        self.assertTrue(self.wire.disconnecting)

    def test_an_answer_for_somebody_who_is_gone(self) -> None:
        self.client.say({"do": "send", "to": "bob@CIC", "text": "oi"}, {"do": "subscribe"})
        self.client.hang_up()
        self.wire.clear()
        self.place.town.run(1)
        self.assertEqual(self.wire.value(), b"")
        self.assertEqual(self.figures()["subscribers"], 0)

    def test_the_node_stops(self) -> None:
        self.client.heard()
        sleeper = self.place.client()
        sleeper.wire.pauseReader()
        for client in (self.client, sleeper):
            client.connection.say_goodbye()
        self.assertEqual(self.client.heard(), [{"event": "stopping"}])
        self.assertTrue(self.wire.disconnecting)
        self.assertFalse(sleeper.wire.disconnecting)
        sleeper.wire.resumeReader()
        self.assertEqual(sleeper.heard(), [{"event": "stopping"}])
        self.assertTrue(sleeper.wire.disconnecting)
        sleeper.hang_up()

    # ------------------------------------------------------------ one that reads slowly, or not

    def test_a_long_answer_is_written_to_its_end(self) -> None:
        self.client.heard()
        self.wire.pauseReader()
        self.client.say({"id": 1, "do": "stats"})
        self.connection.readConnectionLost()
        self.place.town.run(9)
        self.assertFalse(self.wire.disconnecting or self.wire.aborted)
        self.wire.resumeReader()
        self.assertEqual(self.client.heard()[0]["id"], 1)
        self.assertTrue(self.wire.disconnecting)

    def test_one_that_does_not_read_is_cut_off_after_ten_seconds(self) -> None:
        self.wire.pauseReader()
        self.client.say({"id": 1, "do": "stats"})
        self.connection.readConnectionLost()
        self.place.town.run(12)
        self.assertTrue(self.wire.aborted)
        self.assertEqual(self.figures()["disconnected"], 1)

    def test_one_that_asks_and_does_not_read_costs_its_queue(self) -> None:
        self.wire.pauseReader()
        for n in range(500):
            self.client.say({"id": n, "do": "stats", "format": "text"})
        self.assertLess(self.connection.out._waiting_bytes, MAX_QUEUE)
        self.assertEqual(self.wire.producerState, "paused")
        self.place.town.run(12)
        self.assertTrue(self.wire.aborted)
