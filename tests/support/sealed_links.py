"""Two links that encrypt, without a network: bytes go from one to the other when a test says so."""

from __future__ import annotations

from collections.abc import Callable

from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.settings.values import LimitSettings, Settings
from p2pchat.testing.clock import FakeClock
from p2pchat.wire.identity import Identity
from p2pchat.wire.outputs import Finish
from tests.support.links import TIME, RecordingOwner, RecordingTransport
from tests.support.seals import ALICE, BOB, keys_from

Change = Callable[[bytes], bytes]


class FakeJudge:
    """Takes everybody, until a test says otherwise."""

    def __init__(self) -> None:
        self.refuses = ""
        """The reason of a BYE for everybody."""
        self.known: bytes | None = None
        """The one key that a dialer shows itself to; None for any."""
        self.asked: list[tuple[str, bytes | None, bool]] = []

    def dials_sealed(self, peer_id: str, place: tuple[str, int]) -> bool:
        return False

    def recognised(self, link: IPeerLink, key: bytes) -> str | None:
        return None if self.known in (None, key) else "another key is known"

    def vouch(self, link: IPeerLink, peer_id: str, *, fleeting: bool) -> str:
        self.asked.append((peer_id, link.key, fleeting))
        return self.refuses

    def mark(self, peer_id: str, key: bytes) -> str:
        return "encrypted"


class SealedEnd:
    """One link of `name`, which dialed `dialed` in TLS, or was dialed."""

    def __init__(
        self,
        name: str,
        seed: bytes,
        *,
        dialed: str | None = None,
        sealed: bool = True,
        fleeting: bool = False,
        settings: Settings | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = FakeClock() if clock is None else clock
        self.owner = RecordingOwner()
        self.judge = FakeJudge()
        ids = iter(range(10**9))
        self.context = LinkContext(
            Identity.of(name, "p2pchat/1", f"instance of {name}"),
            settings or Settings(limits=LimitSettings(peer_rate=0)),
            self.owner,
            self.clock,
            new_id=lambda: f"id-{next(ids)}",
            timestamp=lambda: TIME,
        )
        self.keys: Keys = keys_from(seed)
        self.security = LinkSecurity(self.keys, self.judge, self.clock, fleeting=fleeting)
        self.context.security = self.security
        self.link = PeerProtocol(self.context, dialed, sealed=sealed and dialed is not None)
        self.transport = RecordingTransport()
        self.link.makeConnection(self.transport)

    def said(self) -> bytes:
        """What it has written since this was asked last."""
        self.clock.run(0)
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    @property
    def finishes(self) -> list[Finish]:
        """How its link ended, once the connection is gone."""
        closed: list[Finish] = self.owner.of("closed")
        return closed

    def run(self, seconds: float) -> None:
        """Let time pass, with a tick at its end as the node's sweep would."""
        self.clock.run(seconds)
        for link in [*self.context.unsettled]:
            link.tick(self.clock.seconds())


class SealedPair:
    """`alice@CIC`, who dialed `bob@CIC`, and bob; `pump` carries bytes between them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.alice = SealedEnd("alice@CIC", ALICE, dialed="bob@CIC", settings=settings)
        self.bob = SealedEnd("bob@CIC", BOB, settings=settings)

    def pump(self, *, to_bob: Change = bytes, to_alice: Change = bytes) -> None:
        """Carry all that is said, both ways, until nothing more is."""
        while True:
            out, back = self.alice.said(), self.bob.said()
            if out:
                self.bob.link.dataReceived(to_bob(out))
            if back:
                self.alice.link.dataReceived(to_alice(back))
            if not out and not back:
                return

    def open(self) -> None:
        """Go through the handshake and HELLO."""
        self.pump()
        assert self.alice.link.peer_id
        assert self.bob.link.peer_id
