"""Asking a rendezvous: REGISTER, DISCOVER, UNREGISTER (protocol, section 2).

Rules: whatever happens to a request, the caller gets a result or a `DirectoryError`, within a
bounded time. Where the rendezvous has addresses of IPv6 and of IPv4, we register over both, because
each registration tells one address of ours. We discover over the way that answered first.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.directory import Blocked, Grant, IDirectory, Listings, Unreachable
from p2pchat.rendezvous.exchange import Exchange
from p2pchat.rendezvous.replies import read_grant, read_listings, read_ok
from p2pchat.rendezvous.reply_reader import ReplyReader
from p2pchat.rendezvous.selection import Selection
from p2pchat.rendezvous.together import Outcome, ask_together, error_of
from p2pchat.rendezvous.ways import Way, Ways
from p2pchat.speech import Sentence
from p2pchat.wire.address import host_and_port, leads_to

_log: Final = Log("Rendezvous")
_PATIENCE: Final = 6.0
"""How many times `timeout` the reply to a DISCOVER may take in all while its data keeps coming."""


@implementer(IDirectory)
class RendezvousClient:
    """The rendezvous at `host` (a name, an IPv4 or an IPv6 address) and `port`.

    `reactor` provides IReactorTCP and IReactorTime, and IReactorPluggableNameResolver for names. A
    request that has neither been answered nor refused in `timeout` seconds fails as `Unreachable`;
    the reply to a DISCOVER, which may be long, may take up to six times that as long as data keeps
    coming. `addresses`: those of `host`, if they are known already. `listens_on`: the one address
    that we listen on, None for all; we register over its family alone, if the rendezvous has that.

    Cancelling a Deferred closes its connections; it then fails with CancelledError. How often to
    ask is the caller's business: a rendezvous blocks an address after 50 connections in a minute.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        timeout: float = 10.0,
        addresses: Sequence[str] = (),
        listens_on: str | None = None,
    ) -> None:
        self.address = host_and_port(host, port)
        self.source = ""
        """See `IDirectory.source`."""
        self.max_listed = 20_000
        """See `IDirectory.max_listed`."""
        self.wanted: Container[str] = ()
        """See `IDirectory.wanted`."""
        self.own_key = ""
        """See `IDirectory.own_key`."""
        self._told = False
        self._reactor = reactor
        self._port = port
        self._timeout = timeout
        self._listens_on = listens_on
        self._ways = Ways(reactor, host, addresses, timeout)

    def register(self, namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        """REGISTER; see `IDirectory.register`."""
        fields: dict[str, object] = {"namespace": namespace, "name": name, "port": port, "ttl": ttl}
        if self.own_key:
            fields["key"] = self.own_key
        read = partial(read_grant, ttl=ttl)

        def over_all(ways: list[Way]) -> Deferred[list[Outcome]]:
            fit = [way for way in ways if leads_to(self._listens_on, way.host)] or ways
            asked = [(way, self._start(way, "REGISTER", fields, ReplyReader())) for way in fit]
            return ask_together(self._reactor, asked, read)

        return self._find().addCallback(over_all).addCallback(self._granted)

    def _granted(self, outcomes: list[Outcome]) -> Grant:
        granted: list[Grant] = []
        here: list[str] = []
        now = self._reactor.seconds()
        for way, exchange, result in outcomes:
            if isinstance(result, Grant):
                way.granted(result.ip)
                granted.append(result)
            else:
                way.failed(result, exchange.here, now)
            if exchange.here:
                here.append(exchange.here)
        if not granted:
            raise error_of(outcomes)
        self._ways.prefer(next(way for way, _, result in outcomes if isinstance(result, Grant)))
        return Grant(
            min(each.ttl for each in granted), granted[0].ip, self._ways.our_ips, tuple(here)
        )

    def discover(
        self, namespace: str | None, selection: Selection | None = None
    ) -> Deferred[Listings]:
        """DISCOVER; see `IDirectory.discover`."""
        fields: dict[str, object] = {} if namespace is None else {"namespace": namespace}
        if selection is not None:
            fields.update(selection.fields())
        most = self.max_listed

        def over(ways: list[Way]) -> Deferred[Any]:
            way, *others = ways
            reader = ReplyReader(most, self.wanted)
            exchange = self._start(way, "DISCOVER", fields, reader, _PATIENCE * self._timeout)

            def answered(reply: bytes | Listings) -> Listings:
                self.source = exchange.source
                return self._listings(reply, most)

            def in_vain(failure: Any) -> Any:
                failure.trap(Unreachable, Blocked)
                way.failed(failure.value, "", self._reactor.seconds())
                return over(others)

            answer: Deferred[Any] = exchange.reply
            answer.addCallback(answered)
            return answer.addErrback(in_vain) if others else answer

        return self._find(registered=True).addCallback(over)

    def _listings(self, reply: bytes | Listings, most: int) -> Listings:
        listings = reply if isinstance(reply, Listings) else read_listings(reply, most, self.wanted)
        if listings.odd:
            _log.debug(
                "Left out {count} entries of a listing that nobody could dial, the first: {entry}",
                count=listings.odd,
                entry=listings.example,
            )
        if not listings.whole and not self._told:
            _log.warn(
                "The rendezvous {where} lists more than {most} peers: the rest is left out "
                "(limits.max_known_peers)",
                where=self.address,
                most=most,
            )
        self._told = not listings.whole
        return listings

    def unregister(self, namespace: str, name: str, port: int) -> Deferred[None]:
        """UNREGISTER; see `IDirectory.unregister`."""
        fields: dict[str, object] = {"namespace": namespace, "name": name, "port": port}

        def over_all(ways: list[Way]) -> Deferred[list[Outcome]]:
            asked = [(way, self._start(way, "UNREGISTER", fields, ReplyReader())) for way in ways]
            return ask_together(self._reactor, asked, read_ok, late=None)

        def done(outcomes: list[Outcome]) -> None:
            if not any(result is None for _, _, result in outcomes):
                raise error_of(outcomes)
            for way, _, _ in outcomes:
                way.withdrawn()

        return self._find(registered=True).addCallback(over_all).addCallback(done)

    def _find(self, *, registered: bool = False) -> Deferred[Any]:
        """The ways to it, of which there is at least one; fails as `Unreachable`."""
        found = self._ways.registered() if registered else self._ways.usable()
        return found.addErrback(self._not_found)

    def _not_found(self, failure: Any) -> Any:
        failure.trap(LookupError)
        raise Unreachable(
            Sentence(
                "the rendezvous at {address} cannot be used: {why}",
                address=self.address,
                why=failure.value,
            )
        )

    def _start(
        self,
        way: Way,
        kind: str,
        fields: dict[str, object],
        reader: ReplyReader,
        longest: float = 0.0,
    ) -> Exchange:
        request = json.dumps({"type": kind, **fields}, separators=(",", ":")).encode() + b"\n"
        longest = longest or self._timeout
        exchange = Exchange(self._reactor, request, self.address, self._timeout, longest, reader)
        exchange.start(way.host, self._port)
        return exchange
