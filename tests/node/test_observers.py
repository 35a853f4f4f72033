"""Several observers: each hears everything, in order, and one that fails hurts nobody."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import INodeObserver, Observer, Observers
from p2pchat.speech import Sentence, use
from p2pchat.wire.messages import Pub, Send


class Oops(Exception):
    """A fault of an observer."""


class Recorder(Observer):
    """Writes down what it hears, under its name, in a list that it may share with others."""

    def __init__(self, name: str, heard: list[tuple[Any, ...]]) -> None:
        self.name = name
        self.heard = heard

    def note(self, *what: Any) -> None:
        self.heard.append((self.name, *what))

    def status_changed(self, peer: Peer) -> None:
        self.note("status_changed", peer)

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.note("received", peer, messages)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        self.note("delivered", peer_id, msg_id, seconds)

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        self.note("undelivered", peer_id, msg_id, reason)

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        self.note("received_late", peer, messages, said)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.note("received_unkept", peer, messages)

    def queued(self, peer_id: str, msg_id: str) -> None:
        self.note("queued", peer_id, msg_id)

    def past_known(self, unread: str) -> None:
        self.note("past_known", unread)

    def notice(self, sentence: str) -> None:
        self.note("notice", sentence)


class Failing(Recorder):
    def note(self, *what: Any) -> None:
        super().note(*what)
        raise Oops


class ObserversTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.observers = Observers()
        self.peer = Peer("bob@CIC")
        self.messages: list[Send | Pub] = [Send("i"), Pub("j")]

    def everything(self) -> list[tuple[Any, ...]]:
        """Tell of one event of each kind; returns what one observer should hear."""
        self.observers.status_changed(self.peer)
        self.observers.received(self.peer, self.messages)
        self.observers.delivered("bob@CIC", "i", 0.5)
        self.observers.undelivered("bob@CIC", "j", "no ACK")
        self.observers.received_late(self.peer, self.messages, [1.0, 2.0])
        self.observers.received_unkept(self.peer, self.messages)
        self.observers.queued("bob@CIC", "k")
        self.observers.past_known("2 unread")
        self.observers.notice("mind the gap")
        return [
            ("status_changed", self.peer),
            ("received", self.peer, self.messages),
            ("delivered", "bob@CIC", "i", 0.5),
            ("undelivered", "bob@CIC", "j", "no ACK"),
            ("received_late", self.peer, self.messages, [1.0, 2.0]),
            ("received_unkept", self.peer, self.messages),
            ("queued", "bob@CIC", "k"),
            ("past_known", "2 unread"),
            ("notice", "mind the gap"),
        ]

    def test_it_is_an_observer_itself(self) -> None:
        verifyObject(INodeObserver, self.observers)
        verifyObject(INodeObserver, Recorder("a", []))

    def test_an_observer_that_overrides_nothing_hears_in_silence(self) -> None:
        verifyObject(INodeObserver, Observer())
        self.observers.add(Observer())
        self.everything()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_who_is_no_observer_is_refused_at_once(self) -> None:
        whatever: Any = object()
        with self.assertRaises(TypeError) as caught:
            self.observers.add(whatever)
        self.assertIn("p2pchat.Observer", str(caught.exception))

    def test_nobody_listens(self) -> None:
        self.everything()
        self.assertEqual(self.heard, [])

    def test_all_hear_everything_in_the_order_in_which_they_came(self) -> None:
        for name in "ab":
            self.observers.add(Recorder(name, self.heard))
        events = self.everything()
        self.assertEqual(self.heard, [(name, *event) for event in events for name in "ab"])

    def test_sentences_are_told_as_text_in_the_language_of_the_person(self) -> None:
        use("pt_BR")
        self.addCleanup(use, "en")
        self.observers.add(Recorder("a", self.heard))
        sentence = Sentence("the disk does not answer")
        self.observers.notice(sentence)
        self.observers.remark(sentence)
        self.observers.undelivered("bob@CIC", "j", sentence)
        self.observers.past_known(sentence)
        told = "o disco não responde"
        self.assertEqual(
            self.heard,
            [
                ("a", "notice", told),
                ("a", "notice", told),
                ("a", "undelivered", "bob@CIC", "j", told),
                ("a", "past_known", told),
            ],
        )
        self.assertEqual({type(each[-1]) for each in self.heard}, {str})

    def test_who_knows_of_no_changes_hears_of_something_new(self) -> None:
        heard = self.heard

        class Old(Observer):
            def sent(self, to: str, text: str, msg_id: str, number: int) -> None:
                heard.append((to, text, msg_id, number))

        class New(Old):
            def sent_change(self, to: str, text: str, msg_id: str, number: int, of: str) -> None:
                heard.append((to, text, msg_id, number, of))

        for each in (Old(), New(), Observer()):
            self.observers.add(each)
        self.observers.sent_change("bob@CIC", "olá", "m", 7, "k")
        self.assertEqual(heard, [("bob@CIC", "olá", "m", 7), ("bob@CIC", "olá", "m", 7, "k")])
        New().sent_change("*", "x", "m", 0, "k")
        Old().sent_change("*", "y", "m", 0, "k")
        self.assertEqual(heard[2:], [("*", "x", "m", 0, "k"), ("*", "y", "m", 0)])

    def test_who_was_removed_hears_no_more(self) -> None:
        first, second = Recorder("a", self.heard), Recorder("b", self.heard)
        self.observers.add(first)
        self.observers.add(second)
        self.observers.remove(first)
        self.observers.notice("x")
        self.assertEqual(self.heard, [("b", "notice", "x")])

    def test_a_failure_hurts_nobody_else_and_is_logged_once_an_event(self) -> None:
        self.observers.add(Failing("bad", self.heard))
        self.observers.add(Recorder("good", self.heard))
        events = self.everything()
        self.assertEqual(
            self.heard, [(name, *event) for event in events for name in ("bad", "good")]
        )
        self.assertEqual(len(self.flushLoggedErrors(Oops)), len(events))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_an_observer_may_come_and_go_while_it_hears(self) -> None:
        late = Recorder("late", self.heard)

        class Leaving(Recorder):
            def note(recorder, *what: Any) -> None:
                super().note(*what)
                self.observers.remove(recorder)
                self.observers.add(late)

        self.observers.add(Leaving("leaving", self.heard))
        self.observers.add(Recorder("staying", self.heard))
        self.observers.notice("1")
        self.observers.notice("2")
        self.assertEqual(
            self.heard,
            [
                ("leaving", "notice", "1"),
                ("staying", "notice", "1"),
                ("staying", "notice", "2"),
                ("late", "notice", "2"),
            ],
        )
