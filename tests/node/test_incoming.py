"""What came for us: acknowledged, shown once, and told apart from repetitions."""

from __future__ import annotations

import sys

from p2pchat.logs.levels import set_level
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observer
from p2pchat.wire.messages import Pub, Send
from tests.support.fake_link import FakeLink
from tests.support.talking import TalkingTestCase


class DeliverTests(TalkingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.link = self.linked()
        peer = self.peers.get("bob@CIC")
        assert peer is not None
        self.peer = peer

    def deliver(self, *messages: Send | Pub, link: FakeLink | None = None) -> None:
        self.incoming.deliver(self.peer, link or self.link, [*messages])

    def shown(self) -> list[Send | Pub]:
        return [message for event in self.heard.events for message in event[2]]

    def test_acknowledged_and_shown(self) -> None:
        message = Send("i", "bob@CIC", "alice@CIC", "oi", True)
        self.deliver(message)
        self.assertEqual(self.link.acknowledged, ["i"])
        self.assertEqual(self.heard.events, [("received", "bob@CIC", [message])])

    def test_observers_are_told_on_which_link_it_came(self) -> None:
        second = self.linked()
        self.link.security, second.security = "verified", "encrypted"
        heard: list[tuple[str, str]] = []

        class Listener(Observer):
            def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
                heard.append((peer.security_of(), peer.security_of("ana@CIC")))

        self.incoming._observers.add(Listener())
        self.deliver(Send("i"))
        self.deliver(Send("j"), link=second)
        self.assertEqual(heard, [("verified", "plain"), ("encrypted", "plain")])
        self.assertIsNone(self.peer.heard_on, "nobody is being told any more")

    def test_what_asks_for_no_ack_gets_none(self) -> None:
        self.deliver(Send("i", payload="1"), Pub("j", dst="*", payload="2"))
        self.assertEqual((self.link.acknowledged, len(self.shown())), ([], 2))

    def test_the_same_again_is_acknowledged_again_and_shown_once(self) -> None:
        message = Send("i", "bob@CIC", "alice@CIC", "oi", True)
        for _ in range(3):
            self.deliver(message)
        self.deliver(message, message)
        self.assertEqual(self.link.acknowledged, ["i"] * 5)
        self.assertEqual((len(self.heard.events), self.shown()), (1, [message]))
        self.assertEqual(self.incoming.duplicates, 4)

    def test_a_pub_again_is_shown_once(self) -> None:
        for _ in range(3):
            self.deliver(Pub("i", "bob@CIC", "*", "oi"))
        self.assertEqual((len(self.shown()), self.incoming.duplicates), (1, 2))

    def test_the_answer_goes_by_the_link_that_the_message_came_by(self) -> None:
        second = self.linked()
        self.deliver(Send("i", require_ack=True), link=second)
        self.deliver(Send("i", require_ack=True))
        self.assertEqual((second.acknowledged, self.link.acknowledged), (["i"], ["i"]))
        self.assertEqual(len(self.shown()), 1)

    def test_the_same_id_of_another_peer_is_another_message(self) -> None:
        self.deliver(Send("i"))
        carol = self.linked("carol@CIC")
        peer = self.peers.get("carol@CIC")
        assert peer is not None
        self.incoming.deliver(peer, carol, [Send("i")])
        self.assertEqual([event[1] for event in self.heard.events], ["bob@CIC", "carol@CIC"])

    def test_the_same_id_with_another_text_is_acknowledged_and_shown_with_a_mark(self) -> None:
        false = Pub("i", "bob@CIC", "*", "falso")
        true = Send("i", "bob@CIC", "alice@CIC", "verdadeiro", True)
        for messages in ([false], [true], [true], [Send("j"), false, Pub("i", dst="*"), true]):
            self.deliver(*messages)
        said = [(it.payload, it.other_text, isinstance(it, Send)) for it in self.shown()]
        self.assertEqual(
            said,
            [
                ("falso", False, False),
                ("verdadeiro", True, True),
                ("", False, True),
                ("", True, False),
            ],
        )
        self.assertEqual(self.link.acknowledged, ["i"] * 3)
        self.assertEqual((self.incoming.duplicates, self.incoming.other_texts), (3, 2))

    def test_order_is_kept(self) -> None:
        messages: list[Send | Pub] = [Send(str(n)) if n % 2 else Pub(str(n)) for n in range(10)]
        self.deliver(*messages, messages[3])
        self.assertEqual(self.heard.events, [("received", "bob@CIC", messages)])

    def test_without_an_id_there_is_no_repetition_and_no_ack(self) -> None:
        for _ in range(2):
            self.deliver(Send(None, require_ack=True))
        self.assertEqual((len(self.shown()), self.link.acknowledged), (2, []))

    def test_an_empty_id_is_acknowledged_but_recognises_nothing(self) -> None:
        for _ in range(2):
            self.deliver(Send("", require_ack=True))
        self.assertEqual((len(self.shown()), self.link.acknowledged), (2, ["", ""]))

    def test_odd_ids_are_acknowledged_as_they_came_and_recognised(self) -> None:
        odd_ids: list[object] = [0, 7, -(10**30), 1.5, True, ["i", [1]], {"a": None}, "\ud800"]
        odd_ids += ["long " * 1000, ["long " * 1000], 10**4000]
        for msg_id in odd_ids:
            for _ in range(2):
                self.deliver(Send(msg_id, require_ack=True))
        twice = [msg_id for msg_id in odd_ids for _ in range(2)]
        self.assertEqual(self.link.acknowledged, twice)
        self.assertEqual([message.msg_id for message in self.shown()], odd_ids)
        self.assertEqual(self.incoming.duplicates, len(odd_ids))

    def test_long_ids_that_differ_at_their_end_are_different(self) -> None:
        self.deliver(Send("x" * 5000 + "1"), Send("x" * 5000 + "2"))
        self.assertEqual(len(self.shown()), 2)

    def test_long_ids_are_not_kept(self) -> None:
        self.deliver(Send("x" * 30_000), Send(["y" * 30_000]), Send("z" * 128))
        kept = self.seen._of_strangers._recent["bob@CIC"].ids
        self.assertEqual(len(kept), 3)
        for msg_id in kept:
            self.assertLess(sys.getsizeof(msg_id), 300)

    def test_the_oldest_ids_are_forgotten_beyond_the_limit(self) -> None:
        self.make(remembered_ids=10)
        self.setUpPeer()
        for n in range(1000):
            self.deliver(Pub(str(n)))
            self.assertLessEqual(len(self.seen), 10)
        self.deliver(Pub("0"), Pub("999"))
        self.assertEqual((len(self.shown()), self.incoming.duplicates), (1001, 1))

    def setUpPeer(self) -> None:
        self.link = self.linked()
        peer = self.peers.get("bob@CIC")
        assert peer is not None
        self.peer = peer

    def test_the_log_tells_every_message_at_debug_only(self) -> None:
        messages: list[Send | Pub] = [
            Send("1", dst="alice@CIC", payload="oi"),
            Pub("2", dst="#CIC", payload="olá"),
        ]
        self.deliver(*messages)
        self.assertEqual(self.logged(), [])
        set_level("DEBUG")
        self.deliver(*(type(it)("new " + it.msg_id, "", it.dst, it.payload) for it in messages))
        self.assertEqual(
            self.logged(), ["bob@CIC -> us: 2 characters", "bob@CIC -> #CIC: 3 characters"]
        )
        self.send("bob@CIC", "x", 1.0)
        self.acknowledged("id-1", 1.0321)
        self.assertEqual(self.logged()[3:], ["ACK from bob@CIC after 32.1 ms"])
