"""What one rendezvous puts up with: each is an option of the server, with its trade-off."""

from __future__ import annotations

from typing import Annotated

import msgspec

from p2pchat.rendezvous.registry import MAX_REGISTRATIONS, PER_ADDRESS
from p2pchat.settings.checks import COUNT, SECONDS, whole
from p2pchat.speech import N_


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one rendezvous puts up with."""

    per_minute: Annotated[
        int,
        whole("N", 0)(
            N_(
                "from one address or IPv6 network of 64 bits, which is blocked for a minute beyond "
                "it; 0: any number; loopback is exempt"
            ),
            "connections-per-minute",
        ),
    ] = 50
    """More: many peers behind one router are served. Fewer: one address costs less."""
    connections: Annotated[
        int,
        COUNT(
            N_("at a time; beyond it, new ones wait and slow ones are cut off"), "max-connections"
        ),
    ] = 700
    """A burst may exceed it by a sixth and 100. More: more memory and descriptors (most systems
    allow 1,024 to a process). Fewer: when many come, the rest waits sooner."""
    registrations: Annotated[
        int,
        COUNT(
            N_("beyond it, new ones are refused (registry_full) and renewals are not"),
            "max-registrations",
        ),
    ] = MAX_REGISTRATIONS
    """More: larger namespaces, and more memory."""
    per_address: Annotated[
        int,
        whole("N", 0)(
            N_(
                "from one address or IPv6 network of 64 bits; beyond it, new ones are refused "
                "(too_many_registrations); 0: any number; loopback is exempt"
            ),
            "registrations-per-address",
        ),
    ] = PER_ADDRESS
    """More: larger classrooms behind one router. Fewer: one address takes fewer of the places."""
    idle: Annotated[float, SECONDS(N_("without a byte of a request"), "idle-timeout")] = 5.0
    """Longer: slow networks. Shorter: less held by silence."""
    total: Annotated[
        float, SECONDS(N_("for a whole request, however slowly it comes"), "request-timeout")
    ] = 30.0
    """Longer: slow networks. Shorter: a request that dribbles in holds a place for less time."""
