"""What the full console draws, without a screen: widths, tables, graphs, entries, the bar."""

from __future__ import annotations

from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.replies import Table
from p2pchat.console.reports import round_trip_rows
from p2pchat.mesh.peers import Peer
from p2pchat.speech import LANGUAGES, use
from p2pchat.wire.text import marks_in_cells, printable
from tests.support.terminals import EPOCH, MISSING, use_utc

if not MISSING:
    from p2pchat.console.full.bar import BarState, bar_row
    from p2pchat.console.full.colours import PALETTE, colour_depth, colour_of
    from p2pchat.console.full.days import day_name
    from p2pchat.console.full.entries import EntryKind, Glyphs, Mark, PaneEntry, Row
    from p2pchat.console.full.line_window import Rows, units_of
    from p2pchat.console.full.pane import cells_of, pieces_of
    from p2pchat.console.full.placing import Placed, placed, words_of
    from p2pchat.console.full.tables import BARS, PLAIN_BARS, fitted, round_trips_graph, sparkline
    from p2pchat.console.full.widths import cut, fit, padded, steady, width, wrap

TEXT = st.text(st.sampled_from("ab  çé世界🙂e\u0301"), max_size=60)


def said(rows: list[Row]) -> list[str]:
    return ["".join(text for _, text in row) for row in rows]


class DayTests(SynchronousTestCase):
    skip = MISSING or None

    def test_it_is_in_the_language_of_the_person(self) -> None:
        use_utc(self)
        self.addCleanup(use, "en")
        use("en")
        self.assertEqual(day_name(1_796_000_000), "Monday, 30 November 2026")
        use("pt_BR")
        self.assertEqual(day_name(1_796_000_000), "segunda-feira, 30 de novembro de 2026")
        self.assertEqual(day_name(0), "quinta-feira, 01 de janeiro de 1970")


class WidthTests(SynchronousTestCase):
    skip = MISSING or None

    def test_columns(self) -> None:
        for text, columns in (("abc", 3), ("ação", 4), ("世界", 4), ("🙂", 2), ("e\u0301", 1)):
            self.assertEqual(width(text), columns, text)

    def test_what_terminals_disagree_about_is_left_out(self) -> None:
        self.assertEqual(steady("👨\u200d👩 ❤\ufe0f"), "👨👩 ❤")
        for written in ("می\u200cخواهم", "ক\u09cd\u200dষ"):
            self.assertEqual(steady(written), written)

    def test_cutting(self) -> None:
        self.assertEqual(cut("abc", 3), "abc")
        self.assertEqual(cut("abcd", 3), "ab…")
        self.assertEqual(cut("世界世", 4), "世…")
        self.assertEqual(cut("abc", 0), "")
        self.assertEqual(padded("世界世", 4), "世… ")

    @given(TEXT, st.integers(2, 30), st.integers(2, 30))
    def test_wrapping_fits_and_loses_nothing_but_spaces(
        self, text: str, first: int, others: int
    ) -> None:
        rows = wrap(text, first, others)
        self.assertLessEqual(width(rows[0]), first)
        self.assertTrue(all(width(row) <= others for row in rows[1:]))
        self.assertEqual("".join(rows).replace(" ", ""), text.replace(" ", ""))

    def test_words_stay_whole_when_they_can(self) -> None:
        self.assertEqual(wrap("uma linha longa", 10, 5), ["uma linha", "longa"])
        self.assertEqual(wrap("abcdefgh", 3, 4), ["abc", "defg", "h"])
        self.assertEqual(wrap("", 3, 4), [""])
        self.assertEqual(wrap("世界", 1, 1), ["世", "界"])
        self.assertEqual(wrap("abकाक", 3, 3), ["ab", "काक"])

    @given(TEXT, st.integers(0, 30))
    def test_what_fits(self, text: str, room: int) -> None:
        end = fit(text, room)
        self.assertLessEqual(width(text[:end]), room)
        if end < len(text):
            self.assertGreater(width(text[: end + 1]), room)


HINDI, TAMIL, BENGALI = "क्षि का", "வணக்கம் கொ", "আছেন কো"


class PlacingTests(SynchronousTestCase):
    """On a terminal that gives disputed characters other columns than we do."""

    skip = MISSING or None

    def test_what_tmux_and_vte_take_is_kept_free(self) -> None:
        # क्ष and ि, as glibc and GLib count them; wcwidth gives the vowel sign nothing.
        for text, columns in (("का", 2), ("क्षि", 3), ("কো", 2), ("கொ", 2), ("\u3164", 2)):
            self.assertEqual(width(text), columns, text)

    def test_words_are_told_apart(self) -> None:
        for text, placed_ones in (
            ("olá, ação ✓ 世界 привет", []),
            ("a का b", ["का"]),
            (f"a{HINDI}b c", ["aक्षि", "का"]),
            ("e\u0301 x\u20dd", ["x\u20dd"]),
            ("👍🏽y", ["👍🏽"]),
        ):
            found = [piece for piece, disputed in words_of(text) if disputed]
            self.assertEqual(found, placed_ones)
            self.assertEqual("".join(piece for piece, _ in words_of(text)), text)

    @given(st.text(st.sampled_from(f"ab é世🙂\u0301👍🏽{HINDI}{TAMIL}{BENGALI}"), max_size=40))
    def test_whatever_a_terminal_makes_of_it_the_rest_stays(self, text: str) -> None:
        """Each disputed piece ends with the column of what follows."""
        columns = 30
        for make in (pieces_of, cells_of):
            cells = make([("", f"a{text}"), ("class:own", "|")], columns)
            for column, cell in cells.items():
                if isinstance(cell.char, Placed):
                    self.assertTrue(cell.char.startswith(" " * cell.width + f"\x1b[{column + 1}G"))
                    self.assertTrue(cell.char.endswith(f"\x1b[{column + cell.width + 1}G"))
            last = max(cells)
            if width(text) < columns - 1:
                self.assertEqual((last, cells[last].char), (width(text) + 1, "|"))

    def test_a_terminal_obeys_nothing_that_was_written(self) -> None:
        self.assertNotIn("\x1b[2J", placed("\x1b[2J", 0, 4))


class LineWindowTests(SynchronousTestCase):
    skip = MISSING or None

    @given(
        st.lists(st.text(st.sampled_from(f"ab é\t\x1b世🙂\u0301❤\ufe0f{HINDI}"), max_size=60)),
        st.integers(4, 30),
        st.integers(0, 3),
    )
    @example(["\u094d\x1ba"], 4, 0)
    def test_every_character_has_its_place(self, lines: list[str], columns: int, head: int) -> None:
        text = "\n".join(lines)
        rows = Rows(text, columns, head)
        shown = ""
        for row in range(len(rows.starts)):
            units = [*rows.units(row)]
            taken = sum(unit.columns for unit in units) + (head if row == 0 else 0)
            self.assertTrue(taken <= columns or len(units) == 1, (row, units))
            shown += "".join(unit.text for unit in units)
        expected = "".join(unit.text for line in lines for unit in units_of(marks_in_cells(line)))
        self.assertEqual(shown, expected)
        for place in range(len(text) + 1):
            row = rows.row_of(place)
            self.assertLessEqual(rows.starts[row], place)
            self.assertGreaterEqual(rows.column_of(place, row), 0)

    def test_a_place_for_the_cursor_behind_a_full_row(self) -> None:
        for text in ("abcdef", "abcdéf", "abcdef" + "a" * 10, "abcd世" + "世" * 5):
            rows = Rows(text, 10, 4)
            self.assertEqual(rows.row_of(len(text)), len(rows.starts) - 1)
            self.assertEqual(rows.column_of(len(text), len(rows.starts) - 1), 0)


class TableTests(SynchronousTestCase):
    skip = MISSING or None
    table = Table(
        ("peer_id", "address", "status"),
        [("ana@CIC", "10.0.0.1:4000", "CONNECTED"), ("世界@UnB", "10.0.0.2:4000", "STALE")],
    )

    def test_columns_are_aligned(self) -> None:
        self.assertEqual(
            fitted(self.table, 80),
            [
                "peer_id   address        status",
                "ana@CIC   10.0.0.1:4000  CONNECTED",
                "世界@UnB  10.0.0.2:4000  STALE",
            ],
        )

    def test_any_width_is_enough(self) -> None:
        for room in range(1, 80):
            self.assertTrue(all(width(line) <= room for line in fitted(self.table, room)), room)

    def test_the_widest_column_gives_way(self) -> None:
        self.assertEqual(fitted(self.table, 30)[1], "ana@CIC   10.0.0.1…  CONNECTED")

    def test_columns_that_can_be_spared_go_first(self) -> None:
        table = Table(("name", "way", "from"), [("carol@CIC", "IPv4", "network")], spare=2)
        for room, row in (
            (40, "carol@CIC  IPv4  network"),
            (23, "carol@CIC  IPv4"),
            (14, "carol@CIC"),
            (6, "carol…"),
        ):
            self.assertEqual(fitted(table, room)[1], row)


class GraphTests(SynchronousTestCase):
    skip = MISSING or None

    def test_the_smallest_is_lowest_and_the_largest_highest(self) -> None:
        self.assertEqual(sparkline([1, 8, 4.5]), "▁█▅")
        self.assertEqual(sparkline([1, 8, 4.5], PLAIN_BARS), "_#=")

    def test_noise_is_flat(self) -> None:
        self.assertEqual(sparkline([1.0, 1.05, 1.02]), "▁▁▁")
        self.assertEqual(sparkline([0.0, 0.0]), "▁▁")
        self.assertEqual(sparkline([]), "")

    @given(st.lists(st.floats(0, 1e6), max_size=20))
    def test_a_bar_for_each_sample(self, samples: list[float]) -> None:
        self.assertEqual(len(sparkline(samples)), len(samples))
        self.assertLessEqual(set(sparkline(samples)), set(BARS))

    def test_peers_without_samples(self) -> None:
        silent, gone, measured = Peer("b@C"), Peer("c@C"), Peer("a@C")
        silent.links.append(None)  # type: ignore[arg-type]
        measured.round_trips = (0.001, 0.003)
        table = round_trips_graph(round_trip_rows([silent, gone, measured]))
        self.assertEqual(
            table.rows,
            [("a@C", "▁█", "2.0", "1.0", "3.0"), ("b@C", "no answer yet", "-", "-", "-")],
        )


class EntryTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        use_utc(self)
        self.glyphs = Glyphs.of("utf-8")

    def test_nothing_that_somebody_wrote_can_look_like_something_else(self) -> None:
        for columns in (40, 60, 80):
            entry = PaneEntry(
                EPOCH, EntryKind.MESSAGE, "x " * 40 + "12:00 * forged", "a]b@CIC", "a]b@CIC"
            )
            rows = said(entry.rows(columns, True, self.glyphs))
            self.assertTrue(rows[0].startswith("12:00 [a\\x5d"))
            self.assertTrue(all(row.startswith("    ") for row in rows[1:]))
            self.assertTrue(all(width(row) <= columns for row in rows))

    def test_marks_for_terminals_that_lack_the_signs(self) -> None:
        for encoding, mark in (("utf-8", "✓"), ("ascii", "ok"), ("no such", "ok")):
            entry = PaneEntry(EPOCH, EntryKind.OWN, "oi", "me@C", "bob@C", mark=Mark.DELIVERED)
            rows = said(entry.rows(80, True, Glyphs.of(encoding)))
            self.assertEqual(rows, [f"12:00 [-> bob@C] oi {mark}"])

    def test_a_long_name_leaves_room(self) -> None:
        entry = PaneEntry(EPOCH, EntryKind.MESSAGE, "oi", "n" * 64 + "@CIC", "#CIC", claims=True)
        rows = said(entry.rows(40, True, self.glyphs))
        self.assertTrue(rows[0].startswith("12:00 [nnn"))
        self.assertLessEqual(width(rows[0]), 40)

    def test_the_mark_has_its_style_even_on_a_row_of_its_own(self) -> None:
        entry = PaneEntry(
            EPOCH, EntryKind.OWN, "x" * 20, "me@C", "bob@C", mark=Mark.FAILED, note="why not " * 5
        )
        rows = entry.rows(30, False, self.glyphs)
        failed = "".join(text for row in rows for style, text in row if style == "class:failed")
        self.assertEqual(failed.replace(" ", ""), "✗whynot" + "whynot" * 4)

    def test_rows_are_drawn_once(self) -> None:
        entry = PaneEntry(EPOCH, EntryKind.OWN, "oi", "me@C", "bob@C", mark=Mark.WAITING)
        before = entry.rows(80, True, self.glyphs)
        self.assertIs(entry.rows(80, True, self.glyphs), before)
        entry.mark = Mark.DELIVERED
        self.assertIsNot(entry.rows(80, True, self.glyphs), before)

    @given(st.text(max_size=200), st.integers(8, 120))
    def test_any_text_in_any_width(self, text: str, columns: int) -> None:
        entry = PaneEntry(EPOCH, EntryKind.MESSAGE, text, "b@C", "b@C", named=True)
        for row in said(entry.rows(columns, False, self.glyphs)):
            self.assertLessEqual(width(row), max(columns, 14))
            self.assertEqual(printable(row), row)


class BarTests(SynchronousTestCase):
    skip = MISSING or None

    def test_that_messages_are_not_kept(self) -> None:
        self.assertNotIn("not kept", self.bar(120))
        self.assertIn("not kept", self.bar(120, not_kept=True))

    def bar(self, columns: int, **changes: object) -> str:
        values = {
            "own_id": "alice@CIC",
            "registered": True,
            "trouble": False,
            "up": 3,
            "known": 5,
            "current": "#CIC",
        }
        state = BarState(**{**values, **changes})  # type: ignore[arg-type]
        (row,) = said([bar_row(state, columns)])
        self.assertEqual(width(row), columns)
        return row

    def test_what_it_tells(self) -> None:
        self.assertEqual(
            self.bar(60).rstrip(), " alice@CIC  registered  3 of 5 peers connected  [#CIC]"
        )
        self.assertIn("3/5 peers", self.bar(50))
        self.assertIn("registering", self.bar(60, registered=False))
        self.assertIn("no rendezvous", self.bar(60, trouble=True))
        self.assertIn("  all conversations", self.bar(80, current=""))
        self.assertIn("the past (Ctrl-End: now)", self.bar(80, past=True))
        self.assertIn("12 below", self.bar(60, below=12))
        self.assertIn("1,234 left out", self.bar(80, left_out=1234))

    def test_what_matters_most_stays_in_a_narrow_one(self) -> None:
        unread = [("bob@CIC", 2, True), ("*", 14, False)]
        wide = self.bar(60, unread=unread)
        self.assertIn("alice@CIC  registered  [#CIC]  unread: [bob@CIC] 2!, [*] 14", wide)
        self.assertEqual(self.bar(40, unread=unread), " alice@CIC registered [#CIC] 2 unread!  ")

    def test_with_thirty_unread_it_still_names_me_the_rendezvous_and_the_conversation(self) -> None:
        unread = [(f"{name * 60}@{name * 60}", 9_999, True) for name in "世aक👩" for _ in range(8)]
        for columns in range(40, 200):
            for name in ("bob@CIC", "世" * 60 + "@" + "世" * 60):
                bar = self.bar(columns, unread=unread, current=name, below=9_999, left_out=10**6)
                self.assertRegex(bar, "^ ali.*re(gi|g?…)")
                self.assertIn(f"[{name[:1]}", bar)
                self.assertRegex(bar, r"more|32 unread!")

    def test_how_safe_the_conversation_is(self) -> None:
        unread = [("bob@CIC", 2, True)]
        for security, word in (
            ("plain", "IN THE CLEAR"),
            ("encrypted", "encrypted"),
            ("verified", "verified"),
        ):
            self.assertIn(f"[bob@CIC] {word}", self.bar(40, current="bob@CIC", security=security))
            wide = self.bar(80, current="bob@CIC", security=security, unread=unread, below=3)
            self.assertIn(word, wide)
            self.assertIn("unread: [bob@CIC] 2!", wide)
            mark = {"plain": "~", "encrypted": " ", "verified": "+"}[security]
            narrow = self.bar(40, current="bob@CIC", security=security, unread=unread, below=3)
            self.assertIn(f"{mark}[bob@C", narrow)
            self.assertIn("[bob@CIC] 2!", narrow)

    def test_in_each_language_what_must_be_seen_is_whole(self) -> None:
        self.addCleanup(use, "en")
        safe = {
            "en": {"plain": "IN THE CLEAR", "encrypted": "encrypted", "verified": "verified"},
            "pt_BR": {
                "plain": "SEM CRIPTOGRAFIA",
                "encrypted": "criptografado",
                "verified": "verificado",
            },
        }
        rendezvous = {
            "en": ("registered", "registering", "no rendezvous"),
            "pt_BR": ("registrado", "registrando", "sem rendezvous"),
        }
        unread = [("carol@CIC", 2, True)]
        for language, columns, number, new in product(LANGUAGES, (40, 80, 120), range(3), (0, 1)):
            if (columns, number, new) == (40, 2, 1):
                continue  # there is no room for all that
            use(language)
            for security, mark in (("plain", "~"), ("encrypted", ""), ("verified", "+")):
                bar = self.bar(
                    columns,
                    current="bob@CIC",
                    security=security,
                    registered=number == 0,
                    trouble=number == 2,
                    unread=unread * new,
                )
                who, named = ("alice(@CIC)?", r"\[bob@CIC\]")
                safely = f"{named} +{safe[language][security]}"
                # Only a narrow one has a mark for it.
                shown = f"({safely}|{mark and chr(92) + mark}{named})" if columns < 80 else safely
                told = rendezvous[language][number]
                self.assertRegex(bar, f"^ {who} +{told} .*{shown}")
                self.assertNotIn("…", bar[: bar.index("[bob@CIC]") + 9])
                self.assertEqual("!" in bar, bool(new))

    def test_it_speaks_portuguese(self) -> None:
        use("pt_BR")
        self.addCleanup(use, "en")
        bar = self.bar(120, unread=[("bob@CIC", 2, True)], left_out=1234, below=3, not_kept=True)
        told = (
            " alice@CIC  registrado  não guardado  3 de 5 peers conectados  [#CIC]  3 abaixo"
            "  1,234 omitidas  novas: [bob@CIC] 2!"
        )
        self.assertEqual(bar.rstrip(), told)
        self.assertIn(" todas as conversas", self.bar(80, current=""))

    @given(st.integers(1, 100), TEXT, st.integers(0, 99))
    def test_it_always_fits(self, columns: int, name: str, count: int) -> None:
        self.bar(columns, current=name, below=count, unread=[(name, count, False)] * (count % 4))


class PaneTests(SynchronousTestCase):
    skip = MISSING or None

    def test_cells(self) -> None:
        for text, cells in (
            ("ab", {0: "a", 1: "b"}),
            ("世b", {0: "世", 1: "", 2: "b"}),
            ("e\u0301x", {0: "e\u0301", 1: "x"}),
            ("\u0301x", {0: "\u0301", 1: "x"}),
            ("abc世", {0: "a", 1: "b", 2: "c"}),
            ("世\u0301b", {0: "世\u0301", 1: "", 2: "b"}),
        ):
            found = {column: cell.char for column, cell in cells_of([("", text)], 4).items()}
            self.assertEqual(found, cells, text)


class ColourTests(SynchronousTestCase):
    skip = MISSING or None

    def test_colours_are_steady_and_many(self) -> None:
        self.assertEqual(colour_of("bob@CIC"), colour_of("bob@CIC"))
        used = {colour_of(f"peer{number}@CIC") for number in range(200)}
        self.assertEqual(len(used), len(PALETTE))

    def test_the_person_can_have_none(self) -> None:
        import os

        environment = dict(os.environ)
        for name in ("NO_COLOR", "COLORTERM"):
            environment.pop(name, None)
        self.patch(os, "environ", environment)
        self.assertIsNone(colour_depth())
        environment["COLORTERM"] = "truecolor"
        self.assertEqual(getattr(colour_depth(), "name", ""), "DEPTH_24_BIT")
        environment["NO_COLOR"] = "1"
        self.assertEqual(getattr(colour_depth(), "name", ""), "DEPTH_1_BIT")
