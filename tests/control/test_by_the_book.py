"""A client that knows nothing but `docs/control.md`: it is killed in a flood, and misses none."""

from __future__ import annotations

from typing import Any

from tests.support.control_sockets import Client, ControlledCase, ControlledTown

MARGIN = 1000


class BookClient:
    """Does what "A client that was away" says, word by word."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.known: set[int] = set()
        self.number: int | str = "now"
        self.run = ""
        self.left_out = 0

    def come(self, place: ControlledTown) -> None:
        """Connect, subscribe, and read from the history what is missed."""
        self.place, self.client = place, place.client()
        largest = max(self.known, default=0)
        answer = self.ask("subscribe", events=["message"], since=self.number, run=self.run)
        self.run = answer["run"]
        if answer["missed"] != 0:
            after = max(0, largest - MARGIN)
            more = True
            while more:
                page = self.ask("history", after=after, count=200)
                for line in page["lines"]:
                    self.take(line)
                more = page["more_after"]
                after = page["lines"][-1]["id"] if page["lines"] else after

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        self.client.say({"id": "x", "do": do, **fields})
        for _ in range(100):
            for said in self.client.heard():
                if said.get("id") == "x":
                    return said
                self.hear(said)
            self.place.town.run(0.1)
        raise AssertionError(f"{do} is not answered")

    def listen(self) -> None:
        for said in self.client.heard():
            self.hear(said)

    def hear(self, said: dict[str, Any]) -> None:
        if said.get("event") == "message":
            self.number = said["n"]
            self.take(said)
        elif said.get("event") == "left_out":
            self.left_out += said["count"]

    def take(self, line: dict[str, Any]) -> None:
        if line["id"] not in self.known:
            self.known.add(line["id"])
            self.texts.append(line["text"])

    def is_killed(self) -> None:
        self.client.hang_up()


class BookTests(ControlledCase):
    def setUp(self) -> None:
        self.begin(ControlledTown(keeps=self), 1.0)

    def flood(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.place.bob.publish("*", f"{number}")
            if number % 200 == 0:
                self.town.run(0.05)
        self.town.run(1)

    def test_a_short_absence_and_a_long_one(self) -> None:
        client = BookClient()
        client.come(self.place)
        self.flood(0, 300)
        client.listen()
        client.is_killed()
        self.flood(300, 300)
        client.come(self.place)
        self.assertEqual((len(client.texts), client.left_out), (600, 0), "the node has kept them")
        client.is_killed()
        self.flood(600, 3000)
        client.come(self.place)
        client.listen()
        self.flood(3600, 10)
        client.listen()
        client.is_killed()
        self.assertGreater(client.left_out, 500)
        self.assertEqual(sorted(map(int, client.texts)), [*range(3610)])

    def test_other_things_that_the_document_says(self) -> None:
        client = Client(self.place.service)
        self.addCleanup(client.hang_up)
        (hello,) = client.heard()
        self.assertEqual((hello["event"], hello["protocol"]), ("hello", 1))
        self.place.bob.send("alice@CIC", "oi")
        self.town.run(1)
        client.say({"id": 1, "do": "conversations"})
        self.town.run(0.5)
        (answer,) = client.heard()
        (row,) = answer["conversations"]
        self.assertEqual((row["conversation"], row["unread"]), ("bob@CIC", 1))
        client.say({"id": 2, "do": "read", "conversation": row["conversation"]})
        client.say({"id": 3, "do": "send", "to": "bob@CIC", "text": "olá"})
        self.town.run(1)
        self.assertEqual([said["ok"] for said in client.heard()], [True, True])
