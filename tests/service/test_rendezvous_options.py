"""The rendezvous server's options: right and wrong values, --help, and the log under twistd."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from unittest import mock

import msgspec
from twisted.python.usage import Options as ParentOptions
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.levels import get_level, set_level
from p2pchat.logs.output import TWISTD_LOGGER
from p2pchat.rendezvous.settings import ServerSettings
from p2pchat.service import command_line
from p2pchat.service.rendezvous_options import RendezvousOptions


class OptionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(set_level, get_level())

    def parse(self, *words: str) -> RendezvousOptions:
        options = RendezvousOptions()
        options.parseOptions(list(words))
        return options

    def leaves(self, *words: str) -> tuple[str, int]:
        """What is written to standard error, and the exit status."""
        with (
            mock.patch.object(sys, "stderr", io.StringIO()) as stderr,
            self.assertRaises(SystemExit) as left,
        ):
            self.parse(*words)
        return stderr.getvalue(), left.exception.code

    def test_defaults(self) -> None:
        settings = self.parse().settings
        self.assertEqual(settings, ServerSettings())
        self.assertEqual(
            msgspec.to_builtins(settings),
            {
                "server": {
                    "port": 8080,
                    "interface": None,
                    "listen": None,
                    "proxy_protocol": (),
                    "database": None,
                    "ban_file": None,
                    "drain": 5.0,
                },
                "shared": {"redis": None, "ack": "commit", "prefix": "p2pchat:"},
                "limits": {
                    "per_minute": 50,
                    "connections": 700,
                    "registrations": 100_000,
                    "per_address": 256,
                    "idle": 5.0,
                    "total": 30.0,
                },
                "logging": {
                    "level": "INFO",
                    "file": None,
                    "format": "text",
                    "max_bytes": 10_000_000,
                    "files": 5,
                },
                "control": {"path": None},
                "metrics": {"address": None},
            },
        )

    def test_all_of_them(self) -> None:
        settings = self.parse(
            *("--port", "0", "--interface", "[::1]", "--database", "x.db", "--log-level", "debug"),
            *("--connections-per-minute=0", "--max-connections=5", "--max-registrations=7"),
            *("--registrations-per-address=0", "--ban-file=x.bans"),
            *("--idle-timeout=.5", "--request-timeout=9", "--log-file=a.log", "--drain=0"),
            *("--log-format=JSON", "--log-max-bytes=2000", "--log-files=2", "--control=c.sock"),
            *("--metrics=9464", "--listen=tcp:1", "--proxy-protocol=192.0.2.1,10.0.0.7/8,unix"),
        ).settings
        self.assertEqual(
            msgspec.to_builtins(settings),
            {
                "server": {
                    "port": 0,
                    "interface": "::1",
                    "listen": "tcp:1",
                    "proxy_protocol": ("192.0.2.1/32", "10.0.0.0/8", "unix"),
                    "database": os.path.abspath("x.db"),
                    "ban_file": os.path.abspath("x.bans"),
                    "drain": 0.0,
                },
                "shared": {"redis": None, "ack": "commit", "prefix": "p2pchat:"},
                "limits": {
                    "per_minute": 0,
                    "connections": 5,
                    "registrations": 7,
                    "per_address": 0,
                    "idle": 0.5,
                    "total": 9.0,
                },
                "logging": {
                    "level": "DEBUG",
                    "file": "a.log",
                    "format": "json",
                    "max_bytes": 2000,
                    "files": 2,
                },
                "control": {"path": os.path.abspath("c.sock")},
                "metrics": {"address": "9464"},
            },
        )

    def test_wrong_values_are_named(self) -> None:
        for words, sentence in (
            (
                ("--port", "abc"),
                '--port: expected a whole number from 0 to 65535, got "abc"\n',
            ),
            (("--port", "70000"), "--port: expected a whole number from 0 to 65535, got 70000\n"),
            (
                ("--max-connections", "0"),
                "--max-connections: expected a whole number above 0, got 0\n",
            ),
            (("--idle-timeout", "-1"), "--idle-timeout: expected a number above 0, got -1\n"),
            (
                ("--log-level", "x"),
                '--log-level: expected one of DEBUG, INFO, WARNING, ERROR, got "x"\n',
            ),
            (
                ("--interface", "a b"),
                '--interface: expected a host name or an IP address, got "a b"\n',
            ),
            (
                ("--shared", "localhost:6379"),
                "--shared: expected redis://HOST:PORT/DB or "
                'redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB, got "localhost:6379"\n',
            ),
            (
                ("--shared-ack", "later"),
                '--shared-ack: expected commit or memory, got "later"\n',
            ),
            (
                ("--shared-prefix", "a b"),
                '--shared-prefix: expected 1 to 64 letters, digits and any of : . _ -, got "a b"\n',
            ),
            (
                ("--shared", "redis://localhost", "--database", "x.db"),
                "--shared: Redis takes the place of a database: choose one of the two\n",
            ),
            (("--database", "/none/x"), "--database: there is no folder /none\n"),
            (("--database", "/"), "--database: / is a folder, not a file\n"),
        ):
            with self.subTest(words=words):
                self.assertEqual(self.leaves(*words), (sentence, 2))

    def written(self, content: str) -> str:
        path = Path(self.mktemp()).resolve()
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        path.chmod(0o600)
        return str(path)

    def test_an_option_beats_the_file_which_beats_the_default(self) -> None:
        path = self.written('{"server":{"port":9,"interface":"::1","odd":1},"limits":{"idle":1}}')
        options = self.parse("--config", path, "--port", "7")
        place = options.settings.server
        self.assertEqual((place.port, place.interface, place.drain), (7, "::1", 5.0))
        self.assertEqual(options.settings.limits.idle, 1.0)
        (warning,) = options.warnings
        self.assertIn("server.odd: unknown setting", str(warning))
        Path(path).write_text('{"server":{"interface":"::"}}')
        settings, warnings = options.reread()
        self.assertEqual((settings.server.port, settings.server.interface), (7, "::"))
        self.assertEqual((settings.limits.idle, warnings), (5.0, []))
        Path(path).chmod(0o622)
        self.assertIn("somebody else may change it", str(options.reread()[1][0]))

    def test_a_wrong_file_is_named_and_so_is_the_setting(self) -> None:
        for content, sentence in (
            ("{", "not JSON at line 1, column 2"),
            (
                '{"server":{"port":"9"}}',
                'server.port: expected a whole number from 0 to 65535, got "9"',
            ),
            ('{"server":{"database":"/none/x"}}', "server.database: there is no folder /none"),
            ('{"server":{"listen":"unix:/x"}}', "server.listen: a UNIX socket tells no"),
            ('{"server":{"proxy_protocol":"bob"}}', "server.proxy_protocol: expected addresses"),
        ):
            told, status = self.leaves("--config", self.written(content))
            self.assertIn(sentence, told)
            self.assertEqual((status, told.count("\n")), (2, 1))
        self.assertIn("cannot be read", self.leaves("--config", "/none/x")[0])
        told, _ = self.leaves("--config", self.written("{}"), "--listen", "unix:/x")
        self.assertTrue(told.startswith("--listen: a UNIX socket"), told)

    def test_what_is_not_understood(self) -> None:
        for words in (("--prot", "1"), ("stray",), ("--port",)):
            sentence, status = self.leaves(*words)
            self.assertEqual(status, 2)
            self.assertEqual(sentence.count("\n"), 1)

    def test_help_names_every_option_and_its_default(self) -> None:
        shown = str(RendezvousOptions())
        for option in RendezvousOptions().longOpt:
            self.assertIn(f"--{option.rstrip('=')} ", shown)
        for default in ("(8080)", "(50)", "(700)", "(100000)", "(256)", "(5)", "(30)", "(INFO)"):
            self.assertIn(default, shown)

    def test_under_twistd(self) -> None:
        for nodaemon, logfile, words, path in (
            (True, None, (), "-"),
            (False, None, (), "twistd.log"),
            (False, "own.log", (), "own.log"),
            (True, "own.log", ("--log-file", "ours.log"), "ours.log"),
        ):
            options = RendezvousOptions()
            options.parent = ParentOptions()
            options.parent.update(nodaemon=nodaemon, debug=False, logfile=logfile, logger=None)
            with mock.patch.object(command_line, "prepare_twistd") as prepare:
                options.parseOptions([*words])
            self.assertEqual(prepare.call_args.args[1], path)
            self.assertEqual(options.parent["logger"], TWISTD_LOGGER)

    def test_under_twistd_with_a_logger_of_the_person_s(self) -> None:
        options = RendezvousOptions()
        options.parent = ParentOptions()
        options.parent.update(nodaemon=True, debug=False, logfile=None, logger="mine")
        with mock.patch.object(command_line, "prepare_twistd"):
            options.parseOptions([])
        self.assertEqual(options.parent["logger"], "mine")

    def test_under_twist(self) -> None:
        for chosen, words, path, ours in (
            (sys.stdout, (), "-", True),
            (io.StringIO(), (), "-", False),
            (io.StringIO(), ("--log-file=a.log",), "a.log", True),
        ):
            options = RendezvousOptions()
            options.parent = ParentOptions()
            options.parent["logFile"] = chosen
            with mock.patch.object(command_line, "prepare_twistd") as prepare:
                options.parseOptions([*words])
            self.assertEqual(prepare.call_args.args[1], path)
            self.assertEqual("fileLogObserverFactory" in options.parent, ours)
