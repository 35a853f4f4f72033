"""What programs ask of the history and of the outbox, of a real node in a fake network."""

from __future__ import annotations

from typing import Any

from p2pchat.control.past import MOST_LINES
from tests.support.control_sockets import ControlledCase, ControlledTown


class PastTests(ControlledCase):
    def setUp(self) -> None:
        self.begin(ControlledTown(keeps=self), 1.0)
        self.alice, self.bob = self.place.alice, self.place.bob

    def hear(self, *texts: str, to: str = "alice@CIC") -> None:
        for text in texts:
            self.bob.send(to, text) if "@" in to else self.bob.publish(to, text)
        self.town.run(1)
        self.client.heard()

    def answer(self, do: str, **fields: Any) -> dict[str, Any]:
        self.client.heard()
        self.client.say({"do": do, **fields})
        self.town.run(0.5)
        (answer,) = self.client.heard()
        return answer

    def texts(self, answer: dict[str, Any]) -> list[str]:
        self.assertTrue(answer["ok"], answer)
        return [line["text"] for line in answer["lines"]]

    # ------------------------------------------------------------ pages

    def test_pages_before_after_and_around(self) -> None:
        self.hear(*(f"{n}" for n in range(10)))
        self.hear("to all", to="*")
        last = self.answer("history", conversation="bob", count=3)
        self.assertEqual(self.texts(last), ["7", "8", "9"])
        self.assertEqual((last["more_before"], last["more_after"]), (True, False))
        ids = [line["id"] for line in last["lines"]]
        earlier = self.answer("history", conversation="bob@CIC", count=3, before=ids[0])
        self.assertEqual(self.texts(earlier), ["4", "5", "6"])
        self.assertEqual((earlier["more_before"], earlier["more_after"]), (True, True))
        first = earlier["lines"][0]["id"]
        later = self.answer("history", conversation="bob@CIC", count=4, after=first)
        self.assertEqual(self.texts(later), ["5", "6", "7", "8"])
        self.assertEqual((later["more_before"], later["more_after"]), (True, True))
        around = self.answer("history", conversation="bob@CIC", count=4, around=first)
        self.assertEqual(self.texts(around), ["2", "3", "4", "5"])
        whole = self.answer("history", around=first, count=MOST_LINES)
        self.assertEqual(self.texts(whole), [*"0123456789", "to all"])
        self.assertEqual((whole["more_before"], whole["more_after"]), (False, False))
        self.assertEqual(whole["last_id"], whole["lines"][-1]["id"])

    def test_a_line(self) -> None:
        self.hear("oi")
        self.alice.send("bob@CIC", "olá")
        self.town.run(1)
        theirs, ours = self.answer("history")["lines"]
        self.assertEqual((theirs["from"], theirs["conversation"]), ("bob@CIC", "bob@CIC"))
        self.assertEqual((theirs["state"], theirs["security"]), ("received", "plain"))
        self.assertEqual((ours["from"], ours["state"]), ("alice@CIC", "delivered"))
        self.assertRegex(ours["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_an_event_has_the_id_of_its_line(self) -> None:
        self.client.ask("subscribe", events=["message", "sent"])
        self.bob.send("alice@CIC", "oi")
        self.bob.publish("*", "all")
        self.town.run(1)
        direct = self.alice.send("bob@CIC", "olá")
        self.alice.send("bob@CIC", "olá!", of=direct)
        public = self.alice.publish("#CIC", "hum").msg_id
        self.alice.publish("#CIC", "hm", of=public)
        self.town.run(1)

        def told(lines: list[dict[str, Any]]) -> dict[str, Any]:
            return {line["text"]: (line.get("id"), line.get("of")) for line in lines}

        events, lines = told(self.client.heard()), told(self.answer("history")["lines"])
        self.assertEqual(events, lines)
        self.assertEqual(len(lines), 6)
        self.assertEqual((events["olá!"][1], events["hm"][1]), (direct, public))

    def test_what_is_bounded(self) -> None:
        self.hear(*("x" * 30_000 for _ in range(12)), "last")
        lines = self.answer("history", count=1_000_000)
        self.assertTrue(lines["more_before"])
        self.assertEqual(self.texts(lines)[-1], "last")
        self.assertLess(len(lines["lines"]), 12)
        first = self.answer("history", after=0)
        self.assertTrue(first["more_after"])
        self.assertEqual(len(self.answer("history", count=-5)["lines"]), 1)
        for fields in (
            {"before": 1, "after": 1},
            {"conversation": 7},
            {"before": "x"},
            {"after": 1 << 63},
            {"around": 10**400},
        ):
            self.assertEqual(self.answer("history", **fields)["code"], "bad_request")

    def test_a_client_that_does_not_read_costs_one_answer(self) -> None:
        self.hear(*("x" * 30_000 for _ in range(8)))
        self.client.wire.pauseReader()
        for n in range(900):
            self.client.say({"id": n, "do": "history"})
        self.town.run(5)
        self.assertLess(self.client.connection.out._waiting_bytes, 1_048_576)
        other = self.place.client()
        self.addCleanup(other.hang_up)
        other.say({"do": "history", "count": 1})
        self.town.run(0.5)
        self.assertEqual(len(other.heard()), 1, "others are answered")

    # ------------------------------------------------------------ search, conversations, read

    def test_search(self) -> None:
        self.hear("um gato", "dois gatos", "um cão")
        self.hear("outro gato", to="*")
        self.assertEqual(self.texts(self.answer("search", words="gato")), ["um gato", "outro gato"])
        one = self.answer("search", words="gato", conversation="bob@CIC")
        self.assertEqual(self.texts(one), ["um gato"])
        found = self.answer("search", words="gat*", count=1)
        self.assertEqual((self.texts(found), found["more_before"]), (["outro gato"], True))
        before = self.answer("search", words="gat*", before=found["lines"][0]["id"], count=1)
        self.assertEqual(self.texts(before), ["dois gatos"])
        for words in ("", "  ", "x" * 2000):
            self.assertEqual(self.answer("search", words=words)["code"], "bad_request")

    def test_conversations_and_what_is_unread(self) -> None:
        self.hear("um", "dois")
        self.hear("todos", to="*")
        answer = self.answer("conversations")
        rows = [(row["conversation"], row["last"]["text"], row["unread"]) for row in
                answer["conversations"]]  # fmt: skip
        self.assertEqual(rows, [("*", "todos", 1), ("bob@CIC", "dois", 2)])
        self.assertFalse(answer["more"])
        one = self.answer("conversations", count=1)
        self.assertTrue(one["more"])
        before = self.answer("conversations", before=one["conversations"][0]["last"]["id"])
        self.assertEqual([row["conversation"] for row in before["conversations"]], ["bob@CIC"])

    def test_what_is_read_is_read_for_all(self) -> None:
        self.hear("um", "dois", "três")
        self.client.ask("subscribe", events=["read"])
        first = self.answer("history", conversation="bob@CIC")["lines"][0]["id"]
        self.client.say({"do": "read", "conversation": "bob", "upto": first})
        self.town.run(0.5)
        event, answer = self.client.heard()
        self.assertEqual(answer["unread"], 2)
        self.assertEqual((event["conversation"], event["upto"]), ("bob@CIC", first))
        self.assertEqual(self.alice.unread.of("bob@CIC"), 2)
        self.client.say({"do": "read", "conversation": "bob@CIC"})
        event, answer = self.client.heard()
        self.assertEqual((answer["unread"], "upto" in event), (0, False))
        self.assertEqual(self.alice.unread.of("bob@CIC"), 0)
        for wrong in ("", "#", "made up", "x" * 500 + "@C"):
            self.assertEqual(self.answer("read", conversation=wrong)["code"], "bad_request")

    def test_what_is_forgotten_is_gone_from_everywhere(self) -> None:
        self.client.ask("subscribe", since=0)
        self.hear("secret")
        self.assertEqual(self.answer("forget", peer_id="bob")["code"], "bad_request")
        answer = self.answer("forget", peer_id="bob@CIC")
        self.assertEqual((answer["ok"], answer["messages"]), (True, 1))
        self.assertEqual(self.answer("history")["lines"], [])
        self.assertEqual(self.alice.unread.counts, {})
        other = self.place.client()
        self.addCleanup(other.hang_up)
        other.say({"do": "subscribe", "since": 0, "events": ["message"]})
        self.assertNotIn("secret", str(other.heard()))

    def test_a_node_that_keeps_nothing(self) -> None:
        self.begin(ControlledTown())
        for do in ("history", "conversations"):
            self.assertEqual(self.client.ask(do)["code"], "refused")
        self.assertEqual(self.client.ask("search", words="x")["code"], "refused")
        self.assertEqual(self.client.ask("forget", peer_id="bob@CIC")["code"], "refused")
        self.place.bob.send("alice@CIC", "oi")
        self.town.run(1)
        self.assertEqual(self.place.alice.unread.of("bob@CIC"), 1)
        self.assertTrue(self.client.ask("read", conversation="bob@CIC")["ok"])
        self.assertEqual(self.place.alice.unread.of("bob@CIC"), 0)

    # ------------------------------------------------------------ the outbox, and links

    def test_what_waits_and_is_cancelled(self) -> None:
        for number in range(3):
            self.client.say({"do": "send", "to": "zoe@CIC", "text": f"{number}"})
        self.town.run(1)
        answer = self.answer("outbox")
        rows = answer["messages"]
        self.assertEqual([(row["to"], row["text"]) for row in rows], [
            ("zoe@CIC", "0"), ("zoe@CIC", "1"), ("zoe@CIC", "2")])  # fmt: skip
        self.assertEqual((rows[0]["stage"], rows[0]["stored"]), ("waits", True))
        self.assertEqual(self.answer("outbox", peer_id="bob@CIC")["messages"], [])
        some = self.answer("outbox", count=1)
        self.assertEqual((len(some["messages"]), some["more"]), (1, 2))
        more = self.answer("outbox", msg_ids=[rows[0]["msg_id"]])
        self.assertEqual([row["text"] for row in more["messages"]], ["1", "2"])
        theirs = self.bob.send("alice@CIC", "theirs")
        self.town.run(1)
        cancelled = self.answer("cancel", msg_ids=[rows[1]["msg_id"], theirs, "", "nothing"])
        self.assertEqual(cancelled["cancelled"], 1)
        self.assertEqual(cancelled["unknown"], [theirs, "", "nothing"])
        self.assertTrue(cancelled["for_good"])
        for wrong in ([], [f"{n}" for n in range(2000)], "all"):
            self.assertEqual(self.answer("cancel", msg_ids=wrong)["code"], "bad_request")
        self.assertEqual(self.answer("outbox", msg_ids=["gone"])["code"], "bad_request")

    def test_links(self) -> None:
        self.assertEqual(self.answer("reconnect")["dialing"], 0)
        self.client.ask("subscribe", events=["links"])
        self.client.say({"do": "block", "entry": "bob@CIC"})
        self.town.run(2)
        heard = self.client.heard()
        (answer,) = [each for each in heard if "ok" in each]
        self.assertEqual((answer["entry"], answer["added"]), ("bob@CIC", ["bob@CIC"]))
        gone = [each for each in heard if each.get("event") == "links"][-1]
        self.assertEqual((gone["peer_id"], gone["links"]), ("bob@CIC", []))
        self.client.ask("unsubscribe")
        self.assertEqual(self.answer("block")["added"], ["bob@CIC"])
        self.assertEqual(self.answer("unblock", entry="bob@CIC")["added"], [])
        for do in ("block", "unblock"):
            self.assertEqual(self.answer(do, entry="\n@")["code"], "bad_request")

    def test_round_trips(self) -> None:
        self.client.ask("subscribe", events=["round_trip"])
        for _ in range(5):
            self.alice.ping_all()
            self.town.run(0.1)
        (event,) = self.client.heard()
        self.assertEqual(event["peer_id"], "bob@CIC")
        self.assertGreater(event["seconds"], 0)


class NumberTests(ControlledCase):
    """A client that was away goes on where it stopped, or is told how much is gone."""

    def notices(self, *texts: str) -> None:
        for text in texts:
            self.place.alice.observers.notice(text)

    def came_back(self, **fields: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        client = self.place.client()
        self.addCleanup(client.hang_up)
        client.say({"do": "subscribe", "events": ["notice"], **fields})
        *events, answer = client.heard()
        return events, answer

    def test_nothing_is_missed(self) -> None:
        self.client.say({"do": "subscribe", "events": ["notice"], "since": 0})
        (start,) = self.client.heard()
        self.assertEqual((start["last"], start["missed"]), (0, 0))
        self.notices("a", "b")
        self.assertEqual([event["n"] for event in self.client.heard()], [1, 2])
        self.client.hang_up()
        self.notices("c", "d")
        events, answer = self.came_back(since=2, run=start["run"])
        self.assertEqual([(event["n"], event["text"]) for event in events], [(3, "c"), (4, "d")])
        self.assertEqual((answer["last"], answer["missed"]), (4, 0))

    def test_or_it_is_told_how_much(self) -> None:
        run = self.came_back(since=0)[1]["run"]
        self.notices(*(f"{n} " + "x" * 1000 for n in range(3000)))
        (gone, *events), answer = self.came_back(since=10, run=run)
        self.assertEqual(gone, {"event": "left_out", "count": answer["missed"]})
        self.assertEqual(answer["missed"] + len(events), 2990)
        self.assertLess(sum(len(event["text"]) for event in events), 600_000)
        for fields in ({"run": "other", "since": 5}, {"run": run, "since": 9999}):
            events, answer = self.came_back(**fields)
            self.assertIsNone(answer["missed"])
            self.assertEqual((answer["run"], len(events) > 0), (run, True))

    def test_numbers_end_when_nobody_wants_them(self) -> None:
        run = self.came_back(since=0)[1]["run"]
        for client in [*self.place.service.factory.clients]:
            self.place.service.factory.went(client)
        observers = self.place.alice.observers._observers
        idle = len(observers)
        self.town.run(601)
        self.notices("too late")
        self.assertEqual(len(observers), idle - 1)
        events, answer = self.came_back(since=0, run=run)
        self.assertEqual((events, answer["missed"]), ([], None))
        self.assertNotEqual(answer["run"], run)

    def test_who_wants_none_gets_none(self) -> None:
        self.client.ask("subscribe", events=["notice"])
        self.notices("a")
        self.assertNotIn("n", self.client.heard()[0])

    def test_everything_again_and_again_is_sent_as_far_as_it_is_read(self) -> None:
        self.came_back(since=0)
        self.notices(*("x" * 1000 for _ in range(600)))
        self.client.wire.pauseReader()
        for number in range(64):
            self.client.say({"id": number, "do": "subscribe", "events": ["notice"], "since": 0})
        self.assertLess(self.client.connection.out._waiting_bytes, 1_200_000)
        self.assertFalse(self.client.wire.aborted)
