"""What nobody has seen: one count for all who show something."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observer, Observers
from p2pchat.node.showing import unread_sentence
from p2pchat.node.unread import MOST, TOGETHER, Unread
from p2pchat.speech import use
from p2pchat.wire.messages import ChangedSend, Pub, Send


class Reads(Observer):
    """Notes what was read."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def read(self, conversation: str, upto: int) -> None:
        self.heard.append((conversation, upto))


class SentenceTests(SynchronousTestCase):
    def test_what_is_said_of_what_nobody_has_seen(self) -> None:
        self.addCleanup(use, "en")
        few, many = {"bob@C": 2, "*": 1}, {f"p{n}@C": 1 for n in range(30)}
        use("en")
        self.assertEqual(unread_sentence({}), "")
        self.assertEqual(
            unread_sentence(few), "not seen yet: 2 of bob@C, 1 of * (/history shows them)"
        )
        self.assertRegex(unread_sentence(many), r"1 of p1@C, .*, and \d+ more \(/history")
        use("pt_BR")
        self.assertEqual(
            unread_sentence(few), "ainda não lidas: 2 de bob@C, 1 de * (veja com /history)"
        )


class UnreadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.observers = Observers()
        self.reads = Reads()
        self.observers.add(self.reads)
        self.unread = Unread(self.observers, {"bob@C"}, "#C")

    def hear(self, *messages: Send | Pub, who: str = "bob@C") -> None:
        self.observers.received(Peer(who), [*messages])

    def test_where_it_belongs(self) -> None:
        self.hear(Send("1"), Pub("2", dst="#C"), Pub("3", dst="*"), Send("4"), Pub("5", dst="C"))
        self.assertEqual(self.unread.counts, {"bob@C": 2, "#C": 2, "*": 1})
        self.assertEqual(self.unread.of("bob@C"), 2)
        self.unread.seen("bob@C")
        self.unread.seen("bob@C")
        self.assertEqual(self.reads.heard, [("bob@C", 0)], "it is told when there was something")

    def test_a_change_is_not_one_more(self) -> None:
        self.hear(Send("1"))
        self.observers.changed(Peer("bob@C"), ChangedSend("2", of="1"))
        self.assertEqual(self.unread.counts, {"bob@C": 1})

    def test_who_has_it_open_sees_it(self) -> None:
        self.unread.open("screen", "bob@C")
        self.hear(Send("1"), Pub("2", dst="*"))
        self.assertEqual(self.unread.counts, {"*": 1})
        self.unread.open("screen", TOGETHER)
        self.hear(Send("1"), Pub("2", dst="*"))
        self.assertEqual(self.unread.counts, {"*": 1})
        self.unread.leave("screen")
        self.hear(Send("1"))
        self.assertEqual(self.unread.counts, {"*": 1, "bob@C": 1})

    def test_who_attends_has_seen_it_unless_somebody_is_elsewhere(self) -> None:
        self.unread.attend("console")
        self.hear(Send("1"))
        self.assertEqual(self.unread.counts, {})
        self.assertNotIn(self.unread, self.observers._observers, "it costs nothing")
        self.unread.open("page", "#C")
        self.hear(Send("1"), Pub("2", dst="#C"))
        self.assertEqual(self.unread.counts, {"bob@C": 1})
        self.unread.leave("page")
        self.hear(Send("1"))
        self.assertEqual(self.unread.counts, {"bob@C": 1})

    def test_strangers_take_no_place_from_us(self) -> None:
        for number in range(MOST + 5):
            self.hear(Send("1"), who=f"{number}@C")
        self.assertEqual((len(self.unread.counts), self.unread.left_out), (MOST, 5))
        self.hear(Send("1"), Pub("2", dst="#C"), Pub("3", dst="#other"))
        self.assertEqual(self.unread.of("bob@C"), 1)
        self.assertEqual(self.unread.of("#C"), 1)
        self.assertEqual(self.unread.of("#other"), 0)
        self.assertEqual(len(self.unread.counts), MOST)

    def test_what_is_deleted_is_not_unread(self) -> None:
        self.hear(Send("1"))
        self.observers.forgotten("bob@C")
        self.assertEqual(self.unread.counts, {})
