"""Who we are, as every handshake says it."""

from __future__ import annotations

from msgspec import UNSET, Struct

from p2pchat.wire.address import EVERYONE, split_peer_id
from p2pchat.wire.messages import FEATURES, Hello, HelloOk


class Identity(Struct, frozen=True):
    """Who we are in every handshake."""

    peer_id: str
    agent: str
    instance: str
    """Random, one per process: it tells a dial to ourselves from another user of our peer_id."""
    addresses: frozenset[str]
    """What the `dst` of a SEND to us may be."""
    scopes: frozenset[str]
    """What the `dst` of a PUB to us may be."""
    features: tuple[str, ...] = FEATURES
    """What we can, as our HELLO says it."""
    port: int = 0
    """Where we listen, for who wants to dial us again; 0 is not said."""

    @classmethod
    def of(
        cls,
        peer_id: str,
        agent: str = "",
        instance: str = "",
        features: tuple[str, ...] = FEATURES,
        port: int = 0,
    ) -> Identity:
        """The identity of `peer_id`; raises `ValueError`, with a sentence, if it is impossible."""
        name, namespace = split_peer_id(peer_id)
        addresses = frozenset((peer_id, name, ""))
        scopes = addresses | {EVERYONE, "#" + namespace, namespace}
        return cls(peer_id, agent, instance, addresses, scopes, features, port)

    def hello(self) -> Hello:
        """Who we are, for the one whom we dialed."""
        return Hello(
            self.peer_id,
            features=self.features,
            agent=self.agent,
            instance=self.instance,
            port=self.port or UNSET,
        )

    def hello_ok(self, *, is_p2pchat: bool) -> HelloOk:
        """Who we are, for the one who dialed us; only another p2pchat can use the rest."""
        features = self.features if is_p2pchat else FEATURES
        return HelloOk(self.peer_id, features=features, agent=self.agent, instance=self.instance)
