"""Our key, when another one follows it: told to peers, and taken when its day has come.

    p2pchat keys rotate  ->  KEY to each p2pchat on an encrypted link, and on each link that opens
    30 days later        ->  links that are new have the other key

Rules: what is told is told on links with the key before, of which whoever is there knows the owner.
A link that is there stays when the key changes: its other end has the next key already.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.key_words import next_key_found, own_key_changed
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.next_key import NextKey
from p2pchat.mesh.identity.statement import as_message
from p2pchat.mesh.identity.succession import Succession
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.mesh import Mesh
from p2pchat.wire.codec import encode

_LINKS_A_SWEEP: Final = 500


class Rotating:
    """Of one node. Call `opened` and `closed` for each link, and `sweep` several times a second.

    `tell` gets sentences for the person.
    """

    def __init__(self, succession: Succession, mesh: Mesh, tell: Callable[[str], None]) -> None:
        self._succession = succession
        self._mesh = mesh
        self._tell = tell
        self._line = b""
        self._to_tell: dict[IPeerLink, None] = {}
        succession.on_next = self._found
        succession.on_taken = self._taken

    def opened(self, link: IPeerLink) -> None:
        """A link is new."""
        if self._succession.next is not None and link.key is not None and link.is_p2pchat:
            self._to_tell[link] = None

    def closed(self, link: IPeerLink) -> None:
        """A link is gone."""
        self._to_tell.pop(link, None)

    @property
    def at_rest(self) -> bool:
        """Always: nobody waits for what is told here."""
        return True

    def sweep(self, now: float) -> None:
        """Tell those who were not told yet, and take the next key when its day has come."""
        for link in [*islice(self._to_tell, _LINKS_A_SWEEP)]:
            del self._to_tell[link]
            if not link.leaving and not link.send(self._line):
                self._to_tell[link] = None  # there was no room
        self._succession.sweep(now)

    def _found(self, following: NextKey) -> None:
        self._line = encode(as_message(following.statement, self._mesh.context.new_id()))
        for link in self._mesh.links:
            self.opened(link)
        self._tell(next_key_found(fingerprint(following.statement.new), following.until))

    def _taken(self, keys: Keys) -> None:
        self._to_tell.clear()
        self._mesh.take_key(keys)
        self._tell(own_key_changed(self._mesh.context.me.peer_id, fingerprint(keys.own)))
