"""One registry on several servers, with a Redis in memory between them that fails."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.sharing import shared_reply
from p2pchat.rendezvous.stores import hearing, telling
from p2pchat.rendezvous.stores.changes import BATCH
from p2pchat.rendezvous.stores.janitor import tidy
from p2pchat.rendezvous.stores.redis import TooLongError
from p2pchat.rendezvous.stores.shared import COMMIT, LONGEST_START, MOST_WAITING, SharedRegistry
from tests.support.fake_redis import FakeRedis
from tests.support.loglines import captured
from tests.support.replies import whole

WALL = 1_796_000_000.0


class Server:
    """One of them, without a socket."""

    def __init__(
        self, name: str, redis: FakeRedis, *, skew: float = 0.0, commit: bool = True
    ) -> None:
        clock = redis.clock
        # The clocks of two machines have nothing in common.
        self.registry = Registry()
        self.clock = clock
        self.began = float(sum(name.encode()))
        self.unfit: list[str] = []
        self.shared = SharedRegistry(
            self.registry,
            lambda: (redis.connect(), redis.connect()),
            server=name,
            where="redis://here",
            reactor=clock,
            on_unfit=self.unfit.append,
            epoch=lambda: f"{name} at {clock.seconds()}",
            commit=commit,
            wall=lambda: WALL + skew + clock.seconds(),
            monotonic=self.now,
        )
        self.answers = Answers(self.registry, self.now)
        self.shared.startService()

    def now(self) -> float:
        return self.began + self.clock.seconds()

    def ask(self, kind: str, ip: str = "10.0.0.1", **fields: Any) -> list[bytes]:
        """The replies, which may come later."""
        line = json.dumps({"type": kind, **fields}).encode()
        replies: list[bytes] = []
        reply = shared_reply(self.shared, lambda: self.answers.reply(line, ip))
        if isinstance(reply, Deferred):
            reply.addCallback(lambda it: replies.append(whole(it)))
        else:
            replies.append(whole(reply))
        return replies

    def register(self, name: str, ip: str = "10.0.0.1", port: int = 4000, ttl: int = 600) -> Any:
        fields: dict[str, Any] = {"namespace": "CIC", "name": name, "port": port, "ttl": ttl}
        return self.ask("REGISTER", ip, **fields)

    def unregister(self, name: str, ip: str = "10.0.0.1") -> Any:
        return self.ask("UNREGISTER", ip, namespace="CIC", name=name)

    @property
    def names(self) -> dict[str, int]:
        """Who is listed here, and on which port."""
        reply = json.loads(whole(self.registry.discover("CIC", self.now())))
        return {entry["name"]: entry["port"] for entry in reply["peers"]}

    def left(self, name: str) -> int:
        reply = json.loads(whole(self.registry.discover("CIC", self.now())))
        return next(int(it["expires_in"]) for it in reply["peers"] if it["name"] == name)

    def kill(self) -> None:
        """As `kill -9` does: nothing more is told."""
        self.registry.journal = None
        self.shared.telling.take()
        self.shared.telling._everything = None
        self.shared.stopService()


class SharedTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lines = captured(self)
        self.redis = FakeRedis(self.clock, lambda: WALL + self.clock.seconds())
        self.servers: list[Server] = []

    def tearDown(self) -> None:
        self.redis.down = False
        for server in self.servers:
            server.shared.stopService()
        self.run_for(5)
        self.assertEqual([str(each) for each in self.clock.getDelayedCalls()], [])

    def logged(self, text: str) -> int:
        """How many lines of the log hold this."""
        return sum(text in line for line in self.lines())

    def server(self, name: str, **more: Any) -> Server:
        server = Server(name, self.redis, **more)
        self.servers.append(server)
        return server

    def run_for(self, seconds: float, step: float = 0.001) -> None:
        fine = min(seconds, 0.1)
        for _ in range(int(fine / step)):
            self.clock.advance(step)
        for _ in range(int((seconds - fine) / 0.02)):
            self.clock.advance(0.02)

    def pair(self) -> tuple[Server, Server]:
        a, b = self.server("a"), self.server("b")
        self.run_for(0.1)
        return a, b


class PlainSailingTests(SharedTestCase):
    """While Redis works."""

    def test_what_is_registered_at_one_is_listed_at_all(self) -> None:
        a, b = self.pair()
        said = a.register("ana")
        self.assertEqual(said, [], "it waits for Redis")
        self.run_for(0.01)
        self.assertIn(b'"OK"', said[0])
        self.assertEqual((a.names, b.names), ({"ana": 4000}, {"ana": 4000}))
        self.assertIn(b.left("ana"), (599, 600))
        a.register("ana", port=4001, ttl=60)
        self.run_for(0.01)
        self.assertEqual((b.names, b.left("ana") <= 60), ({"ana": 4001}, True))
        b.unregister("ana")
        self.run_for(0.01)
        self.assertEqual((a.names, b.names, self.redis.hash), ({}, {}, {}))

    def test_leases_end_everywhere_and_nobody_tells(self) -> None:
        a, b = self.pair()
        a.register("ana", ttl=5)
        self.run_for(1)
        entries = len(self.redis.stream)
        self.run_for(5)
        a.register("bob")
        self.run_for(1)
        self.assertEqual((a.names, b.names), ({"bob": 4000}, {"bob": 4000}))
        self.assertEqual(len(self.redis.stream), entries + 1)

    def test_who_starts_later_knows_all(self) -> None:
        a = self.server("a")
        self.run_for(0.1)
        for n in range(35):
            a.register(f"p{n}", f"10.0.1.{n}")
        self.run_for(0.1)
        b = self.server("b")
        waits = b.ask("DISCOVER", "10.0.1.3", namespace="CIC")
        a.register("late")
        self.assertEqual(waits, [], "nothing is answered before it knows them")
        self.run_for(0.1)
        self.assertIn(b'"p34"', waits[0])
        self.assertEqual(len(b.names), 36)
        self.assertEqual(self.logged("Took over 3"), 1)
        self.run_for(LONGEST_START + 1)
        self.assertEqual(self.logged("cannot be used"), 0)

    def test_namespaces_with_what_fields_are_made_of(self) -> None:
        a = self.server("a")
        self.run_for(0.1)
        names = [("a\0b", "c"), ("a", "b\0c"), ('"a"', "d"), ('"a\0', "\0"), ("ção", "\0")]
        for namespace, name in names:
            a.ask("REGISTER", namespace=namespace, name=name, port=4000)
        self.run_for(0.1)
        b = self.server("b")
        self.run_for(0.1)
        self.assertEqual({(it.namespace, it.name) for it in b.registry.all()}, {*names})
        a.ask("UNREGISTER", namespace="a\0b", name="c")
        self.run_for(0.1)
        self.assertEqual(len(self.redis.hash), len(names) - 1)

    def test_a_long_log_is_read_without_a_pause(self) -> None:
        a = self.server("a")
        self.run_for(0.1)
        for entry in range(200):
            many = [[1, f"10.2.{entry}.{n}", "CIC", "q", 4000, 60, WALL + 60] for n in range(9)]
            self.redis.add(b"by", b"b", b"ch", json.dumps(many).encode())
        self.run_for(0.05)
        self.assertEqual(len(a.registry), 1800)

    def test_many_go_in_batches(self) -> None:
        a, b = self.pair()
        a.registry.per_address = b.registry.per_address = 0
        for n in range(2 * BATCH + 7):
            a.register(f"p{n}")
        self.run_for(0.1)
        self.assertEqual(len(b.names), 2 * BATCH + 7)
        self.assertEqual(len(self.redis.stream), 3)

    def test_read_your_writes_at_another_server(self) -> None:
        a, b = self.pair()
        a.register("ana", "10.0.0.9")
        self.run_for(0.0035)
        said = b.ask("DISCOVER", "10.0.0.9", namespace="CIC")
        gone = b.unregister("bob", "10.0.0.9")
        self.run_for(0.02)
        self.assertIn(b'"ana"', said[0])
        self.assertIn(b"do_not_match", gone[0])

    def test_a_stranger_is_refused_soon(self) -> None:
        a, _ = self.pair()
        said = a.ask("DISCOVER", "10.9.9.9")
        self.run_for(0.01)
        self.assertIn(b"peer_not_registered", said[0])
        self.redis.delay = 1.0
        waits = [a.ask("DISCOVER", f"10.9.{n // 250}.{n % 250}") for n in range(MOST_WAITING + 9)]
        self.assertEqual(sum(map(len, waits)), 9, "no more than some wait")
        self.run_for(COMMIT + 0.05)
        self.assertEqual({len(each) for each in waits}, {1})

    def test_answers_at_once_when_it_is_told_to(self) -> None:
        a = self.server("a", commit=False)
        self.run_for(0.1)
        self.assertEqual(len(a.register("ana")), 1)

    def test_the_latest_word_holds_everywhere(self) -> None:
        for seed in range(8):
            self.setUp()
            random = Random(seed)
            servers = [self.server(name) for name in "abc"]
            self.run_for(0.1)
            for _ in range(60):
                server = random.choice(servers)
                name = random.choice("xyz")
                if random.random() < 0.6:
                    server.register(name, port=random.randint(1, 9), ttl=random.choice((30, 600)))
                else:
                    server.unregister(name)
                self.run_for(random.choice((0, 0, 0.001, 0.003, 0.02)))
            self.run_for(0.1)
            first, *others = [server.names for server in servers]
            self.assertEqual(others, [first, first], seed)
            self.assertEqual(len(self.redis.hash), len(first), seed)
            self.tearDown()

    def test_what_is_left_is_told_at_the_end(self) -> None:
        a, b = self.pair()
        a.register("ana")
        stopped = a.shared.stopService()
        self.run_for(0.1)
        self.assertTrue(stopped.called)
        self.assertEqual(b.names, {"ana": 4000})
        self.assertEqual(b.shared.trouble, "")

    def test_the_janitor_takes_out_what_ended_long_ago(self) -> None:
        a, b = self.pair()
        for n in range(25):
            a.register(f"p{n}", ttl=10)
        a.register("stays", ttl=7200)
        self.redis.hash[b"odd"] = b"field"
        self.run_for(0.1)
        for _ in range(40):
            self.clock.advance(100)
            self.run_for(0.04)
        self.run_for(40)
        self.assertEqual(len(self.redis.hash), 2)
        self.assertEqual((a.names, b.names), ({"stays": 4000}, {"stays": 4000}))


class FaultTests(SharedTestCase):
    """Redis, or a server, fails."""

    def test_redis_is_away_for_a_while(self) -> None:
        a, b = self.pair()
        a.register("ana")
        self.run_for(0.1)
        self.redis.down = True
        said = a.register("bob")
        self.run_for(COMMIT + 0.01)
        self.assertIn(b'"OK"', said[0])
        self.run_for(3)
        self.assertIn(b'"OK"', a.register("carol")[0], "nobody waits for what is known to be away")
        b.unregister("ana")
        self.assertEqual(a.names, {"ana": 4000, "bob": 4000, "carol": 4000})
        self.assertIn(b"bob", a.ask("DISCOVER", namespace="CIC")[0])
        self.assertGreater(a.shared.stale_for, 0)
        self.redis.down = False
        self.run_for(5)
        self.assertEqual((a.names, b.names), ({"bob": 4000, "carol": 4000},) * 2)
        self.assertEqual((a.shared.trouble, a.shared.stale_for), ("", 0))
        for text in ("cannot be used (no answer", "can be used again"):
            self.assertIn(self.logged(text), (2, 3), "once a server, or once for a late reply")

    def test_redis_is_not_there_at_the_start(self) -> None:
        self.redis.down = True
        a = self.server("a")
        said = a.register("ana")
        self.run_for(LONGEST_START - 0.5)
        self.assertEqual(said, [])
        self.run_for(1)
        self.assertIn(b'"OK"', said[0])
        self.redis.down = False
        self.run_for(3)
        self.assertEqual(self.server("b").names, {})
        self.run_for(0.1)
        self.assertEqual(self.servers[1].names, {"ana": 4000})

    def test_all_data_are_lost(self) -> None:
        a, b = self.pair()
        for n in range(20):
            a.register(f"a{n}")
            b.register(f"b{n}", "10.0.0.2")
        self.run_for(0.1)
        self.redis.flush()
        self.run_for(1.5)
        self.assertEqual(len(self.redis.hash), 40)
        c = self.server("c")
        self.run_for(0.1)
        self.assertEqual(c.names, a.names)
        self.assertEqual(len(c.names), 40)

    def test_another_master_without_the_latest_entries(self) -> None:
        a, b = self.pair()
        a.register("ana")
        self.run_for(0.1)
        hash_before, stream_before = dict(self.redis.hash), [*self.redis.stream]
        a.register("bob")
        self.run_for(0.1)
        self.redis.down = True
        self.run_for(4)
        self.redis.hash, self.redis.stream = hash_before, stream_before
        self.redis.down = False
        self.run_for(4)
        self.assertIn(b"10.0.0.1\0CIC\0bob", self.redis.hash)
        self.assertEqual(b.names, a.names)

    def test_the_log_was_trimmed_while_a_server_was_away(self) -> None:
        a, b = self.pair()
        a.register("ana")
        self.run_for(0.1)
        log = b.shared.hearing.last
        self.assertIsNotNone(log)
        with_b = [*self.redis.stream]
        for n in range(5):
            a.register(f"p{n}")
        self.run_for(0.1)
        del self.redis.stream[: len(with_b) + 2]
        b.shared.hearing.last = log
        b.registry.dismiss(("10.0.0.1", "CIC", "p0"))
        self.redis.lies["XREAD"] = RuntimeError("broken")
        self.run_for(1)
        del self.redis.lies["XREAD"]
        self.run_for(3)
        self.assertEqual(b.names, a.names)

    def test_redis_is_full(self) -> None:
        a, b = self.pair()
        self.redis.refuses = "OOM command not allowed when used memory > 'maxmemory'"
        said = a.register("ana")
        self.run_for(1)
        self.assertIn(b'"OK"', said[0])
        self.assertIn("OOM", a.shared.trouble)
        self.run_for(10)
        self.assertEqual(self.logged("cannot be used (OOM"), 1, "once, though reading works")
        self.redis.refuses = ""
        self.run_for(3)
        self.assertEqual((b.names, a.shared.trouble), ({"ana": 4000}, ""))

    def test_a_server_is_killed_and_nothing_that_was_answered_is_lost(self) -> None:
        a, b = self.pair()
        answered = []
        for n in range(200):
            said = a.register(f"p{n}")
            self.run_for(0.001)
            answered.append((f"p{n}", said))
        a.kill()
        self.run_for(0.1)
        sure = {name for name, said in answered[:190] if said}
        self.assertGreater(len(sure), 150)
        self.assertEqual(sure - set(b.names), set())

    def test_more_changes_than_are_remembered(self) -> None:
        self.patch(telling, "MOST_PENDING", 100)
        a, b = self.pair()
        a.registry.per_address = b.registry.per_address = 0
        self.redis.down = True
        for n in range(350):
            a.register(f"p{n}")
            if n == 20:
                self.run_for(3)
        self.assertLessEqual(len(a.shared.telling), 100)
        self.redis.down = False
        self.run_for(5)
        self.assertEqual(len(b.names), 350)

    def test_a_partition_heals(self) -> None:
        a, b = self.pair()
        self.redis.down = True
        a.register("ana", port=1)
        self.run_for(1)
        b.register("ana", port=2)
        b.register("bob")
        self.run_for(3)
        self.assertEqual((a.names, b.names), ({"ana": 1}, {"ana": 2, "bob": 4000}))
        self.redis.down = False
        self.run_for(5)
        self.assertEqual(a.names, b.names)
        self.assertEqual({*a.names}, {"ana", "bob"})

    def test_a_clock_that_is_wrong(self) -> None:
        a = self.server("a", skew=45.0)
        self.run_for(1)
        self.assertIn("differ by 45 s", a.unfit[0])

    def test_an_hour_that_is_wrong_on_the_other_machine_gives_no_longer_lease(self) -> None:
        a = self.server("a", skew=25.0)
        b = self.server("b")
        self.run_for(0.1)
        a.register("ana", ttl=60)
        self.run_for(0.1)
        self.assertLessEqual(b.left("ana"), 60)


class HostileTests(SharedTestCase):
    """Anybody may have written what is in Redis."""

    def test_entries_of_the_log(self) -> None:
        a, b = self.pair()
        a.register("ana")
        self.run_for(0.1)
        good = f'[1,"10.1.1.1","CIC","good",4000,60,{WALL + 60:.0f}]'
        odd = [
            "",
            "[",
            "[" * 5000,
            "{}",
            "[1]",
            '[[1,"10.1.1.1","CIC","x",0,60,1796000060]]',
            '[[1,"10.1.1.1","CIC","",4000,60,1796000060]]',
            f'[[1,"10.1.1.1","CIC","{"x" * 65}",4000,60,1796000060]]',
            '[[1,"10.1.1.1","","x",4000,60,1796000060]]',
            '[[1,"evil host","CIC","x",4000,60,1796000060]]',
            '[[1,"10.1.1.1","CIC","x",4000,99999999,1796000060]]',
            '[[1,"10.1.1.1","CIC","x",4000,60,1e999]]',
            '[[1,"10.1.1.1","CIC","x",4000,60,NaN]]',
            '[[7,"10.1.1.1","CIC","x",4000,60,1796000060]]',
            '[[1,"10.1.1.1","CIC","\\ud800",4000,60,1796000060]]',
            '[[1,"10.1.1.1","CIC","x","4000",60,1796000060]]',
            "[" + ",".join([good] * (BATCH + 1)) + "]",
        ]
        for text in odd:
            self.redis.add(b"by", b"mallory", b"ch", text.encode())
        self.redis.add(b"odd")
        self.redis.add(b"ch", f"[{good}]".encode())
        self.redis.add(b"by", b"mallory", b"ch", b"\xff\xfe")
        self.run_for(1)
        self.assertEqual(b.names, {"ana": 4000, "good": 4000})
        self.assertEqual((b.shared.hearing.odd, b.shared.trouble), (len(odd) + 2, ""))
        self.assertEqual(self.logged("Somebody else writes"), 2, "once a server")

    def test_fields_of_the_hash(self) -> None:
        value = b'[4000,60,%d,"m"]' % (WALL + 60)
        self.redis.hash = {
            b"10.1.1.1\0CIC\0good": value,
            b"10.1.1.1\0CIC\0ended": b'[4000,60,5,"m"]',
            b"10.1.1.1\0CIC": value,
            b"\xff\0CIC\0x": value,
            b"10.1.1.1\0CIC\0" + b"x" * 65: value,
            b"10.1.1.1\0\0x": value,
            b"nowhere\0CIC\0x": value,
            b"10.1.1.1\0CIC\0y": b'[4000,60,"soon","m"]',
            b"10.1.1.1\0CIC\0z": b'[4000,60,1e300,"m"]',
            b"fe80::1%\x1b[2J" + b"x" * 99 + b"\0CIC\0x": value,
            b"0:0::1\0CIC\0x": value,
            b'10.1.1.1\0"CIC\0x': value,
        }
        a = self.server("a")
        self.run_for(0.1)
        self.assertEqual((a.names, a.shared.hearing.odd), ({"good": 4000}, 10))

    def test_no_more_than_there_is_place_for(self) -> None:
        a = self.server("a")
        a.registry.limit = 30
        for n in range(200):
            field = f"10.1.1.{n % 250}\0CIC\0p{n}".encode()
            self.redis.hash[field] = b'[4000,60,%d,"m"]' % (WALL + 60)
        self.run_for(0.2)
        self.assertEqual(len(a.registry), 30)
        self.assertEqual(self.logged("the rest is left out"), 1)
        many = [[1, f"10.2.1.{n}", "CIC", f"q{n}", 4000, 60, WALL + 60] for n in range(200)]
        self.redis.add(b"by", b"mallory", b"ch", json.dumps(many).encode())
        self.run_for(0.2)
        self.assertEqual(len(a.registry), 30)

    def test_a_hash_that_cannot_be_read_to_its_end(self) -> None:
        field = [b"10.1.1.1\0CIC\0first", b'[4000,600,%d,"m"]' % (WALL + 600)]
        lies = {
            "no end": [b"7", []],
            "too long": TooLongError("a reply of more than 3 bytes"),
            "more than 60": [b"7", field * 10],
        }
        self.patch(hearing, "_LOOKS", 20)
        for number, (reason, lie) in enumerate(lies.items()):
            self.redis.lies = {"HSCAN": lie}
            server = self.server(f"s{number}")
            server.registry.limit = 30
            self.run_for(3)
            self.assertEqual((server.shared.trouble, self.logged(reason)), ("", 1))
            for _ in range(2):
                self.redis.flush()  # all of them read all of it once more
                self.run_for(5)
                self.assertEqual(server.shared.trouble, "")
            self.assertEqual(self.logged(reason), number + 1, "once a server")
            server.register(f"p{number}")
        self.run_for(0.1)
        for server in self.servers:
            self.assertLessEqual({"p0", "p1", "p2"}, {*server.names}, "the log goes on")

    def test_one_reply_with_more_than_there_is_place_for(self) -> None:
        end = b'[4000,60,%d,"m"]' % (WALL + 60)
        many = [(b"10.%d.1.1\0CIC\0%d" % (n % 250, n), end) for n in range(5000)]
        self.redis.lies = {"HSCAN": [b"0", [each for pair in many for each in pair]]}
        a = self.server("a")
        a.registry.limit = 30
        self.run_for(0.1)
        self.assertEqual((len(a.registry), a.shared.hearing.odd), (30, 0))

    def test_replies_that_are_none(self) -> None:
        a, _ = self.pair()
        a.register("ana")
        self.run_for(0.1)
        lies: list[tuple[str, Any]] = [
            ("XREAD", 7),
            ("XREAD", [[b"log", [[b"x", []]]]]),
            ("XREAD", [[b"log", [[b"1-0", 5]]]]),
            ("XREAD", [[b"log"]]),
            ("XREAD", [[b"log", [[b"%b-0" % (b"9" * 99), []]]]]),
            ("TIME", b"noon"),
            ("TIME", []),
            ("XREVRANGE", [[b"a-b", []]]),
            ("XREVRANGE", b"OK"),
            ("HSCAN", [7, 7]),
            ("HSCAN", b"0"),
            ("GET", [b"1"]),
        ]
        for command, lie in lies:
            self.redis.lies = {command: lie}
            self.run_for(3)
            self.assertIn(b"ana", a.ask("DISCOVER", namespace="CIC")[0])
        self.redis.lies = {}
        self.run_for(5)
        self.assertEqual(a.shared.trouble, "")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_an_entry_that_cannot_be_read_is_left_out(self) -> None:
        a, b = self.pair()
        a.register("ana")
        self.run_for(0.1)
        self.redis.endless.add(len(self.redis.stream))
        self.redis.add(b"by", b"mallory", b"ch", b"x" * 99)
        b.register("bob")
        self.run_for(5)
        self.assertEqual((a.names, a.shared.trouble), ({"ana": 4000, "bob": 4000}, ""))
        self.assertEqual(self.logged("Left out what cannot be read"), 2, "once a server")
        b.register("ben")
        self.run_for(0.1)
        self.assertIn("ben", a.names)
        self.redis.down = True
        self.run_for(10)
        self.redis.down = False
        self.run_for(5)
        self.assertEqual(self.logged("Left out what cannot be read"), 2)

    def test_a_janitor_that_is_lied_to(self) -> None:
        pauses: list[float] = []

        async def paused(seconds: float) -> None:
            pauses.append(seconds)

        for lie, looks in (([b"0", [b"a"]], 0), ([b"7", []], 1000)):
            self.redis.lies = {"HSCAN": lie}
            self.redis.strings.clear()
            pauses.clear()
            connection = self.redis.connect()
            tidied = Deferred.fromCoroutine(tidy(connection, "a", "x:", lambda: WALL, paused))
            for _ in range(looks + 2):
                self.clock.advance(0.001)
            self.assertEqual((self.successResultOf(tidied), len(pauses)), (0, looks))
