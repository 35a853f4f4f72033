"""Making a history file of an earlier format one of this format.

Rules: each step runs in one transaction, together with the new number: a kill leaves the file as it
was. A step says with its own statements what the file looks like afterwards.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from p2pchat.history import sums

OF_BEFORE: Final = tuple(
    f"CREATE TEMP VIEW {table} AS SELECT *, {more} FROM main.{table}"
    for table, more in (
        ("message", "NULL AS security, NULL AS sum"),
        ("name", "NULL AS sum"),
        ("segment", "NULL AS sum"),
    )
)
"""What has a reader read a file of format 4, which it cannot change, like one of this format."""


def from_4(connection: Connection) -> None:
    """Give rows their sums. Those of `message` have none until they change: there may be many.

    Of what is there it is not known how it came.
    """
    sums.prepare(connection)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS run"
        " (id INTEGER PRIMARY KEY, total INTEGER NOT NULL, wall INTEGER NOT NULL)"
    )
    connection.execute("ALTER TABLE message ADD COLUMN security INTEGER")
    for table in ("message", "name", "segment", "run"):
        connection.execute(f"ALTER TABLE {table} ADD COLUMN sum INTEGER")
    connection.execute("ALTER TABLE name ADD COLUMN marks INTEGER NOT NULL DEFAULT 0")
    connection.execute(f"UPDATE name SET sum = name_sum(id, CAST(text AS BLOB)), {sums.SET_MARKS}")
    connection.execute("UPDATE segment SET sum = segment_sum(id, count, strangers, data)")
    connection.execute("UPDATE run SET sum = run_sum(id, total, wall)")
    connection.execute(sums.MARKED)
    connection.execute("CREATE TABLE summed (after INTEGER NOT NULL)")
    connection.execute("INSERT INTO summed SELECT coalesce(max(id), 0) FROM message")
