"""`p2pchat history`: what was said, from the file, without a node."""

from __future__ import annotations

import io
import json
import os
import sys

from p2pchat.control.client.commands import run
from p2pchat.history.export import find
from p2pchat.history.records import DELIVERED, PUBLISHED, WAITING, Batch, HistoryError
from p2pchat.settings.paths import default_history_path
from p2pchat.wire.changes import kept_id
from tests.support.histories import NOW, FileCase, pub, send


class ExportTests(FileCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = os.path.join(os.path.dirname(self.path), "data")
        self.patch(os, "environ", {**os.environ, "XDG_DATA_HOME": self.folder})

    def run_it(self, *words: str) -> int:
        self.out = io.TextIOWrapper(io.BytesIO(), "utf-8")
        self.err = io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        status = run(["history", *words])
        self.out.flush()
        self.shown = self.out.buffer.getvalue().decode()
        return status

    def say(self) -> None:
        plain = self.arrival("bob@CIC", send("s1", "olá"))
        late = self.arrival("bob@CIC", pub("p1", "mais cedo\x1b[2J"), said=[NOW - 60.5])
        self.keep(plain, late)
        self.database.commit(
            Batch(
                entries=[
                    self.entry("bob@CIC", "m1", "espera", WAITING),
                    self.entry("*", "m2", "a todos", PUBLISHED),
                ]
            )
        )

    def test_for_programs(self) -> None:
        self.say()
        self.assertEqual(self.run_it("--json", "--file", self.path), 0)
        lines = [json.loads(line) for line in self.shown.splitlines()]
        self.assertEqual(
            lines[1],
            {
                "id": 2,
                "time": "2026-09-21T14:13:20.000Z",
                "said": "2026-09-21T14:12:19.500Z",
                "conversation": "#CIC",
                "from": "bob@CIC",
                "text": "mais cedo\x1b[2J",
                "msg_id": "p1",
                "state": "received",
            },
        )
        self.assertEqual(
            [line["state"] for line in lines], ["received", "received", "waiting", "published"]
        )

    def test_for_a_person(self) -> None:
        self.say()
        self.assertEqual(self.run_it("--file", self.path), 0)
        lines = [line.split(" ", 2)[2] for line in self.shown.splitlines()]
        self.assertEqual(lines[0], "[bob@CIC] olá")
        self.assertRegex(lines[1], r"^\[bob@CIC -> #CIC, said 2026-09-2. ..:12\] mais cedo\\x1b")
        self.assertEqual(
            lines[2:], ["[alice@CIC -> bob@CIC] espera (waits)", "[alice@CIC -> *] a todos"]
        )
        self.assertEqual(self.run_it("#CIC", "--file", self.path), 0)
        self.assertEqual(len(self.shown.splitlines()), 1)

    def test_one_conversation_by_a_bare_name(self) -> None:
        self.say()
        self.assertEqual(self.run_it("bob", "--file", self.path), 0)
        self.assertEqual(len(self.shown.splitlines()), 2)
        self.assertEqual(self.run_it("eva", "--file", self.path), 0)
        self.assertEqual(
            (self.shown, self.err.getvalue()), ("", "p2pchat: nothing is kept of [eva]\n")
        )
        self.keep(self.arrival("bob@UnB", send("s2", "x")))
        self.assertEqual(self.run_it("bob", "--file", self.path), 1)
        self.assertIn("[bob] may be any of [bob@CIC], [bob@UnB]", self.err.getvalue())

    def test_the_last_lines_as_on_a_console(self) -> None:
        self.say()
        self.keep(self.arrival("bob@CIC", send("s2", "b"), send("s3", "c")))
        self.assertEqual(self.run_it("bob", "2", "--file", self.path), 0)
        self.assertEqual([line[-1] for line in self.shown.splitlines()], ["b", "c"])
        self.assertEqual(self.run_it("1", "--file", self.path), 0)
        self.assertEqual(len(self.shown.splitlines()), 1)
        self.assertEqual(self.run_it("bob", "0", "--file", self.path), 2)
        lists = f"{self.path.removesuffix('.sqlite')}.lists"
        with open(lists, "w", encoding="utf-8") as file:
            file.write('{"aliases":{"mum":"bob@CIC"}}')
        self.assertEqual(self.run_it("mum", "1", "--file", self.path), 0)
        self.assertIn("[bob@CIC] c", self.shown)
        os.remove(lists)
        os.mkfifo(lists)
        self.assertEqual(self.run_it("bob", "1", "--file", self.path), 0, "it waits for no pipe")
        self.assertIn("[bob@CIC] c", self.shown)

    def test_a_change_says_what_it_is_one_of(self) -> None:
        self.say()
        change = self.entry("bob@CIC", kept_id("e1", "m1"), "ola", DELIVERED)
        self.database.commit(Batch(entries=[change]))
        self.assertEqual(self.run_it("bob", "1", "--json", "--file", self.path), 0)
        line = json.loads(self.shown)
        self.assertEqual((line["msg_id"], line["of"], line["text"]), ("e1", "m1", "ola"))
        self.assertEqual(self.run_it("bob", "1", "--file", self.path), 0)
        self.assertIn("[alice@CIC -> bob@CIC, edited] ola", self.shown)

    def test_the_file_of_a_name_that_is_not_one_of_a_file(self) -> None:
        for peer_id in ("joão@sala azul", "alice@CIC"):
            path = default_history_path(peer_id)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb"):
                pass
        for name, namespace in (("joão", "sala azul"), ("joão", None), (None, "sala azul")):
            self.assertEqual(find(name, namespace), default_history_path("joão@sala azul"))
        self.assertRaises(HistoryError, find, "joana", None)

    def test_which_file(self) -> None:
        self.assertEqual(self.run_it(), 1)
        self.assertIn("there is no history in", self.err.getvalue())
        folder = os.path.join(self.folder, "p2pchat")
        os.makedirs(folder)
        self.say()
        self.database.close()
        for name in ("alice@CIC", "alice@UnB"):
            with (
                open(self.path, "rb") as source,
                open(os.path.join(folder, f"{name}.sqlite"), "wb") as copy,
            ):
                copy.write(source.read())
        self.assertEqual(self.run_it(), 1)
        self.assertIn("there are several (alice@CIC, alice@UnB): say which", self.err.getvalue())
        self.assertEqual(self.run_it("--namespace", "UnB"), 0)
        self.assertEqual(self.run_it("--name", "bob"), 1)
        self.assertEqual(self.run_it("--file", "/nowhere/at/all"), 1)
        self.assertIn("there is no file /nowhere/at/all", self.err.getvalue())
