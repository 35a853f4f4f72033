"""The seams of the program: what one part may ask of another without knowing its class.

Only seams with more than one real implementation are named here. The session, the codec and the
configuration have one each and need no interface; what Twisted names already (IReactorTime,
IService) is used as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.defer import Deferred

    from p2pchat.rendezvous.listing import Grant, Listing


class IDirectory(Interface):
    """Where peers announce themselves and find each other (protocol, section 2).

    Every method returns a Deferred that fails with a `p2pchat.rendezvous.listing.DirectoryError`
    and nothing else, within a bounded time.
    """

    address: str = Attribute("What to call this directory in messages to the person.")

    def register(namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        """Announce `name@namespace` on `port` for `ttl` seconds; register again before it ends."""

    def discover(namespace: str | None) -> Deferred[Sequence[Listing]]:
        """List the live registrations of `namespace`, or of every namespace for None."""

    def unregister(namespace: str, name: str, port: int) -> Deferred[None]:
        """Withdraw one registration."""
