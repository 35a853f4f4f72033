"""A bot: what it does with messages and commands, and what it says.

Rules: messages of one sender come one after the other, those of several at the same time. What bots
say begins with a mark, and they are not told what begins so: two of them would never end. A command
that may not be obeyed is not answered either.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from p2pchat.bot.connection import Event, NodeConnection, Streams, find
from p2pchat.bot.message import SECURITIES, Message, NotDelivered, Sent
from p2pchat.bot.senders import Senders
from p2pchat.control.client.finding import Choice

_log: Final = logging.getLogger("p2pchat.bot")

Handler: TypeAlias = "Callable[[Message], Awaitable[object]]"


@dataclass(frozen=True)
class _Command:
    handler: Handler
    about: str
    security: str
    only: tuple[str, ...]

    def obeys(self, message: Message) -> bool:
        """Whether the message may order this."""
        may = not self.only or message.sender in self.only
        return may and message.is_at_least(self.security)


class Bot:
    """A bot of the node with this name and namespace, or with this control socket.

    Neither is needed when one node runs; `P2PCHAT_CONTROL` in the environment names a socket, too.
    `rate`: messages a second of one sender, on average of `burst`. `prefix` begins a command,
    `mark`, which is not empty, whatever the bot says.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        namespace: str | None = None,
        control: str | None = None,
        rate: float = 2.0,
        burst: int = 20,
        prefix: str = "!",
        mark: str = "bot: ",
    ) -> None:
        if not mark:
            raise ValueError("mark is empty: then every message would be one of a bot")
        choice = Choice(control or os.environ.get("P2PCHAT_CONTROL"), name, namespace)
        self.prefix, self.mark = prefix, mark
        # Another bot may have answered this one: "echo: bot: oi".
        self._is_marked = re.compile(rf"(?:[\w-]{{1,20}}: ){{0,3}}{re.escape(mark)}").match
        self._handler: Handler | None = None
        self._commands: dict[str, _Command] = {}
        self._senders = Senders(self._deal_with, rate, burst)
        self.connect_to_node: Callable[[], Awaitable[Streams]] = lambda: find(choice)
        """How the node is reached; a test has a way of its own."""
        self._connection: NodeConnection | None = None
        self.command("help")(self._help)

    @property
    def peer_id(self) -> str:
        """Who the bot is, once its node has been met."""
        return "" if self._connection is None else self._connection.peer_id

    @property
    def left_out(self) -> int:
        """Messages that came faster than they may, or than they were dealt with."""
        return self._senders.left_out

    # ------------------------------------------------------------ what it does

    def on_message(self, handler: Handler) -> Handler:
        """Call this for each message that is no command."""
        self._handler = handler
        return handler

    def command(
        self, name: str, *, security: str = "plain", only: tuple[str, ...] = ()
    ) -> Callable[[Handler], Handler]:
        """Call this for each message whose first word is the prefix and this name.

        The first line of its docstring is what the command `help` says. `security`: what the
        message must be at least; `only`: the peer_ids of those who may.
        """
        if security not in SECURITIES:
            raise ValueError(f"security is one of {', '.join(SECURITIES)}")

        def added(handler: Handler) -> Handler:
            about = (handler.__doc__ or "").strip().partition("\n")[0]
            self._commands[name] = _Command(handler, about, security, only)
            return handler

        return added

    async def send(self, to: str, text: str, security: str = "plain") -> Sent:
        """Say something to a peer, `#namespace` or `*`; as `Message.reply`."""
        demand = {} if security == "plain" else {"security": security}
        answer = await self.ask("send", to=to, text=self.mark + text, **demand)
        if not answer.get("ok"):
            sentence = str(answer.get("error", "no reason given"))
            raise NotDelivered(sentence, later=answer.get("later") is True)
        return Sent(str(answer["msg_id"]), answer.get("seconds", 0.0), answer.get("peers"))

    async def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Ask the node anything of `docs/control.md`; returns its answer, `ok` or not."""
        if self._connection is None:
            raise NotDelivered("the bot does not run")
        return await self._connection.ask(do, **fields)

    # ------------------------------------------------------------ its life

    def run(self) -> None:
        """Run until Ctrl-C; raises `ControlError` when there is no such node at the beginning."""
        with suppress(KeyboardInterrupt):
            asyncio.run(self.start())

    async def start(self) -> None:
        """The same in a loop that runs already; ends when it is cancelled."""
        self._connection = NodeConnection(self.connect_to_node, self._take)
        try:
            await self._connection.live()
        finally:
            self._senders.stop()

    def _take(self, event: Event) -> None:
        message = Message.of(self, event)
        if message.sender != self.peer_id and not self._is_marked(message.text):
            self._senders.take(message)

    async def _deal_with(self, message: Message) -> None:
        try:
            command = self._command_in(message.text)
            if command is None:
                if self._handler is not None:
                    await self._handler(message)
            elif command.obeys(message):
                await command.handler(message)
            else:
                _log.warning("not obeyed: a command of %s", ascii(message.sender))
        except NotDelivered as why:
            _log.warning("not delivered to %s: %s", ascii(message.sender), ascii(str(why)))
        except (Exception, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # the bot ends
                raise
            _log.exception("the bot failed at a message of %s", ascii(message.sender))

    def _command_in(self, text: str) -> _Command | None:
        word = text.split(maxsplit=1)[0] if text.strip() else ""
        if not word.startswith(self.prefix):
            return None
        return self._commands.get(word[len(self.prefix) :])

    async def _help(self, message: Message) -> None:
        """Say which commands there are."""
        lines = [
            f"{self.prefix}{name}  {command.about}".rstrip()
            for name, command in self._commands.items()
            if command.obeys(message)
        ]
        await message.reply("\n".join(lines))
