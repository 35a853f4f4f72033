"""Addresses of Redis, and what the border to it makes of txredisapi's replies."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.stores.redis import LONGEST_CALL, RedisConnection, why
from p2pchat.rendezvous.stores.redis_address import RedisAddress, redis_address


class AddressTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        sentinels = (("a", 1), ("b", 26379), ("::1", 3))
        for text, address in {
            "redis://host": RedisAddress((("host", 6379),)),
            "redis://host:7000/3": RedisAddress((("host", 7000),), database=3),
            "redis://[2001:db8::1]:7000": RedisAddress((("2001:db8::1", 7000),)),
            "redis://:p%40ss@host": RedisAddress((("host", 6379),), password="p@ss"),
            "redis://me:secret@host/1": RedisAddress(
                (("host", 6379),), None, 1, user="me", password="secret"
            ),
            "redis+sentinel://a:1,b,[::1]:3/main/2": RedisAddress(sentinels, "main", 2),
        }.items():
            self.assertEqual(redis_address(text), address)
            self.assertNotIn("ss@", str(address))
            self.assertEqual(str(redis_address(str(address))), str(address))

    def test_what_is_none(self) -> None:
        for text in (
            "",
            "host:6379",
            "http://host",
            "redis://",
            "redis://a,b",
            "redis://host/x",
            "redis://host/0/1",
            "redis://host:0",
            "redis://host:70000",
            "redis://ho st",
            "redis+sentinel://a,b",
            "redis+sentinel://a/main/x",
            "redis+sentinel://" + ",".join(["a"] * 17) + "/main",
        ):
            self.assertRaises(ValueError, redis_address, text)


class _Connection:
    """Of txredisapi; `replies` are given in their order, a Deferred later."""

    def __init__(self, *replies: Any) -> None:
        self.replies = [*replies]
        self.asked: list[tuple[Any, ...]] = []
        self.transport = self
        self.connected = 1
        self.aborted = 0

    def execute_command(self, *words: Any) -> Deferred[Any]:
        self.asked.append(words)
        reply = self.replies.pop(0)
        answer: Deferred[Any] = reply if isinstance(reply, Deferred) else Deferred()
        if isinstance(reply, Exception):
            answer.errback(reply)
        elif answer is not reply:
            answer.callback(reply)
        return answer

    def abortConnection(self) -> None:
        self.aborted += 1


class _Factory:
    def __init__(self, *replies: Any) -> None:
        self.connection = _Connection(*replies)
        self.pool: list[Any] = [self.connection]
        self.peekers: list[Deferred[Any]] = []

    def getConnection(self, peek: bool) -> Deferred[Any]:
        assert peek
        if self.pool:
            return succeed(self.connection)
        self.peekers.append(Deferred())
        return self.peekers[-1]

    def disconnect(self) -> Deferred[Any]:
        return succeed(None)


class BorderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def failure(self, deferred: Deferred[Any]) -> str:
        failure: Failure = self.failureResultOf(deferred)
        return why(failure)

    def test_a_transaction(self) -> None:
        factory = _Factory(b"OK", b"QUEUED", b"QUEUED", [1, b"1-0"])
        redis = RedisConnection(self.clock, factory)
        replies = self.successResultOf(redis.together([("A", 1), ("B",)]))
        self.assertEqual(replies, [1, b"1-0"])
        self.assertEqual(factory.connection.asked, [("MULTI",), ("A", 1), ("B",), ("EXEC",)])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIsNone(self.successResultOf(redis.close())[0])

    def test_why_it_failed(self) -> None:
        oom = RuntimeError("OOM command not allowed")
        for replies, reason in (
            ((b"OK", oom, RuntimeError("EXECABORT")), "OOM command not allowed"),
            ((b"OK", b"QUEUED", [oom]), "OOM command not allowed"),
            ((b"OK", b"QUEUED", []), "did not answer all"),
            ((b"OK", b"QUEUED", None), "did not answer all"),
            ((b"OK", b"QUEUED", RuntimeError("")), "RuntimeError"),
        ):
            redis = RedisConnection(self.clock, _Factory(*replies))
            self.assertIn(reason, self.failure(redis.together([("A",)])))

    def test_no_connection(self) -> None:
        factory = _Factory(b"OK")
        factory.pool.clear()
        redis = RedisConnection(self.clock, factory)
        for _ in range(3):
            asked = redis.call("GET", "x")
            self.clock.advance(LONGEST_CALL + 0.1)
            self.assertIn("no answer in 2 s", self.failure(asked))
        self.assertEqual(len(factory.peekers), 1, "it forgets none of them")
        asked = redis.call("GET", "x")
        factory.peekers[0].callback(factory.connection)
        self.assertEqual(self.successResultOf(asked), b"OK")

    def test_a_connection_that_is_silent_is_ended(self) -> None:
        factory = _Factory(Deferred(), Deferred())
        asked = RedisConnection(self.clock, factory).call("XREAD", wait=0.5)
        self.clock.advance(LONGEST_CALL + 0.4)
        self.assertEqual(factory.connection.aborted, 0)
        self.clock.advance(0.2)
        self.assertIn("no answer", self.failure(asked))
        self.assertEqual(factory.connection.aborted, 1)
