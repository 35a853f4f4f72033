"""One client of the control socket: its lines, its limits, its faults, its end."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.connection import MAX_PENDING, MAX_QUEUE, MAX_REQUEST
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
        self.connection.stopProducing()
        self.client.say({"do": "status"})
        self.assertEqual(self.wire.value(), b"")

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
        self.assertTrue(sleeper.wire.aborted)
        sleeper.hang_up()


class ConsoleTests(SynchronousTestCase):
    """A console on the connection: what `p2pchat attach` sees."""

    def setUp(self) -> None:
        self.place = ControlledTown()
        self.addCleanup(self.place.close)
        self.client = self.place.client()
        self.town = self.place.town
        self.addCleanup(self.town.run, 1)

    def shown(self, client: Client | None = None) -> str:
        self.town.run(0.5)
        events = (client or self.client).heard()
        return "\n".join(event["text"] for event in events if event.get("event") == "show")

    def attach(self, client: Client | None = None, **fields: Any) -> None:
        (client or self.client).say({"do": "console", **fields})

    def test_a_conversation(self) -> None:
        self.attach(terminal=True, script=False)
        self.assertIn("alice@CIC, listening on port 4000", self.shown())
        self.client.say({"do": "type", "text": "/msg bob@CIC olá ✓"})
        self.assertIn("delivered to bob@CIC", self.shown())
        self.place.bob.send("alice@CIC", "tudo bem?")
        self.assertEqual(self.shown(), "[bob@CIC] tudo bem?")
        self.client.say({"do": "type", "text": "/quit"})
        self.town.run(1)
        self.assertEqual(self.client.heard()[-1], {"event": "left", "status": 0})
        self.assertTrue(self.client.wire.disconnecting)
        self.client.hang_up()
        self.assertTrue(self.place.alice.running)
        self.assertEqual(self.place.stopped, 0)

    def test_several_at_once(self) -> None:
        other = self.place.client()
        for client in (self.client, other):
            self.attach(client, terminal=True, script=False)
            self.shown(client)
        self.place.bob.send("alice@CIC", "all of you")
        self.assertEqual(self.shown(), "[bob@CIC] all of you")
        self.assertEqual(self.shown(other), "[bob@CIC] all of you")
        self.client.hang_up()
        self.place.bob.send("alice@CIC", "one of you")
        self.assertEqual(self.shown(other), "[bob@CIC] one of you")
        other.hang_up()

    def test_a_script_and_its_exit_status(self) -> None:
        for text, status in (("/msg bob@CIC oi", 0), ("/msg nobody@CIC oi", 1)):
            client = self.place.client()
            self.attach(client)
            client.say({"do": "type", "text": text, "end": True}, {"do": "type", "text": "late"})
            self.town.run(2)
            self.assertEqual(client.heard()[-1], {"event": "left", "status": status})
            client.hang_up()
        self.assertEqual(self.town.seen(self.place.bob).texts, ["oi"])

    def test_the_end_of_the_input_by_closing(self) -> None:
        self.attach()
        self.client.connection.readConnectionLost()
        self.town.run(2)
        self.assertEqual(self.client.heard()[-1], {"event": "left", "status": 0})
        self.client.hang_up()

    def test_a_reader_that_falls_asleep_misses_some_and_is_told(self) -> None:
        self.attach(terminal=False)
        self.shown()
        self.client.wire.pauseReader()
        for n in range(300):
            self.place.bob.send("alice@CIC", f"{n} " + "x" * 10_000)
            self.town.run(0.05)
        self.assertEqual(self.client.heard(), [])
        self.client.wire.resumeReader()
        shown = self.shown()
        self.assertIn("[bob@CIC] 0 x", shown)
        self.assertIn("lines were left out", shown)
        self.assertFalse(self.client.wire.aborted)
        self.client.hang_up()

    def test_only_one_on_a_connection_and_none_without_asking(self) -> None:
        self.assertEqual(self.client.ask("type", text="/help")["code"], "refused")
        self.attach()
        self.shown()
        self.assertEqual(self.client.ask("console")["code"], "refused")
        self.client.hang_up()

    def test_lines_wait_while_the_node_is_busy(self) -> None:
        self.attach(script=True)
        self.shown()
        for _ in range(5):
            self.client.say({"do": "type", "text": "/peers"})
        self.assertEqual(self.client.wire.producerState, "paused")
        self.town.run(2)
        self.assertEqual(self.client.wire.producerState, "producing")
        self.client.hang_up()

    def test_what_is_shown_is_json_that_can_be_read(self) -> None:
        self.attach(terminal=True, script=False)
        self.shown()
        self.place.bob.send("alice@CIC", "esc \x1b[2J and \u202e")
        self.town.run(0.5)
        (line,) = self.client.wire.value().splitlines()
        self.assertEqual(json.loads(line)["text"], "[bob@CIC] esc \\x1b[2J and \\u202e")
        self.client.hang_up()
