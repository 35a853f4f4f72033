"""One connection: framing, what is read and how fast, what it answers, and how it ends."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.peer_link import LINGER
from p2pchat.mesh.link.protocol import LINES_A_TURN
from p2pchat.mesh.link.send_queue import UNPACED
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from p2pchat.wire.codec import MAX_LINE, from_raw
from p2pchat.wire.outputs import Ending
from p2pchat.wire.states import State
from tests.support.links import TIME, TestedLink, hello, ping, send


def limits(**fields: Any) -> Settings:
    return Settings(limits=LimitSettings(**fields))


class LinkTestCase(SynchronousTestCase):
    def make(
        self,
        settings: Settings | None = None,
        *,
        is_p2pchat: bool = True,
        dialed: str | None = None,
    ) -> TestedLink:
        """An open link."""
        tested = TestedLink(settings, dialed)
        tested.open(is_p2pchat=is_p2pchat)
        return tested


class FramingTests(LinkTestCase):
    """Bytes -> lines -> messages."""

    @given(st.data())
    def test_any_chunking_gives_the_same(self, data: st.DataObject) -> None:
        texts = data.draw(st.lists(st.text(max_size=12), max_size=6))
        ends = data.draw(
            st.lists(st.sampled_from(["\n", "\r\n"]), min_size=len(texts), max_size=len(texts))
        )
        ascii_only = data.draw(st.booleans())
        stream = json.dumps(hello()).encode() + b"\n"
        for number, (text, end) in enumerate(zip(texts, ends, strict=True)):
            line = json.dumps(send(number, payload=text), ensure_ascii=ascii_only)
            stream += line.encode("utf-8", "surrogatepass") + end.encode()
        cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
        edges = [0, *sorted(cuts), len(stream)]
        tested = TestedLink()
        for start, end_ in pairwise(edges):
            tested.link.dataReceived(stream[start:end_])
        tested.clock.run(0)
        self.assertEqual(tested.owner.texts, texts)
        acks = [ack["msg_id"] for ack in tested.transport.of("ACK")]
        self.assertEqual(acks, [f"m{number}" for number in range(len(texts))])

    def test_pipelining_answers_in_order(self) -> None:
        tested = TestedLink()
        tested.hear(hello(), ping("a"), send(1), b'{"bad\n', ping("b"), send(2))
        kinds = [line["type"] for line in tested.transport.lines]
        self.assertEqual(kinds, ["HELLO_OK", "PONG", "ACK", "PONG", "ACK"])
        self.assertEqual(len(tested.transport.writes), 1)
        self.assertEqual(tested.owner.texts, ["1", "2"])

    def test_a_run_of_messages_is_delivered_at_once(self) -> None:
        tested = self.make()
        tested.hear(*[send(n) for n in range(50)])
        self.assertEqual([len(batch) for batch in tested.owner.of("chat")], [50])
        self.assertEqual(tested.link.received, 50)

    def test_the_longest_line_is_read(self) -> None:
        for end in (b"\n", b"\r\n"):
            tested = self.make()
            empty = json.dumps(send(1, payload="")).encode()
            room = MAX_LINE - len(empty) - len(end)
            line = empty.replace(b'"payload": ""', b'"payload": "' + b"x" * room + b'"')
            tested.hear(line[:-1], line[-1:] + end)
            self.assertEqual(len(line + end), MAX_LINE)
            self.assertEqual([len(text) for text in tested.owner.texts], [room])

    def test_one_byte_more_is_refused_before_its_newline(self) -> None:
        tested = self.make()
        tested.hear(send(1), b"x" * (MAX_LINE - 1))
        self.assertEqual(tested.transport.of("BYE"), [])
        tested.hear(b"x")
        (bye,) = tested.transport.of("BYE")
        self.assertEqual(bye["reason"], "line_too_long")
        self.assertEqual(tested.owner.texts, ["1"])
        self.assertIs(tested.link.session.state, State.CLOSED)

    def test_what_came_before_a_long_line_in_its_chunk_is_not_lost(self) -> None:
        for long in (b"x" * MAX_LINE + b"\n", b"x" * MAX_LINE):
            tested = self.make()
            tested.hear(send(1), send(2), long)
            self.assertEqual(tested.owner.texts, ["1", "2"])
            kinds = [line["type"] for line in tested.transport.lines]
            self.assertEqual(kinds, ["ACK", "ACK", "BYE"])

    def test_what_comes_after_it_is_dropped(self) -> None:
        tested = self.make()
        tested.hear(b"x" * MAX_LINE + b"\n", send(1))
        tested.hear(send(2))
        self.assertEqual(tested.owner.texts, [])

    def test_a_line_that_dribbles_in_takes_bounded_memory(self) -> None:
        tested = self.make()
        for _ in range(100):
            tested.hear(b"x" * 1000)
        self.assertLess(len(tested.link._tail), MAX_LINE)
        self.assertEqual(len(tested.transport.of("BYE")), 1)

    def test_bad_lines_are_remarked_and_twenty_end_the_link(self) -> None:
        tested = self.make()
        tested.hear(*[b"{\n"] * 19)
        self.assertEqual(len(tested.owner.of("remark")), 19)
        tested.hear(send(1), *[b"{\n"] * 19, b"\n\r\n")
        self.assertEqual(tested.transport.of("BYE"), [])
        tested.hear(b"{\n", send(2))
        self.assertEqual(tested.transport.of("BYE")[0]["reason"], "protocol error")
        self.assertEqual(tested.owner.texts, ["1"])

    def test_what_is_not_utf8_is_refused_wherever_it_stands(self) -> None:
        bad = b'{"type":"PING","msg_id":"\xff","timestamp":null}\n'
        good = send("\u00e9")
        for chunks in (
            [bad],
            [bad[:30], bad[30:]],
            [bad[:5], bad[5:] + json.dumps(good).encode() + b"\n"],
            [b"\n" + bad + b"\n"],
            [b"{", b'"type":"NEW"}\n' + bad[:-1], b"\n"],
        ):
            tested = self.make()
            for chunk in chunks:
                tested.hear(chunk)
            self.assertEqual(tested.transport.of("PONG"), [], chunks)
            self.assertIn("not UTF-8", "".join(tested.owner.of("remark")), chunks)

    def test_an_answer_that_would_be_too_long_is_not_given(self) -> None:
        tested = self.make()
        msg_id = "x" * (MAX_LINE - 40)
        tested.hear(json.dumps({"type": "PING", "msg_id": msg_id}).encode() + b"\n", ping("next"))
        self.assertEqual([pong["msg_id"] for pong in tested.transport.of("PONG")], ["next"])
        self.assertIn("too long", tested.owner.of("remark")[0])


class WritingTests(LinkTestCase):
    """What leaves, and in which writes."""

    def test_a_dialer_speaks_first(self) -> None:
        tested = TestedLink(dialed="bob@CIC")
        self.assertEqual(tested.transport.writes, [])
        tested.clock.run(0)
        (greeting,) = tested.transport.lines
        self.assertEqual((greeting["type"], greeting["peer_id"]), ("HELLO", "me@CIC"))
        self.assertTrue(tested.transport.no_delay)

    def test_kin_links_write_once_a_turn(self) -> None:
        tested = self.make()
        for _ in range(5):
            self.assertTrue(tested.link.send(b"{}\n"))
        tested.link.ping()
        self.assertEqual(tested.transport.writes, [])
        tested.clock.run(0)
        self.assertEqual(len(tested.transport.writes), 1)
        self.assertEqual(tested.link.sent, 5)

    def test_on_a_plain_link_hello_ok_is_alone_and_lines_are_apart(self) -> None:
        tested = TestedLink()
        tested.hear(hello(is_p2pchat=False), send(1), send(2), ping())
        self.assertEqual([line["type"] for line in tested.transport.lines], ["HELLO_OK"])
        marks = []
        for _ in range(40):
            tested.clock.run(1 / 64)
            marks.append(len(tested.transport.writes))
        self.assertEqual([marks.index(n) + 1 for n in (2, 3, 4)], [7, 10, 13])
        kinds = [json.loads(data)["type"] for data in tested.transport.writes]
        self.assertEqual(kinds, ["HELLO_OK", "ACK", "ACK", "PONG"])

    def test_a_plain_link_that_we_dialed(self) -> None:
        tested = TestedLink(dialed="bob@CIC")
        tested.clock.run(0)
        tested.hear(hello(is_p2pchat=False, kind="HELLO_OK"))
        tested.link.send(b"{}\n")
        tested.clock.run(0.09)
        self.assertEqual(len(tested.transport.writes), 1)
        tested.clock.run(0.02)
        self.assertEqual(len(tested.transport.writes), 2)

    def test_many_lines_on_a_plain_link_leave_without_pauses(self) -> None:
        tested = self.make(is_p2pchat=False)
        for _ in range(UNPACED + 1):
            tested.link.send(b"{}\n")
        tested.clock.run(0.1)
        self.assertEqual(tested.transport.writes, [b"{}\n"] * (UNPACED + 1))

    def test_a_full_queue_refuses(self) -> None:
        tested = self.make(limits(max_queue_bytes=100))
        tested.link.queue.pauseProducing()
        self.assertTrue(tested.link.send(b"x" * 100))
        self.assertFalse(tested.link.send(b"x"))
        self.assertEqual((tested.link.sent, tested.link.queue.refused), (1, 1))

    def test_nothing_is_sent_before_the_handshake_or_after_the_end(self) -> None:
        tested = TestedLink()
        self.assertFalse(tested.link.send(b"{}\n"))
        tested.open()
        tested.link.leave("enough")
        self.assertFalse(tested.link.send(b"{}\n"))
        tested.hear({"type": "BYE_OK"})
        tested.link.acknowledge(["x"])
        tested.link.ping()
        tested.clock.run(1)
        self.assertEqual([line["type"] for line in tested.transport.lines], ["BYE"])

    def test_who_does_not_read_is_not_pinged(self) -> None:
        tested = self.make()
        tested.link.queue.pauseProducing()
        tested.link.ping()
        self.assertEqual(tested.link.queue.bytes_waiting, 0)

    def test_links_that_are_asked_within_a_second_share_a_line(self) -> None:
        times = ["10:00:00", "10:00:00", "10:00:01"]
        context = TestedLink().link._context
        self.patch(context, "timestamp", lambda: times.pop(0))
        (one, line), same, (other, later) = context.ping(), context.ping(), context.ping()
        self.assertEqual(same, (one, line))
        self.assertNotEqual(one, other)
        for msg_id, sent, when in ((one, line, "10:00:00"), (other, later, "10:00:01")):
            message = json.loads(sent)
            self.assertEqual(message["type"], "PING")
            self.assertEqual((message["msg_id"], message["timestamp"]), (from_raw(msg_id), when))

    def test_a_round_trip(self) -> None:
        tested = self.make()
        tested.link.ping()
        tested.clock.run(0.25)
        asked = tested.transport.of("PING")[0]
        self.assertEqual(asked["timestamp"], TIME)
        answer = {"type": "PONG", "msg_id": asked["msg_id"], "timestamp": None}
        tested.hear(answer, answer)
        self.assertEqual(tested.owner.of("rtt"), [0.25])

    def test_acks_are_passed_on(self) -> None:
        tested = self.make()
        tested.hear({"type": "ACK", "msg_id": "a"}, {"type": "ACK", "msg_id": 5})
        self.assertEqual(tested.owner.of("ack"), ["a", 5])


class ReadingTests(LinkTestCase):
    """No faster than we may, and not from who does not read us."""

    def test_who_sends_too_fast_waits(self) -> None:
        tested = self.make(limits(peer_rate=10))
        tested.hear(*[send(n) for n in range(10)])  # HELLO took a part of the allowance
        self.assertFalse(tested.transport.reading)
        self.assertTrue(tested.link.waits_for_us)
        tested.clock.run(0.05)
        self.assertFalse(tested.transport.reading)
        tested.clock.run(0.06)
        self.assertTrue(tested.transport.reading)
        self.assertFalse(tested.link.waits_for_us)
        self.assertAlmostEqual(tested.link.heard_at, tested.clock.seconds(), 1)
        self.assertEqual(len(tested.owner.texts), 10)

    def test_bad_lines_count_as_well(self) -> None:
        tested = self.make(limits(peer_rate=5))
        tested.hear(*[b"{\n"] * 10)
        self.assertFalse(tested.transport.reading)
        tested.lose()

    def test_a_rate_of_zero_is_no_limit(self) -> None:
        tested = self.make(limits(peer_rate=0))
        tested.hear(*[send(n) for n in range(5000)])
        tested.clock.run(0)
        self.assertTrue(tested.transport.reading)

    def test_a_chunk_of_many_lines_is_taken_in_over_several_turns(self) -> None:
        tested = self.make(limits(peer_rate=0))
        many = 3 * LINES_A_TURN + 5
        lines = b"".join(json.dumps(send(n)).encode() + b"\n" for n in range(many))
        tested.link.dataReceived(lines + b'{"type":"PI')
        self.assertEqual(len(tested.owner.texts), LINES_A_TURN)
        self.assertFalse(tested.transport.reading)
        self.assertTrue(tested.link.waits_for_us)
        # A transport may have more to hand over before it heeds the pause.
        tested.link.dataReceived(b'NG","msg_id":"p"}\n')
        tested.hear(send(many))
        self.assertEqual(len(tested.owner.texts), LINES_A_TURN)
        tested.clock.run(0)
        self.assertEqual(tested.owner.texts, [str(n) for n in range(many + 1)])
        self.assertEqual([line["type"] for line in tested.transport.lines[-2:]], ["PONG", "ACK"])
        self.assertTrue(tested.transport.reading)
        self.assertFalse(tested.link.waits_for_us)

    def test_what_is_put_off_waits_until_it_may_come_and_our_answers_are_read(self) -> None:
        tested = self.make(limits(peer_rate=1000, max_queue_bytes=500))
        tested.link.queue.pauseProducing()
        tested.hear(*[ping(n) for n in range(2 * LINES_A_TURN)])
        self.assertFalse(tested.transport.reading)
        tested.clock.run(9)
        self.assertEqual(tested.link.queue.bytes_waiting > 0, True)
        tested.link.queue.resumeProducing()
        self.assertEqual(len(tested.transport.of("PONG")), LINES_A_TURN)
        tested.clock.run(0)
        self.assertEqual(len(tested.transport.of("PONG")), 2 * LINES_A_TURN)
        tested.clock.run(9)
        self.assertTrue(tested.transport.reading)

    def test_what_is_put_off_goes_with_the_link(self) -> None:
        for how in ("lost", "given up"):
            tested = self.make(limits(peer_rate=0))
            tested.hear(*[send(n) for n in range(2 * LINES_A_TURN)])
            if how == "lost":
                tested.lose()
            else:
                tested.link.give_up("enough")
            tested.clock.run(9)
            self.assertEqual(len(tested.owner.texts), LINES_A_TURN)

    def test_bad_lines_among_many_end_the_link(self) -> None:
        tested = self.make(limits(peer_rate=0))
        tested.hear(*[send(n) for n in range(2 * LINES_A_TURN)], *[b"{\n"] * 20, send("x"))
        tested.clock.run(0)
        self.assertEqual(len(tested.owner.texts), 2 * LINES_A_TURN)
        self.assertTrue(tested.transport.half_closed)
        self.assertEqual(tested.link._put_off, b"")

    def test_bytes_count_as_well_in_whatever_pieces_they_come(self) -> None:
        line = json.dumps(send(payload="x" * 1000)).encode() + b"\n"
        for size in (len(line), 100):
            tested = self.make(limits(peer_bytes=10_000))
            data = line * 12
            for at in range(0, len(data), size):
                tested.hear(data[at : at + size])
            self.assertFalse(tested.transport.reading, size)
            tested.clock.run(1)
            self.assertTrue(tested.transport.reading)
            self.assertEqual(tested.link.rate_pauses, 1)
            tested.lose()
        for fast in (limits(peer_bytes=0), limits(peer_rate=0)):
            tested = self.make(fast)
            tested.hear(*[line for _ in range(1500)])
            tested.clock.run(0)
            self.assertTrue(tested.transport.reading)
            tested.lose()

    def test_what_must_be_read_line_by_line_has_a_rate_for_all_strangers_together(self) -> None:
        """Fifty links that sent 30 kB of lists a line took all of the processor: PONGs in 1 s."""
        tested = self.make()
        odd = b'{"type":"X","a":[' + b"[]," * 10_000 + b"[]]}\n"
        texts = [json.dumps(send(n)).encode() + b"\n" for n in range(8)]
        for text in texts:
            tested.hear(odd + text)
        self.assertEqual(tested.owner.texts, [str(n) for n in range(6)])
        self.assertFalse(tested.transport.reading)
        self.assertTrue(tested.link.waits_for_us)
        tested.clock.run(1)
        self.assertEqual(tested.owner.texts, [str(n) for n in range(8)])
        self.assertTrue(tested.transport.reading)

    def test_a_friend_does_not_wait_for_what_strangers_send(self) -> None:
        tested = self.make()
        context = tested.link._context
        context.odd_wait("stranger@CIC", b"," * 100_000, tested.clock.seconds())
        tested.hear(b'{"type":"X"}\n', send(1))
        self.assertEqual(tested.owner.texts, [])
        tested.lose()
        tested = self.make()
        context = tested.link._context
        context.odd_wait("stranger@CIC", b"," * 100_000, tested.clock.seconds())
        context.friends = {"bob@CIC"}
        tested.hear(b'{"type":"X"}\n', send(1))
        self.assertEqual(tested.owner.texts, ["1"])

    def test_who_does_not_read_our_answers_is_not_read(self) -> None:
        tested = self.make(limits(max_queue_bytes=500, peer_rate=0))
        tested.link.queue.pauseProducing()
        tested.hear(*[ping(n) for n in range(5)])
        self.assertTrue(tested.transport.reading)
        tested.hear(*[ping(n) for n in range(10)])
        self.assertFalse(tested.transport.reading)
        self.assertTrue(tested.link.waits_for_us)
        self.assertEqual(tested.link.queue.full_since, tested.clock.seconds())
        tested.link.queue.resumeProducing()
        self.assertTrue(tested.transport.reading)
        self.assertEqual(len(tested.transport.of("PONG")), 15)

    def test_a_plain_link_whose_answers_wait_is_read_again(self) -> None:
        tested = self.make(limits(max_queue_bytes=500, peer_rate=0), is_p2pchat=False)
        tested.hear(*[ping("x" * 100) for _ in range(10)])
        self.assertFalse(tested.transport.reading)
        tested.clock.run(2)
        self.assertTrue(tested.transport.reading)

    def test_many_answers_to_somebody_who_reads_are_no_reason_to_stop(self) -> None:
        tested = self.make(limits(max_queue_bytes=500, peer_rate=0))
        tested.hear(*[ping(n) for n in range(100)])
        self.assertTrue(tested.transport.reading)

    def test_a_pause_that_is_over_after_the_end(self) -> None:
        tested = self.make(limits(peer_rate=2))
        tested.hear(*[send(n) for n in range(10)])
        tested.link.leave("enough")
        tested.hear({"type": "BYE_OK"})
        tested.clock.run(30)
        self.assertFalse(tested.transport.reading)
        tested.lose()
        self.assertEqual(tested.clock.getDelayedCalls(), [])


class EndingTests(LinkTestCase):
    """How a link ends, and what is left of it."""

    def finish(self, tested: TestedLink) -> tuple[Ending, str]:
        (finish,) = tested.owner.of("closed")
        return finish.ending, finish.reason

    def test_their_bye_is_answered(self) -> None:
        tested = self.make()
        tested.hear(send(1), {"type": "BYE", "msg_id": "b", "reason": "tea"}, send(2))
        self.assertEqual([line["type"] for line in tested.transport.lines], ["ACK", "BYE_OK"])
        self.assertTrue(tested.transport.disconnecting)
        tested.lose()
        self.assertEqual(self.finish(tested), (Ending.SAID_BYE, "tea"))
        self.assertEqual(tested.owner.texts, ["1"])

    def test_our_bye_waits_for_its_answer(self) -> None:
        tested = self.make()
        tested.link.leave("tea")
        tested.link.leave("again")
        self.assertTrue(tested.link.leaving)
        tested.run(1)
        self.assertEqual([line["type"] for line in tested.transport.lines], ["BYE"])
        self.assertFalse(tested.transport.disconnecting)
        tested.hear(send(1), {"type": "BYE_OK"})
        self.assertEqual(tested.owner.texts, ["1"])
        self.assertTrue(tested.transport.disconnecting)
        tested.lose()
        self.assertEqual(self.finish(tested)[0], Ending.LEFT)

    def test_our_bye_is_not_answered(self) -> None:
        tested = self.make()
        tested.link.leave("tea")
        tested.run(1.9)
        self.assertFalse(tested.transport.disconnecting)
        tested.run(0.2)
        self.assertTrue(tested.transport.disconnecting)

    def test_leaving_before_the_handshake(self) -> None:
        tested = TestedLink()
        tested.link.leave("tea")
        self.assertTrue(tested.transport.disconnecting)
        self.assertEqual(tested.transport.writes, [])

    def test_no_handshake_in_time(self) -> None:
        settings = Settings(connection=ConnectionSettings(handshake_timeout=3))
        for dialed in (None, "bob@CIC"):
            tested = TestedLink(settings, dialed)
            for _ in range(29):
                tested.hear(b"{")
                tested.run(0.1)
            self.assertFalse(tested.transport.disconnecting)
            tested.run(0.2)
            self.assertTrue(tested.transport.disconnecting)
            tested.lose()
            self.assertEqual(self.finish(tested)[0], Ending.TIMEOUT)

    def test_after_a_violation_the_farewell_can_still_be_read(self) -> None:
        tested = self.make(limits(peer_rate=1))
        tested.hear(send(1), send(2))
        self.assertFalse(tested.transport.reading)
        tested.hear(b"x" * MAX_LINE)
        self.assertTrue(tested.transport.half_closed)
        self.assertFalse(tested.transport.disconnecting)
        self.assertTrue(tested.transport.reading)
        for _ in range(100):
            tested.hear(b"y" * 10_000, send(3))
        self.assertEqual(len(tested.link._tail), 0)
        tested.link.readConnectionLost()
        self.assertTrue(tested.transport.disconnecting)
        tested.lose()
        self.assertEqual(self.finish(tested)[0], Ending.VIOLATION)

    def test_a_closing_connection_may_linger_for_two_seconds(self) -> None:
        tested = self.make()
        tested.hear(b"x" * MAX_LINE)
        tested.run(LINGER - 0.1)
        self.assertFalse(tested.transport.disconnected)
        tested.run(0.2)
        self.assertTrue(tested.transport.disconnected)

    def test_the_other_end_closes_its_direction(self) -> None:
        tested = self.make(is_p2pchat=False)
        tested.hear(send(1))
        tested.link.readConnectionLost()
        self.assertEqual(len(tested.transport.of("ACK")), 1)
        self.assertTrue(tested.transport.disconnecting)
        tested.lose()
        self.assertEqual(self.finish(tested), (Ending.LOST, "the other end closed its side"))

    def test_giving_up(self) -> None:
        tested = self.make()
        tested.link.give_up("silent")
        tested.hear(send(1))
        self.assertFalse(tested.link.send(b"{}\n"))
        self.assertTrue(tested.transport.disconnected)
        tested.link.leave("too late")
        tested.lose()
        self.assertEqual(self.finish(tested), (Ending.LOST, "silent"))
        self.assertEqual(tested.transport.writes, [])

    def test_giving_up_a_link_that_is_closing_keeps_its_reason(self) -> None:
        tested = self.make()
        tested.hear({"type": "BYE", "reason": "tea"})
        tested.link.give_up("slow")
        tested.lose()
        self.assertEqual(self.finish(tested), (Ending.SAID_BYE, "tea"))

    def test_a_connection_that_breaks(self) -> None:
        tested = self.make(is_p2pchat=False)
        tested.hear(send(1), b"half a li")
        tested.link.connectionLost(Failure(ConnectionDone("cut")))
        tested.link.connectionLost(Failure(ConnectionDone("again")))
        ending, reason = self.finish(tested)
        self.assertEqual(ending, Ending.LOST)
        self.assertIn("cut", reason)
        self.assertEqual(tested.context.unsettled, {})
        tested.clock.run(1)
        self.assertEqual(tested.transport.writes, [])
        self.assertEqual(tested.clock.getDelayedCalls(), [])

    def test_only_handshakes_and_closings_are_ticked(self) -> None:
        tested = TestedLink()
        self.assertEqual([*tested.context.unsettled], [tested.link])
        tested.open()
        self.assertEqual(tested.context.unsettled, {})
        tested.link.leave("tea")
        self.assertEqual([*tested.context.unsettled], [tested.link])
        tested.lose()
        self.assertEqual(tested.context.unsettled, {})
