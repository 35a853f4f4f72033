"""Message ids are UUIDs of version 4; time stamps have the one form that every client reads."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.stamps import MessageIds, Timestamps


class MessageIdsTests(SynchronousTestCase):
    def test_every_id_is_a_canonical_uuid4(self) -> None:
        new_id = MessageIds(os.urandom)
        for _ in range(1000):
            text = new_id()
            parsed = uuid.UUID(text)
            self.assertEqual(str(parsed), text)
            self.assertEqual((parsed.version, parsed.variant), (4, uuid.RFC_4122))

    @given(st.binary(min_size=16, max_size=16))
    def test_only_version_and_variant_are_not_random(self, random: bytes) -> None:
        new_id = MessageIds(lambda count: random * (count // 16))
        self.assertEqual(new_id(), str(uuid.UUID(bytes=random, version=4)))

    def test_no_random_byte_is_used_twice(self) -> None:
        new_id = MessageIds(os.urandom)
        self.assertEqual(len({new_id() for _ in range(2000)}), 2000)

    def test_random_bytes_are_fetched_seldom(self) -> None:
        asked: list[int] = []

        def random_bytes(count: int) -> bytes:
            asked.append(count)
            return bytes(count)

        new_id = MessageIds(random_bytes)
        self.assertEqual(asked, [])
        for _ in range(4096 // 16):
            new_id()
        self.assertEqual(asked, [4096])
        new_id()
        self.assertEqual(asked, [4096, 4096])


class TimestampsTests(SynchronousTestCase):
    def test_utc_to_the_second(self) -> None:
        seconds = [0.0]
        timestamp = Timestamps(lambda: seconds[0])
        for now, text in (
            (0.0, "1970-01-01T00:00:00Z"),
            (0.999, "1970-01-01T00:00:00Z"),
            (1.0, "1970-01-01T00:00:01Z"),
            (1_700_000_000.5, "2023-11-14T22:13:20Z"),
            (1_700_000_000.9, "2023-11-14T22:13:20Z"),
            (1.0, "1970-01-01T00:00:01Z"),  # the wall clock was set back
        ):
            seconds[0] = now
            self.assertEqual(timestamp(), text)

    @given(st.floats(0, 4e9))
    def test_it_reads_back_as_the_same_second(self, now: float) -> None:
        read = datetime.strptime(Timestamps(lambda: now)(), "%Y-%m-%dT%H:%M:%SZ")
        self.assertEqual(read.replace(tzinfo=UTC).timestamp(), int(now))
