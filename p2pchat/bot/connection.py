"""A bot's connection with its node: what it asks, what it hears, and coming back after a break.

    connection = NodeConnection(connect, take)
    await connection.live()                       # for ever; `take` gets each `message` event
    await connection.ask("send", to=…, text=…)

Rules: nothing is heard twice, and what was missed is read from the node's history, see `Place`.
Events that are not dealt with yet are bounded; beyond that they are missed, too.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from p2pchat.bot.message import NotDelivered
from p2pchat.control.client.finding import Choice
from p2pchat.control.client.place import Place
from p2pchat.control.paths import SYSTEM_FOLDER, ControlError, connect, runtime_folder, sockets_in
from p2pchat.speech import Sentence

Streams: TypeAlias = "tuple[asyncio.StreamReader, asyncio.StreamWriter, str]"
"""Both ways to a node that was met, and its peer_id."""
Event: TypeAlias = dict[str, Any]

_log: Final = logging.getLogger("p2pchat.bot")
_LONGEST_LINE: Final = 16_777_216
_HELLO_TIMEOUT: Final = 3.0
_WAITS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_MOST_EVENTS: Final = 10_000


class NodeConnection:
    """Connects with `connect_to_node`, again and again, and gives each message event to `take`."""

    def __init__(
        self,
        connect_to_node: Callable[[], Awaitable[Streams]],
        take: Callable[[Event], None],
    ) -> None:
        self._connect = connect_to_node
        self._take = take
        self._place = Place(["message"])
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[int, asyncio.Future[Event]] = {}
        self._last_id = 0
        self._heard: deque[Event] = deque()
        self._something = asyncio.Event()
        self.peer_id = ""
        """Who the node is, once it has been met."""

    async def ask(self, do: str, **fields: object) -> Event:
        """Ask anything of `docs/control.md`; returns the answer, whose `ok` tells if it was done.

        Raises `NotDelivered` when the node goes away first: nobody knows what became of it.
        """
        if self._writer is None:
            raise NotDelivered("the node is away")
        self._last_id += 1
        line = json.dumps({"id": self._last_id, "do": do, **fields})
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._answers[self._last_id] = answer
        self._writer.write(line.encode() + b"\n")
        return await answer

    async def live(self) -> None:
        """Hear what comes, over restarts of the node, until this is cancelled.

        Raises `ControlError` or `OSError` when it is not there at the beginning.
        """
        streams = await self._connect()
        tries = 0
        while True:
            try:
                if await self._serve(streams):
                    tries = 0
            except (OSError, ValueError) as why:
                _log.warning("the connection to the node broke: %s", why)
            while True:
                await asyncio.sleep(_WAITS[min(tries, len(_WAITS) - 1)])
                tries += 1
                try:
                    streams = await self._connect()
                    break
                except (OSError, ControlError):
                    continue

    async def _serve(self, streams: Streams) -> bool:
        """Live with one connection until it ends; whether anything came on it."""
        reader, writer, self.peer_id = streams
        self._writer = writer
        came = False
        hearing = asyncio.get_running_loop().create_task(self._hear())
        hearing.add_done_callback(lambda task: _ended(task, writer))
        try:
            while line := await reader.readline():
                came = True
                self._said(json.loads(line))
        finally:
            self._writer = None
            hearing.cancel()
            writer.close()
            answers, self._answers = self._answers, {}
            for answer in answers.values():
                if not answer.done():
                    answer.set_exception(NotDelivered("the node went away before it answered"))
        return came

    def _said(self, said: Event) -> None:
        if "event" not in said:
            answer = self._answers.pop(said.get("id", 0), None)
            if answer is not None and not answer.done():
                answer.set_result(said)
        elif len(self._heard) < _MOST_EVENTS:
            self._heard.append(said)
            self._something.set()
        else:
            self._place.is_behind = True

    async def _hear(self) -> None:
        """Subscribe, and take what comes in its order; what was missed first."""
        place = self._place
        if not place.has_begun:
            begun = await self.ask("history", count=1)
            if begun.get("ok"):
                place.begins(int(begun["last_id"]))
        place.subscribed(await self.ask("subscribe", **place.subscribe()), self.peer_id)
        while True:
            while place.is_behind:
                await self._read_page()
            while self._heard:
                event = self._heard.popleft()
                if place.takes(event) and event.get("event") == "message":
                    self._take(event)
            if not place.is_behind:
                self._something.clear()
                await self._something.wait()

    async def _read_page(self) -> None:
        page = await self.ask("history", **self._place.history())
        if page.get("ok"):
            for event in self._place.read(page):
                self._take(event)
        elif page.get("code") == "busy":
            await asyncio.sleep(_WAITS[0])
        else:
            self._place.cannot_read()


def _ended(hearing: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
    """What hears has ended: with the connection, or by a fault, and then that ends, too."""
    if hearing.cancelled():
        return
    fault = hearing.exception()
    if fault is not None and not isinstance(fault, NotDelivered):
        _log.error("what the node says cannot be understood", exc_info=fault)
    writer.close()


async def find(choice: Choice) -> Streams:
    """Connect to the one node that is meant; raises `ControlError` when it is none, or several."""
    found: list[Streams] = []
    paths = [choice.control] if choice.control else []
    for folder in () if paths else (runtime_folder(), SYSTEM_FOLDER):
        paths += sockets_in(folder)
    for path in paths:
        try:
            connection = connect(path, named=bool(choice.control))
        except ControlError:
            if choice.control:
                raise
            continue
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=_LONGEST_LINE)
        try:
            line = await asyncio.wait_for(reader.readline(), _HELLO_TIMEOUT)
            own_id = str(json.loads(line)["peer_id"])
        except (ValueError, KeyError, TypeError, OSError, TimeoutError):
            writer.close()
            continue
        name, _, namespace = own_id.rpartition("@")
        if choice.name in (None, name) and choice.namespace in (None, namespace):
            found.append((reader, writer, own_id))
        else:
            writer.close()
    if len(found) == 1:
        return found[0]
    for _, writer, _ in found:
        writer.close()
    which = ", ".join(own_id for _, _, own_id in found) or "none"
    raise ControlError(Sentence("the bot needs one node of yours, and finds {which}", which=which))
