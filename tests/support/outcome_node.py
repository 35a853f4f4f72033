"""One run of one node of a world: its history's threads, its script, and who asks it for something.

Rules: whatever is accepted, told or shown goes into the account of the world. The threads of the
history do nothing by themselves: the world makes their calls, one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from p2pchat.console.plain.console import PlainConsole
from p2pchat.console.plain.screen import Screen
from p2pchat.control.answers import Requests
from p2pchat.control.requests import Request, RequestError
from p2pchat.history.durable import DurableHistory
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import Teller
from p2pchat.node.observers import Observer
from p2pchat.node.outcomes import KEPT as KEPT_SENTENCE
from p2pchat.node.publishing import Published
from p2pchat.settings.values import ConnectionSettings, HistorySettings, LimitSettings, Settings
from p2pchat.testing.nodes import FakeTown
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds
from p2pchat.wire.stamps import Timestamps
from tests.support.outcome_account import (
    CANCELLED,
    DELIVERED,
    GIVEN_UP,
    KEPT,
    QUEUED,
    Account,
    Window,
)
from tests.support.outcome_inner import Violation
from tests.support.outcome_storage import HandStorage

SETTINGS = Settings(
    limits=LimitSettings(peer_rate=0),
    connection=ConnectionSettings(discovery_interval=5.0),
    history=HistorySettings(),
)

_WAITS = (KEPT_SENTENCE, "and is sent again", "and goes out")
"""What is said of a message that is not delivered yet; the last two when it could not be kept."""


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


class Shared(Struct, eq=False):
    """What all nodes of a world share."""

    town: FakeTown
    account: Account
    folder: str
    tell: Callable[[str], None]
    found: Callable[[Violation], None]

    def path(self, name: str) -> str:
        """The history file of a node."""
        return f"{self.folder}/{name}.sqlite"


class Life(Observer):
    """One run of the node `name`, on the host `ip`; `written` outlives it."""

    def __init__(self, world: Shared, name: str, ip: str, written: set[str]) -> None:
        self._world = world
        self._account = world.account
        self.name = name
        self._ip = ip
        self.storage = HandStorage(written)
        self.asked: list[Asked] = []
        self.script: Script | None = None
        self.stopping = self.gone = False
        node = self.node = world.town.node(
            name, ip=ip, settings=SETTINGS, make_history=self._make_history
        )
        node.observers.add(self)
        self._send, self._publish = node.send, node.publish
        node.send, node.publish = self._sends, self._publishes
        host = self.host = world.town.host_of(node)
        self._client: Any = _Client(lambda fields: world.tell(f"{name}: a client hears {fields}"))
        stamps = Timestamps(node.wall)
        self._requests = Requests(node, host, stop=self.stop, timestamp=stamps)

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
            self._world.tell(f"{self.name}: {name} is answered: {asked.answer}")

        self._requests.answer(Request(**fields), self._client).addBoth(answered)

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
            self._world.tell(f"{self.name}: {script.name} has read {script.output.value()!r}")
            for window in script.windows:
                self._account.answered(window, done=False)

    def stop(self) -> None:
        """Leave in order."""
        if not self.stopping:
            self.stopping = True
            self._world.tell(f"{self.name}: stops")
            stopping: Any = self.node.stopService()
            stopping.addBoth(lambda result: self.host.callLater(0, self._stopped, result))

    def _stopped(self, result: object) -> None:
        self._world.tell(f"{self.name}: has left")
        if isinstance(result, Failure):
            self._world.found(Violation("G0", f"stopService failed: {result.value}", self.name))
        if self.script is not None:
            self._end_script(self.script)
        for asked in self.asked:
            if not asked.answer:
                kind = "a send" if asked.window is None else "a request to cancel or forget"
                self._world.found(Violation("G2", f"{kind} unanswered at a stop", asked.name))
            if asked.window is not None:
                self._account.answered(asked.window, done=False)
        self.gone = True
        self._requests.forget(self._client)
        self._world.town.nodes.remove(self.node)

    # ------------------------------------------------------------ what is noted

    def _sends(
        self, peer_id: str, payload: str, tell: Teller | None = None, *, security: int = 0
    ) -> str:
        msg_id = self._send(peer_id, payload, tell, security=security)
        self._account.accepted(payload, msg_id)
        return msg_id

    def _publishes(self, scope: str, payload: str) -> Published:
        published = self._publish(scope, payload)
        self._account.accepted(payload, published.msg_id)
        return published

    def _told(self, msg_id: str, outcome: str, more: str = "") -> None:
        text = self._account.told(msg_id, outcome)
        self._world.tell(f"{self.name}: {text!r} is {outcome}{more}")

    def queued(self, peer_id: str, msg_id: str) -> None:
        peer = self.node.peers.get(peer_id)
        if peer is not None and peer.links:
            self._world.found(Violation("G7", "queued is told while there is a link", peer_id))
        self._told(msg_id, QUEUED)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        self._told(msg_id, DELIVERED)

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        kept = KEPT if any(sentence in reason for sentence in _WAITS) else GIVEN_UP
        # A request that hears that its message is not kept takes it back.
        taken_back = reason.endswith("and is not sent") and msg_id in self._account.by_id
        if taken_back:
            self._account.by_id[msg_id].perhaps_cancelled = True
        cancelled = taken_back or reason.startswith(("cancelled", "forgotten"))
        self._told(msg_id, CANCELLED if cancelled else kept, f" ({reason})")

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        for message in messages:
            self._world.tell(f"{self.name}: is shown {message.payload!r}")
            self._account.shown(self.name, message.payload)

    def status_changed(self, peer: Peer) -> None:
        self._world.tell(f"{self.name}: {peer.peer_id} is {peer.status.value}")

    def notice(self, sentence: str) -> None:
        self._world.tell(f"{self.name}: {sentence}")

    # ------------------------------------------------------------ its history

    def _make_history(self, own_id: str, seen: RecentIds) -> DurableHistory:
        host = self._world.town.network.host(self._ip)
        storage = self.storage.of(self._world.path(own_id), host)
        return DurableHistory(host, own_id, SETTINGS.history, seen, storage)


class _Client:
    """A client of the control socket."""

    def __init__(self, tell: Callable[[object], None]) -> None:
        self.tell = tell
