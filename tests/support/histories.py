"""Histories to test with: threads that are stepped by hand, and what their node is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.disk import Disk
from p2pchat.history.database import Database
from p2pchat.history.durable import DurableHistory
from p2pchat.history.reading import Reader
from p2pchat.history.records import PUBLISHED, Batch, Piece, Record
from p2pchat.history.segments import pack
from p2pchat.history.storage import Storage
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.incoming import Incoming
from p2pchat.node.node import MakeHistory
from p2pchat.node.observers import Observer, Observers
from p2pchat.node.outgoing import Outgoing
from p2pchat.settings.values import HistorySettings, Settings
from p2pchat.sqlite import Worker
from p2pchat.testing.network import FakeHost
from p2pchat.wire.messages import Pub, Said, Send
from p2pchat.wire.repetitions import RecentIds, id_text
from tests.support.fake_link import FakeLink, fake_context

NOW = 1_790_000_000.0


def send(msg_id: Any, text: str, src: str = "bob@CIC") -> Send:
    return Send(msg_id, src, "alice@CIC", text, True)


def pub(msg_id: Any, text: str, dst: str = "#CIC", src: str = "bob@CIC") -> Pub:
    return Pub(msg_id, src, dst, text)


class SteppedThread(Worker):
    """Calls wait until `step`, or are made at once when `at_once`."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.at_once = at_once
        self.calls: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.stopped = False

    def run(self, call: Callable[[], Any]) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        self.calls.append((call, result))
        if self.at_once:
            self.step()
        return result

    def step(self) -> None:
        call, result = self.calls.pop(0)
        try:
            value = call()
        except Exception:
            result.errback(Failure())
        else:
            result.callback(value)

    def stop(self) -> None:
        assert not self.calls
        self.stopped = True


class Told(Observer):
    """Notes what a node with a history tells."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def _texts(self, messages: list[Send | Pub]) -> list[str]:
        return [it.payload + " (reused id)" * it.other_text for it in messages]

    def status_changed(self, peer: Peer) -> None:
        self.events.append(("status", peer.peer_id))

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.events.append(("kept", peer.peer_id, self._texts(messages)))

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        self.events.append(("late", peer.peer_id, self._texts(messages), said))

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.events.append(("not kept", peer.peer_id, self._texts(messages)))

    def queued(self, peer_id: str, msg_id: str) -> None:
        self.events.append(("queued", peer_id, msg_id))

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        self.events.append(("delivered", peer_id, msg_id, seconds))

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        self.events.append(("undelivered", peer_id, msg_id, reason))

    def past_known(self, unread: str) -> None:
        self.events.append(("ready",))

    def notice(self, sentence: str) -> None:
        self.events.append(("told", sentence))

    def take(self) -> list[tuple[Any, ...]]:
        """What was told since the last time."""
        events, self.events = self.events, []
        return events


class BrokenConnection(sqlite3.Connection):
    """A connection whose writes fail with `trouble` while that is set."""

    trouble: sqlite3.Error | None = None

    def execute(self, sql: str, *values: Any) -> Any:
        if BrokenConnection.trouble is not None and sql.startswith(("INSERT", "BEGIN IMM")):
            raise BrokenConnection.trouble
        return super().execute(sql, *values)


class BreakingDisk(Disk):
    """A disk whose writes fail when those of `BrokenConnection` do."""

    def connect(self, path: str, how: str = "", timeout: float = 0.0) -> sqlite3.Connection:
        return sqlite3.connect(
            path,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
            factory=BrokenConnection,
        )


BREAKING: Final = BreakingDisk()


class FileCase(SynchronousTestCase):
    """A test with a history file of its own, and no node."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.path = str((folder / "alice.sqlite").resolve())
        self.database = self.open()
        self.reader = Reader(self.path)
        self.addCleanup(self.reader.close)
        self.next_id = 1
        self.friends = {"alice@CIC"}
        self.addCleanup(setattr, BrokenConnection, "trouble", None)

    def open(self) -> Database:
        database = Database(self.path, BREAKING)
        self.addCleanup(database.close)
        return database

    def arrival(
        self,
        peer_id: str,
        *messages: Send | Pub,
        at: float = NOW,
        said: list[float] | None = None,
    ) -> Piece:
        """What a peer sent: a stranger, unless there was an `entry` to it before."""
        ids, stranger = [id_text(m.msg_id) for m in messages], peer_id not in self.friends
        piece = pack(self.next_id, peer_id, at, messages, ids, said, stranger=stranger)
        self.next_id += len(messages)
        return piece

    def entry(self, to: str, msg_id: str, text: str, state: int, at: float = NOW) -> Record:
        self.next_id += 1
        if state != PUBLISHED:
            self.friends.add(to)
        return Record(self.next_id - 1, to, "alice@CIC", msg_id, at, state, text)

    def keep(self, *pieces: Piece, file: bool = True) -> None:
        self.database.commit(Batch(pieces=[*pieces]))
        while file and self.database.file():
            pass

    def texts(self, lines: list[Record]) -> list[str]:
        return [line.text for line in lines]


class HistoryCase(FileCase):
    """A test with a history, its file, and threads that it steps."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.wall = NOW
        self.told = Told()
        self.link = FakeLink()
        self.peer = Peer("bob@CIC")
        self.ids = count(1)

    def start(self, *, at_once: bool = True, **settings: Any) -> DurableHistory:
        self.thread = SteppedThread(at_once=at_once)
        self.reading = SteppedThread()
        seen = RecentIds(1000)
        storage = Storage(
            writing=self.thread,
            make_database=lambda: Database(self.path, BREAKING),
            reading=self.reading,
            make_reader=lambda: Reader(self.path),
            wall=lambda: self.wall,
            path=self.path,
        )
        history = DurableHistory(
            self.clock, "alice@CIC", HistorySettings(**settings), seen, storage
        )
        observers = Observers()
        observers.add(self.told)
        history.on_notice = observers.notice
        incoming = Incoming(observers, seen, history)
        self.peers = PeerTable(100)
        context = fake_context("alice@CIC", Settings(), self.clock)
        context.new_id = lambda: f"m{next(self.ids)}"
        self.outgoing = Outgoing(context, self.peers, observers, history, seen.friends)
        self.outbox = self.outgoing.outbox
        self.history, self.incoming = history, incoming

        def opened(_: None) -> None:
            for _ in incoming.past_known():
                pass
            for peer in self.peers.connected():
                self.outgoing.link_opened(peer)
            observers.past_known("")

        history.open().addCallback(opened)
        return history

    def say(self, peer_id: str, text: str) -> str:
        """Send a direct message; its msg_id is m1, m2 and so on, over restarts."""
        return self.outgoing.send(peer_id, text)

    def linked(self, link: FakeLink | None = None) -> FakeLink:
        """Another link is open, to bob@CIC unless it says something else."""
        link = link or self.link
        self.outgoing.link_opened(self.peers.link_opened(link))
        return link

    def restart(self, **settings: Any) -> DurableHistory:
        """A new process on the same file, after the other one was killed."""
        self.told.take()
        return self.start(**settings)

    def receive(self, *messages: Send | Pub) -> None:
        """These come from bob@CIC together."""
        self.incoming.deliver(self.peer, self.link, [*messages])

    def receive_late(self, said: list[float], *messages: Send | Pub) -> None:
        """These come, which were said a while ago, and want no ACK."""
        for when, message in zip(said, messages, strict=True):
            late = Said(message.msg_id, message.src, message.dst, message.payload, when)
            self.incoming.deliver_late(self.peer, self.link, late)

    def acked(self) -> list[object]:
        acked: list[object] = []
        for ids in self.link.acknowledged:
            acked += ids if isinstance(ids, list) else [ids]
        self.link.acknowledged.clear()
        return acked

    def lines(self, conversation: str | None = None) -> list[str]:
        return self.texts(self.successResultOf(self.history.recent(conversation, 100)))

    def sweep(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        self.history.sweep(self.clock.seconds())
        self.outgoing.sweep(self.clock.seconds())


def keeping(
    case: SynchronousTestCase, host: FakeHost, *, at_once: bool = True
) -> tuple[MakeHistory, SteppedThread]:
    """What makes the history of a node on this host, in a file of the test's, and its thread."""
    folder = Path(case.mktemp()).resolve()
    folder.mkdir()
    path, writing = str(folder / "history.sqlite"), SteppedThread(at_once=at_once)

    def database() -> Database:
        opened = Database(path, BREAKING)
        case.addCleanup(opened.close)
        return opened

    def make(own_id: str, seen: RecentIds) -> DurableHistory:
        storage = Storage(
            writing=writing,
            make_database=database,
            reading=SteppedThread(),
            make_reader=lambda: Reader(path),
            wall=host.wall,
        )
        return DurableHistory(host, own_id, HistorySettings(), seen, storage)

    case.addCleanup(setattr, BrokenConnection, "trouble", None)
    return make, writing


FULL = sqlite3.OperationalError("database or disk is full")
