"""Commands: every row of the table, right and wrong, and the tables that they answer with."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat import logs
from p2pchat.commands import COMMANDS, Commands
from p2pchat.message_commands import scope_and_text
from p2pchat.outflow import Outflow
from p2pchat.peers import Status
from p2pchat.rendezvous.listing import Unreachable
from p2pchat.replies import Reply
from p2pchat.reports import duration, links_table, peers_table
from p2pchat.text import printable
from tests.consoles import ME, FakeNode, listing


class CommandCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.node = FakeNode(self.clock)
        self.commands = Commands(self.node.real, self.clock, lambda: 1_000_000_000.0)
        self.addCleanup(logs.set_level, logs.get_level())

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def reply(self, line: str) -> Reply:
        answer = self.commands.run(line)
        return self.successResultOf(answer) if isinstance(answer, Deferred) else answer

    def ask(self, line: str) -> Deferred[Reply]:
        answer = self.commands.run(line)
        assert isinstance(answer, Deferred)
        return answer

    def assertUsage(self, line: str) -> None:
        reply = self.reply(line)
        self.assertEqual(len(reply.lines), 1, line)
        self.assertTrue(reply.lines[0].startswith("usage: /"), reply.lines)
        self.assertFalse(reply.ok)


class TableTests(CommandCase):
    def test_wrong_use_gets_the_usage_line(self) -> None:
        for line in (
            "/peers CIC",
            "/peers * #CIC",
            "/msg",
            "/msg bob@CIC",
            "/msg bob@CIC ",
            "/msg bob@CIC   ",
            "/pub",
            "/pub *",
            "/pub * ",
            "/pub CIC hi",
            "/conn all",
            "/rtt bob@CIC",
            "/reconnect bob@CIC",
            "/log",
            "/log loud",
            "/quit now",
        ):
            self.assertUsage(line)

    def test_a_usage_line_names_its_command_and_arguments(self) -> None:
        self.assertEqual(self.reply("/msg").lines, ["usage: /msg <peer_id> <message>"])

    def test_text_is_not_sent(self) -> None:
        link = self.node.meets("bob@CIC")
        reply = self.reply("hello bob")
        self.assertIn("nothing was sent", reply.lines[0])
        self.assertEqual((len(reply.lines), reply.ok, link.lines), (1, False, []))

    def test_an_empty_line_does_nothing(self) -> None:
        for line in ("", " ", "\t "):
            self.assertEqual(self.reply(line), Reply())

    def test_an_unknown_command_gets_a_hint(self) -> None:
        for line, hint in (
            ("/peer", "there is no command /peer: did you mean /peers?"),
            ("/MGS bob@CIC hi", "there is no command /MGS: did you mean /msg?"),
            ("/xyzzy", "there is no command /xyzzy: /help lists them all"),
            ("/", "there is no command /: /help lists them all"),
            ("/help peer", "there is no command /peer: did you mean /peers?"),
        ):
            reply = self.reply(line)
            self.assertEqual((reply.lines, reply.ok), ([hint], False))

    def test_names_are_case_insensitive_and_white_space_is_tolerated(self) -> None:
        for line in ("/QUIT", "  /quit", "/Quit  ", "\t/quit"):
            self.assertEqual(self.reply(line), Reply(leave=True))

    def test_help_lists_every_command(self) -> None:
        lines = self.reply("/help").lines
        self.assertEqual(len(lines), len(COMMANDS))
        for command, line in zip(COMMANDS, lines, strict=True):
            self.assertTrue(line.startswith(command.usage))
            self.assertTrue(line.endswith(command.summary))

    def test_help_of_one_command(self) -> None:
        for line in ("/help msg", "/HELP /MSG"):
            self.assertEqual(
                self.reply(line).lines,
                ["/msg <peer_id> <message>: send to one peer, and tell when it arrived"],
            )

    def test_log_sets_the_level(self) -> None:
        reply = self.reply("/log debug ")
        self.assertEqual((reply.lines, logs.get_level()), (["the log's level is DEBUG"], "DEBUG"))
        self.assertIn("it is DEBUG now", self.reply("/log").lines[0])
        self.assertIn("expected one of DEBUG", self.reply("/log x").lines[0])

    def test_reconnect_tells_how_many(self) -> None:
        for absent, text in (
            (0, "there is nobody to dial"),
            (1, "dialing 1 peer"),
            (2, "dialing 2 peers"),
        ):
            self.node.mesh.absent = absent
            self.assertEqual(self.reply("/reconnect").lines, [text])

    @given(st.text())
    def test_no_line_raises_and_every_reply_is_printable(self, text: str) -> None:
        for line in (text, f"/{text}", f"/msg {text}", f"/pub {text}", f"/help {text}"):
            answer = self.commands.run(line)
            if not isinstance(answer, Deferred):
                self.assertEqual([*answer.lines], [*map(printable, answer.lines)])


class MsgTests(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.link = self.node.meets("bob@CIC")

    def sent(self, line: str) -> str:
        self.assertEqual(self.reply(line).ok, True)
        return self.link.lines[-1].payload

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
        self.assertEqual(self.reply("/msg bob@CIC hi"), Reply([]))
        self.assertEqual(self.commands.outbox.pending, 1)
        msg_id = str(self.link.lines[-1].msg_id)
        self.assertEqual(
            self.commands.outbox.delivered("bob@CIC", msg_id, 0.0123),
            "delivered to bob@CIC in 12.3 ms",
        )
        self.assertEqual(self.commands.outbox.pending, 0)

    def test_a_missing_ack_is_told_with_the_beginning_of_the_text(self) -> None:
        self.reply("/msg bob@CIC \x1b" + "x" * 100)
        msg_id = str(self.link.lines[-1].msg_id)
        line = self.commands.outbox.undelivered("bob@CIC", msg_id, "no ACK within 5 s")
        self.assertEqual(
            line, 'not delivered to bob@CIC: no ACK within 5 s ("\\x1b' + "x" * 38 + '…")'
        )
        self.assertEqual(self.commands.outbox.pending, 0)

    def test_what_is_queued_says_what_it_waits_for(self) -> None:
        self.node.knows("carol@CIC")
        for peer_id, why in (
            ("bob@CIC", "bob@CIC gets it after what waits already"),
            ("carol@CIC", "carol@CIC is not connected, and gets it when it is"),
            ("eva@CIC", "no such peer here yet: eva@CIC (is that its name?)."),
        ):
            self.reply("/msg bob@CIC hi")
            msg_id = str(self.link.lines[-1].msg_id)
            line = self.commands.outbox.queued(peer_id, msg_id)
            self.assertIn(f"queued: {why}", line or "")

    def test_what_others_sent_through_the_node_is_not_ours(self) -> None:
        msg_id = self.node.send("bob@CIC", "from a bot")
        self.assertIsNone(self.commands.outbox.delivered("bob@CIC", msg_id, 0.1))
        self.assertIsNone(self.commands.outbox.undelivered("bob@CIC", msg_id, "no ACK"))

    def test_what_cannot_be_sent_is_told(self) -> None:
        self.node.knows("carol@CIC", Status.STALE)
        for line, why in (
            ("/msg nobody@CIC hi", "no such peer: nobody@CIC"),
            ("/msg nobody hi", "no such peer: nobody"),
            ("/msg carol@CIC hi", "no link to carol@CIC: it is STALE"),
            (f"/msg {ME} hi", "that is yourself"),
            ("/msg bob@CIC " + "x" * 40_000, "the message is too long"),
        ):
            reply = self.reply(line)
            self.assertFalse(reply.ok)
            self.assertIn(f"not sent: {why}", reply.lines[0])
        self.assertEqual(self.commands.outbox.pending, 0)

    def test_a_bare_name_that_one_peer_has_is_enough(self) -> None:
        reply = self.reply("/msg bob hi")
        self.assertEqual((reply.lines, reply.ok), (["bob is bob@CIC"], True))
        self.assertEqual(self.link.lines[-1].dst, "bob@CIC")

    def test_an_ambiguous_name_is_not_sent(self) -> None:
        self.node.knows("bob@UnB")
        reply = self.reply("/msg bob hi")
        self.assertEqual(reply.lines, ["not sent: bob may be any of bob@CIC, bob@UnB"])
        self.assertEqual((reply.ok, self.link.lines), (False, []))
        for n in range(10):
            self.node.knows(f"bob@n{n}")
        self.assertTrue(self.reply("/msg bob hi").lines[0].endswith(", ..."))

    def test_a_known_name_may_hold_spaces(self) -> None:
        link = self.node.meets("Maria da Silva@CIC")
        self.node.knows("Maria da@CIC")
        self.assertTrue(self.reply("/msg Maria da Silva@CIC oi, tudo bem?").ok)
        self.assertEqual(link.lines[-1].payload, "oi, tudo bem?")
        self.assertFalse(self.reply("/msg Maria nobody@CIC hi").ok)


class PubTests(CommandCase):
    def test_it_tells_to_how_many(self) -> None:
        bob = self.node.meets("bob@CIC")
        for line, text in (
            ("/pub * hi", "published to 1 peer"),
            ("/PUB #CIC hi", "published to 1 peer"),
            ("/pub #UnB hi", "published to 0 peers: nobody is connected in #UnB"),
        ):
            reply = self.reply(line)
            self.assertEqual((reply.lines, reply.ok), ([text], True))
        self.assertEqual([message.dst for message in bob.lines], ["*", "#CIC"])
        self.assertEqual(self.commands.published, 2)
        self.node.meets("carol@CIC")
        self.assertEqual(self.reply("/pub * hi").lines, ["published to 2 peers"])

    def test_nobody_at_all(self) -> None:
        self.assertEqual(
            self.reply("/pub * hi").lines, ["published to 0 peers: nobody is connected"]
        )
        self.assertEqual(self.commands.published, 0)

    def test_the_message_is_verbatim(self) -> None:
        bob = self.node.meets("bob@CIC")
        self.reply("/pub *  a  b ")
        self.assertEqual(bob.lines[-1].payload, " a  b ")

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
                    self.assertEqual((bob.lines[-1].dst, bob.lines[-1].payload), (scope, payload))
                else:
                    self.assertEqual(bob.lines, [])
                    self.assertTrue(said.endswith(f"nobody is connected in {scope}"), said)
                rest = line.removeprefix("/pub ")
                self.assertEqual(
                    scope_and_text(rest, self.node.me.peer_id, self.node.peers), (scope, payload)
                )

    def test_our_own_namespace_may_hold_spaces(self) -> None:
        self.assertEqual(scope_and_text("#my own x y", "me@my own", ()), ("#my own", "x y"))

    def test_a_peer_that_does_not_keep_up_is_told(self) -> None:
        self.node.meets("bob@CIC").full = True
        self.node.turn.crowded.add(Outflow(self.node.turn, lambda _: None, 0))
        reply = self.reply("/pub * hi")
        self.assertEqual(reply.lines, ["published to 0 peers, not to 1 that did not keep up"])
        self.assertFalse(reply.ok)

    def test_what_cannot_be_published_is_told(self) -> None:
        for line in ("/pub # hi", "/pub *x hi", "/pub * " + "x" * 40_000):
            reply = self.reply(line)
            self.assertFalse(reply.ok)
            self.assertIn("not published: ", reply.lines[0])


class PeersTests(CommandCase):
    def test_it_asks_now_and_lists_one_row_a_peer(self) -> None:
        self.node.meets("bob@CIC")
        self.node.meets("zoe@UnB", outbound=False)
        self.node.knows("gone@CIC", Status.STALE)
        answer = self.ask("/peers")
        self.assertNoResult(answer)
        self.node.presence.asked[0].callback(
            [
                listing("bob@CIC", 4001, expires_in=50),
                listing("bob@CIC", 4002, expires_in=20),
                listing(ME),
                listing("日本@CIC", 4003, ip="::1"),
                listing("\x1b[2J@CIC", 4004),
            ]
        )
        self.assertEqual(
            self.successResultOf(answer).lines,
            [
                "peer_id      address         status",
                "\\x1b[2J@CIC  10.0.0.1:4004   UNKNOWN",
                "bob@CIC      10.0.0.1:4001   CONNECTED",
                "zoe@UnB      10.0.0.9:40000  CONNECTED (not listed)",
                "日本@CIC     [::1]:4003      UNKNOWN",
            ],
        )

    def test_a_namespace_narrows_it_down(self) -> None:
        answer = self.ask("/peers #UnB")
        self.node.presence.asked[0].callback([listing("bob@CIC"), listing("zoe@UnB")])
        lines = self.successResultOf(answer).lines
        self.assertEqual([line.split()[0] for line in lines], ["peer_id", "zoe@UnB"])

    def test_nobody(self) -> None:
        for line, text in (("/peers", "no other peers"), ("/peers #X", "no other peers in #X")):
            answer = self.ask(line)
            self.node.presence.asked[-1].callback([listing(ME)])
            self.assertEqual(self.successResultOf(answer).lines, [text])

    def test_without_the_rendezvous_it_lists_what_is_known(self) -> None:
        self.node.meets("bob@CIC")
        self.node.knows("carol@CIC", Status.STALE).addresses = (("10.0.0.3", 4000),)
        self.node.knows("dan@CIC")
        answer = self.ask("/peers")
        self.node.presence.asked[0].errback(Unreachable("no \x1b[1manswer"))
        self.assertEqual(
            self.successResultOf(answer).lines,
            [
                "the rendezvous could not be asked: no \\x1b[1manswer",
                "what is known:",
                "peer_id    address         status",
                "bob@CIC    10.0.0.9:40000  CONNECTED",
                "carol@CIC  10.0.0.3:4000   STALE",
                "dan@CIC    -               UNKNOWN",
            ],
        )

    def test_a_fault_is_not_taken_for_an_answer(self) -> None:
        answer = self.ask("/peers")
        self.node.presence.asked[0].errback(ZeroDivisionError())
        self.failureResultOf(answer, ZeroDivisionError)

    def test_combining_characters_take_no_column(self) -> None:
        rows = peers_table([listing("e\u0301@C"), listing("ab@C")], [], ME, None).lines()
        self.assertEqual([line.index("10.") for line in rows[1:]], [9, 10])


class LinkTests(CommandCase):
    def test_conn_lists_the_links(self) -> None:
        self.assertEqual(self.reply("/conn").lines, ["no links"])
        self.node.meets("bob@CIC", outbound=False)
        self.clock.advance(65)
        link = self.node.meets("bob@CIC")
        link.sent, link.received = 1234, 5
        head, *rows = self.reply("/conn").lines
        self.assertEqual(head.split(), ["peer_id", "direction", "since", "in", "out"])
        self.assertRegex(rows[0], r"^bob@CIC  inbound    \d\d:\d\d:\d\d \(1 min\)  0   0$")
        self.assertRegex(rows[1], r"^bob@CIC  outbound   \d\d:\d\d:\d\d \(0 s\)    5   1,234$")

    def test_an_old_link_has_a_date(self) -> None:
        self.node.meets("bob@CIC")
        rows = links_table(self.node.peers.connected(), 90_000, 1_000_000_000).lines()
        self.assertTrue(re.search(r"2001-09-0\d \d\d:\d\d \(1 d 1 h\)", rows[1]), rows[1])

    def test_durations(self) -> None:
        for seconds, text in (
            (0.9, "0 s"),
            (59.9, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (200_000, "2 d 7 h"),
        ):
            self.assertEqual(duration(seconds), text)

    def test_rtt_shows_average_minimum_last_and_samples(self) -> None:
        self.node.meets("bob@CIC")
        bob = self.node.peers.connected()[0]
        for seconds in (0.010, 0.020, 0.0301):
            bob.add_round_trip(seconds)
        head, row = self.reply("/rtt").lines
        self.assertEqual(row.split(), ["bob@CIC", "20.0", "10.0", "30.1", "10.0", "20.0", "30.1"])
        self.assertIn("samples", head)

    def test_rtt_pings_who_has_no_sample_and_waits_for_the_pong(self) -> None:
        self.node.knows("dan@CIC")
        link = self.node.meets("bob@CIC")
        answer = self.ask("/rtt")
        self.assertEqual(link.pings, 1)
        self.clock.advance(0.1)
        self.assertNoResult(answer)
        self.node.peers.connected()[0].add_round_trip(0.1)
        self.clock.advance(0.1)
        lines = self.successResultOf(answer).lines
        self.assertEqual(lines[1].split(), ["bob@CIC", "100.0", "100.0", "100.0", "100.0"])
        self.assertEqual(len(lines), 2)

    def test_rtt_waits_for_a_second_at_most(self) -> None:
        self.node.meets("bob@CIC")
        answer = self.ask("/rtt")
        self.clock.pump([0.02] * 51)
        lines = self.successResultOf(answer).lines
        self.assertEqual(lines[1].split(), ["bob@CIC", "-", "-", "-", "no", "answer", "yet"])

    def test_rtt_of_nobody(self) -> None:
        self.assertEqual(self.reply("/rtt").lines, ["no links, and no round-trip times"])

    def test_rtt_does_not_wait_for_who_has_left(self) -> None:
        link = self.node.meets("bob@CIC")
        answer = self.ask("/rtt")
        self.node.loses(link)
        self.clock.advance(0.02)
        self.assertEqual(self.successResultOf(answer).lines, ["no links, and no round-trip times"])


class ReadinessTests(CommandCase):
    def test_which_lines_need_peers(self) -> None:
        self.node.meets("bob@CIC")
        for line, at_once in (
            ("/help", True),
            ("/log debug", True),
            ("/quit", True),
            ("hello", True),
            ("", True),
            ("/nonsense", True),
            ("/msg bob@CIC hi", True),
            ("/msg carol@CIC hi", False),
            ("/msg bob hi", False),
            ("/pub * hi", False),
            ("/peers", False),
            ("/conn", False),
            ("/rtt", False),
            ("/reconnect", False),
        ):
            self.assertEqual(self.commands.may_run(line), at_once, line)
