"""The file of whom we met: what is read of it, whatever is in it, and when it is written."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.candidates import MOST_TRIED, Candidate
from p2pchat.mesh.identity.pin_file import NoThread
from p2pchat.node.book_file import INTERVAL, BookFile
from p2pchat.node.small_file import SmallFile
from p2pchat.testing.disk import FakeDisk

PATH = "/ana@CIC.peers"


class BookFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.disk = FakeDisk(Random(1))
        self.known = [Candidate("bob@CIC", [("10.0.0.2", 4000)], 7.5)]

    def book(self) -> BookFile:
        book = BookFile(self.clock, SmallFile(self.disk, PATH, NoThread()))
        book.noted = lambda: self.known
        return book

    def entry(self, **fields: Any) -> dict[str, Any]:
        return {"id": "bob@CIC", "places": [["10.0.0.2", 4000]], "seen": 7.5, **fields}

    def load(self, *entries: Any) -> list[Candidate]:
        self.disk.replace(PATH, json.dumps({"peers": entries}).encode())
        return self.book().load()

    def test_there_and_back(self) -> None:
        self.assertEqual(self.book().load(), [])
        book = self.book()
        book.save()
        self.assertEqual(self.book().load(), self.known)

    def test_it_is_written_now_and_then_and_at_the_end(self) -> None:
        book = self.book()
        book.start()
        self.clock.advance(INTERVAL - 1)
        self.assertFalse(self.disk.exists(PATH))
        self.clock.advance(1)
        self.assertTrue(self.disk.exists(PATH))
        self.known = []
        self.successResultOf(book.close())
        self.assertEqual(self.book().load(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_is_written_when_there_is_nothing(self) -> None:
        self.known = []
        book = self.book()
        book.start()
        self.successResultOf(book.close())
        self.assertFalse(self.disk.exists(PATH))

    def test_what_cannot_be_written_is_tried_again(self) -> None:
        self.disk.read_only = True
        book = self.book()
        book.save()
        self.disk.read_only = False
        book.save()
        self.assertEqual(self.book().load(), self.known)

    def test_whatever_is_in_it(self) -> None:
        for odd in (
            self.entry(id="bob"),
            self.entry(id="b\x1bob@CIC"),
            self.entry(places=[]),
            self.entry(places=[["127.0.0.1", 4000]]),
            self.entry(places=[["224.0.0.1", 4000]]),
            self.entry(places=[["10.0.0.2", 22]]),
            self.entry(places=[["10.0.0.2", 70_000]]),
            self.entry(places=[["example.org", 4000]]),
            self.entry(failures=-1),
        ):
            self.assertEqual(self.load(odd, self.entry()), self.known, odd)

    def test_more_than_there_is_room_for(self) -> None:
        many = [self.entry(id=f"n{number}@CIC") for number in range(3 * MOST_TRIED)]
        self.assertEqual(len(self.load(*many)), MOST_TRIED)

    def test_what_is_no_such_file_is_set_aside_when_it_is_written(self) -> None:
        for number, data in enumerate((b"", b"[]", b'{"peers":[1]}', b"\xff", b"[" * 100_000)):
            self.disk.replace(PATH, data)
            book = self.book()
            self.assertEqual(book.load(), [])
            book.save()
            aside = f"{PATH}.damaged{number or ''}"
            self.assertEqual(self.disk.head(aside, 200_000), data)
