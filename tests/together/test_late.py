"""Messages that come late, wait, or could not be kept: on the wire, to observers, on the screen."""

from __future__ import annotations

import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.sent import SentMessages
from p2pchat.console.wording import message_lines, moment, said_note
from p2pchat.history.store import GATHER
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import NotSentError
from p2pchat.node.observers import Observer, Observers
from p2pchat.wire.codec import decode, encode
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    FEATURES,
    HISTORY,
    CatchUp,
    Hello,
    HelloOk,
    Pub,
    Said,
    Send,
    Unknown,
)
from p2pchat.wire.outputs import Extended, Remark, Transmit
from p2pchat.wire.session import Session
from p2pchat.wire.states import State
from tests.support.consoles import FakeNode
from tests.support.histories import HistoryCase
from tests.support.sessions import SessionTestCase, inbound

KEEPING = Identity.of("alice@CIC", "p2pchat/1", "ours", (*FEATURES, HISTORY))
SAID = Said("m1", "bob@CIC", "alice@CIC", "esperou", 1.79e9, True)
MISSED = Said("m2", "bob@CIC", "#CIC", "antes", 1.79e9)
ASKED = CatchUp("c1", "m0", 10, 60.0)


class SessionTests(SessionTestCase):
    def opened(self, me: Identity = KEEPING, **hello: Any) -> Session:
        session = inbound(me)
        self.answer = session.receive(Hello("bob@CIC", **hello), 0.0)[0]
        self.assertIs(session.state, State.OPEN)
        return session

    def assertIgnored(self, session: Session) -> None:
        for message in (SAID, MISSED, ASKED):
            (remark,) = session.receive(message, 1.0)
            assert isinstance(remark, Remark)
            self.assertEqual((remark.level, remark.kind), ("debug", "unexpected"))

    def test_both_keep_messages(self) -> None:
        session = self.opened(agent="p2pchat/2", features=(*FEATURES, HISTORY))
        self.assertTrue(session.keeps)
        for message in (SAID, MISSED, ASKED):
            self.assertEqual(session.receive(message, 1.0), [Extended(message)])
        session.leave("leaving", 1.0)
        self.assertEqual(session.receive(SAID, 1.0), [Extended(SAID)])

    def test_the_feature_proves_nothing_without_an_agent(self) -> None:
        session = self.opened(features=(*FEATURES, HISTORY))
        self.assertFalse(session.keeps)
        self.assertIgnored(session)

    def test_one_of_us_keeps_nothing(self) -> None:
        self.assertIgnored(self.opened(agent="p2pchat/2"))
        plain = Identity.of("alice@CIC", "p2pchat/1", "ours")
        self.assertIgnored(self.opened(plain, agent="p2pchat/2", features=(*FEATURES, HISTORY)))

    def test_a_plain_peer_hears_nothing_of_it(self) -> None:
        self.opened()
        assert isinstance(self.answer, Transmit)
        assert isinstance(self.answer.message, HelloOk)
        self.assertEqual(self.answer.message.features, FEATURES)
        self.opened(agent="p2pchat/2")
        assert isinstance(self.answer, Transmit)
        assert isinstance(self.answer.message, HelloOk)
        self.assertEqual(self.answer.message.features, (*FEATURES, HISTORY))

    def test_what_is_not_for_us(self) -> None:
        session = self.opened(agent="p2pchat/2", features=(HISTORY,))
        for message in (
            Said("m1", "bob@CIC", "eva@CIC", "x", 1.0, True),
            Said("m1", "bob@CIC", "#UnB", "x", 1.0),
            Said("m1", "bob@CIC", "#CIC", "x", 1.0, True),
            Said("m1", "bob@CIC", "alice@CIC", "x", 1.0, True, 0),
        ):
            (remark,) = session.receive(message, 1.0)
            assert isinstance(remark, Remark)
            self.assertEqual(remark.kind, "not for us")

    def test_before_hello(self) -> None:
        for message in (SAID, ASKED):
            session = inbound(KEEPING)
            session.receive(message, 0.0)
            self.assertIs(session.state, State.CLOSED)


class WireTests(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        for message in (SAID, MISSED, ASKED):
            self.assertEqual(decode(encode(message)), message)

    def test_what_is_wrong_is_ignored(self) -> None:
        for line in (
            b'{"type":"SAID","msg_id":"1","src":"a","dst":"b","payload":"x","said":"noon"}',
            b'{"type":"SAID"}',
            b'{"type":"CATCH_UP","msg_id":7}',
        ):
            self.assertIsInstance(decode(line), Unknown)


class Hearer(Observer):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.heard.append([message.payload for message in messages])


class KeenHearer(Hearer):
    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        self.heard.append(("late", said))

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.heard.append("unkept")

    def queued(self, peer_id: str, msg_id: str) -> None:
        self.heard.append(("queued", peer_id, msg_id))


class CountingHearer(Observer):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def past_known(self, unread: str) -> None:
        self.heard.append("past known")

    def notice(self, sentence: str) -> None:
        self.heard.append(sentence)


class Told(Observer):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def notice(self, sentence: str) -> None:
        self.heard.append(sentence)


class ObserverTests(SynchronousTestCase):
    def test_who_does_not_care_for_the_difference_hears_of_it_all_the_same(self) -> None:
        observers, plain, keen = Observers(), Hearer(), KeenHearer()
        observers.add(plain)
        observers.add(keen)
        bob = Peer("bob@CIC")
        observers.received_late(bob, [Pub("1", "", "*", "a")], [5.0])
        observers.received_unkept(bob, [Pub("2", "", "*", "b")])
        observers.queued("bob@CIC", "m1")
        self.assertEqual(plain.heard, [["a"], ["b"]])
        self.assertEqual(keen.heard, [("late", [5.0]), "unkept", ("queued", "bob@CIC", "m1")])

    def test_who_shows_what_is_unread_gets_no_sentence_about_it(self) -> None:
        observers, plain, counting = Observers(), Told(), CountingHearer()
        observers.add(plain)
        observers.add(counting)
        observers.past_known("")
        observers.past_known("not seen yet: 2 of bob@CIC")
        self.assertEqual(plain.heard, ["not seen yet: 2 of bob@CIC"])
        self.assertEqual(counting.heard, ["past known", "past known"])


class ScreenTests(SynchronousTestCase):
    def test_a_late_message_has_its_time(self) -> None:
        now = time.mktime((2026, 1, 31, 15, 0, 0, 0, 0, -1))
        self.assertEqual(moment(now - 3600, now), "14:00")
        self.assertEqual(moment(now - 86_400, now), "2026-01-30 15:00")
        said = said_note(now - 60, now)
        lines = message_lines(
            "bob@CIC", [Send("1", "bob@CIC", "", "a"), Pub("2", "eva@CIC", "#CIC", "b")], said
        )
        self.assertEqual(lines, ["[bob@CIC, said 14:59] a", "[bob@CIC (!) -> #CIC, said 14:59] b"])


class SentMessagesTests(HistoryCase):
    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.node = FakeNode(self.clock)
        self.node.send, self.node.peers = self.outgoing.send, self.peers
        self.sent = SentMessages(self.node.real)
        self.news: list[str] = []
        self.sent.on_news = lambda _news, line: self.news.append(line)

    def counts(self) -> tuple[int, int, int]:
        return self.sent.pending, self.sent.waiting, self.sent.failed

    def test_queued_then_late_and_then_delivered(self) -> None:
        self.peers.listed("bob@CIC")
        self.sent.send("bob@CIC", "oi")
        self.assertEqual(self.counts(), (1, 0, 0))
        self.clock.advance(GATHER)
        self.assertEqual(self.counts(), (0, 1, 0))
        self.linked()
        self.sweep(6)
        self.assertEqual(self.counts(), (0, 1, 0))
        self.wall += 60
        self.outgoing.acknowledged("bob@CIC", "m1")
        self.assertEqual(self.counts(), (0, 0, 0))
        self.assertEqual(
            self.news,
            [
                "queued: [bob@CIC] is not connected. The message is sent when it is (/outbox)",
                "not delivered to [bob@CIC]: no ACK within 5 s: it is kept, and sent again when a "
                'link opens ("oi")',
                'delivered to [bob@CIC]: "oi"',
            ],
        )

    def test_what_others_send_is_theirs(self) -> None:
        self.say("bob@CIC", "of a bot")
        self.clock.advance(GATHER)
        self.assertEqual((self.news, self.counts()), ([], (0, 0, 0)))

    def test_queued_for_somebody_unknown(self) -> None:
        self.sent.send("eva@CIC", "oi")
        self.clock.advance(GATHER)
        unknown = "queued: [eva@CIC] is not known here: check the name. "
        self.assertEqual(
            self.news, [f"{unknown}The message waits until that peer connects (/outbox)"]
        )

    def test_what_is_refused_is_not_counted(self) -> None:
        self.assertRaises(NotSentError, self.sent.send, "alice@CIC", "oi")
        self.assertEqual((self.news, self.counts()), ([], (0, 0, 0)))
        self.successResultOf(self.sent.settled())

    def test_it_is_settled_when_something_is_known_of_all(self) -> None:
        self.sent.send("eva@CIC", "oi")
        settled = self.sent.settled()
        self.assertNoResult(settled)
        self.outgoing.cancel([*self.outbox])
        self.successResultOf(settled)
        self.assertEqual(self.counts(), (0, 0, 1))
        self.assertEqual(self.news, ['not delivered to [eva@CIC]: cancelled ("oi")'])
