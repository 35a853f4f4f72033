"""What a bot is told, and what becomes of what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

SECURITIES: Final = ("plain", "encrypted", "verified")


class NotDelivered(Exception):
    """What the bot said did not arrive. `later`: the node sends it again, so do not repeat it."""

    def __init__(self, sentence: str, *, later: bool = False) -> None:
        super().__init__(sentence)
        self.later = later


@dataclass(frozen=True)
class Sent:
    """What the bot said has arrived, after so many seconds; or it is published to `peers`."""

    msg_id: str
    seconds: float = 0.0
    peers: int | None = None


class Says(Protocol):
    """Whoever can say something: a bot."""

    async def send(self, to: str, text: str, security: str = "plain") -> Sent:
        """Say it; see `Bot.send`."""


@dataclass(frozen=True)
class Message:
    """What somebody said. Ask `security` before you do what it says."""

    bot: Says
    sender: str
    """The peer_id of who sent it: certain only as far as `security` says."""
    to: str
    """Our own peer_id, `#namespace` or `*`."""
    text: str
    """Any characters: never make it part of a command, a path or a format."""
    security: str
    """`plain`, `encrypted` (the same key as ever), `verified` (a person has compared that key)."""
    event: dict[str, Any]
    """All that the node has told; see `docs/control.md`."""

    @classmethod
    def of(cls, bot: Says, event: dict[str, Any]) -> Message:
        """The message in an event; what is missing is empty, and as little safe as can be."""
        security = event.get("security")
        return cls(
            bot,
            str(event.get("from", "")),
            str(event.get("to", "")),
            str(event.get("text", "")),
            security if security in SECURITIES else "plain",
            event,
        )

    @property
    def is_direct(self) -> bool:
        """Whether it was said to the bot alone."""
        return not self.to.startswith(("#", "*"))

    @property
    def words(self) -> list[str]:
        """The words behind the first one, which names a command."""
        return self.text.split()[1:]

    def is_at_least(self, security: str) -> bool:
        """Whether it is as safe as that."""
        return SECURITIES.index(self.security) >= SECURITIES.index(security)

    async def reply(self, text: str, *, security: str = "plain") -> Sent:
        """Answer where it was said; returns when the ACK came, or raises `NotDelivered`.

        `security`: what the link to the sender must be at least. What is published has no ACK.
        """
        return await self.bot.send(self.sender if self.is_direct else self.to, text, security)
