"""A town of nodes that encrypt, with impostors, men in the middle and mishaps, from one seed.

    world = SealedWorld(seed)
    world.live(60)         so many acts, each followed by some seconds of fake time
    world.settle()         the enemies are gone: friends must find each other
    world.wrong            what must never be, in sentences

Rules: enemies have keys of their own, and only the network. What is said to a name whose key the
person had settled is a secret: it may be read by that key alone, and on no wire. The same goes for
all that is said by a node that requires encryption.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory

from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Hold
from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.settings.values import LimitSettings, SecuritySettings, Settings
from p2pchat.testing.network import FakeHost
from p2pchat.testing.nodes import FakeTown, fake_keys
from p2pchat.testing.transport import FakeTransport
from tests.support.pin_disks import FakePinDisk, known_keys

NAMES: Final = ("ana", "bob", "cy")
"""Those who encrypt; `dora` cannot."""
PLAIN: Final = "dora"
LISTENS: Final = 4000
_LONGEST: Final = 65_536
"""Bytes of one direction of a connection of which the end is kept, to find what was cut."""


class Secret(NamedTuple):
    """A text that only one key may read."""

    text: str
    by: str
    to: str
    key: bytes | None
    """None: it was published by who requires encryption, and any sealed link may have it."""


class SealedWorld:
    """See the module; `wrong` collects."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.town = FakeTown(seed, latency=(0.0005, self.chance.choice((0.01, 0.3))))
        self.town.network.tap = self._tap
        self.wrong: list[str] = []
        self.log: list[str] = []
        self.secrets: list[Secret] = []
        self._said = 0
        self._heard: dict[FakeTransport, bytes] = {}
        self.nodes: dict[str, ChatNode] = {}
        self.disks = {name: FakePinDisk() for name in NAMES}
        self._hosts = {name: f"10.1.0.{at}" for at, name in enumerate((*NAMES, PLAIN), 1)}
        self.policies = dict.fromkeys(NAMES, "prefer")
        self.enemies: list[ChatNode] = []
        self.men: list[Man] = []
        self._places = 0
        self._gone: list[tuple[str, ChatNode]] = []
        for name in NAMES:
            self.start(name, is_new=True)
        self.plain = self.town.node(f"{PLAIN}@CIC", ip=self._hosts[PLAIN])

    # ------------------------------------------------------------ people

    def key_of(self, name: str) -> bytes:
        """The true key of a name."""
        return fake_keys(f"{name}@CIC", wall=lambda: 0.0).keys.own

    def start(self, name: str, *, is_new: bool = False) -> None:
        """Start the node of a name, with what its disk has."""
        host = self.town.network.host(self._hosts[name])
        own = self.key_of(name)
        known: KnownKeys = known_keys(
            self.disks[name], host.wall, lambda _: None, own, is_new=is_new
        )
        settings = Settings(
            limits=LimitSettings(peer_rate=0),
            security=SecuritySettings(policy=self.policies[name]),
        )
        self.nodes[name] = self.town.node(
            f"{name}@CIC",
            ip=host.ip,
            settings=settings,
            make_keys=lambda peer_id: fake_keys(peer_id, wall=host.wall, known=known),
        )

    def texts(self, node: ChatNode) -> list[str]:
        """All that a node has shown."""
        return self.town.seen(node).texts

    def _free_ip(self) -> str:
        self._places += 1
        return f"10.2.{self._places // 200}.{self._places % 200 + 1}"

    # ------------------------------------------------------------ acts

    def live(self, acts: int) -> None:
        """Do so many things, whatever comes."""
        kinds: dict[str, int] = {
            "say": 12, "publish": 2, "restart": 2, "cut": 3, "unplug": 1, "impostor": 2,
            "plain_impostor": 2, "man": 2, "enemy_leaves": 4, "trust": 1, "forget": 1,
            "policy": 1, "wait": 2,
        }  # fmt: skip
        for _ in range(acts):
            (kind,) = self.chance.choices([*kinds], [*kinds.values()])
            getattr(self, f"_do_{kind}")()
            for _ in range(self.chance.randrange(1, 6)):
                self.town.run(self.chance.choice((0.05, 0.5, 2.0)))
                self.look()

    def _name(self) -> str:
        return self.chance.choice(NAMES)

    def _pair(self) -> tuple[str, str]:
        one, other = self.chance.sample(NAMES, 2)
        return one, other

    def _do_say(self) -> None:
        one = self._name()
        other = self.chance.choice([it for it in (*NAMES, PLAIN) if it != one])
        node, peer_id = self.nodes[one], f"{other}@CIC"
        self._said += 1
        text = f"secret {self.seed}.{self._said}."
        assert node.trusting is not None
        pin = node.trusting.known.pin_of(peer_id)
        settled = pin is not None and pin.hold is Hold.BY_PERSON
        sealed = any(link.key is not None for link in node.mesh.links if link.peer_id == peer_id)
        if self.policies[one] != "off" and pin is not None and (settled or sealed):
            key = pin.key
            self.secrets.append(Secret(text, one, other, key))
        elif self.policies[one] == "require":
            self.secrets.append(Secret(text, one, other, None))
        self.log.append(f"{one} says {text} to {other}, {pin}")
        with suppress(NotSentError):
            node.send(peer_id, text)

    def _do_publish(self) -> None:
        one = self._name()
        self._said += 1
        text = f"secret {self.seed}.{self._said}."
        if self.policies[one] == "require":
            self.secrets.append(Secret(text, one, "", None))
        self.log.append(f"{one} publishes {text}")
        self.nodes[one].publish("*", text)

    def _do_restart(self) -> None:
        name = self._name()
        self.log.append(f"{name} is killed, and starts again")
        node = self.nodes[name]
        self._gone.append((name, node))
        self.town.kill(node)
        self.start(name)

    def _do_cut(self) -> None:
        one, other = self._pair()
        self.log.append(f"links of {one} and {other} break")
        network = self.town.network
        network.break_links(network.host(self._hosts[one]), network.host(self._hosts[other]))

    def _do_unplug(self) -> None:
        host = self.town.network.host(self._hosts[self._name()])
        self.log.append(f"{host.ip} is unplugged")
        host.unplug()
        self.town.run(self.chance.choice((1.0, 40.0)))
        host.plug_in()

    def _do_impostor(self) -> None:
        name = self._name()
        self.log.append(f"an impostor of {name}")
        owner = f"mallory {self.chance.randrange(3)}"
        host = self.town.network.host(self._free_ip())
        self._enemy(
            name,
            host,
            make_keys=lambda peer_id: fake_keys(peer_id, owner=owner, wall=host.wall),
        )

    def _do_plain_impostor(self) -> None:
        name = self._name()
        self.log.append(f"a plain impostor of {name}")
        self._enemy(name, self.town.network.host(self._free_ip()))

    def _enemy(self, name: str, host: FakeHost, **options: Any) -> None:
        self.enemies.append(self.town.node(f"{name}@CIC", ip=host.ip, **options))

    def _do_man(self) -> None:
        name = self._name()
        self.log.append(f"a man before {name}")
        host = self.town.network.host(self._free_ip())
        self.men.append(Man(host, self._hosts[name], self.chance))
        self.town.rendezvous.enter(f"{name}@CIC", host.ip, LISTENS)

    def _do_enemy_leaves(self) -> None:
        if self.enemies:
            enemy = self.enemies.pop(self.chance.randrange(len(self.enemies)))
            self.log.append(f"an impostor of {enemy.me.peer_id} leaves")
            self._check_enemy(enemy)
            self.town.kill(enemy)
        elif self.men:
            self.men.pop().close()

    def _do_trust(self) -> None:
        one, other = self._pair()
        trusting = self.nodes[one].trusting
        assert trusting is not None
        self.log.append(f"{one} trusts {other}")
        trusting.trust(
            f"{other}@CIC", fingerprint(self.key_of(other)), typed=self.chance.random() < 0.5
        )
        self._no_longer_secret(one, other)

    def _do_forget(self) -> None:
        one, other = self._pair()
        trusting = self.nodes[one].trusting
        assert trusting is not None
        self.log.append(f"{one} forgets {other}")
        trusting.forget(f"{other}@CIC")
        self._no_longer_secret(one, other)

    def _no_longer_secret(self, by: str, to: str) -> None:
        """What waits goes to the key that the person has chosen now, or to anybody."""
        self.secrets = [it for it in self.secrets if (it.by, it.to) != (by, to)]

    def _do_policy(self) -> None:
        name = self._name()
        self.policies[name] = policy = self.chance.choice(("prefer", "prefer", "require"))
        self.log.append(f"{name} has the policy {policy}")
        node = self.nodes[name]
        node.configure(
            msgspec.structs.replace(node.settings, security=SecuritySettings(policy=policy))
        )
        if policy == "prefer":
            self.secrets = [it for it in self.secrets if it.by != name or it.key is not None]

    def _do_wait(self) -> None:
        self.town.run(self.chance.choice((10.0, 100.0, 700.0)))

    # ------------------------------------------------------------ what must never be

    def _tap(self, end: FakeTransport, data: bytes) -> None:
        self._heard[end] = (self._heard.get(end, b"") + data)[-_LONGEST:]
        for it in self.secrets[-40:]:
            if it.text.encode() in self._heard[end]:
                where = f"{end.other.host.ip} -> {end.host.ip}"
                self._is_wrong(f"{it} was in the clear, {where}")
                self._heard[end] = b""

    def look(self) -> None:
        """No name has two keys at one node, nor a key and none."""
        for name, node in self.nodes.items():
            keys: dict[str, set[bytes | None]] = {}
            for link in node.mesh.links:
                if link.peer_id and not link.leaving:
                    keys.setdefault(link.peer_id, set()).add(link.key)
                    if self.policies[name] == "require" and link.key is None:
                        self._is_wrong(f"{name} has a link in the clear with {link.peer_id}")
            for peer_id, found in keys.items():
                if len(found) > 1:
                    self._is_wrong(f"{peer_id} has {len(found)} keys at {name}: {found}")
        for enemy in self.enemies:
            self._check_enemy(enemy)
        self._check_texts(self.plain, None)

    def _check_enemy(self, enemy: ChatNode) -> None:
        key = None if enemy.trusting is None else enemy.trusting.own_key
        self._check_texts(enemy, key)

    def _check_texts(self, node: ChatNode, key: bytes | None) -> None:
        texts = {*self.texts(node)}
        for it in self.secrets:
            # What requires no key in particular may be read by whom the person has let in.
            if it.text in texts and (key is None or (it.key is not None and it.key != key)):
                self._is_wrong(f"{it} was read by {node.me.peer_id}, {key!r}")

    def _is_wrong(self, sentence: str) -> None:
        if sentence not in self.wrong:
            self.wrong.append(sentence)
            self.log.append(f"WRONG {sentence}")

    # ------------------------------------------------------------ the end

    def settle(self) -> None:
        """The enemies go, the network works: who knows nobody else's key must have one link."""
        for enemy in self.enemies:
            self._check_enemy(enemy)
            self.town.kill(enemy)
        for man in self.men:
            man.close()
        self.enemies.clear()
        self.log.append("the enemies are gone")
        for _ in range(90):
            self.town.run(10)
            self.look()
            if not [*self._apart()]:
                return
        for sentence in self._apart():
            self._is_wrong(sentence)

    def _apart(self) -> Iterator[str]:
        """Who is not linked as it should be, unless a person has taken an enemy's key."""
        for here, there in permutations(NAMES, 2):
            links = [
                link.key for link in self.nodes[here].mesh.links if link.peer_id == f"{there}@CIC"
            ]
            if (
                links != [self.key_of(there)]
                and not self._knows_wrongly(here, there)
                and not self._knows_wrongly(there, here)
            ):
                yield f"{here} has links with {there}: {links}"

    def _knows_wrongly(self, one: str, other: str) -> bool:
        trusting = self.nodes[one].trusting
        pin = None if trusting is None else trusting.known.pin_of(f"{other}@CIC")
        return pin is not None and not pin.has(self.key_of(other))

    def close(self) -> None:
        """Stop everything."""
        self.town.close()


def went_wrong(seed: int, acts: int = 40) -> tuple[list[str], list[str]]:
    """What went wrong in the world of this seed, and its story."""
    world = SealedWorld(seed)
    try:
        world.live(acts)
        world.settle()
    finally:
        world.close()
    return world.wrong, world.log


# ---------------------------------------------------------------- the man in the middle


class Man(ServerFactory):
    """Carries bytes between who dials it and a node, and now and then meddles with them."""

    noisy = False

    def __init__(self, host: FakeHost, to: str, chance: Random) -> None:
        self.host, self.to, self.chance = host, to, chance
        self.ends: list[_End] = []
        self.port = host.listenTCP(LISTENS, self)

    def buildProtocol(self, _addr: object) -> Protocol:
        near, far = _End(self), _End(self)
        near.other, far.other = far, near
        self.ends += [near, far]
        self.host.connectTCP(self.to, LISTENS, _Onward(far))
        return near

    def meddle(self, data: bytes) -> bytes:
        """What is passed on of this."""
        chance, how = self.chance, self.chance.random()
        at = chance.randrange(len(data))
        if how < 0.90:
            return data
        if how < 0.93:
            return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        if how < 0.95:
            return data[:at]
        if how < 0.97:
            return data + data
        if how < 0.98:
            return data.replace(b'"tls":1', b'"ttl":1').replace(b'"tls":2', b'"ttl":1')
        return (
            data + b'{"type":"SEND","msg_id":"m","src":"bob@CIC","dst":"ana@CIC","payload":"x"}\n'
        )

    def close(self) -> None:
        """Go away."""
        self.port.stopListening()
        for end in self.ends:
            if end.transport is not None:
                end.transport.abortConnection()


class _Onward(ClientFactory[Protocol]):
    noisy = False

    def __init__(self, end: _End) -> None:
        self.end = end

    def buildProtocol(self, _addr: object) -> Protocol:
        return self.end


class _End(Protocol):
    transport: Any = None
    other: _End

    def __init__(self, man: Man) -> None:
        self.man = man
        self.waiting = b""

    def connectionMade(self) -> None:
        if self.waiting:
            self.transport.write(self.waiting)

    def dataReceived(self, data: bytes) -> None:
        data = self.man.meddle(data)
        if self.other.transport is None:
            self.other.waiting += data
        else:
            self.other.transport.write(data)

    def connectionLost(self, reason: object = None) -> None:
        if self.other.transport is not None:
            self.other.transport.loseConnection()
