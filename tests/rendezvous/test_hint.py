"""A key on its way from REGISTER to DISCOVER, over all stores."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.registration import Registration
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.replies import read_listings
from p2pchat.rendezvous.requests import Register, parse
from p2pchat.rendezvous.stores.changes import (
    GRANTED,
    Change,
    change_of,
    encoded,
    entry_in,
    field_of,
    hints_of,
    read_changes,
    read_field,
    registration_of,
    value_of,
)
from tests.support.replies import whole

KEY = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
IP = "192.0.2.1"


def line(**more: Any) -> bytes:
    fields = {"type": "REGISTER", "namespace": "CIC", "name": "bob", "port": 4000}
    return json.dumps(fields | more).encode()


class RequestTests(SynchronousTestCase):
    def test_what_is_a_key_is_a_hint_and_anything_else_is_none(self) -> None:
        for given, hint in (
            (KEY, KEY),
            ("", ""),
            (KEY[:-1], ""),
            (KEY + "A", ""),
            ("é" * 43, ""),
            ('"' * 43, ""),
            ("A" * 42 + "B", ""),
            (None, ""),
            (7, ""),
            ([KEY], ""),
            ({"key": KEY}, ""),
        ):
            with_it, without = parse(line(key=given)), parse(line())
            assert isinstance(with_it, Register)
            assert isinstance(without, Register)
            self.assertEqual((with_it.hint, without.hint), (hint, ""), given)
            self.assertEqual(with_it.namespace, without.namespace)

    def test_usual_ones_take_the_short_way(self) -> None:
        self.patch(json, "loads", None)
        for each in (line(), line(key=KEY), line(ttl=60, key=KEY)):
            self.assertIsInstance(parse(each), Register)


class ListedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.answers = Answers(Registry(), lambda: 100.0)

    def ask(self, request: bytes) -> bytes:
        return whole(self.answers.reply(request, IP))

    def listed(self) -> bytes:
        return self.ask(b'{"type":"DISCOVER"}')

    def test_without_a_hint_every_byte_is_as_it_was(self) -> None:
        granted = self.ask(line())
        self.assertEqual(granted, self.ask(line(key=KEY)))
        self.ask(line())
        self.assertEqual(
            self.listed(),
            b'{"status":"OK","peers":[{"ip":"192.0.2.1","port":4000,"name":"bob",'
            b'"namespace":"CIC","ttl":7200,"expires_in":7200}]}\n',
        )

    def test_a_hint_goes_with_its_registration_and_no_longer(self) -> None:
        for given, hint in ((KEY, KEY), (KEY, KEY), (None, ""), (KEY[:-1] + "A", KEY[:-1] + "A")):
            self.ask(line(**({} if given is None else {"key": given})))
            (listing,) = read_listings(self.listed())
            self.assertEqual(listing.key, hint)
            self.assertEqual(b"key" in self.listed(), bool(hint))

    def test_a_reply_of_another_server_with_any_key_is_read(self) -> None:
        entry = {"ip": IP, "port": 4000, "name": "bob", "namespace": "CIC", "ttl": 1}
        for key, read in ((KEY, KEY), (None, ""), (7, ""), ([], "")):
            entries = [entry | {"expires_in": 1, "key": key}]
            reply = json.dumps({"status": "OK", "peers": entries}).encode()
            (listing,) = read_listings(reply)
            self.assertEqual(listing.key, read)


class SharedTests(SynchronousTestCase):
    def change(self, hint: str, name: str = "bob") -> Change:
        it = Registration(IP, "CIC", name, 4000, 60, 160.0, hint=hint)
        return change_of(it, GRANTED, 0.0)

    def test_through_the_log(self) -> None:
        changes = [self.change(KEY), self.change("", "carol")]
        fields = [b"by", b"x", b"ch", encoded(changes), b"key", hints_of(changes)]
        self.assertEqual(entry_in(fields), (b"x", changes))
        # What a server reads that knows nothing of hints.
        self.assertEqual(read_changes(encoded(changes)), [self.change(""), changes[1]])

    def test_without_hints_the_log_is_as_it_was(self) -> None:
        changes = [self.change("")]
        self.assertEqual(encoded(changes), b'[[1,"192.0.2.1","CIC","bob",4000,60,160.0]]')
        self.assertEqual(hints_of(changes), b"")
        self.assertEqual(value_of(changes[0], "x"), b'[4000,60,160.0,"x"]')

    def test_what_is_no_hint_in_the_log_is_left_out(self) -> None:
        changes = [self.change(""), self.change("", "carol")]
        for hints in (b"", b"[", b"7", b'["x"]', b'["x","y"]', b'["",""]', b"[" * 5000, 7):
            fields = [b"by", b"x", b"ch", encoded(changes), b"key", hints]
            self.assertEqual(entry_in(fields), (b"x", changes), hints)

    def test_through_the_hash(self) -> None:
        for hint in (KEY, ""):
            change = self.change(hint)
            read = read_field(field_of(change), value_of(change, "x"))
            assert read is not None
            self.assertEqual(registration_of(read, None, 100.0, 100.0).hint, hint)
        read = read_field(field_of(change), b'[4000,60,160.0,"x","no key"]')
        assert read is not None
        self.assertEqual(read.hint, "")
