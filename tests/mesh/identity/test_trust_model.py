"""Every order of up to eight steps: who gets a name, and who gets what is written to it.

Alice is the node. Bob has a key, or a program that cannot encrypt, or first the one and then the
other. Mallory has another key, another address, and the same name. What one step makes of a state
is looked at once: states that differ only in how they came about are one.
"""

from __future__ import annotations

import pickle
from collections import Counter
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity import known_keys as known_keys_module
from p2pchat.mesh.identity import trust, vouching
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import LIGHT_FOR, SETTLES_AFTER, KnownKeys
from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.mesh.identity.trust import (
    LIVES_FOR,
    NAME_IN_USE,
    AlertKind,
    OpenLink,
    Policy,
    Verdict,
    may_carry,
)
from p2pchat.mesh.identity.vouching import Alert, Vouching
from tests.support.pin_disks import ALICE, BOB, MALLORY, FakePinDisk, known_keys

NAME = "bob@CIC"
STEPS = 8
POLICIES = [policy.value for policy in Policy]
ADDRESSES = {"bob": "10.0.0.2", "mallory": "10.9.0.3"}


@dataclass(eq=False)
class Link:
    who: str
    key: bytes | None
    heard_at: float
    pin: Pin | None = None
    alive: bool = True
    waits_for_us: bool = False

    @property
    def ip(self) -> str:
        return ADDRESSES[self.who]


@dataclass
class World:
    """Alice's node, its links under one name, and what was seen of it."""

    policy: Policy
    now: float = 0.0
    links: list[Link] = field(default_factory=list)
    alerts: list[tuple[float, AlertKind]] = field(default_factory=list)
    waiting: tuple[float | None] | None = None
    """A message that waits, and when it was typed if that was for a link in the clear."""
    contested: bool = False
    """Whether somebody was refused since there is the light pin."""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.disk = FakePinDisk()
        self.start(is_new=True)

    def start(self, *, is_new: bool = False) -> None:
        keys = known_keys(self.disk, self.wall, self.tell, is_new=is_new)
        self.vouching = Vouching(
            self.policy, keys, "alice@CIC", ALICE, self.wall, self.alert, self.dead, self.tell
        )

    def wall(self) -> float:
        return 1.8e9 + self.now

    def tell(self, sentence: str) -> None:
        pass

    def alert(self, alert: Alert) -> None:
        self.alerts.append((self.now, alert.kind))

    def dead(self, link: OpenLink) -> None:
        assert isinstance(link, Link)
        self.check(not link.alive, "a living link was called dead")
        self.end(link)

    def check(self, right: bool, fault: str) -> None:
        if not right:
            self.faults.append(fault)

    @property
    def pin(self) -> Pin | None:
        return self.vouching.keys.pin_of(NAME)

    # ------------------------------------------------------------ steps

    def comes(self, who: str, key: bytes | None) -> bool:
        plain = [link for link in self.links if link.key is None and link.alive]
        was_light = self.pin is not None and not self.pin.settled
        ip = ADDRESSES[who]
        verdict = self.vouching.arrived(NAME, key, ip, self.links, self.now)
        if verdict.take:
            if verdict.end:
                for link in [link for link in self.links if link.key is None]:
                    self.check(
                        not link.alive or link.ip == ip or self.pin is not None,
                        "a living plain peer was thrown out",
                    )
                    self.end(link)
            link = Link(who, key, self.now)
            if key is not None:
                link.pin = self.vouching.keys.opened(NAME, key, ip, self.now)
            self.links.append(link)
            self.carry()
        else:
            self.contested = self.contested or (was_light and verdict.bye != "busy")
        if verdict.doubt:
            self.passes(LIVES_FOR + 0.1)
        if who == "mallory" and self.pin is None:
            self.check(all(link in self.links for link in plain), "mallory ended a living link")
        return verdict.take

    def end(self, link: Link) -> None:
        self.links.remove(link)
        if link.pin is not None:
            self.vouching.keys.closed(link.pin, self.now)

    def leaves(self, who: str) -> None:
        for link in [link for link in self.links if link.who == who]:
            self.end(link)

    def falls_silent(self) -> None:
        for link in self.links:
            link.alive = link.alive and link.who != "bob"

    def passes(self, seconds: float) -> None:
        self.now += seconds
        for link in self.links:
            if link.alive:
                link.heard_at = self.now
        self.vouching.sweep(self.now)

    def writes(self) -> None:
        if self.links:
            self.deliver(self.links[0])
        elif self.waiting is None:
            self.waiting = (None,)

    def writes_for_later(self) -> None:
        """It is typed while the peer talks in the clear, and does not leave."""
        if self.waiting is None and self.links and self.links[0].key is None:
            self.waiting = (self.wall(),)

    def carry(self) -> None:
        if self.waiting is None:
            return
        (typed,) = self.waiting
        link, pin = self.links[0], self.pin
        if link.key is None or (pin is not None and may_carry(pin, typed)):
            self.check(
                typed is None
                or link.key is None
                or (pin is not None and pin.trusted)
                or (pin is not None and pin.since <= typed),
                "what was typed in the clear went to a new key",
            )
            self.waiting = None
            self.deliver(link)

    def deliver(self, link: Link) -> None:
        if link.key is None:
            self.check(
                self.pin is None or self.policy is Policy.OFF,
                "text in the clear under a pinned name",
            )
            self.check(self.policy is not Policy.REQUIRE, "text in the clear")
            return
        self.vouching.keys.wrote_to(NAME, self.now)
        pin = self.pin
        self.check(pin is not None and pin.key == link.key, "text to another key")
        self.check(pin is not None and pin.hold is Hold.BY_PERSON, "written to, and not settled")

    def trusts(self, key: bytes) -> None:
        self.vouching.keys.trust(NAME, fingerprint(key), self.now, typed=False)
        self.not_staying()

    def verifies(self, key: bytes) -> None:
        self.vouching.keys.verify(NAME, fingerprint(key), self.now)

    def forgets(self) -> None:
        self.vouching.keys.forget(NAME, self.now)
        for link in [*self.links]:
            self.end(link)

    def reloads(self, policy: Policy) -> None:
        self.policy = self.vouching.policy = policy
        self.not_staying()

    def not_staying(self) -> None:
        for link in [*self.links]:
            if not self.vouching.may_stay(NAME, link.key):
                self.end(link)

    def restarts(self) -> None:
        for link in [*self.links]:
            self.end(link)
        self.alerts.clear()
        self.start()

    # ------------------------------------------------------------ what must hold

    def look(self, before: Pin | None, step: str) -> None:
        pin = self.pin
        keys = {link.key for link in self.links}
        self.check(len(keys) <= 1, f"links with {len(keys)} keys")
        if pin is not None and keys and not (self.policy is Policy.OFF and keys == {None}):
            self.check(keys == {pin.key}, "a link with another key than the pinned one")
        self.check(None in keys or not keys or pin is not None, "a sealed link without a pin")
        if (
            before is not None
            and before.settled
            and step not in ("trust bob", "trust mallory", "forget")
        ):
            self.check(
                pin is not None and pin.fingerprint == before.fingerprint and pin.settled,
                "a settled pin was lost",
            )
            self.check(
                pin is not None and (pin.verified is not None) >= (before.verified is not None),
                "a verified pin is no longer verified",
            )
        if pin is None or before is None or pin.fingerprint != before.fingerprint:
            self.contested = False
        if pin is not None and pin.hold is Hold.BY_TIME and (before is None or not before.settled):
            self.check(not self.contested, "a contested name was settled by time")
        if step == "10 minutes" and pin is not None and not self.links:
            self.check(pin.settled, "a light pin has outlived its links")
        last = [at for at, _ in self.alerts[-2:]]
        self.check(len(last) < 2 or last[1] - last[0] >= 3600, "two alerts in an hour")

    def state(self) -> Any:
        """All that what comes next depends on."""
        pin, keys = self.pin, self.vouching.keys
        now = self.now
        return (
            self.policy,
            tuple((link.who, link.key, link.alive or link.key) for link in self.links),
            pin and (pin.fingerprint, pin.key is None, pin.hold, pin.verified is None),
            # Of light ones: tens of minutes of open links.
            pin
            and not pin.settled
            and (
                pin.contested,
                min(6, (pin.open_before + (now - pin.open_since if pin.links else 0)) // 600),
            ),
            frozenset(old.key for old in keys.refused_under(NAME)),
            self.waiting and (self.waiting[0] is None, pin and may_carry(pin, self.waiting[0])),
        )


ACTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "bob sealed": ("comes", ("bob", BOB)),
    "bob plain": ("comes", ("bob", None)),
    "mallory sealed": ("comes", ("mallory", MALLORY)),
    "mallory plain": ("comes", ("mallory", None)),
    "bob leaves": ("leaves", ("bob",)),
    "mallory leaves": ("leaves", ("mallory",)),
    "bob silent": ("falls_silent", ()),
    "write": ("writes", ()),
    "write for later": ("writes_for_later", ()),
    "trust bob": ("trusts", (BOB,)),
    "trust mallory": ("trusts", (MALLORY,)),
    "verify": ("verifies", (BOB,)),
    "forget": ("forgets", ()),
    "restart": ("restarts", ()),
    "prefer": ("reloads", (Policy.PREFER,)),
    "require": ("reloads", (Policy.REQUIRE,)),
    "off": ("reloads", (Policy.OFF,)),
    "10 minutes": ("passes", (LIGHT_FOR + 1,)),
    "1 hour": ("passes", (SETTLES_AFTER + 1,)),
}


def possible(world: World) -> list[str]:
    """The steps that could change anything."""
    here = {link.who for link in world.links}
    pinned = world.pin is not None
    idle = {
        world.policy.value: True,
        "bob leaves": "bob" not in here,
        "mallory leaves": "mallory" not in here,
        "bob silent": not any(
            link.who == "bob" and link.alive and link.key is None for link in world.links
        ),
        "write for later": not world.links or world.links[0].key is not None,
        "verify": not pinned,
        "forget": not pinned and not world.vouching.keys.refused_under(NAME),
        "1 hour": not world.links,
    }
    # A third link of one kind is like a second one.
    kinds = Counter((link.who, link.key) for link in world.links)
    for name, (act, given) in ACTS.items():
        if act == "comes":
            idle[name] = kinds[given] >= 2
    return [name for name in ACTS if not idle.get(name)]


def squatted(stored: bytes) -> bool:
    """Whether bob cannot have his name even when all have left and 10 minutes are over."""
    world: World = pickle.loads(stored)
    world.reloads(Policy.PREFER)
    world.leaves("mallory")
    world.leaves("bob")
    world.passes(LIGHT_FOR + 1)
    pin = world.pin
    owned = pin is not None and pin.settled and not pin.has(BOB)
    return not world.comes("bob", BOB) and not owned


def explore(policy: Policy, steps: int, *, reloads: bool = False) -> tuple[int, list[str]]:
    """All states that are reached in this many steps: how many, and the faults with their ways."""
    first = World(policy)
    seen = {first.state()}
    level: list[tuple[bytes, tuple[str, ...], list[str]]] = []
    level.append((pickle.dumps(first), (), possible(first)))
    faults: list[str] = []
    for _ in range(steps):
        following = []
        for stored, way, names in level:
            for name in names:
                if name in POLICIES and not reloads:
                    continue
                world: World = pickle.loads(stored)
                act, given = ACTS[name]
                before = world.pin and copy(world.pin)
                getattr(world, act)(*given)
                world.look(before, name)
                here = (*way, name)
                if world.faults:
                    faults.append(f"{', '.join(here)}: {world.faults}")
                elif (state := world.state()) not in seen:
                    seen.add(state)
                    made = pickle.dumps(world)
                    following.append((made, here, possible(world)))
                    if squatted(made):
                        faults.append(f"{', '.join(here)}: bob cannot come back")
        level = following
    return len(seen), faults


class ModelTests(SynchronousTestCase):
    def test_all_orders_of_eight_steps(self) -> None:
        for policy, least in ((Policy.PREFER, 700), (Policy.REQUIRE, 100)):
            count, faults = explore(policy, STEPS)
            self.assertEqual(faults[:5], [], policy)
            self.assertGreater(count, least)

    def test_with_another_policy_in_between(self) -> None:
        count, faults = explore(Policy.PREFER, 5, reloads=True)
        self.assertEqual(faults[:5], [])
        self.assertGreater(count, 700)

    def found(self, steps: int, policy: Policy = Policy.PREFER) -> str:
        return " ".join(explore(policy, steps)[1])

    def test_what_is_put_in_is_found(self) -> None:
        """Each rule is missed when it is taken away."""
        right = trust.vouch

        def without_a_look_at_the_pin(*given: Any, **named: Any) -> Verdict:
            policy, _, *rest = given
            return right(policy, None, *rest, **named)

        def first_key_wins(*given: Any, **named: Any) -> Verdict:
            verdict = right(*given, **named)
            return Verdict(True, end=True) if verdict.bye == NAME_IN_USE else verdict

        def no_link_ends(*given: Any, **named: Any) -> Verdict:
            return right(*given, **named)._replace(end=False)

        def nothing_contests(*given: Any, **named: Any) -> Verdict:
            return right(*given, **named)._replace(contested=False)

        for wrong, fault, steps in (
            (first_key_wins, "a living plain peer was thrown out", 2),
            (no_link_ends, "links with 2 keys", 2),
            (nothing_contests, "a contested name was settled by time", 3),
        ):
            self.patch(vouching, "vouch", wrong)
            self.assertIn(fault, self.found(steps), wrong)
        self.patch(vouching, "vouch", without_a_look_at_the_pin)
        self.assertRaises(ValueError, explore, Policy.PREFER, 3)
        self.patch(vouching, "vouch", right)
        self.patch(known_keys_module, "LIGHT_FOR", 7200.0)
        self.assertIn("a light pin has outlived its links", self.found(3))
        self.assertIn("bob cannot come back", self.found(1))
        self.patch(known_keys_module, "LIGHT_FOR", LIGHT_FOR)
        self.patch(KnownKeys, "_append", lambda *given, **named: True)
        self.assertIn("a settled pin was lost", self.found(3))
