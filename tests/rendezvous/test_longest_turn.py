"""No turn of a rendezvous with all its places taken is long, whatever is asked of it."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.bans import MAX_ENTRIES, MAX_PATTERNS, MAX_STARS, Bans
from p2pchat.rendezvous.connection import RendezvousFactory
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.registration import Registration
from p2pchat.rendezvous.registry import MAX_REGISTRATIONS, Registry
from p2pchat.turns import Turns, at_once
from tests.support.replies import whole

LIMIT = 0.5 if "coverage" in sys.modules else 0.05
"""Seconds of the processor. Measuring coverage takes several times as long."""
TTL = 60


class Reactor(Clock):
    """Two clocks: one for turns, which runs by itself, and `now` for leases, which is set."""

    now = 0.0

    def seconds(self) -> float:
        return time.perf_counter()

    def turn(self) -> None:
        due = [call for call in self.calls if call.getTime() <= self.seconds()]
        self.calls = [call for call in self.calls if call not in due]
        for call in due:
            call.called = 1
            call.func(*call.args, **call.kw)


def registrations(count: int = MAX_REGISTRATIONS) -> Generator[Registration, None, None]:
    for number in range(count):
        ip = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        yield Registration(ip, f"n{number % 100}", f"name{number}", 4000, TTL, TTL + 0.5)


class LongestTurnTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.registry = Registry(per_address=0)
        self.longest = 0.0
        # As the program does: what the tests hold is none of the server's.
        gc.freeze()
        self.addCleanup(gc.unfreeze)

    def filled(self) -> None:
        self.assertEqual(at_once(self.registry.restoring(registrations())), MAX_REGISTRATIONS)

    def measured(self, call: Callable[[], Any]) -> Any:
        """What the call returns; how much of the processor it took is kept."""
        began = time.process_time()
        value = call()
        self.longest = max(self.longest, time.process_time() - began)
        return value

    def done(self, work: Generator[None, None, Any]) -> Any:
        """What the work returns, done in turns."""
        result = self.measured(lambda: Turns(self.reactor).do(work))
        while self.reactor.calls:
            self.measured(self.reactor.turn)
        return self.successResultOf(result)

    def check(self) -> None:
        self.assertLess(self.longest, LIMIT)

    def test_leases_that_end_together(self) -> None:
        self.filled()
        limits = Limits(per_minute=0)
        factory = RendezvousFactory(self.registry, limits, self.reactor, lambda: self.reactor.now)
        self.reactor.now = TTL + 1.0
        self.assertEqual(len(self.registry), MAX_REGISTRATIONS)

        def ask(ip: str, **request: Any) -> Any:
            reply = factory.reply(json.dumps(request).encode(), ip)
            return json.loads(whole(reply))

        new = {"type": "REGISTER", "namespace": "n1", "name": "new", "port": 1}
        for _ in range(64):  # as many as may come in one turn of the reactor
            listing = self.measured(lambda: ask("10.0.0.1", type="DISCOVER", namespace="n1"))
            self.assertEqual(listing["message"], "peer_not_registered")
        self.assertEqual(self.measured(lambda: ask("192.0.2.1", **new))["status"], "OK")
        listing = self.measured(lambda: ask("192.0.2.1", type="DISCOVER", namespace="n1"))
        self.assertEqual([peer["name"] for peer in listing["peers"]], ["new"])
        while self.reactor.calls:
            self.measured(self.reactor.turn)
        self.assertEqual(len(self.registry), 1)
        self.check()

    def test_all_that_one_address_has_is_withdrawn(self) -> None:
        for number in range(20_000):
            self.registry.register("127.0.0.1", "n", f"name{number}", 1, TTL, 0.0)
        self.registry.register("127.0.0.1", "other", "name", 1, TTL, 0.0)
        gone = self.measured(lambda: self.registry.unregister("127.0.0.1", "n", None, None, 1.0))
        self.assertEqual(gone, 20_000)
        reply = self.measured(lambda: whole(self.registry.discover("n", 1.0)))
        self.assertEqual(reply, b'{"status":"OK","peers":[]}\n')
        self.assertEqual(self.registry.unregister("127.0.0.1", "n", None, None, 1.0), 0)
        self.done(self.registry.tidying(1.0))
        self.assertEqual(len(self.registry), 1)
        self.check()

    def test_a_store_with_all_of_them(self) -> None:
        self.assertEqual(self.done(self.registry.restoring(registrations())), MAX_REGISTRATIONS)
        self.check()

    def test_bans_that_hit_nobody_and_everybody(self) -> None:
        self.filled()
        self.assertEqual(self.done(self.registry.ban(Bans(["a*@b", "192.0.2.1"]))), 0)
        self.assertEqual(self.done(self.registry.ban(Bans(["*@n*"]))), MAX_REGISTRATIONS)
        self.check()

    def test_as_many_patterns_of_the_worst_kind_as_there_may_be(self) -> None:
        at_once(self.registry.restoring(registrations(300)))
        stars = "*a" * (MAX_STARS - 1)
        bans = self.done(Bans.reading(f"a{stars}*b@x\n" * MAX_PATTERNS))
        self.assertEqual(self.done(self.registry.ban(bans)), 0)
        name = "a" * 64
        self.assertFalse(self.measured(lambda: bans.name("x", name)))
        self.check()

    def test_files_of_bans(self) -> None:
        networks = "".join(f"2001:db8:{n >> 8:x}:{n & 255:x}::/64\n" for n in range(MAX_ENTRIES))
        patterns = "".join(f"a{number}*@b\n" for number in range(MAX_PATTERNS))
        names = "".join(f"a{number}@b\n" for number in range(MAX_ENTRIES))
        comments, blanks, blank = "#\n" * 524_288, "\n" * 1_048_576, " " * 1_048_576
        for text in (networks, patterns, names, comments, blanks, blank):
            self.done(Bans.reading(text))
            self.check()


class EndTests(SynchronousTestCase):
    def test_a_server_that_stops_leaves_nothing_to_do(self) -> None:
        reactor = Clock()
        registry = Registry(per_address=0)
        at_once(registry.restoring(registrations(1000)))
        factory = RendezvousFactory(registry, Limits(), reactor, lambda: TTL + 1.0)
        seconds = iter(range(10_000))
        reactor.seconds = lambda: float(next(seconds))  # type: ignore[method-assign]
        factory.reply(b'{"type":"DISCOVER"}', "10.0.0.1")
        self.assertEqual(len(reactor.getDelayedCalls()), 1)
        factory.stop()
        self.assertEqual(reactor.getDelayedCalls(), [])
