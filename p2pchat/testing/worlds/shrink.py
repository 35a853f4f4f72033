"""From a world in which something was wrong to a short one in which the same is wrong.

    shrink(World.of(48211), ("G3", "shown more than once"))  ->  World(Kind(nodes=2), 6 steps)

Rules: steps are left out by halves, quarters and so on, down to one (ddmin, Zeller and Hildebrandt
2002). Then the world is made simpler, one thing after the other. Whatever is kept was run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from msgspec.structs import fields, replace

from p2pchat.testing.worlds.kind import Kind
from p2pchat.testing.worlds.steps import Step
from p2pchat.testing.worlds.world import World

Wrong: TypeAlias = tuple[str, str]
"""A check, and the kind of its violation."""


def is_in(world: World, wrong: Wrong) -> bool:
    """Whether this is wrong in a world."""
    check, kind = wrong
    return kind in world.run().found.get(check, {})


def shrink(world: World, wrong: Wrong, most: int = 300) -> World:
    """A shorter and simpler world in which the same is wrong; `most`: worlds to try for it."""
    tries = iter(range(most))

    def fails(kind: Kind, steps: Sequence[Step]) -> bool:
        tried = replace(world, kind=kind, steps=steps)
        return next(tries, None) is not None and is_in(tried, wrong)

    kind, steps = world.kind, [*world.steps]
    before = None
    while before != (kind, steps):
        before = (kind, steps)
        steps = _fewer(steps, lambda some: fails(kind, some))  # noqa: B023
        for changes in _simpler(kind):
            simpler = replace(kind, **changes)
            if simpler != kind and fails(simpler, steps):
                kind = simpler
    return replace(world, kind=kind, steps=steps)


def _fewer(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            some = steps[:at] + steps[at + size :]
            if fails(some):
                steps = some
            else:
                at += size
        size //= 2
    return steps


def _simpler(kind: Kind) -> Iterator[dict[str, Any]]:
    """What can be made simpler about it, one thing after the other."""
    for nodes in range(kind.nodes - 1, 1, -1):
        yield {"nodes": nodes}
    for field in fields(Kind):
        if field.name not in ("seed", "nodes"):
            plain = field.default_factory() if field.name == "rates" else field.default
            yield {field.name: plain}
    for number in range(len(kind.clocks) * any(kind.clocks)):
        yield {"clocks": (*kind.clocks[:number], 0.0, *kind.clocks[number + 1 :])}


def literal(world: World) -> str:
    """A world as a test can hold it."""
    said = []
    for field in fields(Kind):
        value = getattr(world.kind, field.name)
        default = {} if field.name == "rates" else field.default
        if field.name != "steps" and value != default:
            said.append(f"{field.name}={value!r}")
    lines = "".join(f"        {step!r},\n".replace("'", '"') for step in world.steps)
    return f"World(\n    Kind({', '.join(said)}),\n    [\n{lines}    ],\n)"
