"""The log file: put aside by size, followed when moved, and harmless when it cannot be written."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.file import LogFile
from p2pchat.speech import Sentence
from p2pchat.wire.text import shortened


class LogFileTestCase(SynchronousTestCase):
    """Makes log files in a fresh folder, and keeps what the person is told in `told`."""

    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "chat.log")
        self.told: list[str] = []

    def make(self, path: str | None = None, *, max_bytes: int = 1000, files: int = 3) -> LogFile:
        file = LogFile(path or self.path, max_bytes=max_bytes, files=files, warn=self.tell)
        self.addCleanup(file.close)
        return file

    def tell(self, sentence: Sentence) -> None:
        self.told.append(str(sentence))

    def read(self, path: str | None = None) -> str:
        with open(path or self.path, encoding="utf-8") as file:
            return file.read()

    def names(self) -> Sequence[str]:
        return sorted(os.listdir(self.folder))


class WritingTests(LogFileTestCase):
    def test_lines_are_appended_to_a_private_file(self) -> None:
        self.make().write("one\n", 0.0)
        file = self.make()
        self.assertTrue(file.write("dois: olá\n", 0.0))
        file.close()
        self.assertTrue(file.write("three\n", 0.0))
        self.assertEqual(self.read(), "one\ndois: olá\nthree\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_nothing_is_made_before_the_first_line(self) -> None:
        self.make()
        self.assertEqual(self.names(), [])

    def test_the_path_is_kept_when_the_working_folder_changes(self) -> None:
        self.addCleanup(os.chdir, os.getcwd())
        file = self.make()
        os.chdir("/")
        file.write("x\n", 0.0)
        self.assertEqual(self.read(file.path), "x\n")

    def test_a_tilde_is_the_persons_folder(self) -> None:
        self.patch(os, "environ", {**os.environ, "HOME": os.path.abspath(self.folder)})
        self.assertEqual(self.make("~/x.log").path, os.path.abspath(f"{self.folder}/x.log"))

    def test_halves_of_surrogate_pairs_are_no_problem(self) -> None:
        self.assertTrue(self.make().write("\ud83d\n", 0.0))
        self.assertEqual(self.read(), "\\ud83d\n")


class RotationTests(LogFileTestCase):
    def test_full_files_are_put_aside_and_the_oldest_goes(self) -> None:
        file = self.make(max_bytes=10, files=3)
        for number in range(8):
            self.assertTrue(file.write(f"line{number}\n", 0.0))
        self.assertEqual(self.names(), ["chat.log", "chat.log.1", "chat.log.2"])
        self.assertEqual(
            [self.read(f"{self.path}{suffix}") for suffix in ("", ".1", ".2")],
            ["line7\n", "line6\n", "line5\n"],
        )

    def test_a_file_is_filled_up_to_the_limit_exactly(self) -> None:
        file = self.make(max_bytes=12)
        for _ in range(3):
            file.write("line.\n", 0.0)
        self.assertEqual(self.read(f"{self.path}.1"), "line.\nline.\n")

    def test_a_line_that_is_longer_than_a_file_is_written_whole(self) -> None:
        file = self.make(max_bytes=4)
        file.write("a longer line\n", 0.0)
        self.assertEqual(self.names(), ["chat.log"])
        self.assertEqual(self.read(), "a longer line\n")

    def test_what_an_earlier_run_wrote_counts(self) -> None:
        self.make(max_bytes=10).write("earlier\n", 0.0)
        self.make(max_bytes=10).write("later\n", 0.0)
        self.assertEqual(self.read(f"{self.path}.1"), "earlier\n")

    def test_a_single_file_starts_over(self) -> None:
        file = self.make(max_bytes=10, files=1)
        for number in range(3):
            file.write(f"line{number}\n", 0.0)
        self.assertEqual(self.names(), ["chat.log"])
        self.assertEqual(self.read(), "line2\n")

    def test_a_folder_that_may_not_change_is_told_and_the_file_starts_over(self) -> None:
        def refuse(source: str, target: str) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        self.patch(os, "replace", refuse)
        file = self.make(max_bytes=10)
        for number in range(4):
            self.assertTrue(file.write(f"line{number}\n", 0.0))
        self.assertEqual(self.read(), "line3\n")
        self.assertEqual(len(self.told), 1)
        self.assertIn("cannot be put aside: Permission denied", self.told[0])

    def test_a_folder_that_vanishes_while_putting_aside(self) -> None:
        replace = os.replace

        def vanish(source: str, target: str) -> None:
            replace(source, target)
            os.rename(self.folder, self.folder + ".gone")

        file = self.make(max_bytes=10)
        file.write("line0\n", 0.0)
        self.patch(os, "replace", vanish)
        self.assertFalse(file.write("line1\n", 0.0))
        self.assertEqual(file.lost, 1)
        self.assertIn("No such file", self.told[0])

    def test_two_processes_share_a_file(self) -> None:
        one, two = self.make(max_bytes=20), self.make(max_bytes=20)
        for number in range(10):
            one.write(f"one{number}\n", float(number))
            two.write(f"two{number}\n", float(number))
        self.assertEqual(self.read(f"{self.path}.1"), "one6\ntwo6\none7\ntwo7\n")
        self.assertEqual(self.read(), "one8\ntwo8\none9\ntwo9\n")

    def test_what_another_process_has_just_put_aside_is_not_put_aside_again(self) -> None:
        one, two = self.make(max_bytes=20), self.make(max_bytes=20)
        one.write("one: first\n", 0.0)
        two.write("two: 2\n", 0.0)
        one.write("one: new!\n", 0.5)
        two.write("\n", 0.5)  # it still fits, as far as two knows
        two.write("two: 3\n", 0.5)
        self.assertEqual(self.read(f"{self.path}.1"), "one: first\ntwo: 2\n\n")
        self.assertEqual(self.read(), "one: new!\ntwo: 3\n")
        self.assertEqual(self.names(), ["chat.log", "chat.log.1"])


class FollowingTests(LogFileTestCase):
    def test_a_file_that_was_moved_away_is_made_anew_within_a_second(self) -> None:
        file = self.make()
        file.write("one\n", 100.0)
        os.rename(self.path, f"{self.path}.old")
        file.write("two\n", 100.9)
        file.write("three\n", 101.0)
        self.assertEqual(self.read(f"{self.path}.old"), "one\ntwo\n")
        self.assertEqual(self.read(), "three\n")

    def test_a_file_that_was_replaced_is_followed(self) -> None:
        file = self.make()
        file.write("one\n", 100.0)
        os.rename(self.path, f"{self.path}.old")
        with open(self.path, "w", encoding="utf-8") as other:
            other.write("theirs\n")
        file.write("two\n", 99.0)  # the clock was set back
        self.assertEqual(self.read(), "theirs\ntwo\n")

    def test_a_file_that_is_still_there_is_kept_open(self) -> None:
        file = self.make()
        file.write("one\n", 0.0)
        opened: list[str] = []
        self.patch(file, "_open", lambda: opened.append("again"))
        file.write("two\n", 5.0)
        self.assertEqual((opened, self.read()), ([], "one\ntwo\n"))

    def test_devices_are_neither_followed_nor_put_aside(self) -> None:
        file = self.make("/dev/null", max_bytes=1)
        for seconds in (0.0, 10.0):
            self.assertTrue(file.write("line\n", seconds))
        self.assertEqual(self.told, [])


class FailureTests(LogFileTestCase):
    def test_the_person_is_told_once_and_writing_is_tried_again(self) -> None:
        path = os.path.join(self.folder, "missing", "chat.log")
        file = self.make(path)
        for seconds in (100.0, 101.0, 104.9, 106.0):
            self.assertFalse(file.write("lost\n", seconds))
        self.assertEqual(
            self.told,
            [
                f"The log cannot be written to {shortened(os.path.abspath(path))}: No such file"
                " or directory. The chat goes on, and so do attempts to write."
            ],
        )
        os.mkdir(os.path.dirname(path))
        self.assertFalse(file.write("lost\n", 107.0))
        self.assertTrue(file.write("back\n", 111.0))
        self.assertEqual(file.lost, 5)
        self.assertEqual(self.read(path), "back\n")

    def test_a_later_outage_is_told_again_but_not_soon(self) -> None:
        path = os.path.join(self.folder, "chat.log", "x")
        file = self.make(path)
        for seconds, told in ((0.0, 1), (10.0, 1), (599.0, 1), (610.0, 2)):
            file.write("lost\n", seconds)
            self.assertEqual(len(self.told), told)

    def test_opening_early_tells_early(self) -> None:
        self.make(self.folder).open(0.0)
        self.assertIn("Is a directory", self.told[0])
        file = self.make()
        file.open(0.0)
        self.assertEqual(self.names(), ["chat.log"])

    def test_a_full_disk_leaves_no_torn_line_behind(self) -> None:
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGXFSZ, handler)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        file = self.make(max_bytes=100_000)
        file.write("first\n", 0.0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # room for four more bytes
        try:
            self.assertFalse(file.write("second\n", 0.0))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertTrue(file.write("third\n", 10.0))
        self.assertTrue(file.write("fourth\n", 10.0))
        self.assertEqual(self.read(), "first\nseco\nthird\nfourth\n")
        self.assertIn("File too large", self.told[0])

    def test_a_named_pipe_without_a_reader_does_not_halt_the_program(self) -> None:
        os.mkfifo(self.path)
        self.assertFalse(self.make().write("x\n", 0.0))
        self.assertEqual(len(self.told), 1)

    def test_a_full_pipe_loses_lines_and_goes_on(self) -> None:
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        file = self.make()
        while file.write("x" * 999 + "\n", 0.0):
            pass
        self.assertEqual((file.lost, self.told), (1, []))
        os.read(reader, 1_000_000)
        self.assertTrue(file.write("y\n", 0.0))

    def test_standard_output(self) -> None:
        file = self.make("-")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.patch(os, "dup", lambda fd: writer if fd == 1 else -1)
        self.assertTrue(file.write("x\n", 0.0))
        self.assertTrue(file.write("y\n", 10.0))
        self.assertEqual(os.read(reader, 100), b"x\ny\n")

    def test_a_standard_output_that_is_closed(self) -> None:
        def refuse(fd: int) -> int:
            raise OSError(errno.EBADF, "")

        self.patch(os, "dup", refuse)
        self.assertFalse(self.make("-").write("x\n", 0.0))
        self.assertIn("standard output: OSError", self.told[0])
