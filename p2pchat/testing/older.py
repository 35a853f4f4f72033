"""A node that says no more than version 1.0 of p2pchat did, for worlds of both.

    town = FakeTown(seed=3)
    older = town.node("old@CIC", make=OlderNode)
    town.network.tap = ...                     # and `newer_than(line)` is empty for what it writes

What version 1.0 and this one differ in, as far as others notice:

| | 1.0 | now |
|---|---|---|
| HELLO, HELLO_OK | peer_id, version, features, ttl, agent, instance | also `port`, and for keys |
| features | ack, metrics; history with a history | the same, and away, edit, peers, pair |
| types | `TYPES` below | also EDIT, AWAY, KEY, PEERS_REQ, PEERS, PAIR |
| an id with another text | a repetition: acknowledged, not shown | another message |
| a second link of a living peer | the newer one is used | the one in use stays |
| PONG, BYE_OK on another link | count for nothing | count |

Rules: this is the node of today, with the first three rows of 1.0, so it runs wherever the suite
does. For all of them there is `p2pchat.testing.versions`, which needs a folder with that version.
"""

from __future__ import annotations

import json
from typing import Any, Final

from msgspec.structs import replace

from p2pchat.node.node import ChatNode
from p2pchat.wire.identity import Identity

AGENT: Final = "p2pchat/1.0.0"
FEATURES: Final = frozenset({"ack", "metrics", "history"})
_CHAT: Final = frozenset({"msg_id", "src", "dst", "payload", "require_ack", "ttl"})
_HELLO: Final = frozenset({"peer_id", "version", "features", "ttl", "agent", "instance"})
TYPES: Final = {
    "HELLO": _HELLO,
    "HELLO_OK": _HELLO,
    "PING": frozenset({"msg_id", "timestamp", "ttl"}),
    "PONG": frozenset({"msg_id", "timestamp", "ttl"}),
    "ACK": frozenset({"msg_id", "timestamp", "ttl"}),
    "SEND": _CHAT,
    "PUB": _CHAT,
    "SAID": _CHAT | {"said"},
    "CATCH_UP": frozenset({"msg_id", "after", "limit", "max_age", "ttl"}),
    "BYE": frozenset({"msg_id", "src", "dst", "reason", "ttl"}),
    "BYE_OK": frozenset({"msg_id", "src", "dst", "ttl"}),
}
"""Type -> the fields that version 1.0 writes."""
_LATER: Final = ("make_keys",)
"""What a node can be made with since then."""


def newer_than(line: bytes) -> str:
    """What a line says that version 1.0 never wrote; empty if there is nothing."""
    said: dict[str, Any] = json.loads(line)
    kind = said.pop("type")
    if kind not in TYPES:
        return f"the type {kind}"
    beyond = sorted(said.keys() - TYPES[kind]) or sorted({*said.get("features", ())} - FEATURES)
    return f"{kind} with {', '.join(beyond)}" if beyond else ""


class OlderNode(ChatNode):
    """A `ChatNode` that announces and uses what version 1.0 had; raises TypeError for the rest."""

    def __init__(self, *args: Any, **options: Any) -> None:
        later = [option for option in _LATER if options.get(option) is not None]
        if later:
            raise TypeError(f"version 1.0 had no {', '.join(later)}")
        super().__init__(*args, **options)

    def _settle(self, me: Identity) -> None:
        features = tuple(each for each in me.features if each in FEATURES)
        super()._settle(replace(me, agent=AGENT, features=features, port=0))
