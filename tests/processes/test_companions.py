"""What other programs have of a node: what is opened, what may fail, and what must not."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any
from unittest import mock

from twisted.application.service import Service
from twisted.internet import reactor as _reactor
from twisted.trial.unittest import TestCase

from p2pchat.control.paths import ControlError
from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.node.figures import statistics
from p2pchat.service import companions
from p2pchat.service.companions import OFF, Companions
from p2pchat.settings.checks import ConfigError
from p2pchat.settings.values import Settings
from p2pchat.testing.nodes import FakeTown
from tests.processes.test_notify import Systemd
from tests.service.test_reload import changed
from tests.support.control_sockets import short_folder
from tests.support.loglines import captured

reactor: Any = _reactor


class CompanionsTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.town = FakeTown(3)
        self.addCleanup(self.town.close)
        self.node = self.town.node("alice@CIC")
        self.folder = short_folder(self)
        environ = {**os.environ, "XDG_RUNTIME_DIR": self.folder}
        self.patch(os, "environ", environ)
        self.log = captured(self)
        self.settings = self.node.settings

    def make(self, reread: Any = None, **values: object) -> Companions:
        self.node.settings = changed(self.settings, **values)
        made = Companions(reactor, self.node, stop=lambda: None, reread=reread)
        self.addCleanup(self.end, made)
        return made

    def end(self, made: Companions) -> Any:
        made.leaving()
        return made.stopService()

    def refused(self, **values: object) -> str:
        try:
            self.make(**values).listen()
        except (ConfigError, ControlError, CannotStartError) as why:
            return str(why)
        raise AssertionError("nothing was refused")

    # ------------------------------------------------------------ the control socket

    async def test_a_control_socket_without_asking(self) -> None:
        made = self.make()
        made.listen()
        made.startService()
        path = os.path.join(self.folder, "p2pchat", "alice@CIC.sock")
        self.assertTrue(os.path.exists(path))
        self.assertIn("control", statistics(self.node).snapshot())
        await self.end(made)
        self.assertFalse(os.path.exists(path))

    def test_none_when_it_is_off(self) -> None:
        made = self.make(control__path=OFF)
        made.listen()
        made.startService()
        self.assertIsNone(made.control)
        self.assertEqual(os.listdir(self.folder), [])

    def test_the_usual_one_may_fail(self) -> None:
        os.environ["XDG_RUNTIME_DIR"] = "/" + "x" * 200
        made = self.make()
        made.listen()
        made.startService()
        self.assertIsNone(made.control)
        self.assertIn("No control socket: /xxx", self.log()[0])
        self.assertIn("--control", self.log()[0])

    def test_one_that_was_named_must_not(self) -> None:
        self.assertIn("/no/x: No such file", self.refused(control__path=f"{self.folder}/no/x"))

    # ------------------------------------------------------------ metrics

    def test_metrics_without_the_extra(self) -> None:
        with mock.patch.dict(sys.modules, {"prometheus_client": None}):
            sys.modules.pop("p2pchat.service.metrics", None)
            self.assertIn('pip install ".[metrics]"', self.refused(metrics__address="9464"))

    async def test_metrics(self) -> None:
        class Fake(Service):
            name: str | None = "metrics"

            def __init__(self, *arguments: Any) -> None:
                self.arguments = arguments

            def listen(self) -> None:
                if self.arguments[3] == 1:
                    raise CannotStartError("taken")

        module = SimpleNamespace(MetricsService=Fake)
        modules = mock.patch.dict(sys.modules, {"p2pchat.service.metrics": module})
        modules.start()
        self.addCleanup(modules.stop)
        self.assertIn("taken", self.refused(control__path=OFF, metrics__address="1"))
        made = self.make(control__path=OFF, metrics__address="9464")
        made.listen()
        made.startService()
        service: Any = made.getServiceNamed("metrics")
        self.assertEqual(service.arguments[2:], ("127.0.0.1", 9464))
        self.assertTrue(service.running)
        await self.end(made)
        self.assertFalse(service.running)

    # ------------------------------------------------------------ hooks

    def test_a_hook_that_cannot_be_run(self) -> None:
        self.assertIn("/no/bot cannot be run", self.refused(hooks__message="/no/bot"))

    def test_a_hook_knows_where_to_answer(self) -> None:
        made = self.make(hooks__message=sys.executable)
        made.listen()
        made.startService()
        assert made.hook is not None
        assert made.control is not None
        self.assertEqual(made.hook._environ[b"P2PCHAT_PEER_ID"], b"alice@CIC")
        path = os.fsencode(made.control.path)
        self.assertEqual(made.hook._environ[b"P2PCHAT_CONTROL"], path)
        self.assertIn("hooks", statistics(self.node).snapshot())

    async def test_the_order(self) -> None:
        """Systemd's word ends before the node does, hooks and the control socket after it."""
        systemd = Systemd(os.path.join(self.folder, "notify"))
        self.addCleanup(systemd.socket.close)
        os.environ["NOTIFY_SOCKET"] = systemd.address
        made = self.make(hooks__message=sys.executable)
        made.listen()
        self.assertEqual([part.name for part in made], ["control", "page"])
        made.startService()
        self.assertEqual([part.name for part in made], ["control", "page", "hook", "notify"])
        self.assertTrue(all(part.running for part in made))
        assert made.hook is not None
        made.leaving()
        self.assertEqual([part.name for part in made], ["control", "page", "hook"])
        assert made.control is not None
        self.assertTrue(made.control.running and made.hook.running)
        await made.stopService()
        self.assertFalse(made.control.running or made.hook.running)

    # ------------------------------------------------------------ systemd and reload

    async def test_systemd_is_told(self) -> None:
        systemd = Systemd(os.path.join(self.folder, "notify"))
        self.addCleanup(systemd.socket.close)
        os.environ["NOTIFY_SOCKET"] = systemd.address
        made = self.make(lambda: (self.node.settings, []), control__path=OFF)
        made.listen()
        made.startService()
        ((ready, status),) = systemd.heard()
        self.assertEqual(ready, "READY=1")
        self.assertRegex(status, r"^STATUS=alice@CIC: 0 links, 0 peers known, not registered")
        self.assertEqual(made.reload(), ["nothing has changed"])
        reloading, again = systemd.heard()
        self.assertEqual((reloading[0], again), ("RELOADING=1", ["READY=1"]))
        made.leaving()
        self.assertEqual(systemd.heard()[0][0], "STOPPING=1")
        await made.stopService()

    def test_a_notify_socket_that_is_none(self) -> None:
        os.environ["NOTIFY_SOCKET"] = "vsock:2:3"
        made = self.make(control__path=OFF)
        made.listen()
        made.startService()
        self.assertIsNone(made._notify)

    def test_a_reload_begins_a_hook_and_reopens_the_log(self) -> None:
        reopened: list[float] = []
        self.patch(companions, "reopen", lambda: reopened.append(1))
        new = changed(self.settings, control__path=OFF, hooks__message=sys.executable)
        made = self.make(lambda: (new, ["config.json: hook.x: unknown setting"]), control__path=OFF)
        made.listen()
        made.startService()
        self.assertIsNone(made.hook)
        said = made.reload()
        told = f"hooks.message is {sys.executable} now, it was unset"
        self.assertEqual(said, ["config.json: hook.x: unknown setting", told])
        self.assertIsNotNone(made.hook)
        self.assertEqual(reopened, [1])
        self.assertIn("Reloaded: hooks.message", self.log()[-1])

    def test_a_reload_that_cannot_be(self) -> None:
        def wrong() -> tuple[Settings, list[str]]:
            raise ConfigError("limits.max_links: expected a number")

        for reread, why in (
            (wrong, "nothing was changed: limits.max_links"),
            (lambda: (changed(self.settings, hooks__message="/no/bot"), []), "cannot be run"),
            (None, "no settings to read again"),
        ):
            made = self.make(reread, control__path=OFF)
            self.assertIn(why, str(self.assertRaises(ConfigError, made.reload)))
            made.hang_up()
            self.assertIn("Not reloaded, nothing was changed: ", self.log()[-1])
