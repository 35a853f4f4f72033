"""Events over restarts of the node: what was missed is found, and nothing comes twice."""

from __future__ import annotations

from itertools import islice
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.finding import Choice, Node, Refused
from p2pchat.control.client.following import follow
from p2pchat.control.client.place import Place
from p2pchat.control.paths import ControlError
from tests.support.control_sockets import asked_of, scripted


def message(id_: int, n: int | None = None) -> dict[str, Any]:
    event = {"event": "message", "from": "bob@CIC", "text": f"m{id_}", "id": id_}
    return event if n is None else {**event, "n": n}


def line(id_: int, state: str = "received", where: str = "bob@CIC") -> dict[str, Any]:
    found = {"id": id_, "conversation": where, "from": "bob@CIC", "time": "", "text": f"m{id_}"}
    return {**found, "msg_id": f"{id_}", "state": state, "security": "verified"}


class PlaceTests(SynchronousTestCase):
    def place(self, *kinds: str) -> Place:
        place = Place(kinds or ["message"])
        place.begins(100)
        self.assertEqual(place.subscribe()["since"], "now")
        place.subscribed({"run": "r", "last": 7, "missed": 0}, "alice@CIC")
        self.assertFalse(place.is_behind)
        return place

    def test_it_goes_on_where_it_was(self) -> None:
        place = self.place()
        self.assertTrue(place.takes(message(101, 8)))
        self.assertEqual((place.subscribe()["since"], place.subscribe()["run"]), (8, "r"))
        self.assertFalse(place.takes(message(101)), "it came before")
        place.subscribed({"run": "r", "last": 9, "missed": 0}, "alice@CIC")
        self.assertFalse(place.is_behind)

    def test_what_was_missed_is_in_the_history(self) -> None:
        place = self.place("message", "sent")
        place.takes(message(102, 8))
        place.subscribed({"run": "s", "last": 0, "missed": None}, "alice@CIC")
        self.assertTrue(place.is_behind)
        self.assertEqual(place.history()["after"], 100, "nothing from before it began")
        lines = [line(101), line(102), line(103, "delivered"), line(104, where="*")]
        new = place.read({"lines": lines, "more_after": True, "last_id": 105})
        self.assertEqual([(each["event"], each["id"], each["to"]) for each in new], [
            ("message", 101, "alice@CIC"), ("sent", 103, "bob@CIC"), ("message", 104, "*")
        ])  # fmt: skip
        self.assertEqual(new[0]["security"], "verified")
        self.assertTrue(place.is_behind)
        self.assertEqual(place.history()["after"], 104)
        self.assertEqual(len(place.read({"lines": [line(105)], "last_id": 105})), 1)
        self.assertFalse(place.is_behind)
        self.assertFalse(place.takes(message(105, 1)), "it came meanwhile")

    def test_what_was_left_out_is_too(self) -> None:
        place = self.place()
        self.assertTrue(place.takes({"event": "left_out", "count": 3}))
        self.assertTrue(place.is_behind)
        place.cannot_read()
        self.assertFalse(place.is_behind)

    def test_who_wants_no_messages_needs_no_history(self) -> None:
        place = self.place("peer")
        place.subscribed({"run": "s", "last": 0, "missed": None}, "alice@CIC")
        self.assertFalse(place.is_behind)

    def test_another_history(self) -> None:
        place = self.place()
        place.takes(message(150, 8))
        place.subscribed({"run": "s", "last": 0, "missed": None}, "alice@CIC")
        place.history()
        place.read({"lines": [], "last_id": 3})
        place.takes({"event": "left_out", "count": 3})
        self.assertEqual(place.history()["after"], 0)

    def test_it_remembers_a_bounded_number(self) -> None:
        place = self.place()
        for number in range(20_000):
            place.takes(message(200 + number))
        self.assertLess(len(place._ids), 5000)


class FollowTests(SynchronousTestCase):
    def run_with(self, *scripts: list[dict[str, Any]] | None) -> None:
        self.said: list[str] = []
        self.slept: list[float] = []
        self.asked: list[list[dict[str, Any]]] = []
        waiting = [*scripts]

        def look_for(_: Choice) -> Node:
            script = waiting.pop(0)
            if script is None:
                raise ControlError("no node of yours is running")
            node, theirs = scripted(*script)
            self.addCleanup(theirs.close)
            theirs.shutdown(1)
            self.addCleanup(lambda: self.asked.append(asked_of(theirs)))
            return node

        self.events = follow(Choice(), ["message"], self.said.append, self.slept.append, look_for)

    def test_it_comes_back(self) -> None:
        begin: list[dict[str, Any]] = [
            {"id": 1, "ok": True, "last_id": 5},
            {"id": 2, "ok": True, "run": "r", "last": 0, "missed": 0},
        ]
        again: list[dict[str, Any]] = [
            {"id": 1, "ok": True, "run": "s", "last": 1, "missed": None},
            message(8, 1),
            {"id": 2, "ok": True, "lines": [line(6), line(7), line(8)], "last_id": 8},
            message(9, 2),
        ]
        self.run_with([*begin, message(6, 1), {"event": "stopping"}], None, None, again)
        got = [*islice(self.events, 4)]
        self.assertEqual([event["text"] for event in got], ["m6", "m7", "m8", "m9"])
        self.assertEqual(self.said, ["the node stops", "the node is there again"])
        self.assertEqual(len(self.slept), 3)
        self.assertGreater(self.slept[2], self.slept[0])

    def test_a_node_that_is_not_there_at_the_beginning(self) -> None:
        self.run_with(None)
        self.assertRaises(ControlError, next, self.events)

    def test_a_node_that_keeps_nothing_or_refuses(self) -> None:
        refused = {"ok": False, "code": "refused", "error": "this node keeps nothing"}
        self.run_with([{"id": 1, **refused}, {"id": 2, "ok": True, "missed": 0}, message(6)])
        self.assertEqual(next(self.events)["text"], "m6")
        self.run_with([{"id": 1, **refused}, {"id": 2, **refused}])
        self.assertRaises(Refused, next, self.events)
