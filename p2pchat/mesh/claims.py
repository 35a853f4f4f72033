"""Who may have which name: what is done with the key, or without one, that a peer comes with.

    HELLO, HELLO_OK -> vouch -> taken, and pinned if the name has no key yet
                             -> turned away, with the reason for a BYE, and perhaps an alert
    our own dial    -> recognised, before it sees our certificate

Rules: what is to be done is in `identity.trust`, as tables; what is known is in `KnownKeys`. Here it
is done, to links. Two links of one name never have two keys, nor a key and none. A link in the
clear that is doubted is PINGed. If it is heard within two seconds its name is its own; if not, it
ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.identity.trust import (
    ENCRYPTION_REQUIRED,
    AlertKind,
    Policy,
    Verdict,
    another_key,
    dialed_in_vain,
    how_to_dial,
    may_show_ourselves,
    may_stay,
    vouch,
)
from p2pchat.mesh.identity.trust import Dial as HowToDial
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable

HEARD_WITHIN: Final = 2.0
"""Seconds in which a link that is doubted is to be heard."""
ENCRYPTION_OFF: Final = "encryption is off"
"""The reason of a BYE that ends a sealed link of a node that encrypts no more."""


class OwnKeys(NamedTuple):
    """What a node encrypts with, and whom it knows by their keys."""

    keys: Keys
    known: KnownKeys
    fleeting: bool = False
    """Whether our key ends with this process."""


class KeyAlert(NamedTuple):
    """Something that a person may have to know about a key."""

    kind: AlertKind
    peer_id: str
    key: bytes | None
    """The key that was refused, or is ours; None in the clear."""
    known: Pin | None
    """What is known under the name."""
    ip: str
    """From where it came."""


class _Doubt(NamedTuple):
    asked_at: float
    alert: KeyAlert
    links: list[IPeerLink]


class Claims:
    """For one node that encrypts. `own_key` is ours, `on_alert` gets what strangers can cause."""

    def __init__(
        self,
        own_key: bytes,
        known: KnownKeys,
        policy: Policy,
        peers: PeerTable,
        seconds: Callable[[], float],
        on_alert: Callable[[KeyAlert], None],
    ) -> None:
        self.own_key = own_key
        self.known = known
        self.policy = policy
        self._peers = peers
        self._seconds = seconds
        self._on_alert = on_alert
        self._pinned: dict[IPeerLink, Pin] = {}
        self._doubts: dict[str, _Doubt] = {}

    # ------------------------------------------------------------ dialing

    def dials_sealed(self, peer_id: str, place: tuple[str, int], *, upgrade: bool) -> bool:
        """Whether to dial a peer at this place in TLS; `upgrade`: it has just said that it can."""
        peer = self._peers.get(peer_id)
        pinned = self.known.pin_of(peer_id) is not None
        able = upgrade or (peer is not None and place in peer.able)
        return how_to_dial(self.policy, pinned=pinned, able=able) is HowToDial.SEALED

    def recognised(self, link: IPeerLink, key: bytes) -> str | None:
        """Why the one whom we dialed must not see our certificate; None when it may."""
        name = link.dialed or ""
        pin = self.known.pin_of(name)
        if pin is None or may_show_ourselves(pin, key):
            return None
        peer = self._peers.get(name)
        registered = (
            peer is not None
            and peer.listed
            and link.address in {f"{host}:{port}" for host, port in peer.addresses}
        )
        somebodys = key == self.own_key or bool(self.known.names_of(key))
        self._heed(dialed_in_vain(pin, registered=registered, somebodys=somebodys), link, name, key)
        return another_key(name)

    # ------------------------------------------------------------ HELLO and HELLO_OK

    def vouch(self, link: IPeerLink, peer_id: str, *, fleeting: bool) -> str:
        """Why whoever says to be `peer_id` may not be there: the reason of a BYE; empty if it may.

        One that may be there has its pin from now on, until `closed`.
        """
        key, known, now = link.key, self.known, self._seconds()
        peer = self._peers.get(peer_id)
        links = [] if peer is None else [*peer.links]
        verdict = vouch(
            self.policy,
            known.pin_of(peer_id),
            peer_id,
            key,
            link.ip,
            links,
            now,
            room=key is None or known.has_room(peer_id, key, link.ip),
            able=self._said_before(link),
        )
        self._heed(verdict, link, peer_id, key)
        if not verdict.take:
            return verdict.bye
        if key is not None:
            self._pinned[link] = known.opened(peer_id, key, link.ip, now, fleeting=fleeting)
        if verdict.end:
            self._end_those_in_the_clear(links)
        return ""

    def closed(self, link: IPeerLink) -> None:
        """A connection is gone, whether or not it opened."""
        pin = self._pinned.pop(link, None)
        if pin is not None:
            self.known.closed(pin, self._seconds())

    def is_our_key(self, link: IPeerLink) -> bool:
        """Whether somebody else has our name, and our key; told if so."""
        ours = link.key == self.own_key
        if ours:
            self._on_alert(KeyAlert(AlertKind.OWN_KEY, "", link.key, None, link.ip))
        return ours

    def mark(self, peer_id: str, key: bytes) -> str:
        """How well the key of an open link is known: `encrypted` or `verified`."""
        pin = self.known.pin_of(peer_id)
        known = pin is not None and pin.verified is not None and pin.has(key)
        return "verified" if known else "encrypted"

    def _said_before(self, link: IPeerLink) -> bool:
        peer = self._peers.get(link.dialed or "")
        if peer is None:
            return False
        return link.address in {f"{host}:{port}" for host, port in peer.able}

    def _heed(self, verdict: Verdict, link: IPeerLink, peer_id: str, key: bytes | None) -> None:
        if verdict.contested:
            self.known.contested(peer_id)
        if verdict.refuse_key and key is not None:
            self.known.refused(peer_id, key, link.ip)
        if verdict.alert is None:
            return
        alert = KeyAlert(verdict.alert, peer_id, key, self.known.pin_of(peer_id), link.ip)
        if verdict.doubt:
            self._doubt(alert)
        else:
            self._on_alert(alert)

    def _end_those_in_the_clear(self, links: list[IPeerLink]) -> None:
        for link in links:
            if link.key is None and not link.leaving:
                link.leave(ENCRYPTION_REQUIRED)

    # ------------------------------------------------------------ a link in the clear is doubted

    def _doubt(self, alert: KeyAlert) -> None:
        peer = self._peers.get(alert.peer_id)
        if peer is None or alert.peer_id in self._doubts:
            return
        links = [link for link in peer.links if link.key is None]
        self._doubts[alert.peer_id] = _Doubt(self._seconds(), alert, links)
        for link in links:
            link.ping()

    def look(self, now: float) -> None:
        """Judge what was doubted; call it several times a second."""
        for peer_id, doubt in [*self._doubts.items()]:
            if now - doubt.asked_at < HEARD_WITHIN:
                break
            del self._doubts[peer_id]
            heard = [link.heard_at > doubt.asked_at or link.waits_for_us for link in doubt.links]
            if any(heard):
                self._on_alert(doubt.alert)
                continue
            if doubt.alert.key is not None:
                self.known.was_not_refused(peer_id, doubt.alert.key)
            for link in doubt.links:
                link.give_up("was not heard when it was doubted")

    # ------------------------------------------------------------ what the person has decided

    def settle(self, peer_id: str) -> None:
        """The person writes to a peer, by a link that is sealed: its key holds from now on."""
        self.known.wrote_to(peer_id, self._seconds())

    def look_at_links(self, peer: Peer) -> None:
        """The policy, or the pin of a peer, has changed: end the links that may not stay."""
        pin = self.known.pin_of(peer.peer_id)
        for link in [*peer.links]:
            if link.leaving:
                continue
            if self.policy is Policy.OFF and link.key is not None:
                link.leave(ENCRYPTION_OFF)
            elif not may_stay(self.policy, pin, link.key):
                plain = link.key is None
                link.leave(ENCRYPTION_REQUIRED if plain else another_key(peer.peer_id))
