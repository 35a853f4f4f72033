"""Names of machines in the in-memory network, looked up as Twisted's reactors do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from p2pchat.testing.connector import address
from p2pchat.testing.events import Machine


@implementer(IHostResolution)
class FakeResolution:
    """One look-up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cancelled = False

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.cancelled = True


class FakeResolver:
    """What a host asks: finds the addresses in `names` of its network, none for other names."""

    def __init__(self, host: Machine) -> None:
        self._host = host

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type[IAddress]] | None = None,  # noqa: N803
        transportSemantics: str = "TCP",  # noqa: ARG002, N803
    ) -> FakeResolution:
        """See `IHostnameResolver`; the answer comes after a way through the network."""
        resolution = FakeResolution(hostName)
        receiver: Any = resolutionReceiver
        receiver.resolutionBegan(resolution)

        def answer() -> None:
            if resolution.cancelled:
                return
            for ip in self._host.events.names.get(hostName, ()):
                found = address(ip, portNumber)
                if addressTypes is None or type(found) in addressTypes:
                    receiver.addressResolved(found)
            receiver.resolutionComplete()

        self._host.events.later(self._host.do, answer)
        return resolution
