"""One address of one interface, by which beacons go out and come: what became of it."""

from __future__ import annotations

from p2pchat.mesh.discovery.lan.interfaces import Interface


class Way:
    """What became of one interface."""

    __slots__ = (
        "_mask",
        "_network",
        "heard_at",
        "interface",
        "joined",
        "received",
        "sent",
        "trouble",
    )

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        network = interface.network
        self._mask, self._network = int(network.netmask), int(network.network_address)
        self.joined = False
        self.trouble = ""
        """Why the last beacon did not go out, or why the group could not be joined."""
        self.sent = 0
        self.received = 0
        """Datagrams from others and from us; see `Lan` for what they were."""
        self.heard_at: float | None = None
        """When the last one of others came, seconds of the node's clock; who reads them sets it."""

    def leads_to(self, address: int) -> bool:
        """Whether a machine of this address, of its family, is on its network."""
        return address & self._mask == self._network
