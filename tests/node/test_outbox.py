"""The outbox: order, the window, what goes out again, limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history.records import WAITING, Record
from p2pchat.node.outbox import Outbox, OutboxFullError, OwnMessage, Stage
from p2pchat.settings.values import HistorySettings
from tests.support.fake_link import FakeLink

WINDOW = 8
LINK = FakeLink()


def entry(number: int, to: str = "bob@CIC", at: float = 0.0) -> Record:
    return Record(number, to, "alice@CIC", f"m{number}", at, WAITING, f"text {number}")


def unsent(outbox: Outbox, number: int, to: str = "bob@CIC", at: float = 0.0) -> OwnMessage:
    """A message that waits for a link."""
    message = OwnMessage(entry(number, to, at))
    outbox.add(message)
    outbox.unsent(message)
    return message


def ids(messages: list[OwnMessage]) -> list[int]:
    return [each.entry.id for each in messages]


class OutboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.outbox = Outbox(
            HistorySettings(outbox_max_per_peer=100, outbox_max=150, outbox_ttl=60)
        )

    def add(self, *numbers: int, to: str = "bob@CIC") -> list[OwnMessage]:
        return [unsent(self.outbox, number, to) for number in numbers]

    def test_what_is_overdue_for_long_may_go_out_on_the_same_link(self) -> None:
        first, second = self.add(1, 2)
        for at, queued in enumerate((first, second)):
            self.outbox.sent(queued, LINK, 0.0)
            self.outbox.overdue(queued, [LINK], float(at))
        self.assertEqual(self.outbox.overdue_before(-1.0), [])
        self.assertEqual(self.outbox.overdue_before(0.5), [first])
        self.assertEqual(self.outbox.overdue_before(0.5), [], "once")
        self.outbox.send_again(first)
        self.assertTrue(first.again)
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1])
        self.outbox.take("m2")
        self.assertEqual(self.outbox.overdue_before(9.0), [])

    def test_in_order_a_few_at_a_time(self) -> None:
        self.add(*range(1, WINDOW + 4))
        due = self.outbox.due("bob@CIC", 8)
        self.assertEqual(ids(due), [*range(1, WINDOW + 1)])
        for queued in due:
            self.outbox.sent(queued, LINK, 0.0)
        self.assertEqual(self.outbox.due("bob@CIC", 8), [])
        self.outbox.take("m2")
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [WINDOW + 1])
        self.assertEqual(self.outbox.peers_behind, ["bob@CIC"])
        self.assertEqual(self.outbox.due("eva@CIC", 8), [])

    def test_what_is_overdue_blocks_nothing_and_waits_for_another_link(self) -> None:
        one, two = self.add(1, 2)
        self.outbox.sent(one, LINK, 0.0)
        self.outbox.sent(two, LINK, 0.0)
        self.outbox.overdue(one, [LINK], 0.0)
        self.assertEqual(self.outbox.due("bob@CIC", 8), [])
        self.assertFalse(self.outbox.is_behind("bob@CIC"))
        self.outbox.link_opened("bob@CIC")
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1])
        self.outbox.link_closed("bob@CIC", LINK)
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1, 2])
        self.assertTrue(self.outbox.is_behind("bob@CIC"))
        self.assertEqual(self.outbox.overdue_before(9.0), [])

    def test_what_no_link_took_waits_before_what_was_said_later(self) -> None:
        one, _, three = self.add(1, 2, 3)
        self.outbox.sent(one, LINK, 0.0)
        self.outbox.not_taken(one)
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1, 2, 3])
        self.assertIsNone(one.link)
        self.assertEqual((self.outbox.on_their_way, self.outbox.late(9.0)), (0, []))
        self.outbox.sent(three, LINK, 1.0)
        self.assertEqual(self.outbox.late(9.0), [three])

    def test_what_goes_out_again_has_its_time_from_the_start(self) -> None:
        one, two, three = self.add(1, 2, 3)
        for at, message in enumerate((one, two, three)):
            self.outbox.sent(message, LINK, float(at))
        self.outbox.sent(one, FakeLink(), 3.0)
        self.assertEqual(ids(self.outbox.late(1.0)), [2])
        self.assertEqual(ids(self.outbox.late(2.9)), [2, 3])
        self.assertEqual(ids(self.outbox.late(3.0)), [2, 3, 1])

    def test_the_past_comes_before_what_was_said_meanwhile(self) -> None:
        self.add(0)
        self.outbox.put_before([entry(1), entry(2, "eva@CIC")])
        self.assertEqual([each.msg_id for each in self.outbox], ["m1", "m2", "m0"])
        self.assertEqual([each.msg_id for each in self.outbox.due("bob@CIC", 8)], ["m1", "m0"])
        self.assertEqual([each.earlier for each in self.outbox], [True, True, False])
        self.assertEqual({each.stage for each in self.outbox}, {Stage.UNSENT})
        self.assertEqual([each.stored for each in self.outbox], [True, True, False])

    def test_only_what_went_out_on_a_link_goes_with_it(self) -> None:
        one, two, three, _ = self.add(1, 2, 3, 4)
        other = FakeLink()
        self.outbox.sent(one, LINK, 0.0)
        self.outbox.sent(two, other, 0.0)
        self.outbox.sent(three, LINK, 0.0)
        self.outbox.overdue(one, [LINK], 0.0)
        self.outbox.link_closed("bob@CIC", LINK)
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1, 3, 4])
        self.assertEqual((one.link, two.link), (None, other))
        self.assertIs(two.stage, Stage.ON_ITS_WAY)

    def test_taking_out(self) -> None:
        (one, two), (other,) = self.add(1, 2), self.add(3, to="eva@CIC")
        self.outbox.sent(two, LINK, 0.0)
        self.assertEqual([*self.outbox], [one, two, other])
        self.assertIs(self.outbox.get("m2"), two)
        self.assertIs(self.outbox.take("m2"), two)
        self.assertIsNone(self.outbox.take("m2"))
        self.assertIsNone(self.outbox.get("m2"))
        self.assertEqual(self.outbox.of_peer("bob@CIC"), [one])
        self.assertEqual(len(self.outbox), 2)

    def test_limits(self) -> None:
        self.add(*range(99))
        self.outbox.check_room("bob@CIC")
        self.add(99)
        error = self.assertRaises(OutboxFullError, self.outbox.check_room, "bob@CIC")
        self.assertEqual(str(error), "100 messages wait for [bob@CIC] already (/outbox lists them)")
        self.outbox.check_room("eva@CIC")
        self.add(*range(100, 150), to="eva@CIC")
        error = self.assertRaises(OutboxFullError, self.outbox.check_room, "zé@CIC")
        self.assertEqual(str(error), "150 messages wait already (/outbox lists them)")
        self.assertEqual(self.outbox.refused, 2)
        # What is on its way does not wait.
        first, *_ = self.outbox.due("bob@CIC", 8)
        self.outbox.sent(first, LINK, 0.0)
        self.outbox.check_room("bob@CIC")
        self.outbox.check_room("zé@CIC")
        self.outbox.overdue(first, [LINK], 5.0)
        self.assertRaises(OutboxFullError, self.outbox.check_room, "bob@CIC")

    def test_what_is_too_old(self) -> None:
        unsent(self.outbox, 1, at=100)
        self.outbox.sent(unsent(self.outbox, 2, at=120), LINK, 0.0)
        self.assertEqual(ids(self.outbox.too_old(lambda entry: 160 - entry.at)), [])
        self.assertEqual(ids(self.outbox.too_old(lambda entry: 161 - entry.at)), [1])
        self.outbox.take("m1")
        self.assertEqual(ids(self.outbox.too_old(lambda entry: 1e9 - entry.at)), [2])
        self.assertEqual(self.outbox.expired, 2)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["add", "send", "refuse", "ack", "overdue", "open", "lose", "cancel"]
                ),
                st.sampled_from(["bob@CIC", "eva@CIC"]),
                st.integers(0, 10),
            ),
            max_size=60,
        )
    )
    def test_whatever_happens_order_and_counts_hold(
        self, steps: list[tuple[str, str, int]]
    ) -> None:
        outbox = Outbox(HistorySettings(outbox_ttl=60))
        number, now = 0, 0.0
        for step, peer_id, which in steps:
            waiting, now = outbox.of_peer(peer_id), now + 1.0
            if step == "add":
                number += 1
                message = unsent(outbox, number, peer_id)
                if which % 2:
                    outbox.sent(message, LINK, now)
            elif step in ("send", "refuse"):
                for message in outbox.due(peer_id, 8):
                    outbox.sent(message, LINK, now)
                    if step == "refuse":
                        outbox.not_taken(message)
            elif step == "open":
                outbox.link_opened(peer_id)
            elif step == "lose":
                outbox.link_closed(peer_id, LINK)
            elif step == "overdue":
                for message in outbox.late(now - which):
                    outbox.overdue(message, [LINK], now)
            elif waiting:
                outbox.take(waiting[which % len(waiting)].msg_id)
            for each in ("bob@CIC", "eva@CIC"):
                waits = [q for q in outbox.of_peer(each) if q.stage is Stage.UNSENT]
                away = [q for q in outbox.of_peer(each) if q.stage is Stage.ON_ITS_WAY]
                expected = sorted(ids(waits))[: max(0, WINDOW - len(away))]
                self.assertEqual(ids(outbox.due(each, 8)), expected)
                self.assertEqual(outbox.is_behind(each), bool(waits))
            on_their_way = [q for q in outbox if q.stage is Stage.ON_ITS_WAY]
            self.assertEqual(outbox.on_their_way, len(on_their_way))
            times = [q.sent_at or 0.0 for q in outbox.late(now)]
            self.assertEqual((len(times), times), (len(on_their_way), sorted(times)))
            self.assertEqual({q.link for q in on_their_way} - {LINK}, set())
