"""Who may have which name: what is done to links for the key, or for none, that a peer comes with.

    our own dial    -> recognised, before it sees our certificate
    HELLO, HELLO_OK -> vouch -> taken, and pinned if the name has no key yet
                             -> turned away, with the reason for a BYE

Rules: `identity.vouching` decides, and tells the person; here it is done to links. Two links of one
name never have two keys, nor a key and none. Where a link is in the clear and its name is claimed
with a key, the link is PINGed; `identity.vouching` judges it two seconds later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from p2pchat.mesh.addresses import Place
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.identity.statement import read
from p2pchat.mesh.identity.succession import Succession
from p2pchat.mesh.identity.trust import ENCRYPTION_REQUIRED, Dial, Policy, another_key
from p2pchat.mesh.identity.vouching import Alert, Vouching
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.wire.address import host_and_port
from p2pchat.wire.messages import KeyChange

ENCRYPTION_OFF: Final = "encryption is off"
"""The reason of a BYE that ends a sealed link of a node that encrypts no more."""
KEY_FORGOTTEN: Final = "begin anew"
"""The reason of a BYE to who is to come again as one whose key is not known."""
KEY_CHANGED: Final = "the key has changed"
"""The reason of a BYE on a link with the key before, when the one that follows has come."""
_STATEMENTS: Final = 4
"""Statements of a next key that are looked at on one link: their signatures take 360 us."""
_NOT_HEARD: Final = "was not heard when it was doubted"


def _nothing() -> None:
    """Our key is in no file."""


class OwnKeys(NamedTuple):
    """What a node encrypts with, and whom it knows by their keys."""

    keys: Keys
    known: KnownKeys
    fleeting: bool = False
    """Whether our key ends with this process."""
    release: Callable[[], None] = _nothing
    """Gives the file of our key back."""
    succession: Succession | None = None
    """What finds the key that is to follow ours; None where none can."""

    def close(self, now: float) -> None:
        """The node is at its end, and what is known was flushed: give the files back.

        Where the disk does not answer, nobody else may have them before this process ends.
        """
        if self.succession is not None:
            self.succession.close()
        if self.known.close(now):
            self.release()


class Claims:
    """For one node that can encrypt; see `Judge`.

    `on_alert` gets what the person may have to know about a key, `tell` other sentences.
    """

    def __init__(
        self,
        own_id: str,
        own: OwnKeys,
        policy: Policy,
        peers: PeerTable,
        seconds: Callable[[], float],
        on_alert: Callable[[Alert], None],
        tell: Callable[[str], None],
    ) -> None:
        self.known = own.known
        self.vouching: Vouching[IPeerLink] = Vouching(
            policy,
            own.known,
            own_id,
            own.keys.own,
            own.known.wall,
            on_alert,
            lambda link: link.give_up(_NOT_HEARD),
            tell,
        )
        self._statements: dict[IPeerLink, int] = {}
        self._peers = peers
        self._seconds = seconds
        self._pinned: dict[IPeerLink, Pin] = {}

    # ------------------------------------------------------------ dialing

    def dials_sealed(self, peer_id: str, place: Place) -> bool:
        """Whether to dial a peer at this place in TLS."""
        peer = self._peers.get(peer_id)
        able = peer is not None and peer.seems_able(place)
        return self.vouching.how_to_dial(peer_id, able=able) is Dial.SEALED

    def recognised(self, link: IPeerLink, key: bytes) -> str | None:
        """Why the one whom we dialed must not see our certificate; None when it may."""
        name = link.dialed or ""
        peer = self._peers.get(name)
        registered = peer is not None and peer.registered and _leads_to(link, peer.registered_at)
        may = self.vouching.may_show_ourselves(
            name, key, link.ip, self._seconds(), registered=registered
        )
        return None if may else another_key(name)

    # ------------------------------------------------------------ HELLO and HELLO_OK

    def vouch(self, link: IPeerLink, peer_id: str, *, fleeting: bool) -> str:
        """Why whoever says to be `peer_id` may not be there: the reason of a BYE; empty if it may.

        One that may be there has its pin from now on, until `closed`.
        """
        key, now, peer = link.key, self._seconds(), self._peers.get(peer_id)
        links = [] if peer is None else [*peer.links]
        able = _leads_to(link, self._able(link.dialed or ""))
        verdict = self.vouching.arrived(peer_id, key, link.ip, links, now, able=able)
        plain = [it for it in links if it.key is None]
        if verdict.doubt:
            for it in plain:
                it.ping()
        if not verdict.take:
            return verdict.bye
        if key is not None:
            self._pinned[link] = self.known.opened(peer_id, key, link.ip, now, fleeting=fleeting)
        if verdict.end:
            for it in links:
                if it.key != key:
                    _end(it, ENCRYPTION_REQUIRED if it.key is None else KEY_CHANGED)
        return ""

    def announced(self, link: IPeerLink, message: KeyChange) -> None:
        """The other end of an open link states which key is to follow its own."""
        count = self._statements.get(link, 0) + 1
        if link.key is None or link not in self._pinned or count > _STATEMENTS:
            return
        self._statements[link] = count
        try:
            statement = read(message)
        except ValueError:
            return
        self.vouching.announced(link.peer_id, link.key, statement, self._seconds())

    def closed(self, link: IPeerLink) -> None:
        """A connection is gone, whether or not it opened."""
        self._statements.pop(link, None)
        pin = self._pinned.pop(link, None)
        if pin is not None:
            self.known.closed(pin, self._seconds())

    def mark(self, peer_id: str, key: bytes) -> str:
        """How well the key of an open link is known: `encrypted` or `verified`."""
        pin = self.known.pin_of(peer_id)
        known = pin is not None and pin.verified is not None and pin.has(key)
        return "verified" if known else "encrypted"

    def has_our_key(self, link: IPeerLink) -> bool:
        """Whether somebody who has our name has our key, too; the person is told if so."""
        return self.vouching.own_name_came(link.key, link.ip, self._seconds())

    def refused_us(self, link: IPeerLink) -> None:
        """The one whom we dialed knows another key under our name, and has said so inside TLS."""
        if link.key is not None and link.dialed:
            self.vouching.refused_us(link.dialed, link.key, link.ip, self._seconds())

    def _able(self, peer_id: str) -> tuple[Place, ...]:
        peer = self._peers.get(peer_id)
        return () if peer is None else peer.able

    # ------------------------------------------------------------ what the person has decided

    def look_at_links(self, peer: Peer, *, forgotten: bool = False) -> None:
        """The policy, or the pin of a peer, has changed: end the links that may not stay.

        `forgotten`: there is no pin any more, so none of the links has one.
        """
        vouching = self.vouching
        for link in [*peer.links]:
            if forgotten:
                _end(link, KEY_FORGOTTEN)
            elif vouching.policy is Policy.OFF and link.key is not None:
                _end(link, ENCRYPTION_OFF)
            elif not vouching.may_stay(peer.peer_id, link.key):
                plain = link.key is None
                _end(link, ENCRYPTION_REQUIRED if plain else another_key(peer.peer_id))


def _leads_to(link: IPeerLink, places: tuple[Place, ...]) -> bool:
    return any(link.address == host_and_port(*place) for place in places)


def _end(link: IPeerLink, reason: str) -> None:
    if not link.leaving:
        link.leave(reason)
