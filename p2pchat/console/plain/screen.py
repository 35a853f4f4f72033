"""Lines of text -> standard output: once a reactor's turn, encoded, and never in the node's way.

Rules: a character that the terminal cannot show is replaced. While nobody reads (a stopped
terminal, a full pipe) lines wait, up to a limit; what is beyond it is left out and counted, and
the count is told when somebody reads again. An output that is gone is forgotten quietly. Of what
comes in, a `Transcript` shows everything, and a `Digest`, for terminals, what a person can read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from p2pchat.console.wording import BURST, RATE, left_out_line, message_lines
from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.speech import ngettext
from p2pchat.turns import Turns
from p2pchat.wire.messages import Pub, Send

ROOM: Final = 1_048_576
"""Bytes that may wait before what is not an answer to the person is left out."""
_MOST: Final = 8 * ROOM
_ROOM_OF_A_TURN: Final = 32_000
"""Characters of messages that are formatted at once: a flood of long ones is left out sooner."""
_LEAST: Final = 100
_NO_NAMES: Final[Mapping[str, str]] = {}
_Batch: TypeAlias = "tuple[str, Sequence[Send | Pub | str], Sequence[str], str]"
"""A peer_id, what came from it together, their notes, and how it came."""


@implementer(IPushProducer)
class Screen:
    """Writes lines to a consumer: a transport that is told to `registerProducer` this.

    `encoding` is what the output understands; `room` is bytes. Call `connect` before anything is
    to be seen; `on_room` is called when the output takes lines again.
    """

    def __init__(self, clock: IReactorTime, encoding: str = "utf-8", room: int = ROOM) -> None:
        self._clock = clock
        self._encoding = encoding
        self._room = room
        self._consumer: Any = None
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._due = False
        self._skipped = 0
        self.blocked = False
        """Whether nobody reads at the moment."""
        self.gone = False
        """Whether the output is closed for good."""
        self.left_out = 0
        """Lines that were left out since the start."""
        self.on_room: Callable[[], None] | None = None

    def connect(self, consumer: Any) -> None:
        """Write to this transport from now on."""
        self._consumer = consumer
        consumer.registerProducer(self, True)

    @property
    def full(self) -> bool:
        """Whether so much waits that only answers to the person should be written."""
        return self._bytes > self._room

    @property
    def waiting(self) -> int:
        """Bytes that wait: what was written in this turn, and what nobody has read."""
        return self._bytes

    def write(self, lines: Sequence[str]) -> None:
        """Show these lines, at the end of the reactor's turn."""
        if not lines or self.gone:
            return
        if self._bytes > _MOST:
            self.skip(len(lines))
            return
        block = ("\n".join(lines) + "\n").encode(self._encoding, "replace")
        self._waiting.append(block)
        self._bytes += len(block)
        if not self._due:
            self._due = True
            self._clock.callLater(0, self._turn_over)

    def skip(self, count: int) -> None:
        """Note that `count` lines were not written, to be told when there is room again."""
        self._skipped += count
        self.left_out += count

    def flush(self) -> None:
        """Write what waits now, unless nobody reads."""
        if self.blocked or self.gone or self._consumer is None:
            return
        if self._skipped:
            sentence = ngettext(
                "… {n:,} line was left out, because nobody read it",
                "… {n:,} lines were left out, because nobody read them",
                self._skipped,
            )
            line = sentence.format(n=self._skipped) + "\n"
            self._waiting.append(line.encode(self._encoding, "replace"))
            self._skipped = 0
        if self._waiting:
            block = b"".join(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._consumer.write(block)

    def finish(self) -> None:
        """Hand over what waits even if nobody reads, and let the consumer close when it is out."""
        self.blocked = False
        self.flush()
        if self._consumer is not None:
            self._consumer.unregisterProducer()
        self.stopProducing()

    def _turn_over(self) -> None:
        self._due = False
        self.flush()

    # ------------------------------------------------------------ IPushProducer, for the transport

    def pauseProducing(self) -> None:
        """The transport holds as much as it wants."""
        self.blocked = True

    def resumeProducing(self) -> None:
        """The transport has written what it held."""
        self.blocked = False
        self.flush()
        if not self.blocked and self.on_room is not None:
            self.on_room()

    def stopProducing(self) -> None:
        """The output is gone."""
        self.gone = True
        self._waiting.clear()
        self._bytes = 0


class Transcript:
    """Shows everything, as far as the screen has room.

    What comes together is formatted at once, and a flood in later `turns`, in its order. `names`:
    what the person calls some peers.
    """

    def __init__(self, turns: Turns, screen: Screen, names: Mapping[str, str] = _NO_NAMES) -> None:
        self._turns = turns
        self._names = names
        self._screen = screen
        self._waiting: deque[tuple[str, Send | Pub | str, str, str]] = deque()
        self._characters = 0
        self._formatted = 0

    def received(
        self,
        peer_id: str,
        messages: Sequence[Send | Pub],
        notes: Sequence[str] = (),
        security: str = "",
    ) -> None:
        """Messages came from this peer; `notes` and `security` as in `Digest.received`."""
        screen = self._screen
        if not screen.waiting:
            self._formatted = 0
        if screen.full or self._characters > ROOM:
            screen.skip(len(messages))
        elif notes or self._waiting or self._formatted >= _ROOM_OF_A_TURN // 2:
            noted = zip(messages, notes or repeat(""), strict=False)
            self._wait([(peer_id, message, note, security) for message, note in noted])
        else:
            self._formatted += sum([len(message.payload) for message in messages])
            screen.write(
                message_lines(
                    peer_id, messages, security=security, called=self._names.get(peer_id, "")
                )
            )

    def event(self, line: str) -> None:
        """Something else happened."""
        screen = self._screen
        if screen.full or self._characters > ROOM:
            screen.skip(1)
        elif self._waiting:
            self._wait([("", line, "", "")])
        else:
            screen.write([line])

    def close(self) -> None:
        """Show what still waits."""
        for _ in self._format():
            pass

    def _wait(self, lines: Sequence[tuple[str, Send | Pub | str, str, str]]) -> None:
        begun = bool(self._waiting)
        self._waiting += lines
        self._characters += sum(_characters(line) for _, line, _, _ in lines)
        if not begun:
            self._turns.do(self._format())

    def _format(self) -> Generator[None, None, None]:
        while self._waiting:
            peer_id, line, note, security = self._waiting.popleft()
            self._characters -= _characters(line)
            if isinstance(line, str):
                self._screen.write([line])
            else:
                called = self._names.get(peer_id, "")
                self._screen.write(message_lines(peer_id, [line], note, security, called))
            yield


class Digest:
    """Shows what a person can read: `RATE` lines a second, after a burst of `BURST`.

    Taking in a message costs next to nothing: only what is shown is formatted. What is more is
    left out and counted, the last lines are shown. While the screen takes nothing,
    the last `BURST` lines wait here. `kept`: whether the messages are in a history, too. `names`:
    what the person calls some peers.
    """

    def __init__(
        self,
        clock: IReactorTime,
        screen: Screen,
        *,
        kept: bool = False,
        names: Mapping[str, str] = _NO_NAMES,
    ) -> None:
        self._clock = clock
        self._names = names
        self._screen = screen
        self._in_history = kept
        screen.on_room = self._room
        self._recent: deque[_Batch] = deque()
        self._kept = 0
        self._count = 0
        self._allowance = TokenBucket(RATE, clock.seconds(), BURST)
        self._due: IDelayedCall | None = None
        self.left_out = 0
        """Lines that were left out since the start."""

    def received(
        self,
        peer_id: str,
        messages: Sequence[Send | Pub],
        notes: Sequence[str] = (),
        security: str = "",
    ) -> None:
        """Messages came from this peer; `notes` stand before their brackets close, if there are.

        `security` tells how they came, and is empty where everything is in the clear.
        """
        self._take(peer_id, messages, notes, security)

    def event(self, line: str) -> None:
        """Something else happened."""
        self._take("", [line])

    def close(self) -> None:
        """Show what can be shown of what waits, and forget the rest."""
        if self._due is not None:
            self._due.cancel()
        self._allowance.fill_a_second()
        self._show()

    def _take(
        self,
        peer_id: str,
        lines: Sequence[Send | Pub | str],
        notes: Sequence[str] = (),
        security: str = "",
    ) -> None:
        count = len(lines)
        if count > BURST:
            lines, notes = lines[-BURST:], notes[-BURST:]
        self._recent.append((peer_id, lines, notes, security))
        self._count += count
        self._kept += len(lines)
        while self._kept - len(self._recent[0][1]) >= BURST:
            self._kept -= len(self._recent.popleft()[1])
        if self._due is None:
            self._due = self._clock.callLater(0, self._show)

    def _room(self) -> None:
        if self._due is None:
            self._show()

    def _show(self) -> None:
        self._due = None
        if not self._count or self._screen.blocked:
            return
        shown = self._allowance.take_some(self._count, self._clock.seconds())
        if shown is None:
            # A flood: wait until there is a second's worth to show.
            self._due = self._clock.callLater(self._allowance.second_in, self._show)
            return
        lines = self._last_lines(shown)
        left_out = self._count - len(lines)
        self._recent.clear()
        self._kept = self._count = 0
        if left_out:
            self.left_out += left_out
            self._screen.write([left_out_line(left_out, kept=self._in_history)])
        self._screen.write(lines)

    def _last_lines(self, count: int) -> list[str]:
        """At most so many of what waits, the last ones, as far as one turn can format them."""
        chosen: list[str] = []
        room = _ROOM_OF_A_TURN
        for peer_id, batch, notes, security in reversed(self._recent):
            for each, note in zip(
                reversed(batch), reversed(notes) if notes else repeat(""), strict=False
            ):
                text = each if isinstance(each, str) else each.payload
                # What is printable as it came costs little.
                size = len(text) // (20 if text.isascii() and text.isprintable() else 1)
                if len(chosen) == count or (chosen and size > room):
                    return chosen[::-1]
                room -= size
                if isinstance(each, str):
                    chosen.append(each)
                else:
                    called = self._names.get(peer_id, "")
                    chosen += message_lines(peer_id, [each], note, security, called)
        return chosen[::-1]


def _characters(line: Send | Pub | str) -> int:
    """How much a line that waits counts, a short one with what it takes by itself."""
    return _LEAST + len(line if isinstance(line, str) else line.payload)
