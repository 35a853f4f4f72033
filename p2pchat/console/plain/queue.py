"""The lines of one input, run in their order and no faster than the node and its peers can take.

    lines -> add() -> wait until peers were met -> wait while peers do not keep up -> Commands.run
    end() -> wait for all under way, for ACKs, until what was published is read -> leave(status)

Rules: a script (input from a pipe or a file) needs no sleep and its exit status tells the truth;
a person at a terminal waits for nothing. While lines wait the input is not read, so what is kept is
one chunk of it. Nothing waits for ever: each wait ends with a time-out. A chunk holds thousands of
lines, of which a turn runs as many as its share allows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.python.failure import Failure

from p2pchat.console.commands.table import Commands
from p2pchat.console.plain.backpressure import Backpressure, Draining
from p2pchat.console.plain.input_lines import too_long
from p2pchat.console.replies import Reply
from p2pchat.logs.levels import Log
from p2pchat.mesh.peers import Peer
from p2pchat.speech import _, ngettext
from p2pchat.turns import SHARE

_log: Final = Log("Console")
MEETING: Final = 10.0
"""Seconds that a script waits at most for the first discovery and the dials it caused."""
_SHORTEST, _LONGEST = 0.001, 0.05
_LINES_BETWEEN_LOOKS: Final = 32
_CHARACTERS_BETWEEN_LOOKS: Final = 8192
_AT_ONCE: Final = 8


class CommandQueue:
    """Runs lines. `show` gets the lines of each reply; `leave` is called once, with a status.

    `script` tells input from a pipe or a file from a person; `stay`, that the end of a script is
    no reason to leave. Call `start` first, `stop` in the end, and `look` when an ACK came.
    """

    def __init__(
        self,
        clock: IReactorTime,
        commands: Commands,
        backpressure: Backpressure,
        draining: Draining,
        *,
        show: Callable[[Sequence[str]], None],
        leave: Callable[[int], None],
        script: bool,
        stay: bool = False,
    ) -> None:
        self._clock = clock
        self._commands = commands
        self._backpressure = backpressure
        self._draining = draining
        self._show = show
        self._leave = leave
        self._script = script
        self._stay = stay
        self._reader: IPushProducer | None = None
        self._paused = False
        self._lines: deque[str | None] = deque()
        self._budget = 0
        self._under_way = 0
        self._met = not script
        self._running = self._ended = self._left = False
        self._delay = 0.0
        self._next: IDelayedCall | None = None
        self._meet_by: IDelayedCall | None = None
        self.failed = False
        """Whether some line was wrong, or what was published was not read in time."""
        self.unfinished = False
        """Whether the node has left under a script of which not all was done and delivered."""

    def start(self, reader: IPushProducer) -> None:
        """Take lines from now on; `reader`, where they come from, is paused while they wait."""
        self._reader = reader
        if not self._met:
            self._meet_by = self._clock.callLater(MEETING, self._have_met)
            self._commands.node.presence.first_look().addBoth(lambda _looked: self._dials())

    def stop(self) -> None:
        """Run nothing more; the node has left."""
        if self._lines and not self._left:
            n = len(self._lines)
            left = ngettext(
                "one line was not run: this node leaves",
                "{n} lines were not run: this node leaves",
                n,
            )
            self._show([left.format(n=n)])
        if self._script and not self._stay and not self._left:
            self.unfinished = bool(self._lines or self._under_way) or not self._all_well
        self._left = True
        self._lines.clear()
        self._cancel_next()
        if self._meet_by is not None:
            self._meet_by.cancel()
            self._meet_by = None

    def add(self, lines: Sequence[str | None]) -> None:
        """Run these lines when it is their turn; None stands for one that was too long."""
        if not self._ended and not self._left:
            self._lines += lines
            self._run()

    def end(self) -> None:
        """There will be no more lines."""
        if self._script and self._stay:
            return
        self._ended = True
        self._run()

    def look(self) -> None:
        """Something that the end may have waited for has happened."""
        if self._ended and not self._commands.sent.pending:
            self._cancel_next()
            self._run()

    def met(self, peer: Peer) -> None:
        """A peer has a new status: what is for it need not wait for the others."""
        if not self._met and self._lines and peer.links:
            self._run()

    # ------------------------------------------------------------ waiting

    def _dials(self) -> None:
        if self._meet_by is None:
            return
        if self._commands.node.mesh.dials_under_way():
            self._clock.callLater(_LONGEST, self._dials)
        else:
            self._meet_by.cancel()
            self._have_met()

    def _have_met(self) -> None:
        self._meet_by = None
        self._met = True
        self._run()

    def _again(self) -> None:
        """Run on a little later; the longer it takes, the less often we look."""
        if self._next is None:
            self._next = self._clock.callLater(self._delay, self._look_again)
            self._delay = min(max(self._delay * 2, _SHORTEST), _LONGEST)

    def _look_again(self) -> None:
        self._next = None
        self._run()

    def _cancel_next(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _pause(self, pause: bool) -> None:
        if pause is not self._paused and self._reader is not None:
            self._paused = pause
            if pause:
                self._reader.pauseProducing()
            else:
                self._reader.resumeProducing()

    # ------------------------------------------------------------ running

    def _run(self) -> None:
        if self._running or self._left or self._next is not None:
            return
        if not self._commands.node.running:
            return  # it leaves: whoever has us run will stop us
        self._running = True
        try:
            self._run_lines()
        finally:
            self._running = False
        if not self._left:
            self._pause(bool(self._lines))
        if self._ended and not self._left:
            self._finish()

    def _run_lines(self) -> None:
        until = self._clock.seconds() + SHARE
        while self._lines and not self._left:
            if self._clock.seconds() >= until:
                self._next = self._clock.callLater(0, self._look_again)
                return
            line = self._lines[0]
            if self._under_way >= (1 if self._script else _AT_ONCE):
                return
            if not self._met and line is not None and not self._commands.may_run(line):
                return
            if self._script and (self._budget <= 0 or self._backpressure.many_pending):
                if self._backpressure.should_wait(self._clock.seconds()):
                    self._again()
                    return
                self._delay = 0.0
                self._budget = _CHARACTERS_BETWEEN_LOOKS
            self._lines.popleft()
            self._budget -= len(line or "") + _CHARACTERS_BETWEEN_LOOKS // _LINES_BETWEEN_LOOKS
            self._run_line(line)

    def _run_line(self, line: str | None) -> None:
        if line is None:
            self._done(Reply([too_long(script=self._script)], ok=False))
            return
        try:
            answer = self._commands.run(line)
        except Exception:
            _log.failure("A command failed")
            self._done(_fault())
            return
        if isinstance(answer, Deferred):
            self._under_way += 1
            answer.addErrback(self._fault).addCallback(self._answered)
        else:
            self._done(answer)

    def _fault(self, failure: Failure) -> Reply:
        _log.failure("A command failed", failure)
        return _fault()

    def _answered(self, reply: Reply) -> None:
        self._under_way -= 1
        if not self._left:
            self._done(reply)
            self._run()

    def _done(self, reply: Reply) -> None:
        self._show(reply.lines)
        if not reply.ok:
            self.failed = True
        if reply.leave:
            self._lines.clear()
            self._ended = True

    # ------------------------------------------------------------ leaving

    def _finish(self) -> None:
        if not self._script and self._next is None:
            self._go(0)
        elif self._lines or self._under_way:
            pass  # whatever they wait for runs on
        elif self._commands.sent.pending:
            pass  # `look` will tell
        elif not self._drained():
            self._again()
        else:
            self._go(0 if self._all_well else 1)

    @property
    def _all_well(self) -> bool:
        sent = self._commands.sent
        return not (self.failed or sent.failed or sent.waiting or sent.pending)

    def _drained(self) -> bool:
        draining = self._draining
        if not self._commands.published or draining.done(self._clock.seconds()):
            if draining.failed:
                _log.warn("Left before all peers had read what was published")
                self._show([_("left before all peers had read what was published")])
                self.failed = True
            return True
        return False

    def _go(self, status: int) -> None:
        self._left = True
        self._leave(status)


def _fault() -> Reply:
    return Reply([_("that did not work, through a fault of ours: see the log")], ok=False)
