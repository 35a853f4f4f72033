"""The ways to one rendezvous: an address of IPv4 and one of IPv6, where it has both.

    a literal address                one way, and nothing is looked up
    a name                           looked up for each request, one way for each family
    addresses that are known         the same without looking up

Rules: a way that failed `_TRIES` times rests for `_REST` seconds, unless there is no other. One
more failure has it rest again, until it was answered. One over which we are blocked rests for as
long as that lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.defer import TimeoutError as Late
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.rendezvous.directory import Blocked, Unreachable
from p2pchat.speech import Sentence

_TRIES: Final = 3
_REST: Final = 600.0
"""Seconds. Longer: fewer requests wait for what is not there. Shorter: what comes back is used."""


class Way:
    """One address to connect to."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.registered = False
        """Whether we may be registered over it."""
        self.ip = ""
        """Our own address there; empty while it is not known."""
        self._failures = 0
        self.rests_until = float("-inf")

    def granted(self, ip: str) -> None:
        """A REGISTER was granted."""
        self.registered, self.ip = True, ip
        self._failures = 0

    def failed(self, why: object, here: str, now: float) -> None:
        """A request was not granted; `here` is our end of its connection, empty without one.

        One without an answer may have been heard, all the same.
        """
        if isinstance(why, Blocked):
            # The machines of one network share what it takes of them over IPv6.
            self.rests_until = now + why.seconds
            return
        if not isinstance(why, (Unreachable, CancelledError)):
            self.withdrawn()
            return
        self.registered = self.registered or bool(here)
        self.ip = self.ip or here
        self._failures += 1
        if self._failures >= _TRIES:
            self.rests_until = now + _REST

    def withdrawn(self) -> None:
        """We are not registered over it."""
        self.registered, self.ip = False, ""


class Ways:
    """All ways to `host`; `reactor` provides IReactorTime, and looks names up if it can."""

    def __init__(self, reactor: Any, host: str, addresses: Sequence[str], timeout: float) -> None:
        self._reactor = reactor
        self._host = host
        self._timeout = timeout
        self._ways: dict[bool, Way] = {}
        self._first: Way | None = None
        self._fixed = bool(addresses) or not self._is_name()
        self._take(addresses or [host])

    def usable(self) -> Deferred[list[Way]]:
        """Those that do not rest, or all if they all do; fails with a `LookupError` without any."""
        return self._found().addCallback(lambda _: self._awake())

    def registered(self) -> Deferred[list[Way]]:
        """Those over which we may be registered, the preferred one first, those that rest last."""
        return self._found().addCallback(lambda _: self._in_order())

    def _in_order(self) -> list[Way]:
        awake = self._awake()
        ways = [way for way in self._ways.values() if way.registered] or awake
        return sorted(ways, key=lambda way: (way not in awake, way is not self._first))

    def prefer(self, way: Way) -> None:
        """This one answered first."""
        self._first = way

    @property
    def our_ips(self) -> tuple[str, ...]:
        """Our own addresses under which we may be registered; none while one is not known."""
        ips = tuple(way.ip for way in self._ways.values() if way.registered)
        return ips if all(ips) else ()

    def _awake(self) -> list[Way]:
        now, ways = self._reactor.seconds(), [*self._ways.values()]
        return [way for way in ways if way.rests_until <= now] or ways

    def _is_name(self) -> bool:
        """Whether it is to be looked up, by a reactor that can find both families."""
        host = self._host
        if isIPAddress(host) or isIPv6Address(host) or not hasattr(self._reactor, "nameResolver"):
            return False
        try:
            return bool(host.encode("idna"))
        except UnicodeError:  # which `Exchange` tells
            return False

    def _take(self, addresses: Sequence[str]) -> None:
        """The first address of each family is the way there."""
        found = {":" in ip: ip for ip in reversed(addresses)}
        for six in [six for six in self._ways if six not in found]:
            del self._ways[six]
        for six, ip in found.items():
            self._ways.setdefault(six, Way(ip)).host = ip

    def _found(self) -> Deferred[Any]:
        if self._fixed:
            return succeed(None)
        looking = _Looking()
        self._reactor.nameResolver.resolveHostName(looking, self._host)
        looking.found.addTimeout(self._timeout, self._reactor)
        return looking.found.addCallbacks(self._looked_up, self._not_in_time)

    def _looked_up(self, addresses: list[str]) -> None:
        if not addresses:
            raise LookupError(Sentence("its name could not be looked up"))
        self._take(addresses)

    def _not_in_time(self, failure: Failure) -> None:
        failure.trap(Late)
        raise LookupError(Sentence("its name could not be looked up in time"))


@implementer(IResolutionReceiver)
class _Looking:
    """Gathers what a look-up finds."""

    def __init__(self) -> None:
        self.found: Deferred[list[str]] = Deferred()
        self._addresses: list[str] = []

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        """It cannot be broken off; what comes late is of no use."""

    def addressResolved(self, address: IAddress) -> None:
        """One more."""
        self._addresses.append(getattr(address, "host", ""))

    def resolutionComplete(self) -> None:
        """That was all."""
        if not self.found.called:
            self.found.callback(self._addresses)
