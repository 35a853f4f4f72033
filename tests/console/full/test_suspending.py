"""The full console on a screen of text: stopped and brought back, and what the wheel does."""

from __future__ import annotations

from typing import Any

from tests.support.terminals import MISSING, ConsoleCase

UP, DOWN = "\x1b[A", "\x1b[B"
CTRL_S, CTRL_Q, CTRL_Z = "\x13", "\x11", "\x1a"


class Background:
    """A terminal that the shell has given to another job, or to us again."""

    def __init__(self, did: list[str]) -> None:
        self.ours = True
        self._did = did

    def in_foreground(self) -> bool:
        return self.ours

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self._did.append(name)


class SuspendingTests(ConsoleCase):
    skip = MISSING or None

    def setUp(self) -> None:
        super().setUp()
        self.stopped: list[list[str]] = []
        self.console._suspending._stop = self.stop_here

    def stop_here(self) -> None:
        """What is on the terminal while we are stopped; a shell writes over it."""
        self.stopped.append(self.wrote[:])
        self.wrote.clear()
        self.screen.write("\x1b[2J\x1b[H$ ")

    def watch(self) -> None:
        """Note what is written from now on."""
        self.wrote: list[str] = []
        write = self.screen.write

        def noted(text: str) -> None:
            self.wrote.append(text)
            write(text)

        self.screen.write = noted  # type: ignore[method-assign]

    def test_control_z_gives_the_screen_back_and_draws_it_again(self) -> None:
        self.hear("bob", "oi")
        self.type("/to bob@CIC\rhalf a line")
        before = self.screen.rows
        self.watch()
        self.type(CTRL_Z)
        given, taken = "".join(self.stopped[0]), "".join(self.wrote)
        for mode, on in (("1049", "h"), ("2004", "h"), ("1007", "l")):
            off = "l" if on == "h" else "h"
            self.assertIn(f"\x1b[?{mode}{off}", given)
            self.assertIn(f"\x1b[?{mode}{on}", taken)
        self.assertEqual(self.screen.rows, before)
        self.type("!")
        self.assertEqual(self.prompt, "bob@CIC> half a line!")

    def test_in_the_background_nothing_is_read_or_drawn(self) -> None:
        did: list[str] = []
        terminal = Background(did)
        suspending: Any = self.console._suspending
        suspending._terminal = terminal
        self.patch(suspending, "_screen", self.console.screen)
        self.watch()
        self.loop.call_soon(suspending._go_on)
        self.idle()
        self.assertEqual(did, ["take_again"])
        terminal.ours = False
        self.loop.call_soon(suspending._go_on)
        self.idle()
        self.assertEqual(did[1:], ["pause"])
        self.type("for the shell")
        self.assertEqual(self.console.screen.line.text, "")
        terminal.ours = True
        self.loop.call_soon(suspending._go_on)
        self.idle()
        self.assertEqual(did[2:], ["take_again"])
        self.idle()
        self.assertEqual(self.console.screen.line.text, "for the shell")

    def test_control_s_and_control_q_do_nothing(self) -> None:
        self.type(f"a{CTRL_S}b{CTRL_Q}c")
        self.assertEqual(self.prompt, "> abc")

    def test_all_is_drawn_anew_without_touching_the_other_screen(self) -> None:
        self.type("half")
        before = self.screen.rows
        self.screen.write("\x1b[2J\x1b[5;5H garbage")
        self.watch()
        self.type("\x0c")
        self.assertEqual(self.screen.rows, before)
        self.assertNotIn("1049", "".join(self.wrote))


class WheelTests(ConsoleCase):
    skip = MISSING or None

    def setUp(self) -> None:
        super().setUp()
        self.type("/log INFO\r")
        for number in range(100):
            self.console.show(f"line {number}")
        self.run_for(0.2)

    def test_a_wheel_that_is_made_into_keys_changes_no_line(self) -> None:
        self.type("half")
        self.in_one_piece(UP * 3)
        self.assertEqual((self.prompt, self.messages[-1]), ("> half", "line 96"))
        self.in_one_piece(UP * 6)
        self.assertEqual((self.prompt, self.messages[-1]), ("> half", "line 90"))
        self.in_one_piece(DOWN * 5)
        self.assertEqual((self.prompt, self.messages[-1]), ("> half", "line 95"))
        self.type(UP)
        self.assertEqual(self.prompt, "> /log INFO")

    def test_mouse_lets_the_wheel_scroll(self) -> None:
        self.type("/mouse\r")
        self.assertIn("the wheel scrolls", self.messages[-1])
        shown = self.messages[-2]
        self.type("half" + "\x1b[<64;10;10M" * 2)
        self.assertNotEqual(self.messages[-2], shown)
        self.type("\x1b[<65;10;10M" * 2 + "\x1b[<0;3;3M\x1b[<0;3;3m")
        self.assertEqual((self.prompt, self.messages[-2]), ("> half", shown))
        self.type("\x15/mouse\r")
        self.assertIn("left to the terminal", self.messages[-1])
