"""What happens in a world, as a list that is made before any of it happens.

    draw_steps(kind, chance)  ->  [("send", 2861), ("pass", 91), ("kill", 40217), …]

Rules: a step is the name of an act and a seed of its own, from which the act takes its node, its
peer and its words. So a step that is left out changes no other one.
"""

from __future__ import annotations

from typing import TypeAlias

from p2pchat.testing.worlds.kind import Dice, Kind

Step: TypeAlias = tuple[str, int]
"""The name of an act, and its seed."""


def draw_steps(kind: Kind, chance: Dice) -> list[Step]:
    """As many steps as the kind says, by its rates."""
    acts, weights = [*kind.rates], [*kind.rates.values()]
    names = chance.choices(acts, weights, k=kind.steps)
    return [(name, chance.randrange(100_000)) for name in names]
