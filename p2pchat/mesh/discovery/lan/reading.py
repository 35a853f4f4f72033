"""Reading a socket to which anybody on the network sends, with a pause after what has come.

Rules: a flood of datagrams is one turn of the reactor and not one each; the kernel drops what it
has no room for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol

_PAUSE: Final = 0.1
"""Seconds from one read to the next."""
_MANY: Final = 10
_LONG_PAUSE: Final = 0.4
"""Seconds more after so many at once: a hundred a second are read anyway, in fewer turns."""


class Reading(DatagramProtocol):
    """What becomes of one socket's datagrams. `reactor` provides IReactorTime.

    `on_datagram` gets each, and the address that it came from. The caller gives the port that this
    protocol was made for to `begin`.
    """

    noisy = False

    def __init__(self, reactor: Any, on_datagram: Callable[[bytes, str], None]) -> None:
        self._reactor = reactor
        self._on_datagram = on_datagram
        self._again: IDelayedCall | None = None
        self._taken = 0
        self.port: Any = None
        """What is read; None before and after."""

    def begin(self, port: Any) -> None:
        """This is what is read, until `stop`."""
        self.port = port

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Somebody said something."""
        if self.port is None:
            return
        if self._again is None:
            self.port.stopReading()
            self._again = self._reactor.callLater(_PAUSE, self._read_again)
        self._taken += 1
        self._on_datagram(datagram, addr[0])

    def stop(self) -> Deferred[None]:
        """Read no more, and close the socket."""
        port, self.port = self.port, None
        again, self._again = self._again, None
        if again is not None:
            again.cancel()
        return maybeDeferred(lambda: None if port is None else port.stopListening())

    def _read_again(self) -> None:
        taken, self._taken = self._taken, 0
        if taken >= _MANY:
            self._again = self._reactor.callLater(_LONG_PAUSE, self._read_again)
            return
        self._again = None
        self.port.startReading()
