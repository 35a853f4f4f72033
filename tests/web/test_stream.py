"""What goes to one page: frames, and what waits for one that does not read."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.events import encode_lines
from p2pchat.web.server import LAST_WRITE
from p2pchat.web.stream import ALIVE, BATCH, LARGEST, MOST_WAITING, Stream, frame


class FakeRequest:
    """Takes what a stream writes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.producer: Any = None
        self.finished = self.aborted = False
        self.channel = self

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        assert not self.finished
        self.written.append(data)

    def finish(self) -> None:
        assert self.producer is None
        self.finished = True

    def abort(self) -> None:
        self.aborted = True

    @property
    def events(self) -> list[Any]:
        lines = b"".join(self.written).split(b"\n")
        return [
            event for line in lines if line.startswith(b"data: ") for event in json.loads(line[6:])
        ]


class StreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.request, self.gone = Clock(), FakeRequest(), 0
        self.stream = Stream(self.request, self.clock, self._gone)
        self.number = 0

    def tearDown(self) -> None:
        self.stream.lost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.gone, 1)

    def _gone(self) -> None:
        self.gone += 1

    def tell(self, count: int = 1, text: str = "x") -> None:
        numbers = range(self.number + 1, self.number + count + 1)
        self.number += count
        data = encode_lines([{"event": "message", "text": text, "n": n} for n in numbers])
        if not self.stream.out.missed(count):
            self.stream.out.events(data, count)

    def numbers(self) -> list[int]:
        return [event["n"] for event in self.request.events if "n" in event]

    def test_what_comes_at_once_is_one_frame(self) -> None:
        for _ in range(10):
            self.tell(3)
        self.assertEqual(self.request.written, [])
        self.clock.advance(0)
        (first,) = self.request.written
        self.assertTrue(first.startswith(b'id: 30\ndata: [{"event":"message"'))
        self.assertTrue(first.endswith(b"]\n\n"))
        self.tell()
        self.clock.advance(BATCH / 2)
        self.tell()
        self.assertEqual(len(self.request.written), 1)
        self.clock.advance(BATCH / 2)
        self.assertEqual(len(self.request.written), 2)
        self.assertEqual(self.numbers(), [*range(1, 33)])

    def test_much_leaves_at_once(self) -> None:
        """Else the transport could not say that it is full."""
        self.tell(10, "x" * (LARGEST // 10))
        self.assertEqual(len(self.request.written), 1)

    def test_a_frame(self) -> None:
        self.assertEqual(frame(b'{"a":1}\n'), b'data: [{"a":1}]\n\n')
        self.assertEqual(
            frame(b'{"a":1,"n":7}\n{"b":2}\n'), b'id: 7\ndata: [{"a":1,"n":7},{"b":2}]\n\n'
        )
        evil = encode_lines([{"text": 'x,"n":99}\n\ndata: [1]', "n": 5}])
        self.assertTrue(frame(evil).startswith(b"id: 5\n"))
        self.assertEqual(frame(evil).count(b"\n"), 3)

    def test_a_sign_of_life(self) -> None:
        self.clock.advance(ALIVE)
        self.assertEqual(self.request.written, [b": \n\n"])
        self.request.producer.pauseProducing()
        self.clock.advance(ALIVE)
        self.assertEqual(len(self.request.written), 1)

    def test_a_page_that_does_not_read(self) -> None:
        """What waits is bounded; what is left out is counted, and told when it reads again."""
        self.request.producer.pauseProducing()
        for _ in range(2000):
            self.tell(1, "x" * 1000)
        self.clock.advance(1)
        self.assertEqual(self.request.written, [])
        self.request.producer.resumeProducing()
        self.clock.advance(1)
        told = sum(map(len, self.request.written))
        self.assertTrue(MOST_WAITING - 2000 < told < MOST_WAITING + 2000)
        left_out = [e["count"] for e in self.request.events if e["event"] == "left_out"]
        self.assertEqual(left_out, [2000 - len(self.numbers())])
        self.tell()
        self.clock.advance(1)
        self.assertEqual(self.numbers()[-1], 2001)

    def test_what_it_missed_comes_behind_where_it_is(self) -> None:
        def catch_up() -> dict[str, Any]:
            self.tell(2)
            return {"run": "r", "last": 9, "missed": 0}

        self.stream.begin(catch_up)
        self.assertEqual(len(self.request.written), 1)
        hello, *missed = self.request.events
        self.assertEqual(hello, {"event": "hello", "run": "r", "last": 9, "missed": 0})
        self.assertEqual([event["n"] for event in missed], [1, 2])

    def test_the_end_takes_the_last_words_along(self) -> None:
        self.stream.out.tell({"event": "closed"})
        self.stream.end()
        self.assertTrue(self.request.finished)
        self.assertEqual(self.request.events, [{"event": "closed"}])
        self.stream.end()
        self.stream.out.events(b'{"n":1}\n', 1)

    def test_the_end_does_not_wait_for_who_does_not_read(self) -> None:
        self.request.producer.pauseProducing()
        self.stream.out.tell({"event": "closed"})
        self.stream.end()
        self.assertFalse(self.request.aborted)
        self.clock.advance(LAST_WRITE)
        self.assertTrue(self.request.aborted)

    def test_one_that_reads_in_time_hears_the_end(self) -> None:
        self.request.producer.pauseProducing()
        self.stream.out.tell({"event": "closed"})
        self.stream.end()
        self.request.producer.resumeProducing()
        self.assertTrue(self.request.finished)
        self.assertEqual(self.request.events, [{"event": "closed"}])
