"""The plain console: lines in, lines out, and what the end of the input means."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.table import COMMANDS
from p2pchat.console.plain.console import PlainConsole
from p2pchat.console.plain.screen import Screen
from p2pchat.node.observers import INodeObserver
from p2pchat.settings.values import PeerSettings, Settings
from p2pchat.wire.messages import ChangedSend, Pub, Send
from tests.support.consoles import FakeNode


class ConsoleCase(SynchronousTestCase):
    script = True
    watched = False
    stay = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.node = self.make_node()
        self.left: list[int] = []
        self.output = StringTransport()
        self.screen = Screen(self.clock)
        self.screen.connect(self.output)
        self.console = PlainConsole(
            self.node.real,
            self.clock,
            self.screen,
            on_leave=self.left.append,
            script=self.script,
            watched=self.watched,
            stay=self.stay,
        )
        self.console.start(self.output)
        self.clock.advance(0)
        self.greeting = self.shown()

    def tearDown(self) -> None:
        self.console.stop()
        self.clock.pump([1, 0, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make_node(self) -> FakeNode:
        return FakeNode(self.clock)

    def type(self, *lines: str | None) -> None:
        self.console.typed([*lines])

    def shown(self) -> list[str]:
        self.clock.advance(0)
        text: str = self.output.value().decode()
        self.output.clear()
        return text.splitlines()

    def observer(self) -> INodeObserver:
        return cast("INodeObserver", self.node.observers)


class ScriptTests(ConsoleCase):
    def test_the_greeting_says_who_and_where_we_are(self) -> None:
        self.assertRegex(self.greeting[0], r"^\* p2pchat \S+: ana@CIC, listening on port 4000$")
        self.assertEqual(self.greeting[1:], ["* rendezvous: rdv.example:8080"])

    def test_commands_and_answers(self) -> None:
        link = self.node.meets("bob@CIC")
        self.type("/msg bob@CIC olá 🙂", "/pub * x")
        self.assertEqual([message.payload for message in link.chat], ["olá 🙂", "x"])
        self.assertEqual(self.shown(), ["* [bob@CIC] is connected", "published to 1 peer"])

    def test_changes_aliases_and_who_is_away_or_ignored(self) -> None:
        link, lists = self.node.meets("bob@CIC"), self.node.lists
        bob = self.node.peers.get("bob@CIC")
        assert bob is not None
        lists.alias("mum", "bob@CIC", ())
        self.shown()
        change = ChangedSend("e", "bob@CIC", "ana@CIC", "hello", True, of="m")
        self.node.observers.changed(bob, change)
        self.node.observers.received(bob, [Send("n", "bob@CIC", "ana@CIC", "oi")])
        self.node.observers.away_changed(bob, "lunch")
        self.node.observers.away_changed(bob, "")
        lists.ignore("bob@CIC")
        self.node.loses(link)
        shown = ["[mum, edited] hello", "[mum] oi", "* [mum] is away: lunch", "* [mum] is back"]
        self.assertEqual(self.shown(), shown)

    def test_how_messages_came_where_links_are_encrypted(self) -> None:
        link = self.node.meets("bob@CIC")
        peer = self.node.peers.get("bob@CIC")
        assert peer is not None
        self.shown()
        message = Send("1", "bob@CIC", "ana@CIC", "oi")
        for encrypts, security, mark in (
            (False, "plain", ""),
            (True, "plain", "~"),
            (True, "encrypted", " "),
            (True, "verified", "+"),
        ):
            self.node.encrypts, link.security, peer.heard_on = encrypts, security, link
            self.observer().received(peer, [message])
            self.observer().received_late(peer, [message], [0.0])
            self.observer().received_unkept(peer, [message])
            peer.heard_on, link.security = None, "plain"  # what it is later does not count
            lines = self.shown()
            self.assertEqual(len(lines), 3)
            for line in lines:
                self.assertTrue(line.startswith(f"{mark}[bob@CIC"), (line, mark))

    def test_the_end_of_a_script_waits_for_its_acks(self) -> None:
        link = self.node.meets("bob@CIC")
        self.type("/msg bob@CIC hi")
        self.console.input_ended()
        self.assertEqual(self.left, [])
        self.node.acknowledge(link)
        self.assertEqual(self.left, [0])
        self.assertEqual(self.shown()[-1], "delivered to [bob@CIC] in 0.0 ms")

    def test_no_ack_makes_the_status_1(self) -> None:
        self.node.meets("bob@CIC")
        self.type("/msg bob@CIC hi")
        self.console.input_ended()
        self.clock.advance(5)
        self.node.outgoing.sweep(self.clock.seconds())
        self.assertEqual(self.left, [1])
        self.assertIn("no ACK within 5 s", self.shown()[-1])

    def test_what_a_bot_sends_is_not_shown(self) -> None:
        link = self.node.meets("bob@CIC")
        self.shown()
        self.node.send("bob@CIC", "from a bot")
        self.node.acknowledge(link)
        self.node.send("bob@CIC", "from a bot")
        self.node.gives_up_all()
        self.assertEqual(self.shown(), [])

    def test_a_long_line_is_refused(self) -> None:
        self.type(None)
        self.assertEqual(self.shown(), ["that line is too long: nothing was sent"])

    def test_messages_and_events(self) -> None:
        link = self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        self.observer().received(
            peer, [Send("1", "bob@CIC", "", "hi\x1b[2J"), Pub("2", "bob@CIC", "#CIC", "all")]
        )
        self.observer().notice("your name is in use\n")
        self.console.show("WARNING [Router] odd\x07")
        self.node.loses(link, said_bye=True)
        self.node.loses(self.node.meets("bob@CIC"))
        self.assertEqual(
            self.shown(),
            [
                "* [bob@CIC] is connected",
                "[bob@CIC] hi\\x1b[2J",
                "[bob@CIC -> #CIC] all",
                "* your name is in use\\n",
                "WARNING [Router] odd\\x07",
                "* [bob@CIC] has left",
                "* [bob@CIC] is connected",
                "* [bob@CIC] is disconnected",
            ],
        )

    def test_everything_is_shown_to_a_pipe(self) -> None:
        self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        for n in range(1000):
            self.observer().received(peer, [Send(str(n), "", "", str(n))])
        self.assertEqual(len(self.shown()), 1001)

    def test_an_attempt_that_fails_is_no_news(self) -> None:
        self.observer().status_changed(self.node.knows("bob@CIC"))
        self.assertEqual(self.shown(), [])

    def test_stopping_writes_what_is_still_to_be_seen_and_hears_no_more(self) -> None:
        self.node.meets("bob@CIC")
        self.type("/msg bob@CIC hi")
        self.node.gives_up_all()
        self.console.stop()
        self.assertIn("left before the ACK came", self.shown()[-1])
        self.node.meets("carol@CIC")
        self.assertEqual(self.shown(), [])
        self.node.observers.add(self.console)

    def test_nothing_is_formatted_that_nobody_can_see(self) -> None:
        self.screen.stopProducing()
        link = self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        self.observer().received(peer, [cast("Send", "this would fail if it were formatted")])
        self.type("/pub * hi")
        self.assertEqual((self.shown(), link.sent), ([], 1))


class WaitingScriptTests(ConsoleCase):
    def make_node(self) -> FakeNode:
        node = FakeNode(self.clock)
        self.looked: Deferred[None] = Deferred()
        node.presence.looked = self.looked
        node.mesh.dialing = True
        return node

    def test_a_script_needs_no_sleep(self) -> None:
        self.type("/msg bob@CIC hi")
        self.console.input_ended()
        self.assertEqual(self.output.producerState, "paused")
        self.looked.callback(None)
        self.clock.advance(1)
        link = self.node.meets("bob@CIC")
        self.node.mesh.dialing = False
        self.clock.advance(0.1)
        self.node.acknowledge(link)
        self.assertEqual((len(link.chat), self.left), (1, [0]))


class PersonTests(ConsoleCase):
    script = False
    watched = True

    def test_the_greeting_mentions_help(self) -> None:
        self.assertEqual(self.greeting[-1], "* /help for help")

    def test_the_end_of_input_leaves(self) -> None:
        self.console.input_ended()
        self.assertEqual(self.left, [0])

    def test_quit_leaves_with_status_0(self) -> None:
        self.type("/nonsense", "/quit")
        self.assertEqual(self.left, [0])

    def test_a_flood_is_cut_and_answers_are_not(self) -> None:
        self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        for n in range(1000):
            self.observer().received(peer, [Send(str(n), "", "", str(n))])
        self.type(*["/help"] * 100)
        shown = self.shown()
        self.assertIn("… 801 more messages (the log has them at DEBUG)", shown)
        self.assertEqual(len(shown), 1 + 200 + 100 * len(COMMANDS))

    def test_a_stopped_terminal_costs_nobody_anything(self) -> None:
        self.node.meets("bob@CIC")
        self.shown()
        peer = self.node.peers.connected()[0]
        assert self.output.producer is not None
        cast("Any", self.output.producer).pauseProducing()
        for n in range(10_000):
            self.observer().received(peer, [Send(str(n), "", "", "x" * 1000)])
            self.clock.advance(0)
        self.assertEqual(self.output.value(), b"")
        cast("Any", self.output.producer).resumeProducing()
        shown = self.shown()
        self.assertEqual((len(shown), shown[-1]), (200, "[bob@CIC] " + "x" * 1000))


class StayTests(ConsoleCase):
    stay = True

    def test_the_end_of_the_input_is_no_reason_to_leave(self) -> None:
        self.console.input_ended()
        self.observer().notice("still here")
        self.assertEqual(self.shown(), ["* still here"])
        self.assertEqual(self.left, [])


class InterfaceTests(ConsoleCase):
    def make_node(self) -> FakeNode:
        return FakeNode(self.clock, Settings(peer=PeerSettings(interface="10.1.2.3")))

    def test_the_greeting_names_the_interface(self) -> None:
        self.assertTrue(self.greeting[0].endswith("listening on port 4000 of 10.1.2.3"))
