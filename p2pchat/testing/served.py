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
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.python.failure import Failure

from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.rendezvous.stores.sqlite import RegistrationFile
from p2pchat.sqlite import ClosedError, Worker
from p2pchat.testing.network import FakeHost

RENDEZVOUS_PORT: Final = 8080


class HostThread(Worker):
    """A program's thread: each call is made a moment after it was asked for, in their order.

    `host` is where it runs: while that is paused, so is the thread, and a kill ends it. `slow` is
    the longest time in seconds that a call takes; which one it is comes from the network's seed.
    """

    def __init__(self, host: FakeHost, slow: float = 0.005) -> None:
        self._host = host
        self._slow = slow
        self._free_at = 0.0
        self._stopped = False

    def run(self, call: Callable[[], Any]) -> Deferred[Any]:
        """See `Worker`."""
        if self._stopped:
            return fail(ClosedError("this program is leaving"))
        took = self._host.network.random.uniform(0.0, self._slow)
        self._free_at = max(self._free_at, self._host.seconds()) + took
        result: Deferred[Any] = Deferred()
        self._host.callLater(self._free_at - self._host.seconds(), self._make, call, result)
        return result

    def stop(self) -> None:
        """See `Worker`; nothing may wait any more."""
        self._stopped = True

    def abandon(self) -> None:
        """See `Worker`."""
        self._stopped = True

    def _make(self, call: Callable[[], Any], result: Deferred[Any]) -> None:
        try:
            value = call()
        except Exception:
            result.errback(Failure())
        else:
            result.callback(value)


class ServedRendezvous:
    """A rendezvous server on `host`, not running before `start`.

    `limits` are what it puts up with. `make_file`, if there is one, opens its database, at each
    start anew: `lambda: RegistrationFile(path)`. `make_thread` makes the thread that writes it.
    """

    def __init__(
        self,
        host: FakeHost,
        *,
        port: int = RENDEZVOUS_PORT,
        limits: Limits | None = None,
        make_file: Callable[[], RegistrationFile] | None = None,
        make_thread: Callable[[FakeHost], Worker] = HostThread,
    ) -> None:
        self.host = host
        self.port = port
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
        return RendezvousClient(host, self.host.ip, self.port)

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
        self.registry = Registry(limits.registrations, limits.per_address)
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
