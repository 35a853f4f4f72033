"""What leaves on a link, when, in which writes, and how much may wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.outflow import UNPACED, Outflow, Turn
from p2pchat.testing.clock import FakeClock


class OutflowTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.writes: list[tuple[float, bytes]] = []
        self.turn = Turn(self.clock)
        self.outflow = self.make(1000)

    def make(self, limit: int) -> Outflow:
        return Outflow(self.turn, self.write, limit)

    def write(self, data: bytes) -> None:
        self.writes.append((round(self.clock.seconds() - 1000, 6), data))

    @property
    def written(self) -> list[bytes]:
        return [data for _, data in self.writes]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.writes]

    def offer(self, *lines: bytes) -> list[bool]:
        return [self.outflow.offer(line) for line in lines]


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
        self.outflow.hold()
        self.offer(b"a", b"b")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.outflow.flush()
        self.assertEqual(self.written, [b"ab"])

    def test_nothing_leaves_while_the_other_end_does_not_read(self) -> None:
        self.outflow.pauseProducing()
        self.assertTrue(self.outflow.blocked)
        self.offer(b"a", b"b")
        self.clock.run(100)
        self.assertEqual(self.writes, [])
        self.outflow.resumeProducing()
        self.assertEqual(self.written, [b"ab"])
        self.assertFalse(self.outflow.blocked)

    def test_what_does_not_fit_is_refused_and_dated(self) -> None:
        self.outflow.pauseProducing()
        self.assertEqual(self.offer(b"x" * 600, b"y" * 401, b"z" * 400), [True, False, True])
        self.assertEqual(self.outflow.refused, 1)
        self.assertEqual(self.outflow.bytes_waiting, 1000)
        self.clock.run(5)
        self.offer(b"w")
        self.assertEqual(self.outflow.full_since, 1000.0)
        self.outflow.resumeProducing()
        self.assertIsNone(self.outflow.full_since)
        self.assertEqual(self.written, [b"x" * 600 + b"z" * 400])

    def test_answers_are_taken_in_any_case_and_dated(self) -> None:
        self.outflow.pauseProducing()
        self.outflow.put(b"x" * 900)
        self.assertIsNone(self.outflow.full_since)
        self.assertFalse(self.outflow.overfull)
        self.outflow.put(b"y" * 200)
        self.assertTrue(self.outflow.overfull)
        self.assertEqual(self.outflow.full_since, 1000.0)

    def test_it_tells_when_there_is_room_again(self) -> None:
        told: list[int] = []
        self.outflow.on_drained = lambda: told.append(self.outflow.bytes_waiting)
        self.outflow.pauseProducing()
        self.outflow.put(b"x" * 2000)
        self.outflow.resumeProducing()
        self.assertEqual(told, [0])

    def test_it_does_not_tell_when_it_is_blocked_again_at_once(self) -> None:
        told: list[int] = []
        outflow = Outflow(self.turn, lambda _: outflow.pauseProducing(), 1000)
        outflow.on_drained = lambda: told.append(1)
        outflow.pauseProducing()
        outflow.put(b"x")
        outflow.resumeProducing()
        self.assertEqual(told, [])

    def test_close_writes_what_waits_and_takes_no_more_part(self) -> None:
        self.offer(b"a", b"b")
        self.outflow.close()
        self.assertEqual(self.written, [b"ab"])
        self.clock.run(1)
        self.assertEqual(self.written, [b"ab"])

    def test_close_drops_what_nobody_reads(self) -> None:
        self.outflow.pauseProducing()
        self.offer(b"a")
        self.outflow.close()
        self.outflow.resumeProducing()
        self.clock.run(1)
        self.assertEqual(self.writes, [])
        self.assertEqual(self.outflow.bytes_waiting, 0)

    def test_a_connection_that_is_gone(self) -> None:
        self.offer(b"a")
        self.outflow.stopProducing()
        self.clock.run(1)
        self.assertEqual(self.writes, [])


class PlainTests(OutflowTestCase):
    """To any other client."""

    def test_the_answer_to_hello_leaves_alone(self) -> None:
        self.outflow.hold()
        self.outflow.put(b"HELLO_OK")
        self.outflow.pace()
        self.outflow.put(b"ACK")
        self.outflow.flush()
        self.clock.run(1)
        self.assertEqual(self.writes, [(0.0, b"HELLO_OK"), (0.1, b"ACK")])

    def test_pauses(self) -> None:
        self.outflow.pace()
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
        self.outflow.pace()
        self.offer(*[b"x"] * UNPACED)
        self.clock.run(0.1)
        self.assertEqual(len(self.writes), 1)

    def test_beyond_it_there_are_none_but_each_line_is_a_write(self) -> None:
        self.outflow.pace()
        self.offer(*[b"%d" % number for number in range(UNPACED + 1)])
        self.clock.run(0.09)
        self.assertEqual(self.writes, [])  # the first pause is for clients that lose what is early
        self.clock.run(0.02)
        self.assertEqual(self.written, [b"%d" % number for number in range(UNPACED + 1)])
        self.offer(b"next")
        self.clock.run(1)
        self.assertEqual(self.writes[-1], (0.15, b"next"))

    def test_many_lines_later_on_leave_at_once(self) -> None:
        self.outflow.pace()
        self.clock.run(5)
        self.offer(*[b"x"] * (UNPACED + 8))
        self.clock.run(0)
        self.assertEqual(len(self.writes), UNPACED + 8)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_transport_that_is_full_stops_them(self) -> None:
        def write(data: bytes) -> None:
            self.write(data)
            if len(self.writes) == 10:
                outflow.pauseProducing()

        outflow = Outflow(self.turn, write, 1000)
        outflow.pace()
        self.clock.run(1)
        for number in range(50):
            outflow.put(b"%d" % number)
        self.clock.run(1)
        self.assertEqual(len(self.writes), 10)
        self.assertEqual(outflow.bytes_waiting, 80)
        outflow.resumeProducing()
        self.clock.run(1)
        self.assertEqual(self.written, [b"%d" % number for number in range(50)])
        self.assertEqual(outflow.bytes_waiting, 0)

    def test_a_full_queue_that_moves_is_not_stalled(self) -> None:
        self.outflow.pace()
        self.offer(b"x" * 900, b"y" * 200)
        self.assertIsNotNone(self.outflow.full_since)
        self.clock.run(1)
        self.assertIsNone(self.outflow.full_since)

    def test_it_tells_when_there_is_room_again(self) -> None:
        told: list[float] = []
        self.outflow.on_drained = lambda: told.append(self.outflow.bytes_waiting)
        self.outflow.pace()
        self.outflow.put(b"x" * 900)
        self.outflow.put(b"y" * 900)
        self.clock.run(1)
        self.assertEqual(told, [0])

    def test_large_lines_are_not_held_back_until_they_are_refused(self) -> None:
        self.outflow.pace()
        self.clock.run(1)
        for _ in range(20):
            self.assertTrue(self.outflow.offer(b"x" * 400))
            self.clock.run(0.01)
        self.assertEqual(self.outflow.refused, 0)

    def test_close_does_not_wait(self) -> None:
        self.outflow.pace()
        self.offer(b"a", b"b")
        self.clock.run(0)
        self.outflow.close()
        self.assertEqual(self.written, [b"ab"])
        self.assertEqual(self.clock.getDelayedCalls(), [])


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
        outflow = Outflow(Turn(clock), written.append, 300)
        if plain:
            outflow.pace()
        taken: list[bytes] = []
        for step in steps:
            if step == "pause":
                outflow.pauseProducing()
            elif step == "resume":
                outflow.resumeProducing()
            elif isinstance(step, int):
                for _ in range(step):
                    line = b"%04d\n" % len(taken)
                    if outflow.offer(line):
                        taken.append(line)
            elif isinstance(step, float):
                clock.run(step)
            self.assertLessEqual(outflow.bytes_waiting, 300)
        outflow.resumeProducing()
        clock.run(10)
        self.assertEqual(b"".join(written), b"".join(taken))
        self.assertEqual(outflow.bytes_waiting, 0)
        self.assertEqual(clock.getDelayedCalls(), [])
        if plain:
            self.assertEqual(written, taken)
