"""Events of a node as lines for a person."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.event_lines import encrypts, event_line, message_line, text_of
from p2pchat.speech import use


class EventLineTests(SynchronousTestCase):
    def test_every_kind_of_event_as_a_line(self) -> None:
        message = {"event": "message", "from": "b]@C", "to": "#C", "text": "x", "claims": "eve@C"}
        for event, line in (
            (message, "[b\\x5d@C (!) -> #C] x"),
            (
                {"event": "delivered", "peer_id": "b", "seconds": 0.0123},
                "delivered to [b] in 12.3 ms",
            ),
            ({"event": "undelivered", "peer_id": "b", "reason": "no"}, "not delivered to [b]: no"),
            ({"event": "queued", "peer_id": "b"}, "waits for [b]"),
            ({"event": "peer", "peer_id": "b\x1b", "status": "STALE"}, "* [b\\x1b] is STALE"),
            ({"event": "notice", "text": "beware\x07"}, "* beware\\x07"),
            ({"event": "newer"}, "* newer"),
            ({"event": "sent", "to": "b\x1b", "text": "a\x1b"}, "-> [b\\x1b]: a\\x1b"),
            ({"event": "sent", "to": "b", "text": "a", "of": "m"}, "-> [b], edited: a"),
            ({"event": "read", "conversation": "b"}, "* [b] is read"),
            ({"event": "links", "peer_id": "b", "links": [{}]}, "* [b] has 1 link"),
            ({"event": "round_trip", "peer_id": "b", "seconds": 0.0123}, "[b]: 12.3 ms"),
            ({"event": "forgotten", "peer_id": "b"}, "* what [b] said is forgotten"),
            ({"event": "left_out", "count": 7}, "* 7 events are left out"),
            ({"event": "message", "from": "b", "to": "a", "text": 7}, "[b] 7"),
        ):
            self.assertEqual(event_line(event), line)

    def test_what_else_there_is_to_say_of_a_message(self) -> None:
        message = {"from": "b@C", "to": "a@C", "text": "oi"}
        late = message_line({**message, "said": "2001-09-09T01:46:40Z"})
        self.assertRegex(late, r"^\[b@C, said 2001-09-(08|09) \d\d:\d\d\] oi$")
        self.assertEqual(message_line({**message, "kept": False}), "[b@C (not kept)] oi")
        self.assertEqual(message_line({**message, "said": "yesterday"}), "[b@C] oi")
        other = {**message, "other_text": True, "kept": False}
        self.assertEqual(message_line(other), "[b@C (not kept) (reused id)] oi")

    def test_how_it_came_stands_before_the_bracket(self) -> None:
        message = {"from": "b@C", "to": "a@C", "text": "oi"}
        for security, line in (
            ("verified", "+[b@C] oi"),
            ("encrypted", " [b@C] oi"),
            ("plain", "~[b@C] oi"),
            ("perfect", "~[b@C] oi"),
            ("", "~[b@C] oi"),
            (None, "~[b@C] oi"),
        ):
            event = {**message, "security": security}
            self.assertEqual(message_line(event, marks=True), line)
            self.assertEqual(message_line(event), "[b@C] oi")
        self.assertEqual(message_line(message, marks=True), "~[b@C] oi", "of an older node")
        claim = {**message, "security": "verified", "claims": "c@C"}
        self.assertEqual(message_line(claim, marks=True), "~[b@C (!)] oi")

    def test_which_nodes_have_that_column(self) -> None:
        status = {"fingerprint": "Y3YW-Z254-ZYFB-5S3W", "policy": "prefer"}
        self.assertTrue(encrypts(status))
        for without in ({}, {**status, "policy": "off"}, {**status, "fingerprint": ""}):
            self.assertFalse(encrypts(without))

    def test_a_field_that_is_missing_or_no_text(self) -> None:
        self.assertEqual((text_of(None), text_of([1]), text_of("\n")), ("", "[1]", "\\n"))
        self.assertEqual(message_line({}), "[] ")

    def test_in_portuguese(self) -> None:
        self.addCleanup(use, "en")
        use("pt_BR")
        for event, line in (
            ({"event": "peer", "peer_id": "b", "status": "STALE"}, "* [b] está STALE"),
            ({"event": "queued", "peer_id": "b"}, "aguarda [b]"),
            ({"event": "links", "peer_id": "b", "links": [{}]}, "* [b] tem 1 link"),
            ({"event": "links", "peer_id": "b", "links": [{}, {}]}, "* [b] tem 2 links"),
            ({"event": "left_out", "count": 2}, "* 2 eventos ficam de fora"),
        ):
            self.assertEqual(event_line(event), line)
