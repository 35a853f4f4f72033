"""A world that loses its rendezvous for good, and what liars say of where others are.

    come_back(scene, Dice(2861))        all leave, and some come back at other addresses
    FINDING["beacon"](scene, Dice(7))

Rules: within two minutes all nodes are one room again, by what their books say. Half of that is
stale. Nobody dials an address more often than it may because others told it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.mesh.book import LASTING
from p2pchat.mesh.discovery.lan.beacon import Beacon, encode
from p2pchat.testing.directory import Fault
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.kind import Dice
from p2pchat.testing.worlds.neighbours import book_path
from p2pchat.testing.worlds.scene import Scene
from p2pchat.testing.worlds.visitor import Habit

TWO_MINUTES: Final = 120.0
_AIMED: Final = 300.0
"""Seconds in which nodes ask a liar where others are."""
_SHOUTS: Final = 5
_NOWHERE_IP: Final = "10.0.9.8"
"""Where beacons and books say that somebody is, and nobody is: dials there are no liar's doing."""


def come_back(scene: Scene, dice: Dice) -> None:
    """All leave, the rendezvous is gone, and all are back, some of them at other addresses."""
    for violation in scene.visitor.overstayed():
        scene.find(violation)
    scene.pass_time(LASTING + 1)  # a link that was shorter is in no book
    scene.tell("all leave, and the rendezvous is gone for good")
    if not scene.stop_all():
        return  # this is found when all are to leave in the end
    served = scene.town.served
    if served is not None:
        served.stop()
        scene.pass_time(5.0)
    scene.town.rendezvous.fault = Fault.DEAD
    stays = dice.choice(scene.names)
    scene.moved = {name for name in scene.names if name != stays and dice.random() < 0.5}
    for name in scene.names:
        if name in scene.moved:
            scene.tell(f"{name}: has another address now")
            scene.counts["moved"] += 1
            before, now = (scene.town.network.host(ip) for ip in scene.ips(name))
            now.wrong_by = before.wrong_by  # it is the same machine
        scene.start(name)
        if scene.lives[name].gone:  # its damaged file is put away
            scene.start(name)
    clock = scene.town.network.clock
    began = clock.seconds()
    scene.pass_time(TWO_MINUTES, until=lambda: _one_room(scene))
    if _one_room(scene):
        scene.tell(f"one room again after {clock.seconds() - began:.1f} s")
        scene.counts["one room again"] += 1
    else:
        scene.find(Violation("I7", "no room again without a rendezvous", f"stays: {stays}"))
    if scene.victim is not None:
        _aim(scene)
    scene.town.rendezvous.fault = Fault.NONE
    if served is not None:
        served.start()


def _one_room(scene: Scene) -> bool:
    """Whether everybody can be reached from everybody, over links."""
    nodes = [life.node for life in scene.lives.values() if life.up]
    links = {node.me.peer_id: [*scene.town.links(node)] for node in nodes}
    reached, waiting = set[str](), [scene.names[0]]
    while waiting:
        peer_id = waiting.pop()
        if peer_id not in reached:
            reached.add(peer_id)
            waiting += links.get(peer_id, [])
    return reached >= {*scene.names} and len(links) == len(scene.names)


def _aim(scene: Scene) -> None:
    """A liar has links with all, and tells each who asks that many peers are at one address."""
    scene.visitor.parted = False
    for name in scene.names:
        scene.visitor.visit(scene.ip(name), name, [Habit.AIMS])
    scene.pass_time(_AIMED)
    scene.visitor.part()
    assert scene.victim is not None
    dialed = scene.victim.dialed_by
    scene.counts["dialed a victim"] += len(dialed)
    for name in scene.names:
        times = sum(ip in scene.ips(name) for ip in dialed)
        if times > scene.victim.most(scene.runs[name]):
            what = f"{name}: {times} times"
            scene.find(Violation("I5", "it dials who was told to it too often", what))


def _beacon(scene: Scene, dice: Dice) -> None:
    """Somebody on the network says what is not so, or no beacon at all."""
    lan = scene.shared.lan
    if lan is None:
        return
    for _ in range(dice.randint(1, _SHOUTS)):
        whose, from_, what = dice.choice(scene.names), dice.choice(scene.names), dice.random()
        ip = dice.choice((scene.ip(from_), _NOWHERE_IP))
        instance = f"{dice.getrandbits(64):016x}"
        if what < 0.2:
            datagram = dice.randbytes(dice.choice((0, 5, 600)))
        elif what < 0.5:
            datagram = encode(Beacon(whose, instance, bye=True))
        elif what < 0.7:
            datagram = encode(Beacon(whose, instance, ask=True))
        else:
            datagram = encode(Beacon(whose, instance, port=dice.choice((4000, 4001, 65_535))))
        scene.tell(f"{ip} shouts {datagram[:90]!r}")
        lan.shout(ip, datagram)


def _book(scene: Scene, dice: Dice) -> None:
    """A book of peers is damaged or gone."""
    name, gone, of_lies = dice.choice(scene.names), dice.random() < 0.3, dice.random() < 0.3
    path, disk = book_path(name), scene.disks[name]
    if not disk.exists(path) or not disk.size(path):
        return
    if gone:
        scene.tell(f"{name}: its book of peers is gone")
        disk.lose(path)
    elif of_lies and scene.lives[name].gone:
        scene.tell(f"{name}: its book of peers says what is not so")
        disk.replace(path, _LIES)
    else:
        scene.tell(f"{name}: bit {disk.flip(path)} of its book of peers changes")


_LIES: Final = (
    b'{"peers":[{"id":"alice@CIC","places":[["10.0.9.8",4000]],"seen":1e308,"failures":0},'
    b'{"id":"bob@CIC","places":[["127.0.0.1",4000],["::1",4000],["0.0.0.0",4000]],"seen":-1},'
    b'{"id":"\\u001b[2J@CIC","places":[["10.0.0.2",1]],"seen":5,"failures":99999999}]}'
)

FINDING: Final[dict[str, Callable[[Scene, Dice], None]]] = {"beacon": _beacon, "book": _book}
"""Name -> what it does; `kind` says how often."""
