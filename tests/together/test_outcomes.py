"""What becomes of a message of ours is told: whatever happens, in whichever order, and once."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.sent import SentMessages
from p2pchat.console.commands.table import Commands
from p2pchat.console.plain.backpressure import Backpressure, Draining
from p2pchat.console.plain.queue import CommandQueue
from p2pchat.history import store, waiting
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import ABANDONED, DELIVERED, WAITING, HistoryError
from p2pchat.history.store import GATHER
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import Became, News
from p2pchat.node.node import ChatNode
from p2pchat.node.outbox import Stage
from p2pchat.settings.values import Settings
from p2pchat.testing.nodes import FakeTown
from tests.support.consoles import FakeNode
from tests.support.fake_link import FakeLink
from tests.support.histories import FULL, BrokenConnection, HistoryCase, keeping, pub, send

Event = tuple[Any, ...]


class OutcomeCase(HistoryCase):
    """A person says something to peers of a node whose history is written a step at a time."""

    def start(self, *, at_once: bool = False, **settings: Any) -> DurableHistory:
        history = super().start(at_once=at_once, **settings)
        node = FakeNode(self.clock)
        node.send, node.peers = self.outgoing.send, self.peers
        self.sent = SentMessages(node.real)
        return history

    def loaded(self, **settings: Any) -> None:
        """The past is known."""
        self.start(**settings)
        self.step()
        self.told.take()

    def step(self) -> None:
        """All that the history's thread has to do by now is done."""
        while self.thread.calls:
            self.thread.step()

    def written(self) -> None:
        """What was said is written."""
        self.clock.advance(GATHER)
        self.step()

    def disconnected(self, link: FakeLink | None = None) -> None:
        link = link or self.link
        peer = self.peers.link_closed(link)
        assert peer is not None
        self.outgoing.link_closed(peer, link)

    def outcomes(self) -> list[Event]:
        """What became of messages since the last time: what, which, and why not."""
        return [
            (event[0], *event[2:]) if event[0] == "undelivered" else (event[0], event[2])
            for event in self.told.take()
            if event[0] in ("queued", "delivered", "undelivered")
        ]

    def texts_sent(self, link: FakeLink | None = None) -> list[str]:
        return [message.payload for message in (link or self.link).chat]

    def states(self) -> dict[str, int]:
        """The state of each message of ours in the file, by its text."""
        self.step()
        kept = self.successResultOf(self.history.recent(None, 9999))
        return {line.text: line.state for line in kept if line.sender == "alice@CIC"}

    def earlier_run(self, *texts: str) -> None:
        """These wait for bob@CIC since an earlier run; the past is not read yet in this one."""
        self.loaded()
        for text in texts:
            self.say("bob@CIC", text)
        self.written()
        self.start()
        self.told.take()


class BeforeThePastTests(OutcomeCase):
    def test_without_a_link_it_is_queued_and_the_script_can_leave(self) -> None:
        self.start()
        self.sent.send("bob@CIC", "oi")
        settled = self.sent.settled()
        self.step()
        self.assertNoResult(settled)
        self.written()
        self.assertEqual(self.outcomes(), [("queued", "m1")])
        self.successResultOf(settled)
        self.assertEqual((self.sent.pending, self.sent.waiting), (0, 1))

    def test_with_a_link_it_goes_out_when_the_past_is_known_and_once(self) -> None:
        self.start()
        self.linked()
        self.say("bob@CIC", "oi")
        self.outgoing.link_opened(self.peers.connected()[0])
        self.sweep()
        self.assertEqual(self.link.lines, [])
        self.step()
        self.assertEqual(self.texts_sent(), ["oi"])
        self.sweep()
        self.written()
        self.sweep()
        self.assertEqual(self.texts_sent(), ["oi"])
        self.outgoing.acknowledged("bob@CIC", "m1")
        self.assertEqual(self.outcomes(), [("delivered", "m1")])

    def test_what_waits_from_an_earlier_run_goes_first(self) -> None:
        for when in ("before the past is known", "after it"):
            with self.subTest(said=when):
                self.doCleanups()
                self.setUp()
                self.earlier_run("antes")
                self.linked()
                if when == "after it":
                    self.step()
                self.say("bob@CIC", "depois")
                self.step()
                self.assertEqual(self.texts_sent(), ["antes", "depois"], "and at once")
                self.written()
                self.assertEqual(self.outcomes(), [], "there is a link")
                for msg_id in ("m1", "m2"):
                    self.outgoing.acknowledged("bob@CIC", msg_id)
                self.assertEqual(self.outcomes(), [("delivered", "m1"), ("delivered", "m2")])

    def test_cancelled_and_forgotten(self) -> None:
        self.start()
        self.say("bob@CIC", "um")
        self.say("eva@CIC", "dois")
        self.outgoing.cancel(self.outbox.of_peer("bob@CIC"))
        self.linked()
        self.assertEqual(self.outcomes(), [], "a kill would bring it back")
        self.step()
        self.written()
        self.assertEqual(self.texts_sent(), [])
        self.assertEqual(self.outcomes(), [("queued", "m2"), ("undelivered", "m1", "cancelled")])
        self.assertEqual(self.states(), {"um": ABANDONED, "dois": WAITING})

    def test_more_than_a_few(self) -> None:
        self.start(outbox_max_per_peer=5000)
        for number in range(2500):
            self.say("bob@CIC", str(number))
        self.step()
        self.written()
        self.assertEqual(len(self.outcomes()), 2500)
        self.assertEqual([*self.states()], [str(number) for number in range(2500)])

    def test_the_node_ends_before_its_past_is_read(self) -> None:
        self.start()
        self.say("bob@CIC", "oi")
        stopped = self.history.stop()
        self.step()
        self.written()
        self.successResultOf(stopped)
        self.assertEqual(self.outcomes(), [("queued", "m1")])
        self.start()
        self.step()
        self.assertEqual([message.msg_id for message in self.outbox], ["m1"])

    def test_what_others_say_is_put_off_with_their_status(self) -> None:
        self.start()
        bob = self.peer
        self.receive(send("1", "oi"))
        self.incoming.status_changed(bob)
        self.receive(pub("2", "tchau"))
        self.incoming.status_changed(bob)
        self.assertEqual(self.told.take(), [])
        self.step()
        self.written()
        self.assertEqual(
            [event[0] for event in self.told.take() if event[0] in ("kept", "status")],
            ["kept", "status", "kept", "status"],
        )

    def test_a_link_that_brings_much_is_read_on_when_the_past_is_known(self) -> None:
        self.start()
        texts = [str(number) for number in range(2500)]
        for text in texts:
            self.receive(pub(text, text))
        self.assertTrue(self.link.held)
        self.step()
        self.assertFalse(self.link.held)
        self.written()
        shown = [text for event in self.told.take() if event[0] == "kept" for text in event[2]]
        self.assertEqual((shown, self.history.not_kept), (texts, 0))

    def test_what_is_read_then_is_read(self) -> None:
        self.loaded()
        self.receive(send("1", "a"), pub("2", "b"))
        self.written()
        self.start()
        self.history.mark_read("#CIC")
        self.step()
        self.assertEqual(self.history.unread, {"bob@CIC": 1})
        self.sweep()
        self.step()
        self.start()
        self.step()
        self.assertEqual(self.history.unread, {"bob@CIC": 1})

    def test_what_comes_then_before_an_attending_person_is_read(self) -> None:
        self.start()
        self.history.attending += 1
        self.receive(send("1", "a"), pub("2", "b"))
        self.step()
        self.written()
        stopped = self.history.stop()
        self.step()
        self.successResultOf(stopped)
        self.start()
        self.step()
        self.assertEqual(self.history.unread, {})


class ScriptTests(OutcomeCase):
    """A script that says more than may wait, to a peer that is there and acknowledges."""

    def run_script(self) -> tuple[list[int], list[str]]:
        node = FakeNode(self.clock, Settings())
        node.send, node.peers, node.history = self.outgoing.send, self.peers, self.history
        node.outgoing = self.outgoing
        node.mesh.links.append(self.linked() if self.history.ready else self.link)
        if not self.history.ready:
            self.peers.link_opened(self.link)
        commands, self.left = Commands(node.real, self.clock), list[int]()
        shown: list[str] = []
        self.queue = CommandQueue(
            self.clock,
            commands,
            Backpressure(node.real),
            Draining(node.real),
            show=shown.extend,
            leave=self.left.append,
            script=True,
        )
        commands.sent.on_news = lambda _news, _line: self.queue.look()
        self.queue.start(StringTransport())
        self.queue.add([f"/msg bob@CIC {number}" for number in range(3000)])
        self.queue.end()
        return self.left, shown

    def pass_time(self) -> None:
        for _ in range(400):
            if self.left:
                break
            self.clock.advance(0.05)
            self.step()
            self.outgoing.sweep(self.clock.seconds())
            lines, self.link.lines = self.link.chat, []
            for message in lines:
                self.outgoing.acknowledged("bob@CIC", message.msg_id)

    def test_after_the_past_is_known(self) -> None:
        self.loaded()
        left, shown = self.run_script()
        self.pass_time()
        self.assertEqual((left, shown), ([0], []))

    def test_before_the_past_is_known(self) -> None:
        self.start()
        left, shown = self.run_script()
        self.clock.advance(0.1)
        self.pass_time()
        self.assertEqual((left, shown), ([0], []))

    def test_while_there_is_no_room_for_a_moment(self) -> None:
        self.loaded()
        self.link.takes = False
        left, shown = self.run_script()
        self.clock.advance(0.1)
        self.link.takes = True
        self.pass_time()
        self.assertEqual((left, shown), ([0], []))


class LinkTests(OutcomeCase):
    def setUp(self) -> None:
        super().setUp()
        self.loaded()

    def test_no_room_is_not_queued_until_the_last_link_closes(self) -> None:
        self.linked()
        self.link.takes = False
        self.sent.send("bob@CIC", "oi")
        self.written()
        self.sweep(30)
        self.assertEqual((self.outcomes(), self.sent.pending), ([], 1))
        self.disconnected()
        self.assertEqual((self.outcomes(), self.sent.pending), ([("queued", "m1")], 0))

    def test_the_link_closes_before_the_ack(self) -> None:
        for order in ("stored, closed", "closed, stored"):
            with self.subTest(order=order):
                self.doCleanups()
                self.setUp()
                self.linked()
                self.sent.send("bob@CIC", "oi")
                if order == "stored, closed":
                    self.written()
                    self.disconnected()
                else:
                    self.disconnected()
                    self.assertEqual(self.outcomes(), [])
                    self.written()
                self.assertEqual(self.outcomes(), [("queued", "m1")])
                self.sweep(30)
                self.assertEqual(self.outcomes(), [], "it waits for a link, not for an ACK")
                again = self.linked(FakeLink())
                self.assertEqual(self.texts_sent(again), ["oi"])
                self.sweep(6)
                reason = "no ACK within 5 s: it is kept, and sent again when a link opens"
                self.assertEqual(self.outcomes(), [("undelivered", "m1", reason)])
                self.outgoing.acknowledged("bob@CIC", "m1")
                self.outgoing.acknowledged("bob@CIC", "m1")
                self.assertEqual(self.outcomes(), [("delivered", "m1")])
                self.assertEqual((self.sent.pending, self.sent.waiting), (0, 0))

    def test_its_link_closes_and_the_other_one_has_no_room(self) -> None:
        other = FakeLink()
        self.linked()
        self.linked(other)
        self.sent.send("bob@CIC", "oi")
        self.written()
        used, left = (self.link, other) if self.link.lines else (other, self.link)
        left.takes = False
        self.disconnected(used)
        self.sweep(6)
        self.assertEqual(self.outcomes(), [])
        left.takes = True
        self.sweep(1)
        self.assertEqual(self.texts_sent(left), ["oi"])
        self.sweep(6)
        self.assertEqual([event[:2] for event in self.outcomes()], [("undelivered", "m1")])
        left.takes = False
        self.disconnected(left)
        self.assertEqual(self.sent.pending, 0)
        self.assertEqual([message.stage for message in self.outbox], [Stage.UNSENT])

    def test_what_goes_out_again_delays_no_time_out_of_others(self) -> None:
        eva = self.linked(FakeLink("eva@CIC"))
        self.linked()
        self.say("bob@CIC", "um")
        self.sweep(1)
        self.say("eva@CIC", "dois")
        self.sweep(3)
        self.disconnected()
        self.linked(FakeLink())
        self.told.take()
        self.sweep(1.5)
        self.assertEqual(self.outcomes(), [])
        self.sweep(0.5)
        self.assertEqual([event[:2] for event in self.outcomes()], [("undelivered", "m2")])
        self.sweep(3)
        self.assertEqual([event[:2] for event in self.outcomes()], [("undelivered", "m1")])
        self.assertEqual(self.texts_sent(eva), ["dois"])

    def test_cancelled_and_then_the_ack_comes(self) -> None:
        for command in ("cancel", "forget"):
            with self.subTest(command=command):
                self.doCleanups()
                self.setUp()
                self.linked()
                self.sent.send("bob@CIC", "oi")
                if command == "cancel":
                    self.outgoing.cancel([*self.outbox])
                else:
                    forgotten = self.outgoing.forget("bob@CIC")
                    self.step()
                    self.assertEqual(self.successResultOf(forgotten), 1)
                self.outgoing.acknowledged("bob@CIC", "m1")
                if command == "cancel":
                    self.assertEqual(self.outcomes(), [])
                    self.step()
                    self.step()
                reason = {"cancel": "cancelled", "forget": "forgotten"}[command]
                reason += ", though it may have arrived"
                self.assertEqual(self.outcomes(), [("undelivered", "m1", reason)])
                self.written()
                self.sweep(30)
                self.step()
                self.assertEqual((self.outcomes(), self.sent.pending), ([], 0))
                expected = {"oi": ABANDONED} if command == "cancel" else {}
                self.assertEqual(self.states(), expected)

    def test_the_state_in_the_file_is_what_was_told(self) -> None:
        self.linked()
        self.say("bob@CIC", "um")
        self.outgoing.acknowledged("bob@CIC", "m1")
        self.say("bob@CIC", "dois")
        self.outgoing.cancel([*self.outbox])
        self.say("bob@CIC", "três")
        self.written()
        self.written()
        self.assertEqual(self.states(), {"um": DELIVERED, "dois": ABANDONED, "três": WAITING})


class FullDiskTests(OutcomeCase):
    WHY = "it could not be kept (database or disk is full), and goes out if a link opens"

    def setUp(self) -> None:
        super().setUp()
        self.loaded()

    def test_without_a_link_it_is_told_and_goes_out_all_the_same(self) -> None:
        BrokenConnection.trouble = FULL
        self.sent.send("bob@CIC", "oi")
        self.written()
        self.assertEqual(self.outcomes(), [("undelivered", "m1", self.WHY)])
        self.assertEqual((self.sent.pending, self.sent.waiting), (0, 1))
        self.sweep(6)
        self.step()
        self.assertEqual(self.outcomes(), [], "once")
        self.linked()
        self.assertEqual(self.texts_sent(), ["oi"])
        self.outgoing.acknowledged("bob@CIC", "m1")
        self.assertEqual(self.outcomes(), [("delivered", "m1")])
        BrokenConnection.trouble = None
        self.sweep(6)
        self.assertEqual(self.states(), {"oi": DELIVERED})

    def test_it_is_queued_when_there_is_room_again(self) -> None:
        BrokenConnection.trouble = FULL
        self.say("bob@CIC", "oi")
        self.written()
        self.told.take()
        BrokenConnection.trouble = None
        self.sweep(6)
        self.step()
        self.assertEqual(self.outcomes(), [("queued", "m1")])
        self.assertEqual(self.states(), {"oi": WAITING})

    def test_more_than_is_tried_again_is_written_in_the_end(self) -> None:
        self.patch(store, "_MAX_AGAIN", 3)
        BrokenConnection.trouble = FULL
        for number in range(10):
            self.say("bob@CIC", str(number))
            self.written()
        self.assertEqual(len(self.outcomes()), 10)
        BrokenConnection.trouble = None
        self.sweep(6)
        self.step()
        self.written()
        self.assertEqual(sorted(self.states()), [*"0123456789"])
        queued = [event[1] for event in self.outcomes() if event[0] == "queued"]
        self.assertEqual(sorted(queued), sorted(f"m{n}" for n in range(1, 11)))

    def test_what_is_said_while_it_works_again_is_written_once(self) -> None:
        BrokenConnection.trouble = FULL
        self.say("bob@CIC", "um")
        self.written()
        BrokenConnection.trouble = None
        self.told.take()
        self.sweep(6)
        self.assertEqual(len(self.thread.calls), 1)
        self.say("bob@CIC", "dois")
        self.step()
        self.written()
        self.sweep(6)
        self.step()
        self.assertEqual(self.outcomes(), [("queued", "m1"), ("queued", "m2")])
        self.assertEqual(self.lines(), ["um", "dois"])
        self.assertFalse(self.history.failing)

    def test_what_cannot_be_forgotten_stays_as_it_was(self) -> None:
        for trouble in ("writing", "deleting"):
            with self.subTest(trouble=trouble):
                self.doCleanups()
                self.setUp()
                self.say("bob@CIC", "oi")
                if trouble == "deleting":
                    self.written()
                    self.patch(self.history._store.tidying, "forget", _cannot_forget)
                else:
                    BrokenConnection.trouble = FULL
                forgetting = self.outgoing.forget("bob@CIC")
                self.step()
                self.failureResultOf(forgetting, HistoryError)
                self.assertEqual([message.msg_id for message in self.outbox], ["m1"])
                self.assertNotIn("forgotten", str(self.told.take()))
                BrokenConnection.trouble = None
                self.sweep(6)
                self.step()
                self.assertEqual(self.states(), {"oi": WAITING})
                self.linked()
                self.assertEqual(self.texts_sent(), ["oi"])

    def test_what_is_forgotten_is_never_written(self) -> None:
        self.say("bob@CIC", "segredo")
        self.clock.advance(GATHER)
        forgetting = self.outgoing.forget("bob@CIC")
        self.say("bob@CIC", "novo")
        self.step()
        self.successResultOf(forgetting)
        self.written()
        self.sweep(6)
        self.assertEqual(self.states(), {"novo": WAITING})
        told = [event for event in self.outcomes() if event[1] == "m1"]
        self.assertEqual(told[-1:], [("undelivered", "m1", "forgotten")])

    def test_what_is_lost_with_the_node_is_told(self) -> None:
        BrokenConnection.trouble = FULL
        self.sent.send("bob@CIC", "oi")
        self.outgoing.leave("left before the ACK came")
        self.outgoing.give_up_all()
        flushed = self.history.flush()
        self.step()
        self.successResultOf(flushed)
        self.outgoing.close()
        (*_, last) = self.outcomes()
        self.assertEqual(last[:2], ("undelivered", "m1"))
        self.assertIn("is lost", last[2])
        self.assertEqual((self.sent.pending, self.sent.waiting), (0, 0))


async def _cannot_forget(_: str) -> int:
    raise FULL


ACTS = [
    "say",
    "link",
    "lose",
    "full",
    "room",
    "ack",
    "old_ack",
    "cancel",
    "forget",
    "sweep",
    "time",
    "step",
    "disk_full",
    "disk_free",
]


class AnythingTests(OutcomeCase):
    """Whatever happens in whichever order."""

    @settings(max_examples=150, deadline=None)
    @given(
        st.booleans(),
        st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 7)), max_size=60),
    )
    def test_each_message_is_told_of_and_has_one_end(
        self, ready: bool, acts: list[tuple[str, int]]
    ) -> None:
        self.doCleanups()
        self.setUp()
        self.start()
        if ready:
            self.step()
        self.links: list[FakeLink] = []
        self.news: dict[str, list[News]] = {}
        self.forgetting: list[Any] = []
        for act, n in acts:
            self.act(act, n)
            self.check()
        BrokenConnection.trouble = None
        for link in self.links:
            link.takes = True
        for _ in range(10):
            self.clock.advance(1)
            self.step()
            self.sweep(5)
            self.check()
        for msg_id, news in self.news.items():
            self.assertTrue(news, f"nothing was told of {msg_id}")
        states = {line.msg_id: line.state for line in self.ours()}
        for message in self.outbox:
            self.assertEqual(states[message.msg_id], WAITING)
            self.assertTrue(message.stored)
            if message.stage is Stage.ON_ITS_WAY:  # again, in the last sweep
                self.assertTrue(message.again or message.told)
            else:
                self.assertIn(message.stage, (Stage.OVERDUE, Stage.UNSENT))
        for msg_id, news in self.news.items():
            if news[-1].over and msg_id in states:
                delivered = news[-1].became is Became.DELIVERED
                self.assertEqual(states[msg_id], DELIVERED if delivered else ABANDONED)

    def ours(self) -> list[Any]:
        kept = self.successResultOf(self.history.recent(None, 9999))
        return [line for line in kept if line.sender == "alice@CIC"]

    def act(self, act: str, n: int) -> None:
        link = self.links[n % len(self.links)] if self.links else None
        names = ("bob@CIC", "eva@CIC")
        match act:
            case "say":
                news: list[News] = []
                self.news[self.outgoing.send(names[n % 2], f"text {n}", news.append)] = news
            case "link":
                new = FakeLink(names[n % 2], instance="own kind" if n > 4 else "")
                new.opened_at = self.clock.seconds()
                self.links.append(self.linked(new) if self.history.ready else self.early(new))
            case "lose" if link is not None:
                self.links.remove(link)
                self.disconnected(link)
            case "full" | "room" if link is not None:
                link.takes = act == "room"
            case "ack" | "old_ack":
                waiting = [m for m in self.outbox if m.sent_at is not None]
                if act == "old_ack":
                    self.outgoing.acknowledged(names[n % 2], f"m{n}")
                elif waiting:
                    message = waiting[n % len(waiting)]
                    self.outgoing.acknowledged(message.peer_id, message.msg_id)
            case "cancel":
                self.outgoing.cancel([*self.outbox][n : n + 2])
            case "forget" if self.history.ready:
                forgetting = self.outgoing.forget(names[n % 2])
                forgetting.addErrback(lambda failure: failure.trap(HistoryError))
                self.forgetting.append(forgetting)
            case "sweep":
                self.sweep(n)
            case "time":
                self.clock.advance(n / 50)
            case "step" if self.thread.calls:
                self.thread.step()
            case "disk_full" | "disk_free":
                BrokenConnection.trouble = FULL if act == "disk_full" else None

    def early(self, link: FakeLink) -> FakeLink:
        """A link is open before the past is known."""
        self.peers.link_opened(link)
        return link

    def check(self) -> None:
        """What holds at any time."""
        if not self.history.ready:
            self.assertEqual([link for link in self.links if link.lines], [])
        times = [m.sent_at or 0.0 for m in self.outbox.late(1e9)]
        self.assertEqual(times, sorted(times))
        for message in self.outbox:
            if message.stage is Stage.ON_ITS_WAY:
                self.assertIn(message.link, self.links)
            if message.stage is Stage.OVERDUE:
                self.assertIsNotNone(message.sent_at)
        for msg_id, news in self.news.items():
            self.assertEqual([each.first for each in news], [True, *[False] * 99][: len(news)])
            over = [each.over for each in news]
            self.assertEqual(sum(over), sum(over[-1:]), f"the end comes once, and last: {news}")
            ending = msg_id in self.outgoing.outcomes.ending
            self.assertEqual(any(over) or ending, self.outbox.get(msg_id) is None, msg_id)
            became = [each.became for each in news]
            for kind in (Became.UNKEPT, Became.QUEUED):
                self.assertLessEqual(became.count(kind), 1, became)


class OrderTests(OutcomeCase):
    def test_what_the_disk_cannot_take_and_a_status_keep_their_places(self) -> None:
        self.patch(waiting, "MAX_WAITING", 40_000)
        self.loaded()
        self.receive(send("1", "primeiro"))
        self.clock.advance(0)
        self.receive(send("2", "x" * 40_000))
        self.incoming.status_changed(self.peer)
        self.receive(pub("3", "depois"))
        self.incoming.status_changed(Peer("eva@CIC"))
        self.assertEqual([event[:2] for event in self.told.take()[1:]], [("status", "eva@CIC")])
        self.step()
        self.written()
        self.assertEqual(
            [event[0] for event in self.told.take()], ["kept", "not kept", "status", "kept"]
        )
        self.receive(pub("4", "agora"))
        self.written()
        self.assertEqual(self.told.take(), [("kept", "bob@CIC", ["agora"])])


class StoppingTests(SynchronousTestCase):
    """A node leaves soon after it said something, or before it knows its past."""

    def node(self, town: FakeTown, peer_id: str, *, keeps: bool, at_once: bool = True) -> ChatNode:
        host = town.network.host(f"10.0.0.{len(town.network.hosts) + 1}")
        make, thread = keeping(self, host, at_once=at_once)
        if not at_once:
            self.thread = thread
        return town.node(peer_id, ip=host.ip, make_history=make if keeps else None)

    def test_one_end_whenever_the_ack_comes(self) -> None:
        for keeps in (False, True):
            ends = set[Became]()
            for ms in range(16):
                town = FakeTown(ms)
                alice, bob = self.node(town, "alice@CIC", keeps=keeps), town.node("bob@CIC")
                town.run_until_meshed()
                news: list[News] = []
                alice.send("bob@CIC", "oi", news.append)
                town.run(ms / 1000)
                town.leave(alice)
                with self.subTest(ms=ms, keeps=keeps):
                    self.assertEqual(len(news), 1, news)
                    arrived = town.seen(bob).texts == ["oi"]
                    self.assertTrue(arrived or news[0].became is not Became.DELIVERED)
                ends.add(news[0].became)
                town.close()
            self.assertIn(Became.DELIVERED, ends)

    def test_before_the_past_is_known_nothing_is_lost(self) -> None:
        town = FakeTown()
        alice = self.node(town, "alice@CIC", keeps=True, at_once=False)
        news: list[News] = []
        msg_id = alice.send("bob@CIC", "oi", news.append)
        town.run(1)
        stopped: list[object] = []
        alice.stopService().addBoth(stopped.append)
        town.run(1)
        self.assertEqual((stopped, news), ([], []))
        self.thread.at_once = True
        while self.thread.calls:
            self.thread.step()
        town.run(3)
        self.assertEqual(stopped, [None])
        self.assertEqual([(each.msg_id, each.became) for each in news], [(msg_id, Became.QUEUED)])
        town.check_clean(town.host_of(alice))
