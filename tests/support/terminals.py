"""A console on a screen of text: what a person would see, asserted row by row.

    with_console = ConsoleCase: self.alice's console, self.bob, self.carol in a fake network
    self.type("/to bob@CIC\\r")        keys, as a terminal sends them
    self.screen.rows, self.prompt, self.bar, self.messages

Nothing sleeps: the network's clock is told how much time passes, the loop runs until it is idle.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.nodes import FakeTown

try:
    import pyte
except ImportError:  # the extra "test" is not installed
    MISSING = "needs pyte (the extra named test)"
else:
    MISSING = ""
    from prompt_toolkit.data_structures import Size
    from prompt_toolkit.input import create_pipe_input

    from p2pchat.console.full.event_loop import EventLoop
    from p2pchat.console.full.list_column import columns_of
    from p2pchat.console.full.past_lines import PastLines
    from p2pchat.console.full.service import FullConsole
    from p2pchat.console.full.sparing import SparingOutput

from p2pchat.node.node import ChatNode

EPOCH = 1_769_860_800.0  # 2026-01-31 12:00 UTC


if not MISSING:

    class PlainScreen(pyte.Screen):
        """A screen that lets a program keep and restore the modes of its terminal."""

        def set_margins(
            self, top: int | None = None, bottom: int | None = None, private: bool = False
        ) -> None:
            """CSI r; with a question mark, as for the wheel, it has another meaning."""
            if not private:
                super().set_margins(top, bottom)


class TextScreen:
    """A terminal that keeps what is on it as text; a text file for prompt_toolkit."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self._screen: Any = PlainScreen(columns, rows)
        self._stream: Any = pyte.Stream(self._screen)
        self.bells = 0
        self.writes = 0

    def write(self, text: str) -> None:
        self.writes += 1
        self.bells += text == "\a"
        self._stream.feed(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True

    def size(self) -> Size:
        return Size(rows=self._screen.lines, columns=self._screen.columns)

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)

    @property
    def rows(self) -> list[str]:
        """All rows, without the white space at their ends."""
        return [row.rstrip() for row in self._screen.display]

    def cell(self, row: int, column: int) -> Any:
        """One character with its colour and attributes."""
        return self._screen.buffer[row][column]

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column."""
        return self._screen.cursor.y, self._screen.cursor.x


def use_utc(case: SynchronousTestCase) -> None:
    """Have local time be UTC during a test."""
    before = os.environ.get("TZ")

    def back() -> None:
        if before is None:
            os.environ.pop("TZ")
        else:
            os.environ["TZ"] = before
        time.tzset()

    os.environ["TZ"] = "UTC"
    time.tzset()
    case.addCleanup(back)


class ConsoleCase(SynchronousTestCase):
    """A console at alice's node. `names` are the other nodes."""

    names: tuple[str, ...] = ("bob@CIC", "carol@CIC")
    columns, rows = 80, 24

    def setUp(self) -> None:
        use_utc(self)
        self.town = FakeTown()
        self.now = EPOCH
        self.alice = self.make_alice()
        self.others = {name: self.town.node(name) for name in self.names}
        self.town.run_until_meshed()
        self.loop = EventLoop()
        self.addCleanup(self.loop.close)
        self.left: list[int] = []
        self.history = PastLines(None)
        self.addCleanup(self.close)
        self.open_console()

    def make_alice(self) -> ChatNode:
        """The node at whose console we are."""
        return self.town.node("alice@CIC", wall=lambda: self.now)

    def open_console(self) -> None:
        """Sit down at a new screen."""
        self.screen = TextScreen(self.columns, self.rows)
        stream: Any = self.screen
        pipe = create_pipe_input()
        self.keyboard = pipe.__enter__()
        self.addCleanup(pipe.__exit__, None, None, None)
        self.console = FullConsole(
            self.town.host_of(self.alice),
            self.alice,
            self.loop,
            on_leave=self.left.append,
            screen_input=self.keyboard,
            output=SparingOutput(stream, self.screen.size, term="xterm-256color", enable_cpr=False),
            history=self.history,
        )
        self.console.startService()
        self.run_for(0.2)

    def close(self) -> None:
        if self.console.running:
            self.stop()
        self.town.close()
        gc.collect()

    def stop(self) -> None:
        gone: list[None] = []
        self.console.stopService().addCallback(gone.append)
        self.idle()
        self.assertEqual(gone, [None])

    def idle(self) -> None:
        """Let the loop do what there is to do."""

        async def turns() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def run_for(self, seconds: float) -> None:
        """Let time pass in the network, and show what it brings."""
        self.town.run(seconds)
        self.now += seconds
        self.idle()

    def type(self, keys: str, seconds: float = 0.2) -> None:
        """Press these keys; what is behind an Enter comes later, as from a person."""
        for some in re.findall("[^\r]*\r|[^\r]+", keys):
            self.keyboard.send_text(some)
            self.idle()
        self.run_for(seconds)

    def in_one_piece(self, keys: str, seconds: float = 0.2) -> None:
        """Have these keys come in one piece, as what is pasted does."""
        self.keyboard.send_text(keys)
        for _ in range(1 + len(keys) // 10_000):
            self.idle()
        self.run_for(seconds)

    def paste(self, text: str) -> None:
        """Paste, in a terminal that marks what is pasted."""
        self.in_one_piece(f"\x1b[200~{text}\x1b[201~")

    def other(self, name: str) -> ChatNode:
        return self.others[f"{name}@CIC"]

    def hear(self, name: str, text: str, scope: str = "") -> None:
        """Another node writes to us, or publishes."""
        if scope:
            self.other(name).publish(scope, text)
        else:
            self.other(name).send("alice@CIC", text)
        self.run_for(0.3)

    @property
    def prompt(self) -> str:
        """The row with the line being typed."""
        return self.screen.rows[-1]

    @property
    def bar(self) -> str:
        return self.screen.rows[-2]

    @property
    def messages(self) -> list[str]:
        """The rows of the pane, without the clock, the day and what is empty."""
        rows = [row[self.margin :] for row in self.screen.rows[:-2]]
        return [row[6:] for row in rows if row[2:3] == ":"]

    @property
    def margin(self) -> int:
        """Columns of the list beside the pane."""
        return columns_of(self.screen.size().columns)
