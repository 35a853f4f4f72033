"""One run of one node of a world: its history's threads, its script, and who asks it for something.

Rules: whatever is accepted, told or shown goes into the account of the world. The threads of the
history do nothing by themselves: the world makes their calls, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import takewhile
from typing import Any

from msgspec import Struct
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from p2pchat.console.plain.console import PlainConsole
from p2pchat.console.plain.screen import Screen
from p2pchat.control.answers import Requests
from p2pchat.control.requests import Request, RequestError
from p2pchat.mesh.peers import Peer
from p2pchat.node.cancelling import NOT_FOR_GOOD, TOO_OLD
from p2pchat.node.news import Teller
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.node.outcomes import KEPT as KEPT_SENTENCE
from p2pchat.node.outcomes import PERHAPS
from p2pchat.node.publishing import Published
from p2pchat.settings.values import Settings
from p2pchat.testing.nodes import FakeTown, fake_keys
from p2pchat.testing.older import OlderNode
from p2pchat.testing.worlds.account import (
    CANCELLED,
    DELIVERED,
    GIVEN_UP,
    KEPT,
    QUEUED,
    Account,
    Message,
    Window,
)
from p2pchat.testing.worlds.arrivals import Arrivals
from p2pchat.testing.worlds.bounds import asks_too_often
from p2pchat.testing.worlds.counters import SLACK, left_violations
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.narrow import USUAL
from p2pchat.testing.worlds.storage import HandStorage
from p2pchat.testing.worlds.unread import Unread
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.stamps import Timestamps

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
    tell: Callable[[str], None]
    found: Callable[[Violation], None]
    counts: Counter[str]
    """What happened, and how often."""
    unread: Unread
    settings: Settings = USUAL
    """Those of every node."""
    clocks_jump: bool = False
    """Whether a wall clock may jump, so that a message may seem older than it is."""
    older: Collection[str] = ()
    """The nodes of the version before this one."""
    sealed: Collection[str] = ()
    """The nodes that encrypt."""

    def of_today(self, *names: str) -> bool:
        """Whether all of these say what this version says."""
        return not any(name in self.older for name in names)


class Life(Observer):
    """One run of the node `name`, on the host `ip`, with this `storage`.

    `keeps`: whether it has a history.
    """

    def __init__(
        self, world: Shared, name: str, ip: str, storage: HandStorage, *, keeps: bool = True
    ) -> None:
        self._world = world
        self._account = world.account
        self.name = name
        self.keeps = keeps
        self.storage = storage
        self.asked: list[Asked] = []
        self.script: Script | None = None
        self.stopping = self.gone = False
        self._was_registered = False
        self._stopping_at = 0.0
        self._published: set[str] = set()
        self._said_here: set[str] = set()
        self._said_perhaps_lost = self._said_unkept = False
        self._watching = self._knows_past = False
        self._asked = len(world.town.rendezvous.requests)
        world.town.rendezvous.blocked.pop(ip, None)  # that was told to another process
        make = storage.maker(world.settings) if keeps else None
        options: dict[str, Any] = {}
        if name in world.sealed:
            host = world.town.network.host(ip)
            make_keys = partial(fake_keys, wall=host.wall, disk=storage.disk, host=host)
            options["make_keys"] = make_keys
        node = self.node = world.town.node(
            name,
            ip=ip,
            settings=world.settings,
            make_history=make,
            make=ChatNode if name not in world.older else OlderNode,
            **options,
        )
        node.observers.add(self)
        self.arrivals = Arrivals(node, world.account)
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
            self._world.tell(f"{self.name}: {script.name} has read {script.output.value()!r}")
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

    # ------------------------------------------------------------ what is noted

    def _sends(
        self,
        peer_id: str,
        payload: str,
        tell: Teller | None = None,
        *,
        security: int = 0,
        of: str = "",
    ) -> str:
        msg_id = self._send(peer_id, payload, tell, security=security, of=of)
        self._takes(payload, msg_id, peer_id, of)
        return msg_id

    def _publishes(self, scope: str, payload: str, *, of: str = "") -> Published:
        published = self._publish(scope, payload, of=of)
        self._takes(payload, published.msg_id, scope, of)
        self._published.add(published.msg_id)
        return published

    def _takes(self, text: str, msg_id: str, to: str, of: str) -> None:
        account, first = self._account, self._account.by_id.get(of)
        account.accepted(text, msg_id, to, of, self._world.town.network.clock.seconds())
        if of and (first is None or (first.sender, first.to) != (self.name, to)):
            self._world.found(Violation("I2", "a console changes what it did not say", text))
        if self.stopping and account.by_text[text].origin.startswith("script"):
            self._world.found(Violation("L11", "a script goes on while its node leaves", text))
        self._said_here.add(msg_id)

    def _told(self, msg_id: str, outcome: str, more: str = "") -> None:
        text = self._account.told(msg_id, outcome)
        self._world.counts[outcome] += 1
        self._world.tell(f"{self.name}: {text[:80]!r} is {outcome}{more}")

    def queued(self, peer_id: str, msg_id: str) -> None:
        """It waits."""
        peer = self.node.peers.get(peer_id)
        if peer is not None and peer.links:
            self._world.found(Violation("G7", "queued is told while there is a link", peer_id))
        if self.keeps and msg_id not in self.storage.written:
            self._world.found(Violation("L5", "told to wait, and not in the file", self.name))
        self._told(msg_id, QUEUED)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:  # noqa: ARG002
        """Its ACK came."""
        self._told(msg_id, DELIVERED)

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:  # noqa: ARG002
        """It did not arrive."""
        kept = KEPT if any(sentence in reason for sentence in _WAITS) else GIVEN_UP
        if reason.endswith("and is lost") and msg_id in self._account.by_id:
            self._world.counts["told to be lost"] += 1
            self._account.by_id[msg_id].perhaps_lost = True
        # A request that hears that its message is not kept takes it back.
        taken_back = "and is not sent" in reason and msg_id in self._account.by_id
        if taken_back:
            self._account.by_id[msg_id].perhaps_cancelled = True
        if NOT_FOR_GOOD in reason and msg_id in self._account.by_id:
            self._account.by_id[msg_id].perhaps_back = True
        if reason.startswith(TOO_OLD):
            self._too_old(msg_id, reason)
        cancelled = taken_back or reason.startswith(("cancelled", "forgotten"))
        self._told(msg_id, CANCELLED if cancelled else kept, f" ({reason})")

    def _too_old(self, msg_id: str, reason: str) -> None:
        """It has waited for too long: a message of ours is given up."""
        message = self._account.by_id.get(msg_id)
        if message is None:
            return
        self._world.counts["too old"] += 1
        waited = self._world.town.network.clock.seconds() - message.at
        if waited < self.node.settings.history.outbox_ttl - SLACK and not self._world.clocks_jump:
            self._world.found(Violation("G6", "given up before its time", f"{waited:.1f} s"))
        message.too_old = True
        if NOT_FOR_GOOD not in reason and PERHAPS not in reason:
            message.never_left = msg_id in self._said_here

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """It shows them."""
        for message in messages:
            self._world.tell(f"{self.name}: is shown {message.payload[:80]!r}")
            self._account.shown(self.name, message.payload)
            self._shows(peer, message)

    def _shows(self, peer: Peer, message: Send | Pub) -> None:
        """See whether this may be shown here, and by whom."""
        self.arrivals.told += 1
        self._find_all(self.arrivals.shown(peer, message))
        self._note_unread(peer, message)
        ours, said = self.node.me, self._account.said(message.payload)
        if message.dst not in (ours.addresses if isinstance(message, Send) else ours.scopes):
            self._world.found(Violation("I2", "shown, and for somebody else", message.dst))
        if said is not None and said.sender not in (peer.peer_id, message.src):
            self._world.found(Violation("I2", "shown under another name", message.payload))
        if said is not None and said.of and not message.of:
            self._world.counts["a change shown as a message"] += 1
            if self._is_known_here(said.of) and self._world.of_today(self.name, said.sender):
                self._world.found(
                    Violation("I2", "a change is shown as a message", message.payload)
                )

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """What a peer said has another text."""
        account, world = self._account, self._world
        world.tell(f"{self.name}: is shown a change to {message.payload[:80]!r}")
        account.shown(self.name, message.payload)
        self._shows(peer, message)
        world.counts["changed"] += 1
        first, said = account.by_id.get(message.of), account.said(message.payload)
        if first is not None and first.sender not in (peer.peer_id, message.src):
            world.found(Violation("I2", "changed by another one", message.payload))
        if said is not None and said.of != message.of:
            world.found(Violation("I2", "another message is changed than was", message.payload))
        if said is not None and (first is None or not self._was_shown(first)):
            world.found(Violation("I2", "changed before it was shown", message.payload))

    def _was_shown(self, message: Message) -> bool:
        """Whether a message was shown here, as far as anybody can know."""
        account, name = self._account, self.name
        return message in account.shown_to.get(name, ()) or name in account.kills | account.damaged

    def _is_known_here(self, msg_id: str) -> bool:
        """Whether this node must still know what came with this id."""
        account, first = self._account, self._account.by_id.get(msg_id)
        if first is None or not self.keeps or self.name in account.kills | account.damaged:
            return False
        gone = (self.name, first.text) in account.unkept | account.perhaps_forgotten
        return not gone and first in account.shown_to.get(self.name, ())

    def _note_unread(self, peer: Peer, message: Send | Pub) -> None:
        history = self.node.history
        if history is None:
            return
        if history.attending:
            self._world.unread.read(self.name)
        elif self._knows_past and message.payload in self._account.by_text and not message.of:
            conversation = peer.peer_id if isinstance(message, Send) else message.dst
            self._world.unread.came(self.name, conversation, message.payload)

    def past_known(self, unread: str) -> None:
        """It knows again what it was told in its earlier runs."""
        history = self.node.history
        assert history is not None
        for sentence in self._world.unread.missing(self.name, history.unread):
            self._world.found(Violation("L6", "it came, and is not unread", sentence))
        self._knows_past = True
        if unread:
            self._world.counts["unread"] += 1

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:  # noqa: ARG002
        """It shows them, with the times."""
        self._world.counts["shown late"] += len(messages)
        self.received(peer, messages)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """It shows them, and could not store them."""
        self._world.counts["shown, and not kept"] += len(messages)
        self.arrivals.unkept += len(messages)
        self._account.unkept.update(
            (self.name, self._account.worded(message.payload)) for message in messages
        )
        self.received(peer, messages)

    def _find_all(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            self._world.found(violation)

    def status_changed(self, peer: Peer) -> None:
        """It comes, or goes."""
        self._find_all(self.arrivals.status(peer))
        self._world.tell(f"{self.name}: {peer.peer_id} is {peer.status.value}")

    def notice(self, sentence: str) -> None:
        """The person should know."""
        if "damaged" in sentence:
            self._world.counts["told of damage"] += 1
            self._account.told_of_damage.add(self.name)
        if "perhaps not kept" in sentence or "are lost" in sentence:
            self._said_perhaps_lost = True
        elif "no longer kept" in sentence or "are not kept" in sentence:
            self._said_unkept = True
        elif "are kept" in sentence:
            self._said_unkept = False
        self._world.tell(f"{self.name}: {sentence}")


class _Client:
    """A client of the control socket."""

    def __init__(self, tell: Callable[[object], None]) -> None:
        self.tell = tell

    def missed(self, count: int) -> bool:  # noqa: ARG002
        """Whether it does not read, so that these are left out."""
        return False

    def events(self, data: bytes, count: int) -> None:
        """It is told what happens."""
