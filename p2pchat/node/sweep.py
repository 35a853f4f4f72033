"""The sweep: four times a second a node looks at its deadlines, once while none is near.

Rules: a deadline (handshake, ACK, BYE_OK, silence, a stalled queue) is a value that the sweep
compares with the clock, never a timer of its own. A fault in one part is logged, and keeps neither
the other parts nor the next sweep. While all parts are at rest a sweep would wake the machine for
nothing, so there are fewer. After a standstill of the whole process, what came meanwhile is read
before anybody is judged to be late.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from p2pchat.logs.levels import Log
from p2pchat.mesh.mesh import Mesh

_log: Final = Log("Node")
_INTERVAL: Final = 0.25
_AT_REST: Final = 1.0
"""Seconds between two sweeps while all parts are at rest: what must be looked at from then on is
seen so much later at most."""
_SLOW: Final = 1.0
_STANDSTILL: Final = 2.0
"""Seconds between two sweeps after which it was us who stood still."""
_PATIENCE: Final = 1.0
"""Seconds that we then read what came meanwhile, before anybody is told that he was late."""


class Part(Protocol):
    """What has deadlines of its own."""

    @property
    def at_rest(self) -> bool:
        """Whether a call once a second is often enough."""

    def sweep(self, now: float) -> None:
        """Look at them; `now` is of the node's clock."""


class Sweep:
    """Sweeps the parts of one node, from `start` to `stop`."""

    _mesh: Mesh
    _parts: Sequence[Part]

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.each_second: list[Callable[[float], object]] = []
        """Called with the time, in seconds of the clock, about once a second."""
        self._slow_at = clock.seconds() + _SLOW
        self._swept_at = self._judge_from = clock.seconds()
        self._loop = LoopingCall(self._sweep)
        self._loop.clock = clock

    def start(self, mesh: Mesh, parts: Sequence[Part]) -> None:
        """Look at the deadlines of the mesh and of these, in their order, from now on."""
        self._mesh, self._parts = mesh, parts
        self._loop.start(_INTERVAL, now=False)

    def soon(self) -> None:
        """There is something new to look at: do not rest any longer."""
        if self._loop.running and self._loop.interval != _INTERVAL:
            self._loop.interval = _INTERVAL
            self._loop.reset()

    def stop(self) -> None:
        """Look at nothing any more; nothing happens if it was not started."""
        if self._loop.running:
            self._loop.stop()

    def _sweep(self) -> None:
        now = self._clock.seconds()
        if now - self._swept_at > _STANDSTILL:
            self._judge_from = now + _PATIENCE
        self._swept_at = now
        _guarded(self._choose_pace, now)
        _guarded(self._mesh.sweep, now)
        if now < self._judge_from:
            return
        for part in self._parts:
            _guarded(part.sweep, now)
        _guarded(self._mesh.look_at_deadlines, now)
        # Timers are never early, but one may be less late than the one before it.
        if now >= self._slow_at - _INTERVAL / 2:
            self._slow_at = now + _SLOW
            _guarded(self._mesh.slow_sweep, now)
            for look in [*self.each_second]:
                _guarded(look, now)

    def _choose_pace(self, _now: float) -> None:
        """Rest when nothing has a deadline, and what gets one from now on can wait for a while."""
        timeouts = self._mesh.context.settings.connection
        short = min(timeouts.ack_timeout, timeouts.handshake_timeout) < 2 * _AT_REST
        rest = not short and self._mesh.at_rest and all(part.at_rest for part in self._parts)
        self._loop.interval = _AT_REST if rest else _INTERVAL


def _guarded(part: Callable[[float], object], now: float) -> None:
    try:
        part(now)
    except Exception:  # which would stop the loop, and with it every deadline, for good
        _log.failure("A part of the periodic sweep failed")
