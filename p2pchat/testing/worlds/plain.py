"""Programs of other makes in a world: what they say and show is in the account of all.

    zoe = PlainGuest(host, "zoe@CIC", account, tell)
    zoe.listen(); zoe.dial("10.0.0.1"); zoe.speak("alice@CIC")

Rules: it never sends anything again, and shows at once what it reads, a repetition too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from p2pchat.testing.network import FakeHost
from p2pchat.testing.plain import PlainPeer
from p2pchat.testing.plain_link import PlainLink
from p2pchat.testing.worlds.account import DELIVERED, LIE, Account
from p2pchat.testing.worlds.kind import LIAR


class PlainGuest(PlainPeer):
    """A plain peer that enters what it says and shows into the world's account."""

    def __init__(
        self, host: FakeHost, peer_id: str, world: Account, tell: Callable[[str], None]
    ) -> None:
        super().__init__(host, peer_id, GuestLink)
        self.world = world
        self.say_so = tell

    def speak(self, to: str) -> None:
        """Say something to a peer with whom there is a connection."""
        link = self.link_to(to)
        if link is not None:
            text = self.world.say(self.peer_id, to, "plain")
            self.say_so(f"{self.peer_id}: sends {text!r} to {to}")
            msg_id = str(link.send(text))
            self.world.accepted(text, msg_id)
            message = self.world.by_id[msg_id]
            message.perhaps_lost = True  # it never sends anything again
            message.way = str(self.links.index(link))  # on another one, it is perhaps overtaken

    def goodbye(self, to: str) -> None:
        """Say BYE, if there is a connection."""
        link = self.link_to(to)
        if link is not None:
            link.say("BYE", src=self.peer_id, dst=to)


class GuestLink(PlainLink):
    """One connection of it."""

    peer: PlainGuest

    def on_send(self, message: dict[str, Any]) -> None:
        """Show it, then acknowledge it."""
        self.on_pub(message)
        super().on_send(message)

    def on_pub(self, message: dict[str, Any]) -> None:
        """Show it; what a liar says may be of any form."""
        text = str(message.get("payload", LIE))
        self.peer.say_so(f"{self.peer.peer_id}: is shown {text[:80]!r}")
        self.peer.world.shown(self.peer.peer_id, text if self.us != LIAR else LIE)

    def on_ack(self, message: dict[str, Any]) -> None:
        """What it said was read."""
        if str(message.get("msg_id")) in self.peer.world.by_id:
            self.peer.world.told(message["msg_id"], DELIVERED)
