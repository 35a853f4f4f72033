"""`p2pchat attach`: a console of the node that runs, on this standard input and output.

Rules: no Twisted. Each line that is typed is a request `run`, what happens in the node comes as
events. Leaving (the end of the input, /quit, Ctrl-C) leaves the node running. A script on standard
input is run to its end, and its exit status tells whether all of it was delivered (0), or some of
it waits (3), or something went wrong (1). No more is read of the input while many lines wait for
the node.
"""

from __future__ import annotations

import os
import select
import time
from typing import Any, Final

from p2pchat.console.plain.input_lines import InputLines, longest_line, too_long
from p2pchat.console.wording import StatusLines
from p2pchat.control.client.event_lines import (
    encrypts,
    event_line,
    is_for_a_person,
    message_line,
    text_of,
)
from p2pchat.control.client.finding import Node, Refused, is_for_nobody
from p2pchat.control.client.shown import Shown
from p2pchat.control.protocol import MAX_REQUEST
from p2pchat.speech import _

_CHUNK: Final = 1024
"""Bytes to read at once; so many that their lines are fewer than the requests that may wait."""
_AT_ONCE: Final = 256
"""Lines under way from which on no more is read."""
_LONGEST: Final = MAX_REQUEST // 6 - 100
"""Bytes of the longest line: more than any message has, and a request even if all are escaped."""
_EVENTS: Final = ("message", "peer", "notice")


def attach(node: Node, stdin: int = 0, stdout: int = 1) -> int:
    """Be a console until one side has enough; returns the exit status."""
    script, watched = not os.isatty(stdin), os.isatty(stdout)
    status = node.ask("status")
    shown = Shown(stdout, time.monotonic(), watched=watched, kept=bool(status.get("history")))
    shown.answer(_greeting(status, script=script))
    _subscribe(node)
    statuses = StatusLines()
    for link in node.ask("conn")["links"]:
        statuses.line(text_of(link.get("peer_id")), "CONNECTED", left=False)
    try:
        marks = encrypts(status)
        return _Attached(node, stdin, shown, statuses, script=script, marks=marks).run()
    finally:
        shown.finish(time.monotonic())


def _subscribe(node: Node) -> None:
    try:
        node.ask("subscribe", events=[*_EVENTS, "away"], leave_out=True, attended=True)
    except Refused:  # a node of an earlier version
        node.ask("subscribe", events=[*_EVENTS], leave_out=True, attended=True)


def _greeting(status: dict[str, Any], *, script: bool) -> list[str]:
    listens = _("* p2pchat {version}: {peer}, listening on port {port}")
    if status.get("interface"):
        listens = _("* p2pchat {version}: {peer}, listening on port {port} of {interface}")
    lines = [
        listens.format(
            version=text_of(status.get("version")),
            peer=text_of(status.get("peer_id")),
            port=text_of(status.get("port")),
            interface=text_of(status.get("interface")),
        ),
        f"* rendezvous: {text_of(status.get('rendezvous'))}",
    ]
    return lines if script else [*lines, _("* /help for help; /quit leaves, and the node runs on")]


class _Attached:
    """Standard input and output on this side, and the node on the other."""

    def __init__(
        self,
        node: Node,
        stdin: int,
        shown: Shown,
        statuses: StatusLines,
        *,
        script: bool,
        marks: bool,
    ) -> None:
        self._marks = marks
        self._node = node
        self._stdin = stdin
        self._shown = shown
        self._statuses = statuses
        self._script = script
        self._lines = InputLines(longest_line(stdin, _LONGEST))
        self._under_way: set[int] = set()
        self._settling: int | None = None
        self._unsettled = self._failed = self._ended = False
        self._status: int | None = None

    def run(self) -> int:
        """Carry lines in both directions until it is over."""
        while True:
            self._leave_if_done()
            patience = self._shown.show(time.monotonic())
            if self._status is not None:
                return self._status
            wanted: list[Any] = [self._node]
            if not self._ended and len(self._under_way) < _AT_ONCE:
                wanted.append(self._stdin)
            # The node may have said more already than was asked for.
            ready, _writing, _failed = select.select(
                wanted, [], [], 0 if self._node.waiting else patience
            )
            if self._node.waiting or self._node in ready:
                self._hear()
            if self._stdin in ready and not self._ended:
                self._take()

    def _leave_if_done(self) -> None:
        if not self._ended or self._status is not None:
            return
        if not self._script:
            self._status = 0
        elif not self._under_way and self._settling is None:
            self._settling = self._node.tell("settle")

    # ------------------------------------------------------------ what is typed

    def _take(self) -> None:
        """Something was typed; nothing at all is the end of the input."""
        try:
            data = os.read(self._stdin, _CHUNK)
        except BlockingIOError:
            return  # another program on this terminal was quicker
        except OSError:
            data = b""  # the terminal is gone
        self._ended = not data
        for line in self._lines.feed(data) if data else self._lines.finish():
            if line is None:
                self._failed = True
                self._shown.answer([too_long(script=self._script)])
            elif line.strip():
                self._unsettled = True
                self._under_way.add(self._node.tell("run", line=line, script=self._script))

    # ------------------------------------------------------------ what the node says

    def _hear(self) -> None:
        for said in self._node.read_some():
            if "event" in said:
                self._happened(said)
            else:
                self._answered(said)

    def _happened(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "message":
                self._shown.add(message_line(event, marks=self._marks))
            case "peer":
                peer_id, status = text_of(event.get("peer_id")), text_of(event.get("status"))
                line = self._statuses.line(peer_id, status, left=bool(event.get("left")))
                if line is not None and is_for_a_person(event):
                    self._shown.add(line)
            case "away":
                self._shown.add(event_line(event))
            case "notice":
                self._shown.add(f"* {text_of(event.get('text'))}")
            case "outcome":
                self._shown.answer([event.get("line", "")])
            case "left_out":
                self._shown.left_out(int(event.get("count", 0)))
            case "stopping":
                self._shown.answer([_("* the node stops")])
                self._status = int(self._script and (self._failed or self._unsettled))
            case _:
                pass

    def _answered(self, answer: dict[str, Any]) -> None:
        """A line was run, or all is settled, or a request was refused."""
        number = answer.get("id")
        if is_for_nobody(answer):
            raise Refused(answer)
        if number not in self._under_way and number != self._settling:
            return  # a line after a /quit
        self._under_way.discard(number)
        done = bool(answer.get("ok") and answer.get("done"))
        settled = number == self._settling
        # A node of an earlier version does not tell what waits from what has failed.
        failed = bool(answer.get("failed", True)) if settled else True
        self._failed = self._failed or (failed and not done)
        if answer.get("ok"):
            self._shown.answer(answer.get("lines", []))
        else:
            self._shown.answer([answer.get("error", _("no reason given"))])
        if answer.get("leave"):
            self._under_way.clear()
            self._ended = True
        if settled:
            self._status = 0 if done and not self._failed else 1
