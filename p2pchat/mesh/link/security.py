"""What the links of a node that encrypts share: our keys, and who says whether somebody may be there.

Rules: a node that encrypts nothing has none of this, and its links do as they always did. What a
key or a name is worth is decided by the owner of the links; here it is only asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.wire.guard import Guard
from p2pchat.wire.messages import Hello


class LinkSecurity:
    """Made once for a node, and for as long as it encrypts in `LinkContext.security`.

    `fleeting` says that our key ends with this process.
    """

    def __init__(self, keys: Keys, judge: Judge, *, fleeting: bool = False) -> None:
        self.keys = keys
        self.judge = judge
        self.fleeting = fleeting

    def guard(self, link: IPeerLink, *, sealed: bool) -> Guard:
        """What the session of `link` asks."""

        def vouch(peer_id: str, greeting: Hello) -> str:
            return self.judge.vouch(link, peer_id, fleeting=greeting.fleeting is True)

        return Guard(sealed, vouch, self.fleeting)
