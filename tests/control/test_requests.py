"""The lines of a client of the control socket: requests, and what is none."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.requests import Request, RequestError, TooLong, read_request
from tests.support.lines import JSON


class ReadingTests(SynchronousTestCase):
    def test_a_request_and_what_it_leaves_out(self) -> None:
        request = read_request('{"id":7,"do":"send","to":"bob@CIC","text":"oi","new":1}')
        self.assertEqual((request.id, request.do, request.to), (7, "send", "bob@CIC"))
        self.assertEqual(read_request('{"do":"x"}'), Request(do="x"))

    def test_what_is_none(self) -> None:
        for line in ("", "{", "[]", "{}", '{"do":1}', '{"do":"x","id":[]}', "[" * 100_000):
            with self.assertRaises(RequestError) as caught:
                read_request(line)
            self.assertEqual(caught.exception.code, "bad_request")

    def test_the_id_of_what_cannot_be_read(self) -> None:
        for line, found in (
            ('{"id":4,"do":"send","text":"a"b"}', 4),
            ('{"do":"send","text":"5" tall","id":5}', 5),
            ('{"id":6,"do":"sen', 6),
            ('{"do":"send","id":"seven","x":NaN}', "seven"),
            ('{"id":8} trailing', 8),
            (TooLong('{"id":9,"text":"yyy'), 9),
            (TooLong('{"text":"y","id":10'), None),
            ('{"x":{"id":11},,}', None),
            ('{"text":"\\"id\\":12",,}', None),
            ('{"id":[13],"do":"log"}', None),
            ('{"id":1,"do":' + '"' * 200_000, 1),
        ):
            with self.assertRaises(RequestError) as caught:
                read_request(line)
            self.assertEqual(caught.exception.fields.get("id"), found, line[:60])

    @given(JSON)
    def test_any_json_is_read_or_refused(self, value: Any) -> None:
        try:
            read_request(json.dumps(value))
        except RequestError as why:
            self.assertEqual(why.code, "bad_request")
