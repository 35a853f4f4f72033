"""A program that speaks the protocol, and breaks each of its rules now and then.

    liar = town.liar("eve@CIC", 0.1)           # every lie with a probability of 10 %
    liar = town.liar("eve@CIC", {Lie.ACK_NEVER: 1.0})
    town.run(600)
    liar.told[Lie.ACK_NEVER]                   # how often it did

Rules: which lies it tells, and when, comes from the generator that it is given. Where it does not
lie it is a `PlainPeer`: it answers, and may be told to `send` the truth. The `faults` of its
account say nothing, for it is answered as it deserves.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from p2pchat.rendezvous.directory import IDirectory
from p2pchat.testing.directory import FakeRendezvousClient
from p2pchat.testing.lies import Lie
from p2pchat.testing.lying_link import LyingLink
from p2pchat.testing.network import FakeHost
from p2pchat.testing.plain import PlainPeer

_IDS: Final = 100
"""Ids of others that it remembers."""
_LEASE: Final = 600


class Liar(PlainPeer):
    """Such a program, on a host.

    `rates` are the probabilities of its lies, from 0 to 1: one for all, or one for each, and 0 for
    those that are not named. `random` draws. `every`: the shortest and the longest time in seconds
    between two moments in which it says something unasked on a connection.
    """

    def __init__(
        self,
        host: FakeHost,
        peer_id: str,
        rates: float | Mapping[Lie, float],
        *,
        random: Random,
        every: tuple[float, float] = (0.5, 5.0),
    ) -> None:
        super().__init__(host, peer_id, LyingLink)
        if not isinstance(rates, Mapping):
            rates = dict.fromkeys(Lie, rates)
        self.rates = rates
        self.random = random
        self.every = every
        self.told: Counter[Lie] = Counter()
        """The lies that it told so far."""
        self.others: dict[str, str] = {}
        """Whom it heard of: peer_id -> the address where that one is listed."""
        self._ids: deque[Any] = deque(maxlen=_IDS)

    def lies(self, lie: Lie) -> bool:
        """Whether it tells this lie now; counted if so."""
        rate = self.rates.get(lie, 0.0)
        if not rate or self.random.random() >= rate:
            return False
        self.told[lie] += 1
        return True

    def another(self, but: str) -> str:
        """The name of somebody whom it heard of, or of nobody."""
        names = [name for name in self.others if name not in (but, self.peer_id)]
        return self.random.choice(names) if names else "nobody@CIC"

    def heard_id(self, msg_id: Any) -> None:
        """Remember a msg_id."""
        self._ids.append(msg_id)

    def id_of_another(self) -> Any:
        """A msg_id that it heard, or one that nobody has."""
        return self.random.choice(self._ids) if self._ids else "no such id"

    def found(self, listings: Any) -> None:
        """Remember who is there, and dial whom it has no connection with."""
        for each in listings:
            self.others[each.peer_id] = each.ip
        super().found(listings)

    def register(self, directory: IDirectory, port: int = 4000) -> None:
        """Register as it should, and perhaps as it should not."""
        super().register(directory, port)
        if self.lies(Lie.REGISTERS_ANOTHER):
            name, namespace = self.another("").rsplit("@", 1)
            directory.register(namespace, name, port, _LEASE).addErrback(lambda _: None)
        if not isinstance(directory, FakeRendezvousClient):
            return  # a real server takes the address that the request comes from
        if self.others and self.lies(Lie.LISTS_ANOTHER_PLACE):
            ip = self.random.choice([*self.others.values()])
            directory.rendezvous.enter(self.peer_id, ip, port, _LEASE)
