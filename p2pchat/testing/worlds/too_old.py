"""A world in which something waits for too long, and the power goes as soon as that was told.

    wait_too_long(scene, Dice(2861))     when nothing fails any more, and before all are there

Rules: the wall clock is set back, too. What the file says of the age of a message is all that its
next process knows, and to whom it was for is there then.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from p2pchat.node.news import NotSentError
from p2pchat.testing.worlds.kind import Dice
from p2pchat.testing.worlds.life import Life
from p2pchat.testing.worlds.narrow import BRIEF
from p2pchat.testing.worlds.scene import GIVEN_UP_BY, LEAVING, Scene

_BACK: Final = 3600.0
"""Seconds by which the wall clock is set back."""
_READY: Final = 10.0
_A_WHILE: Final = 0.5


def wait_too_long(scene: Scene, dice: Dice) -> None:
    """Have one node be away for so long that what is for it is given up."""
    scene.run_threads()
    for name in scene.names:
        if scene.lives[name].gone:
            scene.start(name)
    scene.pass_time(_READY)
    absent = scene.lives[dice.choice(scene.names)]
    if absent.up:
        absent.stop()
    scene.pass_time(LEAVING, until=lambda: absent.gone)
    fell: list[str] = []

    def gave_up(name: str) -> None:
        life = scene.lives[name]
        if life.up and life.keeps and not fell:
            fell.append(name)
            life.host.callLater(0, _fall, scene, life)

    scene.shared.gave_up = gave_up
    for life in [*scene.lives.values()]:
        if life.up and life.keeps:
            text = scene.account.say(life.name, absent.name, "send")
            scene.tell(f"{life.name}: sends {text!r} to {absent.name}, who is away")
            with suppress(NotSentError):
                life.node.send(absent.name, text)
    end = scene.town.network.clock.seconds() + BRIEF + GIVEN_UP_BY
    while not fell and scene.town.network.clock.seconds() < end:
        scene.free = False  # the power may go between what is told and what is written
        scene.pass_time(_A_WHILE, until=lambda: bool(fell))
        if not fell:
            scene.run_threads()
    scene.pass_time(0.001)
    scene.run_threads()
    scene.shared.gave_up = lambda _: None


def _fall(scene: Scene, life: Life) -> None:
    name = life.name
    if life.gone:
        return
    scene.tell(f"{name}: loses its power, and its wall clock is set back")
    life.kill(after_next=False)
    scene.disks[name].power_loss()
    scene.host(name).wrong_by -= _BACK
    scene.counts["lost power when something was too old"] += 1
