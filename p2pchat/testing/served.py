"""The real rendezvous server as a program on a host of the fake network.

    town = FakeTown(seed=3)
    served = town.serve()                # before the nodes, which ask it from then on
    alice = town.node("alice@CIC")
    served.kill()                        # or served.host.pause(), .unplug(), begin_loss(...)
    served.start()                       # knows what its file holds, or nothing

Rules: it is what `p2pchat-rendezvous` runs, and nodes ask it with the product's own client, over
connections of the fake network. Only host, clocks and thread are not real.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred

from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.rendezvous.stores.sqlite import RegistrationFile
from p2pchat.sqlite import Worker
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.network import FakeHost
from p2pchat.testing.threads import SteppedWorker

RENDEZVOUS_PORT: Final = 8080


def _thread_of(host: FakeHost) -> SteppedWorker:
    return SteppedWorker(host, FakeDisk(host.network.random))


class ServedRendezvous:
    """A rendezvous server on `host`, not running before `start`.

    Who asks it looks its `name` up, if it has one: that has all addresses of the host. `limits` are
    what it puts up with. `make_file`, if there is one, opens its database, at each start anew:
    `lambda: RegistrationFile(path)`. `make_thread` makes the thread that writes it: one on the disk
    on which the file is, where that fails.
    """

    def __init__(
        self,
        host: FakeHost,
        *,
        port: int = RENDEZVOUS_PORT,
        name: str = "",
        limits: Limits | None = None,
        make_file: Callable[[], RegistrationFile] | None = None,
        make_thread: Callable[[FakeHost], Worker] = _thread_of,
    ) -> None:
        self.host = host
        self.port = port
        self.name = name
        if name:
            host.network.names[name] = host.addresses
        self.limits = Limits() if limits is None else limits
        self._make_file = make_file
        self._make_thread = make_thread
        self._file: RegistrationFile | None = None
        self._service: MultiService | None = None
        self.registry = Registry()
        """What it knows; another one after each start."""
        self.server: RendezvousService | None = None
        """The running server, for its counters."""

    def at(self, host: FakeHost) -> RendezvousClient:
        """The directory for a program on this host; it may be made before the server runs."""
        return RendezvousClient(host, self.name or self.host.ip, self.port)

    @property
    def running(self) -> bool:
        """Whether it was started, and neither stopped nor killed."""
        return self._service is not None

    def start(self) -> None:
        """Read the file, if there is one, and open the port; raises what the server raises.

        RuntimeError when it runs already.
        """
        if self._service is not None:
            raise RuntimeError("this rendezvous runs already")
        host, limits = self.host, self.limits
        draw = host.network.random.sample
        self.registry = Registry(limits.registrations, limits.per_address, draw)
        service = self._service = MultiService()
        if self._make_file is not None:
            self._file = self._make_file()
            Persistence(
                self.registry,
                self._file,
                reactor=host,
                wall=host.wall,
                monotonic=host.seconds,
                thread=self._make_thread(host),
            ).setServiceParent(service)
        self.server = RendezvousService(
            self.port, registry=self.registry, limits=limits, reactor=host, monotonic=host.seconds
        )
        self.server.setServiceParent(service)
        service.startService()

    def stop(self) -> Deferred[Any]:
        """Stop in order; fires when nothing is left on the host. Nothing happens if it is down."""
        service, self._service, self._file = self._service, None, None
        return maybeDeferred(lambda: None if service is None else service.stopService())

    def kill(self) -> None:
        """End it as `kill -9` does: what was not written is lost, and its host does not stop.

        Whatever else runs on the host ends, too.
        """
        self.host.kill()
        self._service = None
        file, self._file = self._file, None
        if file is not None:  # as the kernel does
            file.close()
            file.release()

    def knows(self, peer_id: str) -> bool:
        """Whether a DISCOVER would list this peer_id now."""
        name, namespace = peer_id.rsplit("@", 1)
        now = self.host.seconds()
        return any(
            (each.namespace, each.name) == (namespace, name) and each.until > now
            for each in self.registry.all()
        )
