"""What leaves on a link, when, in which writes, and how much may wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.send_queue import MAX_ANSWERS, UNPACED, SendQueue, WriteBatch, write_now
from p2pchat.testing.clock import FakeClock


class OutflowTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.writes: list[tuple[float, bytes]] = []
        self.batch = WriteBatch(self.clock)
        self.queue = self.make(1000)

    def make(self, limit: int) -> SendQueue:
        return SendQueue(self.batch, self.write, limit)

    def write(self, data: bytes) -> None:
        self.writes.append((round(self.clock.seconds() - 1000, 6), data))

    @property
    def written(self) -> list[bytes]:
        return [data for _, data in self.writes]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.writes]

    def offer(self, *lines: bytes) -> list[bool]:
        return [self.queue.offer(line) for line in lines]


class KinTests(OutflowTestCase):
    """To our own kind."""

    def test_the_lines_of_a_turn_leave_as_one_write(self) -> None:
        self.offer(b"a", b"b", b"c")
        self.assertEqual(self.writes, [])
        self.clock.run(0)
        self.offer(b"d")
        self.clock.run(0)
        self.assertEqual(self.writes, [(0.0, b"abc"), (0.0, b"d")])

    def test_several_outflows_share_one_turn(self) -> None:
        other = self.make(1000)
        self.offer(b"a")
        other.put(b"b")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.run(0)
        self.assertEqual(self.written, [b"a", b"b"])

    def test_a_caller_that_holds_flushes_itself(self) -> None:
        self.queue.hold()
        self.offer(b"a", b"b")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.queue.flush()
        self.assertEqual(self.written, [b"ab"])

    def test_nothing_leaves_while_the_other_end_does_not_read(self) -> None:
        self.queue.pauseProducing()
        self.assertTrue(self.queue.blocked)
        self.offer(b"a", b"b")
        self.clock.run(100)
        self.assertEqual(self.writes, [])
        self.queue.resumeProducing()
        self.assertEqual(self.written, [b"ab"])
        self.assertFalse(self.queue.blocked)

    def test_what_does_not_fit_is_refused_and_dated(self) -> None:
        self.queue.pauseProducing()
        self.assertEqual(self.offer(b"x" * 600, b"y" * 401, b"z" * 400), [True, False, True])
        self.assertEqual(self.queue.refused, 1)
        self.assertEqual(self.queue.bytes_waiting, 1000)
        self.clock.run(5)
        self.offer(b"w")
        self.assertEqual(self.queue.full_since, 1000.0)
        self.queue.resumeProducing()
        self.assertIsNone(self.queue.full_since)
        self.assertEqual(self.written, [b"x" * 600 + b"z" * 400])

    def test_answers_are_taken_in_any_case_and_dated(self) -> None:
        self.queue.pauseProducing()
        self.queue.put(b"x" * 900)
        self.assertIsNone(self.queue.full_since)
        self.assertFalse(self.queue.overfull)
        self.queue.put(b"y" * 200)
        self.assertTrue(self.queue.overfull)
        self.assertEqual(self.queue.full_since, 1000.0)

    def test_answers_that_nobody_reads_are_few(self) -> None:
        queue = self.make(1 << 20)
        queue.pauseProducing()
        queue.answer(b"x" * MAX_ANSWERS)
        self.assertFalse(queue.overfull)
        queue.answer(b"x")
        queue.flush()
        self.assertTrue(queue.overfull)
        self.assertEqual(queue.full_since, 1000.0)
        queue.resumeProducing()
        self.assertEqual((queue.overfull, queue.full_since), (False, None))

    def test_answers_behind_messages_of_ours_are_no_reason_to_stop_reading(self) -> None:
        """Or two ends that flood each other would both wait for the other to read."""
        queue = self.make(1 << 20)
        queue.pauseProducing()
        queue.offer(b"x" * 200_000)
        queue.answer(b"x" * 200_000)
        self.assertFalse(queue.overfull)
        queue.answer(b"x")
        self.assertTrue(queue.overfull)

    def test_what_outlives_a_turn_is_counted_over_all_queues(self) -> None:
        asked: list[int] = []
        self.batch.max_waiting = 1000
        self.batch.on_too_much = lambda: asked.append(self.batch.waiting)
        queues = [self.make(10_000) for _ in range(3)]
        for queue in queues:
            queue.put(b"x" * 900)
        self.clock.run(0)
        self.assertEqual((self.batch.waiting, asked), (0, []), "it all left in its turn")
        for queue in queues[:2]:
            queue.pauseProducing()
            queue.put(b"x" * 600)
            self.clock.run(0)
        self.assertEqual((self.batch.waiting, asked), (1200, [1200]))
        queues[0].resumeProducing()
        self.assertEqual(self.batch.waiting, 600)
        queues[1].put(b"y")
        queues[1].flush()
        self.assertEqual((self.batch.waiting, asked), (601, [1200]))
        queues[1].drop()
        queues[1].drop()
        self.assertEqual(self.batch.waiting, 0)

    def test_answers_weigh_more_than_messages_of_ours(self) -> None:
        small, large, ours = (self.make(10_000) for _ in range(3))
        small.answer(b"x")
        large.answer(b"x" * 2)
        ours.put(b"x" * 9000)
        queues = sorted((small, ours, large), key=lambda queue: queue.burden, reverse=True)
        self.assertEqual(queues, [large, small, ours])

    def test_it_tells_when_there_is_room_again(self) -> None:
        told: list[int] = []
        self.queue.on_drained = lambda: told.append(self.queue.bytes_waiting)
        self.queue.pauseProducing()
        self.queue.put(b"x" * 2000)
        self.queue.resumeProducing()
        self.assertEqual(told, [0])

    def test_it_does_not_tell_when_it_is_blocked_again_at_once(self) -> None:
        told: list[int] = []
        queue = SendQueue(self.batch, lambda _: queue.pauseProducing(), 1000)
        queue.on_drained = lambda: told.append(1)
        queue.pauseProducing()
        queue.put(b"x")
        queue.resumeProducing()
        self.assertEqual(told, [])

    def test_close_writes_what_waits_and_takes_no_more_part(self) -> None:
        self.offer(b"a", b"b")
        self.queue.close()
        self.assertEqual(self.written, [b"ab"])
        self.clock.run(1)
        self.assertEqual(self.written, [b"ab"])

    def test_close_drops_what_nobody_reads(self) -> None:
        self.queue.pauseProducing()
        self.offer(b"a")
        self.queue.close()
        self.queue.resumeProducing()
        self.clock.run(1)
        self.assertEqual(self.writes, [])
        self.assertEqual(self.queue.bytes_waiting, 0)

    def test_a_connection_that_is_gone(self) -> None:
        self.offer(b"a")
        self.queue.stopProducing()
        self.clock.run(1)
        self.assertEqual(self.writes, [])


class PlainTests(OutflowTestCase):
    """To any other client."""

    def test_the_answer_to_hello_leaves_alone(self) -> None:
        self.queue.hold()
        self.queue.put(b"HELLO_OK")
        self.queue.pace()
        self.queue.put(b"ACK")
        self.queue.flush()
        self.clock.run(1)
        self.assertEqual(self.writes, [(0.0, b"HELLO_OK"), (0.1, b"ACK")])

    def test_pauses(self) -> None:
        self.queue.pace()
        self.offer(b"a", b"b", b"c")
        self.clock.run(1)
        self.assertEqual(self.writes, [(0.1, b"a"), (0.15, b"b"), (0.2, b"c")])
        self.offer(b"d")
        self.clock.run(0.01)
        self.offer(b"e")
        self.clock.run(1)
        self.assertEqual(self.writes[3:], [(1.0, b"d"), (1.05, b"e")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_up_to_the_limit_there_are_pauses(self) -> None:
        self.queue.pace()
        self.offer(*[b"x"] * UNPACED)
        self.clock.run(0.1)
        self.assertEqual(len(self.writes), 1)

    def test_beyond_it_there_are_none_but_each_line_is_a_write(self) -> None:
        self.queue.pace()
        self.offer(*[b"%d" % number for number in range(UNPACED + 1)])
        self.clock.run(0.09)
        self.assertEqual(self.writes, [])  # the first pause is for clients that lose what is early
        self.clock.run(0.02)
        self.assertEqual(self.written, [b"%d" % number for number in range(UNPACED + 1)])
        self.offer(b"next")
        self.clock.run(1)
        self.assertEqual(self.writes[-1], (0.15, b"next"))

    def test_many_lines_later_on_leave_at_once(self) -> None:
        self.queue.pace()
        self.clock.run(5)
        self.offer(*[b"x"] * (UNPACED + 8))
        self.clock.run(0)
        self.assertEqual(len(self.writes), UNPACED + 8)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_transport_that_is_full_stops_them(self) -> None:
        def write(data: bytes) -> None:
            self.write(data)
            if len(self.writes) == 10:
                queue.pauseProducing()

        queue = SendQueue(self.batch, write, 1000)
        queue.pace()
        self.clock.run(1)
        for number in range(50):
            queue.put(b"%d" % number)
        self.clock.run(1)
        self.assertEqual(len(self.writes), 10)
        self.assertEqual(queue.bytes_waiting, 80)
        queue.resumeProducing()
        self.clock.run(1)
        self.assertEqual(self.written, [b"%d" % number for number in range(50)])
        self.assertEqual(queue.bytes_waiting, 0)

    def test_a_full_queue_that_moves_is_not_stalled(self) -> None:
        self.queue.pace()
        self.offer(b"x" * 900, b"y" * 200)
        self.assertIsNotNone(self.queue.full_since)
        self.clock.run(1)
        self.assertIsNone(self.queue.full_since)

    def test_it_tells_when_there_is_room_again(self) -> None:
        told: list[float] = []
        self.queue.on_drained = lambda: told.append(self.queue.bytes_waiting)
        self.queue.pace()
        self.queue.put(b"x" * 900)
        self.queue.put(b"y" * 900)
        self.clock.run(1)
        self.assertEqual(told, [0])

    def test_large_lines_are_not_held_back_until_they_are_refused(self) -> None:
        self.queue.pace()
        self.clock.run(1)
        for _ in range(20):
            self.assertTrue(self.queue.offer(b"x" * 400))
            self.clock.run(0.01)
        self.assertEqual(self.queue.refused, 0)

    def test_close_does_not_wait(self) -> None:
        self.queue.pace()
        self.offer(b"a", b"b")
        self.clock.run(0)
        self.queue.close()
        self.assertEqual(self.written, [b"ab"])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class WriteNowTests(SynchronousTestCase):
    """Over real sockets it is tested in `tests/processes/test_write_now`."""

    def test_other_transports_are_written_to_as_usual(self) -> None:
        transport = StringTransport()
        write_now(transport, b"hi")
        self.assertEqual(transport.value(), b"hi")


class AnyOrderTests(SynchronousTestCase):
    """Whatever happens, no line overtakes another or is lost, and no more waits than may."""

    @given(
        st.booleans(),
        st.lists(
            st.one_of(
                st.integers(1, 40),
                st.sampled_from(["pause", "resume"]),
                st.floats(0, 0.3),
            ),
            max_size=40,
        ),
    )
    def test_order(self, plain: bool, steps: list[int | str | float]) -> None:
        clock = FakeClock()
        written: list[bytes] = []
        queue = SendQueue(WriteBatch(clock), written.append, 300)
        if plain:
            queue.pace()
        taken: list[bytes] = []
        for step in steps:
            if step == "pause":
                queue.pauseProducing()
            elif step == "resume":
                queue.resumeProducing()
            elif isinstance(step, int):
                for _ in range(step):
                    line = b"%04d\n" % len(taken)
                    if queue.offer(line):
                        taken.append(line)
            elif isinstance(step, float):
                clock.run(step)
            self.assertLessEqual(queue.bytes_waiting, 300)
        queue.resumeProducing()
        clock.run(10)
        self.assertEqual(b"".join(written), b"".join(taken))
        self.assertEqual(queue.bytes_waiting, 0)
        self.assertEqual(clock.getDelayedCalls(), [])
        if plain:
            self.assertEqual(written, taken)
