"""What is taken: the forms that real clients send, each as the message that it means."""

from __future__ import annotations

from p2pchat.wire.codec import decode, raw_json
from p2pchat.wire.liberal import read_liberally
from p2pchat.wire.messages import Ack, Bye, ByeOk, Hello, HelloOk, Ping, Pub, Send, Unknown
from tests.support.lines import KINDS, TYPES, WireTestCase, fields_of, line_of, read_as


class AcceptedTests(WireTestCase):
    """Rows 1, 2, 4 and 5 of what p2pchat accepts, as far as a line shows them."""

    def test_a_newline_a_carriage_return_or_nothing_ends_the_line(self) -> None:
        for end in (b"", b"\n", b"\r\n", b"\r", b" \t\r\n"):
            self.assertSame(decode(b'{"type":"BYE"}' + end), Bye())
            self.assertSame(decode(b'{"type":"BYE","src":null}' + end), Bye())

    def test_raw_utf8_and_escapes_are_the_same(self) -> None:
        for payload in ('"olá 👩"', '"ol\\u00e1 \\ud83d\\udc69"'):
            line = f'{{"type":"SEND","msg_id":"i","payload":{payload}}}'.encode()
            self.assertSame(decode(line), Send("i", payload="olá 👩"))

    def test_white_space_and_escaped_keys(self) -> None:
        line = b' \t{ "\\u0074ype" :\t"SEND" ,\r"msg_id" : "i" , "payload" : "x" } '
        self.assertSame(decode(line), Send("i", payload="x"))

    def test_unknown_fields_are_ignored(self) -> None:
        values: tuple[object, ...] = (1, None, [1, {"a": "b"}], {"deep": [[[[]]]]}, "text")
        for value in values:
            self.assertSame(decode(line_of(type="ACK", msg_id="i", extra=value)), Ack("i"))

    def test_unknown_types_are_told_by_name(self) -> None:
        for kind in ("RELAY", "HELLO_REJECT", "WHO_HAS", "ERROR", "hello", "", "SEND "):
            self.assertEqual(decode(line_of(type=kind, msg_id="i")), Unknown(kind))

    def test_a_type_that_is_no_string_is_unknown(self) -> None:
        for kind, name in (
            (None, "null"),
            (7, "7"),
            (1.5, "1.5"),
            (True, "true"),
            (["SEND"], '["SEND"]'),
            ({"a": 1}, '{"a": 1}'),
        ):
            self.assertEqual(decode(line_of(type=kind)), Unknown(name))
        self.assertEqual(decode(b"{}"), Unknown("null"))

    def test_an_unknown_type_is_shortened_and_made_printable(self) -> None:
        message = read_as(decode(line_of(type="\x1b[2J" + "x" * 30_000)), Unknown)
        self.assertTrue(message.type.startswith("\\x1b[2Jxxx"))
        self.assertLess(len(message.type), 50)

    def test_hello_version_and_features_and_ttl_of_any_kind(self) -> None:
        for kind, name in ((Hello, "HELLO"), (HelloOk, "HELLO_OK")):
            for odd in (
                {"version": 1.0},
                {"version": None},
                {"features": None},
                {"features": ["ack", None, 7]},
                {"features": {"ack": True}},
                {"ttl": None},
                {"ttl": "1"},
                {"ttl": 1.0},
                {"timestamp": 1.5},
                {"agent": None},
                {"instance": 7},
            ):
                hello = read_as(decode(line_of(type=name, peer_id="a@b", **odd)), kind)
                self.assertEqual((hello.peer_id, hello.ttl), ("a@b", 1), odd)
                self.assertEqual((hello.agent, hello.instance), ("", ""), odd)

    def test_hello_odd_version_and_features_as_read(self) -> None:
        hello = read_as(decode(line_of(type="HELLO", peer_id="a@b", version=1.0)), Hello)
        self.assertEqual(hello.version, "1.0")
        hello = read_as(decode(line_of(type="HELLO", peer_id="a@b", features=["ack", 7])), Hello)
        self.assertEqual(hello.features, ("ack",))
        hello = read_as(decode(line_of(type="HELLO", peer_id="a@b", features=None)), Hello)
        self.assertEqual(hello.features, ())

    def test_hello_with_nothing_but_a_peer_id(self) -> None:
        line = line_of(type="HELLO", peer_id="a@b")
        self.assertSame(decode(line), Hello("a@b"))
        self.assertSame(read_liberally(line), Hello("a@b"))

    def test_hello_with_src_instead_of_peer_id(self) -> None:
        for odd in ({}, {"peer_id": None}, {"peer_id": 7}):
            for kind, name in ((Hello, "HELLO"), (HelloOk, "HELLO_OK")):
                hello = read_as(decode(line_of(type=name, src="a@b", **odd)), kind)
                self.assertEqual(hello.peer_id, "a@b")

    def test_hello_with_no_id_at_all(self) -> None:
        for odd in ({}, {"peer_id": None}, {"peer_id": ["a@b"]}, {"src": 7}):
            self.assertEqual(read_as(decode(line_of(type="HELLO", **odd)), Hello).peer_id, "")

    def test_agent_and_instance_survive_an_odd_hello(self) -> None:
        line = line_of(type="HELLO", peer_id="a@b", version=1.0, agent="p2pchat/9", instance="x")
        self.assertLiberal(line)
        hello = read_as(decode(line), Hello)
        self.assertEqual((hello.agent, hello.instance), ("p2pchat/9", "x"))

    def test_timestamps_of_any_kind(self) -> None:
        timestamps: tuple[object, ...] = (
            "2024-05-01T10:00:00Z",
            "2024-05-01T10:00:00+02:00",
            "2024-05-01T10:00:00",
            1714557600.25,
            1714557600,
            None,
            {"odd": []},
        )
        for timestamp in timestamps:
            for name, kind in zip(TYPES, KINDS, strict=True):
                message = decode(line_of(type=name, msg_id="i", peer_id="a@b", timestamp=timestamp))
                self.assertIs(type(message), kind)
        self.assertSame(decode(line_of(type="ACK", msg_id="i")), Ack("i"))

    def test_require_ack_missing_or_null_is_false(self) -> None:
        for odd, wanted in (
            ({}, False),
            ({"require_ack": None}, False),
            ({"require_ack": False}, False),
            ({"require_ack": "no"}, False),
            ({"require_ack": 0}, False),
            ({"require_ack": []}, False),
            ({"require_ack": True}, True),
            ({"require_ack": "true"}, True),
            ({"require_ack": "True"}, True),
            ({"require_ack": 1}, True),
        ):
            message = read_as(decode(line_of(type="SEND", msg_id="i", **odd)), Send)
            self.assertIs(message.require_ack, wanted, odd)

    def test_ack_with_from_with_src_and_dst_or_without_a_timestamp(self) -> None:
        for odd in ({}, {"from": "a@b"}, {"src": "a@b", "dst": "c@d"}, {"timestamp": None}):
            self.assertSame(decode(line_of(type="ACK", msg_id="i", **odd)), Ack("i"))

    def test_an_ack_without_an_id_acknowledges_nothing(self) -> None:
        self.assertSame(decode(line_of(type="ACK")), Ack(None))

    def test_a_ttl_of_any_kind(self) -> None:
        for odd, wanted in (
            (None, 1),
            ("", 1),
            ("x", 1),
            ("nan", 1),
            ([], 1),
            ({}, 1),
            (True, 1),
            (1.0, 1),
            (0.5, 1),
            ("7", 1),
            ("inf", 1),
            (3, 3),
            (10**30, 10**30),
            (False, 0),
            (0, 0),
            (0.0, 0),
            (-0.5, 0),
            ("0", 0),
            ("-1", 0),
            ("-inf", 0),
            (-7, -7),
            (-(10**400), -(10**400)),
        ):
            for name in TYPES:
                message = decode(line_of(type=name, msg_id="i", peer_id="a@b", ttl=odd))
                assert not isinstance(message, Unknown)
                self.assertEqual(fields_of(message)["ttl"], wanted, (name, odd))
                # The same with the liberal reading of something else in the line.
                message = read_liberally(line_of(type=name, msg_id="i", ttl=odd))
                assert not isinstance(message, Unknown)
                self.assertEqual(fields_of(message)["ttl"], wanted, (name, odd))

    def test_pub_dst_as_it_comes(self) -> None:
        for odd, dst in (
            ({"dst": "*"}, "*"),
            ({"dst": "#CIC"}, "#CIC"),
            ({"dst": "CIC"}, "CIC"),
            ({"dst": "a@b"}, "a@b"),
            ({"dst": None}, ""),
            ({"dst": 7}, ""),
            ({}, ""),
        ):
            message = read_as(decode(line_of(type="PUB", msg_id="i", payload="x", **odd)), Pub)
            self.assertEqual((message.dst, message.payload), (dst, "x"))

    def test_bye_without_src_dst_or_reason_or_with_dest(self) -> None:
        for odd, wanted in (
            ({}, Bye()),
            ({"msg_id": "i", "dest": "a@b"}, Bye("i")),
            ({"msg_id": 7, "dst": "*", "reason": "x"}, Bye(7, dst="*", reason="x")),
            ({"src": None, "dst": None, "reason": None}, Bye()),
            ({"src": "a@b", "reason": ["x"]}, Bye(src="a@b")),
        ):
            self.assertSame(decode(line_of(type="BYE", **odd)), wanted)

    def test_bye_ok_with_any_id(self) -> None:
        for msg_id in (None, "i", 7, 1.5, True, ["i"], {"a": 1}, "\ud800"):
            self.assertSame(decode(line_of(type="BYE_OK", msg_id=msg_id)), ByeOk(msg_id))
        self.assertSame(decode(line_of(type="BYE_OK")), ByeOk())
        self.assertSame(decode(line_of(type="BYE_OK", src=7, dst="a@b")), ByeOk(dst="a@b"))

    def test_a_payload_that_is_no_string_is_its_json_text(self) -> None:
        for payload, text in (
            (7, "7"),
            (1.5, "1.5"),
            (None, "null"),
            (True, "true"),
            (["olá", 1], '["olá", 1]'),
            ({"a": {"b": None}}, '{"a": {"b": null}}'),
        ):
            for kind, name in ((Send, "SEND"), (Pub, "PUB")):
                message = read_as(decode(line_of(type=name, msg_id="i", payload=payload)), kind)
                self.assertEqual(message.payload, text)
        self.assertEqual(read_as(decode(line_of(type="SEND", msg_id="i")), Send).payload, "")

    def test_ids_of_any_kind_come_through_as_they_are(self) -> None:
        for msg_id in ("", "i", 7, -(10**30), 1.5, True, None, [1, ["x"]], {"a": None}, "\ud800"):
            for name in ("SEND", "PUB", "ACK", "BYE", "BYE_OK"):
                message = decode(line_of(type=name, msg_id=msg_id))
                self.assertEqual(fields_of(read_as(message, type(message)))["msg_id"], msg_id)
        self.assertIsNone(read_as(decode(line_of(type="SEND")), Send).msg_id)

    def test_the_last_of_repeated_keys_counts(self) -> None:
        line = b'{"type":"SEND","msg_id":"i","payload":"a","payload":"b"}'
        self.assertSame(decode(line), Send("i", payload="b"))
        line = b'{"type":"SEND","type":"PING","msg_id":"i"}'
        self.assertSame(decode(line), Ping(raw_json("i")))
