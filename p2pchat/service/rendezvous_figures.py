"""What a rendezvous server counts and what limits it, for `stats`, `/metrics` and `/healthz`.

Rules: a figure stands once, with its kind, what it means and how it is read. Reading changes
nothing, and nothing is counted for it while requests are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from p2pchat import __version__
from p2pchat.node.process_figures import PROCESS, log_section
from p2pchat.node.stats import Figure, Section, Statistics, counter, gauge, limit, text
from p2pchat.rendezvous.proxied import ProxiedFactory
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.service.rendezvous_reload import Reload


class RunningServer(NamedTuple):
    """A server that listens, and what belongs to it."""

    server: RendezvousService
    whole: Reload
    database: Persistence | None
    clock: Callable[[], float]
    started_at: float
    sections: list[Callable[[], Section[Any]]]
    """Who else counts something."""
    worries: list[Callable[[], str]]
    """Who else may have something to tell: a sentence, or nothing."""

    def statistics(self) -> Statistics:
        """All counters and limits."""
        sections: list[Section[Any]] = [
            Section("program", _PROGRAM, self),
            Section("registry", _REGISTRY, self.server),
            Section("requests", _REQUESTS, self.server),
            Section("connections", _CONNECTIONS, self.server),
        ]
        if isinstance(self.server.front, ProxiedFactory):
            sections.append(Section("balancers", _BALANCERS, self.server.front))
        if self.database is not None:
            sections.append(Section("database", _DATABASE, self.database))
        return Statistics([*sections, log_section(), *(make() for make in self.sections)])

    def ill(self) -> str:
        """Why this server is of no use at the moment; empty when it is."""
        if self.whole.stopping:
            return "the server is stopping"
        return "" if self.server.listening else "the server does not listen"

    def troubles(self) -> list[str]:
        """What is not as it should be while the server serves."""
        found = [worry() for worry in self.worries]
        if self.database is not None and self.database.failing:
            found.append("database: it cannot be written, and registrations live in memory only")
        if self.whole.bans.unwritten:
            found.append(f"bans: {len(self.whole.bans.unwritten)} hold until the server stops only")
        return [each for each in found if each]

    @property
    def uptime(self) -> float:
        """Seconds since the server began."""
        return round(self.clock() - self.started_at, 1)


_PROGRAM: Final[Mapping[str, Figure[RunningServer]]] = {
    "version": text("p2pchat's version", lambda _: __version__),
    "uptime_seconds": gauge("seconds since the server started", lambda running: running.uptime),
    **PROCESS,
}
_REGISTRY: Final[Mapping[str, Figure[RendezvousService]]] = {
    "registered": gauge("registrations", lambda server: len(server.registry)),
    "registered_limit": limit(
        "of those at most (limits.registrations)", lambda server: server.registry.limit
    ),
    "per_address_limit": limit(
        "of those from one address (limits.per_address)",
        lambda server: server.registry.per_address or None,
    ),
    "refused": counter("registrations refused", lambda server: server.registry.refused),
    "long_reply_bytes": gauge(
        "bytes of long listings that are kept", lambda server: server.registry.long_replies.size
    ),
    "long_reply_bytes_limit": limit(
        "of those at most", lambda server: server.registry.long_replies.most
    ),
    "cut_off": counter(
        "readers of long listings that gave way",
        lambda server: server.registry.long_replies.cut_off,
    ),
}
_REQUESTS: Final[Mapping[str, Figure[RendezvousService]]] = {
    "answered": counter(
        "requests answered, errors included", lambda server: server.factory.answers.given
    ),
    "timed_out": counter(
        "connections that never finished a request", lambda server: server.factory.timed_out
    ),
    "failures": counter(
        "requests that failed by a fault of the server",
        lambda server: server.factory.answers.failures,
    ),
}
_CONNECTIONS: Final[Mapping[str, Figure[RendezvousService]]] = {
    "open": gauge("connections at the moment", lambda server: len(server.factory.connections)),
    "open_limit": limit(
        "of those at most, beyond which new ones wait (limits.connections)",
        lambda server: server.factory.connections.limit,
    ),
    "evicted": counter(
        "connections that gave way to newer ones",
        lambda server: server.factory.connections.evicted,
    ),
    "throttled": counter(
        "connections of addresses that connect too often (limits.per_minute)",
        lambda server: server.factory.throttle.turned_away,
    ),
    "banned": counter("connections of banned addresses", lambda server: server.factory.banned),
    "addresses": gauge(
        "addresses that are counted for limits.per_minute",
        lambda server: len(server.factory.throttle),
    ),
    "addresses_limit": limit("of those at most", lambda server: server.factory.throttle.capacity),
    "addresses_forgotten": counter(
        "addresses forgotten early because there were too many",
        lambda server: server.factory.throttle.forgotten,
    ),
}
_BALANCERS: Final[Mapping[str, Figure[ProxiedFactory]]] = {
    "strangers": counter(
        "connections of others than the balancers (server.proxy_protocol)",
        lambda proxied: proxied.strangers,
    ),
    "bad_headers": counter(
        "connections without a PROXY header that can be used", lambda proxied: proxied.bad_headers
    ),
}
_DATABASE: Final[Mapping[str, Figure[Persistence]]] = {
    "failing": gauge("1 while the database cannot be written", lambda it: int(it.failing)),
    "batches": counter("batches that were written", lambda it: it.written),
}
