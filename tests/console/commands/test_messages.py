"""What is said: /msg and what became of it, /pub and to how many."""

from __future__ import annotations

from p2pchat.console.commands.messages import scope_and_text
from p2pchat.console.replies import Reply
from p2pchat.mesh.link.send_queue import SendQueue
from p2pchat.mesh.peers import Status
from tests.support.consoles import ME
from tests.support.typed_commands import CommandCase


class MsgTests(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.link = self.node.meets("bob@CIC")
        self.news: list[str] = []
        self.commands.sent.on_news = lambda _news, line: self.news.append(line)

    def sent(self, line: str) -> str:
        self.assertEqual(self.reply(line).ok, True)
        return self.link.chat[-1].payload

    def test_the_message_is_everything_after_one_space(self) -> None:
        for line, payload in (
            ("/msg bob@CIC hi", "hi"),
            ("/msg bob@CIC  two  spaces ", " two  spaces "),
            ("  /MSG   bob@CIC hi", "hi"),
            ("/msg bob@CIC /quit", "/quit"),
            ("/msg bob@CIC\thi", "hi"),
            ("/msg bob@CIC olá 🙂", "olá 🙂"),
        ):
            self.assertEqual(self.sent(line), payload)

    def test_delivery_is_told_with_its_time(self) -> None:
        self.assertEqual(self.reply("/msg bob@CIC hi"), Reply())
        self.assertEqual(self.commands.sent.pending, 1)
        self.clock.advance(0.0123)
        self.node.acknowledge(self.link)
        self.assertEqual(self.news, ["delivered to [bob@CIC] in 12.3 ms"])
        self.assertEqual(self.commands.sent.pending, 0)

    def test_a_missing_ack_is_told_with_the_beginning_of_the_text(self) -> None:
        self.reply("/msg bob@CIC \x1b" + "x" * 100)
        self.node.outgoing.sweep(5.0)
        why = "not delivered to [bob@CIC]: no ACK within 5 s"
        self.assertEqual(self.news, [f'{why} ("\\x1b' + "x" * 38 + '…")'])
        self.assertEqual(self.commands.sent.pending, 0)

    def test_what_others_sent_through_the_node_is_not_ours(self) -> None:
        self.node.send("bob@CIC", "from a bot")
        self.node.acknowledge(self.link)
        self.node.send("bob@CIC", "from a bot")
        self.node.outgoing.sweep(5.0)
        self.assertEqual(self.news, [])
        self.assertEqual(self.commands.sent.failed, 0)

    def test_what_cannot_be_sent_is_told(self) -> None:
        self.node.knows("carol@CIC", Status.STALE)
        for line, why in (
            ("/msg nobody@CIC hi", "no such peer: [nobody@CIC]"),
            ("/msg nobody hi", "no such peer: [nobody]"),
            ("/msg carol@CIC hi", "no link to [carol@CIC]: it is STALE"),
            (f"/msg {ME} hi", "that is yourself"),
            ("/msg bob@CIC " + "x" * 40_000, "the message is too long"),
        ):
            reply = self.reply(line)
            self.assertFalse(reply.ok)
            self.assertIn(f"not sent: {why}", reply.lines[0])
        self.assertEqual(self.commands.sent.pending, 0)

    def test_a_bare_name_that_one_peer_has_is_enough(self) -> None:
        reply = self.reply("/msg bob hi")
        self.assertEqual((reply.lines, reply.ok), (["[bob] is [bob@CIC]"], True))
        self.assertEqual(self.link.chat[-1].dst, "bob@CIC")

    def test_an_ambiguous_name_is_not_sent(self) -> None:
        self.node.knows("bob@UnB")
        reply = self.reply("/msg bob hi")
        self.assertEqual(reply.lines, ["not sent: [bob] may be any of [bob@CIC], [bob@UnB]"])
        self.assertEqual((reply.ok, self.link.chat), (False, []))
        for n in range(10):
            self.node.knows(f"bob@n{n}")
        self.assertTrue(self.reply("/msg bob hi").lines[0].endswith(", ..."))

    def test_a_known_name_may_hold_spaces(self) -> None:
        link = self.node.meets("Maria da Silva@CIC")
        self.node.knows("Maria da@CIC")
        self.assertTrue(self.reply("/msg Maria da Silva@CIC oi, tudo bem?").ok)
        self.assertEqual(link.chat[-1].payload, "oi, tudo bem?")
        self.assertFalse(self.reply("/msg Maria nobody@CIC hi").ok)


class PubTests(CommandCase):
    def test_it_tells_to_how_many(self) -> None:
        bob = self.node.meets("bob@CIC")
        for line, text in (
            ("/pub * hi", "published to 1 peer"),
            ("/PUB #CIC hi", "published to 1 peer"),
            ("/pub #UnB hi", "published to 0 peers: nobody is connected in [#UnB]"),
        ):
            reply = self.reply(line)
            self.assertEqual((reply.lines, reply.ok), ([text], True))
        self.assertEqual([message.dst for message in bob.chat], ["*", "#CIC"])
        self.assertEqual(self.commands.published, 2)
        self.node.meets("carol@CIC")
        self.assertEqual(self.reply("/pub * hi").lines, ["published to 2 peers"])

    def test_who_is_not_looked_for(self) -> None:
        self.node.meets("bob@CIC")
        self.node.presence.registered_in_all = 10_000
        self.assertEqual(
            self.reply("/pub * hi").lines,
            [
                "published to 1 peer (of other namespaces than [#CIC], only those that are linked "
                "already)"
            ],
        )
        self.assertEqual(self.reply("/pub #CIC hi").lines, ["published to 1 peer"])

    def test_nobody_at_all(self) -> None:
        self.assertEqual(
            self.reply("/pub * hi").lines, ["published to 0 peers: nobody is connected"]
        )
        self.assertEqual(self.commands.published, 0)

    def test_the_message_is_verbatim(self) -> None:
        bob = self.node.meets("bob@CIC")
        self.reply("/pub *  a  b ")
        self.assertEqual(bob.chat[-1].payload, " a  b ")

    def test_a_known_namespace_may_hold_spaces(self) -> None:
        bob = self.node.meets("bob@two words")
        self.node.knows("carol@two words more", Status.STALE)
        for line, scope, payload in (
            ("/pub #two words x", "#two words", "x"),
            ("/pub #two words  x ", "#two words", " x "),
            ("/pub #two words more or less", "#two words more", "or less"),
            ("/pub #two words more ", "#two words", "more "),
            ("/pub #two words", "#two", "words"),
            ("/pub #two wordsx y", "#two", "wordsx y"),
            ("/pub #two  words x", "#two", " words x"),
            ("/pub #CIC two words", "#CIC", "two words"),
            ("/pub * #two words x", "*", "#two words x"),
        ):
            with self.subTest(line=line):
                bob.lines.clear()
                (said,) = self.reply(line).lines
                if scope in ("*", "#two words"):
                    self.assertEqual((bob.chat[-1].dst, bob.chat[-1].payload), (scope, payload))
                else:
                    self.assertEqual(bob.lines, [])
                    self.assertTrue(said.endswith(f"nobody is connected in [{scope}]"), said)
                rest = line.removeprefix("/pub ")
                self.assertEqual(
                    scope_and_text(rest, self.node.me.peer_id, self.node.peers), (scope, payload)
                )

    def test_our_own_namespace_may_hold_spaces(self) -> None:
        self.assertEqual(scope_and_text("#my own x y", "me@my own", ()), ("#my own", "x y"))

    def test_a_peer_that_does_not_keep_up_is_told(self) -> None:
        self.node.meets("bob@CIC").takes = False
        self.node.batch.crowded.add(SendQueue(self.node.batch, lambda _: None, 0))
        reply = self.reply("/pub * hi")
        self.assertEqual(reply.lines, ["published to 0 peers, not to 1 that did not keep up"])
        self.assertFalse(reply.ok)

    def test_what_cannot_be_published_is_told(self) -> None:
        for line in ("/pub # hi", "/pub *x hi", "/pub * " + "x" * 40_000):
            reply = self.reply(line)
            self.assertFalse(reply.ok)
            self.assertIn("not published: ", reply.lines[0])
