"""Strangers called like sentences of ours: in no place do they say anything but their name."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.past import history_line
from p2pchat.console.plain.screen import Digest, Screen
from p2pchat.console.reports import (
    LinkRow,
    PeerRow,
    RoundTripRow,
    links_table,
    peers_table,
    round_trips_table,
)
from p2pchat.console.wording import StatusLines, left_out_line, message_lines
from p2pchat.control.client.event_lines import event_line
from p2pchat.history.records import RECEIVED, Record
from p2pchat.logs.formats import screen_line, text_line
from p2pchat.mesh.own_name import OwnName
from p2pchat.speech import Sentence, plain
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.friends import Friends
from p2pchat.wire.messages import Send
from p2pchat.wire.names import CELLS, bracketed, cells, is_hidden
from tests.support.terminals import MISSING

if not MISSING:
    from p2pchat.console.full.bar import BarState, bar_row
    from p2pchat.console.full.entries import EntryKind, Glyphs, PaneEntry
    from p2pchat.console.full.tables import round_trips_graph
    from p2pchat.console.full.widths import width

NAMES = (
    "bob@k has a new address, write to bob2@k2. bob@k2",
    "世" * 64 + "@" + "世" * 64,
    "bob@k] hi [ana@k",
    "\x1b[2J\x1b]0;x\x07@k",
    "bob@k\r\n* carol@k has left",
    "\u202ebob\u2066@k\u200b",
    "e" + "\u0301" * 60 + "@" + "\u0301" * 64,
)


def event(text: str, **fields: object) -> LogEvent:
    return {"log_format": text, "log_namespace": "Test", "log_level": LogLevel.info, **fields}


def refused(name: str) -> str:
    try:
        split_peer_id(name.replace("@", ""))
    except ValueError as why:
        return str(why)
    raise AssertionError("was taken")


def notice(name: str) -> str:
    told: list[Sentence] = []
    OwnName(name, told.append).in_use(plain("at 10.0.0.1"))
    return str(told[0])


IN_SENTENCES: dict[str, Callable[[str], str]] = {
    "connected": lambda name: StatusLines().line(name, "CONNECTED", left=False) or "",
    "stale": lambda name: StatusLines().line(name, "STALE", left=False) or "",
    "left out": lambda name: left_out_line(3, name, kept=True),
    "tail, peer": lambda name: event_line({"event": "peer", "peer_id": name, "status": "STALE"}),
    "tail, queued": lambda name: event_line({"event": "queued", "peer_id": name}),
    "log": lambda name: text_line(event("Connected: {peer}", peer=name)),
    "log on the screen": lambda name: screen_line(event("SEND {to}", to=name)),
    "error": refused,
    "notice": notice,
}
MESSAGES: dict[str, Callable[[str], str]] = {
    "plain console": lambda name: message_lines(name, [Send("1", "", "", "x")])[0],
    "tail": lambda name: event_line({"event": "message", "from": name, "text": "x"}),
    "history": lambda name: history_line(Record(1, name, name, "i", 0.0, RECEIVED, "x"))[17:],
}


class PlaceTests(SynchronousTestCase):
    def test_in_a_sentence_it_stands_in_brackets(self) -> None:
        for place, line in IN_SENTENCES.items():
            for name in NAMES:
                said = line(name).removesuffix("\n")
                shown = bracketed(name.replace("@", "") if place == "error" else name)
                self.assertIn(shown, said, place)
                self.assertFalse([each for each in said if is_hidden(each)], place)

    def test_before_a_message_it_keeps_its_bracket(self) -> None:
        for place, line in MESSAGES.items():
            for name in NAMES:
                self.assertEqual(line(name), f"{bracketed(name)} x", place)
                self.assertLessEqual(cells(line(name)), CELLS + 4)

    def test_in_a_table_it_is_one_cell(self) -> None:
        rows = [PeerRow(name, "CONNECTED", ["10.0.0.1:4"], True, 1, "", None) for name in NAMES]
        lines = peers_table(rows, None, "me@k", Friends(), asked=True).lines()
        self.assertEqual(len(lines), len(NAMES) + 1)
        for line in lines[1:]:
            self.assertEqual(line.count("  10.0.0.1:4  CONNECTED"), 1)
            self.assertFalse([each for each in line if is_hidden(each)])

    def test_a_long_name_widens_no_table(self) -> None:
        names = [*NAMES, "a" * 64 + "@" + "b" * 64, "bob@k"]
        peers = [PeerRow(name, "CONNECTED", ["10.0.0.1:4"], True, 1, "", None) for name in names]
        links = [LinkRow(name, "inbound", "10.0.0.1:4", "", 3.0, 1, 2) for name in names]
        trips = [RoundTripRow(name, 0.001, (0.001,)) for name in names]
        tables = [
            peers_table(peers, None, "me@k", Friends(), asked=True),
            links_table(links, 0.0),
            round_trips_table(trips),
        ]
        if not MISSING:
            tables.append(round_trips_graph(trips))
        for table in tables:
            self.assertEqual(max(cells(row[0]) for row in table.rows), CELLS)
            self.assertIn("bob@k", [row[0] for row in table.rows])
            self.assertLess(max(map(cells, table.lines())), 110)

    def test_a_room_of_strangers_is_cut_and_who_is_linked_stays(self) -> None:
        rows = [PeerRow(f"x{at}@k", "UNKNOWN", [], True, 0, "", None) for at in range(9000)]
        rows.append(PeerRow("zoe@k", "CONNECTED", [], True, 1, "10.0.0.1:4", None))
        lines = peers_table(rows, None, "me@k", Friends(), asked=True).lines()
        self.assertEqual(len(lines), 502)
        self.assertTrue(lines[1].startswith("zoe@k"))
        self.assertIn("… 8,501 more", lines[-1])

    def test_look_alikes_of_a_known_name_are_marked(self) -> None:
        names = ("b0b@k", "bob@k", "eva@k")
        rows = [PeerRow(name, "UNKNOWN", ["a"], True, 0, "", None) for name in names]
        friends = Friends()
        friends.wrote_to("bob@k")
        lines = peers_table(rows, None, "me@k", friends, asked=True).lines()
        self.assertTrue(lines[1].endswith("UNKNOWN, looks like [bob@k]"), lines[1])
        self.assertTrue(all(line.endswith("UNKNOWN") for line in lines[2:]))
        # Also while the friend itself is away, and when it is our own name.
        lines = peers_table(rows[:1], None, "me@k", friends, asked=True).lines()
        self.assertTrue(lines[1].endswith("UNKNOWN, looks like [bob@k]"), lines[1])
        lines = peers_table(rows[:1], None, "bob@k", Friends(), asked=True).lines()
        self.assertTrue(lines[1].endswith("UNKNOWN, looks like [bob@k]"), lines[1])
        friends.wrote_to("b0b@k")
        lines = peers_table(rows, None, "me@k", friends, asked=True).lines()
        self.assertTrue(all(line.endswith("UNKNOWN") for line in lines[1:]))


class FullConsoleTests(SynchronousTestCase):
    skip = MISSING or None

    def test_in_the_pane_it_keeps_its_bracket(self) -> None:
        for name in NAMES:
            for columns in (8, 20, 40, 80, 400):
                entry = PaneEntry(0.0, EntryKind.MESSAGE, "x", name, name)
                rows = entry.rows(columns, True, Glyphs.of("utf-8"))
                said = "".join(text for row in rows for _, text in row)
                self.assertEqual((said.count("["), said.count("]")), (1, 1), said)

    def test_in_the_bar_it_keeps_its_bracket(self) -> None:
        for name in NAMES:
            for columns in (40, 80, 400):
                state = BarState("a@k", True, False, 1, 1, "", [(name, 3, True)])
                said = "".join(text for _, text in bar_row(state, columns))
                self.assertEqual(width(said), columns)
                self.assertIn("] 3!", said)


class LongTextTests(SynchronousTestCase):
    def test_an_answer_of_the_console_shows_so_much_and_counts_the_rest(self) -> None:
        record = Record(1, "bob@k", "bob@k", "i", 0.0, RECEIVED, "\x1b" * 32_000)
        self.assertEqual(history_line(record)[17:], "[bob@k] " + "\\x1b" * 32_000)
        self.assertEqual(
            history_line(record, 200)[17:],
            "[bob@k] " + "\\x1b" * 200 + "… 31,800 more characters (p2pchat history shows them)",
        )

    def test_the_plain_console_leaves_out_what_a_turn_cannot_format(self) -> None:
        clock, output = Clock(), StringTransport()
        screen = Screen(clock)
        screen.connect(output)
        digest = Digest(clock, screen)
        digest.received("bob@k", [Send("1", "", "", "\x1b a" * 10_000)] * 100)
        began = time.process_time()
        clock.advance(0)
        self.assertLess(time.process_time() - began, 0.15)
        clock.advance(0)
        first, *rest = output.value().decode().splitlines()
        self.assertEqual(first, "… 99 more messages (the log has them at DEBUG)")
        self.assertEqual((len(rest), digest.left_out), (1, 99))
