"""What happens in a node, as JSON."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.events import (
    away_event,
    delivered_event,
    encode_json,
    forgotten_event,
    key_event,
    links_event,
    message_events,
    notice_event,
    outcome_event,
    peer_event,
    queued_event,
    read_event,
    round_trip_event,
    sent_event,
    undelivered_event,
)
from p2pchat.control.protocol import EVENT_KINDS, USUAL_KINDS
from p2pchat.mesh.peers import Peer, Status
from p2pchat.wire.messages import Pub, Send
from tests.support.fake_link import FakeLink

AT = "2026-01-31T12:00:00Z"


class EventTests(SynchronousTestCase):
    def test_messages(self) -> None:
        messages: list[Send | Pub] = [
            Send("1", "bob@CIC", "ana@CIC", "oi"),
            Send("2", "", "", "no names"),
            Pub("3", "bob@CIC", "#CIC", "all"),
            Pub("4", "eve@X", "CIC", "who?"),
        ]
        base = {"event": "message", "time": AT, "from": "bob@CIC", "security": "plain", "key": ""}
        self.assertEqual(
            [*message_events("ana@CIC", "bob@CIC", messages, AT)],
            [
                {**base, "to": "ana@CIC", "text": "oi", "msg_id": "1"},
                {**base, "to": "ana@CIC", "text": "no names", "msg_id": "2"},
                {**base, "to": "#CIC", "text": "all", "msg_id": "3"},
                {**base, "to": "#CIC", "text": "who?", "msg_id": "4", "claims": "eve@X"},
            ],
        )

    def test_the_others(self) -> None:
        peer = Peer("bob@CIC")
        peer.status, peer.left = Status.DISCONNECTED, True
        events = [
            peer_event(peer, AT),
            delivered_event("bob@CIC", "m", 0.0123456789, AT),
            undelivered_event("bob@CIC", "m", "no ACK", AT),
            queued_event("bob@CIC", "m", AT),
            notice_event("beware", AT),
            key_event("bob@CIC", "refused", bytes(32), None, AT),
        ]
        self.assertEqual({event["event"] for event in events} | {"message"}, {*USUAL_KINDS})
        self.assertEqual(peer_event(peer, AT, ignored=True), {**events[0], "ignored": True})
        events.append(away_event("bob@CIC", "lunch", AT))
        peer.links.append(FakeLink())
        events += [
            sent_event("*", "oi", "m", 7, AT),
            read_event("*", 0, AT),
            links_event(peer, AT),
            round_trip_event(peer, 0.0123456789, AT),
            forgotten_event("bob@CIC", AT),
        ]
        self.assertEqual({event["event"] for event in events} | {"message"}, {*EVENT_KINDS})
        self.assertEqual(events[0]["status"], "DISCONNECTED")
        self.assertIs(events[0]["left"], True)
        self.assertEqual(events[1]["seconds"], 0.012346)
        self.assertEqual(events[2]["reason"], "no ACK")
        self.assertEqual(events[4]["text"], "beware")
        self.assertEqual((events[5]["key"], events[5]["known"]), ("A" * 43, ""))
        self.assertEqual((events[6]["event"], events[6]["text"]), ("away", "lunch"))
        self.assertEqual(events[7]["id"], 7)
        self.assertNotIn("upto", events[8])
        (link,) = events[9]["links"]
        self.assertEqual((link["direction"], link["security"]), ("inbound", "plain"))
        self.assertEqual(events[10]["seconds"], 0.012346)
        self.assertEqual(events[10]["average_seconds"], 0.012346)

    def test_how_a_message_came(self) -> None:
        link = FakeLink()
        link.key, link.security = bytes(32), "verified"
        messages: list[Send | Pub] = [Send("1", "b@C"), Pub("2"), Send("3", "eve@X")]
        events = message_events("ana@CIC", "b@C", messages, AT, link=link)
        self.assertEqual(
            [(event["security"], event["key"]) for event in events],
            [("verified", "A" * 43), ("verified", "A" * 43), ("plain", "")],
            "nobody knows how the third one came to who carried it",
        )

    def test_a_message_that_comes_late_says_when_it_was_said(self) -> None:
        (event,) = message_events("ana@CIC", "b@C", [Send("1", payload="oi")], AT, [1e9])
        self.assertEqual((event["time"], event["said"]), (AT, "2001-09-09T01:46:40Z"))

    def test_a_message_that_could_not_be_kept_says_so(self) -> None:
        (event,) = message_events("ana@CIC", "b@C", [Send("1", payload="oi")], AT, kept=False)
        self.assertIs(event["kept"], False)

    def test_what_became_of_a_line_is_no_kind_to_subscribe_to(self) -> None:
        event = outcome_event("b@C", "m", "delivered", AT)
        self.assertEqual((event["event"], event["line"]), ("outcome", "delivered"))
        self.assertNotIn(event["event"], EVENT_KINDS)

    def test_one_line_of_json_whatever_the_text(self) -> None:
        for text in ("oi\nolá ✓", "half \ud800 a pair", "\x00\x1b"):
            line = encode_json({"text": text})
            self.assertEqual(line.count(b"\n"), 1)
            self.assertTrue(line.endswith(b"\n"))
            self.assertEqual(json.loads(line), {"text": text})
