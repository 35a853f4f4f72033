"""Worlds around bots: what is wrong with a bot is found, told, and the same each time."""

from __future__ import annotations

import contextlib
from pathlib import Path
from runpy import run_path
from typing import TypeAlias
from unittest import TestResult, defaultTestLoader

from twisted.trial.unittest import SynchronousTestCase

from p2pchat import ChatNode, NotSentError, Observer, Peer, Pub, Send, Status
from p2pchat.testing import BotAccount, run_worlds
from p2pchat.testing.worlds import bot_life, bots
from p2pchat.testing.worlds.bot_life import MakeBot
from p2pchat.testing.worlds.bots import BotWorld, Check, bots_of

ROOT = Path(__file__).parents[2]
Messages: TypeAlias = list[Send | Pub]


class Bot(Observer):
    """Says "ok" to every direct message but another "ok"."""

    def __init__(self, node: ChatNode) -> None:
        self.node = node

    def received(self, peer: Peer, messages: Messages) -> None:
        for message in messages:
            if isinstance(message, Send) and message.payload != "ok":
                self.answer(peer, message.payload)

    def answer(self, peer: Peer, text: str) -> None:
        with contextlib.suppress(NotSentError):
            self.node.send(peer.peer_id, "ok")


class Looping(Bot):
    """Answers what it said itself, if another one of its kind says it."""

    def received(self, peer: Peer, messages: Messages) -> None:
        for message in messages:
            if isinstance(message, Send):
                self.answer(peer, message.payload)


class LoopingLater(Looping):
    """The same, when it has thought for a moment."""

    def answer(self, peer: Peer, text: str) -> None:
        self.node.clock.callLater(0.01, super().answer, peer, text)


class Forgetful(Bot):
    """Greets each peer once, and forgets whom when it starts again."""

    def __init__(self, node: ChatNode) -> None:
        super().__init__(node)
        self.greeted: set[str] = set()

    def status_changed(self, peer: Peer) -> None:
        if peer.status is Status.CONNECTED and peer.peer_id not in self.greeted:
            self.greeted.add(peer.peer_id)
            self.node.send(peer.peer_id, "welcome")


class Narrow(Bot):
    """Knows numbers, and what is written around them in ASCII."""

    def answer(self, peer: Peer, text: str) -> None:
        if not text.isdigit():
            self.node.send(peer.peer_id, str(len(text.encode("ascii"))))


class Twice(Bot):
    """Answers twice to what comes together with something else."""

    def received(self, peer: Peer, messages: Messages) -> None:
        super().received(peer, messages)
        if len(messages) > 1:
            super().received(peer, messages)


class Sleepy(Bot):
    """Thinks for a while, as if it were alone; `now` is the time that it is."""

    now = 0.0

    def answer(self, peer: Peer, text: str) -> None:
        Sleepy.now += 0.15
        super().answer(peer, text)


class Dice(Bot):
    """Rolls as many dice as one says, without asking how many that is."""

    def answer(self, peer: Peer, text: str) -> None:
        if text.startswith("/roll "):
            self.node.send(peer.peer_id, "4 " * int(text.split()[1]))


def one_answer_each(account: BotAccount) -> None:
    for turn in account.turns:
        assert len(turn.said) == len([text for text in turn.direct if text != "ok"]), turn.peer_id


def greeted_once(account: BotAccount) -> None:
    welcomes = [(said.bot, said.to) for said in account.said if said.text == "welcome"]
    assert len(welcomes) == len({*welcomes}), "greeted twice"


class FaultyBotTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(bots, "_TRIES", 1)  # how short a story becomes is tested elsewhere

    def finds(
        self, wanted: str, make: MakeBot, check: Check | None = None, texts: tuple[str, ...] = ()
    ) -> None:
        """See that it is told within 200 worlds, whatever else is wrong in others."""
        for seed in range(200):
            try:
                run_worlds(make, seeds=[seed], check=check, texts=texts)
            except AssertionError as found:
                if wanted in str(found):
                    return
        self.fail(f"never told: {wanted}")

    def test_it_answers_itself(self) -> None:
        self.finds("B3: the bots answer each other, and never end", Looping)

    def test_it_answers_itself_later(self) -> None:
        self.finds("B3: the bots say far more than they are asked", LoopingLater)

    def test_it_forgets_at_a_restart(self) -> None:
        self.finds("AssertionError: greeted twice", Forgetful, greeted_once)

    def test_an_odd_text(self) -> None:
        self.finds("B1: UnicodeEncodeError was raised in received", Narrow)

    def test_it_answers_twice(self) -> None:
        self.finds("B4: the check: AssertionError", Twice, one_answer_each)

    def test_it_blocks_the_reactor(self) -> None:
        self.patch(bot_life, "perf_counter", lambda: Sleepy.now)
        self.finds("takes longer than 0.1 s", Sleepy)

    def test_what_is_said_to_it(self) -> None:
        texts = ("/roll 6", "/roll many")
        self.finds("B1: ValueError was raised in received", Dice, texts=texts)


class WorldsOfBotsTests(SynchronousTestCase):
    def test_a_good_one(self) -> None:
        counts = run_worlds(Bot, seeds=range(8), check=one_answer_each)
        self.assertGreater(counts["said by a bot"], 20)
        self.assertGreater(counts["shown to a bot"], counts["said by a bot"])

    def test_the_same_each_time(self) -> None:
        stories: list[list[str]] = [[], []]
        for story in stories:
            run_worlds(Bot, seeds=[0], trace=story.append)
        self.assertEqual(*stories)
        self.assertTrue(any("the bot says 'ok'" in line for line in stories[0]))

    def test_it_is_made_at_each_start(self) -> None:
        made: list[ChatNode] = []

        def make(node: ChatNode) -> Bot:
            made.append(node)
            return Bot(node)

        run_worlds(make, seeds=range(6))
        self.assertGreater(len(made), 6)
        self.assertEqual(len({*map(id, made)}), len(made))

    def test_no_observer(self) -> None:
        found = self.assertRaises(AssertionError, run_worlds, lambda _: object(), seeds=[1])
        self.assertIn("TypeError", str(found))

    def test_some_meet_each_other_and_some_have_odd_names(self) -> None:
        kinds = [BotWorld.around(Bot, seed).kind for seed in range(60)]
        self.assertTrue(any("bob smith@CIC" in kind.peer_ids for kind in kinds))
        self.assertEqual({len(bots_of(kind)) for kind in kinds}, {1, 2})

    def test_the_example(self) -> None:
        example = run_path(str(ROOT / "examples" / "test_echo_bot.py"))
        result = TestResult()
        defaultTestLoader.loadTestsFromTestCase(example["EchoTests"]).run(result)
        self.assertEqual((result.testsRun, result.errors, result.failures), (1, [], []))
