"""What a rendezvous says to a peer: a granted registration, a listed peer, an error.

Shared by the client (which reads them) and by everything that only wants to know a directory.
"""

from __future__ import annotations

from collections.abc import Container

import msgspec
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from p2pchat.rendezvous.selection import Selection
from p2pchat.speech import Sentence


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A registration that was granted: its lease, and our address as the rendezvous saw it."""

    ttl: float
    """Seconds until the registration ends unless it is renewed."""
    ip: str = ""
    """Our own public address, empty when the rendezvous did not say."""
    ips: tuple[str, ...] = ()
    """All of them under which we may be registered, `ip` among them: one of IPv4, one of IPv6."""
    here: tuple[str, ...] = ()
    """Our ends of the connections to the rendezvous: addresses of our interfaces, as we know
    them."""

    def __post_init__(self) -> None:
        if self.ip and not self.ips:
            msgspec.structs.force_setattr(self, "ips", (self.ip,))


class Listing(msgspec.Struct, frozen=True, gc=False):
    """One peer of a DISCOVER reply."""

    name: str
    namespace: str
    ip: str
    port: int
    ttl: float
    """The whole length of the lease in seconds; 0 when the rendezvous did not say."""
    expires_in: float
    """Seconds the lease still has; `ttl` when the rendezvous did not say."""
    key: str = ""
    """The key that the peer says to have, if the rendezvous passes that on: anybody may say so."""

    @property
    def peer_id(self) -> str:
        """The peer's id, `name@namespace`."""
        return f"{self.name}@{self.namespace}"


class Listings(list[Listing]):
    """The peers of a DISCOVER reply, as many as are taken."""

    seen = 0
    """Entries that were looked at."""
    odd = 0
    """Entries that nobody could dial, and that are not among these."""
    example = ""
    """The first of them, fit for a log."""
    whole = True
    """Whether the reply named no more; what is not among these may be registered else."""
    namespace: str | None = None
    """What was asked for, None for all; the reply says nothing of other namespaces."""
    last: tuple[str, str] | None = None
    """Name and address of the last entry that was looked at, whether or not it can be dialed."""
    total: int | None = None
    """How many registrations there are of what was asked for, when only some of them were; None
    when the rendezvous did not say, because it knows nothing of that and lists all."""


class DirectoryError(Exception):
    """The rendezvous refused or did not answer; its `Sentence` is for the person."""


class Unreachable(DirectoryError):
    """No connection, no reply in time, or a connection closed without a word: try again later."""


class NotRegistered(DirectoryError):
    """The rendezvous does not know us (`peer_not_registered`): register again, at once."""


class Blocked(DirectoryError):
    """Too many connections; the rendezvous said for how long it refuses us."""

    def __init__(self, sentence: str | Sentence, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds
        """Seconds to wait before the next connection of any kind."""


class RequestRefused(DirectoryError):
    """An error reply; `code` is what the rendezvous sent, for example `bad_name`."""

    def __init__(self, sentence: str | Sentence, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class ListingTooLong(RequestRefused):
    """The listing is more than can be read, or than the rendezvous tells: ask for less."""


class IDirectory(Interface):
    """Where peers announce themselves and find each other (protocol, section 2).

    Every method returns a Deferred that fails with a `DirectoryError`
    and nothing else, within a bounded time.
    """

    address: str = Attribute("What to call this directory in messages to the person.")
    source: str = Attribute(
        "The IP address that the latest answer to a DISCOVER came from; loopback if that is this "
        "machine, empty before the first one."
    )
    max_listed: int = Attribute("How many entries of a listing are read; may change at any time.")
    wanted: Container[str] = Attribute("Whose entries are looked for beyond these.")
    own_key: str = Attribute("The key that a REGISTER says, as text; empty for none.")

    def register(namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        """Announce `name@namespace` on `port` for `ttl` seconds; register again before it ends."""

    def discover(namespace: str | None, selection: Selection | None = None) -> Deferred[Listings]:
        """List the live registrations of `namespace`, or of every namespace for None.

        A `selection` asks for some of them only. Not every rendezvous knows it: without `total`,
        the reply lists all of them.
        """

    def unregister(namespace: str, name: str, port: int) -> Deferred[None]:
        """Withdraw one registration."""
