"""`p2pchat attach`: a console of the node that runs, on this standard input and output.

Rules: what is typed goes to the node, what the node shows comes here; nothing is decided on this
side. Leaving (the end of the input, /quit, Ctrl-C) leaves the node running. A script on standard
input is run to its end, and its exit status tells whether all of it was delivered. No more is read
of the input than the node takes.
"""

from __future__ import annotations

import os
import selectors
import sys
from typing import Any, Final

from p2pchat.console.plain.input_lines import InputLines
from p2pchat.control.client.finding import Node, Refused
from p2pchat.wire.text import printable

_CHUNK: Final = 65_536


def attach(node: Node, stdin: int = 0, stdout: int = 1) -> int:
    """Be a console until one side has enough; returns the exit status."""
    node.ask("console", terminal=os.isatty(stdout), script=not os.isatty(stdin))
    with selectors.DefaultSelector() as selector:
        return _Attached(node, stdin, stdout, selector).run()


class _Attached:
    """The two descriptors on this side, and the node on the other."""

    def __init__(
        self, node: Node, stdin: int, stdout: int, selector: selectors.BaseSelector
    ) -> None:
        self._node = node
        self._stdin, self._stdout = stdin, stdout
        self._selector = selector
        self._lines = InputLines()
        self._to_node = bytearray()
        self._reading = False
        self._always_ready = False
        self._ended = False
        self._failed = False

    def run(self) -> int:
        """Carry lines in both directions until it is over."""
        self._selector.register(self._node, selectors.EVENT_READ)
        self._read(True)
        while True:
            # What the node said while it was asked may wait already.
            at_once = self._node.waiting or (self._reading and self._always_ready)
            found = self._selector.select(0 if at_once else None)
            ready = {key.fd: events for key, events in found}
            if self._to_node:
                del self._to_node[: self._node.send_some(self._to_node)]
            if self._node.waiting or ready.get(self._node.fileno(), 0) & selectors.EVENT_READ:
                status = self._show()
                if status is not None:
                    return max(status, int(self._failed))
            if self._reading and (self._always_ready or self._stdin in ready):
                self._take(os.read(self._stdin, _CHUNK))
            self._look()

    def _look(self) -> None:
        """Read the input only while nothing waits for the node."""
        self._read(not self._to_node and not self._ended)
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

    def _take(self, data: bytes) -> None:
        """Something was typed; nothing at all is the end of the input."""
        for line in self._lines.feed(data) if data else self._lines.finish():
            if line is None:
                self._failed = True
                _write(self._stdout, "that line is too long: nothing was sent")
            else:
                self._to_node += self._node.request("type", text=line)
        if not data:
            self._ended = True
            self._to_node += self._node.request("type", end=True)

    def _show(self) -> int | None:
        """Show what came; the exit status when it is over."""
        for said in self._node.read_some():
            match said.get("event"):
                case "show":
                    _write(self._stdout, str(said.get("text", "")))
                case "left":
                    return int(said.get("status", 1))
                case "stopping":
                    _write(self._stdout, "* the node stops")
                    return 0
                case None if not said.get("ok"):
                    raise Refused(said)
                case _:
                    pass
        return None


def _write(fd: int, text: str) -> None:
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    # The node made each line printable; between them are the ends of lines.
    shown = "".join(printable(line) + "\n" for line in text.split("\n"))
    data: Any = memoryview(shown.encode(encoding, "replace"))
    while data:
        data = data[os.write(fd, data) :]
