"""The key of the page, and the tokens for it."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.web.entering import LASTS, MOST, Entry


class EntryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.entry = Entry(os.urandom)

    def test_a_token_is_worth_the_key_once(self) -> None:
        token = self.entry.token(0.0)
        self.assertTrue(self.entry.waits(token, 1.0))
        self.assertEqual(self.entry.key_for(token, 1.0), self.entry.key)
        self.assertFalse(self.entry.waits(token, 1.0))
        self.assertIsNone(self.entry.key_for(token, 1.0))
        self.assertEqual((len(token), len(self.entry.key)), (43, 43))

    def test_it_is_worth_nothing_after_two_minutes(self) -> None:
        token = self.entry.token(0.0)
        self.assertIsNone(self.entry.key_for(token, LASTS))
        token = self.entry.token(0.0)
        self.assertIsNotNone(self.entry.key_for(token, LASTS - 0.001))

    def test_few_are_outstanding_and_the_oldest_goes(self) -> None:
        tokens = [self.entry.token(float(n)) for n in range(MOST + 1)]
        self.assertIsNone(self.entry.key_for(tokens[0], 20.0))
        self.assertIsNotNone(self.entry.key_for(tokens[1], 20.0))

    def test_what_is_wrong(self) -> None:
        token = self.entry.token(0.0)
        for wrong in ("", token[:-1], token + "0", token.swapcase(), "\ud800", "\u00e9" * 64):
            self.assertIsNone(self.entry.key_for(wrong, 1.0), wrong)
            self.assertFalse(self.entry.has_key(wrong))
        self.assertFalse(self.entry.has_key(token))

    def test_another_key(self) -> None:
        token, key = self.entry.token(0.0), self.entry.key
        self.entry.renew()
        self.assertFalse(self.entry.has_key(key))
        self.assertTrue(self.entry.has_key(self.entry.key))
        self.assertIsNone(self.entry.key_for(token, 1.0))
