"""What a node does about keys: its policy and the person's decisions, carried out on all links.

Rules: `claims` knows what may be done to one link; here is who is looked at, and when. Many peers
are looked at in several turns of the reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final

from p2pchat.mesh.blocking import Blocking
from p2pchat.mesh.claims import Claims, OwnKeys
from p2pchat.mesh.dialing import Dialing
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.trust import Policy
from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.turns import Turns

_PEERS_A_TURN: Final = 100


class Encryption:
    """For one node that has keys; what it encrypts goes by the policy of `context.settings`.

    `on_alert` gets what the person may have to know about a key, `tell` other sentences.
    """

    def __init__(
        self,
        own: OwnKeys,
        reactor: Any,
        context: LinkContext,
        peers: PeerTable,
        dialing: Dialing,
        blocking: Blocking,
        turns: Turns,
        on_alert: Callable[[Alert], None],
        tell: Callable[[str], None],
    ) -> None:
        self._context = context
        self._peers = peers
        self._dialing = dialing
        self._blocking = blocking
        self._turns = turns
        self.claims = Claims(
            context.me.peer_id,
            own,
            Policy(context.settings.security.policy),
            peers,
            reactor.seconds,
            on_alert,
            tell,
        )
        """Who may have which name."""
        self.security = LinkSecurity(own.keys, self.claims, reactor, fleeting=own.fleeting)
        """What links are encrypted with, also while none are."""
        self.take_policy()

    def take_policy(self) -> None:
        """Have links that are new encrypted, or not; end those that may not stay as they are."""
        policy = Policy(self._context.settings.security.policy)
        self.claims.vouching.policy = policy
        self._context.security = None if policy is Policy.OFF else self.security
        self._turns.do(self._look_at_all(self._peers.connected()))

    def take_key(self, keys: Keys) -> None:
        """Our key is another one from now on: for links that are new, and those there are stay."""
        self.security.keys = keys
        self.claims.vouching.own_key = keys.own
        if self.claims.known.file is not None:
            self.claims.known.file.belongs_to(keys.own)

    def key_decided(self, peer_id: str, *, forgotten: bool) -> None:
        """The person has taken another key for a name, or forgotten it: links that may not stay
        end, and the peer is dialed."""
        peer = self._peers.get(peer_id)
        if peer is None:
            return
        self.claims.look_at_links(peer, forgotten=forgotten)
        if not self._blocking.has_peer(peer_id) and all(link.leaving for link in peer.links):
            peer.left = False
            self._dialing.dial(peer)

    @property
    def at_rest(self) -> bool:
        """Whether no link is in doubt, and all keys are on the disk."""
        return self.claims.vouching.at_rest

    def sweep(self, now: float) -> None:
        """Judge the links in doubt, and dial whose name has become free."""
        free = self.claims.vouching.sweep(now)
        if free:
            self._turns.do(self._dial_free(free))

    def _dial_free(self, names: list[str]) -> Generator[None, None, None]:
        """A key is forgotten: whoever had given up its name, or was refused it, is dialed."""
        for number, peer_id in enumerate(names, 1):
            if number % _PEERS_A_TURN == 0:
                yield
            peer = self._peers.get(peer_id)
            if peer is None or not peer.listed or peer.links or peer.left:
                continue
            if not self._blocking.has_peer(peer_id):
                self._dialing.wanted(peer)

    def _look_at_all(self, peers: list[Peer]) -> Generator[None, None, None]:
        for number, peer in enumerate(peers, 1):
            if number % _PEERS_A_TURN == 0:
                yield
            self.claims.look_at_links(peer)
