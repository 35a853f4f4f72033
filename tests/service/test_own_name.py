"""Which name a node has when nobody chose one: locks, files, and who is registered."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Collection
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.service import own_name
from p2pchat.service.own_name import OwnName, hold_name, names_registered, take_name


class NameCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.home = Path(self.mktemp()).resolve()
        self.patch(os, "environ", {**os.environ, "XDG_DATA_HOME": str(self.home)})
        self.folder = self.home / "p2pchat"
        self.asked = 0

    def take(self, *registered: str, login: str = "ana") -> OwnName:
        def ask() -> Collection[str]:
            self.asked += 1
            return registered

        taken = take_name(login, "lobby", ask)
        self.addCleanup(taken.release)
        return taken

    def file(self, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).touch()


class LockTests(NameCase):
    def test_the_second_node_of_a_person_gets_the_next_name_and_is_told(self) -> None:
        taken = [self.take() for _ in range(3)]
        self.assertEqual([each.name for each in taken], ["ana", "ana2", "ana3"])
        why = "[ana@lobby] runs already: this one is [ana3@lobby] (--name NAME chooses another)"
        self.assertEqual([taken[0].told, str(taken[2].told)], [None, why])

    def test_in_whatever_order_they_start_again_the_names_are_the_same(self) -> None:
        one, two = self.take(), self.take()
        one.release()
        self.assertEqual(self.take().name, "ana")
        two.release()
        self.assertEqual(self.take().name, "ana2")

    def test_a_name_that_somebody_said_is_not_taken(self) -> None:
        held = hold_name("ana", "lobby")
        assert held is not None
        self.addCleanup(held.release)
        self.assertIsNone(hold_name("ana", "lobby"))
        self.assertEqual(self.take().name, "ana2")

    def test_another_namespace_is_another_matter(self) -> None:
        self.take()
        elsewhere = take_name("ana", "CIC", set)
        self.addCleanup(elsewhere.release)
        self.assertEqual(elsewhere.name, "ana")

    def test_a_long_login_name_has_room_for_its_number(self) -> None:
        names = [self.take(login="x" * 70).name for _ in range(2)]
        self.assertEqual(names, ["x" * 64, "x" * 63 + "2"])

    def test_nothing_is_left_behind(self) -> None:
        self.take().release()
        self.assertEqual(os.listdir(self.folder), [])

    def test_where_no_lock_can_be_made_the_rendezvous_tells_them_apart(self) -> None:
        self.home.touch()  # no folder
        self.assertEqual([self.take().name, self.take("ana").name], ["ana", "ana2"])


class RegisteredTests(NameCase):
    def test_a_new_name_is_none_that_is_registered(self) -> None:
        taken = self.take("ana", "ana2", "bob")
        self.assertEqual((taken.name, self.asked), ("ana3", 1))
        self.assertIn("[ana@lobby] is somebody else: this one is [ana3", str(taken.told))

    def test_a_name_with_files_stays_ours_and_nobody_is_asked(self) -> None:
        for ending in ("sqlite", "key", "lock"):
            name = f"ana@lobby.{ending}"
            self.file(name)
            taken = self.take("ana")
            self.assertEqual((taken.name, taken.told, self.asked), ("ana", None, 0))
            taken.release()
            (self.folder / name).unlink(missing_ok=True)

    def test_names_with_files_come_before_new_ones(self) -> None:
        self.file("ana2@lobby.key")
        self.assertEqual([self.take("ana").name, self.take("ana").name], ["ana2", "ana3"])

    def test_who_lists_all_of_them_has_us_called_like_the_first(self) -> None:
        everybody = {*own_name._names("ana")}
        self.assertEqual(self.take(*everybody).name, "ana")


class AskingTests(SynchronousTestCase):
    """What a rendezvous says, whatever that is, over a real socket."""

    def answered(self, answer: bytes, *, close: bool = True) -> set[str]:
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def serve() -> None:
            connection, _ = server.accept()
            self.addCleanup(connection.close)
            connection.recv(1000)
            connection.sendall(answer)
            if close:
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return names_registered("127.0.0.1", server.getsockname()[1], "lobby")

    def test_the_names_in_the_namespace(self) -> None:
        entry = b'{"name":"%s","namespace":"%s","ip":"10.0.0.1","port":4000,"ttl":60}'
        entries = b",".join(entry % pair for pair in ((b"ana", b"lobby"), (b"bob", b"CIC")))
        reply = b'{"status":"OK","peers":[%s]}' % entries
        self.assertEqual(self.answered(reply + b"\n", close=False), {"ana"})
        self.assertEqual(self.answered(reply), {"ana"})
        many = b",".join(entry % (b"x%d" % n, b"lobby") for n in range(500))
        self.assertEqual(len(self.answered(b'{"status":"OK","peers":[%s]}\n' % many)), 500)

    def test_whatever_else_it_says_there_are_none(self) -> None:
        for answer in (b"", b"\n", b"no\n", b'{"status":"ERROR"}\n', b"[" * 5000, b"\xff\n"):
            self.assertEqual(self.answered(answer), set(), answer)

    def test_one_that_is_not_there_or_does_not_answer_is_not_waited_for(self) -> None:
        self.patch(own_name, "_PATIENCE", 0.05)
        self.assertEqual(self.answered(b"", close=False), set())
        self.assertEqual(names_registered("127.0.0.1", 1, "lobby"), set())
