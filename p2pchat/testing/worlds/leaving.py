"""The end of a world: all leave in order, and nothing is left behind.

Rules: whatever is left of a node, of a stranger, or at the rendezvous, is a violation.
"""

from __future__ import annotations

from typing import Final

from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.scene import LIAR_IP, Scene

_AFTERWARDS: Final = 6.0
"""Seconds until a question to a history that was stopped is given up."""


def leave(scene: Scene) -> None:
    """All nodes leave in order, and nothing is left behind."""
    if scene.liar is not None:
        scene.counts["lies"] += scene.liar.told.total()
        scene.liar.close()
    for violation in scene.visitor.overstayed():
        scene.find(violation)
    scene.visitor.close()
    if scene.victim is not None:
        scene.victim.close()
    if scene.plain is not None:
        scene.plain.close()
        for fault in scene.plain.faults:
            if fault.ip == LIAR_IP:
                continue
            scene.find(Violation("I4", "said to a plain peer", fault.what))
    scene.stop_all()
    scene.pass_time(_AFTERWARDS)
    for name, life in scene.lives.items():
        if not life.gone:
            scene.find(Violation("I6", "it does not leave", name))
        for call in life.host.getDelayedCalls():
            scene.find(Violation("I6", "something is left behind", f"{name}: {call}"))
        for port in life.host.ports:
            scene.find(Violation("I6", "a port is left open", f"{name}: {port}"))
    _look_at_directory(scene)


def _look_at_directory(scene: Scene) -> None:
    """What the rendezvous was asked, and whom it still knows when all have left."""
    served = scene.town.served
    if served is None:
        for ip in sorted(scene.town.rendezvous.impatient):
            scene.find(Violation("I7", "it asks a rendezvous that blocks it", ip))
        return
    known = {name for name in scene.names if served.knows(name)}
    served.stop()
    scene.pass_time(_AFTERWARDS)
    served.start()
    for name in scene.names:
        if name not in known and served.knows(name):
            scene.find(Violation("I6", "it has left, and is listed after a restart", name))
