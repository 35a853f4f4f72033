"""The handshake with the quirks of real clients, bad lines, and the end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.codec import decode, raw_json
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import Ack, Bye, ByeOk, Hello, HelloOk, Ping, Pong, Send, Unknown
from p2pchat.wire.outputs import Deliver, Ending, Finish, Opened, Output, Remark, Transmit
from p2pchat.wire.session import BYE_TIMEOUT, Session
from p2pchat.wire.states import State
from tests.support.sessions import SessionTestCase, inbound, opened, outbound


class IdentityTests(SynchronousTestCase):
    def test_what_reaches_us(self) -> None:
        me = Identity.of("alice@CIC", "agent", "instance")
        self.assertEqual((me.peer_id, me.agent, me.instance), ("alice@CIC", "agent", "instance"))
        self.assertEqual(me.addresses, {"alice@CIC", "alice", ""})
        self.assertEqual(me.scopes, {"alice@CIC", "alice", "", "*", "#CIC", "CIC"})

    def test_an_impossible_peer_id_is_refused(self) -> None:
        with self.assertRaises(ValueError) as caught:
            Identity.of("alice")
        self.assertEqual(str(caught.exception), '"alice" has no @: a peer_id is name@namespace')


class HelloTests(SessionTestCase):
    """What a dialer may say first ("accepts", rows 2 and 8; "bad input")."""

    def hello(self, line: str) -> tuple[Session, list[Output]]:
        session = inbound()
        return session, session.receive(decode(line.encode()), 1.0)

    def test_quirks_that_open(self) -> None:
        for line, peer_id in (
            ('{"type":"HELLO","peer_id":"bob@CIC"}', "bob@CIC"),
            ('{"type":"HELLO","src":"bob@CIC"}', "bob@CIC"),
            ('{"type":"HELLO","peer_id":"bob@CIC","version":1.0}', "bob@CIC"),
            ('{"type":"HELLO","peer_id":"bob@CIC","version":"9.9"}', "bob@CIC"),
            ('{"type":"HELLO","peer_id":"bob@CIC","features":null,"ttl":null}', "bob@CIC"),
            ('{"type":"HELLO","peer_id":"bob@CIC","ttl":0}', "bob@CIC"),
            ('{"type":"HELLO","peer_id":"jo\\u00e3o@CIC"}', "joão@CIC"),
            ('{"type":"HELLO","peer_id":"bob@home@CIC"}', "bob@home@CIC"),
            ('{"type":"HELLO","peer_id":"alice@other"}', "alice@other"),
            ('{"type":"HELLO","peer_id":"Alice@CIC"}', "Alice@CIC"),
        ):
            session, outputs = self.hello(line)
            greeting = HelloOk("alice@CIC", agent="p2pchat/1", instance="our-instance")
            self.assertEqual(outputs, [Transmit(greeting), Opened()], line)
            self.assertOpened(session, peer_id, is_p2pchat=False, instance="")

    def test_an_agent_makes_it_our_kind(self) -> None:
        session, _ = self.hello(
            '{"type":"HELLO","peer_id":"bob@CIC","agent":"p2pchat/9","instance":"his"}'
        )
        self.assertOpened(session, "bob@CIC", is_p2pchat=True, instance="his")

    def test_a_listed_feature_does_not(self) -> None:
        session, _ = self.hello(
            '{"type":"HELLO","peer_id":"bob@CIC","features":["ack","metrics","relay"]}'
        )
        self.assertOpened(session, "bob@CIC", is_p2pchat=False, instance="")

    def test_an_endless_instance_is_cut(self) -> None:
        session = inbound()
        session.receive(Hello("bob@CIC", agent="x", instance="i" * 30_000), 1.0)
        self.assertEqual(session.instance, "i" * 64)

    def test_impossible_peer_ids_are_refused(self) -> None:
        for peer_id, why in (
            ("", '"" has no @: a peer_id is name@namespace'),
            ("bob", '"bob" has no @: a peer_id is name@namespace'),
            ("@CIC", 'the name in "@CIC" must have 1 to 64 characters'),
            ("bob@", 'the namespace in "bob@" must have 1 to 64 characters'),
            ("bob@" + "n" * 65, f'the namespace in "bob@{"n" * 65}" must have 1 to 64 characters'),
            ("b\x1bob@CIC", '"b\\x1bob@CIC" holds control characters'),
            ("b\ud800b@CIC", '"b\\ud800b@CIC" holds control characters'),
        ):
            session = inbound()
            outputs = session.receive(Hello(peer_id), 1.0)
            self.assertEnds(session, outputs, Ending.REFUSED, f"impossible peer_id: {why}")

    def test_a_hello_that_names_nobody_is_refused(self) -> None:
        session, outputs = self.hello('{"type":"HELLO","name":"bob"}')
        why = 'impossible peer_id: "" has no @: a peer_id is name@namespace'
        self.assertEnds(session, outputs, Ending.REFUSED, why)

    def test_a_stranger_with_our_id_is_refused(self) -> None:
        for instance in ("", "another"):
            session = inbound()
            outputs = session.receive(Hello("alice@CIC", instance=instance), 1.0)
            self.assertEnds(session, outputs, Ending.NAME_IN_USE, "somebody else is alice@CIC, too")

    def test_a_connection_from_ourselves_ends_quietly(self) -> None:
        session = inbound()
        outputs = session.receive(Hello("alice@CIC", instance="our-instance"), 1.0)
        self.assertEnds(session, outputs, Ending.SELF, "a connection from ourselves")

    def test_without_an_instance_of_our_own_nobody_is_us(self) -> None:
        session = inbound(Identity.of("alice@CIC"))
        session.receive(Hello("bob@CIC"), 1.0)
        self.assertOpened(session, "bob@CIC", is_p2pchat=False, instance="")

    def test_pipelining(self) -> None:
        """HELLO and more in one segment: HELLO_OK goes out first."""
        session = inbound()
        outputs = session.receive(Hello("bob@CIC"), 1.0)
        outputs += session.receive(Send("s", "bob@CIC", "alice@CIC", "oi"), 1.0)
        outputs += session.receive(Ping(raw_json("q")), 1.0)
        kinds = [output.message if isinstance(output, Transmit) else output for output in outputs]
        self.assertEqual([type(kind) for kind in kinds], [HelloOk, Opened, Deliver, Pong], outputs)

    def test_the_handshake_deadline_is_a_setting(self) -> None:
        session = inbound(handshake_timeout=3.0)
        self.assertEqual(session.tick(2.9), [])
        self.assertEnds(session, session.tick(3.0), Ending.TIMEOUT, "no handshake in time")


class HelloOkTests(SessionTestCase):
    """What may answer our HELLO ("accepts", rows 3 and 8)."""

    def answer(self, line: str) -> tuple[Session, list[Output]]:
        session = outbound()
        session.start()
        return session, session.receive(decode(line.encode()), 1.0)

    def test_quirks_that_open(self) -> None:
        for line, peer_id in (
            ('{"type":"HELLO_OK","peer_id":"bob@CIC"}', "bob@CIC"),
            ('{"type":"HELLO_OK","src":"bob@CIC"}', "bob@CIC"),
            ('{"type":"HELLO_OK","peer_id":"bob@CIC","features":null,"version":1.0}', "bob@CIC"),
            # One client answers with the caller's id: it is filed under the dialed one.
            ('{"type":"HELLO_OK","peer_id":"alice@CIC"}', "bob@CIC"),
            ('{"type":"HELLO_OK"}', "bob@CIC"),
            ('{"type":"HELLO_OK","peer_id":null}', "bob@CIC"),
            ('{"type":"HELLO_OK","peer_id":""}', "bob@CIC"),
            # The address has passed to another peer: the link is that peer's.
            ('{"type":"HELLO_OK","peer_id":"carol@CIC"}', "carol@CIC"),
        ):
            session, outputs = self.answer(line)
            self.assertEqual(outputs, [Opened()], line)
            self.assertOpened(session, peer_id, is_p2pchat=False, instance="")
            self.assertEqual(session.dialed, "bob@CIC")

    def test_an_agent_makes_it_our_kind(self) -> None:
        session, _ = self.answer(
            '{"type":"HELLO_OK","peer_id":"bob@CIC","agent":"p2pchat/9","instance":"his"}'
        )
        self.assertOpened(session, "bob@CIC", is_p2pchat=True, instance="his")

    def test_our_own_process_answers(self) -> None:
        session = outbound()
        outputs = session.receive(HelloOk("alice@CIC", instance="our-instance"), 1.0)
        self.assertEnds(session, outputs, Ending.SELF, "a connection to ourselves")

    def test_another_p2pchat_with_our_id_answers(self) -> None:
        for agent in ("p2pchat/9", ""):
            session = outbound()
            outputs = session.receive(HelloOk("alice@CIC", agent=agent, instance="another"), 1.0)
            self.assertEnds(session, outputs, Ending.NAME_IN_USE, "somebody else is alice@CIC, too")

    def test_impossible_answers_are_refused(self) -> None:
        for peer_id in ("bob", "@", "b\nb@CIC", "n" * 65 + "@CIC"):
            session = outbound()
            (output,) = session.receive(HelloOk(peer_id), 1.0)
            assert isinstance(output, Finish)
            self.assertIs(output.ending, Ending.REFUSED)
            self.assertTrue(output.reason.startswith("impossible peer_id: "))

    def test_being_turned_away_without_a_reason(self) -> None:
        session = outbound()
        outputs = session.receive(Bye(), 1.0)
        self.assertEnds(
            session, outputs, Ending.REFUSED, "the other end answered BYE: no reason given"
        )

    def test_the_reason_is_made_printable_and_short(self) -> None:
        (output,) = outbound().receive(Bye(reason="\x1b[2J" + "x" * 500), 1.0)
        assert isinstance(output, Finish)
        self.assertTrue(output.reason.startswith("the other end answered BYE: \\x1b[2Jxxx"))
        self.assertLess(len(output.reason), 120)

    def test_messages_before_the_answer_are_left_aside(self) -> None:
        session = outbound()
        session.receive(Ping(raw_json("q")), 1.0)
        session.receive(Send("s", payload="early"), 1.0)
        self.assertEqual(session.receive(HelloOk("bob@CIC"), 1.0), [Opened()])


class BadLineTests(SessionTestCase):
    def test_only_lines_in_a_row_count(self) -> None:
        for good in (Unknown("RELAY"), Ack("i"), HelloOk("bob@CIC"), Send("i", dst="x")):
            session = opened()
            for _ in range(5):
                for _ in range(19):
                    self.assertEqual(len(session.bad_line("not JSON")), 1)
                session.receive(good, 1.0)
            self.assertIs(session.state, State.OPEN)

    def test_a_run_of_chat_counts_as_good_lines(self) -> None:
        session = opened(max_bad_lines=2)
        session.bad_line("not JSON")
        session.chat([Send("i")])
        self.assertEqual(len(session.bad_line("not JSON")), 1)

    def test_the_limit_is_a_setting(self) -> None:
        session = opened(max_bad_lines=1)
        remark, farewell, finish = session.bad_line("not UTF-8")
        self.assertEqual(remark, Remark("warn", "bad line", "bad line from bob@CIC: not UTF-8"))
        self.assertEqual(farewell, Transmit(Bye("id-1", "alice@CIC", "bob@CIC", "protocol error")))
        self.assertEqual(finish, Finish(Ending.VIOLATION, "protocol error"))


class ByeTests(SessionTestCase):
    """The end, in its known forms ("accepts", row 5)."""

    def test_whatever_the_bye_says(self) -> None:
        for line, msg_id, reason in (
            ('{"type":"BYE","msg_id":"b"}', "b", ""),
            ('{"type":"BYE","msg_id":"b","dest":"alice@CIC","reason":"x"}', "b", "x"),
            ('{"type":"BYE","msg_id":7,"dst":"*"}', 7, ""),
            ('{"type":"BYE","msg_id":["b"],"src":"eve@x","dst":"carol@CIC"}', ["b"], ""),
            ('{"type":"BYE","msg_id":"b","ttl":0,"reason":null}', "b", ""),
        ):
            session = opened()
            self.assertEqual(
                session.receive(decode(line.encode()), 1.0),
                [
                    Transmit(ByeOk(msg_id, "alice@CIC", "bob@CIC")),
                    Finish(Ending.SAID_BYE, reason),
                ],
            )

    def test_a_bye_without_an_id_is_answered_with_one(self) -> None:
        for line in (b'{"type":"BYE"}', b'{"type":"BYE","msg_id":null}'):
            answer = opened().receive(decode(line), 1.0)[0]
            self.assertEqual(answer, Transmit(ByeOk("id-1", "alice@CIC", "bob@CIC")))

    def test_the_reason_is_made_printable_and_short(self) -> None:
        finish = opened().receive(Bye("b", reason="\x1b" + "x" * 500), 1.0)[1]
        assert isinstance(finish, Finish)
        self.assertTrue(finish.reason.startswith("\\x1bxxx"))
        self.assertLess(len(finish.reason), 100)

    def test_any_bye_ok_ends_our_leaving(self) -> None:
        for line in ('{"type":"BYE_OK"}', '{"type":"BYE_OK","msg_id":7}'):
            session = opened()
            session.leave("leaving", 1.0)
            outputs = session.receive(decode(line.encode()), 1.1)
            self.assertEnds(session, outputs, Ending.LEFT, "BYE answered")

    def test_no_bye_ok(self) -> None:
        session = opened()
        session.leave("leaving", 5.0)
        self.assertEqual(session.tick(5.0 + BYE_TIMEOUT - 0.001), [])
        self.assertEnds(session, session.tick(5.0 + BYE_TIMEOUT), Ending.LEFT, "no BYE_OK in time")

    def test_leaving_twice_says_bye_once_and_keeps_the_deadline(self) -> None:
        session = opened()
        self.assertEqual(len(session.leave("leaving", 5.0)), 1)
        self.assertEqual(session.leave("again", 6.0), [])
        self.assertEqual(len(session.tick(5.0 + BYE_TIMEOUT)), 1)

    def test_an_open_session_has_no_deadline(self) -> None:
        self.assertEqual(opened().tick(1e9), [])
