"""What was typed while no conversation was open: the way out is one key, and the text stays.

    hello   ->  hello is in the line again, and above it: Enter sends this to [bob@CIC]
    Enter   ->  the conversation with bob is open, and hello is said

Rules: whom it goes to is seen before it goes, and does not change meanwhile. Any other key takes
the offer back, and nothing that was typed; a slash begins a command on an empty line. With several
peers or none there is nothing to offer, and the Up key has the text.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import nsmallest
from typing import Final

from p2pchat.console.full.application import ChatScreen
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.typed_text import typed_as
from p2pchat.mesh.peers import PeerTable
from p2pchat.speech import _, ngettext
from p2pchat.wire.names import bracketed, visible

_NAMED: Final = 3


class Offer:
    """Offers to send a text. `say` says it in the conversation that is open."""

    def __init__(
        self,
        screen: ChatScreen,
        conversations: Conversations,
        peers: PeerTable,
        *,
        say: Callable[[str], None],
        tell: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._screen = screen
        self._conversations = conversations
        self._peers = peers
        self._say = say
        self._tell = tell
        self._changed = changed
        self._whom = self._text = self._line = self._question = ""
        screen.app.key_processor.after_key_press += self._key_came
        self._just_made = False

    @property
    def stands(self) -> bool:
        """Whether Enter accepts it."""
        return bool(self._whom) and self._screen.line.text == self._line

    def make(self, text: str) -> None:
        """Nothing is open: offer to send the text to who is there; the Up key has it, too."""
        count = self._peers.count_connected()
        here = nsmallest(_NAMED, (peer.peer_id for peer in self._peers.connected()))
        if count == 1 and here:
            line = self._screen.line
            line.text = typed_as(text)
            line.cursor_position = len(line.text)
            self._whom, self._text, self._line = here[0], text, line.text
            self._just_made = True
            question = _("Enter sends this to {peer}, any other key does not")
            self._question = question.format(peer=bracketed(here[0]))
            self._screen.question = self._question
        elif here:
            named = ", ".join(f"/to {visible(peer_id)}" for peer_id in here)
            text = _("not sent yet: first say to whom, {named}")
            if count > _NAMED:
                text = ngettext(
                    "not sent yet: first say to whom, {named} ({n:,} is connected, /peers lists"
                    " them)",
                    "not sent yet: first say to whom, {named} ({n:,} are connected, /peers lists"
                    " them)",
                    count,
                )
            self._tell(text.format(named=named, n=count))
        else:
            self._tell(_("not sent yet: nobody is connected (Up brings your text back)"))

    def accept(self) -> None:
        """Open the conversation, and say it."""
        whom, text = self._whom, self._text
        self._take_back()
        self._screen.line.reset()
        self._conversations.switch(whom)
        self._say(text)
        self._changed()

    def command(self) -> None:
        """The person begins a command instead."""
        self._take_back()
        self._screen.line.reset()
        self._screen.line.insert_text("/")

    def _key_came(self, _processor: object) -> None:
        if self._just_made:
            self._just_made = False
        elif self._whom:
            self._take_back()

    def _take_back(self) -> None:
        self._whom = ""
        if self._screen.question == self._question:
            self._screen.question = ""
