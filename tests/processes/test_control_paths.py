"""Where control sockets are: names, folders, and sockets that somebody left behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control import paths as control_paths
from p2pchat.control.paths import (
    ControlError,
    check_length,
    connect,
    make_way,
    prepare_folder,
    runtime_folder,
    socket_path,
    sockets_in,
)
from tests.support.control_sockets import short_folder


class FolderTests(SynchronousTestCase):
    def test_the_runtime_folder_of_the_session(self) -> None:
        self.assertEqual(runtime_folder({"XDG_RUNTIME_DIR": "/run/u"}, 7), "/run/u/p2pchat")

    def test_the_systems_own_without_a_session(self) -> None:
        self.patch(os.path, "isdir", lambda path: path == "/run/user/7")
        self.assertEqual(runtime_folder({}, 7), "/run/user/7/p2pchat")
        self.assertEqual(runtime_folder({"XDG_RUNTIME_DIR": "rel"}, 7), "/run/user/7/p2pchat")

    def test_among_the_temporary_files_as_the_last_resort(self) -> None:
        self.patch(os.path, "isdir", lambda path: False)
        self.assertEqual(runtime_folder({}, 7), "/tmp/p2pchat-7")

    def test_it_is_made_for_its_owner_alone(self) -> None:
        folder = os.path.join(short_folder(self), "a", "b")
        prepare_folder(folder)
        prepare_folder(folder)
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)

    def test_one_that_others_may_change_is_refused(self) -> None:
        folder = os.path.join(short_folder(self), "open")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        self.assertRaisesRegex(ControlError, "others may change", prepare_folder, folder)
        os.chmod(folder, 0o700)
        self.assertRaisesRegex(ControlError, "others may change", prepare_folder, folder, 12345)
        link = folder + ".link"
        os.symlink(folder, link)
        self.assertRaisesRegex(ControlError, "others may change", prepare_folder, link)

    def test_one_that_cannot_be_made(self) -> None:
        path = Path(short_folder(self), "file")
        path.write_text("")
        self.assertRaisesRegex(ControlError, "Not a dir", prepare_folder, str(path / "x"))


class NameTests(SynchronousTestCase):
    def test_a_usual_one(self) -> None:
        self.assertEqual(socket_path("/run", "alice@CIC"), "/run/alice@CIC.sock")
        self.assertEqual(socket_path("/run", "alice@CIC", "4001"), "/run/alice@CIC.4001.sock")

    @given(st.text(min_size=1, max_size=64), st.text(min_size=1, max_size=64))
    def test_any_peer_id_makes_a_short_and_plain_name(self, name: str, namespace: str) -> None:
        path = socket_path("/run/user/1000/p2pchat", f"{name}@{namespace}")
        folder, _, file = path.rpartition("/")
        self.assertEqual(folder, "/run/user/1000/p2pchat")
        self.assertRegex(file, r"\A[A-Za-z0-9@_-][A-Za-z0-9@._-]*\.sock\Z")
        check_length(path)

    def test_different_odd_names_differ(self) -> None:
        names = ["a/b@c", "a_b@c", "a b@c", "ação@c", "a\ud800@c", "x" * 64 + "@c", "x" * 63 + "@c"]
        self.assertEqual(len({socket_path("", name) for name in names}), len(names))

    def test_too_long(self) -> None:
        path = "/" + "x" * control_paths.MAX_PATH
        for use in (check_length, connect, make_way):
            self.assertRaisesRegex(ControlError, "too many .* choose a shorter one", use, path)


class SocketTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = short_folder(self)
        self.path = os.path.join(self.folder, "a.sock")

    def living(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(self.path)
        server.listen(1)
        return server

    def test_one_of_another_user_is_not_spoken_to(self) -> None:
        self.living()
        if os.geteuid() == 0:
            os.chown(self.path, 12345, -1)
        else:
            self.patch(os, "geteuid", lambda: 12345)
        self.assertRaisesRegex(ControlError, "another user made", connect, self.path)
        with self.assertRaisesRegex(ControlError, "another user made"):
            connect(self.path, named=True)

    def test_one_that_lets_a_group_of_ours_use_it_is_when_it_is_named(self) -> None:
        self.living()
        os.chmod(self.path, 0o660)
        group = os.stat(self.path).st_gid
        self.patch(os, "geteuid", lambda: 12345)
        self.patch(os, "getgroups", lambda: [group])
        if os.getuid() == 0:
            # Root's own is everybody's: somebody else's node, in a folder of theirs.
            os.chown(self.folder, 777, -1)
            os.chown(self.path, 777, -1)
        connect(self.path, named=True).close()
        self.assertRaisesRegex(ControlError, "another user made", connect, self.path)
        os.chmod(self.folder, 0o777)
        with self.assertRaisesRegex(ControlError, "others may change"):
            connect(self.path, named=True)
        os.chmod(self.folder, 0o700)
        self.patch(os, "getgroups", list)
        with self.assertRaisesRegex(ControlError, "another user made"):
            connect(self.path, named=True)

    def test_one_in_a_folder_that_others_may_change_is_not_spoken_to(self) -> None:
        self.living()
        os.chmod(self.folder, 0o777)
        self.assertRaisesRegex(ControlError, "others may change", connect, self.path)
        os.chmod(self.folder, 0o1777)  # as /tmp: nobody takes away what another one put there
        connect(self.path).close()

    def test_nobody_is_there(self) -> None:
        self.assertTrue(make_way(self.path))
        self.assertRaisesRegex(ControlError, "is the node running", connect, self.path)

    def test_somebody_lives_there(self) -> None:
        self.living()
        self.assertFalse(make_way(self.path))
        connect(self.path).close()
        self.assertTrue(os.path.exists(self.path))

    def test_somebody_lives_there_and_is_very_busy(self) -> None:
        self.living()
        for _ in range(3):  # more than its queue takes
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            client.connect_ex(self.path)
            self.addCleanup(client.close)
        self.assertFalse(make_way(self.path))

    def test_somebody_died_there(self) -> None:
        self.living().close()
        self.assertRaisesRegex(ControlError, "is gone", connect, self.path)
        self.assertTrue(make_way(self.path))
        self.assertFalse(os.path.exists(self.path))

    def test_something_else_is_there(self) -> None:
        Path(self.path).write_text("precious")
        self.assertRaisesRegex(ControlError, "no socket is there", make_way, self.path)
        self.assertRaises(ControlError, connect, self.path)
        self.assertEqual(Path(self.path).read_text(), "precious")

    def test_impossible_names(self) -> None:
        for path in ("a\0b", os.path.join(self.folder, "no\ud9ff", "x")):
            self.assertRaises(ControlError, connect, path)
        self.assertRaises(ControlError, make_way, "a\0b")
        Path(self.folder, "file").write_text("")
        below = os.path.join(self.folder, "file", "x")
        self.assertRaisesRegex(ControlError, "Not a directory", make_way, below)
        self.assertRaisesRegex(ControlError, "Not a directory", connect, below)

    def test_all_in_a_folder(self) -> None:
        for name in ("b.sock", "a.sock", "notes.txt"):
            Path(self.folder, name).write_text("")
        found = [os.path.basename(path) for path in sockets_in(self.folder)]
        self.assertEqual(found, ["a.sock", "b.sock"])
        self.assertEqual(sockets_in("/nowhere"), [])
