"""Commands typed at a node without a network, and what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat import logs
from p2pchat.commands import Commands
from tests.consoles import FakeNode

if TYPE_CHECKING:
    from p2pchat.replies import Reply


class CommandCase(SynchronousTestCase):
    """A test that types commands; none may leave a delayed call behind."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.node = FakeNode(self.clock)
        self.commands = Commands(self.node.real, self.clock, lambda: 1_000_000_000.0)
        self.addCleanup(logs.set_level, logs.get_level())

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def reply(self, line: str) -> Reply:
        answer = self.commands.run(line)
        return self.successResultOf(answer) if isinstance(answer, Deferred) else answer

    def ask(self, line: str) -> Deferred[Reply]:
        answer = self.commands.run(line)
        assert isinstance(answer, Deferred)
        return answer

    def assertUsage(self, line: str) -> None:
        reply = self.reply(line)
        self.assertEqual(len(reply.lines), 1, line)
        self.assertTrue(reply.lines[0].startswith("usage: /"), reply.lines)
        self.assertFalse(reply.ok)
