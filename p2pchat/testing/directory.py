"""Directories for tests: one that always lists the same peers, and a rendezvous that can fail.

Rules: nothing is asked of a real network; replies come after `delay` seconds of the fake clock,
each host is seen under its own address, and leases end when they should.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from p2pchat.rendezvous.directory import (
    Blocked,
    DirectoryError,
    Grant,
    IDirectory,
    Listing,
    Listings,
    ListingTooLong,
    NotRegistered,
    RequestRefused,
    Unreachable,
)
from p2pchat.rendezvous.selection import Selection
from p2pchat.testing.network import FakeHost
from p2pchat.wire.address import LOOPBACK, is_loopback


@implementer(IDirectory)
class StaticDirectory:
    """Lists `peers`, as (peer_id, ip, port), for ever: enough for a bot with fixed neighbours.

    What is registered is listed as well, under `ip`.
    """

    address = "a fixed list"
    source = LOOPBACK
    max_listed = 20_000
    wanted: Container[str] = ()
    own_key = ""

    def __init__(
        self, peers: Iterable[tuple[str, str, int]] = (), *, ip: str = "127.0.0.1"
    ) -> None:
        self._ip = ip
        self._listings: dict[str, Listing] = {}
        for peer_id, address, port in peers:
            name, namespace = peer_id.rsplit("@", 1)
            self._add(name, namespace, address, port)

    def register(self, namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        """See `IDirectory`; fires at once."""
        self._add(name, namespace, self._ip, port)
        return succeed(Grant(ttl, self._ip))

    def discover(
        self,
        namespace: str | None,
        selection: Selection | None = None,  # noqa: ARG002
    ) -> Deferred[Listings]:
        """See `IDirectory`; fires at once, and knows nothing of a selection."""
        return succeed(
            Listings(
                entry
                for entry in self._listings.values()
                if namespace is None or entry.namespace == namespace
            )
        )

    def unregister(
        self,
        namespace: str,
        name: str,
        port: int,  # noqa: ARG002
    ) -> Deferred[None]:
        """See `IDirectory`; fires at once."""
        self._listings.pop(f"{name}@{namespace}", None)
        return succeed(None)

    def _add(self, name: str, namespace: str, ip: str, port: int) -> None:
        self._listings[f"{name}@{namespace}"] = Listing(name, namespace, ip, port, 7200, 7200)


class Fault(enum.Enum):
    """What is wrong with a `FakeRendezvous`."""

    NONE = "it works"
    DEAD = "nobody answers"
    SLOW = "it answers after nine seconds"
    SILENT = "it takes the request and never answers"
    LYING = "it says OK to everything and lists nonsense"
    NOT_REGISTERED = "it says that it does not know us"
    BLOCKED = "it refuses us for thirty seconds at a time"
    REFUSING = "it does not like our name"
    TOO_LONG = "its listing of all namespaces is too long"
    ALL_TOO_LONG = "every listing of it is too long"


class FakeRendezvous:
    """A rendezvous in memory; `at(host)` is the directory that a node on that host is given.

    Set `fault` to make it fail, call `forget` to make it restart without a memory.
    """

    def __init__(self, clock: Any, *, delay: float = 0.02) -> None:
        self.fault = Fault.NONE
        self.delay = delay
        self.source = "10.255.255.254"
        """The IP address that its answers come from."""
        self.requests: list[tuple[float, str, str]] = []
        """Every request so far: when, from which address, and its type."""
        self.selects = True
        """Whether it knows a `Selection`; else it lists everybody, as servers of other makes do."""
        self.blocked: dict[str, float] = {}
        """Until when it told whom that it blocks him."""
        self.impatient: set[str] = set()
        """Who asked all the same; but not to be taken out."""
        self._clock = clock
        self._leases: dict[tuple[str, str, str], tuple[int, float, float]] = {}

    def at(self, host: FakeHost) -> FakeRendezvousClient:
        """The directory as a program on this host sees it."""
        return FakeRendezvousClient(self, host)

    def forget(self) -> None:
        """Forget all registrations."""
        self._leases.clear()

    def enter(self, peer_id: str, ip: str, port: int, ttl: float = 7200.0) -> None:
        """Register somebody, as if a request had come from `ip`."""
        name, namespace = peer_id.rsplit("@", 1)
        self._leases[ip, namespace, name] = (port, ttl, self._clock.seconds() + ttl)

    def remove(self, peer_id: str) -> None:
        """Withdraw all registrations of this peer_id."""
        name, namespace = peer_id.rsplit("@", 1)
        for key in [key for key in self._leases if key[1:] == (namespace, name)]:
            del self._leases[key]

    def listings(self, namespace: str | None = None) -> list[Listing]:
        """What is registered now, in the order of the registrations."""
        now = self._clock.seconds()
        return [
            Listing(name, space, ip, port, ttl, float(int(ends - now)))
            for (ip, space, name), (port, ttl, ends) in self._leases.items()
            if ends > now and namespace in (None, space)
        ]

    def knows(self, peer_id: str) -> bool:
        """Whether this peer_id is registered now."""
        return any(entry.peer_id == peer_id for entry in self.listings())


@implementer(IDirectory)
class FakeRendezvousClient:
    """`IDirectory` over a `FakeRendezvous`, with the address of one host."""

    address = "rendezvous.test:8080"
    max_listed = 20_000
    wanted: Container[str] = ()
    own_key = ""

    def __init__(self, rendezvous: FakeRendezvous, host: FakeHost) -> None:
        self.rendezvous = rendezvous
        self._host = host

    @property
    def source(self) -> str:
        """See `IDirectory`; a host of that name is this machine."""
        return LOOPBACK if is_loopback(self._host.ip) else self.rendezvous.source

    def register(self, namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        """See `IDirectory`."""

        def grant() -> Grant:
            self.rendezvous.enter(f"{name}@{namespace}", self._host.ip, port, ttl)
            return Grant(float(ttl), self._host.ip)

        return self._ask("REGISTER", grant, lambda: Grant(float(ttl), "203.0.113.9"))

    def discover(
        self,
        namespace: str | None,
        selection: Selection | None = None,
    ) -> Deferred[Listings]:
        """See `IDirectory`."""
        too_long = {Fault.ALL_TOO_LONG} if namespace else {Fault.ALL_TOO_LONG, Fault.TOO_LONG}
        if self.rendezvous.fault in too_long:
            return self._ask("DISCOVER", self._too_long, self._nonsense)
        if selection is not None and self.rendezvous.selects:
            return self._ask("DISCOVER", lambda: self._some(namespace, selection), self._nonsense)
        return self._ask("DISCOVER", lambda: self._listings(namespace), self._nonsense)

    def unregister(
        self,
        namespace: str,
        name: str,
        port: int,  # noqa: ARG002
    ) -> Deferred[None]:
        """See `IDirectory`."""
        return self._ask(
            "UNREGISTER", lambda: self.rendezvous.remove(f"{name}@{namespace}"), lambda: None
        )

    def _listings(self, namespace: str | None) -> Listings:
        found = self.rendezvous.listings(namespace)
        beyond = [entry for entry in found[self.max_listed :] if entry.peer_id in self.wanted]
        listings = Listings([*found[: self.max_listed], *beyond])
        listings.seen = len(found)
        listings.whole = len(found) <= self.max_listed
        return listings

    def _some(self, namespace: str | None, selection: Selection) -> Listings:
        everybody = self.rendezvous.listings(namespace)
        if namespace is not None:
            everybody.sort(key=lambda entry: (entry.name, entry.ip))
        found = [entry for entry in everybody if entry.name in selection.names]
        if selection.sample:
            count = min(selection.limit, len(everybody))
            found += self._host.network.random.sample(everybody, count)
        elif selection.limit:
            after = selection.after or ("", "")
            behind = (entry for entry in everybody if (entry.name, entry.ip) > after)
            found += islice(behind, selection.limit)
        listings = Listings(found)
        listings.total, listings.seen = len(everybody), len(found)
        if found:
            listings.last = found[-1].name, found[-1].ip
        return listings

    def _too_long(self) -> DirectoryError:
        return ListingTooLong("its listing is too long", "listing_too_long")

    def _nonsense(self) -> Listings:
        """Peers that do not exist, names that cannot be, and ourselves under other names."""
        odd = [("", "CIC"), ("a" * 65, "CIC"), ("\x1b[2J", "CIC"), ("a@b", "x\ny"), ("x", "")]
        nobody = [Listing(name, space, "10.99.0.1", 4000, 0, 0) for name, space in odd]
        ours = [Listing(f"me{n}", "CIC", self._host.ip, 4000, -1, 1e9) for n in range(3)]
        return Listings([*nobody, *ours, Listing("ghost", "CIC", "10.99.0.2", 65535, 1, -5)])

    def _ask(self, kind: str, answer: Callable[[], Any], lie: Callable[[], Any]) -> Deferred[Any]:
        rendezvous, fault = self.rendezvous, self.rendezvous.fault
        now = self._host.seconds()
        rendezvous.requests.append((now, self._host.ip, kind))
        if kind != "UNREGISTER" and now < rendezvous.blocked.get(self._host.ip, now):
            rendezvous.impatient.add(self._host.ip)
        reply: Deferred[Any] = Deferred(lambda _: timer.cancel() if timer.active() else None)

        def respond() -> None:
            error = self._error(fault if self._host.reachable else Fault.DEAD)
            if error is not None:
                if isinstance(error, Blocked):
                    rendezvous.blocked[self._host.ip] = self._host.seconds() + error.seconds - 0.1
                reply.errback(error)
            else:
                said = lie() if fault is Fault.LYING else answer()
                reply.errback(said) if isinstance(said, DirectoryError) else reply.callback(said)

        delay = rendezvous.delay
        if fault is Fault.SLOW:
            delay = 9.0
        elif fault is Fault.SILENT:
            delay = 10.0
        timer = self._host.callLater(delay, respond)
        return reply

    def _error(self, fault: Fault) -> DirectoryError | None:
        match fault:
            case Fault.DEAD:
                return Unreachable("no connection")
            case Fault.SILENT:
                return Unreachable("no answer came in time")
            case Fault.NOT_REGISTERED:
                return NotRegistered("we are not registered")
            case Fault.BLOCKED:
                return Blocked("asked too often", 30.0)
            case Fault.REFUSING:
                return RequestRefused("it does not accept our name (bad_name)", "bad_name")
            case _:
                return None
