"""The real program on a real terminal: typing, signals, sizes, and how it is left."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
from typing import Any

from tests.support.processes import ProcessCase, Program
from tests.support.terminals import MISSING

if not MISSING:
    import pyte

    from tests.support.terminals import PlainScreen


_FAULT = """
import sys, os
from p2pchat.console.full.tty import Terminal
terminal = Terminal(None, os.ttyname(1))
import tty
tty.setraw(0)
terminal.show("\\x1b[?1049h in the middle")
raise RuntimeError("a fault")
"""


class ProgramTests(ProcessCase):
    """The real program on a real terminal."""

    skip = MISSING or None

    def on_terminal(self, *options: str, term: str = "xterm-256color") -> Program:
        self.patch(os, "environ", {**os.environ, "TERM": term})
        command = [sys.executable, "-m", "p2pchat", "--name", "ana", "--port", "0"]
        command += ["--rendezvous", "127.0.0.1:9", *options]
        return self.start("ana", *command, terminal=True)

    def screen(self, program: Program) -> list[str]:
        screen: Any = PlainScreen(80, 24)
        pyte.Stream(screen).feed(program.output)
        return [row.rstrip() for row in screen.display]

    def is_cooked(self, program: Program) -> bool:
        transport: Any = program.transport
        flags = termios.tcgetattr(transport.fd)[3]
        return bool(flags & termios.ICANON and flags & termios.ECHO and flags & termios.ISIG)

    async def test_typing_and_leaving(self) -> None:
        program = self.on_terminal()
        await program.expect("/help for help")
        self.assertFalse(self.is_cooked(program))
        assert program.transport is not None
        program.transport.write("olá, ação ✓".encode())
        await program.expect("✓")
        self.assertEqual(self.screen(program)[-1], "> olá, ação ✓")
        program.transport.write(b"\x03")
        await program.expect("Ctrl-C once more leaves")
        self.assertTrue("\x1b[?1049h" in program.output)
        program.transport.write(b"\x03")
        self.assertEqual(await program.ended, 0)
        self.assertIn("\x1b[?1049l", program.output)

    async def test_what_was_typed_is_on_the_disk_as_far_as_anything_is(self) -> None:
        """Nothing with --history none; and after /forget nothing that was said."""
        typed = self.folder / "state" / "p2pchat" / "typed-lines"
        for options, kept in ((("--history", "none"), None), ((), b"/peers\n/forget bob@lobby\n")):
            program = self.on_terminal(*options)
            await program.expect("/help for help")
            # What comes at once would be a paste, and asked about.
            for line, answer in (
                ("/msg bob@lobby a secret", "the same once more|no such peer"),
                ("/msg bob@lobby a secret", "waits until|no such peer"),
                ("another secret", "not sent yet"),
                ("/peers", "nobody|rendezvous"),
                ("/forget bob@lobby", "this deletes 1 message|this node keeps nothing"),
                ("/forget bob@lobby", "forgot 1 message|this node keeps nothing"),
            ):
                program.output = ""
                program.say(f"{line}\r")
                await program.expect(answer)
            program.say("/quit\r")
            self.assertEqual(await program.ended, 0)
            found = typed.read_bytes().replace(b"/quit\n", b"") if typed.exists() else None
            self.assertEqual(found, kept, options)
            folder = self.folder / "state"
            for path in folder.rglob("*"):
                if path.is_file():
                    self.assertNotIn(b"secret", path.read_bytes(), path)

    async def test_a_signal_gives_the_terminal_back(self) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            program = self.on_terminal()
            await program.expect("/help for help")
            program.signal(number)
            self.assertEqual(await program.ended, 0, number)
            self.assertIn("\x1b[?1049l", program.output)

    async def test_it_is_stopped_and_brought_back_by_a_shell(self) -> None:
        self.patch(os, "environ", {**os.environ, "TERM": "xterm", "PS1": "ready> "})
        shell = self.start("shell", "sh", "-i", terminal=True)
        await shell.expect("ready>")
        shell.say(f"{sys.executable} -m p2pchat --name ana --port 0 --rendezvous 127.0.0.1:9")
        await shell.expect("/help for help")
        assert shell.transport is not None
        shell.transport.write(b"half")
        shell.output = ""
        shell.transport.write(b" a line\x1a")
        await shell.expect("(?s)Stopped.*ready>")
        self.assertIn("\x1b[?1049l", shell.output)
        self.assertTrue(self.is_cooked(shell))
        shell.output = ""
        shell.say("fg")
        await shell.expect("half a line")
        self.assertFalse(self.is_cooked(shell))
        self.assertEqual(self.screen(shell)[-1], "> half a line")
        shell.transport.write(b"\x15/quit\r")
        await shell.expect("ready>")
        shell.say("exit")
        self.assertEqual(await shell.ended, 0)

    async def test_another_size(self) -> None:
        program = self.on_terminal()
        await program.expect("/help for help")
        transport: Any = program.transport
        fcntl.ioctl(transport.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        program.output = ""
        await program.expect("ana@lobby")
        program.say("/quit\r")
        self.assertEqual(await program.ended, 0)

    async def test_a_terminal_that_hangs_up_ends_it(self) -> None:
        program = self.on_terminal()
        await program.expect("/help for help")
        assert program.transport is not None
        program.transport.loseConnection()
        self.assertEqual(await program.ended, 0)

    async def test_a_fault_leaves_a_terminal_that_works(self) -> None:
        # Python 3.13 colours what it writes to a terminal.
        self.patch(os, "environ", {**os.environ, "TERM": "xterm", "PYTHON_COLORS": "0"})
        program = self.start("fault", sys.executable, "-c", _FAULT, terminal=True)
        self.assertEqual(await program.ended, 1)
        self.assertIn("\x1b[?1049l", program.output)
        self.assertIn("RuntimeError: a fault", program.output)

    async def test_the_plain_one_when_it_is_wanted(self) -> None:
        for options, term in (((), "dumb"), (("--plain",), "xterm")):
            program = self.on_terminal(*options, term=term)
            await program.expect("/help for help")
            self.assertNotIn("\x1b", program.output)
            program.say("/quit")
            self.assertEqual(await program.ended, 0)
