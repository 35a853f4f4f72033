"""The settings of the nodes of a world: the usual ones, or limits so low that they are met.

Rules: a limit that is never met shows nothing. In a narrow world a message may be refused when it
is said, and what was accepted has the same end as everywhere.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

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
BRIEF: Final = 30.0
"""Seconds that a message may wait in a world in which it grows old."""


def settings_of(*, narrow: bool, brief: bool) -> Settings:
    """Those of the nodes; `narrow`: limits are met; `brief`: what waits is given up."""
    usual = NARROW if narrow else USUAL
    return replace(usual, history=replace(usual.history, outbox_ttl=BRIEF)) if brief else usual


def longest_wait(*, narrow: bool) -> float:
    """Seconds for which nothing may happen: what waits must not grow too old by that alone."""
    return (NARROW if narrow else USUAL).history.outbox_ttl / 2
