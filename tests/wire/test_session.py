"""One session: the handshakes of real clients, chat, PINGs, bad lines, and the end.

What each message does in each state is in `test_states`; here is what a message may hold, and what
a session remembers from one to the next.
"""

from __future__ import annotations

from msgspec import Raw

from p2pchat.wire.codec import decode, raw_json
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    FEATURES,
    HISTORY,
    Ack,
    Bye,
    ByeOk,
    CatchUp,
    Hello,
    HelloOk,
    Ping,
    Pong,
    Pub,
    Said,
    Send,
    Unknown,
)
from p2pchat.wire.outputs import (
    Acknowledged,
    Deliver,
    Elsewhere,
    Ending,
    Extended,
    Finish,
    Measured,
    Opened,
    Output,
    Remark,
    Transmit,
)
from p2pchat.wire.session import BYE_TIMEOUT, Session
from p2pchat.wire.states import State
from tests.support.sessions import SessionTestCase, inbound, opened, outbound


class HandshakeTests(SessionTestCase):
    """What may open a session, dialed or not ("accepts", rows 2, 3 and 8; "bad input")."""

    def test_quirks_of_a_hello(self) -> None:
        greeting = HelloOk("alice@CIC", agent="p2pchat/1", instance="our-instance")
        for fields, peer_id in (
            ('"peer_id":"bob@CIC"', "bob@CIC"),
            ('"src":"bob@CIC"', "bob@CIC"),
            ('"peer_id":"bob@CIC","version":1.0', "bob@CIC"),
            ('"peer_id":"bob@CIC","version":"9.9"', "bob@CIC"),
            ('"peer_id":"bob@CIC","features":null,"ttl":null', "bob@CIC"),
            # A feature that is listed makes nobody our kind: some clients echo what they hear.
            ('"peer_id":"bob@CIC","features":["ack","metrics","history"]', "bob@CIC"),
            ('"peer_id":"bob@CIC","ttl":0', "bob@CIC"),
            ('"peer_id":"jo\\u00e3o@CIC"', "joão@CIC"),
            ('"peer_id":"bob@home@CIC"', "bob@home@CIC"),
            ('"peer_id":"alice@other"', "alice@other"),
            ('"peer_id":"Alice@CIC"', "Alice@CIC"),
        ):
            session = inbound()
            outputs = session.receive(decode(b'{"type":"HELLO",%b}' % fields.encode()), 1.0)
            self.assertEqual(outputs, [Transmit(greeting), Opened()], fields)
            self.assertOpened(session, peer_id, is_p2pchat=False, instance="")

    def test_quirks_of_a_hello_ok(self) -> None:
        for fields, peer_id in (
            (',"peer_id":"bob@CIC"', "bob@CIC"),
            (',"src":"bob@CIC"', "bob@CIC"),
            (',"peer_id":"bob@CIC","features":null,"version":1.0', "bob@CIC"),
            # One client answers with the caller's id: it is filed under the dialed one.
            (',"peer_id":"alice@CIC"', "bob@CIC"),
            ("", "bob@CIC"),
            (',"peer_id":null', "bob@CIC"),
            (',"peer_id":""', "bob@CIC"),
            # The address has passed to another peer: the link is that peer's.
            (',"peer_id":"carol@CIC"', "carol@CIC"),
        ):
            session = outbound()
            outputs = session.receive(decode(b'{"type":"HELLO_OK"%b}' % fields.encode()), 1.0)
            self.assertEqual(outputs, [Opened()], fields)
            self.assertOpened(session, peer_id, is_p2pchat=False, instance="")
            self.assertEqual(session.dialed, "bob@CIC")

    def test_an_agent_makes_it_our_kind(self) -> None:
        for session, kind in ((inbound(), Hello), (outbound(), HelloOk)):
            session.receive(kind("bob@CIC", agent="p2pchat/9", instance="i" * 30_000), 1.0)
            self.assertOpened(session, "bob@CIC", is_p2pchat=True, instance="i" * 64)

    def test_impossible_peer_ids_are_refused(self) -> None:
        for peer_id, why in (
            ("bob", "[bob] has no @: a peer_id is name@namespace"),
            ("@CIC", "the name in [@CIC] must have 1 to 64 characters"),
            ("bob@", "the namespace in [bob@] must have 1 to 64 characters"),
            ("bob@" + "n" * 65, f"the namespace in [bob@{'n' * 35}…] must have 1 to 64 characters"),
            ("b\x1bob@CIC", "[b\\x1bob@CIC] holds control characters"),
            ("b\ud800b@CIC", "[b\\ud800b@CIC] holds control characters"),
        ):
            for session, kind in ((inbound(), Hello), (outbound(), HelloOk)):
                outputs = session.receive(kind(peer_id), 1.0)
                self.assertEnds(session, outputs, Ending.REFUSED, f"impossible peer_id: {why}")
        session = inbound()
        why = "impossible peer_id: [] has no @: a peer_id is name@namespace"
        self.assertEnds(session, session.receive(Hello(""), 1.0), Ending.REFUSED, why)

    def test_our_own_name(self) -> None:
        """From ourselves, it ends quietly; from anybody else, the person is told."""
        us, too = "our-instance", "somebody else is [alice@CIC], too"
        for session, message, ending, reason in (
            (
                inbound(),
                Hello("alice@CIC", instance=us),
                Ending.SELF,
                "a connection from ourselves",
            ),
            (inbound(), Hello("alice@CIC"), Ending.NAME_IN_USE, too),
            (inbound(), Hello("alice@CIC", instance="another"), Ending.NAME_IN_USE, too),
            (
                outbound(),
                HelloOk("alice@CIC", instance=us),
                Ending.SELF,
                "a connection to ourselves",
            ),
            (outbound(), HelloOk("alice@CIC", instance="another"), Ending.NAME_IN_USE, too),
        ):
            self.assertEnds(session, session.receive(message, 1.0), ending, reason)

    def test_without_an_instance_of_our_own_nobody_is_us(self) -> None:
        for session, message in (
            (inbound(Identity.of("alice@CIC")), Hello("bob@CIC")),
            (inbound(Identity.of("alice@CIC"), dialed="bob@CIC"), HelloOk("bob@CIC")),
        ):
            session.receive(message, 1.0)
            self.assertOpened(session, "bob@CIC", is_p2pchat=False, instance="")

    def test_being_turned_away(self) -> None:
        for reason, told in (
            ("", "no reason given"),
            ("busy", "busy"),
            ("\x1b[2J" + "x" * 500, "\\x1b[2J" + "x" * 70),
        ):
            (finish,) = outbound().receive(Bye(reason=reason), 1.0)
            assert isinstance(finish, Finish)
            self.assertTrue(finish.reason.startswith(f"the other end answered BYE: {told}"))
            self.assertLess(len(finish.reason), 120)

    def test_the_handshake_deadline_is_a_setting(self) -> None:
        session = inbound(handshake_timeout=3.0)
        self.assertEqual(session.tick(2.9), [])
        self.assertEnds(session, session.tick(3.0), Ending.TIMEOUT, "no handshake in time")


def for_somebody_else(dst: str) -> Remark:
    text = f"[bob@CIC] sent us a message for [{dst}]: dropped"
    return Remark("info", "not for us", text)


def claimed(count: int, src: str) -> Remark:
    text = f"[bob@CIC] sent {count} message(s) in the name of [{src}]: shown as from [bob@CIC]"
    return Remark("warn", "claimed src", text)


SPENT = Remark("info", "ttl", "[bob@CIC] sent a message with ttl <= 0: dropped")


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

    def test_whom_it_is_for(self) -> None:
        ours = ("alice@CIC", "alice", "")
        scopes = (*ours, "*", "#CIC", "CIC")
        others = ("carol@CIC", "alice@other", "carol", "#other", "other", "**", "#", "ALICE@CIC")
        for kind, taken in ((Send, ours), (Pub, scopes)):
            for dst in (*scopes, *others):
                message = kind("i", "bob@CIC", dst, "oi", True)
                is_ours = dst in taken
                expected = Deliver([message]) if is_ours else for_somebody_else(dst)
                self.assertEqual(self.chat(message), [expected], dst)
                self.assertIs(opened().welcomes([message]), is_ours)

    def test_a_ttl_that_ran_out(self) -> None:
        for kind in (Send, Pub):
            for ttl in (0, -1, -(10**30)):
                message = kind("i", "bob@CIC", "", "oi", True, ttl)
                self.assertEqual(self.chat(message), [SPENT])
                self.assertFalse(opened().welcomes([message]))
            message = kind("i", "bob@CIC", "", "oi", True, 99)
            self.assertEqual(self.chat(message), [Deliver([message])])

    def test_the_name_of_another_is_shown_as_from_the_peer_and_logged(self) -> None:
        for src in ("carol@CIC", "bob", "alice@CIC"):
            message = Send("i", src, "alice@CIC", "oi")
            self.assertEqual(self.chat(message), [claimed(1, src), Deliver([message])])
            self.assertFalse(opened().welcomes([message]))

    def test_no_src_is_no_claim(self) -> None:
        message = Send("i", "", "alice@CIC", "oi")
        self.assertEqual(self.chat(message), [Deliver([message])])
        self.assertTrue(opened().welcomes([message]))
        session = opened()
        session.chat([Send("i", "carol@CIC", "alice", "oi")])
        self.assertEqual(session.chat([message]), [Deliver([message])], "nor after a claim")

    def test_a_source_that_was_remarked_upon_is_welcome(self) -> None:
        session = opened()
        claim = Send("i", "carol@CIC", "alice", "oi", True)
        self.assertFalse(session.welcomes([claim]))
        self.assertEqual(len(session.chat([claim])), 2)
        self.assertTrue(session.welcomes([claim, Send("i", "bob@CIC", "alice", "oi", True)]))
        self.assertEqual(session.chat([claim]), [Deliver([claim])])
        self.assertFalse(session.welcomes([claim, Send("i", "dora@CIC", "alice", "oi", True)]))

    def test_one_that_is_odd_makes_a_run_unwelcome(self) -> None:
        send, pub = Send("i", "bob@CIC", "alice", "oi", True), Pub("j", "bob@CIC", "*", "oi")
        runs: list[list[Send | Pub]] = [[send], [pub], [send, pub, send]]
        for messages in runs:
            self.assertTrue(opened().welcomes(messages))
            self.assertEqual(self.chat(*messages), [Deliver(messages)])
        self.assertFalse(opened().welcomes([send, Send("i", "bob@CIC", "carol", "oi")]))
        self.assertFalse(opened().welcomes([send, Ack("i", "t")]))
        self.assertEqual(self.chat(), [])

    def test_a_run_is_taken_apart_and_delivered_in_its_order(self) -> None:
        first = Send("1", "bob@CIC", "alice@CIC", "one")
        second = Pub("2", "carol@CIC", "*", "two")
        stray = Send("3", "bob@CIC", "dave@CIC", "three")
        spent = Pub("4", "bob@CIC", "*", "four", ttl=0)
        last = Pub("5", "dora@CIC", "#CIC", "five")
        self.assertEqual(
            self.chat(first, second, stray, spent, last),
            [
                for_somebody_else("dave@CIC"),
                SPENT,
                claimed(2, "dora@CIC"),
                Deliver([first, second, last]),
            ],
        )

    def test_names_from_outside_are_shortened_in_remarks(self) -> None:
        for message in (Send("i", "x" * 9000, "", "oi"), Send("i", "", "\x1b" + "y" * 9000, "oi")):
            remark = self.chat(message)[0]
            assert isinstance(remark, Remark)
            self.assertLess(len(remark.text), 200)
            self.assertNotIn("\x1b", remark.text)

    def test_a_plain_peer_that_we_dialed_under_another_name(self) -> None:
        """It answered with our id, is filed under the dialed one, and sends under its own."""
        session = outbound()
        session.receive(HelloOk("alice@CIC"), 1.0)
        message = Send("i", "bob@CIC", "alice@CIC", "oi")
        self.assertEqual(session.chat([message]), [Deliver([message])])

    def test_an_ack_of_any_id_is_passed_on(self) -> None:
        for msg_id in ("i", 7, None, ["i"], {"a": 1}):
            self.assertEqual(opened().receive(Ack(msg_id), 1.0), [Acknowledged(msg_id)])


class ExtensionTests(SessionTestCase):
    """SAID and CATCH_UP, between two p2pchats that keep messages."""

    def test_both_ends_must_keep_messages(self) -> None:
        keeping, ask = (*FEATURES, HISTORY), CatchUp("c")
        for ours, theirs, agent, keeps in (
            (keeping, keeping, "p2pchat/1", True),
            (keeping, FEATURES, "p2pchat/1", False),
            (FEATURES, keeping, "p2pchat/1", False),
            (keeping, keeping, "", False),
        ):
            session = inbound(Identity.of("alice@CIC", features=ours))
            session.receive(Hello("bob@CIC", features=theirs, agent=agent), 1.0)
            self.assertIs(session.keeps, keeps)
            remark = Remark("debug", "unexpected", "ignored CATCH_UP from [bob@CIC] in state open")
            self.assertEqual(session.receive(ask, 1.0), [Extended(ask) if keeps else remark])

    def test_whom_a_late_message_is_for(self) -> None:
        features = (*FEATURES, HISTORY)
        session = inbound(Identity.of("alice@CIC", features=features))
        session.receive(Hello("bob@CIC", features=features, agent="p2pchat/1"), 1.0)
        for dst, wants_ack, ttl, ours in (
            ("alice", True, 1, True),
            ("*", False, 1, True),
            ("*", True, 1, False),
            ("carol", False, 1, False),
            ("alice", True, 0, False),
        ):
            said = Said("s", "bob@CIC", dst, "oi", 1.0, wants_ack, ttl)
            text = f"[bob@CIC] sent us a late message for [{dst}]: dropped"
            expected = Extended(said) if ours else Remark("info", "not for us", text)
            self.assertEqual(session.receive(said, 1.0), [expected])


class PingTests(SessionTestCase):
    def pinged(self, *ids: str) -> Session:
        """A session that sent a PING of each of these ids, one a second from 1.0 on."""
        session = opened()
        for now, msg_id in enumerate(ids, 1):
            self.assertTrue(session.ping(float(now), raw_json(msg_id)))
        return session

    def test_round_trip_by_our_own_clock(self) -> None:
        session = self.pinged("id-1")
        pong = Pong(raw_json("id-1"), raw_json("1970-01-01T00:00:00Z"))
        self.assertEqual(session.receive(pong, 1.25), [Measured(0.25)])
        self.assertEqual(session.receive(pong, 1.5), [Elsewhere(pong)], "it measures nothing here")

    def test_a_pong_of_another_id_measures_nothing(self) -> None:
        session = self.pinged("id-1")
        for raw in (b'"id-2"', b"1", b"null", b'["id-1"]', b'"\\ud800"', b"1e999", b"[" * 9000):
            pong = Pong(Raw(raw))
            self.assertEqual(session.receive(pong, 2.0), [Elsewhere(pong)])
            self.assertEqual(session.answered(pong, 2.0), [])
        self.assertEqual(session.receive(Pong(Raw(b'"\\u0069d-1"')), 2.0), [Measured(1.0)])

    def test_a_pong_that_comes_on_another_link_is_for_the_ping_of_its_id(self) -> None:
        session = self.pinged("id-1", "id-2")
        self.assertEqual(session.answered(Pong(raw_json("id-1")), 3.0), [Measured(2.0)])
        self.assertEqual(session.answered(Pong(raw_json("id-1")), 3.0), [])
        session.finish(Ending.LOST, "gone")
        self.assertEqual(session.answered(Pong(raw_json("id-2")), 3.0), [])

    def test_so_is_a_bye_ok(self) -> None:
        session = opened()
        self.assertEqual(session.answered(ByeOk(""), 1.0), [])
        (said,) = session.leave("leaving", 1.0)
        assert isinstance(said, Transmit)
        assert isinstance(said.message, Bye)
        self.assertEqual(session.answered(ByeOk("another"), 1.0), [])
        self.assertEqual(
            session.answered(ByeOk(said.message.msg_id), 1.0),
            [Finish(Ending.LEFT, "BYE answered on another link")],
        )

    def test_pongs_may_come_in_any_order(self) -> None:
        session = self.pinged("id-1", "id-2")
        self.assertEqual(session.receive(Pong(raw_json("id-2")), 3.0), [Measured(1.0)])
        self.assertEqual(session.receive(Pong(raw_json("id-1")), 3.0), [Measured(2.0)])

    def test_pings_that_are_never_answered_are_forgotten(self) -> None:
        session = self.pinged(*(f"id-{n}" for n in range(1, 1001)))
        self.assertLessEqual(len(session.pings), 4)
        self.assertEqual(session.answered(Pong(raw_json("id-1")), 1002.0), [])
        self.assertEqual(session.receive(Pong(raw_json("id-997")), 1002.0), [Measured(5.0)])
        self.assertEqual(session.receive(Pong(raw_json("id-1000")), 1002.0), [Measured(2.0)])

    def test_a_pong_after_our_bye_still_measures(self) -> None:
        session = self.pinged("id-1")
        session.leave("leaving", 1.0)
        self.assertEqual(session.receive(Pong(raw_json("id-1")), 1.5), [Measured(0.5)])

    def test_the_answer_repeats_whatever_was_asked(self) -> None:
        for raw in (b'"x"', b"7", b"1e400", b"null", b'{"a" : [1]}'):
            outputs = opened().receive(Ping(Raw(raw), Raw(raw)), 1.0)
            self.assertEqual(outputs, [Transmit(Pong(Raw(raw), Raw(raw)))])

    def test_a_ttl_that_ran_out(self) -> None:
        text = "[bob@CIC] sent a PING with ttl <= 0: dropped"
        outputs = opened().receive(Ping(raw_json("q"), ttl=0), 1.0)
        self.assertEqual(outputs, [Remark("info", "ttl", text)])


class BadLineTests(SessionTestCase):
    def test_only_lines_in_a_row_count(self) -> None:
        chat = Send("i", dst="x")
        for good in (Unknown("RELAY"), Ack("i"), HelloOk("bob@CIC"), chat):
            session = opened(max_bad_lines=3)
            for _ in range(5):
                for _ in range(2):
                    self.assertEqual(len(session.bad_line("not JSON")), 1)
                session.receive(good, 1.0)
        session = opened(max_bad_lines=2)
        for _ in range(3):
            self.assertEqual(len(session.bad_line("not JSON")), 1)
            session.chat([chat])
            self.assertEqual(len(session.bad_line("not JSON")), 1)
            self.assertTrue(session.welcomes([Send("i")]))

    def test_the_limit_is_a_setting(self) -> None:
        session = opened(max_bad_lines=1)
        remark, farewell, finish = session.bad_line("not UTF-8")
        self.assertEqual(remark, Remark("warn", "bad line", "bad line from [bob@CIC]: not UTF-8"))
        self.assertEqual(farewell, Transmit(Bye("id-1", "alice@CIC", "bob@CIC", "protocol error")))
        self.assertEqual(finish, Finish(Ending.VIOLATION, "protocol error"))


class ByeTests(SessionTestCase):
    """The end, in its known forms ("accepts", row 5)."""

    def test_whatever_the_bye_says(self) -> None:
        for bye, msg_id, reason in (
            (Bye("b", "bob@CIC", "alice@CIC", "x"), "b", "x"),
            (Bye(7, dst="*"), 7, ""),
            (Bye(0), 0, ""),
            (Bye(["b"], "eve@x", "carol@CIC"), ["b"], ""),
            (Bye("b", ttl=0), "b", ""),
            (Bye(), "id-1", ""),
        ):
            answer = Transmit(ByeOk(msg_id, "alice@CIC", "bob@CIC"))
            outputs = opened().receive(bye, 1.0)
            self.assertEqual(outputs, [answer, Finish(Ending.SAID_BYE, reason)])

    def test_the_reason_is_made_printable_and_short(self) -> None:
        finish = opened().receive(Bye("b", reason="\x1b" + "x" * 500), 1.0)[1]
        assert isinstance(finish, Finish)
        self.assertTrue(finish.reason.startswith("\\x1bxxx"))
        self.assertLess(len(finish.reason), 100)

    def test_leaving_twice_says_bye_once_and_keeps_the_deadline(self) -> None:
        session = opened()
        self.assertEqual(len(session.leave("leaving", 5.0)), 1)
        self.assertEqual(session.leave("again", 6.0), [])
        self.assertEqual(session.tick(5.0 + BYE_TIMEOUT - 0.001), [])
        self.assertEqual(len(session.tick(5.0 + BYE_TIMEOUT)), 1)
        self.assertIs(session.state, State.CLOSED)
