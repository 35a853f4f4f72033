"""A server that shares its registry: what it needs, and what it tells of that."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.node.stats import Section
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.settings import SharedSettings
from p2pchat.service import rendezvous_shared
from p2pchat.settings.checks import ConfigError


class Running:
    """Of a running server, the two lists to which others add."""

    def __init__(self) -> None:
        self.sections: list[Any] = []
        self.worries: list[Any] = []


class SharedTests(SynchronousTestCase):
    def test_without_the_extra(self) -> None:
        self.patch(rendezvous_shared, "has_redis", lambda: False)
        with self.assertRaisesRegex(ConfigError, r"pip install 'txp2pchat\[redis\]'"):
            rendezvous_shared.share(Clock(), Registry(), SharedSettings(), "redis://here")

    def test_what_is_told_of_it(self) -> None:
        self.patch(rendezvous_shared, "has_redis", lambda: True)
        address = "redis://:secret@here"
        shared = rendezvous_shared.share(Clock(), Registry(), SharedSettings(), address)
        running: Any = Running()
        rendezvous_shared.add_figures(running, shared)
        (make,), (worry,) = running.sections, running.worries
        section: Section[Any] = make()
        names = {*section.read()}
        self.assertEqual(names, {"stale_seconds", "pending", "told", "applied", "odd"})
        self.assertEqual(worry(), "")
        shared._failed("read", "no answer in 2 s")
        self.assertRegex(worry(), r"^shared: stale for \d+ s \(no answer in 2 s\)$")
        self.assertNotIn("secret", shared._where)
