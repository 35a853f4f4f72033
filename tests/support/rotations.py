"""Keys that follow others, for nodes in a fake network."""

from __future__ import annotations

from random import Random

from p2pchat.mesh.identity.key_making import KeyFileError
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.next_key import STAYS, NextKey
from p2pchat.mesh.identity.statement import Statement, make
from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import fake_keys


def seed_of(owner: str) -> bytes:
    """The seed of the key that `fake_keys` gives to this owner."""
    return Random(f"key of {owner}").randbytes(32)


def keys_of(owner: str) -> Keys:
    """That key."""
    return fake_keys(owner, wall=lambda: 0.0).keys


def statement(old: str, new: str, count: int = 1, peer_id: str = "bob@CIC") -> Statement:
    """That the key of one owner follows that of another, signed by both."""
    return make(keys_of(old).own, seed_of(old), keys_of(new).own, seed_of(new), count, peer_id)


class FakeNextKey:
    """Where the next key of a node is, if the test has put one there; see `NextKeyFile`."""

    def __init__(self) -> None:
        self.found: NextKey | None = None
        self.keys: Keys | None = None

    def put(
        self, old: str, new: str, wall: float, *, at_once: bool = False, count: int = 1
    ) -> None:
        """`p2pchat keys rotate`, by somebody with both keys."""
        self.found = NextKey(statement(old, new, count), wall, 0.0 if at_once else wall + STAYS)
        self.keys = keys_of(new)

    def read(self) -> NextKey | None:
        """See `NextKeyFile`."""
        return self.found

    def take(self) -> Keys:
        """See `NextKeyFile`."""
        if self.keys is None:
            raise KeyFileError("there is none")
        self.found = None
        return self.keys


def own_key(node: ChatNode) -> bytes:
    """The key of a node."""
    assert node.trusting is not None
    return node.trusting.own_key
