"""The history file: what is committed is there, whole, in order, and survives what it can."""

from __future__ import annotations

import os
import sqlite3
import stat

from p2pchat.history import database as database_module
from p2pchat.history import filing, names, past, schema, words
from p2pchat.history.database import Database
from p2pchat.history.records import (
    ABANDONED,
    DELIVERED,
    PUBLISHED,
    RECEIVED,
    WAITING,
    Batch,
    Change,
    Piece,
)
from p2pchat.history.segments import MOST, join, unpack
from p2pchat.history.shares import Shares
from p2pchat.sqlite import ForeignFileError, used_bytes
from tests.support.histories import FULL, NOW, BrokenConnection, FileCase, pub, send


class CommitTests(FileCase):
    def test_what_was_committed_is_read_before_and_after_it_is_filed(self) -> None:
        self.keep(
            self.arrival("bob@CIC", send("1", "oi"), pub("2", "olá", "CIC")),
            self.arrival("eva@UnB", pub("3", "a todos", "*"), pub("4", "só a ti", "alice@CIC")),
            file=False,
        )
        before = self.reader.recent(None, 10)
        self.assertEqual(
            [(line.id, line.conversation, line.sender, line.text) for line in before],
            [
                (1, "bob@CIC", "bob@CIC", "oi"),
                (2, "#CIC", "bob@CIC", "olá"),
                (3, "*", "eva@UnB", "a todos"),
                (4, "eva@UnB", "eva@UnB", "só a ti"),
            ],
        )
        self.assertEqual({(line.at, line.said, line.state) for line in before}, {(NOW, None, 0)})
        self.assertEqual(self.database.unfiled, 4)
        self.assertEqual(self.database.file(), 0)
        self.assertEqual(self.reader.recent(None, 10), before)
        self.assertEqual(self.database.file(), 0)

    def test_a_batch_of_everything(self) -> None:
        waiting = self.entry("bob@CIC", "m1", "espera", WAITING)
        self.keep(self.arrival("bob@CIC", send("1", "oi")))
        done = self.database.commit(Batch(entries=[waiting]))
        self.assertEqual(done[:2], (1, ""))
        published = self.entry("#CIC", "m2", "digo", PUBLISHED)
        self.database.commit(
            Batch(
                [self.arrival("bob@CIC", send("2", "e então?"))],
                [published],
                [Change(waiting.id, DELIVERED)],
                {"bob@CIC": 2},
            )
        )
        self.assertEqual(
            [(line.text, line.state) for line in self.reader.recent(None, 9)],
            [
                ("espera", DELIVERED),
                ("oi", RECEIVED),
                ("digo", PUBLISHED),
                ("e então?", RECEIVED),
            ],
        )

    def test_said_earlier(self) -> None:
        said = [NOW - 60.5, NOW - 30]
        self.keep(
            self.arrival("bob@CIC", pub("1", "antes"), pub("2", "depois"), said=said), file=False
        )
        self.assertEqual([line.said for line in self.reader.recent(None, 9)], said)
        self.database.file()
        self.assertEqual([line.said for line in self.reader.recent(None, 9)], said)

    def test_text_that_utf8_cannot_carry_costs_nobody_a_message(self) -> None:
        self.keep(
            self.arrival("bob@CIC", send("1", "half \ud83d"), send("2", "nul \0 \x1b[31m")),
            self.arrival("bob@CIC", pub("3", "whole", "#\udfff")),
        )
        self.database.commit(Batch(entries=[self.entry("bob@CIC", "m", "\udc80", WAITING)]))
        self.assertEqual(
            self.texts(self.reader.recent(None, 9)),
            ["half \\ud83d", "nul \0 \x1b[31m", "whole", "\\udc80"],
        )

    def test_odd_ids(self) -> None:
        self.keep(
            self.arrival("bob@CIC", *(send(odd, str(odd)) for odd in (7, None, "x" * 200, 2.5)))
        )
        ids = [line.msg_id for line in self.reader.recent(None, 9)]
        self.assertEqual((ids[0], ids[1], ids[3]), ("7", "", "2.5"))
        self.assertLessEqual(len(ids[2]), 128)

    def test_a_batch_that_fails_leaves_nothing_and_the_next_one_works(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "before")))
        for batch in (
            Batch([self.arrival("bob@CIC", send("2", "lost"))]),
            Batch([self.arrival("bob@CIC", send("3", "lost"))], read={"bob@CIC": 9}),
        ):
            BrokenConnection.trouble = FULL
            self.assertRaises(sqlite3.OperationalError, self.database.commit, batch)
        BrokenConnection.trouble = None
        self.keep(self.arrival("bob@CIC", send("4", "after")))
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["before", "after"])

    def test_a_transaction_that_fails_in_the_middle_is_undone(self) -> None:
        entry = self.entry("bob@CIC", "m1", "text", WAITING)
        broken = Batch(entries=[entry], changes=[Change("no number", 1)])  # type: ignore[arg-type]
        broken.changes.append(Change(object(), 1))  # type: ignore[arg-type]
        self.assertRaises(sqlite3.Error, self.database.commit, broken)
        self.assertEqual(self.reader.recent(None, 9), [])
        self.database.commit(Batch(entries=[entry]))
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["text"])

    def test_only_the_person_may_read_it(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "oi")))
        for extra in ("", "-wal"):
            self.assertEqual(stat.S_IMODE(os.stat(self.path + extra).st_mode), 0o600)


class SegmentTests(FileCase):
    def test_large_batches_are_split_and_numbered_through(self) -> None:
        def piece(count: int) -> Piece:
            return self.arrival("bob@CIC", *(send(str(n), str(n)) for n in range(count)))

        first, second = piece(MOST - 5), piece(5)
        gap = self.arrival("eva@CIC", send("x", "gap"))
        third, large, last = piece(10), piece(MOST + 50), piece(1)
        segments = [*join([first, second, third, large, last])]
        self.assertEqual(
            [(first, messages) for first, messages, *_ in segments],
            [(1, MOST), (third.first, 10), (large.first, MOST + 50), (last.first, 1)],
        )
        lines = [line for _, _, _, data, _ in segments for line in unpack(data)]
        self.assertEqual(
            [line.id for line in lines],
            [*range(1, MOST + 1), *range(gap.first + 1, last.first + 1)],
        )


class FilingTests(FileCase):
    def test_a_step_is_bounded(self) -> None:
        self.patch(filing, "AT_ONCE", MOST)
        for count in (MOST, 50, 70):
            messages = [send(str(n), str(n)) for n in range(count)]
            self.keep(self.arrival("bob@CIC", *messages), file=False)
        self.database.commit(
            Batch(entries=[self.entry("#CIC", f"m{n}", "x", PUBLISHED) for n in range(2 * MOST)])
        )
        before = self.reader.recent(None, 9999)
        self.assertEqual(
            [self.database.file() for _ in range(5)],
            [2 * MOST + 120, MOST + 120, 120, 0, 0],
        )
        self.assertEqual(self.reader.recent(None, 9999), before)

    def test_a_step_is_bounded_in_bytes(self) -> None:
        self.patch(filing, "_BYTES", 50_000)
        for number in range(6):
            self.keep(self.arrival("bob@CIC", send(str(number), "x" * 30_000)), file=False)
        before = self.reader.recent(None, 9)
        self.assertEqual([self.database.file() for _ in range(4)], [4, 2, 0, 0])
        self.assertEqual(self.reader.recent(None, 9), before)

    def test_what_is_stored_late_is_found_like_the_rest(self) -> None:
        late = [self.entry("bob@CIC", f"m{n}", "demorada", DELIVERED) for n in range(2)]
        self.keep(self.arrival("bob@CIC", send("1", "pontual")))
        for _ in range(2):
            self.database.commit(Batch(entries=late))
        self.assertEqual(len(self.reader.recent("bob@CIC", 9)), 3)
        self.assertEqual(len(self.reader.search("demorada", 9)), 2)
        self.database.file()
        self.assertEqual(len(self.reader.recent("bob@CIC", 9)), 3)
        self.assertEqual(sum(self.database.forget("bob@CIC")), 3)
        self.assertEqual(self.reader.search("demorada", 9), [])

    def test_a_person_reads_it_without_us(self) -> None:
        self.keep(self.arrival("bob@CIC", pub("1", "olá a todos")))
        self.database.commit(Batch(entries=[self.entry("bob@CIC", "m1", "olá", WAITING)]))
        self.database.file()
        self.database.close()
        with sqlite3.connect(self.path) as connection:
            said = connection.execute("SELECT * FROM said").fetchall()
            found = connection.execute(
                "SELECT said.text FROM words JOIN said ON said.id = words.rowid"
                " WHERE words MATCH 'ola todos'"
            ).fetchall()
        connection.close()
        self.assertEqual(
            [(row[0], *row[2:]) for row in said],
            [
                (1, "#CIC", "bob@CIC", "received", "olá a todos"),
                (2, "bob@CIC", "alice@CIC", "waiting", "olá"),
            ],
        )
        self.assertRegex(said[0][1], r"^2026-09-2\d \d\d:\d\d:20$")
        self.assertEqual(found, [("olá a todos",)])


class LoadTests(FileCase):
    def test_without_a_file_nothing_is_made(self) -> None:
        loaded = self.database.load(100)
        self.assertEqual((loaded.next_id, loaded.seen, loaded.waiting), (1, [], []))
        self.assertFalse(os.path.exists(self.path))

    def test_the_past(self) -> None:
        self.keep(
            self.arrival("bob@CIC", send("1", "a"), pub("2", "b"), send(None, "no id")),
            self.arrival("eva@CIC", send("3", "c"), at=NOW + 9),
            file=False,
        )
        entries = [
            self.entry("bob@CIC", "m1", "espera", WAITING, NOW + 1),
            self.entry("bob@CIC", "m2", "chegou", DELIVERED),
            self.entry("bob@CIC", "m3", "esquece", ABANDONED),
        ]
        self.database.commit(Batch(entries=entries, read={"#CIC": 2}))
        self.database.close()
        loaded = self.open().load(100)
        self.assertEqual(loaded.next_id, 8)
        self.assertEqual(
            loaded.seen,
            [
                ("bob@CIC", "1", False, "a"),
                ("bob@CIC", "2", False, "b"),
                ("eva@CIC", "3", False, "c"),
            ],
        )
        self.assertEqual(loaded.waiting, [entries[0]])
        self.assertEqual(loaded.unread, {"bob@CIC": 2, "eva@CIC": 1})
        self.assertEqual((loaded.aside, loaded.has_words), ("", True))

    def test_the_ids_are_bounded_by_number_whenever_they_came(self) -> None:
        for number in range(20):
            at = NOW + (0, 30e9, -1.7e9)[number % 3]
            self.keep(self.arrival("bob@CIC", send(str(number), "x"), at=at))
        ids = [msg_id for _, msg_id, _, _ in self.database.load(10).seen]
        self.assertEqual(ids, ["15", "16", "17", "18", "19"])

    def test_strangers_push_out_no_id_of_a_friend_filed_or_not(self) -> None:
        self.database.commit(Batch(entries=[self.entry("bob@CIC", "m", "oi", DELIVERED)]))
        long, odd = "x" * 2001, "\ud800"
        self.keep(self.arrival("bob@CIC", send("1", "a"), send("2", long)))
        self.keep(
            self.arrival("bob@CIC", pub("3", "b"), said=[NOW]),
            self.arrival("bob@CIC", send("4", odd), send("5", long)),
            file=False,
        )
        for number in range(9):
            self.keep(self.arrival("eve@CIC", send(str(number), "e", "eve@CIC")), file=False)
        of_bob = [
            ("bob@CIC", "2", False, hash(long)),
            ("bob@CIC", "3", True, "b"),
            ("bob@CIC", "4", False, None),
            ("bob@CIC", "5", False, hash(long)),
        ]
        of_eve = [("eve@CIC", str(number), False, "e") for number in range(5, 9)]
        self.assertEqual(self.database.load(8).seen, of_bob + of_eve)
        self.assertEqual(self.database.load(4).seen, of_bob[2:] + of_eve[2:])
        while self.database.file():
            pass
        self.assertEqual(self.database.load(8).seen, of_bob + of_eve)
        self.assertEqual(self.database.load(100).seen[0], ("bob@CIC", "1", False, "a"))

    def test_an_id_that_was_seen_is_not_given_again_when_its_message_is_gone(self) -> None:
        self.keep(self.arrival("eve@CIC", send("1", "a"), send("2", "b")), file=False)
        self.database.commit(Batch(read={past.EVERYTHING: 2}))
        self.database.make_room(Shares(1, 0, 0))
        self.assertEqual(self.database.load(9).next_id, 3)

    def test_everything_was_seen(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "a"), pub("2", "b")))
        self.database.commit(Batch(read={past.EVERYTHING: 1}))
        self.assertEqual(self.database.load(9).unread, {"#CIC": 1})

    def test_names_of_nobody_are_dropped_when_there_are_many(self) -> None:
        self.patch(names, "MANY", 2)
        self.keep(*(self.arrival(f"p{n}@CIC", send(str(n), "x"), at=n) for n in range(5)))
        self.database.prune(3, 100)
        self.database.close()
        self.open().load(9)
        with sqlite3.connect(self.path) as connection:
            left = connection.execute("SELECT text FROM name ORDER BY 1").fetchall()
        connection.close()
        self.assertEqual(left, [("p3@CIC",), ("p4@CIC",)])


class DamageTests(FileCase):
    def damage(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "lost")))
        self.database.close()
        with open(self.path, "r+b") as file:
            file.write(b"\0not a database at all" * 200)

    def test_a_damaged_file_is_set_aside_when_it_is_loaded(self) -> None:
        self.damage()
        loaded = self.database.load(9)
        self.assertRegex(loaded.aside, r"alice\.sqlite\.damaged-\d{8}-\d{6}$")
        self.assertTrue(os.path.exists(loaded.aside))
        self.assertEqual(loaded.next_id, 1)
        self.keep(self.arrival("bob@CIC", send("2", "new")))
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["new"])

    def test_damage_that_only_shows_in_what_a_row_holds(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "lost")), file=False)
        self.database.close()
        with sqlite3.connect(self.path) as connection:
            connection.execute("UPDATE segment SET data = x'93ff'")
        connection.close()
        loaded = self.database.load(9)
        self.assertEqual((loaded.aside, loaded.unreadable, loaded.next_id), ("", 1, 1))

    def test_damage_that_a_batch_meets(self) -> None:
        self.damage()
        done = self.database.commit(Batch([self.arrival("bob@CIC", send("2", "new"))]))
        self.assertTrue(os.path.exists(done.aside))
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["new"])

    def test_a_file_put_aside_on_a_full_disk_is_told_with_the_next_batch(self) -> None:
        self.damage()
        put_aside = self.database._file.set_aside

        def and_then_it_is_full() -> str:
            BrokenConnection.trouble = FULL
            return put_aside()

        self.patch(self.database._file, "set_aside", and_then_it_is_full)
        batch = Batch([self.arrival("bob@CIC", send("2", "new"))])
        self.assertRaises(sqlite3.OperationalError, self.database.commit, batch)
        BrokenConnection.trouble = None
        self.assertTrue(os.path.exists(self.database.commit(batch).aside))
        self.assertEqual(self.database.commit(Batch([])).aside, "")

    def test_other_trouble_is_no_damage(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "kept")))
        self.database.close()
        BrokenConnection.trouble = FULL
        batch = Batch([self.arrival("bob@CIC", send("2", "x"))])
        self.assertRaises(sqlite3.OperationalError, self.database.commit, batch)
        BrokenConnection.trouble = None
        self.assertEqual(os.listdir(os.path.dirname(self.path)).count("alice.sqlite"), 1)
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["kept"])

    def test_load_passes_other_trouble_on(self) -> None:
        os.mkdir(self.path)
        self.assertRaises(OSError, self.database.load, 9)


class SchemaTests(FileCase):
    def test_the_database_of_another_program_is_left_alone(self) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TABLE notes (text)")
        connection.close()
        self.assertRaises(ForeignFileError, self.database.load, 9)
        self.assertRaises(ForeignFileError, self.database.commit, Batch())

    def test_a_file_of_another_format_is_left_alone(self) -> None:
        for number, what in (
            (1, "an older p2pchat"),
            (3, "an older p2pchat"),
            (6, "a newer p2pchat"),
        ):
            path = f"{self.path}.{number}"
            database = self.other_format(path, number)
            with open(path, "rb") as file:
                before = file.read()
            for call, *values in (
                (database.load, 9),
                (database.commit, Batch()),
                (database.file,),
            ):
                error = self.assertRaises(ForeignFileError, call, *values)
                for word in (path, f"format {number}", "format 5", what):
                    self.assertIn(word, str(error))
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before)
        self.assertEqual(len(os.listdir(os.path.dirname(self.path))), 3)

    def other_format(self, path: str, number: int) -> Database:
        database = Database(path)
        database.commit(Batch([self.arrival("bob@CIC", send("1", "oi"))]))
        database.close()
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version={number}")
        connection.close()
        return database

    def test_a_file_that_cannot_be_begun(self) -> None:
        good = schema.FORMAT
        self.patch(database_module, "FORMAT", good._replace(tables=(*good.tables, "NONSENSE")))
        bad = self.open()
        self.assertRaises(sqlite3.OperationalError, bad.commit, Batch())
        self.assertEqual(self.reader.recent(None, 9), [])
        self.keep(self.arrival("bob@CIC", send("1", "oi")))
        self.assertEqual(self.database.load(9).next_id, 2)

    def test_without_an_index_of_words(self) -> None:
        create = words.WORDS
        self.patch(words, "WORDS", "CREATE VIRTUAL TABLE words USING fts9000 (text)")
        self.keep(self.arrival("bob@CIC", send("1", "olá mundo")))
        self.assertEqual(self.texts(self.reader.search("mundo", 9)), ["olá mundo"])
        self.assertFalse(self.database.load(9).has_words)
        self.assertEqual(sum(self.database.forget("bob@CIC")), 1)
        self.keep(self.arrival("bob@CIC", send("2", "outro mundo")))
        self.database.close()
        # Once it can be had, it is made of what is there.
        self.patch(words, "WORDS", create)
        self.assertTrue(self.database.load(9).has_words)
        self.assertEqual(self.texts(self.reader.search("MUNDO", 9)), ["outro mundo"])

    def test_an_index_of_words_that_was_out_of_reach_is_made_anew(self) -> None:
        self.keep(
            self.arrival("bob@CIC", send("1", "velho mundo")),
            self.arrival("eva@CIC", send("2", "mundo esquecido")),
        )
        self.database.close()
        without = self.patch(words, "usable", lambda _: False)
        self.keep(self.arrival("bob@CIC", send("3", "novo mundo")))
        self.assertEqual(sum(self.database.forget("eva@CIC")), 1)
        self.database.close()
        without.restore()
        self.assertTrue(self.database.load(9).has_words)
        found = self.texts(self.reader.search("mundo", 9))
        self.assertEqual(found, ["velho mundo", "novo mundo"])
        with sqlite3.connect(self.path) as connection:
            named = connection.execute("SELECT rowid FROM words WHERE words MATCH 'esquecido'")
            self.assertEqual(named.fetchall(), [])
        connection.close()

    def test_another_trouble_with_the_index_is_not_swallowed(self) -> None:
        self.patch(words, "WORDS", "CREATE VIRTUAL NONSENSE")
        self.assertRaises(sqlite3.OperationalError, self.database.commit, Batch())


class DeletingTests(FileCase):
    def setUp(self) -> None:
        super().setUp()
        self.keep(
            *(self.arrival("bob@CIC", send(str(n), f"palavra{n}"), at=NOW + n) for n in range(10))
        )

    def test_by_age(self) -> None:
        self.assertEqual([self.database.prune(NOW + 4, 3) for _ in range(3)], [3, 1, 0])
        self.assertEqual(len(self.reader.recent(None, 99)), 6)
        self.assertEqual(self.reader.search("palavra3", 9), [])
        self.assertEqual(len(self.reader.search("palavra4", 9)), 1)

    def size(self) -> int:
        return used_bytes(self.database._file.open())

    def test_by_size(self) -> None:
        text = "x" * 5000
        self.keep(*(self.arrival("bob@CIC", send(f"l{n:03}", text)) for n in range(400)))
        limit = self.size() // 2
        self.database.make_room(Shares.of(limit, 25, 25))
        self.assertLess(self.size(), limit)
        left = self.reader.recent(None, 999)
        self.assertGreater(len(left), 100)
        self.assertEqual(left[-1].msg_id, "l399")
        self.database.make_room(Shares.of(self.size(), 25, 25))
        self.assertEqual(self.reader.recent(None, 999), left)

    def test_what_waits_stays(self) -> None:
        self.database.commit(Batch(entries=[self.entry("bob@CIC", "m", "espera", WAITING, 5)]))
        while self.database.prune(NOW * 2, 3):
            pass
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["espera"])

    def test_a_peer_is_forgotten(self) -> None:
        self.keep(
            self.arrival("eva@CIC", send("e", "fica")),
            self.arrival("bob@CIC", pub("p", "SEGREDO publicado")),
            file=False,
        )
        self.database.commit(
            Batch(entries=[self.entry("bob@CIC", "m", "SEGREDO para bob", DELIVERED)])
        )
        self.assertEqual(sum(self.database.forget("bob@CIC")), 12)
        self.assertEqual(self.texts(self.reader.recent(None, 99)), ["fica"])
        self.assertEqual(self.reader.search("palavra1", 9), [])
        self.assertEqual(sum(self.database.forget("bob@CIC")), 0)
        self.database.close()
        for extra in ("", "-wal"):
            if os.path.exists(self.path + extra):
                with open(self.path + extra, "rb") as file:
                    content = file.read()
                for word in (b"SEGREDO", b"segredo", b"palavra", b"bob@CIC"):
                    self.assertNotIn(word, content, extra)

    def test_what_is_not_filed_is_forgotten_too(self) -> None:
        self.patch(filing, "AT_ONCE", 1)
        self.keep(self.arrival("bob@CIC", send("1", "um"), send("2", "dois")), file=False)
        steps = self.database.forget("bob@CIC")
        self.assertEqual([next(steps), next(steps)], [0, 0])
        # What is said meanwhile is not what was to be forgotten.
        self.keep(self.arrival("bob@CIC", send("3", "de novo")), file=False)
        self.assertEqual(sum(steps), 12)
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["de novo"])
        while self.database.file():
            pass
        self.assertEqual(self.texts(self.reader.recent("bob@CIC", 9)), ["de novo"])

    def test_nobody_is_forgotten(self) -> None:
        self.assertEqual(sum(self.database.forget("zé@CIC")), 0)
        self.assertEqual(len(self.reader.recent(None, 99)), 10)

    def test_a_name_that_is_used_again_meanwhile_stays(self) -> None:
        steps = self.database.forget("bob@CIC")
        next(steps)
        self.keep(self.arrival("bob@CIC", send("3", "de novo")))
        self.assertEqual(sum(steps), 0)
        self.assertEqual(self.texts(self.reader.recent("bob@CIC", 9)), ["de novo"])

    def test_forgetting_that_fails(self) -> None:
        BrokenConnection.trouble = FULL
        self.assertRaises(sqlite3.OperationalError, sum, self.database.forget("bob@CIC"))
        BrokenConnection.trouble = None
        self.assertEqual(len(self.reader.recent(None, 99)), 10)
        self.assertEqual(sum(self.database.forget("bob@CIC")), 10)


class ManyNamesTests(FileCase):
    def test_the_memory_for_names_is_bounded(self) -> None:
        self.patch(names, "_MAX_KNOWN", 3)
        self.keep(*(self.arrival(f"p{n}@CIC", send(str(n), str(n))) for n in range(10)))
        self.assertLessEqual(len(self.database._names), 3)
        self.assertEqual(self.texts(self.reader.recent("p2@CIC", 9)), ["2"])
        self.assertIsInstance(self.database, Database)
