"""What was said in a world, and what became of it: told to its sender, and shown to its receivers.

    account.say("alice@CIC", "bob@CIC", "script 3")  ->  a text that nobody else says
    account.accepted(text, msg_id)                   the node took it
    account.told(msg_id, "delivered")                in the order in which it is told
    account.shown("bob@CIC", text)                   in the order in which it is shown
    account.message_of("* alice 3")                  the same as of "alice 3", if that is a change

Rules: one account for all runs of all nodes of a world. Nothing here knows a node. What a person
asks to cancel, or to forget, is a `Window`: from the request to its answer anything may happen to
the messages that it is about, but each of them has one end all the same.
"""

from __future__ import annotations

from collections.abc import Container
from itertools import count
from typing import Final

from msgspec import Struct, field

QUEUED: Final = "queued"
KEPT: Final = "undelivered, but kept"
DELIVERED: Final = "delivered"
CANCELLED: Final = "cancelled"
GIVEN_UP: Final = "given up"
ENDS: Final = (DELIVERED, CANCELLED, GIVEN_UP)
LIE: Final = "lie"
"""A text of a liar."""
CHANGE: Final = "* "
"""Stands before another text for a message where that message is not known."""
KILLED: Final = "(killed)"
"""Stands among what was told where the sender's process ended, and so forgot what it had told."""


class Message(Struct):
    """One message that was said, whether or not a node took it."""

    text: str
    sender: str
    to: str
    """A peer_id, `*` or `#namespace`."""
    origin: str
    """Who said it: "send", or the name of a control request or of a script."""
    msg_id: str = ""
    """Empty as long as no node took it."""
    place: int = 0
    """Its place in the order in which messages were taken."""
    of: str = ""
    """The msg_id of the message that it is another text for; empty for one of its own."""
    at: float = 0.0
    """When it was taken, by a clock that nobody can set."""
    too_old: bool = False
    """Whether it was told to have waited for too long."""
    never_left: bool = False
    """Whether that was told by the process that it was said to, and which never sent it."""
    way: str = ""
    """The one connection that it takes, of a sender who speaks on several at once."""
    told: list[str] = field(default_factory=list)
    perhaps_cancelled: bool = False
    """Whether somebody asked for it, and may or may not have been in time."""
    perhaps_back: bool = False
    """Whether it was told to be cancelled, but not for good."""
    called_off_unheard: bool = False
    """Whether its sender's process was killed between a request to cancel it and the answer."""
    forgotten: bool = False
    """Whether its sender has certainly deleted it."""
    perhaps_lost: bool = False
    """Whether its sender ended, or never tries again, before it was safe."""

    @property
    def direct(self) -> bool:
        """Whether it is for one peer."""
        return not self.to.startswith(("*", "#"))

    @property
    def ended(self) -> bool:
        """Whether its end was told, and the process that told it has not been killed since."""
        return any(outcome in ENDS for outcome in self.tellings()[-1])

    def tellings(self) -> list[list[str]]:
        """What was told, by process: one list more than there were kills."""
        found: list[list[str]] = [[]]
        for outcome in self.told:
            if outcome == KILLED:
                found.append([])
            else:
                found[-1].append(outcome)
        return found


class Window(Struct):
    """A request to cancel or forget, from when it is made until it is answered."""

    who: str
    peer: str | None
    """Whose messages, None for all."""
    forgets: bool
    before: list[Message]
    """What was certainly taken, or shown, before it."""


class Account:
    """All that was said, told and shown."""

    def __init__(self) -> None:
        self.all_is_old = False
        """Whether so much time has passed that nothing may wait any more."""
        self.by_text: dict[str, Message] = {}
        self.by_id: dict[str, Message] = {}
        self.by_origin: dict[str, list[Message]] = {}
        self.open: dict[tuple[str, str], dict[str, Message]] = {}
        """Sender and origin -> the messages of which nothing was told yet, by msg_id."""
        self.shown_to: dict[str, list[Message]] = {}
        self.strange: list[str] = []
        """What was told or shown and was never said, as sentences."""
        self.perhaps_forgotten: set[tuple[str, str]] = set()
        """Who has perhaps deleted which text."""
        self.forgotten_by: set[tuple[str, str]] = set()
        """Who has certainly deleted which text, and never gets it again."""
        self.lied_to = False
        """Whether there is a liar, whose texts may be anything."""
        self.kills: set[str] = set()
        """Whose process was killed: what it stored then, it never showed."""
        self.silent: set[str] = set()
        """Whose links were perhaps dead without anybody hearing of it."""
        self.unkept: set[tuple[str, str]] = set()
        """Who was shown which text although it could not be stored."""
        self.damaged: set[str] = set()
        """Whose file was damaged."""
        self.told_of_damage: set[str] = set()
        """Of those, who was told of it."""
        self._windows: list[Window] = []
        self._numbers = count(1)
        self._places = count(1)

    # ------------------------------------------------------------ what happens

    def say(self, sender: str, to: str, origin: str, odd: str = "") -> str:
        """A new text for a message that is about to be said; `odd` is its end."""
        text = f"{sender.split('@')[0]} {next(self._numbers)}{odd}"
        message = self.by_text[text] = Message(text, sender, to, origin)
        self.by_origin.setdefault(origin, []).append(message)
        return text

    def accepted(self, text: str, msg_id: str, to: str = "", of: str = "", at: float = 0.0) -> None:
        """A node took it; `to`: whom it is for, if only the node knew; `of`: what it changes."""
        message = self.by_text[text]
        message.to, message.of, message.at = to or message.to, of, at
        message.msg_id, message.place = msg_id, next(self._places)
        self.by_id[msg_id] = message
        if message.direct:
            self.open.setdefault((message.sender, message.origin), {})[msg_id] = message
        for window in self._windows:
            self._mark(window, message)

    def told(self, msg_id: str, outcome: str) -> str:
        """Its sender's node told this of it; returns its text."""
        message = self.by_id.get(msg_id)
        if message is None:
            self.strange.append(f"{outcome}: a message that nobody said")
            return "?"
        message.told.append(outcome)
        whose = (message.sender, message.origin)
        awaited = self.open.get(whose, {})
        if awaited.pop(msg_id, None) is not None and not awaited:
            del self.open[whose]
        return message.text

    def shown(self, receiver: str, text: str) -> None:
        """A node showed it."""
        message = self.message_of(text)
        if message is None and self.lied_to:
            return
        if message is None or not message.msg_id:
            self.strange.append(f"{receiver} was shown {text!r}, which nobody said")
        else:
            self.shown_to.setdefault(receiver, []).append(message)
            if message.never_left:
                self.strange.append(f"{receiver} was shown {text!r}, too old and never sent")

    def killed(self, name: str, written: Container[str]) -> None:
        """The process of this node ended; `written`: the ids of what was in its file."""
        self.kills.add(name)
        for message in self.by_id.values():
            if message.sender == name:
                if not message.ended and any(
                    _concerns(window, message) for window in self._windows
                ):
                    message.called_off_unheard = True
                message.told.append(KILLED)
                if message.msg_id not in written:
                    message.perhaps_lost = True
        for whose in [whose for whose in self.open if whose[0] == name]:
            del self.open[whose]
        # What it has forgotten to be delivered it says again.
        self.forgotten_by = {
            (who, text)
            for who, text in self.forgotten_by
            if who == self.by_text[text].sender or name != self.by_text[text].sender
        }

    # ------------------------------------------------------------ cancelling and forgetting

    def asks(self, who: str, peer: str | None, *, forgets: bool) -> Window:
        """Somebody asks to cancel, or to forget, what waits for a peer, or for all of them."""
        own = [each for each in self.by_id.values() if (each.sender, each.to) == (who, peer)]
        theirs = [
            each
            for each in self.shown_to.get(who, ())
            if each.sender == peer and each.direct and DELIVERED in each.tellings()[-1]
        ]
        window = Window(who, peer, forgets, own + theirs if forgets else [])
        self._windows.append(window)
        for message in self.by_text.values():
            self._mark(window, message)
        return window

    def answered(self, window: Window, *, done: bool) -> None:
        """It is over; `done`: the answer was that it is done."""
        if window not in self._windows:
            return
        for message in self.by_text.values():
            self._mark(window, message)
        self._windows.remove(window)
        if done:
            for message in window.before:
                if message.sender == window.who:
                    message.forgotten = True
                if DELIVERED in message.tellings()[-1] or message.sender == window.who:
                    self.forgotten_by.add((window.who, message.text))

    def _mark(self, window: Window, message: Message) -> None:
        if not message.msg_id:
            return
        concerns_own = _concerns(window, message)
        if concerns_own and not message.ended:
            message.perhaps_cancelled = True
        if window.forgets and (concerns_own or message.sender == window.peer):
            self.perhaps_forgotten.add((window.who, message.text))

    # ------------------------------------------------------------ questions

    def message_of(self, text: str) -> Message | None:
        """The message of this text; with a mark before it, if it changes another one."""
        message = self.by_text.get(text)
        if message is None and text.startswith(CHANGE):
            changed = self.by_text.get(text.removeprefix(CHANGE))
            return changed if changed is not None and changed.of else None
        return message

    def worded(self, text: str) -> str:
        """A text as it was said, without the mark of a change."""
        message = self.message_of(text)
        return text if message is None else message.text

    def times_shown(self, receiver: str) -> dict[str, int]:
        """How often each text was shown there."""
        times: dict[str, int] = {}
        for message in self.shown_to.get(receiver, ()):
            times[message.text] = times.get(message.text, 0) + 1
        return times


def _concerns(window: Window, message: Message) -> bool:
    """Whether the request is about this message of who makes it."""
    own = message.sender == window.who and message.direct
    return own and window.peer in (None, message.to)
