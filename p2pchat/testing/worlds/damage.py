"""Files that are damaged in a world: a flipped bit, a torn file, a lost one.

    DAMAGE["flip"](scene, Dice(2861))

Rules: whoever's file was damaged may have lost anything that was in it, but nothing without a word
if nobody had it open, and what is left is what was said. A file that nothing can be made of is put
away by its person.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.testing.worlds.kind import Dice
from p2pchat.testing.worlds.scene import Scene
from p2pchat.testing.worlds.storage import path_of


def _flip(scene: Scene, dice: Dice) -> None:
    """One bit, or a few, of a file that is open or closed."""
    name, several = dice.choice(scene.names), dice.choice((1, 1, 3))
    path, disk = path_of(name), scene.disks[name]
    if not disk.exists(path) or disk.size(path) < _LEAST:
        return
    bits = [disk.flip(path) for _ in range(several)]
    scene.account.damaged.add(name)
    if path in disk.in_use:
        # What its program writes next may be whole again around the hole.
        scene.account.told_of_damage.add(name)
    scene.tell(f"{name}: bits {bits} of its file change")


def _tear(scene: Scene, dice: Dice) -> None:
    """The end of a file is gone, or all of it, while nobody has it open."""
    name, all_of_it = dice.choice(scene.names), dice.random() < 0.3
    path, disk = path_of(name), scene.disks[name]
    if not disk.exists(path) or disk.size(path) < _LEAST or path in disk.in_use:
        return
    scene.account.damaged.add(name)
    if all_of_it:
        scene.tell(f"{name}: its file is gone")
        disk.lose(path)
    else:
        scene.tell(f"{name}: {disk.tear(path)} bytes of its file are left")
    if not disk.exists(path) or not disk.size(path):
        scene.account.told_of_damage.add(name)  # of an empty file nobody can say what was there


DAMAGE: Final[dict[str, Callable[[Scene, Dice], None]]] = {"flip": _flip, "tear": _tear}
"""Name -> what it does; `kind` says how often."""
_LEAST: Final = 4096
"""Bytes of a file in which there is anything."""
