"""Pages: whatever is filed, deleted or converted, the same messages are found as before."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pchat.history import database as database_module
from p2pchat.history import past, segments
from p2pchat.history.database import Database
from p2pchat.history.reading import Reader
from p2pchat.history.records import (
    DELIVERED,
    PUBLISHED,
    RECEIVED,
    WAITING,
    Batch,
    Entry,
    HistoryError,
    Line,
)
from p2pchat.history.segments import PAGE, pack, repack, unpack
from tests.support.histories import NOW, FileCase, pub, send

PEERS = ("bob@CIC", "eva@CIC", "zé@UnB")
SCOPES = ("*", "#CIC", "#a b")
WORDS = ("olá", "OLA", "mundo", "gato", "日本", "日本日", "x1", "İ", "e\u0301")

texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
arrivals = st.tuples(
    st.just("arrival"),
    st.sampled_from(PEERS),
    st.lists(st.tuples(st.sampled_from((None, *SCOPES)), texts), min_size=1, max_size=9),
    st.booleans(),
)
own = st.tuples(st.just("own"), st.sampled_from((*PEERS, *SCOPES)), texts)
steps = st.lists(
    st.one_of(
        arrivals,
        own,
        st.tuples(st.just("file"), st.booleans()),
        st.tuples(st.just("prune"), st.integers(0, 40)),
        st.tuples(st.just("shrink"), st.integers(1, 9)),
        st.tuples(st.just("forget"), st.sampled_from(PEERS)),
        st.just(("reopen",)),
    ),
    max_size=30,
)


class Model:
    """A history in a file, and beside it what it should hold."""

    def __init__(self, folder: str) -> None:
        self.database = Database(os.path.join(folder, "alice.sqlite"))
        self.reader = Reader(self.database.path)
        self.lines: list[Line] = []
        self.next_id = 1
        self.wall = NOW

    def arrival(self, peer_id: str, what: list[tuple[str | None, str]], late: bool) -> None:
        self.wall += 1
        said = [self.wall - 60.0] * len(what) if late else None
        messages = [
            send(f"{self.next_id + n}", text, peer_id)
            if dst is None
            else pub(f"{self.next_id + n}", text, dst, peer_id)
            for n, (dst, text) in enumerate(what)
        ]
        ids = [str(message.msg_id) for message in messages]
        piece = pack(self.next_id, peer_id, self.wall, messages, ids, said)
        self.database.commit(Batch([piece]))
        self.lines += unpack(b"\x91" + piece.data)
        self.next_id += len(messages)

    def own(self, to: str, text: str) -> None:
        self.wall += 1
        state = PUBLISHED if to in SCOPES else DELIVERED
        entry = Entry(self.next_id, to, "alice@CIC", f"{self.next_id}", self.wall, state, text)
        self.database.commit(Batch(entries=[entry]))
        self.lines.append(
            Line(entry.id, to, entry.sender, entry.msg_id, self.wall, None, state, text)
        )
        self.next_id += 1

    def file(self, rest: bool) -> None:
        self.database.file(rest=rest)

    def prune(self, age: int) -> None:
        before = self.wall - age
        while self.database.prune(before, 0, 5):
            pass
        self.lines = [line for line in self.lines if line.at >= before]

    def shrink(self, limit: int) -> None:
        gone = self.database.prune(0, 1, limit)
        # What goes are the oldest ones, a page at a time, of those that one step has filed.
        least = min(limit, len(self.lines), segments.FILED_AT_ONCE)
        assert least <= gone <= limit + PAGE
        left = self.reader.recent(None, 1000)
        assert left == [line for line in self.lines if line in left]
        assert len(left) == len(self.lines) - gone
        newest = self.lines[limit + PAGE :]
        assert left[len(left) - len(newest) :] == newest
        self.lines = left

    def forget(self, peer_id: str) -> None:
        left = [one for one in self.lines if peer_id not in (one.sender, one.conversation)]
        assert self.database.forget(peer_id) == len(self.lines) - len(left)
        self.lines = left

    def reopen(self) -> None:
        self.database.close()
        loaded = self.database.load(1000, 0)
        received = [line for line in self.lines if line.state == RECEIVED]
        assert loaded.seen == [
            (line.sender, line.msg_id, line.conversation != line.sender) for line in received
        ]
        unread: dict[str, int] = {}
        for line in received:
            unread[line.conversation] = unread.get(line.conversation, 0) + 1
        assert loaded.unread == unread
        assert loaded.next_id <= self.next_id

    def check(self) -> None:
        assert self.reader.recent(None, 1000) == self.lines
        assert [*self.reader.everything()] == self.lines
        assert self.reader.recent(None, 5) == self.lines[-5:]
        for conversation in (*PEERS, *SCOPES):
            theirs = [line for line in self.lines if line.conversation == conversation]
            assert self.reader.recent(conversation, 3) == theirs[-3:]
            assert [*self.reader.everything(conversation)] == theirs
            if len(theirs) > 2:
                assert self.reader.recent(conversation, 9, theirs[-2].id) == theirs[:-2][-9:]
        for words in ("ola", "Olá mundo", "mun*", "x1 gato", "日本", "é", "本日"):
            found = self.reader.search(words, 4)
            assert found == [line for line in self.lines if holds(line.text, words)][-4:], words


def holds(text: str, words: str) -> bool:
    """Whether a text holds words, for the words that are used here."""
    same = {"olá": "ola", "OLA": "ola", "e\u0301": "e", "é": "e", "Olá": "ola"}
    there = [same.get(word, word) for word in text.split(" ")]
    if words in ("日本", "本日"):
        return words in text
    return all(
        any(one.startswith(word[:-1]) for one in there)
        if word.endswith("*")
        else same.get(word, word) in there
        for word in words.split()
    )


class ModelTests(FileCase):
    @given(steps, st.integers(1, 12), st.integers(1, 9))
    @settings(max_examples=200, deadline=None)
    def test_what_is_kept_is_found(
        self, steps: list[tuple[Any, ...]], at_once: int, size: int
    ) -> None:
        for module in (segments, database_module):
            self.patch(module, "FILED_AT_ONCE", at_once * 4)
            self.patch(module, "PAGE", size)
        with tempfile.TemporaryDirectory() as folder:
            model = Model(folder)
            for name, *values in steps:
                getattr(model, name)(*values)
            model.check()
            model.reader.close()
            model.database.close()


class LargeTests(FileCase):
    def test_a_step_of_filing_is_bounded_in_bytes(self) -> None:
        self.patch(database_module, "_FILED_BYTES", 50_000)
        self.keep(
            *(self.arrival("bob@CIC", send(str(n), "x" * 30_000)) for n in range(6)), file=False
        )
        before = self.reader.recent(None, 9)
        self.database.close()
        with sqlite3.connect(self.path) as connection:
            # As if each had come alone.
            connection.execute("DELETE FROM segment")
            connection.executemany(
                "INSERT INTO segment VALUES (?,?,1,?)",
                [(line.id, line.id, repack([line])) for line in before],
            )
        connection.close()
        self.open().close()
        self.database.unfiled = 6
        left = [self.database.file() for _ in range(4)]
        self.assertEqual(left, [4, 2, 0, 0])
        self.assertEqual(self.reader.recent(None, 9), before)

    def test_unread_is_counted_from_the_middle_of_a_page(self) -> None:
        many = 3 * PAGE
        self.keep(
            self.arrival("bob@CIC", *(send(f"b{n}", "x") for n in range(many))),
            self.arrival("eva@CIC", *(send(f"e{n}", "x") for n in range(3000))),
        )
        self.database.commit(Batch(read={past.EVERYTHING: 10, "eva@CIC": many + 2995}))
        self.assertEqual(self.database.load(9, 0).unread, {"bob@CIC": many - 10, "eva@CIC": 5})
        self.database.commit(Batch(read={"bob@CIC": many}))
        self.assertEqual(self.database.load(9, 0).unread, {"eva@CIC": 5})


FIRST_VERSION = (
    "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE,"
    " read_upto INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE message (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL,"
    " sender INTEGER NOT NULL, msg_id TEXT NOT NULL, at INTEGER NOT NULL, said INTEGER,"
    " state INTEGER NOT NULL, text TEXT NOT NULL)",
    "CREATE INDEX message_conversation ON message (conversation)",
    "CREATE INDEX message_published ON message (id) WHERE state = 1",
    "CREATE INDEX message_waiting ON message (id) WHERE state = 3",
    "CREATE TABLE segment (id INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
    " count INTEGER NOT NULL, data BLOB NOT NULL)",
    "CREATE VIRTUAL TABLE words USING fts5 (text, content='message', content_rowid='id',"
    " detail='none', tokenize='unicode61 remove_diacritics 2')",
    "PRAGMA application_id=1882353768",
    "PRAGMA user_version=1",
    "INSERT INTO name VALUES (1, 'bob@CIC', 0), (2, '#CIC', 0), (3, 'alice@CIC', 0), (4, '', 2)",
)


class UpgradeTests(FileCase):
    def first_version(self) -> Iterator[tuple[int, int, int, str, int, int | None, int, str]]:
        at = int(NOW * 1000)
        yield 1, 1, 1, "1", at, None, RECEIVED, "olá"
        yield 2, 2, 1, "2", at + 1, at - 5, RECEIVED, "a todos"
        yield 3, 1, 3, "m3", at + 2, None, WAITING, "espera"
        yield 4, 2, 3, "m4", at + 3, None, PUBLISHED, "publico"
        for number in range(5, 1205):
            yield number, 1, 1, str(number), at + number, None, RECEIVED, f"mundo {number}"

    def setUp(self) -> None:
        super().setUp()
        self.patch(database_module, "FILED_AT_ONCE", 700)
        connection = sqlite3.connect(self.path)
        for statement in FIRST_VERSION:
            connection.execute(statement)
        connection.executemany("INSERT INTO message VALUES (?,?,?,?,?,?,?,?)", self.first_version())
        connection.execute("INSERT INTO words(words) VALUES ('rebuild')")
        piece = pack(1205, "eva@CIC", NOW + 9, [pub("x", "não arquivada", "CIC", "eva@CIC")], ["x"])
        connection.execute("INSERT INTO segment VALUES (1205, 1205, 1, ?)", (b"\x91" + piece.data,))
        connection.commit()
        connection.close()

    def test_a_file_of_the_first_version_is_converted(self) -> None:
        loaded = self.database.load(2000, 0)
        self.assertEqual(loaded.next_id, 1206)
        self.assertEqual([entry.text for entry in loaded.waiting], ["espera"])
        self.assertEqual(loaded.unread, {"bob@CIC": 1000, "#CIC": 1})
        self.assertEqual(len(loaded.seen), 1203)
        lines = [*self.reader.everything()]
        self.assertEqual([line.id for line in lines], [*range(1, 1206)])
        self.assertEqual(lines[1].said, NOW - 0.005)
        self.assertEqual(lines[1].conversation, "#CIC")
        self.assertEqual([line.id for line in self.reader.search("mundo 77", 9)], [77])
        self.assertEqual([line.id for line in self.reader.search("OLA", 9)], [1])
        self.assertEqual([line.id for line in self.reader.search("publico", 9)], [4])
        self.assertEqual(self.database.forget("bob@CIC"), 1203)
        self.assertEqual(self.texts([*self.reader.everything()]), ["publico", "não arquivada"])

    def test_it_is_not_read_before_that(self) -> None:
        error = self.assertRaises(HistoryError, self.reader.recent, None, 9)
        self.assertIn("start it once", str(error))
        self.database.load(9, 0)
        self.assertEqual(len(self.reader.recent(None, 9)), 9)
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA user_version=99")
        connection.close()
        error = self.assertRaises(HistoryError, self.reader.recent, None, 9)
        self.assertIn("use that one", str(error))
