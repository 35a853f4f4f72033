"""The border to Redis: what we ask of it, and txredisapi, which asks.

Rules: a call ends within its time, whatever Redis does: txredisapi by itself waits for ever while
there is no connection. What comes back is bytes, numbers and lists, checked by who asked. A reply
longer than `_LONGEST` ends the connection. hiredis must be there: without it, a long listing is
read thirty times more slowly.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, cast

from twisted.internet import defer
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat.rendezvous.stores.redis_address import RedisAddress

LONGEST_CALL: Final = 2.0
"""Seconds that a call may take: longer, and Redis counts as unreachable."""
_LONGEST: Final = 32 * 1024 * 1024
"""Bytes of the longest reply that is read."""
_MOST_WAIT: Final = 1.0
"""Seconds between two attempts to connect, at most."""

Word = bytes | str | int
Command = tuple[Word, ...]


class TooLongError(Exception):
    """A reply is longer than what is read: to ask again is of no use."""


class Redis(Protocol):
    """One connection with Redis, which comes back by itself when it breaks."""

    def call(self, *words: Word, wait: float = 0.0) -> Deferred[Any]:
        """Ask one command; fires with the reply, or fails: with a sentence, if Redis said one.

        `wait`: seconds that the command itself may block.
        """

    def together(self, commands: Sequence[Command]) -> Deferred[list[Any]]:
        """All of these commands or none, at once; fires with their replies."""

    def close(self) -> Deferred[Any]:
        """Call nothing more; fires when the connection is gone."""


class _Library(Protocol):
    """What is used of a connection of txredisapi."""

    transport: Any
    connected: int

    def execute_command(self, *words: Word) -> Deferred[Any]: ...


class _Factory(Protocol):
    """What is used of what makes and keeps them."""

    pool: list[_Library]

    def getConnection(self, peek: bool) -> Deferred[_Library]: ...

    def disconnect(self) -> Deferred[Any]: ...


class RedisConnection:
    """A `Redis` by txredisapi; `clock` bounds its calls."""

    def __init__(self, clock: IReactorTime, factory: _Factory, sentinel: Any = None) -> None:
        self._clock = clock
        self._factory = factory
        self._sentinel = sentinel
        self._waiting: list[Deferred[_Library]] = []
        self._asks = False

    def call(self, *words: Word, wait: float = 0.0) -> Deferred[Any]:
        """See `Redis`."""
        return self._ask(lambda connection: connection.execute_command(*words), wait)

    def together(self, commands: Sequence[Command]) -> Deferred[list[Any]]:
        """See `Redis`."""
        trouble: list[Failure] = []

        def ask(connection: _Library) -> Deferred[Any]:
            queue = connection.execute_command
            for words in (("MULTI",), *commands):
                queue(*words).addErrback(trouble.append)
            return queue("EXEC")

        def done(replies: Any) -> list[Any]:
            if not isinstance(replies, list) or len(replies) != len(commands):
                raise ValueError("Redis did not answer all of a transaction")
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

        def failed(failure: Failure) -> Failure:
            # Why a command was not taken says more than that nothing was executed.
            return trouble[0] if trouble else failure

        return self._ask(ask, 0.0).addCallback(done).addErrback(failed)

    def _ask(self, ask: Callable[[_Library], Deferred[Any]], wait: float) -> Deferred[Any]:
        """Ask, when there is a connection; one that does not answer in time is ended."""
        asked: Deferred[Any] = self._connection().addCallback(ask)
        asked.addTimeout(LONGEST_CALL + wait, self._clock)
        return asked.addErrback(self._end_silent)

    def _connection(self) -> Deferred[_Library]:
        """Fires when there is one. However many wait, one asks: txredisapi never forgets who asked
        it in vain."""
        for connection in self._factory.pool:
            if connection.connected:
                return succeed(connection)
        waiting: Deferred[_Library] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        if len(self._waiting) == 1 and not self._asks:
            self._asks = True
            self._factory.getConnection(peek=True).addBoth(self._connected)
        return waiting

    def _connected(self, connection: _Library | Failure) -> None:
        self._asks = False
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if isinstance(connection, Failure):
                each.errback(connection)
            else:
                each.callback(connection)

    def _end_silent(self, failure: Failure) -> Failure:
        if failure.check(defer.TimeoutError, defer.CancelledError):
            for connection in [*self._factory.pool]:
                connection.transport.abortConnection()
        return failure

    def close(self) -> Deferred[Any]:
        """See `Redis`."""
        gone = [self._factory.disconnect()]
        if self._sentinel is not None:
            gone.append(self._sentinel.disconnect())
        return gatherResults(gone, consumeErrors=True)


def has_redis() -> bool:
    """Whether what this needs is installed: the extra `redis`."""
    try:
        importlib.import_module("hiredis")
        importlib.import_module("txredisapi")
    except ImportError:
        return False
    return True


def connect(address: RedisAddress, clock: IReactorTime) -> RedisConnection:
    """A connection, which may be used at once; it belongs to the global reactor, like all of
    txredisapi."""
    library: Any = importlib.import_module("txredisapi")
    options: dict[str, Any] = {
        "dbid": address.database or None,
        "poolsize": 1,
        "isLazy": True,
        "charset": None,
        "convertNumbers": False,
        "username": address.user,
        "password": address.password,
    }
    if address.master is None:
        factory = _bounded(library, library.RedisFactory)(uuid="", **options)
        (host, port) = address.hosts[0]
        factory.startConnecting(HostnameEndpoint(clock, host, port, timeout=LONGEST_CALL))
        return RedisConnection(clock, factory)
    sentinel = _forgetful(library)(address.hosts, replyTimeout=LONGEST_CALL)
    sentinel.discovery_timeout = LONGEST_CALL
    sentinel_factory = _bounded(library, library.SentinelConnectionFactory)
    handler = sentinel.master_for(address.master, factory_class=sentinel_factory, **options)
    return RedisConnection(clock, handler._factory, sentinel)


def _forgetful(library: Any) -> Any:
    """Sentinels of txredisapi that do not keep each question which nobody was there to hear."""

    class Forgetful(library.Sentinel):  # type: ignore[misc]
        def discover_master(self, service_name: str) -> Deferred[Any]:
            """Where the master is."""
            for each in self.sentinels:
                each._factory.connectionQueue.peekers.clear()
            return cast("Deferred[Any]", super().discover_master(service_name))

    return Forgetful


def _bounded(library: Any, factory_class: Any) -> Any:
    """This factory of txredisapi, with connections that end when a reply has no end."""
    pack = importlib.import_module("hiredis").pack_command

    class Bounded(factory_class.protocol):  # type: ignore[misc]
        _unanswered = 0
        _is_too_long = False

        def dataReceived(self, data: bytes, unpause: bool = False) -> None:
            self._unanswered += len(data)
            if self._unanswered > _LONGEST:
                self._is_too_long = True
                self.transport.abortConnection()
                return
            try:
                super().dataReceived(data, unpause)
            except library.InvalidData:  # that is no Redis
                self.transport.abortConnection()

        def _build_command(self, *words: Word, **_: Any) -> bytes:
            """A command as it is sent. The library's own takes longer than all the rest."""
            return cast("bytes", pack(words))

        def tryConvertData(self, data: Any) -> Any:
            """Nothing: the library would copy each list, to find no text to decode."""
            return data

        def role(self) -> Deferred[Any]:
            """What this Redis is; txredisapi compares it with text."""
            return cast("Deferred[Any]", super().role()).addCallback(_as_text)

        def replyReceived(self, reply: Any) -> None:
            self._unanswered = 0
            if self._is_too_long:
                # That the connection is lost is said once nobody is given it any more.
                reply = TooLongError(f"a reply of more than {_LONGEST} bytes")
                self._is_too_long = False
            super().replyReceived(reply)

    class Factory(factory_class):  # type: ignore[misc]
        protocol = Bounded

        def connectionError(self, _: Any) -> None:
            """It told the caller, who is told by each call."""
            self.deferred = None

    Factory.maxDelay = _MOST_WAIT
    Factory.initialDelay = 0.1
    return Factory


def _as_text(role: Any) -> list[Any]:
    first = role[0] if isinstance(role, list) and role else b""
    return [first.decode("ascii", "replace") if isinstance(first, bytes) else first]


def why(failure: Failure) -> str:
    """What went wrong, for a sentence."""
    if failure.check(ConnectionDone):
        return "the connection was lost"
    text = failure.getErrorMessage().strip()
    kind = failure.type.__name__ if failure.type is not None else "it failed"
    if kind in ("TimeoutError", "CancelledError"):
        return f"no answer in {LONGEST_CALL:g} s"
    return text or kind
