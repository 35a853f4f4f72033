"""What a look at a file finds, in parts, beside a node that runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history import checking, past
from p2pchat.history.checking import LOOKS, Faults
from p2pchat.history.schema import FORMAT
from p2pchat.history.sums import of_message, of_name


class PartsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            past.prepare(connection)
            for statement in FORMAT.tables:
                connection.execute(statement)

    def look(self) -> Faults:
        faults = Faults()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            past.prepare(connection)
            for look in LOOKS:
                while look(connection, faults):
                    pass
        return faults

    def change(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            past.prepare(connection)
            for statement in statements:
                connection.execute(statement)

    def test_all_is_well(self) -> None:
        faults = self.look()
        self.assertFalse(faults, faults)
        self.assertGreater(faults.tables, 5)

    def test_a_damaged_list_of_free_pages(self) -> None:
        self.change(
            "CREATE TABLE more (x)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
            " INSERT INTO more SELECT zeroblob(3000) FROM n",
            "DROP TABLE more",
        )
        self.assertFalse(self.look())
        data = bytearray(self.path.read_bytes())
        size = int.from_bytes(data[16:18], "big")
        trunk = int.from_bytes(data[32:36], "big")  # of the list: the file format, 1.3
        self.assertGreater(trunk, 0)
        at = (trunk - 1) * size + 8
        data[at : at + 4] = (10**6).to_bytes(4, "big")
        self.path.write_bytes(data)
        self.assertTrue(self.look().pages)

    def test_what_an_index_says_too_much_and_too_little(self) -> None:
        row = "(1, 1, 1, 'm', 5, NULL, 0, 'oi', 1, 0)"
        self.change(f"INSERT INTO message VALUES {row}", "UPDATE indexed SET upto = 1")
        self.assertTrue(self.look().conversations)
        self.change("INSERT INTO message_of VALUES (1, 1, 1)")
        self.assertFalse(self.look().conversations)
        self.change("UPDATE message_of SET received = 0")
        self.assertTrue(self.look().conversations)
        self.change("UPDATE message_of SET received = 1", "INSERT INTO message_of VALUES (2, 1, 1)")
        self.assertTrue(self.look().conversations)

    def test_a_name_that_comes_while_it_is_looked_at(self) -> None:
        self.patch(checking, "_AT_ONCE", 1)
        faults = Faults()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            past.prepare(connection)
            for number in (1, 2, 3):
                # The third message is by somebody whose name is not there.
                name = (number, f"peer{number}@CIC", of_name(number, f"peer{number}@CIC"))
                row = (number, number, number, "m", 5, None, 0, "oi", 1)
                if number < 3:
                    connection.execute("INSERT INTO name (id, text, sum) VALUES (?, ?, ?)", name)
                values = (*row, of_message(*row))
                marks = ", ".join("?" * len(values))
                connection.execute(f"INSERT INTO message VALUES ({marks})", values)
                checking._look_at_messages(connection, faults)
        self.assertEqual(faults.messages, [3])
        self.assertEqual(faults.whole_names, {1, 2})
