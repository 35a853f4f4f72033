"""The open session: chat for us and for others, PING and PONG, ACK."""

from __future__ import annotations

from msgspec import Raw

from p2pchat.wire.codec import raw_json
from p2pchat.wire.messages import Ack, ByeOk, HelloOk, Ping, Pong, Pub, Send
from p2pchat.wire.outputs import Acknowledged, Deliver, Measured, Output, Remark, Transmit
from tests.support.sessions import SessionTestCase, inbound, opened, outbound


class ChatTests(SessionTestCase):
    """SEND and PUB ("accepts", row 4; "bad input")."""

    def chat(self, *messages: Send | Pub) -> list[Output]:
        """What comes of these messages, proved the same for `chat`, `receive` and `welcomes`."""
        together = opened().chat(messages)
        if messages and opened().welcomes(messages):
            self.assertEqual(together, [Deliver([*messages])])
        if len(messages) == 1:
            self.assertEqual(opened().receive(messages[0], 1.0), together)
        return together

    def test_send_to_us(self) -> None:
        for dst in ("alice@CIC", "alice", ""):
            message = Send("i", "bob@CIC", dst, "oi", True)
            self.assertEqual(self.chat(message), [Deliver([message])])

    def test_what_says_nothing_odd_is_welcome(self) -> None:
        send, pub = Send("i", "bob@CIC", "alice", "oi", True), Pub("j", "bob@CIC", "*", "oi")
        runs: list[list[Send | Pub]] = [[send], [pub], [send, pub, send]]
        for messages in runs:
            self.assertTrue(opened().welcomes(messages))
            self.assertEqual(self.chat(*messages), [Deliver(messages)])
        for odd in (
            Send("i", "bob@CIC", "carol", "oi", True),
            Pub("i", "bob@CIC", "#other", "oi"),
            Send("i", "bob@CIC", "*", "oi", True),
            Send("i", "carol@CIC", "alice", "oi", True),
            Send("i", "bob@CIC", "alice", "oi", True, 0),
            Ack("i", "t"),
        ):
            self.assertFalse(opened().welcomes([send, odd]))

    def test_a_source_that_was_remarked_upon_is_welcome(self) -> None:
        session = opened()
        claim = Send("i", "carol@CIC", "alice", "oi", True)
        self.assertFalse(session.welcomes([claim]))
        self.assertEqual(len(session.chat([claim])), 2)
        self.assertTrue(session.welcomes([claim, Send("i", "bob@CIC", "alice", "oi", True)]))
        self.assertEqual(session.chat([claim]), [Deliver([claim])])
        self.assertFalse(session.welcomes([claim, Send("i", "dora@CIC", "alice", "oi", True)]))

    def test_nobody_in_particular_is_welcome_as_a_source(self) -> None:
        message = Send("i", "", "alice", "oi", True)
        self.assertTrue(opened().welcomes([message]))
        self.assertEqual(self.chat(message), [Deliver([message])])

    def test_chat_is_welcome_until_the_other_end_has_seen_our_bye(self) -> None:
        message = Send("i", "bob@CIC", "alice", "oi", True)
        session = inbound()
        self.assertFalse(session.welcomes([message]))
        session = opened()
        session.leave("bye", 1.0)
        self.assertTrue(session.welcomes([message]))
        session.receive(ByeOk("i"), 1.0)
        self.assertFalse(session.welcomes([message]))

    def test_what_is_welcome_ends_a_row_of_bad_lines(self) -> None:
        session = opened(max_bad_lines=2)
        message = Send("i", "bob@CIC", "alice", "oi", True)
        for _ in range(3):
            self.assertEqual(len(session.bad_line("odd")), 1)
            self.assertTrue(session.welcomes([message]))

    def test_send_to_somebody_else_is_dropped_and_logged(self) -> None:
        for dst in ("carol@CIC", "alice@other", "carol", "*", "#CIC", "CIC", "ALICE@CIC"):
            text = f"bob@CIC sent us a message for {dst}: dropped"
            self.assertEqual(
                self.chat(Send("i", "bob@CIC", dst, "oi", True)),
                [Remark("info", "not for us", text)],
            )

    def test_pub_for_us(self) -> None:
        for dst in ("*", "#CIC", "CIC", "alice@CIC", "alice", ""):
            message = Pub("i", "bob@CIC", dst, "oi")
            self.assertEqual(self.chat(message), [Deliver([message])])

    def test_pub_to_another_scope_is_dropped_and_logged(self) -> None:
        for dst in ("#other", "other", "carol@CIC", "**", "#"):
            text = f"bob@CIC sent us a message for {dst}: dropped"
            self.assertEqual(
                self.chat(Pub("i", "bob@CIC", dst, "oi")), [Remark("info", "not for us", text)]
            )

    def test_a_ttl_that_ran_out(self) -> None:
        remark = Remark("info", "ttl", "bob@CIC sent a message with ttl <= 0: dropped")
        for ttl in (0, -1, -(10**30)):
            self.assertEqual(self.chat(Send("i", "bob@CIC", "", "oi", True, ttl)), [remark])
            self.assertEqual(self.chat(Pub("i", "bob@CIC", "*", "oi", False, ttl)), [remark])
        message = Send("i", "bob@CIC", "", "oi", True, 99)
        self.assertEqual(self.chat(message), [Deliver([message])])

    def test_the_name_of_another_is_shown_as_from_the_peer_and_logged(self) -> None:
        for src in ("carol@CIC", "bob", "alice@CIC"):
            message = Send("i", src, "alice@CIC", "oi")
            text = f"bob@CIC sent 1 message(s) in the name of {src}: shown as from bob@CIC"
            self.assertEqual(
                self.chat(message), [Remark("warn", "claimed src", text), Deliver([message])]
            )

    def test_no_src_is_no_claim(self) -> None:
        message = Send("i", "", "alice@CIC", "oi")
        self.assertEqual(self.chat(message), [Deliver([message])])

    def test_a_run_is_taken_apart_and_delivered_in_its_order(self) -> None:
        first = Send("1", "bob@CIC", "alice@CIC", "one")
        claimed = Pub("2", "carol@CIC", "*", "two")
        stray = Send("3", "bob@CIC", "dave@CIC", "three")
        spent = Pub("4", "bob@CIC", "*", "four", ttl=0)
        last = Pub("5", "bob@CIC", "#CIC", "five")
        self.assertEqual(
            self.chat(first, claimed, stray, spent, last),
            [
                Remark("info", "not for us", "bob@CIC sent us a message for dave@CIC: dropped"),
                Remark("info", "ttl", "bob@CIC sent a message with ttl <= 0: dropped"),
                Remark(
                    "warn",
                    "claimed src",
                    "bob@CIC sent 1 message(s) in the name of carol@CIC: shown as from bob@CIC",
                ),
                Deliver([first, claimed, last]),
            ],
        )

    def test_several_claims_are_one_remark(self) -> None:
        claims = [Pub(str(n), f"carol{n}@CIC", "*", "x") for n in range(3)]
        remark, _ = self.chat(*claims)
        assert isinstance(remark, Remark)
        self.assertEqual(
            remark.text,
            "bob@CIC sent 3 message(s) in the name of carol2@CIC: shown as from bob@CIC",
        )

    def test_names_from_outside_are_shortened_in_remarks(self) -> None:
        for message in (Send("i", "x" * 9000, "", "oi"), Send("i", "", "\x1b" + "y" * 9000, "oi")):
            remark = self.chat(message)[0]
            assert isinstance(remark, Remark)
            self.assertLess(len(remark.text), 200)
            self.assertNotIn("\x1b", remark.text)

    def test_nothing_at_all(self) -> None:
        self.assertEqual(self.chat(), [])

    def test_a_plain_peer_that_we_dialed_under_another_name(self) -> None:
        """It answered with our id, is filed under the dialed one, and sends under its own."""
        session = outbound()
        session.receive(HelloOk("alice@CIC"), 1.0)
        message = Send("i", "bob@CIC", "alice@CIC", "oi")
        self.assertEqual(session.chat([message]), [Deliver([message])])


class PingTests(SessionTestCase):
    def test_round_trip_by_our_own_clock(self) -> None:
        session = opened()
        self.assertTrue(session.ping(10.0, raw_json("id-1")))
        pong = Pong(raw_json("id-1"), raw_json("1970-01-01T00:00:00Z"))
        self.assertEqual(session.receive(pong, 10.25), [Measured(0.25)])
        self.assertEqual(session.receive(pong, 10.5), [], "the second PONG measures nothing")

    def test_a_pong_of_another_id_measures_nothing(self) -> None:
        session = opened()
        session.ping(10.0, raw_json("id-1"))
        for raw in (b'"id-2"', b"1", b"null", b'["id-1"]', b'"\\ud800"', b"1e999", b"[" * 9000):
            self.assertEqual(session.receive(Pong(Raw(raw)), 11.0), [])
        self.assertEqual(session.receive(Pong(Raw(b'"\\u0069d-1"')), 11.0), [Measured(1.0)])

    def test_pongs_may_come_in_any_order(self) -> None:
        session = opened()
        session.ping(1.0, raw_json("id-1"))
        session.ping(2.0, raw_json("id-2"))
        self.assertEqual(session.receive(Pong(raw_json("id-2")), 3.0), [Measured(1.0)])
        self.assertEqual(session.receive(Pong(raw_json("id-1")), 3.0), [Measured(2.0)])

    def test_pings_that_are_never_answered_are_forgotten(self) -> None:
        session = opened()
        for n in range(1000):
            session.ping(float(n), raw_json(f"id-{n + 1}"))
        self.assertLessEqual(len(session.pings), 4)
        self.assertEqual(session.receive(Pong(raw_json("id-1")), 1001.0), [])
        self.assertEqual(session.receive(Pong(raw_json("id-997")), 1001.0), [Measured(5.0)])
        self.assertEqual(session.receive(Pong(raw_json("id-1000")), 1001.0), [Measured(2.0)])

    def test_a_pong_after_our_bye_still_measures(self) -> None:
        session = opened()
        session.ping(1.0, raw_json("id-1"))
        session.leave("leaving", 1.0)
        self.assertEqual(session.receive(Pong(raw_json("id-1")), 1.5), [Measured(0.5)])

    def test_the_answer_repeats_whatever_was_asked(self) -> None:
        for raw in (b'"x"', b"7", b"1e400", b"null", b'{"a" : [1]}'):
            outputs = opened().receive(Ping(Raw(raw), Raw(raw)), 1.0)
            self.assertEqual(outputs, [Transmit(Pong(Raw(raw), Raw(raw)))])

    def test_a_ttl_that_ran_out(self) -> None:
        outputs = opened().receive(Ping(raw_json("q"), ttl=0), 1.0)
        text = "bob@CIC sent a PING with ttl <= 0: dropped"
        self.assertEqual(outputs, [Remark("info", "ttl", text)])


class AckTests(SessionTestCase):
    def test_any_id_is_passed_on(self) -> None:
        for msg_id in ("i", 7, None, ["i"], {"a": 1}):
            self.assertEqual(opened().receive(Ack(msg_id), 1.0), [Acknowledged(msg_id)])
