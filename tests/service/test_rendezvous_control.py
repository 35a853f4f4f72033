"""What an administrator asks a running rendezvous: bans, lists, reloads, and how it is."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.proxied import ProxiedFactory
from p2pchat.rendezvous.registry import Registry, Verdict
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.rendezvous.settings import ServerSettings
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.service.rendezvous_companions import Configuring
from p2pchat.service.rendezvous_control import PAGE, ServerSocket
from p2pchat.service.rendezvous_figures import RunningServer
from p2pchat.service.rendezvous_reload import Reload
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence, plain
from p2pchat.turns import at_once
from tests.rendezvous.test_longest_turn import LIMIT, Reactor, registrations
from tests.support.control_sockets import Client
from tests.support.loglines import captured


class AtOnce:
    """A thread that is no thread."""

    def run(self, call: Callable[[], Any]) -> Deferred[Any]:
        return maybeDeferred(call)

    def stop(self) -> None: ...


class Disk:
    """As much of a database as the figures look at."""

    failing = True
    written = 7


class ControlCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp()).resolve()
        self.path.write_text("# ours\n")
        self.stopped: list[None] = []
        self.begin(str(self.path))

    def begin(self, path: str | None) -> None:
        self.registry = Registry()
        self.whole = Reload(self.clock, self.registry, path, lambda: None)
        self.whole._writer = cast("Any", AtOnce())
        self.server = RendezvousService(
            registry=self.registry,
            reactor=self.clock,
            monotonic=self.clock.seconds,
            in_front=lambda factory: ProxiedFactory(factory, ["10.0.0.1"]),
        )
        disk, seconds = cast("Persistence", Disk()), self.clock.seconds
        worries: list[Callable[[], str]] = [lambda: "", lambda: "shared: stale for 7 s"]
        self.running = RunningServer(self.server, self.whole, disk, seconds, 0.0, [], worries)
        stop = lambda: self.stopped.append(None)  # noqa: E731
        self.socket = ServerSocket(self.clock, self.running, "/nowhere/x.sock", stop)
        self.client = Client(self.socket)
        self.client.heard()
        self.addCleanup(self.client.hang_up)

    def register(self, name: str, ip: str = "192.0.2.1", ttl: int = 60) -> Verdict:
        return self.registry.register(ip, "n", name, 1, ttl, self.clock.seconds())

    def ask(self, do: str, text: str = "", **fields: Any) -> dict[str, Any]:
        return self.client.ask(do, text=text, **fields)


class BanTests(ControlCase):
    def test_a_ban_holds_at_once_and_is_written(self) -> None:
        self.register("mallory")
        self.register("eve")
        answer = self.ask("ban", "mallory@n")
        self.assertEqual(answer["line"], "banned mallory@n: 1 registration ended")
        self.assertIs(self.register("mallory"), Verdict.BANNED)
        self.assertEqual(self.path.read_text(), "# ours\nmallory@n\n")
        self.assertEqual(self.ask("ban", "mallory@n")["line"], "mallory@n is banned already")
        self.assertEqual(self.ask("unban", "mallory@n")["line"], "mallory@n is not banned any more")
        self.assertIs(self.register("mallory"), Verdict.GRANTED)
        self.assertEqual(self.path.read_text(), "# ours\n")
        self.assertEqual(self.ask("unban", "mallory@n")["error"], "there is no entry mallory@n")

    def test_without_a_file_it_holds_until_the_server_stops(self) -> None:
        self.begin(None)
        self.assertIn("no ban-file", self.ask("ban", "*@n")["line"])
        self.assertIs(self.register("a"), Verdict.BANNED)
        self.assertEqual(self.running.troubles()[-1], "bans: 1 hold until the server stops only")
        self.assertTrue(self.ask("reload")["ok"])
        self.assertIs(self.register("a"), Verdict.BANNED)
        self.assertTrue(self.ask("unban", "*@n")["ok"])
        self.assertIs(self.register("a"), Verdict.GRANTED)

    def test_one_that_cannot_be_written_holds_and_says_so(self) -> None:
        self.path.unlink()
        self.path.mkdir()
        self.assertIn("ban-file", self.ask("ban", "a@n")["error"])
        self.path.rmdir()
        self.path.write_text("")

        def fail(_: str) -> None:
            raise OSError(28, "No space left on device")

        add = self.whole.bans.add
        self.patch(self.whole.bans, "add", fail)
        self.assertIn("not written (No space left on device)", self.ask("ban", "a@n")["line"])
        self.assertIs(self.register("a"), Verdict.BANNED)
        self.whole.read()
        self.assertIs(self.register("a"), Verdict.BANNED)
        self.patch(self.whole.bans, "add", add)
        self.assertNotIn("not written", self.ask("ban", "a@n")["line"])
        self.assertEqual(self.path.read_text(), "a@n\n")

    def test_a_file_that_somebody_broke_meanwhile(self) -> None:
        self.path.write_text("who\n")
        answer = self.ask("ban", "a@n")
        self.assertIn("line 1: expected an address", answer["error"])
        self.assertIs(self.register("a"), Verdict.GRANTED)
        self.path.write_text("")
        self.whole.read()
        self.assertIs(self.register("a"), Verdict.GRANTED)

    def test_what_is_no_entry_is_refused(self) -> None:
        for text in ("", "who", "a@b\nc@d", "# x"):
            self.assertEqual(self.ask("ban", text)["code"], "refused", text)
        self.assertEqual(self.path.read_text(), "# ours\n")

    def test_what_refuses_everybody_has_to_be_meant(self) -> None:
        for text in (
            *("*@*", "**@*", "0.0.0.0/0", "::/0", "10.0.0.0/7", "2000::/3", "::ffff:0:0/96"),
            *("127.0.0.1", "127.9.9.9", "127.0.0.0/24", "::1", "::/16", "::ffff:127.0.0.1"),
        ):
            said = self.ask("ban", text)
            self.assertIn("--yes", said.get("error", ""), text)
        self.assertEqual(self.path.read_text(), "# ours\n")
        self.assertIn("banned *@*", self.ask("ban", "*@*", sure=True)["line"])
        self.assertIs(self.register("a"), Verdict.BANNED)
        self.assertTrue(self.ask("unban", "*@*")["ok"])
        for text in ("*@n", "a@*", "*a@*", "11.0.0.0/8", "2001:db8::/32"):
            self.assertTrue(self.ask("ban", text)["ok"], text)

    def test_many_at_once_come_one_after_the_other(self) -> None:
        for number in range(50):
            self.client.say({"do": "ban", "text": f"p{number}@n"})
        self.assertEqual(len(self.client.heard()), 50)
        self.assertEqual(self.path.read_text().count("\n"), 51)
        self.assertIs(self.register("p0"), Verdict.BANNED)
        self.assertIs(self.register("p49"), Verdict.BANNED)


class ListTests(ControlCase):
    def test_a_list_comes_in_pages_of_one_moment(self) -> None:
        self.registry.per_address = 0
        count = 2 * PAGE + 1
        for number in range(count):
            self.register(f"p{number}")
        first = self.ask("list")
        self.register("late")
        second, third = self.ask("more"), self.ask("more")
        rows = [row for each in (first, second, third) for row in each["registrations"]]
        self.assertEqual([row["name"] for row in rows], [f"p{number}" for number in range(count)])
        self.assertEqual([each["more"] for each in (first, second, third)], [True, True, False])
        self.assertEqual(
            rows[0],
            {"ip": "192.0.2.1", "namespace": "n", "name": "p0", "port": 1, "ttl": 60}
            | {"expires_in": 60},
        )
        self.assertEqual(self.ask("more")["code"], "refused")

    def test_only_some_and_none_that_has_ended(self) -> None:
        self.register("ana")
        self.register("bob", "2001:db8::1", ttl=1)
        for entry, names in (
            ("", ["ana", "bob"]),
            ("*@n", ["ana", "bob"]),
            ("b*@n", ["bob"]),
            ("192.0.2.0/24", ["ana"]),
            ("2001:db8::/32", ["bob"]),
            ("x@y", []),
        ):
            rows = self.ask("list", entry)["registrations"]
            self.assertEqual([row["name"] for row in rows], names, entry)
        self.assertEqual(self.ask("list", "who")["code"], "refused")
        self.clock.advance(2)
        self.assertEqual(len(self.ask("list")["registrations"]), 1)

    def test_who_does_not_read_costs_one_page(self) -> None:
        self.registry.per_address = 0
        for number in range(PAGE):
            self.register(f"p{number}" + "x" * 50)
        self.client.wire.pauseReader()
        for _ in range(100):
            self.client.say({"do": "list"})
        self.assertLess(self.client.connection.out._waiting_bytes, 1_000_000)

    def test_who_is_gone_is_forgotten(self) -> None:
        self.registry.per_address = 0
        for number in range(PAGE + 1):
            self.register(f"p{number}")
        self.ask("list")
        requests = cast("Any", self.socket.factory.requests)
        self.assertEqual(len(requests._lists), 1)
        self.client.hang_up()
        self.assertEqual(len(requests._lists), 0)


class StateTests(ControlCase):
    def test_how_it_is(self) -> None:
        self.register("ana")
        self.clock.advance(3)
        status = self.ask("status")
        self.assertEqual((status["registered"], status["uptime_seconds"]), (1, 3.0))
        self.assertEqual(status["ill"], "the server does not listen")
        self.assertEqual(
            [each.partition(":")[0] for each in status["troubles"]], ["shared", "database"]
        )
        self.whole.stopping = True
        self.assertEqual(self.ask("status")["ill"], "the server is stopping")

    def test_every_figure_has_a_value(self) -> None:
        stats = self.ask("stats")["stats"]
        self.assertEqual(
            [*stats],
            ["program", "registry", "requests", "connections", "balancers", "database", "log"],
        )
        self.assertEqual(stats["database"], {"failing": 1, "batches": 7})
        json.dumps(stats)
        self.assertIn(
            "registry: registered 0", "\n".join(self.ask("stats", format="text")["lines"])
        )

    def test_what_is_not_understood(self) -> None:
        self.assertEqual(self.ask("send")["code"], "unknown_request")

    def test_stop(self) -> None:
        self.assertTrue(self.ask("stop")["ok"])
        self.clock.advance(0)
        self.assertEqual(len(self.stopped), 1)


class ReloadTests(ControlCase):
    def setUp(self) -> None:
        super().setUp()
        self.settings = ServerSettings()
        self.warnings: list[Sentence] = []
        self.configuring = Configuring(self.settings, self.server)
        self.whole.configure = self.configuring
        self.whole.reread = lambda: (self.settings, self.warnings)
        self.lines = captured(self)

    def change(self, **sections: dict[str, Any]) -> None:
        for section, values in sections.items():
            part = replace(getattr(self.settings, section), **values)
            self.settings = replace(self.settings, **{section: part})

    def test_what_can_change_does_and_the_rest_is_named(self) -> None:
        self.path.write_text("a@n")
        self.change(
            server={"ban_file": str(self.path), "port": 9, "drain": 1.0},
            limits={"per_minute": 7, "connections": 3, "registrations": 5, "idle": 1.0},
        )
        self.warnings.append(plain("x.json: odd"))
        said = self.ask("reload")["lines"]
        self.assertIn("server.port needs a restart to become 9", said)
        self.assertIn("limits.per_minute is 7 now, it was 50", said)
        self.assertEqual(said[0], "x.json: odd")
        self.assertIn("0 registrations ended", said[-1])
        factory = self.server.factory
        self.assertEqual((factory.throttle.limit, factory.limits.idle), (7, 1.0))
        self.assertEqual((factory.connections.limit, self.registry.limit), (3, 5))
        self.assertEqual(self.server.drain, 1.0)
        self.assertIs(self.register("a"), Verdict.BANNED)
        self.assertEqual(self.ask("reload")["lines"][1], "server.port needs a restart to become 9")
        self.change(server={"ban_file": None, "port": 8080})
        self.ask("reload")
        self.assertIs(self.register("a"), Verdict.GRANTED)

    def test_a_file_that_cannot_be_used_changes_nothing(self) -> None:
        self.path.write_text("who")
        self.change(server={"ban_file": str(self.path)}, limits={"per_minute": 7})
        self.assertIn("line 1", self.ask("reload")["error"])
        self.assertEqual(self.server.factory.throttle.limit, Limits().per_minute)

        def wrong() -> tuple[ServerSettings, list[Sentence]]:
            raise ConfigError("x.json: not JSON")

        self.whole.reread = wrong
        self.assertEqual(self.ask("reload")["error"], "x.json: not JSON")

    def test_systemd_is_told(self) -> None:
        told: list[str] = []

        class Told:
            def reloading(self) -> None:
                told.append("reloading")

            def reloaded(self) -> None:
                told.append("reloaded")

        self.whole.notify = cast("Any", Told())
        self.whole.running = True
        self.ask("reload")
        self.path.write_text("who")
        self.change(server={"ban_file": str(self.path)})
        self.ask("reload")
        self.assertEqual(told, ["reloading", "reloaded"] * 2)


class LongestTurnTests(SynchronousTestCase):
    def test_a_list_of_all_places(self) -> None:
        clock = Reactor()
        registry = Registry(per_address=0)
        at_once(registry.restoring(registrations()))
        whole = Reload(clock, registry, None, lambda: None)
        server = RendezvousService(registry=registry, reactor=clock, monotonic=lambda: 0.0)
        running = RunningServer(server, whole, None, lambda: 0.0, 0.0, [], [])
        client = Client(ServerSocket(clock, running, "/nowhere/x.sock", lambda: None))
        self.addCleanup(client.hang_up)
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        client.heard()
        longest, began = 0.0, time.process_time()
        client.say({"do": "list", "text": "*9@n*"})
        while True:
            longest = max(longest, time.process_time() - began)
            if not clock.calls:
                break
            began = time.process_time()
            clock.turn()
        self.assertEqual(len(client.heard()[0]["registrations"]), PAGE)
        self.assertLess(longest, LIMIT)
