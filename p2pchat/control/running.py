"""The command lines that one client of the control socket runs, as on a console.

    runner = CommandRunner(node, clock, out, timestamp)
    runner.run("/msg bob@CIC oi", script=True)   ->  {"lines":[],"done":true,"leave":false}
    (the ACK comes)                              ->  {"event":"outcome","line":"delivered to …",…}
    runner.settle()                              ->  {"lines":[],"done":true}

Rules: each client has its own runner, so that several may attach at once. A person's line is run at
once, except that those whose answers may be long come one after the other, as far as the client
reads. The lines of a script are run one after the other, and each of them waits for peers and for
room. The lines after a /quit, and those of a client that has gone, are not run.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IReactorTime

from p2pchat.console.commands.row import until
from p2pchat.console.commands.table import Commands
from p2pchat.console.plain.backpressure import Backpressure, Draining
from p2pchat.console.plain.queue import MEETING
from p2pchat.console.replies import Reply
from p2pchat.control.events import outcome_event
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.requests import Fields, RequestError
from p2pchat.node.news import News
from p2pchat.node.node import ChatNode
from p2pchat.speech import Sentence, _

_is_long: Final = re.compile(r"\s*/(history|peers|search)\b", re.IGNORECASE).match
"""Whether a line may have a long answer that is not there at once."""


class CommandRunner:
    """Runs lines for the client of `out`; call `close` when it is gone."""

    def __init__(
        self, node: ChatNode, clock: IReactorTime, out: Outgoing, timestamp: Callable[[], str]
    ) -> None:
        self._node = node
        self._clock = clock
        self._out = out
        self._timestamp = timestamp
        self._commands = Commands(node, clock)
        self._commands.sent.on_news = self._told
        self._backpressure = Backpressure(node)
        self._script: deque[tuple[str, Deferred[Fields]]] = deque()
        self._left = self._running = self._looked = self._met = self._failed = self._closed = False
        self._script_run: list[Deferred[None]] = []
        node.presence.first_look().addBoth(self._have_looked)

    def close(self) -> None:
        """Run nothing more; the client is gone."""
        self._closed = True
        self._script.clear()
        self._commands.sent.on_news = lambda _news, _line: None

    def note(self, where: str, msg_id: str) -> None:
        """The person said this there by another way: a change of what was said last is about it."""
        self._commands.said.note(where, msg_id)

    def run(self, line: str, *, script: bool, where: str = "") -> Deferred[Fields]:
        """Run a line; fires with its reply when what it says is written, or refused.

        `where`: the conversation in which the person types it, if there is one.

        A line of a script is run after those before it, when the first peers were met, and when the
        connected peers take what was said before.
        """
        self._commands.where = lambda: where
        if not script and _is_long(line):
            return self._out.long_answers.do(lambda: self._run(line, script=False))
        if not script:
            return self._run(line, script=False)
        answered: Deferred[Fields] = Deferred()
        self._script.append((line, answered))
        if not self._running:
            self._run_script()
        return answered

    @inlineCallbacks
    def _run_script(self) -> Generator[Deferred[Any], Any, None]:
        self._running = True
        while self._script:
            line, answered = self._script.popleft()
            yield self._turn(line)
            if self._closed:
                break
            reply = self._run(line, script=True)
            yield reply.addBoth(answered.callback)
        self._running = False
        waiting, self._script_run = self._script_run, []
        for each in waiting:
            each.callback(None)

    @inlineCallbacks
    def _turn(self, line: str) -> Generator[Deferred[Any], Any, None]:
        """Fires when a line of a script may be run."""
        if not self._met and not self._commands.may_run(line):
            yield self._until(lambda: self._peers_met() or self._commands.may_run(line), MEETING)
            self._met = self._peers_met() or not self._commands.may_run(line)
        yield self._until(
            lambda: self._out.has_room and not self._backpressure.should_wait(self._clock.seconds())
        )

    @inlineCallbacks
    def _run(self, line: str, *, script: bool) -> Generator[Deferred[Any], Any, Fields]:
        if self._left:
            raise RequestError("refused", Sentence("nothing is run after a /quit"))
        if not self._node.running:
            raise RequestError("refused", Sentence("this node is leaving"))
        self._commands.interactive = not script
        reply: Reply = yield maybeDeferred(self._commands.run, line)
        self._left = self._left or reply.leave
        return {"lines": [*reply.lines], "done": reply.ok, "leave": reply.leave}

    @inlineCallbacks
    def settle(self) -> Generator[Deferred[Any], Any, Fields]:
        """Fires when the script is run and nothing is open of what was said.

        That is when the ACKs have come, and what was published has been read.

        `done` is False when something was not delivered, is queued, or has not been read in time;
        `waiting` tells how many are queued, `failed` whether there is more to it than those.
        """
        sent, lines = self._commands.sent, []
        if self._running:
            script_run: Deferred[None] = Deferred()
            self._script_run.append(script_run)
            yield script_run
        yield sent.settled()
        if self._commands.published:
            draining = Draining(self._node)
            yield self._until(lambda: draining.done(self._clock.seconds()))
            self._commands.published = 0
            if draining.failed:
                self._failed = True
                lines.append(_("not all peers have read what was published"))
        failed, self._failed = bool(self._failed or sent.failed), False
        sent.forget_failures()
        done = not (failed or sent.waiting)
        return {"lines": lines, "done": done, "failed": failed, "waiting": sent.waiting}

    def _until(self, come: Callable[[], bool], seconds: float = math.inf) -> Deferred[None]:
        return until(self._clock, lambda: self._closed or come(), seconds)

    def _have_looked(self, _result: object) -> None:
        self._looked = True

    def _peers_met(self) -> bool:
        return self._looked and not self._node.mesh.dials_under_way()

    def _told(self, news: News, line: str) -> None:
        """Something became of a message that was said here."""
        self._out.news(outcome_event(news.peer_id, news.msg_id, line, self._timestamp()))
