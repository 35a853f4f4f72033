"""What the keys do, beyond editing the line, which is prompt_toolkit's.

    Enter             runs the line          Alt-A               next unread conversation
    Ctrl-C            clears the line,       PageUp, PageDown    scroll
                      the second one leaves  Ctrl-End            to the end
    Ctrl-D            leaves, if the line is empty

Rules: nothing that is pasted is sent before the person has agreed, once it has several lines,
whether or not the terminal marks what is pasted. "/r " becomes "/msg bob@CIC " as it is typed: whom
it goes to is seen before it goes, whoever else writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from p2pchat.console.full.application import ChatScreen
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.recalled import text_to_run
from p2pchat.wire.codec import MAX_LINE
from p2pchat.wire.names import bracketed, visible

MOST_LINES: Final = 500
"""Lines that may be pasted at once."""
_AGAIN: Final = "Ctrl-C once more leaves"
_LINES_OF_A_PASTE: Final = 2
_ENTER: Final = (Keys.Enter, Keys.ControlJ)


class Keyboard:
    """Binds the keys of `screen`.

    `run` gets each line; `leave` is called when the person wants to; `tell` shows a sentence.
    """

    def __init__(
        self,
        screen: ChatScreen,
        conversations: Conversations,
        *,
        run: Callable[[str], None],
        leave: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._screen = screen
        self._conversations = conversations
        self._run = run
        self._leave = leave
        self._tell = tell
        self._pasted: list[str] = []
        self._armed = self._just_armed = False
        screen.app.key_bindings = self._bindings()
        screen.app.key_processor.after_key_press += self._key_came

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        asking = Condition(lambda: bool(self._pasted))
        usual = ~asking & ~is_searching
        whom = Condition(self._is_reply)
        at_end = Condition(lambda: not self._screen.line.text)
        bound: list[tuple[Callable[[KeyPressEvent], None], Any, tuple[Any, ...]]] = [
            (self._enter, usual, (Keys.Enter,)),
            (self._enter, usual, (Keys.ControlJ,)),
            (self._paste, ~asking, (Keys.BracketedPaste,)),
            (self._interrupt, ~is_searching, (Keys.ControlC,)),
            (lambda _: self._leave(), usual & at_end, (Keys.ControlD,)),
            (self._next_unread, usual, (Keys.Escape, "a")),
            (lambda _: self._screen.pane.scroll(1), usual, (Keys.PageUp,)),
            (lambda _: self._screen.pane.scroll(-1), usual, (Keys.PageDown,)),
            (lambda _: self._conversations.current.backlog.follow(), usual, (Keys.ControlEnd,)),
            (self._name_whom, usual & whom, (" ",)),
            # Stopping the program would stop the node.
            (lambda _: None, usual, (Keys.ControlZ,)),
            (self._answer, asking, (Keys.Any,)),
        ]
        for function, when, pressed in bound:
            keys.add(*pressed, filter=when, eager=when is asking)(function)
        return keys

    def _key_came(self, _processor: object) -> None:
        """Whatever follows the first Ctrl-C, but another one, disarms it."""
        if self._just_armed:
            self._just_armed = False
        elif self._armed:
            self._armed = False
            self._screen.question = ""

    # ------------------------------------------------------------ the line

    def _enter(self, event: KeyPressEvent) -> None:
        rest = event.key_processor.input_queue
        if self._conversations.current.key and _is_paste(rest):
            text = "\n" + "".join(press.data for press in rest)
            rest.clear()
            self._take_paste(text)
            return
        line = self._screen.line
        text = text_to_run(line, self._conversations.current)
        line.append_to_history()
        line.reset()
        self._conversations.current.backlog.follow()
        self._run(text)

    def _is_reply(self) -> bool:
        line = self._screen.line
        return (
            line.text in ("/r", "/reply")
            and line.document.is_cursor_at_the_end
            and bool(self._conversations.last_speaker)
        )

    def _name_whom(self, _event: KeyPressEvent) -> None:
        line = self._screen.line
        line.text = f"/msg {visible(self._conversations.last_speaker)} "
        line.cursor_position = len(line.text)

    def _interrupt(self, _event: KeyPressEvent) -> None:
        if self._armed:
            self._leave()
        else:
            self._screen.line.reset()
            self._armed = self._just_armed = True
            self._screen.question = _AGAIN

    def _next_unread(self, _event: KeyPressEvent) -> None:
        if not self._conversations.next_unread():
            self._tell("nothing is unread")

    # ------------------------------------------------------------ pasting

    def _paste(self, event: KeyPressEvent) -> None:
        self._take_paste(event.data)

    def _take_paste(self, data: str) -> None:
        text = data.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
        size = max(len(each.encode("utf-8", "replace")) for each in text.split("\n"))
        if size > MAX_LINE:
            self._tell(
                f"nothing was pasted: a line has {size:,} bytes, a message {MAX_LINE:,} at most"
            )
            return
        line = self._screen.line
        if "\n" not in text.rstrip("\n"):
            line.insert_text(text.rstrip("\n"))
            return
        lines = [each for each in text.rstrip("\n").split("\n") if each.strip()]
        typed = line.document.text_before_cursor
        if typed.startswith("/"):
            lines = [typed + each for each in lines]
        elif text.startswith("\n"):
            lines.insert(0, typed)
        else:
            lines[0] = typed + lines[0]
        if len(lines) > MOST_LINES:
            self._tell(f"{len(lines):,} lines are too many: at most {MOST_LINES} can be pasted")
            return
        self._pasted = lines
        whom = self._conversations.current.key
        to = (
            f" to {bracketed(whom)}"
            if whom and not any(each.startswith("/") for each in lines)
            else ""
        )
        self._screen.question = f"Send these {len(lines)} lines{to}, one by one? y/n"

    def _answer(self, event: KeyPressEvent) -> None:
        key = event.key_sequence[0].key
        if key in ("y", "Y"):
            lines = self._pasted
            self._screen.line.reset()
            self._drop_paste()
            for text in lines:
                self._run(text)
        elif key in ("n", "N", Keys.Escape, Keys.ControlC):
            self._drop_paste()

    def _drop_paste(self) -> None:
        self._pasted = []
        self._screen.question = ""


def _is_paste(rest: Sequence[KeyPress]) -> bool:
    """Whether so much came at once that nobody can have typed it: lines of text, and no keys.

    Commands name whom they are for, and programs type them: they are taken as they come.
    """
    if any(press.key not in _ENTER and len(press.key) != 1 for press in rest):
        return False
    lines = "".join(press.data.replace("\r", "\n") for press in rest).split("\n")
    return len(lines) > _LINES_OF_A_PASTE and any(
        line.strip() and not line.startswith("/") for line in lines
    )
