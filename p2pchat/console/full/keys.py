"""What the keys do, beyond editing the line, which is prompt_toolkit's.

    Enter             runs the line          Alt-A               next unread conversation
    Alt-Enter         a new line in it       PageUp, PageDown    scroll, as the mouse wheel does
    Ctrl-C            clears the line,       Ctrl-End            to the end
                      the second one leaves  Ctrl-Z              stops the program, until `fg`
    Ctrl-D            leaves, if the line is empty

Rules: nothing that is pasted is sent before the person has agreed, once it has several lines,
whether or not the terminal marks what is pasted. "/r " becomes "/msg bob@CIC " as it is typed: whom
it goes to is seen before it goes, whoever else writes meanwhile. A terminal that makes Up and Down
of its wheel sends several at once, which no person does: they scroll, and the line stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from prompt_toolkit.filters import Always, Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys
from twisted.internet.interfaces import IReactorTime

from p2pchat.console.full.application import ChatScreen
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.paste import Paste
from p2pchat.console.full.recalled import text_to_run
from p2pchat.speech import N_, _
from p2pchat.wire.names import visible

_AGAIN: Final = N_("Ctrl-C once more leaves")
_ENTER: Final = (Keys.Enter, Keys.ControlJ)
_TEXT: Final = (*_ENTER, Keys.Tab)
_BULK: Final = 16
"""Keys that come at once, and that nobody can have typed."""
_NOTCH: Final = 3
"""Up or Down keys that a terminal makes of one turn of its wheel."""


_WHEEL: Final = {"64": _NOTCH, "65": -_NOTCH}
"""What a terminal calls the wheel: rows up."""


class Keyboard:
    """Binds the keys of `screen`.

    `run` gets each line; `leave` and `suspend` are called when the person wants to; `tell` shows a
    sentence. Call `stop` in the end.
    """

    def __init__(
        self,
        clock: IReactorTime,
        screen: ChatScreen,
        conversations: Conversations,
        *,
        run: Callable[[str], None],
        leave: Callable[[], None],
        tell: Callable[[str], None],
        suspend: Callable[[], None],
    ) -> None:
        self._screen = screen
        self._conversations = conversations
        self._run = run
        self._leave = leave
        self._tell = tell
        self._suspend = suspend
        self._armed = self._just_armed = self._came_with_more = False
        self._paste = Paste(
            clock,
            screen.line,
            ask=self._ask,
            run=run,
            tell=tell,
            whom=lambda: conversations.current.key,
        )
        self._answers: dict[str, Callable[[], None]] = {
            Keys.ControlO: self._paste.as_one,
            Keys.ControlE: self._paste.one_by_one,
            Keys.Escape: self._paste.not_at_all,
            Keys.ControlC: self._paste.not_at_all,
        }
        self.stop = self._paste.stop
        screen.app.key_bindings = self._bindings()
        screen.app.key_processor.after_key_press += self._key_came

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        asking = Condition(lambda: self._paste.asking)
        collecting = Condition(lambda: self._paste.collecting)
        usual = ~asking & ~collecting & ~is_searching
        whom = Condition(self._is_reply)
        at_end = Condition(lambda: not self._screen.line.text)
        bound: list[tuple[Callable[[KeyPressEvent], None], Any, tuple[Any, ...]]] = [
            (self._enter, usual, (Keys.Enter,)),
            (self._enter, usual, (Keys.ControlJ,)),
            (self._new_line, usual, (Keys.Escape, Keys.Enter)),
            (self._new_line, usual, (Keys.Escape, Keys.ControlJ)),
            (self._marked, usual, (Keys.BracketedPaste,)),
            (self._insert, usual & Condition(self._is_bulk), (Keys.Any,)),
            (self._insert, usual & Condition(self._is_bulk), (Keys.Tab,)),
            (self._interrupt, ~is_searching, (Keys.ControlC,)),
            (lambda _event: self._leave(), usual & at_end, (Keys.ControlD,)),
            (self._next_unread, usual, (Keys.Escape, "a")),
            (lambda _event: self._screen.pane.scroll(1), usual, (Keys.PageUp,)),
            (lambda _event: self._screen.pane.scroll(-1), usual, (Keys.PageDown,)),
            (lambda _event: self._conversations.current.follow(), usual, (Keys.ControlEnd,)),
            (self._name_whom, usual & whom, (" ",)),
            (lambda _event: self._suspend(), usual, (Keys.ControlZ,)),
            (lambda _event: self._screen.draw_all(), usual, (Keys.ControlL,)),
            # They stop and start other programs; searching, or quoting a key, would surprise.
            (lambda _event: None, Always(), (Keys.ControlS,)),
            (lambda _event: None, Always(), (Keys.ControlQ,)),
            (self._wheel, usual & Condition(lambda: self._turned(Keys.Up)), (Keys.Up,)),
            (self._wheel, usual & Condition(lambda: self._turned(Keys.Down)), (Keys.Down,)),
            (self._mouse, Always(), (Keys.Vt100MouseEvent,)),
            (self._answer, asking, (Keys.Any,)),
            (self._collect, collecting, (Keys.Any,)),
        ]
        for function, when, pressed in bound:
            keys.add(*pressed, filter=when, eager=when in (asking, collecting))(function)
        return keys

    def _key_came(self, _processor: object) -> None:
        """Whatever follows the first Ctrl-C, but another one, disarms it."""
        if self._just_armed:
            self._just_armed = False
        elif self._armed:
            self._armed = False
            if self._screen.question == _(_AGAIN):
                self._screen.question = ""

    def _ask(self, question: str) -> None:
        self._came_with_more = False
        self._screen.question = question
        self._screen.draw()

    # ------------------------------------------------------------ what comes at once

    def _is_bulk(self) -> bool:
        """Whether a text is pasted, and is not typed key by key."""
        queue = self._screen.app.key_processor.input_queue
        return _is_paste(queue) or (len(queue) >= _BULK and _is_text(queue[0]))

    def _turned(self, key: Keys) -> bool:
        queue = self._screen.app.key_processor.input_queue
        return len(queue) >= _NOTCH - 1 and {press.key for press in queue} == {key}

    def _wheel(self, event: KeyPressEvent) -> None:
        queue, key = event.key_processor.input_queue, event.key_sequence[0].key
        rows = 1 + len(queue)
        queue.clear()
        self._screen.pane.roll(rows if key == Keys.Up else -rows)

    def _mouse(self, event: KeyPressEvent) -> None:
        """The terminal tells of the mouse itself: of its wheel alone something is done."""
        rows = _WHEEL.get(event.data.removeprefix("\x1b[<").partition(";")[0], 0)
        if rows:
            self._screen.pane.roll(rows)

    # ------------------------------------------------------------ the line

    def _enter(self, event: KeyPressEvent) -> None:
        if _is_paste(event.key_processor.input_queue, behind_enter=True):
            self._paste.more(_with_what_follows(event))
            return
        line = self._screen.line
        text = text_to_run(line, self._conversations.current)
        line.append_to_history()
        line.reset()
        self._conversations.current.follow()
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
            self._screen.question = _(_AGAIN)

    def _next_unread(self, _event: KeyPressEvent) -> None:
        if not self._conversations.next_unread():
            self._tell(_("nothing is unread"))

    # ------------------------------------------------------------ pasting

    def _marked(self, event: KeyPressEvent) -> None:
        # With what came at the same moment: an end of the marks that was pasted ends nothing.
        self._paste.marked(_with_what_follows(event))

    def _collect(self, event: KeyPressEvent) -> None:
        self._paste.more(_with_what_follows(event))

    def _insert(self, event: KeyPressEvent) -> None:
        self._paste.unmarked(_with_what_follows(event, "\r\n"))

    def _new_line(self, _event: KeyPressEvent) -> None:
        self._paste.new_line()

    def _answer(self, event: KeyPressEvent) -> None:
        """What came with something else was pasted, and answers nothing."""
        key, more = event.key_sequence[0].key, bool(event.key_processor.input_queue)
        alone, self._came_with_more = not (more or self._came_with_more), more
        answer = self._answers.get(key)
        if alone and answer is not None:
            answer()


def _is_text(press: KeyPress) -> bool:
    return press.key in _TEXT or len(press.key) == 1


def _with_what_follows(event: KeyPressEvent, end: str = "") -> str:
    """The text of a key and of all that came with it, up to one of `end`; other keys are none."""
    queue = event.key_processor.input_queue
    taken = [*event.key_sequence]
    while queue and (not end or (_is_text(queue[0]) and queue[0].data not in end)):
        taken.append(queue.popleft())
    pasted = Keys.BracketedPaste
    return "".join(press.data for press in taken if _is_text(press) or press.key == pasted)


def _is_paste(rest: Sequence[KeyPress], *, behind_enter: bool = False) -> bool:
    """Whether text follows an Enter that came at the same moment."""
    keys = iter(rest)
    for press in keys:
        if press.key == Keys.Escape:
            next(keys, None)  # Alt and a key
        elif press.key in _ENTER:
            behind_enter = True
        elif behind_enter and len(press.key) == 1 and press.data.strip():
            return True
    return False
