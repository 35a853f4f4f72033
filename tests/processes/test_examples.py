"""The examples run as they are, and the unit files are what systemd understands."""

from __future__ import annotations

import grp
import os
import pwd
import re
import runpy
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from p2pchat.logs.file import LogFile
from p2pchat.node.figures import statistics
from p2pchat.node.history_figures import HISTORY
from p2pchat.node.stats import FigureKind
from p2pchat.testing import connected_pair
from tests.processes.test_service import ServiceCase
from tests.support.control_sockets import ControlledTown
from tests.support.processes import ROOT, Program

EXAMPLES = ROOT / "examples"


class BotTests(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        # The examples call `p2pchat`, which the tests run from the checkout.
        script = Path(self.runtime, "p2pchat-bin", "p2pchat")
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m p2pchat "$@"\n')
        script.chmod(0o700)
        self.path = {"PATH": f"{script.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"}

    async def person(self, *options: str) -> Program:
        return self.chat("bob", "--no-control", "--history", "none", *options)

    async def echoes(self, bob: Program, bot: str, mark: str = " ") -> None:
        await bob.expect(f"connected: .{bot}")
        bob.say(f"/msg {bot} olá, ação ✓ 'and' \"quotes\" $HOME")
        await bob.expect(rf"^{mark}\[{bot}\] echo: olá, ação ✓ 'and' \"quotes\" \$HOME$")
        bob.say("/pub * to everyone")
        bob.say(f"/msg {bot} echo: an echo")
        bob.say(f"/msg {bot} the last")
        await bob.expect(rf"^{mark}\[{bot}\] echo: the last$")
        self.assertNotIn("echo: to everyone", bob.output)
        self.assertNotIn("echo: echo:", bob.output)

    async def test_the_bot_in_python(self) -> None:
        _, port = await self.rendezvous()
        where = f"127.0.0.1:{port}"
        words = ("echo", "lobby", "127.0.0.1", str(port))
        bot = self.start("bot", sys.executable, str(EXAMPLES / "echo_bot.py"), *words, stdin=False)
        await bot.expect("echo@lobby listens on port")
        bob = await self.person("--rendezvous", where)
        await self.echoes(bob, "echo@lobby", mark="~")  # it has no key
        import signal

        bot.signal(signal.SIGINT)
        self.assertEqual(await bot.ended, 0, bot.output)
        await bob.expect(".echo@lobby. has left")

    async def test_the_bot_in_shell(self) -> None:
        await self.node("alice")
        bot = self.start("bot", str(EXAMPLES / "echo_bot.sh"), environ=self.path)
        await self.subscribed()
        await self.echoes(await self.person(*self.group), "alice@lobby")
        self.assertEqual(bot.output, "")
        await self.run_client(0, "stop")
        await bot.ended

    async def subscribed(self) -> None:
        """Wait until the bot hears of messages."""
        import json

        for _ in range(100):
            stats = json.loads(await self.run_client(0, "stats", "--json"))
            if stats["control"]["subscribers"]:
                return
        raise AssertionError("the bot never subscribed")

    async def test_the_bot_as_a_hook(self) -> None:
        program = str(EXAMPLES / "hook.py")
        node = await self.node("alice", "--on-message", program, environ=self.path)
        await self.echoes(await self.person(*self.group), "alice@lobby")
        self.assertNotIn("The hook", node.output)


class ObeyingTests(SynchronousTestCase):
    """The hook that obeys one person, with programs beside it that note how they were called."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        for name, does in (("p2pchat", f'echo "$@" > {self.folder}/said'), ("uptime", "echo up")):
            program = self.folder / name
            program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
            program.chmod(0o755)

    def obeys(self, **event: str) -> bool:
        import json

        environ = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "P2PCHAT_PEER_ID": "bot@CIC",
            "P2PCHAT_CONTROL": "/run/socket",
            "P2PCHAT_MASTER": "ana@CIC",
        }
        order = {"from": "ana@CIC", "to": "bot@CIC", "text": "uptime", "security": "verified"}
        subprocess.run(
            [sys.executable, str(EXAMPLES / "obeying_hook.py")],
            input=json.dumps({**order, **event}),
            text=True,
            check=True,
            env=environ,
        )
        said = self.folder / "said"
        if not said.exists():
            return False
        self.assertIn("--security verified -- ana@CIC -", said.read_text(encoding="utf-8"))
        said.unlink()
        return True

    def test_it_obeys_a_verified_message_of_that_person_alone(self) -> None:
        self.assertTrue(self.obeys())
        for other in (
            {"security": "encrypted"},
            {"security": "plain"},
            {"from": "eve@CIC"},
            {"to": "#CIC"},
            {"text": "uptime; reboot"},
        ):
            self.assertFalse(self.obeys(**other), other)


class FakeBotTests(SynchronousTestCase):
    """The same bot in the fake network, as the tests of other people's bots may do it."""

    def test_it_answers_direct_messages(self) -> None:
        town, echo, bob = connected_pair(seed=5)
        bot = runpy.run_path(str(EXAMPLES / "echo_bot.py"))
        echo.observers.add(bot["Echo"](echo))
        for text in ("olá", "echo: olá"):
            bob.send(echo.me.peer_id, text)
        bob.publish("*", "to everyone")
        town.run(1)
        self.assertEqual(town.seen(bob).texts, ["echo: olá"])
        town.close()

    def test_a_name_that_cannot_be(self) -> None:
        bot = runpy.run_path(str(EXAMPLES / "echo_bot.py"))
        left = self.assertRaises(SystemExit, bot["main"], "a" * 65, "CIC", "localhost", "1")
        self.assertIn("cannot be our name", str(left))


class LogrotateTests(SynchronousTestCase):
    """What logrotate does as the example says, and what a log makes of it."""

    def test_a_log_goes_on_in_a_new_file(self) -> None:
        program = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if program is None:
            raise SkipTest("there is no logrotate")
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(mode=0o700)
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
        example = (EXAMPLES / "logrotate" / "p2pchat").read_text()
        text = example.replace("su p2pchat p2pchat", f"su {user} {group}")
        text = text.replace("/var/log/p2pchat/", f"{folder}/")
        self.assertNotEqual(text, example)
        configuration = folder / "configuration"
        configuration.write_text(text)
        configuration.chmod(0o600)
        path = folder / "node.log"
        log = LogFile(str(path), max_bytes=10**9, files=5, warn=self.fail)
        self.addCleanup(log.close)
        log.open(0.0)
        log.write("one\n", 0.0)
        state = str(folder / "state")
        rotated: Any = subprocess.run(
            [program, "-f", "-s", state, str(configuration)], capture_output=True, text=True
        )
        self.assertEqual((rotated.returncode, rotated.stderr), (0, ""))
        log.write("two\n", 0.5)
        log.write("three\n", 2.0)
        (moved,) = folder.glob("node.log-*")
        self.assertEqual(moved.read_text(), "one\ntwo\n", "nothing is lost meanwhile")
        self.assertEqual(path.read_text(), "three\n")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)


class ClusterTests(SynchronousTestCase):
    def test_all_of_it_finds_a_folder_that_is_named_from_here(self) -> None:
        here = Path(self.mktemp()).resolve()
        programs = here / "bin"
        programs.mkdir(parents=True)
        for name in ("redis-server", "redis-sentinel", "haproxy", "p2pchat-rendezvous", "sleep"):
            Path(programs, name).write_text('#!/bin/sh\necho "$@"\n')
            Path(programs, name).chmod(0o700)
        path = {"PATH": f"{programs}:{os.environ['PATH']}"}
        script = str(EXAMPLES / "cluster" / "run")
        subprocess.run([script, "data"], cwd=here, env=path, capture_output=True, timeout=30)
        for log in ("redis-1", "redis-2", "sentinel-26379"):
            said = (here / "data" / f"{log}.log").read_text()
            self.assertIn(str(here / "data" / log), said)


class PrometheusTests(SynchronousTestCase):
    path = EXAMPLES / "prometheus" / "p2pchat.rules.yml"

    def test_prometheus_understands_the_rules(self) -> None:
        if shutil.which("promtool") is None:
            raise SkipTest("there is no promtool")
        checked: Any = subprocess.run(
            ["promtool", "check", "rules", str(self.path)], capture_output=True, text=True
        )
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_there_are_such_figures(self) -> None:
        place = ControlledTown()
        self.addCleanup(place.close)
        sections = {section.name: section.figures for section in statistics(place.alice).sections}
        sections["history"] = HISTORY
        there = {
            f"p2pchat_{name}_{figure}"
            + ("_total" if each[figure].kind is FigureKind.COUNTER else "")
            for name, each in sections.items()
            for figure in each
        }
        rules = re.findall(r"expr: (.*)", self.path.read_text())
        named = set(re.findall(r"p2pchat_\w+", " ".join(rules)))
        self.assertGreater(len(named), 8)
        self.assertEqual(named - there, set())


class UnitFileTests(SynchronousTestCase):
    def test_systemd_understands_them(self) -> None:
        if shutil.which("systemd-analyze") is None:
            raise SkipTest("there is no systemd-analyze")
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        names = []
        for path in sorted((EXAMPLES / "systemd").iterdir()):
            # The programs are not installed where the examples expect them.
            text = re.sub(r"/usr/local/bin/p2pchat\S*", "/bin/true", path.read_text())
            names.append(str(folder / path.name))
            Path(names[-1]).write_text(text)
        found: Any = subprocess.run(
            ["systemd-analyze", "verify", *names], capture_output=True, text=True
        )
        if "Failed to" in found.stderr and "p2pchat" not in found.stderr:
            raise SkipTest(found.stderr)
        self.assertEqual((found.returncode, found.stderr), (0, ""))

    def test_their_options_exist(self) -> None:
        from p2pchat.service.chat_options import ChatOptions
        from p2pchat.service.rendezvous_options import RendezvousOptions

        for path in (EXAMPLES / "systemd").glob("*.service"):
            for line in re.findall(r"^ExecStart=(.*)$", path.read_text(), re.M):
                program, *words = line.split()
                options = RendezvousOptions if program.endswith("rendezvous") else ChatOptions
                known = {name.rstrip("=") for name in options().longOpt}
                for word in words:
                    if word.startswith("--"):
                        self.assertIn(word[2:], known, path.name)
