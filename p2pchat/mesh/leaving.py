"""The end of a node's links: BYE to all of them, and a few seconds for the answers.

Rules: only once. A node that has left does not come back.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from p2pchat.mesh.link.seams import IPeerLink

_LEAVE_TIMEOUT: Final = 2.0


class Leaving:
    """For the links of one node: `links` are those that exist at any time."""

    def __init__(self, clock: IReactorTime, links: Collection[IPeerLink]) -> None:
        self._clock = clock
        self._links = links
        self._all_gone: Deferred[None] | None = None
        self.begun = False
        """Whether no link is wanted any more."""

    def leave(self) -> Deferred[None]:
        """Say BYE to all; fires when they are gone, after 2 s at the latest."""
        self.begun = True
        for link in [*self._links]:
            link.leave("leaving")
        if not self._links:
            return succeed(None)
        self._all_gone = Deferred()
        deadline = self._clock.callLater(_LEAVE_TIMEOUT, self._abandon_links)

        def over(_: None) -> None:
            if deadline.active():
                deadline.cancel()

        return self._all_gone.addCallback(over)

    def link_closed(self) -> None:
        """A link is gone, perhaps the last one."""
        if not self._links and self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)

    def _abandon_links(self) -> None:
        for link in [*self._links]:
            link.give_up("no answer to our BYE")
