"""What is over is gone: of a node that has left nothing stays in the memory of its process."""

from __future__ import annotations

import enum
import gc
import importlib
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Raw, Struct, UnsetType
from twisted.trial.unittest import SynchronousTestCase

import p2pchat
from p2pchat.testing.worlds.scene import Scene
from p2pchat.testing.worlds.world import World

_ROOT = Path(p2pchat.__file__).parent
_LEAVES = (str, int, float, bool, bytes, type(None), UnsetType, Raw, object, Any)
"""The last two are what a line of JSON may hold."""
_HOLDERS = (list, tuple, dict, set, frozenset, Union, types.UnionType)


class CollectedTests(SynchronousTestCase):
    def test_a_world_is_gone_when_it_is_over(self) -> None:
        """In these nodes leave, and are killed, with messages that wait and that gather."""
        scenes: list[weakref.ref[Scene]] = []
        made = World.scene

        def scene(world: World, *words: Any, **more: Any) -> Scene:
            one = made(world, *words, **more)
            scenes.append(weakref.ref(one))
            return one

        self.patch(World, "scene", scene)
        for seed in (8104, 8107):
            World.of(seed).run()
        self.flushLoggedErrors()
        gc.collect()
        self.assertEqual([each() for each in scenes], [None, None])

    def test_what_the_collector_does_not_look_at_leads_nowhere(self) -> None:
        """A circle through one of these would never be freed."""
        structs = [*_unlooked_at()]
        self.assertGreater(len(structs), 20)
        for struct in structs:
            for name, hint in get_type_hints(struct).items():
                self.assertEqual([*_leading_on(hint)], [], f"{struct.__qualname__}.{name}")


def _unlooked_at() -> Iterator[type[Struct]]:
    for path in sorted(_ROOT.rglob("*.py")):
        if "gc=False" in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(_ROOT.parent).with_suffix("").parts)
            module = importlib.import_module(name)
            for value in vars(module).values():
                is_struct = isinstance(value, type) and issubclass(value, Struct)
                if is_struct and value is not Struct and not value.__struct_config__.gc:
                    yield value


def _leading_on(hint: Any) -> Iterator[Any]:
    """What of an annotation can hold anything else."""
    origin = get_origin(hint)
    if origin is Literal:
        return
    parts = get_args(hint)
    if parts and (origin in _HOLDERS or getattr(origin, "__module__", "") == "collections.abc"):
        for part in parts:
            if part is not Ellipsis:
                yield from _leading_on(part)
        if getattr(origin, "__name__", "") == "Callable":
            yield hint
    elif get_origin(hint) is not None and parts:
        yield from _leading_on(parts[0])
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        return
    elif isinstance(hint, type) and issubclass(hint, Struct):
        if hint.__struct_config__.gc and get_type_hints(hint):
            yield hint
    elif hint not in _LEAVES:
        yield hint
