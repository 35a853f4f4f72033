"""The file of what the person has decided: restarts, power, damage, and a disk that refuses."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.node.lists_file import open_lists
from p2pchat.node.own_lists import OwnLists
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.threads import SteppedWorker

PATH = "/alice@CIC.lists"


class ListsFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.disk = FakeDisk(Random(1))
        self.told: list[str] = []

    def open(self) -> OwnLists:
        clock: Any = Clock()
        self.thread = SteppedWorker(clock, self.disk, by_hand=True)
        return open_lists(self.disk, PATH, self.thread, lambda it: self.told.append(str(it)))

    def work(self) -> None:
        while self.thread.calls:
            self.thread.step()

    def test_nothing_is_made_before_something_is_decided(self) -> None:
        lists = self.open()
        self.successResultOf(lists.close())
        self.assertEqual((self.disk.paths, self.told), ([], []))

    def test_all_of_it_survives(self) -> None:
        lists = self.open()
        lists.ignore("eva@CIC")
        lists.mute("#CIC", 17.5)
        lists.alias("mum", "bob@CIC", ())
        lists.set_bell(False)
        last = lists.set_notify(True)
        self.assertNoResult(last)
        self.work()
        self.assertEqual(self.successResultOf(last), "")
        self.disk.power_loss()
        again = self.open()
        self.assertEqual([*again.ignored], ["eva@CIC"])
        self.assertEqual((again.muted, again.aliases), ({"#CIC": 17.5}, {"mum": "bob@CIC"}))
        self.assertEqual((again.bell, again.notify, again.called("bob@CIC")), (False, True, "mum"))

    def test_what_is_decided_meanwhile_is_the_next(self) -> None:
        lists = self.open()
        for number in range(100):
            lists.ignore(f"n{number}@CIC")
        closed = lists.close()
        self.assertNoResult(closed)
        self.assertEqual(len(self.thread.calls), 1)
        self.thread.step()
        self.assertEqual(len(self.thread.calls), 1)
        self.work()
        self.successResultOf(closed)
        self.assertEqual(len(self.open().ignored), 100)

    def test_a_broken_file_is_told_and_set_aside_and_never_fatal(self) -> None:
        for data in (b"", b"[]", b'{"ignored":[1]}', b"\xff", b"[" * 100_000, b'{"ignored":"x'):
            self.disk, self.told = FakeDisk(Random(1)), []
            self.disk.put(PATH, data)
            lists = self.open()
            self.assertEqual(len(self.told), 1, data[:20])
            self.assertIn(f"{PATH} cannot be read (it is damaged)", self.told[0])
            self.assertEqual(self.disk.read(PATH), data)
            saved = lists.ignore("eva@CIC")
            self.work()
            self.assertEqual(self.successResultOf(saved), "")
            self.assertEqual(self.disk.read(f"{PATH}.damaged"), data)
            self.assertEqual([*self.open().ignored], ["eva@CIC"])

    def test_what_makes_no_sense_is_left_out(self) -> None:
        self.disk.put(
            PATH,
            b'{"ignored":["x","eva@CIC"],"new":1,'
            b'"muted":{"x":0,"#CIC":0,"#A":1e300,"#B":-1e18,"#C":9e18},'
            b'"aliases":{"mum@CIC":"bob@CIC","mum":"bob","dad":"bob@CIC"}}',
        )
        lists = self.open()
        self.assertEqual((self.told, [*lists.ignored]), ([], ["eva@CIC"]))
        self.assertEqual((lists.muted, lists.aliases), ({"#CIC": 0.0}, {"dad": "bob@CIC"}))

    def test_a_disk_that_refuses(self) -> None:
        lists = self.open()
        self.disk.read_only = True
        saved = lists.ignore("eva@CIC")
        self.work()
        self.assertRegex(
            self.successResultOf(saved), "^it holds until this program ends: .* cannot"
        )
        self.assertIn("eva@CIC", lists.ignored)
        self.disk.read_only = False
        saved = lists.mute("#CIC", 0.0)
        self.work()
        self.assertEqual(self.successResultOf(saved), "")
        self.assertEqual([*self.open().ignored], ["eva@CIC"])

    def test_a_file_that_cannot_be_read_is_not_lost(self) -> None:
        self.disk.put(PATH, b'{"ignored":["eva@CIC"]}')
        self.disk.io_error()
        lists = self.open()
        self.assertEqual((len(self.told), [*lists.ignored]), (1, []))
        lists.ignore("mallory@CIC")
        self.work()
        self.assertEqual(self.disk.read(f"{PATH}.damaged"), b'{"ignored":["eva@CIC"]}')
