"""One run of one node of a world: its history's threads, its script, and who asks it for something.

Rules: whatever is accepted, told or shown goes into the account of the world. The threads of the
history do nothing by themselves: the world makes their calls, one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from msgspec import Struct
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from p2pchat.console.plain.console import PlainConsole
from p2pchat.console.plain.screen import Screen
from p2pchat.control.answers import Requests
from p2pchat.control.requests import Request, RequestError
from p2pchat.testing.worlds.account import (
    DELIVERED,
    Window,
)
from p2pchat.testing.worlds.bounds import asks_too_often
from p2pchat.testing.worlds.counters import left_violations
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.noted import Noted
from p2pchat.testing.worlds.readable import TEXT, shortened
from p2pchat.testing.worlds.shared import Shared
from p2pchat.testing.worlds.storage import HandStorage
from p2pchat.wire.stamps import Timestamps


class Asked(Struct, eq=False):
    """A control request."""

    name: str
    window: Window | None
    answer: str = ""
    """Empty until it is answered."""


class Script(Struct, eq=False):
    """A piped script that a console runs."""

    name: str
    console: PlainConsole
    output: StringTransport
    quits: bool
    """Whether the node leaves when it ends, as a program does that does not stay."""
    windows: list[Window]
    status: int | None = None


class Life(Noted):
    """One run of the node `name`, on the host `ip`, with this `storage`.

    `keeps`: whether it has a history.
    """

    def __init__(
        self, world: Shared, name: str, ip: str, storage: HandStorage, *, keeps: bool = True
    ) -> None:
        self._asked = len(world.town.rendezvous.requests)
        world.town.rendezvous.blocked.pop(ip, None)  # that was told to another process
        super().__init__(world, name, ip, storage, keeps=keeps)
        self.asked: list[Asked] = []
        self.script: Script | None = None
        self.gone = self._was_registered = self._watching = False
        self._stopping_at = 0.0
        host = self.host = world.town.host_of(self.node)
        self._client: Any = _Client(lambda fields: world.tell(f"{name}: a client hears {fields}"))
        stamps = Timestamps(self.node.wall)
        self._requests = Requests(self.node, host, stop=self.stop, timestamp=stamps)

    @property
    def up(self) -> bool:
        """Whether it runs, and is not about to leave."""
        return not self.stopping

    @property
    def waited(self) -> list[str]:
        """The messages that a script or a request waits for, and of which nothing was told."""
        told_nothing = self._account.open
        if not told_nothing:
            return []
        names = [asked.name for asked in self.asked if not asked.answer]
        if self.script is not None and self.script.status is None:
            names.append(self.script.name)
        return [msg_id for name in names for msg_id in told_nothing.get((self.name, name), ())]

    # ------------------------------------------------------------ what it is told to do

    def ask(self, name: str, window: Window | None, **fields: Any) -> None:
        """Make a control request."""
        asked = Asked(name, window)
        self.asked.append(asked)

        def answered(answer: Any) -> None:
            if self.gone:
                return  # it was noted that it was not answered in time
            done = isinstance(answer, dict) and answer.get("done", True)
            asked.answer = "done" if done else str(getattr(answer, "value", answer))
            if isinstance(answer, Failure) and not answer.check(RequestError):
                self._world.found(Violation("G2", f"answered with a fault: {answer.type}", name))
            if window is not None:
                self._account.answered(window, done=bool(done))
                history = self.node.history
                if done and history is not None and not history.past_is_known:
                    what = "answered from a past that is not known"
                    self._world.found(Violation("L12", what, name))
            self._world.tell(f"{self.name}: {name} is answered: {asked.answer}")

        self._requests.answer(Request(**fields), self._client).addBoth(answered)

    def watch(self, *, attends: bool) -> None:
        """Have a second console, or none again; `attends`: a person sees what comes."""
        self._watching = not self._watching
        if self._watching:
            self._requests.feed.subscribe(self._client, attended=attends)
        else:
            self._world.unread.read(self.name)
            self._requests.feed.unsubscribe(self._client)

    def run_script(self, name: str, lines: list[str], windows: list[Window], quits: bool) -> None:
        """Run these lines as a piped script."""
        screen = Screen(self.host)
        output = StringTransport()
        screen.connect(output)
        console = PlainConsole(
            self.node, self.host, screen, on_leave=self._script_left, script=True, watched=False
        )
        self.script = Script(name, console, output, quits, windows)
        console.start(StringTransport())
        console.typed(lines)
        console.input_ended()

    def _script_left(self, status: int) -> None:
        script = self.script
        assert script is not None
        self._world.tell(f"{self.name}: {script.name} ends with {status}")
        if script.status is not None:
            self._world.found(Violation("G1", "it left twice", script.name))
        script.status = status
        said = self._account.by_origin.get(script.name, [])
        lost = [each for each in said if each.direct and DELIVERED not in each.told]
        if status == 0 and any(not each.perhaps_cancelled for each in lost):
            self._world.found(Violation("G1", "status 0, and not all was delivered", script.name))
        self.host.callLater(0, self._end_script, script)
        if script.quits:
            self.host.callLater(0, self.stop)

    def _end_script(self, script: Script) -> None:
        if self.script is script:
            self.script = None
            script.console.stop()
            read = script.output.value().decode("utf-8", "replace").splitlines()
            shown = [shortened(line, TEXT) for line in read]
            self._world.tell(f"{self.name}: {script.name} has read {shown}")
            for window in script.windows:
                self._account.answered(window, done=False)

    def stop(self) -> None:
        """Leave in order."""
        if not self.stopping:
            self.stopping = True
            self._was_registered = self.node.presence.grant is not None
            self._stopping_at = self.host.seconds()
            self._world.tell(f"{self.name}: stops")
            stopping: Any = self.node.stopService()
            stopping.addBoth(lambda result: self.host.callLater(0, self._stopped, result))

    def _stopped(self, result: object) -> None:
        self._world.tell(f"{self.name}: has left")
        if isinstance(result, Failure):
            self._world.found(Violation("G0", f"stopService failed: {result.value}", self.name))
        if self.script is not None:
            self._end_script(self.script)
        for violation in left_violations(self.name, self.host):
            self._world.found(violation)
        requests = self._world.town.rendezvous.requests
        since = takewhile(lambda request: request[0] >= self._stopping_at, reversed(requests))
        kinds = [kind for _, ip, kind in since if ip == self.host.ip]
        if asks_too_often([at for at, ip, _ in requests[self._asked :] if ip == self.host.ip]):
            self._world.found(Violation("I7", "it asks a rendezvous too often", self.name))
        if self._was_registered and self._world.town.served is None and "UNREGISTER" not in kinds:
            self._world.found(Violation("I6", "it has left, and did not UNREGISTER", self.name))
        if self.storage.holds_lock:
            self._world.found(Violation("I6", "it has left, and its file is locked", self.name))
        self._note_lost()
        for asked in self.asked:
            if not asked.answer:
                kind = "a send" if asked.window is None else "a request to cancel or forget"
                self._world.found(Violation("G2", f"{kind} unanswered at a stop", asked.name))
            if asked.window is not None:
                self._account.answered(asked.window, done=False)
        self.gone = True
        self._requests.forget(self._client)
        self._world.town.nodes.remove(self.node)

    def _note_lost(self) -> None:
        """It has left without its disk, as somebody that was killed; but then it must say so."""
        history, busy = self.node.history, self.storage.busy or self.storage.abandoned
        self.storage.end(after_next=True)
        if history is None or not (busy or history.failing or history.why):
            return
        self._world.counts["left without its disk"] += 1
        self._account.killed(self.name, self.storage.written)
        self._world.unread.killed(self.name)
        lost = [
            message.text[:60]
            for message in self._account.by_id.values()
            if message.sender == self.name and message.msg_id not in self.storage.written
            if not message.direct and message.msg_id in self._published
        ]
        if lost and not (self._said_perhaps_lost or self._said_unkept):
            self._world.found(Violation("I3", "lost at a stop, and nobody was told", lost[0]))

    def kill(self, *, after_next: bool) -> None:
        """End as by `kill -9`; `after_next`: what the disk is asked next still happens."""
        self._world.tell(f"{self.name}: is killed{', after the next call' * after_next}")
        if self.storage.busy:
            self._world.counts["killed while a thread had a call"] += 1
            if self.name in self._account.damaged:
                # What the thread has found out in this moment, nobody lives to hear.
                self._account.told_of_damage.add(self.name)
        self.stopping = self.gone = True
        self.storage.end(after_next=after_next)
        if self.carrier is not None:
            self.carrier.stop()
        self.host.kill()
        self._account.killed(self.name, self.storage.written)
        self._world.unread.killed(self.name)
        for asked in self.asked:
            if asked.window is not None:
                self._account.answered(asked.window, done=False)
        if self.script is not None:
            for window in self.script.windows:
                self._account.answered(window, done=False)
        self._world.town.nodes.remove(self.node)


class _Client:
    """A client of the control socket."""

    left_out = 0
    """It reads everything."""

    def __init__(self, tell: Callable[[object], None]) -> None:
        self.tell = tell

    def missed(self, count: int) -> bool:  # noqa: ARG002
        """Whether it does not read, so that these are left out."""
        return False

    def events(self, data: bytes, count: int) -> None:
        """It is told what happens."""
