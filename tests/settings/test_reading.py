"""Settings: what a file may hold, how a wrong value is refused, and which source wins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.levels import LEVELS
from p2pchat.settings import checks
from p2pchat.settings.checks import ConfigError, serve_address, split_address
from p2pchat.settings.reading import check, check_text, load, resolve
from p2pchat.settings.table import SETTINGS
from p2pchat.settings.values import Settings

EXAMPLE = str(Path(__file__).parents[2] / "config.example.json")
COURSE = str(Path(__file__).parents[2] / "examples" / "config.course.json")

ACCEPTED: list[tuple[str, object, object]] = [
    ("peer.name", "João", "João"),
    ("peer.name", "x" * 64, "x" * 64),
    ("peer.name", "ana maria", "ana maria"),
    ("peer.namespace", "日本語", "日本語"),
    ("peer.port", 0, 0),
    ("peer.port", 65535, 65535),
    ("peer.port", 4000.0, 4000),
    ("peer.interface", "::1", "::1"),
    ("rendezvous.host", "pyp2p.mfcaetano.cc", "pyp2p.mfcaetano.cc"),
    ("rendezvous.host", "[2001:db8::1]", "2001:db8::1"),
    ("rendezvous.serve", 8080, "8080"),
    ("rendezvous.serve", "0.0.0.0:8080", "0.0.0.0:8080"),
    ("rendezvous.serve", "[::]:8080", "[::]:8080"),
    ("rendezvous.ttl", 86400, 86400),
    ("connection.ping_interval", 0.5, 0.5),
    ("connection.reconnect_backoff_base", 1, 1.0),
    ("limits.peer_rate", 0, 0.0),
    ("logging.level", "debug", "DEBUG"),
    ("console.bell", False, False),
    ("console.bell", "Yes", True),
    ("logging.file", "-", "-"),
]

NUMBER = "expected a number above 0"
REFUSED: list[tuple[str, object, str]] = [
    ("connection.ping_interval", "soon", f'{NUMBER}, got "soon"'),
    ("connection.ping_interval", "30", f'{NUMBER}, got "30"'),
    ("connection.ping_interval", 0, f"{NUMBER}, got 0"),
    ("connection.ping_interval", -1.5, f"{NUMBER}, got -1.5"),
    ("connection.ping_interval", True, f"{NUMBER}, got true"),
    ("connection.ping_interval", None, f"{NUMBER}, got null"),
    ("connection.ping_interval", [], f"{NUMBER}, got []"),
    ("connection.ping_interval", float("nan"), f"{NUMBER}, got NaN"),
    (
        "connection.ping_interval",
        float("inf"),
        "expected a number of at most 1000000000, got Infinity",
    ),
    ("connection.ping_interval", "\x1b[2J", f'{NUMBER}, got "\\u001b[2J"'),
    ("connection.ping_interval", "x" * 999, f'{NUMBER}, got "{"x" * 58}…'),
    ("connection.reconnect_backoff_base", 0.9, "expected a number of at least 1, got 0.9"),
    ("limits.peer_rate", -1, "expected a number of 0 or more, got -1"),
    ("limits.max_links", 0, "expected a whole number above 0, got 0"),
    ("limits.max_links", 2.5, "expected a whole number above 0, got 2.5"),
    ("limits.max_links", False, "expected a whole number above 0, got false"),
    ("limits.max_links", 10**10, "expected a whole number of at most 1000000000, got 10000000000"),
    ("limits.max_links", float("inf"), "expected a whole number above 0, got Infinity"),
    ("limits.max_queue_bytes", 1, "expected a whole number of at least 65536, got 1"),
    ("peer.port", 65536, "expected a whole number from 0 to 65535, got 65536"),
    ("rendezvous.port", 0, "expected a whole number from 1 to 65535, got 0"),
    ("rendezvous.ttl", 86401, "expected a whole number from 1 to 86400, got 86401"),
    ("peer.name", "", 'expected a text of 1 to 64 characters, got ""'),
    ("peer.name", "  ", 'expected a text of 1 to 64 characters, got "  "'),
    ("peer.name", 7, "expected a text of 1 to 64 characters, got 7"),
    ("peer.namespace", "x" * 65, f'expected a text of 1 to 64 characters, got "{"x" * 58}…'),
    ("peer.name", "a@b", 'expected a text without @, got "a@b"'),
    ("peer.name", "a\nb", 'expected a text without control characters, got "a\\nb"'),
    (
        "peer.name",
        "b\u200bb",
        'expected a text without characters that cannot be seen, got "b\u200bb"',
    ),
    ("peer.name", "\ud800", 'expected a text without control characters, got "\\ud800"'),
    ("rendezvous.host", "", 'expected a host name or an IP address, got ""'),
    ("rendezvous.host", "a b", 'expected a host name or an IP address, got "a b"'),
    ("rendezvous.host", "a:b:c", 'expected a host name or an IP address, got "a:b:c"'),
    ("rendezvous.host", "http://a", 'expected a host name or an IP address, got "http://a"'),
    ("rendezvous.host", 5, "expected a host name or an IP address, got 5"),
    (
        "rendezvous.host",
        "a:80",
        'expected a host name or an IP address without a port, got "a:80"',
    ),
    ("rendezvous.serve", True, "expected [HOST:]PORT, got true"),
    ("rendezvous.serve", "x", 'expected [HOST:]PORT with a port from 1 to 65535, got "x"'),
    ("logging.level", "LOUD", 'expected one of DEBUG, INFO, WARNING, ERROR, got "LOUD"'),
    ("console.bell", "maybe", 'expected yes or no, got "maybe"'),
    ("console.bell", 1, "expected yes or no, got 1"),
    ("logging.level", 10, "expected one of DEBUG, INFO, WARNING, ERROR, got 10"),
    ("logging.file", " ", 'expected the name of a file, got " "'),
    ("logging.file", "a\0b", 'expected the name of a file, got "a\\u0000b"'),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


class CheckTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        for key, value, used in ACCEPTED:
            self.assertEqual((key, check(key, value)), (key, used))
            self.assertIs(type(check(key, value)), type(used))

    def test_refused_with_one_sentence(self) -> None:
        for key, value, sentence in REFUSED:
            with self.assertRaises(ConfigError) as caught:
                check(key, value)
            self.assertEqual(str(caught.exception), f"{key}: {sentence}")

    @given(st.sampled_from([setting.key for setting in SETTINGS]), JSON)
    def test_whatever_it_is_it_is_used_or_refused_in_a_printable_line(
        self, key: str, value: object
    ) -> None:
        try:
            used = check(key, value)
        except ConfigError as error:
            self.assertTrue(str(error).startswith(f"{key}: expected "))
            self.assertEqual(len(str(error).splitlines()), 1)
            self.assertLess(len(str(error)), 250)
        else:
            self.assertEqual(check(key, used), used)

    def test_text_from_a_command_line(self) -> None:
        for key, text, used in (
            ("peer.port", "4000", 4000),
            ("peer.port", "+4e3", 4000),
            ("connection.ping_interval", ".5", 0.5),
            ("connection.ping_interval", "2.", 2.0),
            ("peer.name", "123", "123"),
            ("rendezvous.serve", "8080", "8080"),
            ("logging.level", "warning", "WARNING"),
        ):
            self.assertEqual((key, check_text(key, text)), (key, used))

    def test_wrong_text_is_quoted_and_wrong_numbers_are_shown_as_typed(self) -> None:
        port = "--port: expected a whole number from 0 to 65535, got "
        for text, got in (
            ("soon", '"soon"'),
            ("", '""'),
            (" 4000", '" 4000"'),
            ("4_000", '"4_000"'),
            ("\u0664\u0660", '"\u0664\u0660"'),
            ("nan", '"nan"'),
            ("1e999", "1e999"),
            ("-1", "-1"),
            ("9" * 50, f'"{"9" * 50}"'),
        ):
            with self.assertRaises(ConfigError) as caught:
                check_text("peer.port", text)
            self.assertEqual(str(caught.exception), port + got)

    def test_a_value_that_json_cannot_show(self) -> None:
        circle: list[object] = []
        circle.append(circle)
        self.assertEqual(checks.shown(circle), "something that cannot be shown")

    def test_the_levels_are_those_of_the_log(self) -> None:
        self.assertEqual(checks.LEVELS, tuple(LEVELS))


class AddressTests(SynchronousTestCase):
    def test_splitting(self) -> None:
        for text, parts in (
            ("example.org", ("example.org", None)),
            ("example.org:80", ("example.org", "80")),
            ("example.org:", ("example.org", "")),
            (":80", ("", "80")),
            ("::1", ("::1", None)),
            ("[::1]", ("::1", None)),
            ("[::1]:80", ("::1", "80")),
            ("[::1]80", ("[::1]80", None)),
            ("[::1", ("[::1", None)),
        ):
            self.assertEqual(split_address(text), parts)

    def test_where_to_serve(self) -> None:
        for text, address in (
            ("8080", (None, 8080)),
            (":8080", (None, 8080)),
            ("localhost:1", ("localhost", 1)),
            ("[::1]:65535", ("::1", 65535)),
        ):
            self.assertEqual(serve_address(text), address)
        for text in ("", "x", "0", "65536", "a:b", "a b:80", "::1", "[::1]", "1.5"):
            self.assertRaises(checks.Unfit, serve_address, text)


class ResolveTests(SynchronousTestCase):
    def test_without_anything_there_are_the_defaults(self) -> None:
        settings = resolve({}, {})
        self.assertEqual(settings, Settings())
        self.assertEqual(
            (
                settings.connection.max_reconnect_attempts,
                settings.connection.reconnect_backoff_base,
                settings.connection.reconnect_backoff_max,
                settings.connection.ping_interval,
                settings.connection.ack_timeout,
                settings.connection.discovery_interval,
                settings.logging.level,
            ),
            (5, 2, 60, 30, 5, 60, "INFO"),
        )

    def test_the_shared_port_is_none_that_an_outgoing_connection_may_get(self) -> None:
        self.assertLess(Settings().rendezvous.local_port, 32_768)
        self.assertGreater(Settings().rendezvous.local_port, 1_023)

    def test_an_option_beats_the_file_and_the_file_the_default(self) -> None:
        settings = resolve({"peer.name": "option"}, {"peer.name": "file", "peer.namespace": "file"})
        self.assertEqual((settings.peer.name, settings.peer.namespace), ("option", "file"))
        self.assertEqual(settings.rendezvous.port, 8080)

    def test_settings_do_not_change(self) -> None:
        with self.assertRaises(AttributeError):
            resolve({}, {}).peer.name = "x"  # type: ignore[misc]

    def test_the_table_names_every_setting_once_and_every_default_fits(self) -> None:
        fields = [
            f"{section}.{field}"
            for section, values in msgspec.to_builtins(Settings()).items()
            for field in values
        ]
        self.assertEqual(sorted(setting.key for setting in SETTINGS), sorted(fields))
        self.assertEqual(len({setting.option for setting in SETTINGS}), len(SETTINGS))
        for setting in SETTINGS:
            default = getattr(getattr(Settings(), setting.section), setting.field)
            self.assertEqual(default, setting.default)
            if default is not None:
                self.assertEqual(check(setting.key, default), default)
                self.assertIs(type(check(setting.key, default)), type(default))


class LoadTests(SynchronousTestCase):
    def file(self, content: bytes) -> str:
        path: str = self.mktemp()
        with open(path, "wb") as file:
            file.write(content)
        self.addCleanup(os.remove, path)
        return path

    def test_names_that_are_there_twice_are_told(self) -> None:
        path = self.file(
            b'{"console": {"bell": true}, "peer": {"name": "a\\":", "name": "b", "name": "c"},'
            b' "console": {"bell": false}, "x": {"y": {"z": 1}}}'
        )
        values, warnings = load(path)
        self.assertEqual(values, {"peer.name": "c", "console.bell": False})
        told = [str(warning).removeprefix(f"{path}: ") for warning in warnings]
        self.assertEqual(
            told[:2],
            [
                "console is there twice: the last one counts",
                "peer.name is there twice: the last one counts",
            ],
        )

    def test_a_comment_has_its_sentence(self) -> None:
        for content, line in (
            (b'# a\n{"peer": {}}', 1),
            (b'{\n"peer": {}, // b\n"console": {}}', 2),
            (b'{"peer": {}\n  /* c */}', 2),
            (b'{"peer": {}}\n\n// d', 3),
        ):
            sentence = f"line {line} has a comment, and JSON has none: take it out"
            self.assertIn(sentence, self.refused(content))
        self.assertEqual(self.load({"peer": {"name": "# // /*"}})[1], [])

    def load(self, content: object) -> tuple[dict[str, Any], list[str]]:
        path = self.file(json.dumps(content).encode())
        values, sentences = load(path)
        warnings = [*map(str, sentences)]
        self.assertTrue(all(warning.startswith(f"{path}: ") for warning in warnings))
        return values, [warning.removeprefix(f"{path}: ") for warning in warnings]

    def refused(self, content: bytes) -> str:
        path = self.file(content)
        with self.assertRaises(ConfigError) as caught:
            load(path)
        return f"{caught.exception}".replace(path, "FILE")

    def test_any_part_may_be_missing(self) -> None:
        self.assertEqual(self.load({}), ({}, []))
        self.assertEqual(self.load({"peer": {}}), ({}, []))
        self.assertEqual(
            self.load({"peer": {"name": "alice"}, "logging": {"level": "error"}}),
            ({"peer.name": "alice", "logging.level": "ERROR"}, []),
        )

    def test_the_example_holds_the_defaults(self) -> None:
        with open(EXAMPLE, encoding="utf-8") as file:
            content = json.load(file)
        keys = [f"{section}.{field}" for section, fields in content.items() for field in fields]
        self.assertEqual(sorted(keys), sorted(setting.key for setting in SETTINGS))
        values, warnings = load(EXAMPLE)
        self.assertEqual((resolve({}, values), warnings), (Settings(), []))

    def test_the_example_of_the_course(self) -> None:
        values, warnings = load(COURSE)
        self.assertEqual(warnings, [])
        self.assertEqual(
            values,
            {
                "rendezvous.host": "pyp2p.mfcaetano.cc",
                "rendezvous.port": 8080,
                "peer.namespace": "CIC",
                "peer.name": "peer1",
                "peer.port": 4000,
                "logging.level": "INFO",
                "logging.file": "p2p_client.log",
            },
        )

    def test_null_is_the_default_where_the_default_is_none(self) -> None:
        self.assertEqual(self.load({"peer": {"name": None, "port": None}}), ({}, []))

    def test_a_wrong_value_is_refused(self) -> None:
        self.assertEqual(
            self.refused(b'{"connection": {"ping_interval": "soon"}}'),
            'connection.ping_interval: expected a number above 0, got "soon"',
        )

    def test_unknown_names_are_warnings_with_a_guess(self) -> None:
        values, warnings = self.load(
            {
                "conection": {},
                "connection": {"ping_intervall": 4, "zzzz": 5},
                "namespace": "x",
                "\x1b[2J": 1,
                "peer": {"port": 4001},
            }
        )
        self.assertEqual(values, {"peer.port": 4001})
        self.assertEqual(
            warnings,
            [
                "conection: unknown setting, ignored (did you mean connection?)",
                "connection.ping_intervall: unknown setting, ignored"
                " (did you mean connection.ping_interval?)",
                "connection.zzzz: unknown setting, ignored",
                "namespace: unknown setting, ignored (did you mean peer.namespace?)",
                "\\x1b[2J: unknown setting, ignored",
            ],
        )

    def test_many_warnings_are_cut(self) -> None:
        _, warnings = self.load({f"zz{number}": 0 for number in range(25)})
        self.assertEqual((len(warnings), warnings[-1]), (21, "… and 5 more unknown settings"))

    def test_sections_and_the_whole_are_objects(self) -> None:
        self.assertEqual(self.refused(b"[1]"), "FILE: expected an object, got [1]")
        self.assertEqual(
            self.refused(b'{"peer": "alice"}'), 'peer: expected an object, got "alice"'
        )
        self.assertEqual(self.refused(b'{"peer": null}'), "peer: expected an object, got null")

    def test_what_is_not_json_is_located(self) -> None:
        self.assertEqual(
            self.refused(b'{"peer":\n  {"name": alice}}'),
            "FILE: not JSON at line 2, column 12: Expecting value",
        )
        self.assertEqual(self.refused(b""), "FILE: not JSON at line 1, column 1: Expecting value")

    def test_a_byte_order_mark_is_fine(self) -> None:
        path = self.file('\ufeff{"peer": {"name": "olá"}}'.encode())
        self.assertEqual(load(path), ({"peer.name": "olá"}, []))

    def test_what_json_calls_numbers_and_nobody_else_does(self) -> None:
        for literal, got in ((b"NaN", "NaN"), (b"-Infinity", "-Infinity")):
            self.assertEqual(
                self.refused(b'{"connection": {"ping_interval": %s}}' % literal),
                f"connection.ping_interval: {NUMBER}, got {got}",
            )
        self.assertEqual(
            self.refused(b'{"peer": {"port": %s}}' % (b"9" * 5000)), "FILE: not a configuration"
        )

    def test_files_that_are_not_configurations(self) -> None:
        self.assertEqual(self.refused(b"\n\xff\xfe{}"), "FILE: line 2 is not UTF-8 text")
        self.assertEqual(self.refused(b" " * 100_001), "FILE: larger than 100000 bytes")
        self.assertEqual(self.refused(b"[" * 90_000), "FILE: not a configuration")

    def test_files_that_cannot_be_read(self) -> None:
        for path, reason in (
            ("/", "Is a directory"),
            ("/nonexistent/x.json", "No such file or directory"),
            ("a\0b", "embedded null byte"),
        ):
            with self.assertRaises(ConfigError) as caught:
                load(path)
            self.assertTrue(str(caught.exception).endswith(f": cannot be read: {reason}"))
