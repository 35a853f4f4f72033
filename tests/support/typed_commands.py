"""Commands typed at a node without a network, and what they answer."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.table import Commands
from p2pchat.console.replies import Reply
from p2pchat.logs.levels import get_level, set_level
from tests.support.consoles import FakeNode


class CommandCase(SynchronousTestCase):
    """A test that types commands; none may leave a delayed call behind."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.node = FakeNode(self.clock)
        self.commands = Commands(self.node.real, self.clock)
        self.addCleanup(set_level, get_level())

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
