"""The other end of the control socket, for short programs: find the node, ask it, hear of it.

    with find(Choice()) as node:                       # or find(Choice(name="bob"))
        answer = node.ask("send", to="bob@CIC", text="oi")
        node.ask("subscribe")
        for event in node.events(): ...

Rules: blocking sockets and no Twisted, so that a command is over before a reactor would have been
imported. Everything that can go wrong is a `ControlError` or a `Refused`, each with a sentence.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Self

from p2pchat.control.paths import (
    SYSTEM_FOLDER,
    ControlError,
    connect,
    runtime_folder,
    sockets_in,
)
from p2pchat.speech import Sentence, counted, plain
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import shortened, why_not

ANSWER_TIMEOUT: Final = 90.0
"""Seconds to wait for an answer; longer than any that a node waits for somebody else."""
_HELLO_TIMEOUT: Final = 3.0
_CHUNK: Final = 65_536


class Refused(ControlError):
    """The node answered, and did not do it; `answer` is what it said."""

    def __init__(self, answer: dict[str, Any]) -> None:
        error = answer.get("error")
        none = Sentence("no reason given")
        super().__init__(none if error is None else plain(shortened(str(error), 1000)))
        self.answer = answer


class NoAnswerError(ControlError):
    """The node was asked, and nobody knows what became of it."""


class Choice(NamedTuple):
    """Which node is meant; what is None does not matter."""

    control: str | None = None
    name: str | None = None
    namespace: str | None = None


class Node:
    """A node, through its control socket. `hello` is what it said first."""

    def __init__(self, connection: socket.socket, timeout: float = _HELLO_TIMEOUT) -> None:
        self._socket = connection
        self._tail = b""
        self._lines: list[bytes] = []
        self._events: list[dict[str, Any]] = []
        self._last_id = 0
        self._socket.settimeout(timeout)
        self.hello = self._read()
        if self.hello.get("ok") is False:
            raise Refused(self.hello)
        if self.hello.get("event") != "hello":
            raise ControlError(Sentence("what answers at the control socket is no p2pchat"))
        self._socket.settimeout(ANSWER_TIMEOUT)

    @property
    def peer_id(self) -> str:
        """Who the node is."""
        return str(self.hello.get("peer_id", ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_for(self, timeout: float) -> None:
        """Wait so many seconds for an answer from now on."""
        self._socket.settimeout(timeout)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def tell(self, do: str, **fields: object) -> int:
        """Ask without waiting; returns the id that the answer will carry."""
        self._last_id += 1
        line = json.dumps({"id": self._last_id, "do": do, **fields}).encode() + b"\n"
        try:
            self._socket.sendall(line)
        except OSError as error:
            raise _broken(error) from None
        return self._last_id

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Ask and wait for the answer; raises `Refused` when the node does not do it.

        Events that come meanwhile wait for `events`.
        """
        number = self.tell(do, **fields)
        while True:
            line = self._read()
            if line.get("id") == number:
                if line.get("ok"):
                    return line
                raise Refused(line)
            if is_for_nobody(line):
                raise Refused(line)
            self._events.append(line)

    def events(self) -> Iterator[dict[str, Any]]:
        """Everything that the node says from now on, until it stops or the connection breaks."""
        self._socket.settimeout(None)
        while True:
            waiting, self._events = self._events, []
            yield from waiting
            if not self._events:  # else somebody has asked something meanwhile
                yield self._read()

    @property
    def waiting(self) -> bool:
        """Whether `read_some` has something without reading."""
        return bool(self._events or self._lines)

    def read_some(self) -> list[dict[str, Any]]:
        """What has come; waits for something if nothing has. For use with select."""
        found, self._events = self._events, []
        if not found:
            found.append(self._read())
        while self._lines:
            found.append(_object(self._lines.pop()))
        return found

    def _read(self) -> dict[str, Any]:
        while not self._lines:
            try:
                data = self._socket.recv(_CHUNK)
            except OSError as error:
                raise _broken(error) from None
            if not data:
                raise NoAnswerError(Sentence("the node has closed the connection"))
            *lines, self._tail = (self._tail + data).split(b"\n")
            self._lines = lines[::-1]
        return _object(self._lines.pop())


def is_for_nobody(said: dict[str, Any]) -> bool:
    """Whether this answers a request that the node could not read: none with its id will come."""
    return "event" not in said and said.get("id") is None


def find(
    choice: Choice, folders: Sequence[str] | None = None, timeout: float = ANSWER_TIMEOUT
) -> Node:
    """The one node that is meant; raises `ControlError` when there is none, or several.

    `timeout`: seconds to wait for each of its answers.
    """
    node = _find(choice, folders)
    node.wait_for(timeout)
    return node


def _find(choice: Choice, folders: Sequence[str] | None) -> Node:
    if choice.control is not None:
        return Node(connect(choice.control, named=True))
    if folders is None:
        folders = (runtime_folder(), SYSTEM_FOLDER)
    nodes, silent = _living(folders)
    matching = [node for node in nodes if _matches(node, choice)]
    for node in nodes:
        if node not in matching or len(matching) > 1:
            node.close()
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(_named(node) for node in matching)
        sentence = counted(
            "{n} node is running: {names}; choose one with --name and --namespace, "
            "or with --control",
            "{n} nodes are running: {names}; choose one with --name and --namespace, "
            "or with --control",
            len(matching),
            names=names,
        )
        raise ControlError(sentence)
    if nodes:
        names = ", ".join(_named(node) for node in nodes)
        raise ControlError(
            Sentence("no node of that name or namespace is running. Running: {names}", names=names)
        )
    if silent:
        path = shortened(silent[0])
        raise ControlError(Sentence("a node does not answer: {path}", path=path))
    raise ControlError(
        Sentence(
            "no node of yours is running: p2pchat starts one (looked in {folder})",
            folder=folders[0],
        )
    )


def _living(folders: Sequence[str]) -> tuple[list[Node], list[str]]:
    """The nodes that answer, and the sockets that take connections and do not."""
    connections = []
    for path in (path for folder in folders for path in sockets_in(folder)):
        try:
            connections.append((path, connect(path)))
        except ControlError:
            continue  # left behind by a node that died, or somebody else's
    nodes, silent = [], []
    deadline = time.monotonic() + _HELLO_TIMEOUT
    for path, connection in connections:
        try:
            nodes.append(Node(connection, max(0.05, deadline - time.monotonic())))
        except ControlError:
            connection.close()
            silent.append(path)
    return nodes, silent


def _matches(node: Node, choice: Choice) -> bool:
    name, _, namespace = node.peer_id.rpartition("@")
    return choice.name in (None, name) and choice.namespace in (None, namespace)


def _named(node: Node) -> str:
    return f"{bracketed(node.peer_id)} (pid {node.hello.get('pid')})"


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ControlError(Sentence("the node said something that is no JSON object"))
    return value


def _broken(error: OSError) -> ControlError:
    if isinstance(error, TimeoutError):
        return NoAnswerError(Sentence("the node does not answer"))
    return NoAnswerError(Sentence("the connection to the node broke: {why}", why=why_not(error)))
