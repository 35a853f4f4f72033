"""One long line that comes byte by byte, to our protocol and to a plain LineReceiver."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import LineReceiver

from benchmarks.measuring import OURS, Figures, Report, hello
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.settings.values import Settings
from p2pchat.testing.clock import FakeClock
from p2pchat.wire.codec import MAX_LINE
from p2pchat.wire.identity import Identity
from p2pchat.wire.stamps import MessageIds, Timestamps

STOCK = "LineReceiver"


class _Stock(LineReceiver):
    delimiter = b"\n"
    MAX_LENGTH = MAX_LINE

    def lineReceived(self, line: bytes) -> None:
        """Nothing: it is the framing that is measured."""


class _Nobody:
    """A node that does not care."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def _ours() -> Protocol:
    owner: Any = _Nobody()
    me, stamps = Identity.of("bob@bench"), Timestamps(time.time)
    context = LinkContext(me, Settings(), owner, FakeClock(), MessageIds(os.urandom), stamps)
    link = PeerProtocol(context)
    link.makeConnection(StringTransport())
    link.dataReceived(hello("alice@bench"))
    return link


def _seconds(protocol: Protocol, length: int) -> float:
    data = b" " * (length - 1) + b"\n"
    start = time.perf_counter()
    for at in range(length):
        protocol.dataReceived(data[at : at + 1])
    return time.perf_counter() - start


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    halves: Figures = {OURS: [], STOCK: []}
    wholes: Figures = {OURS: [], STOCK: []}
    for _ in range(3 if quick else 7):
        stock = _Stock()
        stock.makeConnection(StringTransport())
        for name, protocol in ((OURS, _ours()), (STOCK, stock)):
            halves[name].append(_seconds(protocol, MAX_LINE // 2) * 1e3)
            wholes[name].append(_seconds(protocol, MAX_LINE) * 1e3)
    section = "A line that comes byte by byte"
    report.add(section, f"{MAX_LINE // 2:,} bytes", "ms", halves)
    report.add(section, f"{MAX_LINE:,} bytes", "ms", wholes)
