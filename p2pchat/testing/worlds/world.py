"""One world, from its seed or from its story, to what was wrong in it.

    World.of(48211).run().found   ->  {"L4": {"a direct message went out …": "alice 3"}, …}
    World(kind, steps).run()      the same from what was drawn, or from a part of it

Rules: all that is random comes from the seed, kind and steps first, so that a change of the program
changes no step. The threads of the histories stand still but for the steps that move them. In the
end nothing fails, all nodes are there until it is quiet, and then leave in order.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from twisted.logger import LogLevel, globalLogPublisher

from p2pchat.testing.worlds.acts import ACTS
from p2pchat.testing.worlds.checks import file_violations, public_violations
from p2pchat.testing.worlds.comeback import come_back
from p2pchat.testing.worlds.faults import heal
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.kind import Dice, Kind, draw_kind, with_more
from p2pchat.testing.worlds.leaving import leave
from p2pchat.testing.worlds.scene import Found, Scene, Tell
from p2pchat.testing.worlds.steps import Step, draw_steps
from p2pchat.testing.worlds.storage import path_of
from p2pchat.testing.worlds.too_old import wait_too_long

_NOT_OURS: Final = ("The history cannot be ", "The database {path} ")
"""How the errors begin that a disk is to blame for; every other one is ours."""


class Ran(Struct):
    """How a world went."""

    found: Found
    """Empty if nothing was wrong."""
    counts: Counter[str]
    """What happened, and how often."""


class World(Struct, frozen=True):
    """A world that can be run, as often as one likes."""

    kind: Kind
    steps: Sequence[Step]

    @classmethod
    def of(cls, seed: int, more: str = "") -> World:
        """The world of this seed; `more`: an act of which it has much."""
        chance = Dice(seed)
        kind = draw_kind(chance)
        if more:
            kind = with_more(kind, more)
        return cls(kind, draw_steps(kind, chance))

    def run(self, tell: Tell | None = None, *, tell_bytes: bool = False) -> Ran:
        """Let it happen; `tell` gets each line of the story, with `tell_bytes` all that is read."""
        scene = self.scene(tell, tell_bytes=tell_bytes)

        def logged(event: Any) -> None:
            failure = event.get("log_failure")
            if failure is not None:
                kind = f"a fault was logged: {failure.type.__name__}"
                scene.find(Violation("I9", kind, failure.getErrorMessage()))
            elif event.get("log_level") is LogLevel.error:
                said = str(event.get("log_format"))
                if not said.startswith(_NOT_OURS):
                    scene.find(Violation("I9", "an error was logged", said))

        globalLogPublisher.addObserver(logged)  # type: ignore[arg-type]
        try:
            self._happen(scene, tell_bytes=tell_bytes)
        except Exception as fault:
            if tell is not None:
                raise
            scene.find(Violation("I9", f"{type(fault).__name__} was raised", str(fault)))
        finally:
            globalLogPublisher.removeObserver(logged)  # type: ignore[arg-type]
        return Ran(scene.found, scene.counts)

    def scene(self, tell: Tell | None, *, tell_bytes: bool = False) -> Scene:
        """What there is in it, before anything happens."""
        return Scene(self.kind, tell, tell_bytes=tell_bytes)

    def _happen(self, scene: Scene, *, tell_bytes: bool) -> None:
        for name in scene.names:
            scene.start(name)
        for scene.step_number, (act, seed) in enumerate(self.steps, 1):
            scene.counts[act] += 1
            ACTS[act](scene, Dice(seed))
            scene.look()
            scene.look_at_bounds()
        heal(scene)
        if self.kind.falls:
            wait_too_long(scene, Dice(self.kind.seed + 2))
        scene.settle()
        if self.kind.books:
            come_back(scene, Dice(self.kind.seed + 1))
        leave(scene)
        for violation in public_violations(scene.account, scene.peers):
            scene.find(violation)
        for name in scene.names:
            if scene.peers.keeps(name):
                disk = scene.disks[name]
                for violation in file_violations(scene.account, name, disk):
                    scene.find(violation)
                if tell_bytes:
                    digest = hashlib.sha256(disk.read(path_of(name))).hexdigest()
                    scene.tell(f"{name}: its file is {digest}")
        scene.counts["said"] += len(scene.account.by_id)
