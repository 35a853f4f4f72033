"""The settings of the nodes of a world: the usual ones, or limits so narrow that they are met.

Rules: a limit that is never met shows nothing. In a narrow world a message may be refused when it
is said, and what was accepted has the same end as everywhere.
"""

from __future__ import annotations

from typing import Final

from p2pchat.settings.values import (
    ConnectionSettings,
    HistorySettings,
    LimitSettings,
    RendezvousSettings,
    Settings,
)

USUAL: Final = Settings(
    limits=LimitSettings(peer_rate=0),
    connection=ConnectionSettings(discovery_interval=5.0),
    history=HistorySettings(),
)
NARROW: Final = Settings(
    limits=LimitSettings(peer_rate=5.0, max_links=12, max_pending_acks=4, max_queue_bytes=65_536),
    connection=ConnectionSettings(discovery_interval=5.0, ping_interval=4.0),
    history=HistorySettings(outbox_max_per_peer=8, outbox_ttl=20_000.0, catch_up=40),
    rendezvous=RendezvousSettings(ttl=20),
)
