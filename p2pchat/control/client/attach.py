"""`p2pchat attach`: a console of the node that runs, on this standard input and output.

Rules: no Twisted. Each line that is typed is a request `run`, what happens in the node comes as
events. Leaving (the end of the input, /quit, Ctrl-C) leaves the node running. A script on standard
input is run line by line to its end, and its exit status tells whether all of it was delivered. No
more is read of the input than the node has done.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from typing import Any, Final

from p2pchat.console.plain.input_lines import InputLines
from p2pchat.console.wording import StatusLines
from p2pchat.control.client.event_lines import message_line, text_of
from p2pchat.control.client.finding import Node
from p2pchat.control.client.shown import Shown
from p2pchat.control.protocol import MAX_REQUEST

_CHUNK: Final = 65_536
_EVENTS: Final = ("message", "peer", "notice")
_AT_ONCE: Final = 256
"""Lines that may be under way; the node runs those of a script one after the other."""


def attach(node: Node, stdin: int = 0, stdout: int = 1) -> int:
    """Be a console until one side has enough; returns the exit status."""
    script, watched = not os.isatty(stdin), os.isatty(stdout)
    status = node.ask("status")
    shown = Shown(stdout, time.monotonic(), watched=watched, kept=bool(status.get("history")))
    shown.answer(_greeting(status, script=script))
    node.ask("subscribe", events=[*_EVENTS], leave_out=True, attended=True)
    statuses = StatusLines()
    for link in node.ask("conn")["links"]:
        statuses.line(text_of(link.get("peer_id")), "CONNECTED", left=False)
    with selectors.DefaultSelector() as selector:
        attached = _Attached(node, stdin, shown, statuses, selector, script=script)
        try:
            return attached.run()
        finally:
            shown.finish()


def _greeting(status: dict[str, Any], *, script: bool) -> list[str]:
    where = f"port {text_of(status.get('port'))}"
    if status.get("interface"):
        where += f" of {text_of(status['interface'])}"
    who = text_of(status.get("peer_id"))
    lines = [
        f"* p2pchat {text_of(status.get('version'))}: {who}, listening on {where}",
        f"* rendezvous: {text_of(status.get('rendezvous'))}",
    ]
    return lines if script else [*lines, "* /help for help; /quit leaves, and the node runs on"]


class _Attached:
    """Standard input and output on this side, and the node on the other."""

    def __init__(
        self,
        node: Node,
        stdin: int,
        shown: Shown,
        statuses: StatusLines,
        selector: selectors.BaseSelector,
        *,
        script: bool,
    ) -> None:
        self._node = node
        self._stdin = stdin
        self._shown = shown
        self._statuses = statuses
        self._selector = selector
        self._script = script
        self._input = InputLines()
        self._typed: deque[str | None] = deque()
        self._to_node = bytearray()
        self._under_way: set[int] = set()
        self._settling: int | None = None
        self._unsettled = self._failed = self._ended = False
        self._reading = self._always_ready = False
        self._status: int | None = None

    def run(self) -> int:
        """Carry lines in both directions until it is over."""
        self._selector.register(self._node, selectors.EVENT_READ)
        while True:
            # The node may have said more already than was asked for.
            while self._node.waiting:
                self._hear()
            self._say()
            patience = self._shown.show(time.monotonic())
            if self._status is not None:
                return self._status
            self._look()
            found = self._selector.select(0 if self._reading and self._always_ready else patience)
            ready = {key.fd: events for key, events in found}
            if ready.get(self._node.fileno(), 0) & selectors.EVENT_READ:
                self._hear()
            if self._reading and (self._always_ready or self._stdin in ready):
                self._take()

    # ------------------------------------------------------------ what is typed

    def _take(self) -> None:
        """Something was typed; nothing at all is the end of the input."""
        try:
            data = os.read(self._stdin, _CHUNK)
        except BlockingIOError:
            return  # another program on this terminal was quicker
        except OSError:
            data = b""  # the terminal is gone
        self._typed += self._input.feed(data) if data else self._input.finish()
        self._ended = not data

    def _say(self) -> None:
        """Have the node run what it may, and leave when there is nothing more to do."""
        while self._typed and len(self._under_way) < _AT_ONCE:
            line = self._typed.popleft()
            if line is None:
                self._too_long()
            elif line.strip():
                self._run(line)
        if self._ended and self._script and not self._typed and not self._under_way:
            self._settle()
        if self._to_node:
            del self._to_node[: self._node.send_some(self._to_node)]
        if self._ended and not self._script and not self._typed and not self._to_node:
            self._status = 0

    def _settle(self) -> None:
        """The script has been run: what became of all that it said?"""
        if self._settling is None:
            request, self._settling = self._node.request("settle")
            self._to_node += request

    def _run(self, line: str) -> None:
        request, number = self._node.request("run", line=line, script=self._script)
        if len(request) > MAX_REQUEST:
            self._too_long()
        else:
            self._unsettled = True
            self._to_node += request
            self._under_way.add(number)

    def _too_long(self) -> None:
        self._failed = True
        self._shown.answer(["that line is too long: nothing was sent"])

    def _look(self) -> None:
        """Read the input only while nothing of it waits."""
        self._read(not self._ended and not self._typed and not self._to_node)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._to_node else 0)
        self._selector.modify(self._node, events)

    def _read(self, on: bool) -> None:
        if on is self._reading:
            return
        self._reading = on
        if self._always_ready:
            return
        if not on:
            self._selector.unregister(self._stdin)
            return
        try:
            self._selector.register(self._stdin, selectors.EVENT_READ)
        except PermissionError:
            self._always_ready = True  # a file: epoll refuses it, and it can always be read

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
                self._shown.add(message_line(event))
            case "peer":
                peer_id, status = text_of(event.get("peer_id")), text_of(event.get("status"))
                line = self._statuses.line(peer_id, status, left=bool(event.get("left")))
                if line is not None:
                    self._shown.add(line)
            case "notice":
                self._shown.add(f"* {text_of(event.get('text'))}")
            case "outcome":
                self._shown.answer([event.get("line", "")])
            case "left_out":
                self._shown.left_out(int(event.get("count", 0)))
            case "stopping":
                self._shown.answer(["* the node stops"])
                self._status = int(self._script and (self._failed or self._unsettled))
            case _:
                pass

    def _answered(self, answer: dict[str, Any]) -> None:
        """A line was run, or all is settled, or a request was refused."""
        number = answer.get("id")
        if number not in self._under_way and number != self._settling:
            return  # a line after a /quit
        self._under_way.discard(number)
        done = bool(answer.get("ok") and answer.get("done"))
        self._failed = self._failed or not done
        if answer.get("ok"):
            self._shown.answer(answer.get("lines", []))
        else:
            self._shown.answer([answer.get("error", "no reason given")])
        if answer.get("leave"):
            self._typed.clear()
            self._under_way.clear()
            self._ended = True
        if number == self._settling and self._status is None:
            self._status = int(self._failed)
