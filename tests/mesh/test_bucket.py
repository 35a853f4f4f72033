"""A rate that holds on average, with one second's worth at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.bucket import TokenBucket


class TokenBucketTests(SynchronousTestCase):
    def test_a_second_s_worth_at_once(self) -> None:
        bucket = TokenBucket(10, now=100.0)
        self.assertEqual(bucket.take(10, 100.0), 0.0)

    def test_more_has_to_wait_until_the_rate_holds(self) -> None:
        bucket = TokenBucket(10, now=100.0)
        self.assertEqual(bucket.take(15, 100.0), 0.5)
        self.assertEqual(bucket.take(5, 100.5), 0.5)
        self.assertEqual(bucket.take(0, 101.0), 0.0)

    def test_idleness_is_not_saved_up(self) -> None:
        bucket = TokenBucket(10, now=0.0)
        self.assertEqual(bucket.take(10, 1000.0), 0.0)
        self.assertEqual(bucket.take(1, 1000.0), 0.1)

    def test_zero_is_no_limit(self) -> None:
        bucket = TokenBucket(0, now=0.0)
        self.assertEqual(bucket.take(1e12, 0.0), 0.0)

    def test_a_burst_may_be_more_than_a_second_s_worth(self) -> None:
        bucket = TokenBucket(10, now=0.0, burst=30)
        self.assertEqual(bucket.take(30, 0.0), 0.0)
        self.assertEqual(bucket.take(1, 0.0), 0.1)

    def test_some_of_many_are_as_many_as_there_are(self) -> None:
        bucket = TokenBucket(10, now=0.0, burst=30)
        self.assertEqual(bucket.take_some(7, 0.0), 7)
        self.assertEqual(bucket.take_some(100, 0.0), 23)

    def test_few_at_once_wait_for_a_second_s_worth(self) -> None:
        bucket = TokenBucket(10, now=0.0, burst=30)
        bucket.take(28, 0.0)
        self.assertIsNone(bucket.take_some(3, 0.0))
        self.assertEqual(bucket.take_some(2, 0.0), 2)
        self.assertIsNone(bucket.take_some(100, 0.5))
        self.assertAlmostEqual(bucket.second_in, 0.501)
        self.assertEqual(bucket.take_some(100, 0.5 + bucket.second_in), 10)

    def test_filled_by_hand(self) -> None:
        bucket = TokenBucket(10, now=0.0, burst=30)
        bucket.fill_a_second()
        self.assertEqual(bucket.take_some(100, 0.0), 30)
        bucket.fill_a_second()
        self.assertEqual(bucket.take_some(100, 0.0), 10)

    @given(
        st.floats(0.1, 1e4),
        st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 10)), max_size=50),
    )
    def test_who_waits_as_told_stays_below_the_rate(
        self, rate: float, taken: list[tuple[int, float]]
    ) -> None:
        bucket = TokenBucket(rate, now=0.0)
        now, total, wait = 0.0, 0.0, 0.0
        for count, pause in taken:
            now += wait + pause
            # What had been taken until now, the burst of the first second included.
            self.assertLessEqual(total, rate * (now + 1) * 1.000001 + 1e-6)
            wait = bucket.take(count, now)
            self.assertGreaterEqual(wait, 0.0)
            total += count
            self.assertLessEqual(wait, total / rate)

    @given(st.floats(0.1, 1e4), st.integers(1, 50), st.integers(1, 50))
    def test_who_stays_below_the_rate_never_waits(
        self, rate: float, count: int, times: int
    ) -> None:
        bucket = TokenBucket(rate, now=0.0)
        pause = count / rate * 1.000001
        for n in range(1, times + 1):
            wait = bucket.take(min(count, rate), n * pause)
            self.assertLess(wait, 1e-6)
