"""The streams of open pages, of a real node in a fake network."""

from __future__ import annotations

from p2pchat.web.streams import MOST
from tests.support.web_clients import Connection, PageCase, PageTown


class StreamsTests(PageCase):
    def texts(self, stream: Connection) -> list[str]:
        return [e["text"] for e in stream.events if e["event"] == "message"]

    def say(self, *texts: str, to: str = "alice@CIC") -> None:
        for text in texts:
            self.bob.send(to, text) if "@" in to else self.bob.publish(to, text)
        self.town.run(1)

    def test_it_begins_where_the_state_ended(self) -> None:
        state = self.get("state").fields
        self.say("between")
        stream = self.stream(run=state["run"], since=state["last"])
        hello = stream.events[0]
        self.assertEqual((hello["event"], hello["missed"]), ("hello", 0))
        self.assertEqual(self.texts(stream), ["between"])
        self.say("then")
        self.assertEqual(self.texts(stream), ["between", "then"])

    def test_it_goes_on_where_it_stopped(self) -> None:
        first = self.stream()
        self.say("one")
        last = first.events[-1]["n"]
        first.lose()
        self.say("two", "three")
        run = first.events[0]["run"]
        second = self.stream(run=run, since=last)
        self.assertEqual(self.texts(second), ["two", "three"])
        numbers = [e["n"] for e in [*first.events, *second.events] if "n" in e]
        self.assertEqual(numbers, [*range(numbers[0], numbers[0] + len(numbers))])

    def test_another_run_of_the_node(self) -> None:
        stream = self.stream(run="another", since=99)
        self.assertEqual(stream.events[0]["missed"], None)

    def test_too_much_was_missed(self) -> None:
        first = self.stream()
        run, last = first.events[0]["run"], first.events[0]["last"]
        first.lose()
        for _ in range(60):
            self.say(*("x" * 20_000,))
        second = self.stream(run=run, since=last)
        hello, left_out = second.events[0], second.events[1]
        self.assertEqual(left_out["event"], "left_out")
        self.assertEqual(hello["missed"], left_out["count"])
        told = len(self.texts(second))
        self.assertTrue(0 < told < 60)

    def test_the_fifth_page_ends_the_first(self) -> None:
        streams = [self.stream(f"p{n}") for n in range(MOST + 1)]
        self.assertEqual(streams[0].kinds, ["hello", "elsewhere"])
        self.assertTrue(streams[0].is_over)
        self.say("oi")
        for stream in streams[1:]:
            self.assertEqual(self.texts(stream), ["oi"])
        # Use here: it comes back, and the next one hears the same.
        again = self.stream("p0")
        self.assertEqual(streams[1].kinds[-1], "elsewhere")
        self.assertEqual(again.kinds, ["hello"])
        self.assertEqual(self.web.open().pages, MOST)

    def test_ten_tabs(self) -> None:
        streams = [self.stream(f"tab{n}") for n in range(10)]
        self.say("oi")
        self.assertEqual([bool(self.texts(each)) for each in streams], [False] * 6 + [True] * 4)

    def test_a_page_comes_back_before_it_was_missed(self) -> None:
        first, second = self.stream("p"), self.stream("p")
        self.assertTrue(first.is_over)
        self.say("oi")
        self.assertEqual((self.texts(first), self.texts(second)), ([], ["oi"]))
        first.lose()
        self.say("still")
        self.assertEqual(self.texts(second), ["oi", "still"])
        self.assertEqual(self.web.open().pages, 1)

    def test_what_is_a_page(self) -> None:
        for page in ("", "x" * 65, "a%20b", "%C3%A9", "a/b"):
            answer = self.place.ask("GET", f"events?page={page}").answer
            self.assertEqual((answer.status, answer.fields["code"]), (400, "bad_request"), page)

    def test_a_page_that_is_closed_is_forgotten(self) -> None:
        stream = self.stream("p")
        self.post("watch", page="p", watching="bob@CIC")
        stream.lose()
        self.say("oi")
        self.assertEqual(self.alice.unread.of("bob@CIC"), 1)
        self.assertEqual(self.web.open().pages, 0)
        self.assertEqual(self.post("watch", page="p", watching="bob@CIC").status, 409)

    def test_what_a_person_sees_is_read(self) -> None:
        unread = self.alice.unread
        self.stream("p", watching="bob@CIC")
        self.say("seen")
        self.say("all", to="#CIC")
        self.assertEqual((unread.of("bob@CIC"), unread.of("#CIC")), (0, 1))
        self.post("watch", page="p", watching="#CIC")
        self.say("unseen")
        self.assertEqual(unread.of("bob@CIC"), 1)
        self.post("watch", page="p", watching=None)
        self.say("more", to="#CIC")
        self.assertEqual(unread.of("#CIC"), 2)

    def test_a_page_counts_more_than_a_plain_console(self) -> None:
        """Who looks at a page does not see the console beside it, whatever the page shows."""
        unread, console = self.alice.unread, object()
        unread.attend(console)
        self.say("on the console")
        self.assertEqual(unread.of("bob@CIC"), 0)
        stream = self.stream("p", watching="#CIC")
        self.say("nobody saw")
        self.assertEqual(unread.of("bob@CIC"), 1)
        self.post("watch", page="p", watching=None)
        self.say("nobody saw")
        self.assertEqual(unread.of("bob@CIC"), 2)
        stream.lose()
        self.say("on the console")
        self.assertEqual(unread.of("bob@CIC"), 2)
        unread.leave(console)

    def test_a_page_that_does_not_read(self) -> None:
        """The node goes on for all others, and keeps little for this one."""
        deaf, other = self.stream("deaf"), self.stream("other")
        deaf.wire.pauseReader()
        for _ in range(60):
            self.say("x" * 20_000)
        self.assertEqual(len(self.texts(other)), 60)
        heard = len(deaf.wire.value())
        deaf.wire.resumeReader()
        self.town.run(1)
        self.assertTrue(len(deaf.wire.value()) - heard < 300_000)
        (left_out,) = [e["count"] for e in deaf.events if e["event"] == "left_out"]
        told = [e for e in deaf.events if "n" in e]
        others = [e for e in other.events if "n" in e]
        self.assertEqual(len(told) + left_out, len(others))


class ForgettingTests(PageCase):
    def test_what_is_deleted_is_told_to_nobody_who_comes_back(self) -> None:
        self.open_page(PageTown(keeps=self))
        state = self.get("state").fields
        self.bob.send("alice@CIC", "secret")
        self.town.run(1)
        self.post("forget", peer_id="bob@CIC")
        self.town.run(1)
        stream = self.stream(run=state["run"], since=state["last"])
        self.assertNotIn(b"secret", stream.wire.value())
        self.assertIn("forgotten", stream.kinds)
