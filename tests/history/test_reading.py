"""Reading the history: the last lines, search, the whole of it, our own PUBs."""

from __future__ import annotations

import os
import re
import sqlite3
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pchat.history import reading
from p2pchat.history import words as index
from p2pchat.history.database import Database
from p2pchat.history.export import backup
from p2pchat.history.reading import Reader
from p2pchat.history.records import (
    DELIVERED,
    PUBLISHED,
    WAITING,
    Batch,
    HistoryError,
    Record,
    Since,
)
from p2pchat.history.segments import pack
from tests.support.histories import NOW, FileCase, pub, send


class RecentTests(FileCase):
    def test_no_file_is_an_empty_history(self) -> None:
        self.assertEqual(self.reader.recent(None, 9), [])
        self.assertEqual(self.reader.search("x", 9), [])
        self.assertEqual([*self.reader.everything()], [])
        self.assertFalse(os.path.exists(self.path))

    def test_one_conversation_filed_and_not(self) -> None:
        for number in range(6):
            self.keep(
                self.arrival("bob@CIC", send(f"b{number}", f"b{number}")),
                self.arrival("eva@CIC", send(f"e{number}", f"e{number}"), pub(f"p{number}", "p")),
                file=number < 3,
            )
        self.assertEqual(self.texts(self.reader.recent("bob@CIC", 4)), ["b2", "b3", "b4", "b5"])
        self.assertEqual(self.texts(self.reader.recent("bob@CIC", 2)), ["b4", "b5"])
        self.assertEqual(len(self.reader.recent("#CIC", 99)), 6)
        self.assertEqual(self.reader.recent("zé@CIC", 9), [])
        before = self.reader.recent("bob@CIC", 2)[0].id
        self.assertEqual(self.texts(self.reader.recent("bob@CIC", 2, before)), ["b2", "b3"])

    def test_peers_of_a_bare_name(self) -> None:
        self.assertEqual(self.reader.peers_called("bob"), [])
        for who in ("bob@UnB", "bobby@CIC", "bo@CIC", "a@bob@CIC", "Bob@CIC", "bob@x@CIC"):
            self.keep(self.arrival(who, send(who, who)))
        self.database.commit(Batch(entries=[self.entry("bob@CIC", "m1", "x", WAITING)]))
        self.keep(self.arrival("bob@new", pub("p", "not filed yet")), file=False)
        self.assertEqual(self.reader.peers_called("bob"), ["bob@CIC", "bob@UnB", "bob@new"])
        self.assertEqual(self.reader.peers_called("a@bob"), ["a@bob@CIC"])

    def test_a_file_that_cannot_be_read(self) -> None:
        with open(self.path, "wb") as file:
            file.write(b"\0rubbish" * 1000)
        error = self.assertRaises(HistoryError, self.reader.recent, None, 9)
        self.assertIn("the history cannot be read", str(error))
        os.unlink(self.path)
        self.assertEqual(self.reader.recent(None, 9), [])

    def test_what_is_no_file(self) -> None:
        os.mkfifo(self.path)
        error = self.assertRaises(HistoryError, self.reader.recent, None, 9)
        why = f"{self.path}: It is no regular file"
        self.assertEqual(str(error), f"the history cannot be read: {why}")
        error = self.assertRaises(HistoryError, backup, self.path, f"{self.path}-copy")
        self.assertEqual(str(error), f"no copy of {self.path} was made: {why}")

    def test_a_file_of_another_format(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "x")))
        self.database.close()
        for number, what in ((3, "an older p2pchat"), (6, "a newer p2pchat")):
            with sqlite3.connect(self.path) as connection:
                connection.execute(f"PRAGMA user_version={number}")
            connection.close()
            error = self.assertRaises(HistoryError, self.reader.recent, None, 9)
            for word in (self.path, f"format {number}", "format 5", what):
                self.assertIn(word, str(error))

    def test_a_damaged_segment(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "x")), file=False)
        with sqlite3.connect(self.path) as connection:
            connection.execute("UPDATE segment SET data = x'00'")
        connection.close()
        self.assertEqual(self.reader.recent(None, 9), [])


class PathTests(FileCase):
    def test_a_folder_whose_name_is_no_utf_8_is_read_as_it_was_written(self) -> None:
        folder = os.path.join(os.path.dirname(self.path), "jos\udce9 ?#%")
        os.mkdir(folder)
        self.path = os.path.join(folder, "x.sqlite")
        self.database, self.reader = Database(self.path), Reader(self.path)
        self.addCleanup(self.database.close)
        self.addCleanup(self.reader.close)
        self.keep(self.arrival("bob@CIC", send("1", "oi")))
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["oi"])

    def test_peers_are_called_in_every_spelling(self) -> None:
        for peer_id in ("jos\u00e9@CIC", " bob@CIC", "bob@CIC"):
            self.keep(self.arrival(peer_id, send("1", "oi", peer_id)))
        for name, found in (
            ("jose\u0301", ["jos\u00e9@CIC"]),
            ("jose\u0301@CIC", ["jos\u00e9@CIC"]),
            ("\\x20bob@CIC", [" bob@CIC"]),
            ("bob", ["bob@CIC"]),
        ):
            self.assertEqual(self.reader.peers_called(name), found)


class SearchTests(FileCase):
    TEXTS = (
        "Olá, João! Amanhã às 10h?",
        "ola de novo",
        "100% certo, 50_50",
        "foo-bar *estrela*",
        "今日は天気がいい",
        "o rato roeu",
        "ﾃﾞｰﾀ はここ",
    )

    def assertFinds(self, words: str, *numbers: int) -> None:
        for filed in (False, True):
            if filed:
                self.database.file()
            found = self.texts(self.reader.search(words, 9))
            self.assertEqual(found, [self.TEXTS[number] for number in numbers], (words, filed))

    def keep_texts(self) -> None:
        self.keep(
            self.arrival("bob@CIC", *(send(str(n), text) for n, text in enumerate(self.TEXTS))),
            file=False,
        )

    def test_words(self) -> None:
        for words, numbers in (
            ("olá", (0, 1)),
            ("OLA joao", (0,)),
            ("amanha 10h", (0,)),
            ("aman*", (0,)),
            ("aman", ()),
            ("bar foo", (3,)),
            ("foo-bar", (3,)),
            ("estrela", (3,)),
            ('"rato" AND OR (', ()),
            ("rato", (5,)),
            ("天気", (4,)),
            ("気天", ()),
            ("ﾃﾞｰﾀ", (6,)),
            ("データ", (6,)),
            ("日 天", (4,)),
            ("今天", ()),
            ("日は", (4,)),
            ("今日は天気がいい", (4,)),
            ("!", (0,)),
            ("\ud83d", ()),
            ("いい*", (4,)),
            ('"de novo"', (1,)),
            ("“de novo”", (1,)),
            ('"novo de"', ()),
            ('ola "novo"', (1,)),
            ('"o rato ro"*', (5,)),
            ("est*, estrela", (3,)),
            ('"o rato', (5,)),
            ("天気 rato", ()),
            ("\ud83d", ()),
            ("日\ud83d", (4,)),
            ("50_", (2,)),
            ("%", (2,)),
            ("***", ()),
            ("ola novo inexistente", ()),
        ):
            self.database.close()
            for name in (self.path, self.path + "-wal", self.path + "-shm"):
                if os.path.exists(name):
                    os.unlink(name)
            self.reader.close()
            self.next_id = 1
            self.keep_texts()
            self.assertFinds(words, *numbers)

    def test_every_word_that_was_said_is_found_by_itself(self) -> None:
        texts = (
            "नमस्ते दोस्तों, हिन्दी में",
            "السَّلَامُ عَلَيْكُمْ",
            "שָׁלוֹם עולם",
            "வணக்கம் நண்பரே",
            "నమస్కారం మిత్రమా",
            "བཀྲ་ཤིས་བདེ་ལེགས།",
            "می‌خواهم بروم",
            "안녕하세요 여러분",
            "Straße ΣΊΣΥΦΟΣ ǅ İstanbul",
            "бой Й ё",
            "Việt Nam",
        )
        for text in texts:
            self.keep(self.arrival("bob@CIC", send(f"{self.next_id}", text)), file=False)
        for text in texts:
            ours = Record(self.next_id, "bob@CIC", "alice@CIC", text, NOW, DELIVERED, text)
            self.next_id += 1
            self.database.commit(Batch(entries=[ours]))
        for _ in range(2):
            for text in texts:
                for word in filter(None, re.split("[ ,་།]+", text)):
                    forms = [unicodedata.normalize(form, word) for form in ("NFC", "NFD")]
                    for asked in (*forms, word.upper(), word.casefold(), word + "*"):
                        found = self.texts(self.reader.search(asked, 99))
                        self.assertEqual(found, [text, text], ascii(asked))
            self.database.file()

    def test_another_vowel_is_another_word_and_an_accent_is_not(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "नमस्ते"), send("2", "السَّلَامُ"), send("3", "é")))
        for words, count in (("नमस्ता", 0), ("नमसत", 0), ("السلام", 1), ("e", 1), ("É", 1)):
            self.assertEqual(len(self.reader.search(words, 9)), count, words)

    def test_any_two_following_characters_without_blanks(self) -> None:
        texts = ("今日は天気がいい", "สวัสดีครับน้ำ", "សួស្តីពិភពលោក", "မင်္ဂလာပါ", "𠀀𠀁が好き")
        self.keep(self.arrival("bob@CIC", *(send(text, text) for text in texts)), file=False)
        for _ in range(2):
            for text in texts:
                for at in range(len(text) - 1):
                    found = self.texts(self.reader.search(text[at : at + 2], 9))
                    self.assertIn(text, found, text[at : at + 2])
            self.database.file()

    def test_an_index_of_other_words_is_made_anew_when_it_is_quiet(self) -> None:
        self.patch(index, "_RENEWED_AT_ONCE", 2)
        texts = ["नमस्ते", "velho mundo", "नमस्ते 3", "x", "नमस्ते 5"]
        self.keep(*(self.arrival("bob@CIC", send(text, text)) for text in texts))
        with sqlite3.connect(self.path) as connection:
            connection.execute("DROP TABLE words")
            connection.execute(index.WORDS)
            connection.execute("UPDATE indexed SET words = 1")
        connection.close()

        def found() -> list[str]:
            return self.texts(self.reader.search("नमस्ते", 99))

        steps = 0
        while True:
            self.assertEqual(found(), [text for text in texts if text.startswith("न")])
            self.database.close()  # it goes on where it was
            if not self.database.renew_words():
                break
            steps += 1
            # Meanwhile messages come and go.
            texts.append(f"नमस्ते {steps}!")
            self.keep(self.arrival("eva@CIC", send(texts[-1], texts[-1])))
            if steps == 2:
                self.database._delete([1])
                texts.pop(0)
        self.assertGreater(steps, 2)
        with sqlite3.connect(self.path) as connection:
            self.assertEqual(connection.execute("SELECT words FROM indexed").fetchone(), (2,))
            named = connection.execute("SELECT rowid FROM words WHERE words MATCH 'नमस्ते'")
            ids = [id_ for (id_,) in named]
        connection.close()
        self.assertEqual(ids, [record.id for record in self.reader.search("नमस्ते", 99)])

    def test_the_last_ones(self) -> None:
        for number in range(30):
            self.keep(self.arrival("bob@CIC", send(str(number), f"palavra {number}")))
        found = self.reader.search("palavra", 3)
        self.assertEqual(self.texts(found), ["palavra 27", "palavra 28", "palavra 29"])

    @given(st.text(max_size=30), st.text(max_size=30))
    @settings(max_examples=60, deadline=None)
    def test_nothing_a_person_types_is_an_error(self, text: str, words: str) -> None:
        self.keep(self.arrival("bob@CIC", send("1", text)))
        self.reader.search(words, 5)
        self.reader.search(text + "*", 5)
        if text.strip():
            # Whatever is asked for as it stands in a message finds the message, filed or not.
            assert self.reader.search(text, 1)[0].msg_id == "1", text


class EverythingTests(FileCase):
    def test_pages_filed_and_not(self) -> None:
        self.patch(reading, "_AT_ONCE", 4)
        for number in range(25):
            self.keep(
                self.arrival("bob@CIC", send(str(number), str(number))),
                self.arrival("eva@CIC", pub(str(number), "p")),
                file=number % 7 == 3,
            )
        lines = [*self.reader.everything()]
        self.assertEqual([line.id for line in lines], [*range(1, 51)])
        self.assertEqual(
            self.texts([*self.reader.everything("bob@CIC")]), [str(n) for n in range(25)]
        )

    def test_writing_goes_on_meanwhile(self) -> None:
        self.patch(reading, "_AT_ONCE", 2)
        self.keep(self.arrival("bob@CIC", *(send(str(n), str(n)) for n in range(6))), file=False)
        lines = self.reader.everything()
        first = [next(lines), next(lines)]
        self.keep(self.arrival("bob@CIC", send("6", "6")))
        self.assertEqual(self.texts([*first, *lines]), [str(n) for n in range(7)])


class PlaceTests(FileCase):
    """What came after a message, and what was there by some moment, filed or not."""

    def test_what_came_after_one(self) -> None:
        for number in range(9):
            self.keep(
                self.arrival("bob@CIC", send(f"b{number}", f"b{number}")),
                self.arrival("eva@CIC", send(f"e{number}", f"e{number}")),
                file=number < 4,
            )
        lines = self.reader.recent("bob@CIC", 99)
        for place in range(9):
            after = self.reader.after("bob@CIC", 3, lines[place].id)
            self.assertEqual([each.id for each in after], [e.id for e in lines[place + 1 :][:3]])
        self.assertEqual(len(self.reader.after(None, 5, 0)), 5)

    @given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 12), st.integers(-1, 25))
    @settings(max_examples=30, deadline=None)
    def test_what_was_there_by_then(self, gaps: list[int], filed: int, moment: int) -> None:
        self.setUp()  # a file of its own for each example
        at, times = NOW, {}
        for number, gap in enumerate(gaps, 1):
            at += gap
            piece = pack(number, "bob@CIC", at, [send(str(number), "x")], [str(number)])
            self.database.commit(Batch(pieces=[piece]))
            times[number] = at
            if number == filed:
                while self.database.file():
                    pass
        expected = max((id_ for id_, when in times.items() if when <= NOW + moment), default=0)
        self.assertEqual(self.reader.upto(NOW + moment), [expected] if gaps else [])


class PublishedTests(FileCase):
    def test_what_a_peer_has_missed(self) -> None:
        entries = [
            self.entry(scope, f"m{number}", str(number), PUBLISHED, NOW + number)
            for number, scope in enumerate(["#CIC", "*", "#UnB", "#CIC", "*"])
        ]
        self.database.commit(Batch(entries=entries))
        self.keep(self.arrival("bob@CIC", pub("x", "not ours")))
        scopes = ("*", "#CIC")

        def texts(after: str, since: float, count: int) -> list[str]:
            ids = self.reader.published(scopes, after, Since(wall=since), count)
            return self.texts(self.reader.numbered(ids))

        self.assertEqual(texts("", 0, 9), ["0", "1", "3", "4"])
        self.assertEqual(texts("m1", 0, 9), ["3", "4"])
        self.assertEqual(texts("m4", 0, 9), [])
        self.assertEqual(texts("unknown", 0, 9), ["0", "1", "3", "4"])
        self.assertEqual(texts("", NOW + 3, 9), ["3", "4"])
        self.assertEqual(texts("", 0, 2), ["3", "4"])
