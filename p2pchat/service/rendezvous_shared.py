"""A rendezvous server that shares its registry with others: the service, and what it counts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from p2pchat.node.stats import Figure, Section, counter, gauge
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.settings import SharedSettings
from p2pchat.rendezvous.stores.redis import connect, has_redis
from p2pchat.rendezvous.stores.redis_address import redis_address
from p2pchat.rendezvous.stores.shared import SharedRegistry
from p2pchat.service.rendezvous_figures import RunningServer
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence


def share(reactor: Any, registry: Registry, settings: SharedSettings, redis: str) -> SharedRegistry:
    """The service that shares `registry` by the Redis at this address, not started yet.

    Raises ConfigError when what this needs is not installed.
    """
    if not has_redis():
        sentence = Sentence(
            "shared: this needs txredisapi and hiredis: {command}",
            command="pip install 'txp2pchat[redis]'",
        )
        raise ConfigError(sentence)
    address = redis_address(redis)
    return SharedRegistry(
        registry,
        lambda: (connect(address, reactor), connect(address, reactor)),
        server=_random_name(),
        where=str(address),
        reactor=reactor,
        on_unfit=lambda _: reactor.stop(),
        epoch=_random_name,
        prefix=settings.prefix,
        commit=settings.ack == "commit",
    )


def add_figures(running: RunningServer, shared: SharedRegistry) -> None:
    """Have a running server tell of it."""
    running.sections.append(lambda: Section("shared", _FIGURES, shared))
    running.worries.append(lambda: _worry(shared))


def _random_name() -> str:
    return os.urandom(8).hex()


def _worry(shared: SharedRegistry) -> str:
    if not shared.trouble:
        return ""
    return f"shared: stale for {shared.stale_for:.0f} s ({shared.trouble})"


_FIGURES: Final[Mapping[str, Figure[SharedRegistry]]] = {
    "stale_seconds": gauge(
        "seconds for which Redis could not be used, 0 while it can",
        lambda it: round(it.stale_for, 1),
    ),
    "pending": gauge("changes that the others are not told yet", lambda it: len(it.telling)),
    "told": counter("changes that Redis has taken from here", lambda it: it.told),
    "applied": counter("changes of other servers", lambda it: it.hearing.applied),
    "odd": counter("entries that somebody else wrote into Redis", lambda it: it.hearing.odd),
}
