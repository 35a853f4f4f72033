"""The lines of a client of the control socket: requests, and what is none."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.requests import Request, RequestError, read_request
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

    @given(JSON)
    def test_any_json_is_read_or_refused(self, value: Any) -> None:
        try:
            read_request(json.dumps(value))
        except RequestError as why:
            self.assertEqual(why.code, "bad_request")
