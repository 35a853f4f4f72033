"""The full console and earlier sessions: what was said then, and what of it is unread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail

from p2pchat.history.database import Database
from p2pchat.history.durable import DurableHistory
from p2pchat.history.reading import Reader
from p2pchat.history.records import HistoryError, Record
from p2pchat.history.storage import Storage
from p2pchat.node.node import ChatNode, MakeHistory
from p2pchat.settings.values import HistorySettings, LimitSettings, Settings
from p2pchat.testing.network import FakeHost
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds
from tests.support.histories import SteppedThread
from tests.support.terminals import MISSING, ConsoleCase

ALT_A = "\x1ba"
A_WHILE = 3.0


class EarlierCase(ConsoleCase):
    """A console at a node that keeps messages, and can be killed and started again."""

    def setUp(self) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        self.path = str(folder / "alice.sqlite")
        self.databases: list[Database] = []
        self.at_once = True
        super().setUp()

    def close(self) -> None:
        super().close()
        for database in self.databases:
            database.close()

    def make_alice(self) -> ChatNode:
        host = self.town.network.host(f"10.0.1.{len(self.town.network.hosts) + 1}")
        settings = Settings(limits=LimitSettings(peer_rate=0))
        return self.town.node(
            "alice@CIC",
            ip=host.ip,
            settings=settings,
            make_history=self.maker(host),
            wall=lambda: self.now,
        )

    def maker(self, host: FakeHost) -> MakeHistory:
        def make(own_id: str, seen: RecentIds) -> DurableHistory:
            def database() -> Database:
                self.databases.append(Database(self.path))
                return self.databases[-1]

            self.writing = SteppedThread(at_once=self.at_once)
            self.reading = SteppedThread()
            storage = Storage(
                writing=self.writing,
                make_database=database,
                reading=self.reading,
                make_reader=lambda: Reader(self.path),
                wall=lambda: self.now,
            )
            return DurableHistory(host, own_id, HistorySettings(), seen, storage)

        return make

    @property
    def kept(self) -> DurableHistory:
        assert self.alice.history is not None
        return self.alice.history

    def leave(self) -> None:
        """What /quit does."""
        self.town.leave(self.alice)
        self.stop()

    def kill(self) -> None:
        """What kill -9 does."""
        self.stop()
        self.town.kill(self.alice)

    def start(self) -> None:
        """A new process of the same person."""
        self.alice = self.make_alice()
        self.open_console()
        self.town.run_until_meshed()
        self.run_for(1)

    def restart(self) -> None:
        self.leave()
        self.start()

    def said(self) -> list[str]:
        """The messages in the pane, without what the console says by itself."""
        return [row for row in self.messages if row.startswith("[")]


class PastTests(EarlierCase):
    skip = MISSING or None

    def test_the_first_screen_shows_what_was_said_before(self) -> None:
        self.hear("bob", "olá, ação ✓ 🎉")
        self.type("/msg bob@CIC tudo bem?\r")
        self.hear("carol", "para todos", "*")
        self.type("/pub #CIC nós\r")
        self.restart()
        self.assertEqual(
            self.said(),
            [
                "[bob@CIC] olá, ação ✓ 🎉",
                "[-> bob@CIC] tudo bem? ✓",
                "[carol@CIC -> *] para todos",
                "[-> #CIC] nós",
            ],
        )
        rows = self.screen.rows
        session = next(n for n, row in enumerate(rows) if row.startswith("── this session ──"))
        self.assertIn("[-> #CIC] nós", rows[session - 1])
        self.assertIn("p2pchat", rows[session + 1])

    def test_a_conversation_shows_its_own_lines_with_their_times(self) -> None:
        self.hear("bob", "um")
        self.run_for(120)
        self.hear("carol", "outra coisa")
        self.hear("bob", "dois")
        self.restart()
        self.type("/to bob\r")
        self.assertEqual(self.said(), ["[bob@CIC] um", "[bob@CIC] dois"])
        times = [row[:5] for row in self.screen.rows if "[bob@CIC] " in row]
        self.assertEqual(times, ["12:00", "12:02"])
        self.hear("bob", "três")
        self.assertEqual(self.said(), ["[bob@CIC] um", "[bob@CIC] dois", "[bob@CIC] três"])
        self.assertIn("── this session", self.screen.rows[-4])
        self.type("/to carol\r/to bob\r")
        self.assertEqual(len(self.said()), 3, "once in a session")

    def test_another_day_is_told(self) -> None:
        self.hear("bob", "ontem")
        self.now += 86_400
        self.restart()
        self.assertTrue(any("Saturday, 31 January 2026" in row for row in self.screen.rows))
        self.assertTrue(any("Sunday, 01 February 2026" in row for row in self.screen.rows))

    def test_what_came_in_this_session_is_there_once(self) -> None:
        self.hear("bob", "um")
        self.restart()
        self.hear("bob", "dois")
        self.type("/msg bob três\r")
        self.hear("carol", "quatro", "#CIC")
        self.type("/to bob\r")
        self.assertEqual(self.said(), ["[bob@CIC] um", "[bob@CIC] dois", "[alice@CIC] três ✓"])
        self.type("/to #CIC\r")
        self.assertEqual(self.said(), ["[carol@CIC] quatro"])
        self.type("/to\r")
        self.assertEqual(
            self.said(),
            [
                "[bob@CIC] um",
                "[bob@CIC] dois",
                "[-> bob@CIC] três ✓",
                "[carol@CIC -> #CIC] quatro",
            ],
        )

    def test_an_id_that_was_used_before_hides_nothing(self) -> None:
        """One client counts its messages from 1, each time that it is started."""
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        for text in ("ontem", "anteontem"):
            self.alice.incoming.deliver(
                peer, peer.link_in_use, [Send(text[0], "bob@CIC", "alice@CIC", text, True)]
            )
            self.run_for(0.5)
        self.restart()
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        self.alice.incoming.deliver(
            peer, peer.link_in_use, [Send("a", "bob@CIC", "alice@CIC", "hoje", True)]
        )
        self.run_for(1)
        self.type("/to bob\r")
        said = ["[bob@CIC] ontem", "[bob@CIC] anteontem", "[bob@CIC] hoje (reused id)"]
        self.assertEqual(
            [row.split(" (")[0] for row in self.said()], [it.split(" (")[0] for it in said]
        )

    def test_what_is_read_before_it_is_shown_is_there_once(self) -> None:
        self.type("/to carol\r")
        # As in a flood: it is in the file, and not on the screen yet.
        self.other("bob").send("alice@CIC", "um")
        self.town.run(0.05)
        self.assertEqual(len(self.databases), 1)
        self.type("/to bob\r", 0)
        self.run_for(1)
        self.assertEqual(self.said(), ["[bob@CIC] um"])

    def test_messages_without_an_id_are_there_once(self) -> None:
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        for text in ("oi", "oi", "fim"):
            self.alice.incoming.deliver(peer, peer.links[0], [Pub(None, "", "#CIC", text)])
        self.run_for(1)
        self.restart()
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        self.alice.incoming.deliver(peer, peer.links[0], [Pub(None, "", "#CIC", "oi")])
        self.run_for(1)
        self.type("/to #CIC\r")
        self.assertEqual(self.said(), [f"[bob@CIC] {text}" for text in ("oi", "oi", "fim", "oi")])

    def test_only_the_last_lines_are_shown(self) -> None:
        for number in range(120):
            self.other("bob").send("alice@CIC", f"{number}")
            self.run_for(0.1)
        self.run_for(20)
        self.restart()
        self.type("/to bob\r")
        backlog = self.console.conversations.current.backlog
        self.assertEqual(len(backlog), 50)
        self.assertEqual(self.said()[-1], "[bob@CIC] 119")
        self.type("\x1b[5~" * 2)
        self.assertIn("[bob@CIC] 70", self.said())
        self.type("\x1b[5~" * 8)
        self.assertEqual(self.said()[0], "[bob@CIC] 0")

    def test_own_messages_tell_what_becomes_of_them(self) -> None:
        self.town.kill(self.other("bob"))
        self.run_for(1)
        self.type("/msg bob@CIC espera\r/msg bob@CIC cancelada\r")
        self.type("/outbox cancel 2\r")
        self.kill()
        self.start_alone()
        self.type("/to bob@CIC\r")
        self.assertEqual(
            self.said(),
            [
                "[alice@CIC] espera … waits until [bob@CIC] is connected (/outbox)",
                "[alice@CIC] cancelada ✗ given up",
            ],
        )
        self.others["bob@CIC"] = self.town.node("bob@CIC")
        self.run_for(30)
        self.assertEqual(self.said()[0], "[alice@CIC] espera ✓")
        self.type("/to\r")
        self.assertIn("[-> bob@CIC] espera ✓", self.said())

    def start_alone(self) -> None:
        self.alice = self.make_alice()
        self.open_console()
        self.run_for(1)

    def test_one_who_is_away_can_be_opened_if_anything_is_kept(self) -> None:
        self.hear("bob", "até logo")
        self.town.leave(self.others.pop("bob@CIC"))
        self.leave()
        self.start_alone()
        self.assertIsNone(self.alice.peers.get("bob@CIC"))
        for name in ("bob@CIC", "bob"):
            self.type(f"/to\r/to {name}\r")
            self.assertEqual((self.prompt, self.said()), ("bob@CIC>", ["[bob@CIC] até logo"]))
        for name in ("eva@CIC", "eva"):
            self.type(f"/to {name}\r")
            self.assertIn(f"no such peer: [{name}] (", self.messages[-1])
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type("/msg bob@UnB oi\r/msg bob@UnB oi\r", 1)
        self.run_for(1)
        self.type("/to bob\r")
        self.assertIn("[bob] may be any of [bob@CIC], [bob@UnB]", self.messages[-1])

    def test_text_of_others_is_harmless(self) -> None:
        self.hear("bob", "\x1b[2J\x07\r\n[carol@CIC] falso")
        self.restart()
        self.type("/to bob\r")
        self.assertEqual(len(self.said()), 1)
        self.assertIn("\\x1b[2J", self.said()[0])

    def test_a_history_that_cannot_be_read_is_one_quiet_notice(self) -> None:
        self.hear("bob", "um")
        self.restart()
        recent = self.kept.recent
        self.patch(self.kept, "recent", lambda *_: fail(HistoryError("the disk is gone")))
        self.type("/to bob\r/to carol\r/to bob\r")
        told = [row for row in self.messages if "the disk is gone" in row]
        self.assertEqual(told, ["* earlier messages are not shown: the disk is gone"])
        self.patch(self.kept, "recent", recent)
        self.type("/to carol\r/to bob\r")
        self.assertEqual(self.said(), ["[bob@CIC] um"])

    def test_a_fault_is_logged(self) -> None:
        self.patch(self.kept, "recent", lambda *_: fail(ZeroDivisionError()))
        self.type("/to bob\r")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.prompt, "bob@CIC>")


class UnreadTests(EarlierCase):
    skip = MISSING or None

    def again(self, end: Callable[[], None]) -> None:
        """End the process some seconds from now, and start the next one."""
        self.run_for(A_WHILE)
        end()
        self.start()

    def test_unread_messages_are_unread_after_a_restart(self) -> None:
        for end in (self.leave, self.kill):
            self.type("/to #UnB\r")
            self.hear("bob", "um")
            self.hear("bob", "dois")
            self.hear("carol", "três", "*")
            self.assertIn("unread: [bob@CIC] 2!, [*] 1", self.bar)
            self.again(end)
            self.assertIn("unread: [bob@CIC] 2!, [*] 1", self.bar)
            self.assertFalse([row for row in self.messages if "not seen yet" in row])
            self.type(ALT_A)
            self.assertEqual(self.prompt, "bob@CIC>")
            self.assertIn("unread: [*] 1", self.bar)
            self.assertTrue(self.screen.rows[-5].startswith("── new ──"))
            self.assertEqual(self.said()[-2:], ["[bob@CIC] um", "[bob@CIC] dois"])
            self.again(end)
            self.assertIn("unread: [*] 1", self.bar)
            self.assertNotIn("bob@CIC 2", self.bar)
            self.type(ALT_A + ALT_A)
            self.assertNotIn("unread", self.bar)
            self.again(end)
            self.assertNotIn("unread", self.bar)

    def test_what_is_read_as_it_comes_stays_read(self) -> None:
        self.type("/to bob\r")
        self.hear("bob", "um")
        self.hear("carol", "dois")
        self.again(self.kill)
        self.assertIn("unread: [carol@CIC] 1!", self.bar)
        self.assertNotIn("bob@CIC 1", self.bar)

    def test_all_together_is_where_everything_is_seen(self) -> None:
        self.hear("bob", "um")
        self.hear("carol", "dois", "#CIC")
        self.again(self.kill)
        self.assertNotIn("unread", self.bar)
        self.type("/to bob\r")
        self.hear("carol", "três", "#CIC")
        self.type("/to\r")
        self.again(self.kill)
        self.assertNotIn("unread", self.bar)

    def test_what_is_unread_of_earlier_sessions_stays_so_until_it_is_opened(self) -> None:
        self.type("/to #UnB\r")
        self.hear("bob", "um")
        self.again(self.kill)
        self.hear("bob", "dois")
        self.assertIn("unread: [bob@CIC] 2!", self.bar)
        self.type("/to #UnB\r/to\r")
        self.assertIn("unread: [bob@CIC] 2!", self.bar)
        self.again(self.kill)
        self.assertIn("unread: [bob@CIC] 2!", self.bar)
        self.type(ALT_A)
        self.assertEqual(self.said(), ["[bob@CIC] um", "[bob@CIC] dois"])

    def test_all_that_is_unread_is_shown(self) -> None:
        self.type("/to #UnB\r")
        for number in range(80):
            self.other("bob").send("alice@CIC", f"{number}")
            self.run_for(0.1)
        self.again(self.kill)
        self.assertIn("unread: [bob@CIC] 80!", self.bar)
        self.type(ALT_A)
        self.assertEqual(len(self.console.conversations.current.backlog), 80)

    def test_who_goes_on_before_the_lines_come_has_not_read_them(self) -> None:
        self.type("/to #UnB\r")
        self.hear("bob", "um")
        self.again(self.kill)
        recent, asked = self.kept.recent, []

        def later(*words: Any) -> Deferred[list[Record]]:
            waits: Deferred[list[Record]] = Deferred()
            asked.append((waits, words))
            return waits

        self.patch(self.kept, "recent", later)
        self.type("/to bob\r/to #UnB\r")
        self.assertIn("unread: [bob@CIC] 1!", self.bar)
        for waits, words in asked:
            recent(*words).addCallback(waits.callback)
        self.run_for(1)
        self.assertIn("unread: [bob@CIC] 1!", self.bar)
        self.type("/to bob\r")
        self.assertNotIn("unread", self.bar)
        self.again(self.kill)
        self.assertNotIn("unread", self.bar)

    def test_a_history_that_cannot_be_read_leaves_it_unread(self) -> None:
        self.type("/to #UnB\r")
        self.hear("bob", "um")
        self.again(self.kill)
        self.patch(self.kept, "recent", lambda *_: fail(HistoryError("no")))
        self.type("/to bob\r")
        self.assertNotIn("unread", self.bar, "it is on the screen")
        self.type("/to #UnB\r")
        self.assertIn("unread: [bob@CIC] 1!", self.bar)
        self.again(self.kill)
        self.assertIn("unread: [bob@CIC] 1!", self.bar)

    def test_history_of_a_conversation_reads_it(self) -> None:
        self.type("/to #UnB\r")
        self.hear("bob", "um")
        self.again(self.kill)
        self.type("/history bob\r")
        self.assertNotIn("unread", self.bar)

    def test_the_past_may_be_known_late(self) -> None:
        self.type("/to #UnB\r")
        self.hear("bob", "um")
        self.hear("carol", "dois", "*")
        self.kill()
        self.at_once = False
        self.alice = self.make_alice()
        self.open_console()
        self.run_for(1)
        self.type("/to bob@CIC\r")
        self.assertEqual((self.said(), self.kept.ready), ([], False))
        self.writing.at_once = True
        self.writing.step()
        self.run_for(1)
        self.assertEqual(self.said(), ["[bob@CIC] um"])
        self.assertIn("unread: [*] 1", self.bar)
        self.type("/to\r")
        self.assertIn("[carol@CIC -> *] dois", self.said())


class ForgetTests(EarlierCase):
    skip = MISSING or None

    def test_what_is_forgotten_is_seen_no_more(self) -> None:
        self.hear("bob", "um")
        self.hear("bob", "dois", "*")
        self.hear("carol", "três", "*")
        self.restart()
        self.type("/to bob\r")
        self.assertEqual(self.said(), ["[bob@CIC] um"])
        self.type("/forget bob\r/forget bob\r")
        self.assertEqual(self.said(), [])
        self.assertIn("forgot 2 messages of and to [bob@CIC]", self.messages[-1])
        for place, left in (("", "[carol@CIC -> *] três"), ("*", "[carol@CIC] três")):
            self.type(f"/to {place}\r")
            self.assertEqual(self.said(), [left])
        self.type("/to bob\r")
        self.hear("bob", "quatro")
        self.assertEqual(self.said(), ["[bob@CIC] quatro"])
        self.restart()
        self.type("/to bob\r")
        self.assertEqual(self.said(), ["[bob@CIC] quatro"])

    def test_what_another_program_has_deleted_is_seen_no_more_either(self) -> None:
        self.hear("bob", "um")
        self.hear("carol", "dois")
        self.type("/to bob\r")
        self.assertEqual(self.said(), ["[bob@CIC] um"])
        self.alice.outgoing.forget("bob@CIC")
        self.run_for(A_WHILE)
        self.assertEqual(self.said(), [])
        self.type("/to\r")
        self.assertEqual(self.said(), ["[carol@CIC] dois"])

    def test_unread_ones_are_forgotten_too(self) -> None:
        self.type("/to #UnB\r")
        self.hear("bob", "um")
        self.run_for(A_WHILE)
        self.kill()
        self.start()
        self.type("/to #UnB\r")
        self.hear("bob", "dois")
        self.assertIn("unread: [bob@CIC] 2!", self.bar)
        self.type("/forget bob\r/forget bob\r")
        self.assertNotIn("unread", self.bar)

    def test_what_was_read_before_it_was_deleted_does_not_come_back(self) -> None:
        self.hear("bob", "um")
        self.restart()
        recent = self.kept.recent
        lines = self.successResultOf(recent("bob@CIC", 50))
        late: Deferred[list[Record]] = Deferred()
        self.patch(self.kept, "recent", lambda *_: late)
        self.type("/to bob\r")
        self.patch(self.kept, "recent", recent)
        self.type("/forget bob\r/forget bob\r")
        late.callback(lines)
        self.run_for(1)
        self.assertEqual(self.said(), [])

    def test_what_could_not_be_deleted_stays(self) -> None:
        self.hear("bob", "um")
        self.patch(self.kept, "forget", lambda *_: fail(HistoryError("the disk is full")))
        self.type("/forget bob\r/forget bob\r")
        self.assertIn("the disk is full", self.messages[-1])
        self.assertEqual(self.said(), ["[bob@CIC] um"])
        self.type("/forget\r")
        self.assertIn("usage: /forget", self.messages[-1])


class NothingKeptTests(ConsoleCase):
    skip = MISSING or None

    def test_without_a_history_nothing_changes(self) -> None:
        self.hear("bob", "um")
        self.type("/to bob\r")
        self.assertEqual(self.messages, ["[bob@CIC] um"])
        self.type("/to eva@CIC\r")
        self.assertIn("no such peer: [eva@CIC]", self.messages[-1])
        self.type("/forget bob\r/forget bob\r")
        self.assertIn("keeps nothing", self.messages[-1])
        self.assertEqual(self.messages[0], "[bob@CIC] um")
