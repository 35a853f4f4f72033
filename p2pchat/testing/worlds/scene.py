"""A world while it happens: its nodes, its plain peer, its time, and what is found in it.

    scene = Scene(kind, print)
    scene.start("alice@CIC"); scene.pass_time(1.0)
    scene.settle()

Rules: acts change it, the world asks what was found. After each turn every node is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

from p2pchat.history.records import HistoryError
from p2pchat.mesh.peers import Status
from p2pchat.node.node import CannotStartError
from p2pchat.rendezvous.stores.sqlite import RegistrationFile
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.liar import Liar
from p2pchat.testing.lies import Lie
from p2pchat.testing.neighbours import FakeLan
from p2pchat.testing.network import FakeHost
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.threads import SteppedWorker
from p2pchat.testing.transport import FakeTransport
from p2pchat.testing.worlds.account import Account
from p2pchat.testing.worlds.bounds import bound_violations
from p2pchat.testing.worlds.checks import Peers, public_violations
from p2pchat.testing.worlds.counters import (
    absence_violations,
    clear_violations,
    counter_violations,
    registry_violations,
    settled_violations,
)
from p2pchat.testing.worlds.inner import Violation, inner_violations
from p2pchat.testing.worlds.kind import LIAR, PLAIN, VISITOR, Dice, Kind
from p2pchat.testing.worlds.life import Life
from p2pchat.testing.worlds.narrow import BRIEF, settings_of
from p2pchat.testing.worlds.neighbours import VICTIM_IP, Victim
from p2pchat.testing.worlds.plain import PlainGuest
from p2pchat.testing.worlds.readable import LINE, WHAT, shortened
from p2pchat.testing.worlds.shared import Shared
from p2pchat.testing.worlds.storage import HandStorage, path_of
from p2pchat.testing.worlds.unread import Unread
from p2pchat.testing.worlds.visitor import Visitor

QUIET: Final = 300.0
"""Seconds that all nodes are there in the end, at most."""
_LOOKS: Final = 6
"""How often what is wrong in the end is looked at, a while apart, before it is."""
_A_WHILE: Final = 4.0
_LEAST_QUIET: Final = 16.0
"""The same, at least: longer than the wait before something is sent again on the same link."""
_BLOCKED: Final = 40.0
"""The same after a rendezvous that may have refused us for half a minute."""
LEAVING: Final = 20.0
"""Seconds in which a node that is stopped is gone."""
GIVEN_UP_BY: Final = 65.0
"""Seconds after which a node has seen that a message is too old."""
_COUNTS_EVERY: Final = 50
"""Turns after which a node's counters are looked at once more."""
DIRECTORY_PATH: Final = "/rendezvous.sqlite"
_PLAIN_IP: Final = "10.0.0.99"
LIAR_IP: Final = "10.0.0.66"
_VISITOR_IP: Final = "10.0.0.77"
_LIE_RATE: Final = 0.3
_PAYLOAD: Final = b'"payload"'

Found = dict[str, dict[str, str]]
"""Check -> kind of violation -> the first one."""
Tell = Callable[[str], None]


class Scene:
    """What there is in a world of this kind."""

    def __init__(self, kind: Kind, tell: Tell | None, *, tell_bytes: bool) -> None:
        self.kind = kind
        self.names = self.people = kind.peer_ids
        """The nodes, and those at which somebody speaks."""
        self.moved: set[str] = set()
        """The nodes that have another address than in the beginning."""
        self.runs: Counter[str] = Counter()
        """How often each of them was started."""
        chance = Dice(kind.seed)
        self.town = FakeTown(chance.getrandbits(32), latency=kind.latency, cut=kind.cut)
        self.account = self.make_account()
        self.counts: Counter[str] = Counter()
        self.shared = Shared(
            self.town,
            self.account,
            self.tell,
            self.find,
            self.counts,
            Unread(self.account),
            settings_of(narrow=kind.narrow, brief=kind.brief),
            clocks_jump="jump" in kind.rates,
            older=frozenset(self.names[n] for n in kind.older if n < len(self.names)),
            sealed=frozenset(self.names[n] for n in kind.sealed if n < len(self.names)),
            books=kind.books,
            lan=FakeLan(self.town.network.clock) if kind.lan else None,
        )
        forgetful = frozenset(name for n, name in enumerate(self.names) if n in kind.forgetful)
        self.peers = Peers(self.names, forgetful)
        self.lives: dict[str, Life] = {}
        self.step_number = self._looks = 0
        self.waited = 0.0
        """Seconds in which nothing was to happen."""
        self.free = False
        """Whether the threads run by themselves."""
        self.found: Found = {}
        self._awake_at: dict[str, int] = {}
        self._written: dict[str, set[str]] = {name: set() for name in self.names}
        self._starts = count()
        self.disks = {name: FakeDisk(Dice(chance.getrandbits(32))) for name in self.names}
        self._tell_line, self._tells_bytes = tell, tell_bytes
        if tell_bytes:
            self.town.network.tap = self._read
        elif kind.sealed:
            self.town.network.tap = self._overhears
        self.counts["encrypts"] += len(self.shared.sealed)
        self.counts["says what the older version said"] += len(self.shared.older)
        self._sealed_ips = frozenset(self.ip(name) for name in self.shared.sealed)
        for name, ahead in zip(self.names, kind.clocks, strict=False):
            self.host(name).wrong_by = ahead
        self.directory_disk = FakeDisk(Dice(kind.seed))
        """Where the real rendezvous keeps its registrations."""
        if kind.served:
            self.town.serve(make_file=self._registrations, make_thread=self._directory_thread)
        self.plain: PlainGuest | None = None
        if kind.plain:
            self.plain = PlainGuest(
                self.town.network.host(_PLAIN_IP), PLAIN, self.account, self.tell
            )
            self.plain.listen()
            self.plain.register((self.town.served or self.town.rendezvous).at(self.plain.host))
        self.visitor = Visitor(self.town.network.host(_VISITOR_IP), VISITOR, self.account)
        self.victim = Victim(self.town.network.host(VICTIM_IP)) if kind.aimed else None
        if kind.lies:
            self.account.lied_to = True
            rates = {Lie[name]: _LIE_RATE for name in kind.lies}
            self.liar: Liar | None = self.town.liar(LIAR, rates, ip=LIAR_IP)
        else:
            self.liar = None

    def _registrations(self) -> RegistrationFile:
        return RegistrationFile(DIRECTORY_PATH, self.directory_disk)

    def _directory_thread(self, host: FakeHost) -> SteppedWorker:
        return SteppedWorker(host, self.directory_disk)

    # ------------------------------------------------------------ nodes

    def ip(self, name: str) -> str:
        """Where a node runs."""
        return self.ips(name)[name in self.moved]

    def ips(self, name: str) -> tuple[str, str]:
        """Its first address, and the one that it may get later."""
        number = self.names.index(name) + 1
        return f"10.0.0.{number}", f"10.0.1.{number}"

    def host(self, name: str) -> Any:
        """The machine of a node."""
        return self.town.network.host(self.ip(name))

    def start(self, name: str) -> None:
        """Start the node of this name, which is not there."""
        self.tell(f"{name}: starts")
        sleeps = self.kind.sleeps
        self._awake_at[name] = self.step_number + sleeps[next(self._starts) % len(sleeps)]
        keeps = name not in self.peers.forgetful
        storage = HandStorage(self.disks[name], self.host(name), self._written[name])
        try:
            life = self.make_life(name, storage, keeps=keeps)
        except (CannotStartError, HistoryError) as why:
            self.tell(f"{name}: cannot start: {why}")
            self.counts["could not start"] += 1
            if name in self.account.damaged and self.free:
                self.account.told_of_damage.add(name)
                self.tell(f"{name}: its file is put away")
                self.disks[name].lose(path_of(name))
            elif self.free:
                self.find(Violation("I7", "nothing fails, and it cannot start", name))
            return
        self.lives[name] = life
        self.runs[name] += 1

    def make_account(self) -> Account:
        """The account of this world."""
        return Account()

    def make_life(self, name: str, storage: HandStorage, *, keeps: bool) -> Life:
        """A run of the node of this name."""
        return Life(self.shared, name, self.ip(name), storage, keeps=keeps)

    def sleep(self, name: str, steps: int) -> None:
        """Have the threads of a node do nothing for so many steps."""
        self._awake_at[name] = self.step_number + steps

    def step_threads(self, several: int) -> None:
        """Some calls of one node's threads, of which each sleeps for a while after its start."""
        lives = [each for each in self.lives.values() if each.storage.busy and not each.host.paused]
        awake = [each for each in lives if self.step_number >= self._awake_at[each.name]]
        if not awake:
            return
        life = awake[several % len(awake)]
        for thread in life.storage.threads:
            for _ in range(several):
                if not thread.calls:
                    break
                self.tell(f"{life.name}: a thread makes a call")
                thread.step()
                self.look([life])

    # ------------------------------------------------------------ time

    def pass_time(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, at most until something is true."""
        clock = self.town.network.clock
        end = clock.seconds() + seconds
        while not until() and clock.step(end):
            acted = self._acted()
            self.look(acted)
            while self.free and any(life.storage.busy for life in acted):
                self._step_all(acted)
        if not until():
            clock.run(end - clock.seconds())

    def _acted(self) -> list[Life]:
        """The nodes whose turn it was just now: those of the machine, or at both ends."""
        call = self.town.network.clock.latest
        owner: Any = None if call is None else call.owner or getattr(call.func, "__self__", None)
        host = getattr(owner, "host", owner)
        hosts = (host, getattr(getattr(owner, "other", None), "host", host))
        return [life for life in self.lives.values() if life.host in hosts]

    def run_threads(self) -> None:
        """Let the threads run by themselves from now on."""
        self.free = True
        while any(life.storage.busy for life in self.lives.values()):
            self._step_all([*self.lives.values()])

    def _step_all(self, lives: Sequence[Life]) -> None:
        for life in lives:
            for thread in life.storage.threads:
                if thread.calls:
                    thread.step()
                    self.look([life])

    # ------------------------------------------------------------ the end

    def stop_all(self) -> bool:
        """Have all nodes leave; returns whether they are gone in time."""
        lives = [*self.lives.values()]
        for life in lives:
            life.stop()
        self.pass_time(LEAVING, until=lambda: all(life.gone for life in lives))
        return all(life.gone for life in lives)

    def settle(self) -> None:
        """Let the threads run freely, and all nodes be there, until all is quiet."""
        self.tell("from now on nothing fails, and the threads run freely")
        self.run_threads()
        quiet = 0.0
        least = _BLOCKED if "directory" in self.kind.rates else _LEAST_QUIET
        while quiet < QUIET and (quiet < least or not self._quiet()):
            for name, life in self.lives.items():
                if life.gone:
                    self.start(name)
                    quiet = 0.0
            self.pass_time(_A_WHILE)
            quiet += _A_WHILE
        if self.kind.brief:
            self.pass_time(BRIEF + GIVEN_UP_BY)
            self.account.all_is_old = True
        self._count()
        for violation in self._unsettled():
            self.find(violation)
        for life in self.lives.values():
            if life.script is not None:
                self.find(Violation("G1", "it does not end", life.script.name))
            for asked in life.asked:
                if not asked.answer:
                    kind = "a send" if asked.window is None else "a request to cancel or forget"
                    self.find(Violation("G2", f"{kind} unanswered", asked.name))

    def _unsettled(self) -> list[Violation]:
        """What stays wrong although nothing fails: a link may just have been found dead."""
        wrong: list[Violation] = []
        nodes = [life.node for life in self.lives.values() if life.up]
        known = [node.peers.get(name) for node in nodes for name in self.names]
        if any(peer is not None and peer.status is Status.STALE for peer in known):
            self.pass_time(self.shared.settings.rendezvous.ttl)  # until all have registered again
        for _ in range(_LOOKS):
            directory = self.town.served or self.town.rendezvous
            listed = [name for name in self.names if directory.knows(name)]
            several = Lie.LISTS_ANOTHER_PLACE.name in self.kind.lies
            wrong = [*settled_violations(nodes, listed, several=several)]
            for life in self.lives.values():
                wrong += life.arrivals.missing()
            wrong += [*absence_violations(nodes), *clear_violations(nodes)]
            if not wrong:
                break
            self.pass_time(_A_WHILE)
        return wrong

    def _quiet(self) -> bool:
        """Whether nothing more is to be expected."""
        if not all(life.up and life.script is None for life in self.lives.values()):
            return False
        if not all(asked.answer for life in self.lives.values() for asked in life.asked):
            return False
        return not [*public_violations(self.account, self.peers)]

    # ------------------------------------------------------------ what is seen

    def look(self, lives: Sequence[Life] | None = None) -> None:
        """After each turn, at those whose it was: nothing else can have changed; None: at all."""
        for life in [*self.lives.values()] if lives is None else lives:
            self._look_at(life)
        # A counter that went wrong stays so, and counting anew costs as much as all else.
        self._looks += 1
        if self._looks % _COUNTS_EVERY == 0:
            self._count()

    def look_at_bounds(self) -> None:
        """After each step."""
        for life in self.lives.values():
            if not life.gone:
                for violation in bound_violations(life.node):
                    self.find(violation)

    def _look_at(self, life: Life) -> None:
        if not life.gone:
            for violation in inner_violations(life.node, life.waited, life.storage.written):
                message = self.account.by_id.get(violation.what)
                what = violation.what if message is None else message.text[:60]
                self.find(violation._replace(what=f"{life.name}: {what}"))
            for violation in life.arrivals.gaps():
                self.find(violation)

    def _count(self) -> None:
        for life in self.lives.values():
            if not life.gone:
                for violation in counter_violations(
                    life.node, fixed="reload" not in self.kind.rates
                ):
                    self.find(violation)
        served = self.town.served
        if served is not None and served.running:
            for violation in registry_violations(served.registry, served.host.seconds()):
                self.find(violation)

    def find(self, violation: Violation) -> None:
        """Note what must not be; the first of each kind."""
        kinds = self.found.setdefault(violation.check, {})
        if violation.kind not in kinds:
            what = kinds[violation.kind] = shortened(violation.what, WHAT)
            self.tell(f"!! {violation.check}: {violation.kind}: {what}")

    def tell(self, line: str) -> None:
        """One line of the story."""
        if self._tell_line is not None:
            now = self.town.network.clock.seconds() - 1000.0
            most = len(line) * 10 if self._tells_bytes else LINE
            self._tell_line(f"{self.step_number:3} {now:8.3f} {shortened(line, most)}")

    def _overhears(self, end: FakeTransport, data: bytes) -> None:
        """Nothing that is said between two that encrypt is to be read by a third."""
        if _PAYLOAD in data and {end.host.ip, end.other.host.ip} <= self._sealed_ips:
            self.find(
                Violation("I4", "said in the clear between two that encrypt", repr(data[:200]))
            )

    def _read(self, end: FakeTransport, data: bytes) -> None:
        self.tell(f"{end.host.ip} reads of {end.getPeer()}: {data!r}")
