"""One dial to an address that a person names, whoever is there.

    dial -> its addresses -> connection -> handshake -> the name of who answered
                                |             +-> "encrypts": once more, in TLS
                                +-> the next address, or a sentence why not

Rules: it is made once, beside the queue of dials, because somebody waits for it; a few at a time.
Who answers is a peer like any other from then on, and is dialed there again if its link is lost.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import error
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.rendezvous.ways import Way, Ways
from p2pchat.speech import Sentence, plain
from p2pchat.wire.address import host_and_port
from p2pchat.wire.outputs import Ending, Finish
from p2pchat.wire.text import why_not

_MOST: Final = 8
_TIMEOUT: Final = 10.0
_SHORTER: Final = 3.0
"""Seconds for an address of a name that has another one."""

_WHY: Final = {
    error.DNSLookupError: Sentence("there is no such host"),
    error.ConnectionRefusedError: Sentence("nothing listens there"),
    error.TimeoutError: Sentence("no answer within {seconds:g} s", seconds=_TIMEOUT),
    error.NoRouteError: Sentence("no network leads there"),
}


class DialError(Exception):
    """Nobody was reached; its `Sentence` is for the person."""


class DirectDials:
    """Those of one node. `reactor` provides IReactorTCP."""

    def __init__(self, reactor: Any, context: LinkContext) -> None:
        self._reactor = reactor
        self._context = context
        self._under_way: dict[_DirectDial, None] = {}

    def dial(self, host: str, port: int) -> Deferred[str]:
        """Dial; fires with the peer_id of who answered, or fails with a `DialError`."""
        if len(self._under_way) >= _MOST:
            return fail(DialError(Sentence("too many dials wait for an answer: try again")))
        policy = self._context.settings.security.policy
        sealed = self._context.security is not None and policy == "require"
        dial = _DirectDial(self._reactor, self._context, host, port)
        self._under_way[dial] = None
        dial.answer.addBoth(self._over, dial)
        dial.sealed = sealed
        Ways(self._reactor, host, (), _TIMEOUT).usable().addCallbacks(dial.found, dial.not_found)
        return dial.answer

    def opened(self, link: IPeerLink) -> None:
        """A session opened on a connection that was dialed here."""
        for dial in [*self._under_way]:
            if dial.link is link:
                dial.end(link.peer_id)

    def handshake_failed(self, link: IPeerLink, finish: Finish) -> None:
        """A connection that was dialed here ended before its session opened."""
        for dial in [*self._under_way]:
            if dial.link is link:
                dial.failed(finish)

    def stop(self) -> None:
        """Wait for nobody any more."""
        for dial in [*self._under_way]:
            dial.end(DialError(Sentence("the node leaves")))

    def _over(self, result: Any, dial: _DirectDial) -> Any:
        del self._under_way[dial]
        return result


class _DirectDial(ClientFactory):
    noisy = False

    def __init__(self, reactor: Any, context: LinkContext, host: str, port: int) -> None:
        self._reactor = reactor
        self._context = context
        self._host, self._port = host, port
        self._untried: list[str] = []
        self._ip = ""
        self.sealed = False
        """Whether to begin in TLS."""
        self._seals = False
        self._connector: IConnector | None = None
        self.link: PeerProtocol | None = None
        self.answer: Deferred[str] = Deferred()

    def found(self, ways: list[Way]) -> None:
        """The addresses are known."""
        self._untried = [way.host for way in ways]
        if not self.answer.called:
            self._next(Sentence("no address"))

    def not_found(self, why: Failure) -> None:
        """There are none."""
        if not self.answer.called:
            unknown = Sentence("there is no such host")
            self._not_there(unknown if why.check(LookupError) else _why(why))

    def _next(self, why: Sentence) -> None:
        if not self._untried:
            self._not_there(why)
            return
        self._ip = self._untried.pop(0)
        self._connect(sealed=self.sealed)

    def _connect(self, *, sealed: bool) -> None:
        self._seals, self.link = sealed, None
        timeout = _SHORTER if self._untried else _TIMEOUT
        try:
            self._connector = self._reactor.connectTCP(self._ip, self._port, self, timeout=timeout)
        except OSError as why:  # a scope that no interface of ours has
            self._next(why_not(why))

    def buildProtocol(self, _addr: IAddress | None) -> PeerProtocol:
        """The connection is there; the handshake follows."""
        self.link = PeerProtocol(self._context, "", sealed=self._seals)
        self.link.factory = self
        return self.link

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Nobody answered."""
        if connector is self._connector:
            self._next(_why(reason))

    def failed(self, finish: Finish) -> None:
        if finish.ending is Ending.UPGRADE and not self._seals:
            self._connect(sealed=True)
        else:
            self._next(plain(finish.reason))

    def end(self, result: str | DialError) -> None:
        self.link = None
        connector, self._connector = self._connector, None
        answer = self.answer
        if isinstance(result, str):
            answer.callback(result)
            return
        answer.errback(result)
        if connector is not None:
            connector.disconnect()

    def _not_there(self, why: Sentence) -> None:
        where = host_and_port(self._host, self._port)
        sentence = Sentence("nobody was reached at {where}: {why}", where=where, why=why)
        self.end(DialError(sentence))


def _why(failure: Failure) -> Sentence:
    """Why there is no connection, in a few words; those of Twisted's are for programmers."""
    for kind, words in _WHY.items():
        if failure.check(kind):
            return words
    return plain(failure.getErrorMessage())
