"""The keys that move one about.

    Alt-1 .. Alt-9, Alt-0   a conversation by its number; all together
    Alt-Left, Alt-Right     the one before, the next one
    Esc                     leaves a screen, or the past
    Up, Down, PageUp ..     in a screen that is shown, while nothing is typed; Enter chooses

    Esc, / at once          Esc, and the beginning of a command

Rules: Alt with a key that means nothing types nothing, whatever the terminal sends for it. A lone
Escape is known by nothing following it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from p2pchat.console.full.application import ChatScreen
from p2pchat.console.full.moving import Moving
from p2pchat.console.full.offer import Offer

# What Emacs does with these, which nobody wants here: a count for the next key, a line that is
# commented out, all completions at once.
_UNWANTED: Final = ("-", "#", "*")
# What comes by itself, and not with an Escape that was typed just before.
_NO_KEYS: Final = (Keys.BracketedPaste, Keys.Vt100MouseEvent, Keys.CPRResponse)


def moving_keys(screen: ChatScreen, moving: Moving, offer: Offer) -> KeyBindings:
    """Bindings to add to those for typing."""
    keys = KeyBindings()
    usual = ~is_searching
    pane = screen.pane
    nothing_typed = Condition(lambda: not screen.line.text)
    in_sheet = usual & nothing_typed & Condition(lambda: pane.sheet is not None)

    def bind(when: Any, function: Callable[[], object], *pressed: Any) -> None:
        keys.add(*pressed, filter=when)(lambda _: function())

    for number in range(10):
        bind(usual, partial(moving.go_to, number), Keys.Escape, str(number))
    bind(usual, lambda: moving.go_by(-1), Keys.Escape, Keys.Left)
    bind(usual, lambda: moving.go_by(1), Keys.Escape, Keys.Right)
    bind(usual, moving.leave, Keys.Escape)

    def twice(event: KeyPressEvent) -> None:
        """The second key may begin something."""
        moving.leave()
        event.key_processor.feed(event.key_sequence[-1], first=True)

    keys.add(Keys.Escape, Keys.Escape, filter=usual)(twice)
    # Who leaves a screen and types on at once would send a command, without its slash, as text.
    keys.add(Keys.Escape, "/", filter=usual)(twice)
    keys.add(Keys.Escape, Keys.Any, filter=usual)(_nothing)
    for character in _UNWANTED:
        keys.add(Keys.Escape, character, filter=usual)(_nothing)

    bind(in_sheet, lambda: pane.roll(1), Keys.Up)
    bind(in_sheet, lambda: pane.roll(-1), Keys.Down)
    bind(in_sheet, lambda: pane.roll(1 << 20), Keys.Home)
    bind(in_sheet, lambda: pane.roll(-(1 << 20)), Keys.End)
    for enter in (Keys.Enter, Keys.ControlJ):
        bind(in_sheet, moving.choose, enter)
        bind(usual & Condition(lambda: offer.stands), offer.accept, enter)
    bind(in_sheet, moving.leave, "q")
    bind(usual & Condition(lambda: offer.stands), offer.command, "/")
    return keys


def _nothing(event: KeyPressEvent) -> None:
    last, rest = event.key_sequence[-1], event.key_processor.input_queue
    if last.key in _NO_KEYS:
        event.key_processor.feed(last, first=True)
    elif last.key == "[":
        # What prompt_toolkit does not know, as Alt-F1 or a report: all of it, up to its last byte.
        while rest and len(rest[0].key) == 1 and " " <= rest.popleft().key < "@":
            pass
    elif last.key == "O" and rest:
        rest.popleft()
