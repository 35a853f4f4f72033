"""The parts that move one about, put together and into the console.

Rules: the console knows none of them but this one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prompt_toolkit.key_binding import merge_key_bindings

from p2pchat.console.commands.table import Commands
from p2pchat.console.full.application import ChatScreen
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.entries import Glyphs, PaneEntry
from p2pchat.console.full.looking_back import LookingBack
from p2pchat.console.full.moving import Moving
from p2pchat.console.full.moving_keys import moving_keys
from p2pchat.console.full.offer import Offer
from p2pchat.console.full.past_pager import PastPager
from p2pchat.console.full.talk import Talk
from p2pchat.history.records import Record
from p2pchat.node.node import ChatNode


def add_moving(
    screen: ChatScreen,
    node: ChatNode,
    commands: Commands,
    talk: Talk,
    conversations: Conversations,
    *,
    entries_of: Callable[[Sequence[Record]], list[PaneEntry]],
    glyphs: Glyphs,
    changed: Callable[[], None],
) -> None:
    """Add them to a screen that has its other keys already; arguments as in each of the parts."""
    pager = PastPager(
        node.history,
        conversations,
        entries_of,
        size=lambda: screen.pane.size,
        glyphs=glyphs,
        tell=talk.tell,
        changed=changed,
    )
    screen.pane.on_scroll = pager.scroll
    moving = Moving(node, commands, talk, conversations, screen.pane, changed=changed)
    LookingBack(node, commands, talk, conversations, screen.pane, pager, changed=changed)
    offer = Offer(screen, conversations, node.peers, say=talk.say, tell=talk.tell, changed=changed)
    talk.nowhere = offer.make
    bound = [screen.app.key_bindings, moving_keys(screen, moving, offer)]
    screen.app.key_bindings = merge_key_bindings([each for each in bound if each is not None])
