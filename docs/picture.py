"""Makes docs/console.svg: the full console, as it is on a terminal, in a picture.

    .venv/bin/python docs/picture.py        # needs the extra `test`

ana has the full console on a terminal of 92 columns and 12 rows. bob and carol are two more nodes.
All three are real programs, in a folder of their own, on a port of their own. What they type stands
in `story`. The picture shows what the terminal shows in the end, cell by cell.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyte

COLUMNS: Final = 92
ROWS: Final = 12
PATIENCE: Final = 20.0
FILE: Final = Path(__file__).with_name("console.svg")

WIDTH: Final = 9.6
"""Of a cell, in pixels; a letter of the usual fonts is 0.6 times as wide as it is high."""
HEIGHT: Final = 20
BORDER: Final = 14
PAPER: Final = "#16181d"
INK: Final = "#d8dade"
COLOURS: Final = {
    "black": "#3a3f4b",
    "red": "#ef6b73",
    "green": "#8fc97a",
    "brown": "#e0b46c",
    "blue": "#6cb2f0",
    "magenta": "#d08ae6",
    "cyan": "#5fc2c7",
    "white": "#d8dade",
    "brightblack": "#8a90a0",
    "brightred": "#ff8a90",
    "brightgreen": "#a9e094",
    "brightbrown": "#f2cb87",
    "brightblue": "#8cc8ff",
    "brightmagenta": "#e3a8f5",
    "brightcyan": "#7fdce0",
    "brightwhite": "#ffffff",
}


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.cells: Any = pyte.Screen(COLUMNS, ROWS)
        self._stream: Any = pyte.ByteStream(self.cells)
        self._program = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True
        )
        os.close(theirs)

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._ours, keys.encode())

    def wait(self, pattern: str) -> None:
        """Read until the screen shows the pattern, and nothing more comes."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, "\n".join(self.cells.display)) or self._reads(0.5):
            if time.monotonic() > deadline:
                raise SystemExit(f"never saw {pattern!r}:\n" + "\n".join(self.cells.display))
            self._reads(0.1)

    def _reads(self, seconds: float) -> bool:
        ready = bool(select.select([self._ours], [], [], seconds)[0])
        if ready:
            self._stream.feed(os.read(self._ours, 65536))
        return ready

    def leave(self) -> None:
        """End the program in order."""
        self._program.terminate()
        self._program.wait(PATIENCE)


class Peer:
    """A node that reads commands from a pipe."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self._program = subprocess.Popen(
            [*command, "--plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        self.said = ""

    def type(self, line: str) -> None:
        """Give it one command."""
        assert self._program.stdin is not None
        self._program.stdin.write(line.encode() + b"\n")
        self._program.stdin.flush()

    def wait(self, pattern: str) -> str:
        """Read until its output has the pattern; returns what matched."""
        assert self._program.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.said)):
            if time.monotonic() > deadline:
                raise SystemExit(f"never read {pattern!r}:\n{self.said}")
            if select.select([self._program.stdout], [], [], 0.1)[0]:
                self.said += os.read(self._program.stdout.fileno(), 65536).decode()
        return found[0]

    def leave(self) -> None:
        """End the program in order."""
        self._program.terminate()
        self._program.wait(PATIENCE)


def story(ana: Screen, bob: Peer, carol: Peer) -> None:
    """What the three type, until the screen is as the picture shall be."""
    ana.wait("2/2 links")
    bob.type("/verify")
    fingerprint = bob.wait(r"\w{4}-\w{4}-\w{4}-\w{4}")
    bob.type("/msg ana@lobby olá, tudo bem? 🙂")
    ana.wait("tudo bem")
    ana.type("/to bob\r")
    ana.wait("bob@lobby>")
    ana.type("tudo, e tu? What is your fingerprint? (the phone is on)\r")
    ana.wait("phone.*✓")
    ana.type(f"/verify bob {fingerprint}\r")
    ana.wait("is verified")
    bob.type("/msg ana@lobby the report is ready. Lunch at one?")
    ana.wait("Lunch")
    ana.type("yes! I read it on the train\r")
    ana.wait("train.*✓")
    carol.type("/pub * who has the report?")
    carol.type("/msg ana@lobby have you seen it, ana?")
    ana.wait("unread.*carol")
    bob.leave()
    ana.wait("has left")
    ana.type("bring it along, please\r")
    ana.wait("please …")
    ana.type("I could also ")
    ana.wait("could also")


def picture(cells: Any) -> str:
    """The screen as SVG: one text, and one rectangle behind it, for cells of one style."""
    width, height = COLUMNS * WIDTH + 2 * BORDER, ROWS * HEIGHT + 2 * BORDER
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" '
        'font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="16">',
        "<title>The full console of p2pchat</title>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{PAPER}"/>',
    ]
    for row in range(ROWS):
        top = BORDER + row * HEIGHT
        columns = [(column, cells.buffer[row][column]) for column in range(COLUMNS)]
        for style, run in groupby(columns, lambda pair: style_of(pair[1])):
            cells_of_run = [*run]
            parts += _run(style, cells_of_run[0][0], [cell.data for _, cell in cells_of_run], top)
    cursor = cells.cursor
    left = BORDER + cursor.x * WIDTH
    parts.append(_rectangle(left, BORDER + cursor.y * HEIGHT, WIDTH, INK))
    return "\n".join([*parts, "</svg>"]) + "\n"


def style_of(cell: Any) -> tuple[str, str, bool]:
    """Ink, paper (empty: none) and whether it is bold."""
    ink, paper = _colour(cell.fg, INK), _colour(cell.bg, "")
    if cell.reverse:
        ink, paper = paper or PAPER, ink
    return ink, paper, cell.bold


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return COLOURS.get(name) or f"#{name}"


def _run(style: tuple[str, str, bool], column: int, texts: list[str], top: float) -> list[str]:
    ink, paper, bold = style
    left = BORDER + column * WIDTH
    parts = [_rectangle(left, top, len(texts) * WIDTH, paper)] if paper else []
    # The second cell of a wide character is empty, and a cell like any other.
    written = [number for number, text in enumerate(texts) if text != " "]
    if written:
        first, end = written[0], written[-1] + 1
        weight = ' font-weight="bold"' if bold else ""
        parts.append(
            f'<text x="{left + first * WIDTH:g}" y="{top + 15:g}" fill="{ink}"{weight} '
            f'textLength="{(end - first) * WIDTH:g}" xml:space="preserve">'
            f"{escape(''.join(texts[first:end]))}</text>"
        )
    return parts


def _rectangle(left: float, top: float, width: float, fill: str) -> str:
    return f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{HEIGHT}" fill="{fill}"/>'


def main() -> None:
    """Run the three, and write the picture."""
    with tempfile.TemporaryDirectory(prefix="p2p-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        environ = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "HOME": folder,
            "XDG_RUNTIME_DIR": folder,
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        os.chdir(folder)

        def command(name: str) -> list[str]:
            return [sys.executable, "-m", "p2pchat", "--name", name, "--local-port", port]

        ana = Screen(command("ana"), environ)
        bob, carol = (Peer(command(name), environ) for name in ("bob", "carol"))
        try:
            story(ana, bob, carol)
            FILE.write_text(picture(ana.cells), encoding="utf-8")
            print("\n".join(ana.cells.display))
        finally:
            for each in (ana, bob, carol):
                each.leave()


if __name__ == "__main__":
    main()
