"""The request table of the protocol, section 2, row by row, and the parser against anything."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous import requests
from p2pchat.rendezvous.requests import (
    Discover,
    Invalid,
    Register,
    Request,
    Unregister,
    parse,
)
from tests.support import fuzz_targets
from tests.support.processes import ROOT

REGISTER = {"type": "REGISTER", "namespace": "CIC", "name": "alice", "port": 4000}


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def register(**changes: Any) -> Request:
    fields = REGISTER | changes
    return parse(line(**{key: value for key, value in fields.items() if value is not ...}))


def refused(request: Request) -> str:
    """The `message` of the error that answers `request`."""
    assert isinstance(request, Invalid), request
    return message_of(request.reply)


def message_of(reply: bytes) -> str:
    assert reply.endswith(b"\n")
    assert reply.count(b"\n") == 1
    fields = json.loads(reply)
    assert fields["status"] == "ERROR", fields
    message = fields["message"]
    assert isinstance(message, str)
    return message


class DocumentTests(SynchronousTestCase):
    def test_the_lines_in_the_protocol_are_requests_and_replies(self) -> None:
        page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
        section = page.partition("## Peer to rendezvous\n")[2]
        block = "\n".join(re.findall(r"^    (.*)$", section, re.M)).replace("\n ", "")
        lines = [each for each in block.split("\n") if each]
        asked = [parse(each.encode()) for each in lines if '"type"' in each]
        self.assertEqual({type(each) for each in asked}, {Register, Discover, Unregister})
        self.assertIn(requests.granted(7200, "203.0.113.7", 4000), [json_line(it) for it in lines])
        self.assertIn(requests.NO_MATCH, [json_line(it) for it in lines])

    def test_every_code_of_an_error_is_described(self) -> None:
        page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
        codes = [value for value in vars(requests).values() if isinstance(value, bytes)]
        codes += [it.reply for it in vars(requests).values() if isinstance(it, Invalid)]
        self.assertGreaterEqual(len(codes), 15)
        for code in (json.loads(each).get("message") for each in codes):
            self.assertTrue(code is None or f"`{code}`" in page, f"docs/protocol.md: `{code}`")


def json_line(text: str) -> bytes:
    return text.encode() + b"\n"


class LineTests(SynchronousTestCase):
    """What makes a request at all."""

    def test_unknown_commands(self) -> None:
        for bad in (
            b"PING",
            b"{",
            b"[]",
            b'["REGISTER"]',
            b'"REGISTER"',
            b"null",
            b"{}",
            b'{"type":null}',
            b'{"type":5}',
            b'{"type":["DISCOVER"]}',
            b'{"type":"PING"}',
            b'{"type":" DISCOVER"}',
            b'{"type":"DISCOVER "}',
            b'{"TYPE":"DISCOVER"}',
            b'\xef\xbb\xbf{"type":"DISCOVER"}',
            b'{"type":"DISCOVER","namespace":"\xff"}',
            b'{"type":"DISCOVER","other":"\xff"}',
            '{"type":"DISCOVER"}'.encode("utf-16"),
            b'{"type":"DISCOVER"} x',
            b"[" * 32_000,
            b'{"type":' * 6_000,
            b'{"type":"DISCOVER","other":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
            b'{"type":"DISCOVER","other":' + b"9" * 5_000 + b"}",
            b"\0",
        ):
            with self.subTest(bad=bad[:40]):
                self.assertEqual(refused(parse(bad)), "Unknown command")

    def test_empty_lines(self) -> None:
        for empty in (b"", b"\r", b"  \t "):
            self.assertEqual(refused(parse(empty)), "Empty request line")

    def test_type_in_any_case(self) -> None:
        for kind in ("DISCOVER", "discover", "Discover", "dIsCoVeR"):
            self.assertEqual(parse(line(type=kind)), Discover(None))
            self.assertEqual(parse(line(type=kind, port=[])), Discover(None))
        self.assertIsInstance(register(type="register"), Register)
        self.assertEqual(parse(line(type="unregister", namespace="a")), Unregister("a", None, None))

    def test_carriage_return_white_space_and_unknown_fields(self) -> None:
        expected = Register("CIC", "alice", 4000, 7200)
        self.assertEqual(parse(line(**REGISTER) + b"\r"), expected)
        self.assertEqual(parse(b" \t" + json.dumps(REGISTER, indent=1).encode()), expected)
        self.assertEqual(register(peer_id="alice@CIC", extra={"a": [1.5, None]}), expected)

    def test_nan_and_repeated_keys_are_read_as_python_reads_them(self) -> None:
        self.assertEqual(parse(b'{"type":"DISCOVER","other":NaN}'), Discover(None))
        self.assertEqual(
            parse(b'{"type":"PING","type":"DISCOVER","namespace":"a","namespace":"b"}'),
            Discover("b"),
        )


class RegisterTests(SynchronousTestCase):
    def test_usual(self) -> None:
        self.assertEqual(register(ttl=60), Register("CIC", "alice", 4000, 60))

    def test_any_characters_count_as_code_points(self) -> None:
        for name in ("olá", "😀" * 64, "\0", "a@b", " ", "\n", '"\\'):
            self.assertEqual(register(name=name, namespace=name), Register(name, name, 4000, 7200))
            raw = json.dumps(REGISTER | {"name": name}, ensure_ascii=False).encode()
            self.assertEqual(parse(raw), Register("CIC", name, 4000, 7200))

    def test_bad_names_and_namespaces(self) -> None:
        bad: Any
        for bad in (..., None, "", "x" * 65, 5, 1.5, True, [], {}, ["alice"], "\ud800", "a\udfffb"):
            with self.subTest(bad=bad):
                self.assertEqual(refused(register(name=bad)), "bad_name")
                self.assertEqual(refused(register(namespace=bad)), "bad_namespace")

    def test_ports(self) -> None:
        for port, expected in (
            (1, 1),
            (65535, 65535),
            ("4000", 4000),
            (" 4000 ", 4000),
            ("4_000", 4000),
            ("+4000", 4000),
            (4000.9, 4000),
            (65535.9, 65535),
            (True, 1),
            ("٤٠٠٠", 4000),
        ):
            with self.subTest(port=port):
                self.assertEqual(register(port=port), Register("CIC", "alice", expected, 7200))

    def test_bad_ports(self) -> None:
        bad: Any
        for bad in (
            *(..., None, [], [4000], {}, "", "abc", "4000.9", "0x10", "4 000"),
            *(float("nan"), float("inf"), float("-inf"), 0, -1, 65536, 0.9, False, "0", "65536"),
            *(10**300, -(10**300), 1e300, "9" * 5000, "\ud800"),
        ):
            with self.subTest(bad=str(bad)[:40]):
                self.assertEqual(refused(register(port=bad)), "bad_port")

    def test_ttls(self) -> None:
        for ttl, expected in (
            (..., 7200),
            (60, 60),
            ("60", 60),
            (" 6_0 ", 60),
            (True, 1),
            (60.9, 60),
            (0, 1),
            (-5, 1),
            (False, 1),
            (-(10**300), 1),
            (86_400, 86_400),
            (86_401, 86_400),
            (10**300, 86_400),
            (1e300, 86_400),
            ("-7", 1),
        ):
            with self.subTest(ttl=ttl):
                self.assertEqual(register(ttl=ttl), Register("CIC", "alice", 4000, expected))

    def test_bad_ttls(self) -> None:
        bad: Any
        for bad in (None, "x", "", [], {}, float("nan"), float("inf"), "60.5", "9" * 5000):
            with self.subTest(bad=str(bad)[:40]):
                self.assertEqual(refused(register(ttl=bad)), "bad_ttl")
        huge = line(**REGISTER)[:-1] + b',"ttl":1e400}'
        self.assertEqual(refused(parse(huge)), "bad_ttl")

    def test_order_of_the_checks(self) -> None:
        bad: dict[str, Any] = {"name": "", "ttl": None, "namespace": "", "port": 0}
        for field in ("name", "ttl", "namespace", "port"):
            self.assertEqual(refused(register(**bad)), f"bad_{field}")
            del bad[field]
        self.assertIsInstance(register(**bad), Register)


class DiscoverTests(SynchronousTestCase):
    def test_namespaces(self) -> None:
        self.assertEqual(parse(b'{"type":"DISCOVER"}'), Discover(None))
        self.assertEqual(parse(b'{"type":"DISCOVER","namespace":null}'), Discover(None))
        self.assertEqual(parse(b'{"type":"DISCOVER","namespace":"x"}'), Discover("x"))
        self.assertEqual(parse(line(type="DISCOVER", namespace="é" * 64)), Discover("é" * 64))

    def test_bad_namespaces(self) -> None:
        bad: Any
        for bad in ("", "x" * 65, 5, True, [], {}, "\ud800"):
            request = parse(line(type="DISCOVER", namespace=bad))
            self.assertEqual(refused(request), "bad_namespace")


class UnregisterTests(SynchronousTestCase):
    def unregister(self, **fields: Any) -> Request:
        return parse(line(type="UNREGISTER", **fields))

    def test_usual(self) -> None:
        self.assertEqual(
            self.unregister(namespace="a", name="b", port=4000), Unregister("a", "b", 4000)
        )
        self.assertEqual(self.unregister(namespace="a"), Unregister("a", None, None))
        self.assertEqual(
            self.unregister(namespace="a", name=None, port=None), Unregister("a", None, None)
        )
        self.assertEqual(self.unregister(namespace="a", port="4_000"), Unregister("a", None, 4000))

    def test_errors_are_for_registered_peers(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({}, "namespace_required"),
            ({"namespace": None, "port": "abc"}, "namespace_required"),
            ({"namespace": ""}, "bad_namespace"),
            ({"namespace": "x" * 65, "port": "abc"}, "bad_namespace"),
            ({"namespace": 5}, "bad_namespace"),
            ({"namespace": "a", "port": "abc"}, "bad_port (abc)"),
            ({"namespace": "a", "port": 0}, "bad_port (0)"),
            ({"namespace": "a", "port": 65536}, "bad_port (65536)"),
            ({"namespace": "a", "port": [1]}, "bad_port ([1])"),
            ({"namespace": "a", "port": float("inf")}, "bad_port (inf)"),
            ({"namespace": "a", "port": float("nan")}, "bad_port (nan)"),
            ({"namespace": "a", "port": "\x1b\ud800"}, "bad_port (\\x1b\\ud800)"),
            ({"namespace": "a", "name": ""}, "peer_credentials_do_not_match"),
            ({"namespace": "a", "name": 5}, "peer_credentials_do_not_match"),
            ({"namespace": "a", "name": "\ud800"}, "peer_credentials_do_not_match"),
        ]
        for fields, message in cases:
            with self.subTest(fields=fields):
                request = self.unregister(**fields)
                self.assertEqual(refused(request), message)
                assert isinstance(request, Invalid)
                self.assertTrue(request.of_a_registered_peer)
        self.assertFalse(parse(b"{").of_a_registered_peer)  # type: ignore[union-attr]

    def test_an_echoed_port_is_short(self) -> None:
        bad: Any
        for bad in ("x" * 30_000, [[[]]] * 3_000, 10**4_000):
            self.assertLess(len(refused(self.unregister(namespace="a", port=bad))), 100)
        number = parse(b'{"type":"UNREGISTER","namespace":"a","port":1' + b"0" * 4299 + b"}")
        self.assertTrue(refused(number).startswith("bad_port ("))

    def test_a_port_that_python_cannot_show(self) -> None:
        class Unshowable:
            def __str__(self) -> str:
                raise ValueError

        self.assertEqual(requests._shown(Unshowable()), "Unshowable")


class ReplyTests(SynchronousTestCase):
    def test_exact_bytes(self) -> None:
        self.assertEqual(
            requests.granted(7200, "192.0.2.1", 4000),
            b'{"status":"OK","ttl":7200,"ip":"192.0.2.1","port":4000}\n',
        )
        self.assertEqual(requests.OK, b'{"status":"OK"}\n')
        self.assertEqual(
            requests.TOO_LONG, b'{"status":"ERROR","message":"line_too_long","limit":32768}\n'
        )
        self.assertEqual(
            requests.TIMED_OUT,
            b'{"status":"ERROR","message":"Timeout: no data received, closing connection"}\n',
        )
        self.assertEqual(
            message_of(requests.blocked("192.0.2.1", 4711, 50, 59)),
            "Connection from 192.0.2.1:4711 has been blocked due to excessive login attempts "
            "(limit: 50). The block will be lifted in 59 seconds.",
        )


texts = st.one_of(
    st.text(max_size=70),
    st.text(st.characters(codec=None), max_size=5),
    st.sampled_from(["4000", " 4_000 ", "x" * 65, "\ud800", "REGISTER", "NaN"]),
)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(0, 70_000),
        st.floats(),
        texts,
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
kinds = st.sampled_from(["REGISTER", "DISCOVER", "UNREGISTER", "register", "Discover", "other"])
names = st.sampled_from(["CIC", "olá", "a" * 64, "a" * 65, "", "\U0001f600", "\ud83d"])
bodies = st.builds(
    lambda kind, plain, fields: {"type": kind} | plain | fields,
    kinds | values,
    st.fixed_dictionaries(
        {}, optional={"namespace": names, "name": names, "port": st.integers(0, 70_000)}
    ),
    st.dictionaries(
        st.sampled_from(["namespace", "name", "port", "ttl", "type", "other"]), values, max_size=4
    ),
)
lines = st.builds(
    lambda body, escaped: json.dumps(body, ensure_ascii=escaped).encode("utf-8", "surrogatepass"),
    bodies,
    st.booleans(),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A request line with a few bytes changed."""
    data = bytearray(draw(lines))
    for _ in range(draw(st.integers(1, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


class AnythingTests(SynchronousTestCase):
    """Properties of the parser, and of what is answered, over any bytes."""

    @settings(deadline=None, max_examples=400)
    @given(st.one_of(lines, damaged(), st.binary(max_size=200)))
    @example(b'{"type":"DISCOVER","other":"a\\qb"}')
    @example(b'{"type":"DISCOVER","other":"a\tb"}')
    @example(b'{"type":"DISCOVER","namespace":"a\x7fb"}')
    @example(b'{"type":"DISCOVER","namespace":"\\ud83d\\ude00"}')
    @example(b'{"type":"DISCOVER","namespace":"\\ud83d"}')
    @example(b'{"type":"REGISTER","name":"a","namespace":"a","port":4000.0}')
    @example(b'{"type":"REGISTER","name":"a","namespace":"a","port":4e3}')
    @example(b'{"type":"REGISTER","name":"a","namespace":"a","port":-0}')
    @example(b'{"type":"REGISTER","name":"a","namespace":"a","port":04000}')
    @example('{"type":"reg\u0131ster","name":"a","namespace":"a","port":1}'.encode())
    def test_the_short_cut_agrees_with_the_reference_and_never_raises(self, data: bytes) -> None:
        fuzz_targets.request(data)
        request = parse(data)
        self.assertEqual(request, requests._parse_odd(data))
        if isinstance(request, Invalid):
            message_of(request.reply)
        elif isinstance(request, Register):
            self.assertTrue(1 <= len(request.name) <= 64 and 1 <= len(request.namespace) <= 64)
            self.assertTrue(1 <= request.port <= 65_535 and 1 <= request.ttl <= 86_400)
            (request.name + request.namespace).encode()
            self.assertIs(type(request.port), int)

    @given(st.text())
    def test_an_error_is_one_line_of_json(self, message: str) -> None:
        self.assertEqual(message_of(requests.error(message)), message)
