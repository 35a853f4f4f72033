"""What goes wrong with the machines, disks, networks and clocks of a world: a function for each.

    FAULTS["power"](scene, Dice(2861))

Rules: as for acts. `heal` ends whatever still goes wrong; a fault that does not end by itself has
its end there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.testing.directory import Fault
from p2pchat.testing.served import ServedRendezvous
from p2pchat.testing.worlds.kind import YEAR, Dice
from p2pchat.testing.worlds.scene import DIRECTORY_PATH, Scene

_JUMPS: Final = (3600.0, -3600.0, 90.0, -90.0, YEAR, -YEAR)
_PATIENCE: Final = 90.0
_ONE_SPACE: Final = (Fault.TOO_LONG, Fault.ALL_TOO_LONG)
"""After these a node looks for its own namespace alone, for an hour."""


def _one(scene: Scene, dice: Dice) -> str:
    return dice.choice(scene.names)


def _break(scene: Scene, dice: Dice) -> None:
    one, other = _one(scene, dice), _one(scene, dice)
    if one != other:
        scene.tell(f"the links of {one} and {other} break")
        scene.town.network.break_links(scene.host(one), scene.host(other))


def _kill(scene: Scene, dice: Dice) -> None:
    life, after_next = scene.lives[_one(scene, dice)], dice.random() < 0.5
    if not life.gone:
        life.kill(after_next=after_next)


def _power(scene: Scene, dice: Dice) -> None:
    """The power goes: between two calls to the disk, or in the middle of one of the next."""
    name, commits, pull = _one(scene, dice), dice.choice((0, 0, 1, 2)), dice.random() < 0.5
    life, disk = scene.lives[name], scene.disks[name]
    if life.gone or not life.keeps:
        return
    if pull:  # the others are not told
        scene.account.silent.add(name)
        scene.host(name).unplug()
    if not commits:
        life.kill(after_next=False)
        disk.power_loss()
        scene.counts["lost power"] += 1
    else:

        def now() -> None:
            running = scene.lives[name]  # perhaps a later run than the one of now
            if not running.gone:
                running.kill(after_next=False)
                scene.counts["lost power"] += 1
                scene.counts["lost power in a commit"] += 1

        scene.tell(f"{name}: will lose its power at commit {commits} from now")
        disk.power_loss_in(commits, now)
    scene.host(name).plug_in()


def _full(scene: Scene, dice: Dice) -> None:
    name, room = _one(scene, dice), dice.choice((0, 0, 20_000))
    disk = scene.disks[name]
    if disk.limit is None:
        scene.tell(f"{name}: its disk has {room} bytes left")
        disk.limit = disk.used + room
    else:
        scene.tell(f"{name}: its disk has room again")
        disk.limit = None


def _io_error(scene: Scene, dice: Dice) -> None:
    name, calls = _one(scene, dice), dice.choice((1, 1, 3))
    scene.tell(f"{name}: the next {calls} calls to its disk fail")
    scene.disks[name].io_error(calls)


def _slow(scene: Scene, dice: Dice) -> None:
    name, steps = _one(scene, dice), dice.choice((5, 15, 40))
    scene.tell(f"{name}: its disk does not answer for {steps} steps")
    scene.sleep(name, steps)


def _unplug(scene: Scene, dice: Dice) -> None:
    name = _one(scene, dice)
    host = scene.host(name)
    if host.reachable:
        scene.account.silent.add(name)
        scene.tell(f"{name}: its cable is pulled")
        host.unplug()
    else:
        scene.tell(f"{name}: its cable is back")
        host.plug_in()


def _pause(scene: Scene, dice: Dice) -> None:
    life = scene.lives[_one(scene, dice)]
    if life.host.paused:
        scene.tell(f"{life.name}: goes on")
        life.host.resume()
    elif not life.gone:
        scene.account.silent.add(life.name)
        scene.tell(f"{life.name}: stands still")
        life.host.pause()


def _one_way(scene: Scene, dice: Dice) -> None:
    one, other, ends = _one(scene, dice), _one(scene, dice), dice.random() < 0.5
    if one != other:
        scene.account.silent.update((one, other))
        change = scene.town.network.end_loss if ends else scene.town.network.begin_loss
        scene.tell(f"what {one} sends {'reaches' if ends else 'does not reach'} {other}")
        change(scene.host(one), scene.host(other))


def _jump(scene: Scene, dice: Dice) -> None:
    name, seconds = _one(scene, dice), dice.choice(_JUMPS)
    scene.tell(f"{name}: its wall clock jumps by {seconds:.0f} s")
    scene.host(name).wrong_by += seconds


def _directory(scene: Scene, dice: Dice) -> None:
    """The rendezvous fails in one of its ways, works again, or restarts without a memory."""
    what, fault = dice.random(), dice.choice([*Fault])
    served = scene.town.served
    if served is not None:
        if served.running:
            _end_directory(scene, served, what)
        else:
            scene.tell("the rendezvous starts")
            served.start()
    elif what < 0.3:
        scene.tell("the rendezvous forgets all registrations")
        scene.town.rendezvous.forget()
    else:
        if what >= 0.7 or (scene.kind.spaces > 1 and fault in _ONE_SPACE):
            fault = Fault.NONE
        scene.tell(f"the rendezvous: {fault.value}")
        scene.town.rendezvous.fault = fault
        if fault is not Fault.NONE and dice.random() < 0.3:
            scene.waited += _PATIENCE  # or nobody would ask often enough
            scene.tell(f"{_PATIENCE:.0f} s pass")
            scene.pass_time(_PATIENCE)


def _end_directory(scene: Scene, served: ServedRendezvous, what: float) -> None:
    """By a kill or in order; its power goes, or its file is lost or damaged, too."""
    disk = scene.directory_disk
    if what < 0.3:
        scene.tell("the rendezvous stops")
        served.stop()
        scene.pass_time(5.0)
        return
    scene.tell("the rendezvous is killed")
    served.kill()
    disk.kill()
    if what < 0.5:
        scene.tell("and has lost its power")
        disk.power_loss()
    if what > 0.9 and disk.exists(DIRECTORY_PATH):
        scene.tell("and its file is gone")
        disk.lose(DIRECTORY_PATH)
    elif what > 0.8 and disk.exists(DIRECTORY_PATH) and disk.size(DIRECTORY_PATH):
        scene.tell(f"and bit {disk.flip(DIRECTORY_PATH)} of its file changes")


FAULTS: Final[dict[str, Callable[[Scene, Dice], None]]] = {
    "break": _break,
    "kill": _kill,
    "power": _power,
    "full": _full,
    "io error": _io_error,
    "slow": _slow,
    "unplug": _unplug,
    "pause": _pause,
    "one way": _one_way,
    "jump": _jump,
    "directory": _directory,
}
"""Name -> what it does; `kind` says how often."""


def heal(scene: Scene) -> None:
    """Nothing goes wrong any more; wall clocks stay as they are."""
    network = scene.town.network
    scene.town.rendezvous.fault = Fault.NONE
    served = scene.town.served
    if served is not None and not served.running:
        served.start()
    scene.visitor.part()
    hosts = [scene.host(name) for name in scene.names]
    for name, host in zip(scene.names, hosts, strict=True):
        host.resume()
        host.plug_in()
        for other in hosts:
            network.end_loss(host, other)
        _unblock(scene, name)
        disk = scene.disks[name]
        disk.limit = None
        disk.io_error(0)
        disk.power_loss_in(None)
        scene.sleep(name, 0)


def _unblock(scene: Scene, name: str) -> None:
    life = scene.lives.get(name)
    if life is not None and not life.gone:
        for entry in [*life.node.mesh.blocking.added]:
            life.node.mesh.blocking.unblock(entry)
