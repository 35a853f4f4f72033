"""The full console and all that is kept: PageUp, /history and /search, each line in its place."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from twisted.internet.defer import Deferred, fail

from p2pchat.console.commands import table
from p2pchat.history.records import HistoryError
from p2pchat.wire.messages import Pub, Send
from tests.console.full.test_earlier import EarlierCase
from tests.console.full.test_moving import MovingCase
from tests.support.terminals import MISSING

UP, DOWN, END = "\x1b[5~", "\x1b[6~", "\x1b[1;5F"


class PastCase(EarlierCase, MovingCase):
    """Bob has said `count` things in earlier sessions, a minute apart."""

    count = 240
    rows = 12

    def setUp(self) -> None:
        super().setUp()
        self.say(range(self.count))
        self.restart()
        self.type("/to bob\r")

    def say(self, numbers: range, scope: str = "") -> None:
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        for first in numbers[::10]:
            messages: list[Send | Pub] = [
                Pub(f"{scope}{number}", "bob@CIC", scope, f"n {number}")
                if scope
                else Send(f"{number}", "bob@CIC", "alice@CIC", f"n {number}")
                for number in range(first, min(first + 10, numbers.stop))
            ]
            self.alice.incoming.deliver(peer, peer.link_in_use, messages)
            self.now += 60
        self.run_for(0.5)

    def numbers(self) -> list[int]:
        """What is on the screen, by number."""
        return [int(row.split("n ")[1].split()[0]) for row in self.said() if "] n " in row]

    def pages(self, key: str, most: int) -> list[list[int]]:
        """What each of so many presses of a key shows, up to one that changes nothing."""
        pages = [self.numbers()]
        for _ in range(most):
            self.type(key, 0.1)
            if pages[-1] == self.numbers():
                break
            pages.append(self.numbers())
        return pages


class PageTests(PastCase):
    skip = MISSING or None

    def test_page_up_and_down_go_through_all_that_is_kept(self) -> None:
        up = self.pages(UP, 200)
        self.assertEqual(up[-1][0], 0)
        seen = sorted({number for page in up for number in page})
        self.assertEqual(seen, [*range(self.count)])
        for page in up:
            self.assertEqual(page, [*range(page[0], page[0] + len(page))])
        self.assertIn("the past (Ctrl-End: now)", self.bar)
        down = self.pages(DOWN, 200)
        self.assertEqual(sorted({number for page in down for number in page}), seen)
        self.assertEqual(down[-1][-1], self.count - 1)
        self.type(DOWN)
        self.assertNotIn("the past", self.bar)

    def test_little_of_it_is_held(self) -> None:
        from p2pchat.console.full import past_view

        self.patch(past_view, "MOST", 150)
        self.patch(past_view, "_NEAR", 20)
        for key in (UP, DOWN, UP):
            for page in self.pages(key, 200):
                self.assertEqual(page, [*range(page[0], page[0] + len(page))])
            past = self.console.conversations.current.past
            self.assertLessEqual(0 if past is None else len(past), 300)
        self.assertEqual(self.numbers()[0], 0)

    def test_the_end_is_one_key_away(self) -> None:
        for key in (END, "x\r"):
            self.type(UP * 30)
            self.assertIn("the past", self.bar)
            self.type(key)
            self.assertNotIn("the past", self.bar)
            self.assertIn(self.count - 1, self.numbers())
        self.type(UP * 30)
        self.escape()
        self.assertEqual(self.numbers()[-1], self.count - 1)

    def test_what_comes_meanwhile_moves_nothing_and_is_there_in_the_end(self) -> None:
        self.type(UP * 30)
        before = self.screen.rows[:-2]
        self.say(range(1000, 1030))
        self.assertEqual(self.screen.rows[:-2], before)
        seen = [number for page in self.pages(DOWN, 200) for number in page]
        self.assertLessEqual({*range(self.count - 150, self.count), *range(1000, 1030)}, {*seen})
        self.assertEqual(self.numbers()[-1], 1029)

    def test_what_this_session_alone_has_stands_at_its_time(self) -> None:
        self.patch(table, "log_paths", list)
        self.say(range(1000, 1003))
        self.type("/log INFO\r")
        self.now += 60
        self.say(range(1003, 1030))
        rows = []
        for _ in range(12):
            self.type(UP)
            rows.append(self.messages)
        flat = [row for row, _ in groupby(row for page in reversed(rows) for row in page)]
        self.assertIn("the log's level is INFO", flat)
        place = flat.index("the log's level is INFO")
        self.assertEqual(flat[place - 1], "[bob@CIC] n 1002")
        self.assertEqual(flat[place + 1], "[bob@CIC] n 1003")

    def test_what_could_not_be_kept_is_there_too_and_once(self) -> None:
        self.say(range(1000, 1003))
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        lost = [Send(f"u{number}", "bob@CIC", "alice@CIC", f"n {number}") for number in (7, 8)]
        self.alice.observers.received_unkept(peer, [*lost])
        self.run_for(0.3)
        self.now += 60
        self.say(range(1003, 1030))
        for key in (UP, DOWN):
            rows: list[str] = []
            for page in [self.typed(key) for _ in range(12)][:: -1 if key == UP else 1]:
                rows += [row for row in page if row not in rows]
            place = rows.index("[bob@CIC] n 1002")
            unkept = [f"[bob@CIC] n {number} (not kept)" for number in (7, 8)]
            self.assertEqual(rows[place + 1 : place + 4], [*unkept, "[bob@CIC] n 1003"])

    def typed(self, key: str) -> list[str]:
        self.type(key)
        return self.messages

    def test_own_marks_go_on_changing_there(self) -> None:
        self.town.kill(self.other("bob"))
        self.run_for(1)
        self.type("espera\r")
        self.type("/history 12\r")
        self.assertIn("the past", self.bar)
        self.type(DOWN)
        self.assertTrue(any("espera …" in row for row in self.messages), self.messages)
        self.others["bob@CIC"] = self.town.node("bob@CIC")
        self.run_for(30)
        self.assertTrue(any("espera ✓" in row for row in self.messages), self.messages)

    def test_all_together_goes_back_too(self) -> None:
        self.say(range(500, 600), "#CIC")
        self.type("/to\r")
        up = self.pages(UP, 200)
        self.assertEqual(up[-1][0], 0)
        seen = {number for page in up for number in page}
        self.assertEqual(seen, {*range(self.count), *range(500, 600)})

    def test_slow_reading_holds_nothing_up(self) -> None:
        recent, waits = self.kept.recent, []

        def later(*words: Any) -> Deferred[Any]:
            answer: Deferred[Any] = Deferred()
            waits.append((answer, words))
            return answer

        self.type(UP * 3)
        self.patch(self.kept, "recent", later)
        self.type(UP * 30)
        top = self.numbers()
        self.assertEqual(len(waits), 1)
        self.type("/to carol\r/to bob\r")
        self.patch(self.kept, "recent", recent)
        for answer, words in waits:
            recent(*words).chainDeferred(answer)
        self.run_for(0.2)
        self.assertEqual(self.numbers()[-1], self.count - 1)
        self.type(UP * 30)
        self.assertLess(self.numbers()[0], top[0])

    def test_a_file_that_cannot_be_read_is_told(self) -> None:
        self.patch(self.kept, "recent", lambda *_: fail(HistoryError("the disk is gone")))
        self.type(UP * 8)
        self.type(END)
        told = [row for row in self.messages if "the disk is gone" in row]
        self.assertEqual(len(told), 1)
        self.patch(self.kept, "recent", lambda *_: fail(ZeroDivisionError()))
        self.type(UP * 8)
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))

    def test_what_is_forgotten_is_not_there_any_more(self) -> None:
        self.type(UP * 20)
        self.assertTrue(self.numbers())
        self.type("/forget bob\r/forget bob\r")
        self.type(UP * 20)
        self.assertEqual(self.numbers(), [])


class FloodTests(PastCase):
    skip = MISSING or None
    count = 10

    def test_what_was_left_out_is_in_its_place(self) -> None:
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        self.alice.incoming.deliver(
            peer,
            peer.link_in_use,
            [Send(f"f{i}", "bob@CIC", "alice@CIC", f"n {i}") for i in range(1000, 1800)],
        )
        self.run_for(3)
        self.assertTrue(any("more messages" in row for row in self.messages) or self.numbers())
        pages = self.pages(UP, 300)
        self.assertFalse([row for row in self.messages if "more messages" in row])
        seen = sorted({number for page in pages for number in page})
        self.assertEqual(seen, [*range(10), *range(1000, 1800)])


class HistoryTests(PastCase):
    skip = MISSING or None
    count = 120

    def test_it_opens_there(self) -> None:
        self.type("/history 100\r")
        self.assertTrue(self.screen.rows[1].startswith("── the last 100 ──"), self.screen.rows)
        self.assertEqual(self.numbers()[0], 20)
        self.type(UP * 9)
        self.assertEqual(self.numbers()[0], 0)
        self.type("/to\r/history bob 100\r")
        self.assertEqual((self.prompt, self.numbers()[0]), ("bob@CIC>", 20))

    def test_no_line_tells_two_times(self) -> None:
        self.type("/history 5\r")
        self.assertEqual(self.numbers()[-1], 119)
        self.assertNotIn("the past", self.bar)
        self.assertFalse([row for row in self.messages if "2026-" in row])

    def test_wrong_use_is_told(self) -> None:
        for typed, answer in (
            ("/history nobody 3", "nothing is kept of [nobody]"),
            ("/history #nowhere", "nothing is kept of [#nowhere]"),
            ("/history 0", "a number from 1 to 1000"),
        ):
            self.type(f"{typed}\r")
            self.assertIn(answer, self.messages[-1])
            self.assertEqual(self.prompt, "bob@CIC>")
        self.type("/to carol\r/history\r")
        self.assertIn("nothing is kept of [carol@CIC]", self.messages[-1])


class SearchTests(PastCase):
    skip = MISSING or None
    count = 120

    def test_enter_goes_to_the_place_and_escape_comes_back(self) -> None:
        self.type("/to carol\r/search n 7*\r")
        rows = self.screen.rows
        self.assertTrue(rows[0].startswith("── 11 found: n 7* (Enter opens"), rows[0])
        self.assertIn("[bob@CIC] n 79", rows[-3])
        self.assertEqual(rows[-3][:6], "> 2026"[:6].replace("> ", ">2")[:1] + rows[-3][1:6])
        self.type("\x1b[A" * 10 + "\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        place = next(n for n, row in enumerate(self.screen.rows) if row.startswith("── found ──"))
        self.assertIn("[bob@CIC] n 7", self.screen.rows[place + 1])
        self.assertIn("[bob@CIC] n 6", self.screen.rows[place - 1])
        self.assertIn("[bob@CIC] n 8", self.screen.rows[place + 2])
        self.escape()
        self.assertTrue(self.screen.rows[0].startswith("── 11 found: n 7*"))
        self.escape()
        self.assertEqual(self.prompt, "carol@CIC>")
        self.assertNotIn("found", self.shown())

    def test_all_together_it_stays_there(self) -> None:
        self.type("/to\r/search 7\r\r")
        self.assertEqual(self.prompt, ">")
        self.assertIn("── found", self.shown())
        self.assertIn(7, self.numbers())

    def test_from_there_one_goes_on(self) -> None:
        self.type('/search "n 60"\r\r')
        up = {number for page in self.pages(UP, 50) for number in page}
        down = {number for page in self.pages(DOWN, 50) for number in page}
        self.assertEqual((up | down), {*range(120)})

    def test_nothing_found_and_nothing_asked(self) -> None:
        self.type("/search nunca\r")
        self.assertIn('nothing is kept that has "nunca"', self.messages[-1])
        self.type("/search\r")
        self.assertIn("usage: /search <words>", self.messages[-1])

    def test_what_is_forgotten_meanwhile_is_told(self) -> None:
        self.type("/to\r/search 7\r")
        found: list[int] = []
        self.kept.forget("bob@CIC", lambda: None).addCallback(found.append)
        self.run_for(1)
        self.type("\r")
        self.assertIn("no longer kept", self.messages[-1])


class RestartTests(PastCase):
    skip = MISSING or None
    count = 3

    def test_the_list_is_there_again(self) -> None:
        self.hear("carol", "oi", "#CIC")
        self.kill()
        self.start()
        self.type("\x1b1")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type("\x1b2")
        self.assertEqual((self.prompt, self.said()), ("#CIC>", ["[carol@CIC] oi"]))
