"""A Redis in memory that fails when it is told to: what a shared registry asks of one.

    redis = FakeRedis(clock)
    shared = SharedRegistry(..., lambda: (redis.connect(), redis.connect()), ...)
    redis.down = True        # nobody answers; False again: whoever asks then is answered
    redis.refuses = "OOM …"  # it takes no writes
    redis.flush()

Rules: replies come after `delay` seconds of the clock. What is asked while it is down is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TooLate
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from p2pchat.rendezvous.stores.redis import LONGEST_CALL, Command, Word

WRITES = {"HSET", "HDEL", "XADD", "SET"}


class RefusedError(Exception):
    """What Redis says in place of an answer."""


class FakeRedis:
    """One Redis; `wall` is its clock."""

    def __init__(self, clock: Clock, wall: Callable[[], float], delay: float = 0.0005) -> None:
        self.clock = clock
        self.wall = wall
        self.delay = delay
        self.down = False
        self.refuses = ""
        self.calls = 0
        self.strings: dict[str, bytes] = {}
        self.hash: dict[bytes, bytes] = {}
        self.stream: list[tuple[int, list[bytes]]] = []
        self.lies: dict[str, Any] = {}
        """What is said in place of the truth, by command."""
        self.endless: set[int] = set()
        """Entries of the log, from 0 on, whose reply is longer than anybody reads."""
        self._next = 1
        self._ends: dict[str, float] = {}
        self._blocked: list[tuple[int, Deferred[Any], Any]] = []

    def connect(self) -> FakeConnection:
        return FakeConnection(self)

    def flush(self) -> None:
        self.strings.clear()
        self.hash.clear()
        self.stream.clear()

    def add(self, *fields: bytes) -> None:
        """An entry of the log, from whoever it is."""
        self.stream.append((self._next, [*fields]))
        self._next += 1
        for after, waiting, timer in [*self._blocked]:
            found = self._after(after)
            if found is not None and not self.down:
                timer.cancel()
                self._blocked.remove((after, waiting, timer))
                self.clock.callLater(self.delay, _fire, waiting, found)

    def _after(self, after: int) -> Any:
        found = [[b"%d-0" % at, fields] for at, fields in self.stream if at > after]
        if any(after < number + 1 for number in self.endless):
            return ConnectionError("Lost connection")
        return [[b"log", found[:20]]] if found else None

    def block(self, after: int, seconds: float) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        found = self._after(after)
        if found is not None:
            self.clock.callLater(self.delay, _fire, waiting, found)
            return waiting

        def over() -> None:
            self._blocked.remove((after, waiting, timer))
            if not self.down:
                _fire(waiting, None)

        timer = self.clock.callLater(seconds, over)
        self._blocked.append((after, waiting, timer))
        return waiting

    def obey(self, words: Command) -> Any:
        self.calls += 1
        what, *rest = words
        if what in self.lies:
            return self.lies[str(what)]
        if what in WRITES and self.refuses:
            return RefusedError(self.refuses)
        return getattr(self, f"_{str(what).lower()}")(*rest)

    def _time(self) -> Any:
        return [str(int(self.wall())).encode(), b"0"]

    def _get(self, key: str) -> Any:
        return self.strings.get(key)

    def _set(self, key: str, value: str, *options: Word) -> Any:
        if key in self.strings and self.clock.seconds() < self._ends.get(key, float("inf")):
            return None
        self.strings[key] = value.encode()
        if "EX" in options:
            self._ends[key] = self.clock.seconds() + int(options[-1])
        return b"OK"

    def _hset(self, _: str, *words: bytes) -> Any:
        self.hash.update(zip(words[::2], words[1::2], strict=True))
        return len(words) // 2

    def _hdel(self, _: str, *fields: bytes) -> Any:
        return sum(self.hash.pop(field, None) is not None for field in fields)

    def _hscan(self, _: str, cursor: bytes, *__: Word) -> Any:
        """Ten at a time, by their place."""
        begin = int(cursor)
        some = [*self.hash.items()][begin : begin + 10]
        more = b"%d" % (begin + 10) if begin + 10 < len(self.hash) else b"0"
        return [more, [each for pair in some for each in pair]]

    def _xadd(self, _: str, *words: Word) -> Any:
        fields = words[words.index("*") + 1 :]
        self.add(*(it if isinstance(it, bytes) else str(it).encode() for it in fields))
        return b"%d-0" % (self._next - 1)

    def _xrevrange(self, *_: Word) -> Any:
        return [[b"%d-0" % at, fields] for at, fields in self.stream[-1:]]

    def _xrange(self, _: str, begin: bytes, __: bytes) -> Any:
        here = int(begin.split(b"-")[0])
        return [[b"%d-0" % at, fields] for at, fields in self.stream if at == here]


class FakeConnection:
    """See `p2pchat.rendezvous.stores.redis.Redis`."""

    def __init__(self, redis: FakeRedis) -> None:
        self._redis = redis
        self.closed = False

    def call(self, *words: Word, wait: float = 0.0) -> Deferred[Any]:
        redis = self._redis
        if words[0] == "XREAD" and not redis.down and "XREAD" not in redis.lies:
            after = int(bytes(words[-1]).split(b"-")[0])  # type: ignore[arg-type]
            reply = redis.block(after, float(words[4]) / 1000)
        else:
            reply = self._answer(lambda: redis.obey(words))
        return reply.addTimeout(LONGEST_CALL + wait, redis.clock, _too_late)

    def together(self, commands: Sequence[Command]) -> Deferred[list[Any]]:
        redis = self._redis

        def all_or_none() -> Any:
            writes = any(command[0] in WRITES for command in commands)
            if writes and redis.refuses:
                return RefusedError(redis.refuses)
            return [redis.obey(command) for command in commands]

        return self._answer(all_or_none).addTimeout(LONGEST_CALL, redis.clock, _too_late)

    def close(self) -> Deferred[Any]:
        self.closed = True
        return self._answer(lambda: None)

    def _answer(self, make: Callable[[], Any]) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        redis = self._redis
        if not redis.down:
            reply = make()
            redis.clock.callLater(redis.delay, _fire, waiting, reply)
        return waiting


def _fire(waiting: Deferred[Any], reply: Any) -> None:
    if waiting.called:
        return
    if isinstance(reply, Exception):
        waiting.errback(reply)
    else:
        waiting.callback(reply)


def _too_late(result: Any, _: float) -> Any:
    if isinstance(result, Failure):
        result.trap(CancelledError)
        raise TooLate
    return result
