"""Lines run in order, no faster than peers can take them, and the exit status tells the truth."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from p2pchat.console.commands.table import Commands
from p2pchat.console.plain.backpressure import LAST_CHANCE, STALLED, Backpressure, Draining
from p2pchat.console.plain.queue import MEETING, CommandQueue
from p2pchat.console.replies import Answer, Reply
from p2pchat.node.news import News
from p2pchat.settings.values import LimitSettings, Settings
from tests.support.consoles import FakeNode, listing


@implementer(IPushProducer)
class Reader:
    """Counts; also says whether it is paused."""

    paused = False

    def pauseProducing(self) -> None:
        assert not self.paused
        self.paused = True

    def resumeProducing(self) -> None:
        assert self.paused
        self.paused = False

    def stopProducing(self) -> None: ...


class QueueCase(SynchronousTestCase):
    script = True
    stay = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.node = FakeNode(self.clock)
        self.shown: list[str] = []
        self.left: list[int] = []
        self.reader = Reader()
        self.node.presence.looked = Deferred()
        self.commands = Commands(self.node.real, self.clock)
        self.commands.sent.on_news = self.told
        self.queue = CommandQueue(
            self.clock,
            self.commands,
            Backpressure(self.node.real),
            Draining(self.node.real),
            show=self.shown.extend,
            leave=self.left.append,
            script=self.script,
            stay=self.stay,
        )
        self.queue.start(self.reader)

    def tearDown(self) -> None:
        self.queue.stop()
        self.clock.pump([1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def met(self) -> None:
        self.node.presence.looked.callback(None)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.05)):
            self.node.outgoing.sweep(self.clock.seconds())
            self.clock.advance(0.05)

    def told(self, _news: News, line: str) -> None:
        """What a console does with the news of a message."""
        self.shown.append(line)
        self.queue.look()


class TurnTests(QueueCase):
    script = False

    def test_a_chunk_of_cheap_lines_leaves_others_their_turn(self) -> None:
        def run(line: str) -> Answer:
            self.clock.rightNow += 0.003
            return Reply([line])

        self.patch(self.commands, "run", run)
        self.queue.add(["/help"] * 100)
        self.assertEqual(len(self.shown), 4)
        self.assertTrue(self.reader.paused)
        self.queue.end()
        self.assertEqual(self.left, [])
        self.clock.advance(0)
        self.assertEqual((len(self.shown), self.left), (100, [0]))


class MeetingTests(QueueCase):
    def test_a_script_waits_for_the_first_look_and_its_dials(self) -> None:
        self.queue.add(["/pub * hi"])
        self.assertTrue(self.reader.paused)
        self.node.mesh.dialing = True
        self.met()
        self.clock.advance(1)
        self.assertEqual(self.shown, [])
        self.node.mesh.dialing = False
        self.clock.advance(0.05)
        self.assertEqual(self.shown, ["published to 0 peers: nobody is connected"])
        self.assertFalse(self.reader.paused)

    def test_it_waits_no_longer_than_it_should(self) -> None:
        for dialing in (False, True):
            self.setUp()
            self.node.mesh.dialing = dialing
            self.queue.add(["/pub * hi"])
            if dialing:
                self.met()
            self.clock.pump([1] * int(MEETING - 1))
            self.assertEqual(self.shown, [])
            self.clock.pump([1])
            self.assertEqual(len(self.shown), 1)
            self.tearDown()

    def test_what_needs_no_peers_runs_at_once_and_order_is_kept(self) -> None:
        self.queue.add(["/help msg", "/pub * hi", "/help pub"])
        self.assertEqual(len(self.shown), 1)
        self.met()
        self.assertEqual(len(self.shown), 3)
        self.assertTrue(self.shown[1].startswith("published"))

    def test_who_is_connected_already_gets_its_message_at_once(self) -> None:
        link = self.node.meets("bob@CIC")
        self.queue.add(["/msg bob@CIC hi"])
        self.assertEqual(len(link.lines), 1)

    def test_the_end_of_input_waits_as_well(self) -> None:
        self.queue.add(["/msg bob@CIC hi"])
        self.queue.end()
        self.assertEqual(self.left, [])
        link = self.node.meets("bob@CIC")
        self.met()
        self.node.acknowledge(link)
        self.assertEqual(self.left, [0])

    def test_stopped_while_it_waits(self) -> None:
        self.node.mesh.dialing = True
        self.met()
        self.queue.add(["/pub * hi"])
        self.queue.stop()
        self.clock.advance(MEETING + 1)
        self.assertEqual(self.shown, ["one line was not run: this node leaves"])
        self.assertEqual((self.left, self.queue.unfinished), ([], True))


class ScriptCase(QueueCase):
    def setUp(self) -> None:
        super().setUp()
        self.met()


class StatusTests(ScriptCase):
    def test_delivered_is_0(self) -> None:
        link = self.node.meets("bob@CIC")
        self.queue.add(["/msg bob@CIC hi"])
        self.queue.end()
        self.pass_time(1)
        self.assertEqual(self.left, [])
        self.node.acknowledge(link)
        self.assertEqual(self.left, [0])
        self.assertTrue(self.shown[-1].startswith("delivered to [bob@CIC] in "))

    def test_no_ack_is_1(self) -> None:
        self.node.meets("bob@CIC")
        self.queue.add(["/msg bob@CIC hi"])
        self.queue.end()
        self.pass_time(6)
        self.assertEqual(self.left, [1])
        self.assertEqual(self.shown, ['not delivered to [bob@CIC]: no ACK within 5 s ("hi")'])

    def test_every_kind_of_wrong_use_is_1(self) -> None:
        for line in ("/msg nobody@CIC hi", "/msg", "/nonsense", "hello", None):
            self.setUp()
            self.queue.add([line, "/help"])
            self.queue.end()
            self.assertEqual(self.left, [1], line)
            self.tearDown()

    def test_an_empty_script_is_0(self) -> None:
        self.queue.end()
        self.assertEqual(self.left, [0])

    def test_a_line_that_is_too_long_is_told(self) -> None:
        self.queue.add([None])
        self.assertEqual(self.shown, ["that line is too long: nothing was sent"])

    def test_a_node_that_leaves_under_a_script_of_which_all_was_done(self) -> None:
        self.queue.add(["/help msg"])
        self.queue.stop()
        self.assertFalse(self.queue.unfinished)

    def test_a_node_that_leaves_under_a_script_of_which_something_was_not(self) -> None:
        link = self.node.meets("bob@CIC")
        self.queue.add(["/msg bob@CIC hi"])
        self.node.acknowledge(link)
        self.queue.add(["/nonsense"])
        self.queue.stop()
        self.assertTrue(self.queue.unfinished)

    def test_it_leaves_once(self) -> None:
        self.queue.end()
        self.queue.end()
        self.queue.look()
        self.queue.add(["/help"])
        self.assertEqual((self.left, self.shown), ([0], []))

    def test_quit_waits_for_what_was_said_before_and_drops_what_follows(self) -> None:
        link = self.node.meets("bob@CIC")
        self.queue.add(["/msg bob@CIC hi", "/quit", "/msg bob@CIC never"])
        self.queue.add(["/msg bob@CIC never"])
        self.assertEqual((self.left, len(link.lines)), ([], 1))
        self.node.acknowledge(link)
        self.assertEqual(self.left, [0])

    def test_an_ack_before_the_end_is_not_the_end(self) -> None:
        link = self.node.meets("bob@CIC")
        self.queue.add(["/msg bob@CIC hi"])
        self.node.acknowledge(link)
        self.assertEqual(self.left, [])


class OrderTests(ScriptCase):
    def test_a_line_waits_for_the_answer_to_the_one_before(self) -> None:
        self.queue.add(["/peers", "/help msg"])
        self.assertEqual((self.shown, self.reader.paused), ([], True))
        self.queue.end()
        self.assertEqual(self.left, [])
        self.node.presence.asked[0].callback([listing("bob@CIC")])
        self.assertEqual(len(self.shown), 3)
        self.assertEqual((self.left, self.reader.paused), ([0], False))

    def test_a_fault_of_ours_is_told_and_logged_and_the_next_line_runs(self) -> None:
        def run(line: str) -> Answer:
            if line == "/now":
                raise ZeroDivisionError
            return Deferred() if line == "/never" else asked

        asked: Deferred[Reply] = Deferred()
        self.commands.run = run  # type: ignore[method-assign]
        self.commands.may_run = lambda line: True  # type: ignore[method-assign]
        self.queue.add(["/now", "/later"])
        asked.errback(KeyError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(
            self.shown, ["that did not work, through a fault of ours: see the log"] * 2
        )
        self.queue.end()
        self.assertEqual(self.left, [1])

    def test_an_answer_that_comes_too_late_is_not_shown(self) -> None:
        self.queue.add(["/peers"])
        self.queue.stop()
        self.node.presence.asked[0].callback([])
        self.assertEqual((self.shown, self.left), ([], []))


class StayTests(ScriptCase):
    stay = True

    def test_the_end_of_input_is_no_reason_to_leave(self) -> None:
        self.queue.add(["/help msg"])
        self.queue.end()
        self.pass_time(1)
        self.assertEqual((len(self.shown), self.left), (1, []))

    def test_quit_is(self) -> None:
        self.queue.add(["/quit"])
        self.assertEqual(self.left, [0])


class TerminalTests(QueueCase):
    script = False

    def test_nothing_waits(self) -> None:
        self.queue.add(["/peers", "/pub * hi", "/help msg"])
        self.assertEqual(len(self.shown), 2)
        self.assertFalse(self.reader.paused)

    def test_the_end_of_input_leaves_at_once(self) -> None:
        self.node.meets("bob@CIC")
        self.queue.add(["/peers", "/nonsense", "/msg bob@CIC hi"])
        self.queue.end()
        self.assertEqual(self.left, [0])

    def test_quit_leaves_at_once(self) -> None:
        self.queue.add(["/peers", "/quit", "/help"])
        self.assertEqual((self.left, self.shown), ([0], []))

    def test_a_pasted_heap_of_questions_is_asked_a_few_at_a_time(self) -> None:
        self.queue.add(["/peers"] * 20)
        self.assertEqual((len(self.node.presence.asked), self.reader.paused), (8, True))
        for n in range(20):
            self.node.presence.asked[n].callback([])
        self.assertEqual((len(self.shown), self.reader.paused), (20, False))


class TerminalStayTests(TerminalTests):
    stay = True


class BackpressureTests(ScriptCase):
    def setUp(self) -> None:
        super().setUp()
        self.link = self.node.meets("bob@CIC")

    def test_a_link_that_is_half_full_stops_the_reading(self) -> None:
        self.link.queue.bytes_waiting = 501
        self.queue.add(["/pub * hi"])
        self.assertEqual((self.link.sent, self.reader.paused), (0, True))
        self.link.queue.bytes_waiting = 0
        self.clock.advance(0)
        self.assertEqual((self.link.sent, self.reader.paused), (1, False))

    def test_while_it_waits_it_looks_less_and_less_often(self) -> None:
        self.link.queue.bytes_waiting = 1000
        self.queue.add(["/pub * hi"])
        looks = 0
        for n in range(200):
            self.link.queue.bytes_waiting = 1000 - n
            before = {id(call) for call in self.clock.getDelayedCalls()}
            self.clock.advance(0.001)
            looks += {id(call) for call in self.clock.getDelayedCalls()} != before
        self.assertLess(looks, 12)
        self.assertEqual(self.link.sent, 0)

    def test_one_that_takes_nothing_holds_nobody_up_for_long(self) -> None:
        carol = self.node.meets("carol@CIC")
        self.link.queue.bytes_waiting = 600
        self.queue.add(["/pub * hi"])
        self.pass_time(STALLED - 0.1)
        self.assertEqual(carol.sent, 0)
        self.pass_time(0.2)
        self.assertEqual(carol.sent, 1)
        # Its queue fills up further, which is no sign of life.
        for n in range(100):
            self.link.queue.bytes_waiting = 600 + n
            self.queue.add(["/pub * hi"] * 32)
        self.assertEqual(carol.sent, 3201)

    def test_what_the_system_took_is_progress(self) -> None:
        self.link.transport = SimpleNamespace(offset=0, dataBuffer=b"x" * 100)
        self.link.queue.bytes_waiting = 600
        self.queue.add(["/pub * hi"])
        for n in range(20):
            self.link.transport.offset = n
            self.pass_time(0.1)
        self.assertEqual(self.link.sent, 0)

    def test_pending_acks_stop_the_reading_before_a_message_is_refused(self) -> None:
        lines = [f"/msg bob@CIC {n}" for n in range(200)]
        self.queue.add(lines)
        self.queue.end()
        while not self.left:
            self.assertLessEqual(self.node.outgoing.pending, 10)
            for message in self.link.chat:
                self.node.outgoing.acknowledged("bob@CIC", message.msg_id)
            self.clock.advance(0.05)
        self.assertEqual((self.link.sent, self.left), (200, [0]))

    def test_another_limit_counts_at_once(self) -> None:
        limits = LimitSettings(max_pending_acks=4)
        self.queue.add(["/msg bob@CIC 1", "/msg bob@CIC 2"])
        self.node.settings = Settings(limits=limits)
        self.queue.add(["/msg bob@CIC 3", "/msg bob@CIC 4"])
        self.assertEqual(self.link.sent, 3)
        self.node.acknowledge(self.link)
        self.clock.advance(0.05)
        self.assertEqual(self.link.sent, 4)

    def test_it_looks_often_enough_for_long_lines(self) -> None:
        text = "x" * 8000
        self.queue.add([f"/pub * {text}"] * 3)
        self.assertEqual(self.link.sent, 3)
        self.link.queue.bytes_waiting = 600
        self.queue.add([f"/pub * {text}"] * 3)
        self.assertLess(self.link.sent, 6)


class DrainingTests(ScriptCase):
    """After a /pub, a script leaves when what it published has been read."""

    def setUp(self) -> None:
        super().setUp()
        self.link = self.node.meets("bob@CIC")
        self.queue.add(["/pub * hi"])

    def pong(self, seconds: float) -> None:
        self.node.peers.connected()[0].add_round_trip(seconds)

    def test_it_waits_until_all_was_sent(self) -> None:
        self.link.is_p2pchat = False
        self.link.queue.bytes_waiting = 100
        self.queue.end()
        for waiting in (100, 80, 60, 40, 20):
            self.link.queue.bytes_waiting = waiting
            self.pass_time(LAST_CHANCE - 0.5)
            self.assertEqual(self.left, [])
        self.link.queue.bytes_waiting = 0
        self.pass_time(0.1)
        self.assertEqual(self.left, [0])

    def test_one_that_takes_nothing_is_not_waited_for(self) -> None:
        self.link.queue.pauseProducing()
        self.queue.end()
        self.pass_time(LAST_CHANCE + 0.2)
        self.assertEqual(self.left, [1])
        self.assertEqual(self.shown[-1], "left before all peers had read what was published")

    def test_one_that_takes_a_little_now_and_then_is_not_waited_for_forever(self) -> None:
        self.link.queue.bytes_waiting = 900
        self.queue.end()
        for _ in range(130):
            self.link.queue.bytes_waiting -= 1
            self.pass_time(0.5)
        self.assertEqual(self.left, [1])

    def test_our_own_kind_is_asked_whether_it_has_read(self) -> None:
        self.queue.end()
        self.assertEqual((self.link.pings, self.left), (1, []))
        self.clock.advance(0.01)
        self.pong(0.01)
        self.clock.advance(0.05)
        self.assertEqual(self.left, [0])

    def test_the_pong_to_an_earlier_ping_proves_nothing(self) -> None:
        self.pong(0.001)
        self.queue.end()
        self.pass_time(0.2)
        self.pong(3.0)
        self.pass_time(0.2)
        self.assertEqual(self.left, [])
        self.pong(0.4)
        self.pass_time(0.1)
        self.assertEqual(self.left, [0])

    def test_without_a_pong_it_leaves_in_the_end(self) -> None:
        self.queue.end()
        self.pass_time(4.9)
        self.assertEqual(self.left, [])
        self.pass_time(0.2)
        self.assertEqual(self.left, [1])

    def test_a_peer_has_the_time_to_read_that_it_may_take(self) -> None:
        self.link.sent = 20_000
        self.queue.end()
        self.pass_time(30.9)
        self.assertEqual(self.left, [])
        self.pass_time(0.2)
        self.assertEqual(self.left, [1])

    def test_one_that_is_gone_is_not_waited_for(self) -> None:
        self.queue.end()
        self.node.loses(self.link)
        self.pass_time(0.1)
        self.assertEqual(self.left, [0])

    def test_other_programs_and_who_got_nothing_are_not_asked(self) -> None:
        self.link.is_p2pchat = False
        carol = self.node.meets("carol@CIC")
        self.queue.end()
        self.assertEqual((self.left, self.link.pings, carol.pings), ([0], 0, 0))


class UnlimitedRateTests(SynchronousTestCase):
    def test_without_a_limit_reading_takes_no_time(self) -> None:
        clock = Clock()
        node = FakeNode(clock, Settings(limits=LimitSettings(peer_rate=0)))
        node.presence.looked = succeed(None)
        node.meets("bob@CIC").sent = 1_000_000
        draining = Draining(node.real)
        self.assertFalse(draining.done(0))
        self.assertFalse(draining.done(4.9))
        self.assertTrue(draining.done(5))
        self.assertTrue(draining.failed)
