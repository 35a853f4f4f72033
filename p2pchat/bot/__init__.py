"""A bot in ten lines, for a node that runs: asyncio, and nothing that is not in Python.

    from p2pchat.bot import Bot

    bot = Bot(name="echo")

    @bot.on_message
    async def echo(message):
        await message.reply(message.text)

    bot.run()

`docs/api.md` has the rest. A name's module is imported when somebody asks for the name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

_HOMES: Final = {
    "Bot": "bot",
    "Message": "message",
    "NotDelivered": "message",
    "Sent": "message",
}
"""Public name -> the module that has it."""

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from p2pchat.bot.bot import Bot as Bot
    from p2pchat.bot.message import Message as Message
    from p2pchat.bot.message import NotDelivered as NotDelivered
    from p2pchat.bot.message import Sent as Sent
else:

    def __getattr__(name):
        """Import a public name from where it is."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found

    def __dir__():
        """What there is, imported or not."""
        return sorted({*globals(), *__all__})
