"""The files that a message enters on its way in and out, for two real nodes in the fake network.

    python -m benchmarks.ways

Two nodes with a plain console each talk; one says something, and the other one shows it. A file
counts when one of its functions is called: on the way out from the console's input to
`transport.write`, on the way in from `dataReceived` to the write on the other console's output.
Each way is gone twice, and counted the second time: what is looked up once is not on the way.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.testing import StringTransport

import p2pchat
from p2pchat.console.plain.console import PlainConsole
from p2pchat.console.plain.screen import Screen
from p2pchat.console.plain.stdio import ConsoleProtocol
from p2pchat.history.database import Database
from p2pchat.history.durable import DurableHistory
from p2pchat.history.reading import Reader
from p2pchat.history.storage import Storage
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.node.node import ChatNode
from p2pchat.settings.values import HistorySettings, Settings
from p2pchat.sqlite import Worker
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.transport import FakeTransport
from p2pchat.wire.repetitions import RecentIds

PACKAGE = Path(p2pchat.__file__).parent


class Trace:
    """Notes, between `start` and `stop`, the files of p2pchat whose functions are called."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self.calls = 0

    def start(self) -> None:
        """Note from now on."""
        self.files.clear()
        self.calls = 0
        threading.setprofile(self._called)
        sys.setprofile(self._called)

    def stop(self) -> None:
        """Note no more."""
        sys.setprofile(None)
        threading.setprofile(None)

    def _called(self, frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in path.parents and "testing" not in path.parts:
            self.files[str(path.relative_to(PACKAGE).with_suffix(""))] = None
            self.calls += 1


class End:
    """A node's console, whose input and output are in memory; `on_write` hears of each write."""

    def __init__(self, node: ChatNode, host: Any) -> None:
        self.on_write: Callable[[], None] = lambda: None
        outer = self

        class Output(StringTransport):
            def write(self, data: bytes) -> None:
                super().write(data)
                outer.on_write()

        output, screen = Output(), Screen(host)
        screen.connect(output)
        console = PlainConsole(
            node, host, screen, on_leave=lambda _status: None, script=False, watched=True
        )
        self.protocol = ConsoleProtocol(console, lambda: b"", on_output_lost=lambda: None)
        console.start(output)


class AtOnce(Worker):
    """What a history's thread does, done at once."""

    def __init__(self) -> None:
        super().__init__(None, "")

    def run(self, call: Callable[[], Any]) -> Deferred[Any]:
        """Make the call."""
        return maybeDeferred(call)


def history_maker(folder: str, host: Any) -> Any:
    """What makes a history in this folder, without threads."""

    def make(own_id: str, seen: RecentIds) -> DurableHistory:
        path = f"{folder}/{own_id}.sqlite"
        storage = Storage(
            writing=AtOnce(),
            make_database=lambda: Database(path),
            reading=AtOnce(),
            make_reader=lambda: Reader(path),
            wall=host.wall,
        )
        return DurableHistory(host, own_id, HistorySettings(), seen, storage)

    return make


def ways(*, kept: bool) -> dict[str, list[str]]:
    """The files of each way, in the order in which they are entered first."""
    with tempfile.TemporaryDirectory() as folder:
        town = FakeTown(1, latency=(0.01, 0.01), cut=0.0, join=0.0)
        nodes: list[ChatNode] = []
        ends: list[End] = []
        for number, name in enumerate(("alice@CIC", "bob@CIC")):
            host = town.network.host(f"10.0.0.{number + 1}")
            make = history_maker(folder, host) if kept else None
            node = town.node(name, ip=host.ip, settings=Settings(), make_history=make)
            nodes.append(node)
            ends.append(End(node, host))
        town.run_until_meshed()
        town.run(5)
        found: dict[str, list[str]] = {}
        for number in (1, 2):
            found = one_message(town, ends, f"message {number}")
            town.run(5)
        for node in nodes:
            town.leave(node)
        return found


def one_message(town: FakeTown, ends: list[End], text: str) -> dict[str, list[str]]:
    """Have alice say something to bob, and note the files on both ways."""
    trace = Trace()
    found: dict[str, list[str]] = {}

    def over(way: str) -> None:
        trace.stop()
        found.setdefault(way, [*trace.files])

    written, received = FakeTransport.write, PeerProtocol.dataReceived

    def write(transport: FakeTransport, data: bytes) -> None:
        if text.encode() in data:
            over("out")
        written(transport, data)

    def data_received(link: PeerProtocol, data: bytes) -> None:
        if text.encode() in data:
            ends[1].on_write = lambda: over("in")
            trace.start()
        received(link, data)

    transports: Any = FakeTransport
    links: Any = PeerProtocol
    transports.write, links.dataReceived = write, data_received
    try:
        trace.start()
        ends[0].protocol.dataReceived(f"/msg bob@CIC {text}\n".encode())
        town.run(3)
    finally:
        trace.stop()
        transports.write, links.dataReceived = written, received
        ends[1].on_write = lambda: None
    assert found.keys() == {"in", "out"}, found
    return found


def main() -> None:
    """Print the files of all ways."""
    for kept in (False, True):
        for way, files in sorted(ways(kept=kept).items()):
            print(f"{way}, {'kept' if kept else 'nothing kept'}: {len(files)} files")
            print(f"    {' '.join(files)}")


if __name__ == "__main__":
    main()
