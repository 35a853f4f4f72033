"""The outbox: order, the window, what goes out again, limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from p2pchat.history.outbox import Outbox, OutboxFullError, Queued, Stage
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history.records import WAITING, Record
from p2pchat.settings.values import HistorySettings
from tests.support.fake_link import FakeLink

WINDOW = 8
LINK = FakeLink()


def entry(number: int, to: str = "bob@CIC", at: float = 0.0) -> Record:
    return Record(number, to, "alice@CIC", f"m{number}", at, WAITING, f"text {number}")


def ids(queued: list[Queued]) -> list[int]:
    return [each.entry.id for each in queued]


class OutboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.outbox = Outbox(
            HistorySettings(outbox_max_per_peer=100, outbox_max=150, outbox_ttl=60)
        )

    def add(self, *numbers: int, to: str = "bob@CIC") -> list[Queued]:
        return [self.outbox.add(entry(number, to)) for number in numbers]

    def test_what_is_overdue_for_long_may_go_out_on_the_same_link(self) -> None:
        first, second = self.add(1, 2)
        for at, queued in enumerate((first, second)):
            self.outbox.sent(queued, LINK)
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
            self.outbox.sent(queued, LINK)
        self.assertEqual(self.outbox.due("bob@CIC", 8), [])
        self.outbox.take("m2")
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [WINDOW + 1])
        self.assertEqual(self.outbox.peers_behind, ["bob@CIC"])
        self.assertEqual(self.outbox.due("eva@CIC", 8), [])

    def test_what_is_overdue_blocks_nothing_and_waits_for_another_link(self) -> None:
        one, two = self.add(1, 2)
        self.outbox.sent(one, LINK)
        self.outbox.sent(two, LINK)
        self.outbox.overdue(one, [LINK], 0.0)
        self.outbox.overdue(one, [LINK], 0.0)
        self.assertEqual(self.outbox.due("bob@CIC", 8), [])
        self.assertFalse(self.outbox.is_behind("bob@CIC"))
        self.outbox.link_opened("bob@CIC")
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1])
        self.outbox.link_closed("bob@CIC", LINK)
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1, 2])
        self.assertTrue(self.outbox.is_behind("bob@CIC"))
        self.outbox.overdue(one, [LINK], 0.0)
        self.assertIs(one.stage, Stage.UNSENT)

    def test_only_what_went_out_on_a_link_goes_with_it(self) -> None:
        one, two, three, _ = self.add(1, 2, 3, 4)
        other = FakeLink()
        self.outbox.sent(one, LINK)
        self.outbox.sent(two, other)
        self.outbox.sent(three, LINK)
        self.outbox.overdue(one, [LINK], 0.0)
        self.outbox.link_closed("bob@CIC", LINK)
        self.assertEqual(ids(self.outbox.due("bob@CIC", 8)), [1, 3, 4])
        self.assertEqual((one.link, two.link), (None, other))
        self.assertIs(two.stage, Stage.ON_ITS_WAY)

    def test_taking_out(self) -> None:
        (one, two), (other,) = self.add(1, 2), self.add(3, to="eva@CIC")
        self.outbox.sent(two, LINK)
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

    def test_what_is_too_old(self) -> None:
        self.outbox.add(entry(1, at=100))
        self.outbox.add(entry(2, at=120), Stage.ON_ITS_WAY)
        self.assertEqual(ids(self.outbox.too_old(160)), [])
        self.assertEqual(ids(self.outbox.too_old(161)), [1])
        self.assertEqual(ids(self.outbox.too_old(1e9)), [2])
        self.assertEqual((len(self.outbox), self.outbox.expired), (0, 2))
        self.assertEqual(self.outbox.peers_behind, [])

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["add", "send", "ack", "overdue", "open", "lose", "cancel"]),
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
        number = 0
        for step, peer_id, which in steps:
            waiting = outbox.of_peer(peer_id)
            if step == "add":
                number += 1
                outbox.add(entry(number, peer_id), [*Stage][which % 2])
            elif step == "send":
                for queued in outbox.due(peer_id, 8):
                    outbox.sent(queued, LINK)
            elif step == "open":
                outbox.link_opened(peer_id)
            elif step == "lose":
                outbox.link_closed(peer_id, LINK)
            elif waiting and step == "overdue":
                outbox.overdue(waiting[which % len(waiting)], [LINK], 0.0)
            elif waiting:
                outbox.take(waiting[which % len(waiting)].msg_id)
            for each in ("bob@CIC", "eva@CIC"):
                unsent = [q for q in outbox.of_peer(each) if q.stage is Stage.UNSENT]
                away = [q for q in outbox.of_peer(each) if q.stage is Stage.ON_ITS_WAY]
                expected = sorted(ids(unsent))[: max(0, WINDOW - len(away))]
                self.assertEqual(ids(outbox.due(each, 8)), expected)
                self.assertEqual(outbox.is_behind(each), bool(unsent))
