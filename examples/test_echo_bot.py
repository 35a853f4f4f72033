"""Whole worlds around the echo bot: restarts, full disks, cut links, odd texts, another such bot.

python -m twisted.trial examples/test_echo_bot.py         or: pytest examples/test_echo_bot.py
"""

from pathlib import Path
from runpy import run_path
from unittest import TestCase

from p2pchat.testing import BotAccount, run_worlds

BOT = run_path(str(Path(__file__).with_name("echo_bot.py")))


def each_is_answered_once(account: BotAccount) -> None:
    """Whatever happened, the bot said one thing to each direct message that it was shown."""
    for turn in account.turns:
        asked = [text for text in turn.direct if not text.startswith(BOT["MARK"])]
        assert [said.text for said in turn.said] == [BOT["MARK"] + text for text in asked]


class EchoTests(TestCase):
    """One seed is one world; a failure names it, and tells the shortest story of it."""

    def test_it_lives_in_all_worlds(self) -> None:
        """In these at least: more of them find more."""
        counts = run_worlds(BOT["Echo"], seeds=range(12), check=each_is_answered_once)
        self.assertGreater(counts["said by a bot"], 20)
