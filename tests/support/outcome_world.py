"""Three whole nodes that keep messages, some sixty random acts, and what became of every message.

    OutcomeWorld(118, folder).run()   ->  {"L4": {"a direct message went out …": "alice 3"}, …}
    python -m tests.support.outcome_world 0 300          the violations of 300 worlds, by check
    python -m tests.support.outcome_world 118 1 --tell   one of them, act by act
    python -m tests.support.outcome_world 118 1 --bytes  the same, with all that is read and stored

Rules: all that is random comes from the seed, the acts first, so that a change of the program
changes no act. The threads of the histories stand still but for the acts that step them. In the end
they run freely, all nodes are there for `QUIET` seconds at most, and then leave in order.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import globalLogPublisher

from p2pchat.logs.levels import set_level
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.transport import FakeTransport
from tests.support.outcome_account import Account
from tests.support.outcome_acts import NOBODY, do
from tests.support.outcome_checks import file_violations, public_violations
from tests.support.outcome_inner import Violation, inner_violations
from tests.support.outcome_node import Life, Shared
from tests.support.outcome_storage import memory_folder

NAMES: Final = ("alice@CIC", "bob@CIC", "carol@CIC")
ACTS: Final = 60
QUIET: Final = 90.0
"""Seconds that all nodes are there in the end, at most."""
_A_WHILE: Final = 4.0
_LEAST_QUIET: Final = 16.0
"""The same, at least: longer than the wait before something is sent again on the same link."""
_LEAVING: Final = 20.0
_AFTERWARDS: Final = 6.0
"""Seconds until a question to a history that was stopped is given up."""
_WEIGHTS: Final = {
    "run": 16,
    "step": 18,
    "send": 8,
    "request": 5,
    "publish": 6,
    "script": 4,
    "cancel": 2,
    "forget": 1,
    "break": 3,
    "stop": 4,
    "start": 8,
}

_SLEEPS: Final = (0, 0, 5, 10, 25)
"""Acts for which the threads of a node do nothing when it starts."""

Found = dict[str, dict[str, str]]
"""Check -> kind of violation -> the first one."""


class OutcomeWorld:
    """One world, made by its seed; its history files are in `folder`."""

    def __init__(
        self,
        seed: int,
        folder: str,
        tell: Callable[[str], None] | None = None,
        *,
        tell_bytes: bool = False,
    ) -> None:
        self._chance = random.Random(seed)
        self._town = FakeTown(self._chance.getrandbits(32))
        self._account = Account()
        self._tell_line = tell
        self._tell_bytes = tell_bytes
        if tell_bytes:
            self._town.network.tap = self._read
        self._shared = Shared(self._town, self._account, folder, self._tell, self._find)
        self._lives: dict[str, Life] = {}
        self._written: dict[str, set[str]] = {name: set() for name in NAMES}
        self._all_lives: list[Life] = []
        self._awake_at: dict[str, int] = {}
        self._free = False
        self._acts = 0
        self.found: Found = {}

    def run(self) -> Found:
        """Let it happen; returns what was wrong."""
        globalLogPublisher.addObserver(self._logged)  # type: ignore[arg-type]
        try:
            self._happen()
        except Exception as fault:
            if self._tell_line is not None:
                raise
            self._find(Violation("G0", f"{type(fault).__name__} was raised", str(fault)))
        finally:
            globalLogPublisher.removeObserver(self._logged)  # type: ignore[arg-type]
            for life in self._all_lives:
                life.storage.close()
        return self.found

    def _happen(self) -> None:
        for name in NAMES:
            self._start(name, self._chance.choice(_SLEEPS))
        kinds, weights = [*_WEIGHTS], [*_WEIGHTS.values()]
        for self._acts in range(1, ACTS + 1):
            self._act(self._chance.choices(kinds, weights)[0])
            self._look()
        self._settle()
        for life in self._lives.values():
            life.stop()
        self._pass(_LEAVING, until=self._all_gone)
        self._pass(_AFTERWARDS)
        for name, life in self._lives.items():
            if not life.gone:
                self._find(Violation("G0", "it does not leave", name))
            for call in life.host.getDelayedCalls():
                self._find(Violation("G0", "something is left behind", f"{name}: {call}"))
        for violation in public_violations(self._account, NAMES):
            self._find(violation)
        for name in NAMES:
            for violation in file_violations(self._account, name, self._shared.path(name)):
                self._find(violation)
            if self._tell_bytes:
                with open(self._shared.path(name), "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                self._tell(f"{name}: its file is {digest}")

    # ------------------------------------------------------------ acts

    def _act(self, kind: str) -> None:
        """Do something; its random choices are made even if there is nobody to do it."""
        chance, number = self._chance, self._acts
        name, to = chance.choice(NAMES), chance.choice((*NAMES, NOBODY))
        several, share, sleep = chance.randint(1, 6), chance.random(), chance.choice(_SLEEPS)
        dice = random.Random(chance.getrandbits(32))
        life = self._lives[name]
        if to == name:
            to = NAMES[(NAMES.index(name) + 1) % len(NAMES)]
        if kind == "run":
            seconds = 0.001 + 0.999 * share**3
            self._tell(f"{seconds:.3f} s pass")
            self._pass(seconds)
        elif kind == "step":
            self._step(several)
        elif kind == "break" and to != NOBODY:
            self._tell(f"the links of {name} and {to} break")
            self._town.network.break_links(life.host, self._lives[to].host)
        elif kind == "start":
            for each in NAMES:
                if self._lives[each].gone:
                    self._start(each, sleep)
                    return
        elif life.up:
            do(self._shared, life, kind, to, f"{kind} {number}", dice)

    def _start(self, name: str, sleep: int) -> None:
        self._tell(f"{name}: starts")
        ip = f"10.0.0.{NAMES.index(name) + 1}"
        life = self._lives[name] = Life(self._shared, name, ip, self._written[name])
        self._all_lives.append(life)
        self._awake_at[name] = self._acts + sleep

    def _step(self, several: int) -> None:
        """Some calls of one node's threads, of which each sleeps for a while after its start."""
        lives = [each for each in self._lives.values() if each.storage.busy]
        awake = [each for each in lives if self._acts >= self._awake_at[each.name]]
        if not awake:
            return
        life = awake[several % len(awake)]
        for thread in life.storage.threads:
            for _ in range(min(several, len(thread.calls))):
                self._tell(f"{life.name}: a thread makes a call")
                thread.step()
                self._look()

    # ------------------------------------------------------------ time

    def _pass(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        clock = self._town.network.clock
        end = clock.seconds() + seconds
        while not until() and clock.step(end):
            self._look()
            while self._free and any(life.storage.busy for life in self._lives.values()):
                self._step_all()
        if not until():
            clock.run(end - clock.seconds())

    def _step_all(self) -> None:
        for life in self._lives.values():
            for thread in life.storage.threads:
                if thread.calls:
                    thread.step()
                    self._look()

    def _settle(self) -> None:
        """Let the threads run freely, and all nodes be there, until all is quiet."""
        self._tell("from now on the threads run freely")
        self._free = True
        quiet = 0.0
        while quiet < QUIET and (quiet < _LEAST_QUIET or not self._quiet()):
            for name, life in self._lives.items():
                if life.gone:
                    self._start(name, 0)
                    quiet = 0.0
            self._pass(_A_WHILE)
            quiet += _A_WHILE
        for life in self._lives.values():
            if life.script is not None:
                self._find(Violation("G1", "it does not end", life.script.name))
            for asked in life.asked:
                if not asked.answer:
                    kind = "a send" if asked.window is None else "a request to cancel or forget"
                    self._find(Violation("G2", f"{kind} unanswered", asked.name))

    def _quiet(self) -> bool:
        """Whether nothing more is to be expected."""
        if not all(life.up and life.script is None for life in self._lives.values()):
            return False
        if not all(asked.answer for life in self._lives.values() for asked in life.asked):
            return False
        return not [*public_violations(self._account, NAMES)]

    def _all_gone(self) -> bool:
        return all(life.gone for life in self._lives.values())

    # ------------------------------------------------------------ what is seen

    def _look(self) -> None:
        """After each turn."""
        for life in self._lives.values():
            if not life.gone:
                for violation in inner_violations(life.node, life.waited, life.storage.written):
                    text = self._account.by_id.get(violation.what)
                    what = violation.what if text is None else text.text
                    self._find(violation._replace(what=f"{life.name}: {what}"))

    def _find(self, violation: Violation) -> None:
        kinds = self.found.setdefault(violation.check, {})
        if violation.kind not in kinds:
            kinds[violation.kind] = violation.what
            self._tell(f"!! {violation.check}: {violation.kind}: {violation.what}")

    def _logged(self, event: Any) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            kind = f"a fault was logged: {failure.type.__name__}"
            self._find(Violation("G0", kind, failure.getErrorMessage()))

    def _read(self, end: FakeTransport, data: bytes) -> None:
        self._tell(f"{end.host.ip} reads of {end.getPeer()}: {data!r}")

    def _tell(self, line: str) -> None:
        if self._tell_line is not None:
            now = self._town.network.clock.seconds() - 1000.0
            self._tell_line(f"{self._acts:3} {now:8.3f} {line}")


def main() -> None:
    """Run worlds, and print what was wrong in them, by check and by kind."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("count", type=int, help="how many seeds")
    parser.add_argument("--tell", action="store_true", help="print each act and each outcome")
    parser.add_argument("--bytes", action="store_true", help="the same, and all that is read")
    options = parser.parse_args()
    set_level("ERROR")
    began, seeds = time.perf_counter(), range(options.first, options.first + options.count)
    found: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for seed in seeds:
        with memory_folder() as folder:
            tell = _write if options.tell or options.bytes else None
            world = OutcomeWorld(seed, folder, tell, tell_bytes=options.bytes)
            for check, kinds in world.run().items():
                for kind, what in kinds.items():
                    found.setdefault(check, {}).setdefault(kind, []).append((seed, what))
    for check in sorted(found):
        wrong = {seed for cases in found[check].values() for seed, _ in cases}
        _write(f"{check}: {len(wrong)} of {len(seeds)} seeds")
        for kind, cases in sorted(found[check].items(), key=lambda item: -len(item[1])):
            some = ", ".join(str(seed) for seed, _ in cases[:8])
            _write(f"    {len(cases):4} {kind}: seeds {some}; {cases[0][0]}: {cases[0][1][:200]}")
    seconds = time.perf_counter() - began
    _write(
        f"{len(seeds)} seeds in {seconds:.1f} s; {'no violation' if not found else 'VIOLATIONS'}"
    )
    raise SystemExit(1 if found else 0)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
