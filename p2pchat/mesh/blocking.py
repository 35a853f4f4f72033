"""Who is blocked: by the configuration, and by the person until the program ends.

Rules: pure bookkeeping. The mesh asks before a link opens, before a peer is dialed and before
anything from a peer is passed on, and looks at its links again when the list changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from p2pchat.speech import Sentence
from p2pchat.wire.blocklist import BlockList, block_entry

_MOST: Final = 1000


class Blocking:
    """The entries of `limits.blocked` and those that were added since the start.

    `on_change` is called when the list has changed.
    """

    def __init__(self, configured: Iterable[str], on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._configured: dict[str, None] = {}
        self._added: dict[str, None] = {}
        self._list = BlockList()
        self.refused = 0
        """Links that were refused, or ended, because their peer is blocked."""
        self.configure(configured)

    def configure(self, configured: Iterable[str]) -> None:
        """These entries are those of the configuration from now on; tells nobody."""
        self._configured = dict.fromkeys(configured)
        self._made_anew()

    @property
    def configured(self) -> list[str]:
        """The entries of `limits.blocked`."""
        return [*self._configured]

    @property
    def added(self) -> list[str]:
        """The entries that last as long as the program, in the order in which they were added."""
        return [*self._added]

    def __len__(self) -> int:
        return len(self._configured) + len(self._added)

    def block(self, text: str) -> str:
        """Add an entry; returns it in its usual form. Raises `ValueError` with a sentence."""
        entry = block_entry(text)
        if entry not in self._configured and entry not in self._added:
            if len(self._added) >= _MOST:
                raise ValueError(
                    Sentence("{most} entries were added: put them into limits.blocked", most=_MOST)
                )
            self._added[entry] = None
            self._made_anew()
            self._on_change()
        return entry

    def unblock(self, text: str) -> str:
        """Take an entry out that was added; returns it. Raises `ValueError` with a sentence."""
        entry = block_entry(text)
        if entry in self._configured:
            raise ValueError(
                Sentence("{entry} is in limits.blocked: take it out there, and reload", entry=entry)
            )
        if entry not in self._added:
            raise ValueError(Sentence("{entry} is not blocked (/block lists what is)", entry=entry))
        del self._added[entry]
        self._made_anew()
        self._on_change()
        return entry

    def has(self, peer_id: str, ip: str) -> bool:
        """Whether a link with this peer, from this address, is not wanted."""
        return self._list.has_peer(peer_id) or self._list.has_address(ip)

    def has_peer(self, peer_id: str) -> bool:
        """Whether a peer of this name is not to be dialed."""
        return self._list.has_peer(peer_id)

    def has_address(self, ip: str) -> bool:
        """Whether nothing from this address is wanted."""
        return self._list.has_address(ip)

    def _made_anew(self) -> None:
        self._list = BlockList([*self._configured, *self._added])
