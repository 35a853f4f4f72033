"""A bot of `p2pchat.bot` and its node, without a socket and without waiting.

    place = ServedBot(bot)                    bot@CIC, and alice@CIC, who talks to it
    place.say("!ping")
    assert place.heard() == ["bot: pong"]
    place.restart()                           its node ends, and comes back
    place.close()

Rules: the node, its control socket's protocol and the bot are the real ones; network, disk and time
are not. The loop of asyncio is stepped by hand, and its time is the town's: `asyncio.sleep` takes
none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from p2pchat.bot.bot import Bot
from p2pchat.bot.connection import Streams
from p2pchat.control.connection import ControlConnection
from p2pchat.control.paths import ControlError
from p2pchat.control.service import ControlService
from p2pchat.node.node import ChatNode
from p2pchat.speech import plain
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.nodes import FakeTown

_TURNS: Final = 10
"""Turns of the loop after which nothing that happens at once is left."""
_STEP: Final = 0.1


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose time is that of `clock`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.time = clock  # type: ignore[method-assign]
        super().__init__()


class _Transport(StringTransport):
    """What the node writes, on its way to the bot."""

    def __init__(self, feed: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        super().__init__()
        self._feed = feed
        self._lost = lost

    def write(self, data: bytes) -> None:
        self._feed(data)

    def loseConnection(self) -> None:
        self._lost()

    def abortConnection(self) -> None:
        self._lost()


class _Writer:
    """What the bot writes, as far as it uses an `asyncio.StreamWriter`."""

    def __init__(self, connection: ControlConnection, lost: Callable[[], None]) -> None:
        self._connection = connection
        self.close = lost

    def write(self, data: bytes) -> None:
        self._connection.dataReceived(data)


class ServedBot:
    """A place where `bot` lives. `kept`: whether its node has a history.

    `sealed`: whether nodes have keys; `others`: peer_ids of more people.
    """

    def __init__(
        self, bot: Bot, *others: str, kept: bool = True, sealed: bool = False, seed: int = 1
    ) -> None:
        self.bot = bot
        self.town = FakeTown(seed)
        self._disk = FakeDisk(Random(seed)) if kept else None
        self._sealed = sealed
        self._service: ControlService | None = None
        self._loop = _Loop(self.town.network.clock.seconds)
        self.node = self._start()
        """That of the bot."""
        self.people = {name: self.town.node(name, sealed=sealed) for name in ("alice@CIC", *others)}
        """The nodes of the others, by their peer_ids."""
        self._read: dict[str, int] = {}
        self.town.run_until_meshed()
        bot.connect_to_node = self._connect
        self._life = self._loop.create_task(bot.start())
        self.run(0.2)

    def say(self, text: str, who: str = "alice@CIC", to: str = "bot@CIC", wait: float = 1) -> None:
        """Somebody says something, to the bot or to a scope; then so much time passes."""
        node = self.people[who]
        if to.startswith(("#", "*")):
            node.publish(to, text)
        else:
            node.send(to, text)
        self.run(wait)

    def heard(self, who: str = "alice@CIC") -> list[str]:
        """What somebody was told since this was asked last."""
        texts = self.town.seen(self.people[who]).texts
        first, self._read[who] = self._read.get(who, 0), len(texts)
        return texts[first:]

    def verify(self, who: str) -> None:
        """A person has compared the key of somebody with what the bot's node knows; needs keys."""
        ours, theirs = self.node.trusting, self.people[who].trusting
        assert ours is not None, "nobody here has a key: say sealed=True"
        assert theirs is not None
        ours.verify(who, theirs.own_fingerprint)
        self.run(1)

    def run(self, seconds: float) -> None:
        """Let time pass, for the town and the bot."""
        for _ in range(max(1, round(seconds / _STEP))):
            self._settle()
            self.town.run(_STEP)
        self._settle()

    def stop_node(self) -> None:
        """The bot's node ends in order."""
        service, self._service = self._service, None
        assert service is not None
        for client in [*service.factory.clients]:
            client.say_goodbye()
        self._settle()
        self.town.leave(self.node)

    def start_node(self) -> None:
        """It starts again."""
        self.node = self._start()
        self.town.run_until_meshed()

    def restart(self) -> None:
        """Both; the bot has come back then."""
        self.stop_node()
        self.start_node()
        self.run(6)

    def close(self) -> None:
        """Everybody leaves; raises what the bot has ended with, and if anything is left behind."""
        ended = self._life.done()
        self._life.cancel()
        self._settle()
        self.town.close()
        fault = None if self._life.cancelled() else self._life.exception()
        self._loop.close()
        if ended and fault is not None:
            raise fault

    # ------------------------------------------------------------ pieces

    def _start(self) -> ChatNode:
        node = self.town.node("bot@CIC", disk=self._disk, sealed=self._sealed)
        host: Any = self.town.host_of(node)
        self._service = ControlService(host, node, stop=lambda: None)
        return node

    def _settle(self) -> None:
        for _ in range(_TURNS):
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()

    async def _connect(self) -> Streams:
        if self._service is None:
            raise ControlError(plain("no node of yours is running"))
        reader = asyncio.StreamReader(limit=1 << 24)
        connection = self._service.factory.buildProtocol(None)
        over: list[None] = []

        def lost() -> None:
            if not over:
                over.append(None)
                reader.feed_eof()
                connection.connectionLost(Failure(ConnectionDone()))

        connection.makeConnection(_Transport(reader.feed_data, lost))
        await reader.readline()
        writer: Any = _Writer(connection, lost)
        return reader, writer, self.node.me.peer_id
