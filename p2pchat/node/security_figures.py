"""What a node counts of encryption and keys, as a section for its statistics.

Rules: see `figures`. A node that encrypts nothing has the same figures, all of them 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from p2pchat.mesh.identity.vouching import Vouching
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.node.node import ChatNode
from p2pchat.node.stats import Figure, Number, counter, gauge


def _links(security: str, node: ChatNode) -> int:
    return sum(link.security == security for link in node.mesh.links)


def _shared(read: Callable[[LinkSecurity], Number]) -> Callable[[ChatNode], Number]:
    """A figure of what all links share; 0 for a node without a key."""
    return lambda node: 0 if node.mesh.security is None else read(node.mesh.security)


def _vouched(read: Callable[[Vouching[IPeerLink]], Number]) -> Callable[[ChatNode], Number]:
    """A figure of who vouches for keys; 0 for a node without one."""
    return lambda node: 0 if node.mesh.claims is None else read(node.mesh.claims.vouching)


SECURITY: Final[Mapping[str, Figure[ChatNode]]] = {
    "links_plain": gauge("links in the clear", partial(_links, "plain")),
    "links_encrypted": gauge(
        "links that are encrypted, and whose key nobody has compared", partial(_links, "encrypted")
    ),
    "links_verified": gauge(
        "links that are encrypted, with a key that was compared", partial(_links, "verified")
    ),
    "handshakes": counter("TLS handshakes that are done", _shared(lambda it: it.handshakes)),
    "handshakes_failed": counter(
        "TLS handshakes that failed", _shared(lambda it: it.handshakes_failed)
    ),
    "handshake_seconds": counter(
        "processor time of those that are done", _shared(lambda it: round(it.handshake_seconds, 6))
    ),
    "handshakes_waiting": gauge(
        "connections that wait until they may shake hands", _shared(lambda it: it.budget.waiting)
    ),
    "handshakes_rested": counter(
        "times that a group of addresses had to rest after a dear one, or one that failed late",
        _shared(lambda it: it.budget.rests),
    ),
    "links_broken": counter(
        "links that ended because somebody on the way had changed what came",
        _shared(lambda it: it.broken),
    ),
    "keys_refused": counter(
        "claims to a name that were refused: another key, or none", _vouched(lambda it: it.refused)
    ),
    "alerts": counter("alerts that the person was told", _vouched(lambda it: it.alerts.told)),
    "alerts_left_out": counter(
        "alerts that were not told, because there had been enough",
        _vouched(lambda it: it.alerts.left_out),
    ),
    "keys_known": gauge("names whose key is known", _vouched(lambda it: len(it.keys.pins()))),
    "keys_light": gauge(
        "of those, how many are forgotten soon, unless the person writes to them",
        _vouched(lambda it: it.keys.light),
    ),
}
