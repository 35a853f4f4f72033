"""Running a program for each message that comes, with the event as JSON on its standard input.

Rules: off unless a program is named; never a shell, and no arguments, so that nothing which a peer
wrote is ever part of a command. At most `max_running` run at once, `max_waiting` messages wait,
what is beyond is left out and counted. Each is the head of a process group of its own. What is left
of the group after `timeout`, or when the node leaves, is killed: the program, and whatever it has
started. What one does wrong is a line in the log, and hurts neither the node nor the next message.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from p2pchat.control.events import encode_json, message_events
from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observer
from p2pchat.node.stats import Figure, Section, counter, gauge, limit, text
from p2pchat.service.process_groups import ProcessGroups
from p2pchat.settings.values import HookSettings
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.text import printable, shortened

_log: Final = Log("Hooks")
_LOOK_EVERY: Final = 1.0
"""Seconds between two looks at what is left of groups whose program has ended."""
_MAX_COMPLAINT: Final = 500
"""Bytes of what a program writes to standard error that are kept for the log."""
_LAST: Final = 2.0
"""Seconds that programs have to end when the node has left."""


class MessageHook(Service, Observer):
    """Runs a program for each received message; an observer of a node.

    `reactor` provides IReactorProcess and IReactorTime; `own_id` is the node's peer_id. `environ`
    is what the program gets, with what lets it answer (`P2PCHAT_PEER_ID`, `P2PCHAT_CONTROL`) put in
    by the caller. It runs programs while the service runs.
    """

    name: str | None = "hook"

    def __init__(
        self,
        reactor: Any,
        own_id: str,
        settings: HookSettings,
        environ: Mapping[str, str],
        timestamp: Callable[[], str],
        groups: ProcessGroups | None = None,
    ) -> None:
        self._reactor = reactor
        self._own_id = own_id
        self._environ = {os.fsencode(name): os.fsencode(it) for name, it in environ.items()}
        self.configure(settings)
        self._timestamp = timestamp
        self._groups = groups or ProcessGroups()
        self._remarks = RateLimited(_log)
        self._waiting: deque[bytes] = deque()
        self._running: set[_Run] = set()
        self._left_behind: dict[int, float] = {}
        self._look: IDelayedCall | None = None
        self._over: Deferred[None] | None = None
        self._ended_for_good = False
        self.started = self.failed = self.timed_out = self.left_out = 0

    def configure(self, settings: HookSettings) -> None:
        """Go by these settings from the next program on."""
        self.program = None if settings.message is None else settings.message
        self.timeout = settings.timeout
        self.max_running = settings.max_running
        self.max_waiting = settings.max_waiting

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came: run the program for each of them, now or when its turn comes."""
        if self.program is None or not self.running:
            return
        at, link = self._timestamp(), peer.heard_on
        for event in message_events(self._own_id, peer.peer_id, messages, at, link=link):
            if len(self._waiting) >= self.max_waiting:
                self.left_out += 1
                self._remark("left out", "Too many messages wait for the hook: one was left out")
            else:
                self._waiting.append(encode_json(event))
                self._run_next()

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """A message has another text: its event says of which."""
        self.received(peer, [message])

    # ------------------------------------------------------------ running

    def stopService(self) -> Deferred[None] | None:
        """Take no more messages; fires when what runs and waits has ended, or was killed.

        That is within 2 s: what came with a farewell has its program run, too.
        """
        super().stopService()
        if not self._running and not self._waiting:
            self._end()
            return None
        self._over = Deferred()
        patience = self._reactor.callLater(_LAST, self._end)

        def over(_: None) -> None:
            if patience.active():
                patience.cancel()

        return self._over.addCallback(over)

    def _end(self) -> None:
        """Start nothing more and kill what runs."""
        self._ended_for_good = True
        self.left_out += len(self._waiting)
        self._waiting.clear()
        for run in [*self._running]:
            self._kill(run)
        for group in self._left_behind:
            self._groups.kill(group)
        self._left_behind.clear()
        if self._look is not None:
            self._look.cancel()
            self._look = None
        if self._over is not None:
            over, self._over = self._over, None
            over.callback(None)

    def section(self) -> Section[MessageHook]:
        """What is counted here, for a snapshot."""
        return Section("hooks", _FIGURES, self)

    def _run_next(self) -> None:
        while self._waiting and self.busy < self.max_running and not self._ended_for_good:
            event = self._waiting.popleft()
            if self.program is not None:
                self._run(self.program, event)
        if self._over is not None and not self._running and not self._waiting:
            self._end()

    @property
    def busy(self) -> int:
        """How many programs run, or have left something running."""
        return len(self._running) + len(self._left_behind)

    def _run(self, program: str, event: bytes) -> None:
        run = _Run(event, self._ended)
        self.started += 1
        self._running.add(run)
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._groups.check(program)
            # Bytes, because a path may be no UTF-8.
            command = [*map(os.fsencode, self._groups.command(program))]
            self._reactor.spawnProcess(
                run, command[0], command, self._environ, childFDs={0: "w", 1: null, 2: "r"}
            )
        except Exception as error:
            self._running.discard(run)
            self.failed += 1
            why = getattr(error, "strerror", None) or str(error)
            self._remark("start", f"The hook {program} cannot be run: {why}")
            return
        finally:
            os.close(null)
        run.deadline = self._reactor.callLater(self.timeout, self._too_long, run)

    def _too_long(self, run: _Run) -> None:
        run.deadline = None
        self.timed_out += 1
        self._remark("time", f"The hook took longer than {self.timeout:g} s and was killed")
        self._kill(run)

    def _kill(self, run: _Run) -> None:
        # The group first: it is one as soon as the program itself runs.
        self._groups.kill(run.group)
        run.kill()

    def _ended(self, run: _Run, status: str) -> None:
        self._running.discard(run)
        if run.deadline is not None:
            if not self._ended_for_good and self._groups.alive(run.group):
                self._left_behind[run.group] = run.deadline.getTime()
                if self._look is None:
                    self._look = self._reactor.callLater(_LOOK_EVERY, self._look_behind)
            run.deadline.cancel()
            run.deadline = None
            if status and not self._ended_for_good:
                self.failed += 1
                said = run.complaint.decode("utf-8", "replace").strip()
                self._remark("status", f"The hook ended with {status}: {said or 'without a word'}")
        self._run_next()

    def _look_behind(self) -> None:
        """Forget the groups that are gone, and end those whose time is over."""
        self._look, now = None, self._reactor.seconds()
        for group, deadline in [*self._left_behind.items()]:
            if not self._groups.alive(group):
                del self._left_behind[group]
            elif now >= deadline:
                del self._left_behind[group]
                self.timed_out += 1
                self._remark("behind", "What the hook had started took too long and was killed")
                self._groups.kill(group)
        if self._left_behind:
            self._look = self._reactor.callLater(_LOOK_EVERY, self._look_behind)
        self._run_next()

    def _remark(self, kind: str, sentence: str) -> None:
        now = self._reactor.seconds()
        self._remarks.warn(now, kind, "{text}", text=shortened(sentence, 400))


class _Run(ProcessProtocol):
    """One program and its message."""

    transport: Any

    def __init__(self, event: bytes, on_end: Callable[[_Run, str], None]) -> None:
        self._event = event
        self._on_end = on_end
        self.complaint = b""
        self.group = 0
        """The id of its process group; 0 before it runs."""
        self.deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Hand the event over."""
        # The transport forgets it when the program has ended; its group may live on.
        self.group = int(self.transport.pid or 0)
        self.transport.write(self._event)
        self.transport.closeStdin()

    def errReceived(self, data: bytes) -> None:
        """It complains: the beginning is for the log."""
        self.complaint += data[: _MAX_COMPLAINT - len(self.complaint)]

    def processExited(self, reason: Failure) -> None:
        """It is over, even if a program that it started still holds its standard error."""
        value: Any = reason.value
        self.transport.loseConnection()
        if value.exitCode is not None:
            status = f"status {value.exitCode}" if value.exitCode else ""
        else:
            status = f"signal {value.signal}"
        self._on_end(self, status)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")


_FIGURES: Final[Mapping[str, Figure[MessageHook]]] = {
    "program": text(
        "what runs for each message; empty for nothing", lambda hook: printable(hook.program or "")
    ),
    "running": gauge("programs that run, or have left something running", lambda hook: hook.busy),
    "running_limit": limit("of those at most (hooks.max_running)", lambda hook: hook.max_running),
    "waiting": gauge("messages that wait for their program", lambda hook: len(hook._waiting)),
    "waiting_limit": limit("of those at most (hooks.max_waiting)", lambda hook: hook.max_waiting),
    "started": counter("programs that were started", lambda hook: hook.started),
    "failed": counter(
        "of those, how many could not be run or ended with an error", lambda hook: hook.failed
    ),
    "timed_out": counter(
        "of those, how many were killed because they took too long", lambda hook: hook.timed_out
    ),
    "left_out": counter("messages left out because too many waited", lambda hook: hook.left_out),
}
