"""What the person decides about keys: whose is compared, which one to take, which to forget.

Rules: a decision holds at once, and is done to links: those that may not stay end, and the peer is
dialed. The person is told that it is done when it is on the disk: see `Decision.synced`.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import Compared, Decision, KnownKeys
from p2pchat.mesh.identity.next_key import NextKey
from p2pchat.mesh.mesh import Mesh


class Trusting:
    """The decisions of the person at one node, which has a key.

    `known` tells what is known of others. Change it only by the methods here.
    """

    def __init__(self, own: OwnKeys, mesh: Mesh, clock: IReactorTime) -> None:
        self.known: KnownKeys = own.known
        self.fleeting = own.fleeting
        """Whether our key ends with this process."""
        self.succession = own.succession
        """What finds the key that is to follow ours; None where none can."""
        self._mesh = mesh
        self._clock = clock

    @property
    def own_key(self) -> bytes:
        """Our key, 32 bytes."""
        security = self._mesh.security
        assert security is not None  # whoever has a key can encrypt
        return security.keys.own

    @property
    def own_fingerprint(self) -> str:
        """What others compare our key with."""
        return fingerprint(self.own_key)

    @property
    def next_key(self) -> NextKey | None:
        """The key that is to follow ours; None while there is none."""
        return None if self.succession is None else self.succession.next

    def verify(self, peer_id: str, text: str) -> Decision:
        """Compare a fingerprint that the person has typed with the known one; equal: verified.

        Raises `ValueError`, with a sentence, for what is no fingerprint.
        """
        return self.known.verify(peer_id, text, self._clock.seconds())

    def paired(self, peer_id: str, key: bytes) -> Decision:
        """A code was compared with whoever has this key: verified, if it is the known one."""
        return self.known.paired(peer_id, key, self._clock.seconds())

    def trust(self, peer_id: str, text: str, *, typed: bool) -> Decision:
        """Take the key with this fingerprint, and only that, for a name; `typed` verifies it.

        Raises `ValueError`, with a sentence, for what is no fingerprint or no peer_id.
        """
        decision = self.known.trust(peer_id, text, self._clock.seconds(), typed=typed)
        self._mesh.key_decided(peer_id)
        return decision

    def forget(self, peer_id: str) -> Decision:
        """Give a name free: its key, and those that were refused under it, are forgotten."""
        decision = self.known.forget(peer_id, self._clock.seconds())
        if decision.compared is not Compared.UNKNOWN:
            self._mesh.key_decided(peer_id, forgotten=True)
        return decision
