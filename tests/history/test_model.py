"""A history beside a model of it: whatever is kept, filed and deleted, both have the same."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pchat.history import database as database_module
from p2pchat.history import filing, past, words
from p2pchat.history.database import Database
from p2pchat.history.reading import Reader
from p2pchat.history.records import (
    DELIVERED,
    PUBLISHED,
    RECEIVED,
    WAITING,
    Batch,
    Change,
    Record,
    Since,
)
from p2pchat.history.segments import pack, unpack
from p2pchat.history.shares import Shares
from p2pchat.wire.repetitions import mark_of
from tests.support.histories import NOW, FileCase, pub, send

ME = "alice@CIC"
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
own = st.tuples(st.just("own"), st.sampled_from((*PEERS, *SCOPES)), texts, st.booleans())
steps = st.lists(
    st.one_of(
        arrivals,
        own,
        st.just(("file",)),
        st.just(("write_again",)),
        st.just(("acknowledge",)),
        st.tuples(st.just("read"), st.sampled_from((past.EVERYTHING, *PEERS, *SCOPES))),
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
        self.kept: dict[int, Record] = {}
        self.unwritten: list[Record] = []
        self.seen_upto: dict[str, int] = {}
        self.next_id = 1
        self.wall = NOW
        self.friends: set[str] = set()
        """To whom something was said, and who is not forgotten."""

    @property
    def records(self) -> list[Record]:
        return [self.kept[id_] for id_ in sorted(self.kept)]

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
        stranger = peer_id not in self.friends
        piece = pack(self.next_id, peer_id, self.wall, messages, ids, said, stranger=stranger)
        self.database.commit(Batch([piece]))
        self.kept.update((record.id, record) for record in unpack(b"\x91" + piece.data))
        self.next_id += len(messages)

    def own(self, to: str, text: str, fails: bool) -> None:
        self.wall += 1
        state = PUBLISHED if to in SCOPES else WAITING
        record = Record(self.next_id, to, ME, f"{self.next_id}", self.wall, state, text)
        self.next_id += 1
        self.unwritten.append(record)
        if state == WAITING:
            self.friends.add(to)
        if not fails:
            self.write_again()

    def write_again(self) -> None:
        """What could not be stored at first comes after messages with larger ids."""
        self.database.commit(Batch(entries=self.unwritten))
        # Once more, as after a damage: a number that is there is the same message.
        self.database.commit(Batch(entries=self.unwritten[:1]))
        self.kept.update((record.id, record) for record in self.unwritten)
        self.unwritten = []

    def acknowledge(self) -> None:
        waiting = [record for record in self.records if record.state == WAITING]
        self.database.commit(Batch(changes=[Change(one.id, DELIVERED) for one in waiting]))
        for record in waiting:
            record.state = DELIVERED

    def read(self, conversation: str) -> None:
        self.database.commit(Batch(read={conversation: self.next_id - 1}))
        self.seen_upto[conversation] = self.next_id - 1

    def file(self) -> None:
        assert self.database.file() == self.database.unfiled

    def prune(self, age: int) -> None:
        before = self.wall - age
        while self.database.prune(before, 5):
            pass
        self.drop(
            record for record in self.records if record.at < before and record.state != WAITING
        )

    def shrink(self, limit: int) -> None:
        """Of each sender the oldest go; which of them, `tests.history.test_shares` looks at."""
        self.database.make_room(Shares.of(limit * 16384, 25, 25))
        left = {record.id for record in self.reader.recent(None, 10_000)}
        for record in self.records:
            if record.id not in left:
                assert record.state != WAITING
        for sender in {record.sender for record in self.records}:
            stays = [one.id in left for one in self.records if one.sender == sender]
            assert sender == ME or stays == sorted(stays)
        self.drop([record for record in self.records if record.id not in left])

    def forget(self, peer_id: str) -> None:
        gone = [one for one in self.records if peer_id in (one.sender, one.conversation)]
        assert sum(self.database.forget(peer_id)) == len(gone)
        self.drop(gone)
        self.friends.discard(peer_id)
        self.seen_upto.pop(peer_id, None)

    def drop(self, gone: Any) -> None:
        for record in [*gone]:
            del self.kept[record.id]

    def reopen(self) -> None:
        self.database.close()
        loaded = self.database.load(1000)
        received = [record for record in self.records if record.state == RECEIVED]
        assert loaded.seen == [
            (
                one.sender,
                one.msg_id,
                one.conversation != one.sender and one.said is not None,
                mark_of(one.text),
            )
            for one in received
        ]
        assert loaded.waiting == [one for one in self.records if one.state == WAITING]
        unread: dict[str, int] = {}
        for one in received:
            where = one.conversation
            upto = max(self.seen_upto.get(where, 0), self.seen_upto.get(past.EVERYTHING, 0))
            if one.id > upto:
                unread[where] = unread.get(where, 0) + 1
        assert loaded.unread == unread, (loaded.unread, unread)
        newest = self.records[-1].id if self.kept else 0
        assert newest < loaded.next_id <= self.next_id
        assert loaded.unfiled == self.database.unfiled <= len(self.kept)

    def check(self) -> None:
        records = self.records
        assert self.reader.recent(None, 1000) == records
        assert [*self.reader.everything()] == records
        assert self.reader.recent(None, 5) == records[-5:]
        for conversation in (*PEERS, *SCOPES):
            theirs = [one for one in records if one.conversation == conversation]
            assert self.reader.recent(conversation, 3) == theirs[-3:]
            assert [*self.reader.everything(conversation)] == theirs
            if len(theirs) > 2:
                assert self.reader.recent(conversation, 9, theirs[-2].id) == theirs[:-2][-9:]
        published = [one for one in records if one.state == PUBLISHED]
        ids = self.reader.published(SCOPES, "", Since(), 9)
        assert self.reader.numbered(ids) == published[-9:]
        for query in ("ola", "Olá mundo", "mun*", "x1 gato", "日本", "é", "本日"):
            found = self.reader.search(query, 4)
            assert found == [one for one in records if holds(one.text, query)][-4:], query

    def check_indexes(self) -> None:
        """The indexes have what is filed, all of it and nothing else."""
        with sqlite3.connect(self.database.path) as connection:
            words.prepare(connection)
            (upto,) = connection.execute("SELECT upto FROM indexed").fetchone()
            connection.execute(words.WORDS.replace("TABLE words", "TABLE temp.again"))
            connection.execute(
                "INSERT INTO again(rowid, text)"
                " SELECT id, as_indexed(CAST(text AS BLOB)) FROM message WHERE id <= ?",
                (upto,),
            )
            found = []
            for schema, table in (("main", "words"), ("temp", "again")):
                connection.execute(
                    f"CREATE VIRTUAL TABLE temp.in_{table}"
                    f" USING fts5vocab({schema}, {table}, 'instance')"
                )
                found.append(connection.execute(f"SELECT term, doc FROM in_{table}").fetchall())
            assert found[0] == found[1], found
            of = connection.execute("SELECT id, conversation, received FROM message_of ORDER BY id")
            rows = connection.execute(
                "SELECT id, conversation, state = 0 FROM message WHERE id <= ?", (upto,)
            )
            assert of.fetchall() == rows.fetchall()
            assert (
                upto == 0
                or not connection.execute(
                    "SELECT id FROM segment WHERE id <= ?", (upto,)
                ).fetchall()
            )
        connection.close()


def holds(text: str, query: str) -> bool:
    """Whether a text holds words, for the words that are used here."""
    same = {"olá": "ola", "OLA": "ola", "e\u0301": "e", "é": "e", "Olá": "ola"}
    there = [same.get(word, word) for word in text.split(" ")]
    if query in ("日本", "本日"):
        return query in text.replace(" ", "")
    return all(
        any(one.startswith(word[:-1]) for one in there)
        if word.endswith("*")
        else same.get(word, word) in there
        for word in query.split()
    )


class ModelTests(FileCase):
    @given(steps, st.integers(1, 12), st.sampled_from((1, 100, 10_000)), st.integers(1, 4))
    @settings(max_examples=200, deadline=None)
    def test_what_is_kept_is_found(
        self, steps: list[tuple[Any, ...]], at_once: int, room: int, forgotten: int
    ) -> None:
        self.patch(filing, "AT_ONCE", at_once)
        self.patch(filing, "_BYTES", room)
        self.patch(database_module, "_FORGOTTEN_AT_ONCE", forgotten)
        with tempfile.TemporaryDirectory() as folder:
            model = Model(folder)
            for name, *values in steps:
                getattr(model, name)(*values)
            model.write_again()
            model.check()
            model.check_indexes()
            model.reader.close()
            model.database.close()
