"""What the bots of a world were shown, and what they said: what a check by their author looks at.

    for turn in account.turns:
        assert len(turn.said) == len(turn.messages)

Rules: no text of a world comes twice, and still people and bots may say the same again. Then the
text has a number on its way, which no bot ever sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from p2pchat.testing.worlds.account import Account, Message
from p2pchat.testing.worlds.kind import Dice
from p2pchat.wire.messages import Pub, Send

BOT: Final = "bot"
"""The origin of what a bot says."""
ODD_TEXTS: Final = (
    *("", " ", "\n", "a\nb", "\t", "%s {} {0} %(x)d", '"', "\\", "/quit", "@", "-1", "1e999"),
    *("\x00", "\x1b[2J", "\u202eabc", "\u200d", "\U0001f600", "e\u0301", "\u0663", "\ufffe"),
    *("é" * 5000, "A" * 5000),
)
"""What people say to a bot now and then."""
LOOPS: Final = 8
"""Answers to answers to answers, after which bots will never end."""
FREE: Final = 100
"""Messages that all bots of a world may say without being asked."""
PER_MESSAGE: Final = 20
"""Messages that they may say for each one that a person says."""


class Said(Struct, eq=False):
    """A message that a bot said."""

    bot: str
    """Its peer_id."""
    to: str
    """A peer_id, `*` or `#namespace`."""
    text: str
    wire: str = ""
    """The same on its way, with a number if it was said before."""
    depth: int = 1
    """How many bots answered each other to come to this."""
    message: Message | None = None
    """What became of it, None if the node refused it with `NotSentError`."""


class Turn(Struct, eq=False):
    """One call of a bot with messages, and what it said before it returned."""

    bot: str
    """Its peer_id."""
    peer_id: str
    """Who sent them."""
    messages: list[Send | Pub]
    said: list[Said] = field(default_factory=list)
    depth: int = 0

    @property
    def direct(self) -> list[str]:
        """The texts of the direct messages among them."""
        return [message.payload for message in self.messages if isinstance(message, Send)]


class BotAccount(Account):
    """The account of a world with bots; `texts`: what people say to them, besides odd things."""

    def __init__(self, bots: Sequence[str], texts: Sequence[str], seed: int) -> None:
        super().__init__()
        self.bots = bots
        """Their peer_ids."""
        self.turns: list[Turn] = []
        """All calls of them with messages, in their order."""
        self.said: list[Said] = []
        """All that they said, in its order."""
        self._texts = texts
        self._dice = Dice(seed)
        self._plain: dict[str, str] = {}
        """Text on its way -> text, where they differ."""
        self._depths: dict[str, int] = {}
        """Text of a bot on its way -> its depth."""
        self._of_people = 0
        """Messages of people that the bots were shown."""

    def say(self, sender: str, to: str, origin: str, odd: str = "") -> str:
        """A new text; for a bot sometimes one of those that it knows, or an odd one."""
        text = super().say(sender, to, origin, odd)
        if to not in self.bots or origin.startswith("script"):
            return text
        what = self._dice.random()
        if self._texts and what < 0.7:
            return self._worded(text, self._dice.choice(self._texts))
        return self._worded(text, self._dice.choice(ODD_TEXTS)) if what > 0.85 else text

    def _worded(self, text: str, other: str) -> str:
        message = self.by_text.pop(text)
        number = text.split()[-1] if other == text else text.replace(" ", "-")
        wire = message.text = f"{other} ~{number[:40]}"
        self.by_text[wire] = message
        self._plain[wire] = other
        return wire

    def shown_to_bot(self, bot: str, peer_id: str, messages: Sequence[Send | Pub]) -> Turn:
        """A bot is about to be called with these; the turn has them as it sees them."""
        turn = Turn(bot, peer_id, [])
        for message in messages:
            wire = message.payload
            plain = self._plain.get(wire)
            turn.messages.append(message if plain is None else replace(message, payload=plain))
            turn.depth = max(turn.depth, self._depths.get(wire, 0))
            self._of_people += wire not in self._depths
        self.turns.append(turn)
        return turn

    def bot_says(self, bot: str, to: str, text: str, turn: Turn | None) -> Said:
        """A bot is about to say this, in this turn or by itself."""
        said = Said(bot, to, text)
        said.wire = wire = text if text not in self.by_text else f"{text} ~{len(self.said) + 1}b"
        if wire != text:
            self._plain[wire] = text
        if turn is not None:
            said.depth = turn.depth + 1
            turn.said.append(said)
        self._depths[wire] = said.depth
        self.said.append(said)
        message = self.by_text[wire] = Message(wire, bot, to, BOT)
        self.by_origin.setdefault(BOT, []).append(message)
        return said

    def excess(self, said: Said) -> str:
        """What is too much about it; empty if nothing is."""
        if said.depth > LOOPS:
            return "the bots answer each other, and never end"
        if len(self.said) > FREE + PER_MESSAGE * self._of_people:
            return "the bots say far more than they are asked"
        return ""
