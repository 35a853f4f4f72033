"""Nothing that comes from outside holds the reactor up: the longest turn for each kind of input.

Measured in CPU time, the best of three, so that a loaded machine does not fail an honest program.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.rendezvous.directory import DirectoryError, Listing
from p2pchat.rendezvous.replies import read_grant, read_listings
from p2pchat.rendezvous.reply_reader import SHORT, ReplyReader
from p2pchat.settings.checks import ConfigError
from p2pchat.settings.reading import load
from p2pchat.testing.nodes import connected_pair
from tests.support.towns import MeshTestCase

LONGEST = 0.5 if "coverage" in sys.modules else 0.05
"""Seconds of CPU that one turn may take. Measuring coverage takes several times as long."""
RUNS = 6
CHUNK = 65_536
"""Bytes that a transport hands over at once, at most."""


_OVER = object()
_Input = TypeVar("_Input")


class TurnTestCase(SynchronousTestCase):
    def assertShort(self, turns: Callable[[_Input], Iterator[object]], given: _Input) -> None:
        """No step that this input leads to takes too long, in the best of some runs.

        One is enough when nothing else disturbs it; others on the same machine may.
        """
        best = LONGEST
        for _ in range(RUNS):
            best = _longest(turns(given))
            if best < LONGEST:
                return
        self.fail(f"{best * 1000:.0f} ms for {given!r:.80}")


def _longest(turns: Iterator[object]) -> float:
    gc.collect()
    gc.freeze()  # what all other tests left is not for this one to look through
    longest, more = 0.0, True
    while more:
        before = time.process_time()
        more = next(turns, _OVER) is not _OVER
        longest = max(longest, time.process_time() - before)
    gc.unfreeze()
    return longest


USUAL = b'{"ip":"192.0.2.1","port":4000,"name":"al","namespace":"CIC","ttl":60,"expires_in":30}'
ENTRIES = (
    USUAL,
    b"{}",
    b"[]",
    b"1",
    b'""',
    b'{"name":"a","namespace":"b","ip":"c","port":"1"}',
    b'{"name":"\xff","namespace":"b","ip":"c","port":"1"}',
    USUAL.replace(b"60", b"-1"),
    USUAL[:-1] + b',"x":"' + b"y" * 7000 + b'"}',
    b'{"":[[[[]]]]}',
    b'{"":{"":{"":{"":{}}}}}',
    b"9" * 4000,
    b" " * 5000 + b"1",
    b"[" * 9 + b"]" * 9,
    b"[",
    b'"',
    b'[{"":"',
    b'"\\"\\"',
)


class ReplyTests(TurnTestCase):
    """What a rendezvous answers, whole or cut at any place."""

    def reply(self, data: bytes) -> Iterator[object]:
        reader = ReplyReader(20_000, {"bob@CIC"})
        try:
            for start in range(0, len(data), CHUNK):
                if reader.feed(data[start : start + CHUNK]):
                    return
                yield None
            reader.ended()
        except DirectoryError:
            return

    def test_long_replies(self) -> None:
        for entry in ENTRIES:
            entries = b",".join([entry] * (6 * CHUNK // (len(entry) + 1)))
            data = b'{"status":"OK","peers":[' + entries
            with self.subTest(entry=entry[:60]):
                self.assertShort(self.reply, data)

    def test_the_longest_that_are_read_whole(self) -> None:
        def read(data: bytes) -> Iterator[object]:
            for reading in (read_listings, lambda data: read_grant(data, 60)):
                with contextlib.suppress(DirectoryError):
                    reading(data)
                yield None

        for entry in ENTRIES:
            entries = b",".join([entry] * (SHORT // (len(entry) + 1)))
            for data in (b'{"status":"OK","peers":[' + entries + b"]}", b"[" + entries):
                with self.subTest(entry=entry[:60]):
                    self.assertShort(read, data)


LINES = (
    b"{}",
    b"[]",
    b"{",
    b"",
    b'{"type":"SEND"}',
    b'{"type":"SEND","ttl":"1"}',
    b'{"type":"PUB","dst":"*","msg_id":5}',
    b'{"type":"SEND","msg_id":%d,"require_ack":true}',
    b'{"type":"SEND","msg_id":"%d","require_ack":"true","src":"bob@CIC","dst":"alice@CIC"}',
    b'{"type":"PING","msg_id":"%d"}',
    b'{"type":"PING","ttl":"x","msg_id":%d}',
    b'{"type":"PONG"}',
    b'{"type":"ACK","msg_id":%d}',
    b'{"type":"ACK","msg_id":[]}',
    b'{"type":"HELLO","peer_id":"bob@CIC"}',
    b'{"type":"SAID"}',
    b'{"type":"\xff"}',
    b'{"type":"SEND","payload":%b}' % (b"[" * 30 + b"]" * 30),
    b'{"":' + b"[" * 9000 + b"]" * 9000 + b"}",
    b'{"type":"SEND","payload":[' + b"[]," * 10_000 + b"1]}",
    b'{"type":"SEND","payload":[' + b"{}," * 10_000 + b"1]}",
    b'{"type":"SEND","payload":' + b"9" * 4300 + b"}",
    b'{"type":"SEND","payload":[' + b"1e99," * 6000 + b"1]}",
    b'{"type":"SEND","payload":"' + b"\\ud800" * 5000 + b'"}',
    b'{"type":"SEND","payload":"' + b"x" * 30_000 + b'"}',
    b'{"type":"HELLO","features":[' + b"5," * 10_000 + b"5]}",
)


class LinkTests(TurnTestCase):
    """What a peer sends, a chunk at a time, to a node that shows it."""

    def chunk(self, line: bytes) -> Iterator[object]:
        town, alice, _ = connected_pair()
        (link,) = alice.mesh.links
        assert isinstance(link, PeerProtocol)
        clock = town.network.clock
        many = range(CHUNK // (len(line) + 1))
        chunk = b"".join(line.replace(b"%d", b"%d" % n) + b"\n" for n in many)
        link.dataReceived(chunk[:CHUNK])
        yield None
        while link.waits_for_us and not link.leaving:
            yield clock.step(clock.seconds() + 1)
        town.close()

    def test_chunks(self) -> None:
        for line in LINES:
            with self.subTest(line=line[:60]):
                self.assertShort(self.chunk, line)


class ListingTests(MeshTestCase, TurnTestCase):
    """What a node does with as many peers as it may know."""

    def test_listings(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        many = alice.peers.max_known

        def take_in(name: str) -> Iterator[object]:
            each = "{}" if name == "own" else f"{name}{{}}"
            names = ["alice" if name == "own" else each.format(n) for n in range(many)]
            if name == "one":
                names = ["one"] * many
            listings = [
                Listing(who, "CIC", f"10.9.{n // 250}.{n % 250}", 4000, 60, 60 - n / many)
                for n, who in enumerate(names)
            ]
            return alice.mesh._listings.take_in(listings, "10.255.255.254", True, None)

        for name in ("own", "one", "p", "p"):
            with self.subTest(name=name):
                self.assertShort(take_in, name)


SETTINGS = (
    b'{"":[' + b"[]," * 33_000 + b"1]}",
    b'{"":[' + b"{}," * 33_000 + b"1]",
    b"[" * 100_000,
    b'{"":' + b"9" * 90_000 + b"}",
    b'{"limits":{"max_links":[' + b"[]," * 33_000 + b"1]}}",
    b'{"' + b"x" * 99_000 + b'":1}',
    b'{"limits":{"' + b"max_links" * 10_000 + b'":1}}',
    b"{" + b",".join(b'"x%d":1' % n for n in range(9000)) + b"}",
    b'{"limits":{' + b",".join(b'"max_l%d":1' % n for n in range(6000)) + b"}}",
    b'{"limits":{' + b",".join(b'"max_known_bytes_%d":1' % n for n in range(2500)) + b"}}",
)


class SettingsTests(TurnTestCase):
    """What is read again when a node is told to, of a file that somebody else may have written."""

    def reading(self, content: bytes) -> Iterator[object]:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(content[:100_000])
        with contextlib.suppress(ConfigError):
            load(path)
        yield None

    def test_files(self) -> None:
        for content in SETTINGS:
            with self.subTest(content=content[:60]):
                self.assertShort(self.reading, content)
