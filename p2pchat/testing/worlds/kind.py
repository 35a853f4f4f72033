"""What a world is like: drawn first, before anything happens in it.

    kind = draw_kind(Dice(48211))
    kind.nodes, kind.rates["kill"]

Rules: plain data, made of one seed. Each world has some of the faults and not others, so that no
fault hides behind another one (swarm testing, Groce et al. 2012). Rates are weights, not chances.
"""

from __future__ import annotations

import random
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from p2pchat.testing.lies import IMPERSONATING, Lie

Dice: TypeAlias = random.Random
"""All chance of a world comes from some of these, and they from its seed."""
NAMES: Final = ("alice", "bob", "carol", "dave", "erin", "frank", "grace")
SPACES: Final = ("CIC", "LAB")
PLAIN: Final = "zoe@CIC"
"""A client that speaks the base protocol and no more."""
YEAR: Final = 31_536_000.0

VISITOR: Final = "mallory@CIC"
"""A stranger with a bad habit on each connection."""
LIAR: Final = "eve@CIC"
_LIES: Final = [lie.name for lie in Lie if lie not in IMPERSONATING]
LATENCIES: Final = ((0.0005, 0.01), (0.0005, 0.01), (0.0, 0.0), (0.02, 0.08), (0.1, 0.9))
STEPS: Final = (20, 40, 60, 60, 90)

ALWAYS: Final = {"pass": 16, "thread": 18, "send": 8, "start": 8}
"""Act -> its weight in every world."""
SOMETIMES: Final = {
    "request": 5,
    "publish": 6,
    "script": 4,
    "cancel": 2,
    "forget": 1,
    "flood": 1,
    "reload": 1,
    "break": 3,
    "stop": 4,
    "plain": 6,
    "kill": 2,
    "power": 2,
    "full": 2,
    "io error": 2,
    "slow": 1,
    "unplug": 2,
    "pause": 3,
    "one way": 3,
    "jump": 1,
    "directory": 3,
    "flip": 1,
    "tear": 1,
    "watch": 2,
    "ask": 3,
    "block": 1,
    "long": 1,
    "visit": 5,
    "burst": 1,
    "edit": 4,
    "away": 2,
    "beacon": 3,
    "book": 2,
}
"""Act -> its weight in the worlds that have it, which are some of them."""

OFTEN: Final = frozenset({*[*SOMETIMES][:11], "visit", "edit"})
"""Those that half of the worlds have, the others a fifth."""

THIRD: Final = frozenset({"kill", "power", "full"})
"""Those that a third of the worlds have: they cost most of what can go wrong."""


_MUCH: Final = 20
"""The weight of an act of which there is much."""
_LONG: Final = 250
"""Steps of a world with much of an act: what it costs to begin and to end is shared by more."""


class Kind(Struct, frozen=True):
    """What a world is like; `seed` makes what its network and its nodes leave to chance."""

    seed: int
    nodes: int = 3
    names: tuple[str, ...] = NAMES
    """How the nodes are called, from the first one on."""
    spaces: int = 1
    """Namespaces."""
    latency: tuple[float, float] = LATENCIES[0]
    """The shortest and the longest time of a segment, in seconds."""
    cut: float = 0.2
    """The chance that what is sent at once arrives in pieces."""
    forgetful: tuple[int, ...] = ()
    """The numbers of the nodes that keep no history."""
    clocks: tuple[float, ...] = ()
    """The seconds by which the wall clock of each node is ahead."""
    plain: bool = False
    """Whether there is a plain peer."""
    lies: tuple[str, ...] = ()
    """What a liar does now and then, the names of `Lie`; there is none if it is empty."""
    served: bool = False
    """Whether the rendezvous is the real server on a host of its own."""
    sleeps: tuple[int, ...] = (0,)
    """Steps for which the threads of a node do nothing when it starts; each start takes one."""
    rates: dict[str, int] = {}
    """Act -> its weight."""
    steps: int = 60
    narrow: bool = False
    """Whether the limits of its nodes are so low that they are met."""
    brief: bool = False
    """Whether its nodes give up what waits for half a minute."""
    falls: bool = False
    """Whether the power goes in the end as soon as something was told to be too old."""
    older: tuple[int, ...] = ()
    """The numbers of the nodes that say no more than the version before this one."""
    sealed: tuple[int, ...] = ()
    """The numbers of the nodes that encrypt."""
    books: bool = False
    """Whether its nodes keep books of peers, with which they find each other in the end."""
    lan: bool = False
    """Whether its nodes hear each other's beacons."""
    aimed: bool = False
    """Whether somebody tells them in the end that many peers are at one victim's address."""

    @property
    def peer_ids(self) -> tuple[str, ...]:
        """The nodes' peer_ids; the last ones are in the second namespace, if there is one."""
        return tuple(
            f"{name}@{SPACES[min(self.spaces, 2) - 1 if number % 3 == 2 else 0]}"
            for number, name in enumerate(self.names[: self.nodes])
        )


def with_more(kind: Kind, act: str) -> Kind:
    """The same world, but longer, and with so much of an act that it happens some dozen times."""
    rates = kind.rates | {act: _MUCH, "start": _MUCH, "send": max(_MUCH, kind.rates["send"])}
    return replace(kind, rates=rates, steps=_LONG)


def draw_kind(chance: Dice) -> Kind:
    """What the world of this chance is like."""
    nodes = chance.choice((2, 3, 3, 3, 3, 4, 5, 7))
    rates = dict(ALWAYS)
    for act, weight in SOMETIMES.items():
        if chance.random() < (0.5 if act in OFTEN else 0.35 if act in THIRD else 0.2):
            rates[act] = weight * chance.choice((1, 1, 2))
    brief = chance.random() < 0.15
    if brief and chance.random() < 0.5:  # who loses its power must know how old a message is
        rates |= {"jump": 2, "power": 4}
    if "away" in rates and chance.random() < 0.5:  # who is killed unheard comes back, and is there
        rates |= {"away": 6, "power": 6, "start": 16}
    if rates.keys() & {"power", "full"}:
        rates["send"] *= 2  # they show nothing while nothing is written
    wrong = chance.random() < 0.2
    return Kind(
        seed=chance.getrandbits(32),
        nodes=nodes,
        spaces=1 + (nodes > 2 and chance.random() < 0.15),
        latency=chance.choice(LATENCIES),
        cut=chance.choice((0.2, 0.2, 0.0, 0.6)),
        forgetful=tuple(n for n in range(nodes) if chance.random() < 0.3)
        if chance.random() < 0.2
        else (),
        clocks=tuple(chance.choice((0.0, -YEAR, YEAR, 3600.0)) for _ in range(nodes))
        if wrong
        else (),
        plain="plain" in rates,
        lies=tuple(chance.sample(_LIES, chance.choice((1, 3, 10))))
        if chance.random() < 0.1
        else (),
        served=chance.random() < 0.15,
        sleeps=chance.choice(((0,), (0, 0, 5, 10, 25), (0, 25))),
        rates=rates,
        steps=chance.choice(STEPS),
        narrow=chance.random() < 0.2,
        brief=brief,
        falls=brief and chance.random() < 0.6,
        **_makes(chance, nodes),
    )


def _makes(chance: Dice, nodes: int) -> dict[str, Any]:
    """Which nodes are older, and which of the others encrypt."""
    some = {number for number in range(nodes) if chance.random() < 0.5}
    older = some if chance.random() < 0.15 else set()
    sealed = {*range(nodes)} - some if chance.random() < 0.12 else set()
    made: dict[str, Any] = {"older": tuple(sorted(older)), "sealed": tuple(sorted(sealed - older))}
    made["books"] = not older and chance.random() < 0.3
    made["lan"] = chance.random() < 0.15
    made["aimed"] = made["books"] and chance.random() < 0.25
    return made
