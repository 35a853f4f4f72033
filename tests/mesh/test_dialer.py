"""Keeping an outbound link: attempts, addresses, backoff, the limit, and places to dial."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol, ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.dial_budget import DialBudget
from p2pchat.mesh.dial_pauses import DialPauses
from p2pchat.mesh.dial_queue import DialQueue
from p2pchat.mesh.dialer import LASTING, Dialer
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, Status
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from p2pchat.testing.network import FakeHost, FakeNetwork
from p2pchat.wire.friends import Friends
from p2pchat.wire.identity import Identity
from p2pchat.wire.outputs import Ending, Finish
from tests.support.links import TIME, RecordingOwner

AWAY = "10.0.0.2"


class MeshOfOne(RecordingOwner):
    """Tells the dialer of one peer what a mesh would."""

    dialer: Dialer
    peer: Peer

    def link_opened(self, link: IPeerLink) -> None:
        super().link_opened(link)
        if link.peer_id == self.peer.peer_id:
            self.peer.links.append(link)
            self.dialer.connected()
        self.dialer.opened(link)

    def link_closed(self, link: IPeerLink, finish: Finish) -> None:
        super().link_closed(link, finish)
        if not link.peer_id:
            self.dialer.handshake_failed(link, finish)
        elif link in self.peer.links:
            self.peer.links.remove(link)
            self.dialer.link_lost(self.dialer._context.clock.seconds() - link.opened_at)


class DialerTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork(3, latency=(0.001, 0.001), cut=0, join=0)
        self.home = self.network.host("10.0.0.1")
        self.away = self.network.host(AWAY)
        self.statuses: list[Status] = []
        self.dials: list[tuple[float, str, int]] = []
        self.queue = self.make_queue(2)
        self.peer = Peer("bob@CIC")
        self.peer.addresses = ((AWAY, 4000),)
        self.dialer = self.make()

    def make_queue(self, places: int) -> DialQueue:
        limits = LimitSettings()
        pauses = DialPauses(lambda low, high: min(max(1.0, low), high))
        self.admission = Admission(limits)
        self.friends = Friends()
        return DialQueue(
            self.home, self.admission, DialBudget(limits), pauses, self.friends, places
        )

    def status(self, _: Peer, status: Status) -> None:
        """Note a new status; one that is not new is none, for the node as well."""
        if self.statuses[-1:] != [status]:
            self.statuses.append(status)

    def make(self, peer: Peer | None = None, jitter: float = 1.0, **connection: Any) -> Dialer:
        self.owner = MeshOfOne()
        settings = Settings(connection=ConnectionSettings(**connection))
        context = self.context = LinkContext(
            Identity.of("me@CIC", "p2pchat/1", "us"),
            settings,
            self.owner,
            self.home,
            new_id=lambda: "id",
            timestamp=lambda: TIME,
        )
        self.owner.peer = peer or self.peer
        self.owner.dialer = Dialer(
            context,
            self.counting(),
            self.owner.peer,
            self.queue,
            self.status,
            lambda low, high: min(max(jitter, low), high),
        )
        return self.owner.dialer

    def counting(self) -> Any:
        """The host, which notes what is dialed and when."""
        home, dials = self.home, self.dials
        start = home.seconds()

        class Counting:
            def connectTCP(self, host: str, port: int, *rest: Any, **more: Any) -> Any:
                dials.append((round(home.seconds() - start, 1), host, port))
                return home.connectTCP(host, port, *rest, **more)

        return Counting()

    def answers(
        self, port: int = 4000, name: str = "bob@CIC", host: FakeHost | None = None
    ) -> list[Any]:
        """Have somebody answer HELLO on this port; returns the list of the connections."""
        links: list[Any] = []

        class Answering(Protocol):
            transport: Any

            def dataReceived(self, data: bytes) -> None:
                if name:
                    self.transport.write(b'{"type":"HELLO_OK","peer_id":"%s"}\n' % name.encode())

        class Factory(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Any:
                links.append(Answering())
                return links[-1]

        (host or self.away).listenTCP(port, Factory())
        return links

    @property
    def times(self) -> list[float]:
        return [at for at, _, _ in self.dials]


class BackoffTests(DialerTestCase):
    """When it dials, and when it stops."""

    def test_five_attempts_and_then_stale(self) -> None:
        self.dialer.dial()
        self.network.run(200)
        self.assertEqual(self.times, [0, 2, 6, 14, 30])
        self.assertIs(self.statuses[-1], Status.STALE)
        expected = [Status.CONNECTING, Status.DISCONNECTED] * 4 + [Status.CONNECTING, Status.STALE]
        self.assertEqual(self.statuses, expected)
        self.assertFalse(self.dialer.busy)
        self.assertEqual(self.home.getDelayedCalls(), [])

    def test_the_settings_are_obeyed(self) -> None:
        self.dialer = self.make(
            max_reconnect_attempts=7, reconnect_backoff_base=3.0, reconnect_backoff_max=20.0
        )
        self.dialer.dial()
        self.network.run(300)
        self.assertEqual(self.times, [0, 3, 12, 32, 52, 72, 92])

    def test_jitter_spreads_the_waits(self) -> None:
        for jitter, times in ((0.0, [0, 1.6, 4.8]), (9.0, [0, 2.4, 7.2])):
            self.dials.clear()
            self.dialer = self.make(jitter=jitter, max_reconnect_attempts=3)
            self.dialer.dial()
            self.network.run(60)
            self.assertEqual(self.times, times)

    def test_a_number_too_large_is_the_longest_wait(self) -> None:
        self.dialer = self.make(
            max_reconnect_attempts=4, reconnect_backoff_base=1e200, reconnect_backoff_max=10.0
        )
        self.dialer.dial()
        self.network.run(60)
        self.assertEqual(self.times, [0, 10, 20, 30])

    def test_dialing_anew_starts_over_at_once(self) -> None:
        self.dialer.dial()
        self.network.run(10)
        self.assertEqual(self.times, [0, 2, 6])
        self.dialer.dial()
        self.dialer.dial()
        self.network.run(100)
        self.assertEqual(self.times[3:], [10, 12, 16, 24, 40])

    def test_what_swallows_packets_is_given_ten_seconds(self) -> None:
        self.away.unplug()
        self.dialer.dial()
        self.network.run(13)
        self.assertEqual(self.times, [0, 12])

    def test_no_handshake_is_a_failure(self) -> None:
        links = self.answers(name="")
        self.dialer = self.make(handshake_timeout=3)
        self.dialer.dial()
        for _ in range(80):
            self.network.run(0.25)
            for link in [*self.owner.of("made")]:
                link.tick(self.home.seconds())
        self.assertEqual(len(links), 3)
        for at, expected in zip(self.times, (0, 5, 12), strict=True):
            self.assertLess(abs(at - expected), 0.7)
        self.dialer.stop()

    def test_without_an_address_nothing_happens(self) -> None:
        self.peer.addresses = ()
        self.dialer.dial()
        self.network.run(10)
        self.assertEqual((self.dials, self.statuses), ([], []))
        self.assertFalse(self.dialer.busy)


class SessionTests(DialerTestCase):
    """What a session that opened changes."""

    def test_a_link_that_lasted_is_won_back_soon(self) -> None:
        links = self.answers()
        self.dialer.dial()
        self.network.run(LASTING + 1)
        self.assertFalse(self.dialer.busy)
        for _ in range(3):
            links[-1].transport.loseConnection()
            self.network.run(LASTING + 2)
        self.assertEqual(self.times, [0, 7, 14, 21])
        self.assertNotIn(Status.STALE, self.statuses)

    def test_a_link_that_ends_at_once_is_backed_off_from_and_never_stale(self) -> None:
        links = self.answers()
        self.dialer.dial()
        for _ in range(40):
            self.network.run(5)
            if not links[-1].transport.gone:
                links[-1].transport.loseConnection()
                self.network.run(0)
        waits = [round(b - a) for a, b in zip(self.times, self.times[1:], strict=False)]
        self.assertEqual(waits, sorted(waits))
        self.assertLess(len(self.dials), 8)
        self.assertNotIn(Status.STALE, self.statuses)

    def test_an_inbound_link_makes_the_next_attempt_needless(self) -> None:
        self.dialer.dial()
        self.network.run(3)
        inbound: Any = object()
        self.peer.links.append(inbound)
        self.dialer.connected()
        self.assertFalse(self.dialer.busy)
        self.assertEqual(self.dialer.failures, 0)
        self.network.run(100)
        self.assertEqual(self.times, [0, 2])
        self.peer.links.clear()
        self.dialer.link_lost(50)
        self.assertIs(self.statuses[-1], Status.DISCONNECTED)
        self.network.run(1.1)
        self.assertEqual(self.times, [0, 2, 104])

    def test_an_inbound_link_that_is_lost_while_we_dial(self) -> None:
        self.away.unplug()
        self.dialer.dial()
        self.network.run(1)
        self.dialer.link_lost(50)
        self.assertIs(self.statuses[-1], Status.CONNECTING)
        self.network.run(8)
        self.assertEqual(len(self.dials), 1)

    def test_an_inbound_link_that_came_while_we_dialed_in_vain(self) -> None:
        self.dialer.dial()
        self.network.run(0)
        inbound: Any = object()
        self.peer.links.append(inbound)
        self.network.run(100)
        self.assertEqual(len(self.dials), 1)
        self.assertFalse(self.dialer.busy)
        self.assertEqual(self.statuses, [Status.CONNECTING])

    def test_somebody_else_answers(self) -> None:
        self.answers(name="carol@CIC")
        self.dialer.dial()
        self.network.run(100)
        self.assertEqual(self.times, [0, 2, 6, 14, 30])
        self.assertEqual(self.owner.of("opened"), ["carol@CIC"] * 5)
        self.assertIs(self.statuses[-1], Status.STALE)

    def test_somebody_else_answers_at_the_first_of_two_addresses(self) -> None:
        self.answers(4000, name="carol@CIC")
        self.answers(4001)
        self.peer.addresses = ((AWAY, 4000), (AWAY, 4001))
        self.dialer.dial()
        self.network.run(1)
        self.assertEqual(self.owner.of("opened"), ["carol@CIC", "bob@CIC"])
        self.assertFalse(self.dialer.busy)

    def test_only_the_present_attempt_counts(self) -> None:
        self.dialer.dial()
        self.network.run(1)
        failures = self.dialer.failures
        stale = PeerProtocol(self.context)
        self.dialer.handshake_failed(stale, Finish(Ending.LOST, "long ago"))
        self.dialer.opened(stale)
        connector: Any = object()
        self.dialer.clientConnectionFailed(connector, connector)
        self.assertEqual(self.dialer.failures, failures)


class AddressTests(DialerTestCase):
    """Several addresses are one attempt."""

    def test_they_are_tried_in_turn(self) -> None:
        self.answers(4003)
        self.peer.addresses = tuple((AWAY, port) for port in (4001, 4002, 4003, 4004))
        self.dialer.dial()
        self.network.run(1)
        self.assertEqual([port for _, _, port in self.dials], [4001, 4002, 4003])
        self.assertEqual(self.statuses, [Status.CONNECTING])
        self.assertEqual(len(self.peer.links), 1)

    def test_all_in_vain_is_one_failure(self) -> None:
        self.peer.addresses = ((AWAY, 4001), (AWAY, 4002))
        self.dialer.dial()
        self.network.run(1)
        self.assertEqual((len(self.dials), self.dialer.failures), (2, 1))

    def test_the_next_attempt_uses_new_addresses(self) -> None:
        self.dialer.dial()
        self.network.run(1)
        self.peer.addresses = ((AWAY, 5000),)
        self.network.run(2)
        self.assertEqual([port for _, _, port in self.dials], [4000, 5000])

    def test_a_new_address_is_dialed_at_once(self) -> None:
        """However far the attempt at the old one is."""
        for seconds, silent in ((0.0, False), (5.0, True), (5.0, False)):
            self.setUp()
            if silent:
                self.away.unplug()
            else:
                self.answers(name="")
            there = self.network.host("10.0.0.3")
            self.answers(4001, host=there)
            self.dialer.dial()
            self.network.run(seconds)
            self.peer.addresses = (("10.0.0.3", 4001), (AWAY, 4000))
            self.dialer.dial()
            self.network.run(1)
            self.assertEqual(self.dials[-1], (seconds, "10.0.0.3", 4001))
            self.assertEqual(self.owner.of("opened"), ["bob@CIC"])
            self.assertEqual((self.dialer.busy, self.queue.admission.dials), (False, 0))
            self.assertEqual(self.home.getDelayedCalls(), [])

    def test_a_renewed_registration_does_not_break_off_the_attempt(self) -> None:
        self.away.unplug()
        self.peer.addresses = (("10.0.0.3", 4001), (AWAY, 4000))
        self.dialer.dial()
        self.network.run(5)
        self.peer.addresses = ((AWAY, 4000),)
        for _ in range(5):
            self.dialer.dial()
            self.network.run(1)
        self.assertEqual(len(self.dials), 2)
        self.dialer.stop()

    def test_what_cannot_be_dialed_is_passed_over(self) -> None:
        odd = [
            ("", 1),
            ("bob.example", 4000),
            ("x" * 64, 1),
            ("0x7f.1", 4000),
            ("2130706433", 4000),
        ]
        odd += [(AWAY, 0), (AWAY, -1), (AWAY, 65_536)]
        self.peer.addresses = (*odd, (AWAY, 4000))
        self.dialer.dial()
        self.network.run(1)
        self.assertEqual([(host, port) for _, host, port in self.dials], [(AWAY, 4000)])
        self.dialer.stop()
        self.peer.addresses = tuple(odd)
        self.dialer.dial()
        self.network.run(200)
        self.assertEqual(len(self.dials), 1)
        self.assertIs(self.statuses[-1], Status.STALE)


class RaceTests(DialerTestCase):
    """The addresses of an attempt are dialed one after the other, and together."""

    NOWHERE = tuple((f"10.0.9.{n}", 4000) for n in range(1, 9))

    def times_of(self) -> list[float]:
        return [at for at, _, _ in self.exact]

    def counting(self) -> Any:
        counting = super().counting()
        self.exact: list[tuple[float, str, int]] = []
        exact, home, start = self.exact, self.home, self.home.seconds()

        class Exact:
            def connectTCP(self, host: str, port: int, *rest: Any, **more: Any) -> Any:
                exact.append((round(home.seconds() - start, 2), host, port))
                return counting.connectTCP(host, port, *rest, **more)

        return Exact()

    def test_a_quarter_of_a_second_apart_and_three_at_most(self) -> None:
        self.peer.addresses = self.NOWHERE
        self.dialer.dial()
        self.network.run(1)
        self.assertEqual(self.times_of(), [0, 0.25, 0.5])
        self.assertEqual((self.admission.dials, self.queue._free), (3, 1))
        self.network.run(9.3)
        # Each takes the place of one that has failed.
        self.assertEqual(self.times_of()[3:5], [10, 10.25])
        self.dialer.stop()
        self.assertEqual((self.admission.dials, self.queue._free), (0, 2))

    def test_the_first_that_opens_wins_and_the_others_have_not_failed(self) -> None:
        links = self.answers(name="")  # accepts, and never says HELLO
        self.answers(4001, host=self.network.host("10.0.0.3"))
        self.peer.addresses = (self.NOWHERE[0], (AWAY, 4000), ("10.0.0.3", 4001), self.NOWHERE[1])
        self.dialer.dial()
        self.network.run(3)
        self.assertEqual(self.times_of(), [0, 0.25, 1.25])
        self.assertEqual(self.owner.of("opened"), ["bob@CIC"])
        self.assertTrue(links[0].transport.gone)
        self.assertEqual((self.dialer.failures, self.dialer.busy), (0, False))
        self.assertEqual((self.admission.dials, self.queue._free), (0, 2))
        self.assertEqual(self.home.getDelayedCalls(), [])
        self.network.run(60)
        self.assertEqual(len(self.exact), 3)
        self.assertEqual(len(self.home.connections()), 1)

    def test_at_once_when_one_has_failed(self) -> None:
        self.answers(4002)
        self.peer.addresses = (self.NOWHERE[0], (AWAY, 4001), (AWAY, 4002))
        self.dialer.dial()
        self.network.run(0.26)
        self.assertEqual(len(self.peer.links), 1)
        self.assertEqual(self.times_of(), [0, 0.25, 0.25])

    def test_who_waits_comes_first(self) -> None:
        """A race is no way to have more of what all dials share."""
        self.queue = self.make_queue(1)
        self.dialer = self.make()
        self.peer.addresses = self.NOWHERE
        other = Peer("carol@CIC")
        other.addresses = (("10.0.8.1", 4000),)
        waiting = self.make(other)
        self.owner.dialer, self.owner.peer = self.dialer, self.peer
        self.dialer.dial()
        self.network.run(0.1)
        waiting.dial()
        self.network.run(5)
        self.assertEqual(len(self.dials), 1)
        waiting.stop()
        self.network.run(1)
        self.assertEqual(len(self.dials), 3)
        self.dialer.stop()

    def test_the_limits_of_one_address_hold(self) -> None:
        self.away.unplug()
        limits = LimitSettings(max_dials_per_address=2)
        self.queue.budget.configure(limits)
        self.peer.addresses = tuple((AWAY, 4000 + n) for n in range(8))
        self.dialer.dial()
        self.network.run(5)
        self.assertEqual(len(self.dials), 2)
        self.dialer.stop()

    def test_the_peer_has_reached_us_meanwhile(self) -> None:
        self.peer.addresses = self.NOWHERE
        self.dialer.dial()
        self.network.run(0.1)
        inbound: Any = object()
        self.peer.links.append(inbound)
        self.dialer.connected()
        self.network.run(30)
        self.assertEqual(len(self.dials), 1)
        self.assertFalse(self.dialer.busy)

    def test_a_scope_that_no_interface_has(self) -> None:
        """The system says so at once, by an exception."""
        home = self.home

        class Refusing:
            def connectTCP(self, host: str, port: int, *rest: Any, **more: Any) -> Any:
                if "%" in host:
                    raise OSError("Name or service not known")
                return home.connectTCP(host, port, *rest, **more)

        self.answers()
        reactor: Any = Refusing()
        self.dialer._reactor = reactor
        self.peer.addresses = (("fe80::2%none", 4000), (AWAY, 4000))
        self.dialer.dial()
        self.network.run(0.1)
        self.assertEqual(self.owner.of("opened"), ["bob@CIC"])

    def test_a_link_is_known_by_the_scope_that_was_dialed(self) -> None:
        self.home.also("fe80::1")
        self.away.also("fe80::2%eth0")
        self.answers(4001)
        self.away.ports[4001].interface = "::"
        self.peer.addresses = (("fe80::2%eth0", 4001),)
        self.dialer.dial()
        self.network.run(1)
        (link,) = self.peer.links
        self.assertEqual((link.ip, link.address), ("fe80::2%eth0", "[fe80::2%eth0]:4001"))


class StopTests(DialerTestCase):
    """Stopping, at whatever stage."""

    def assertStopped(self) -> None:
        self.dialer.stop()
        self.dialer.stop()
        self.assertFalse(self.dialer.busy)
        before = len(self.dials)
        self.network.run(100)
        self.assertEqual(len(self.dials), before)
        self.assertEqual(self.queue._free, 2)
        self.assertEqual(self.home.getDelayedCalls(), [])
        self.assertEqual(self.home.connections(), [])

    def test_while_it_waits_for_its_time(self) -> None:
        self.dialer.dial()
        self.network.run(1)
        self.assertTrue(self.dialer.busy)
        self.assertStopped()

    def test_while_it_connects(self) -> None:
        self.away.unplug()
        self.dialer.dial()
        self.network.run(1)
        self.assertStopped()
        self.assertEqual(self.statuses, [Status.CONNECTING])

    def test_during_the_handshake(self) -> None:
        self.answers(name="")
        self.dialer.dial()
        self.network.run(1)
        self.assertStopped()
        self.assertEqual(self.statuses, [Status.CONNECTING])
        self.assertEqual(len(self.owner.of("closed")), 1)

    def test_while_it_waits_for_a_place(self) -> None:
        self.queue = self.make_queue(0)
        self.dialer = self.make()
        self.dialer.dial()
        self.network.run(1)
        self.assertTrue(self.dialer.busy)
        self.dialer.stop()
        self.assertFalse(self.dialer.busy)
        self.queue._free = 1
        self.network.run(1)
        self.assertEqual((self.dials, self.statuses), ([], []))
        self.assertEqual(self.home.getDelayedCalls(), [])


class SlotTests(DialerTestCase):
    """At most so many dials at once."""

    def many(self, count: int) -> list[tuple[Peer, Dialer]]:
        pairs = []
        for number in range(count):
            peer = Peer(f"p{number}@CIC")
            peer.addresses = ((AWAY, 5000 + number),)
            pairs.append((peer, self.make(peer, max_reconnect_attempts=1)))
        return pairs

    def test_the_others_wait(self) -> None:
        self.away.unplug()
        pairs = self.many(6)
        for _, dialer in pairs:
            dialer.dial()
        self.network.run(9)
        self.assertEqual(len(self.dials), 2)
        self.assertTrue(all(dialer.busy for _, dialer in pairs))
        self.network.run(30)
        self.assertEqual(self.times, [0, 0, 10, 10, 20, 20])

    def test_who_was_connected_or_stopped_meanwhile_gives_up_its_place(self) -> None:
        pairs = self.many(2500)
        for _, dialer in pairs:
            dialer.dial()
        linked: Any = object()
        for peer, _ in pairs[2:1500]:
            peer.links.append(linked)
        for _, dialer in pairs[1500:2498]:
            dialer.stop()
        self.network.run(1)
        self.assertEqual(len(self.dials), 4)
        self.assertEqual(self.queue._free, 2)
        self.assertFalse(any(dialer.busy for _, dialer in pairs))

    def test_friends_come_first_and_then_who_was_met(self) -> None:
        self.away.unplug()
        pairs = self.many(5)
        pairs[2][1].met = pairs[3][1].met = True
        self.friends.wrote_to(pairs[3][0].peer_id, pairs[4][0].peer_id)
        for _, dialer in pairs:
            dialer.dial()
        self.network.run(35)
        ports = [port - 5000 for _, _, port in self.dials]
        self.assertEqual((ports[:2], ports[2], ports[3:]), ([3, 4], 2, [0, 1]))

    def test_dialing_again_while_waiting_takes_one_place(self) -> None:
        self.dialer.dial()
        self.dialer.stop()
        self.dialer.dial()
        self.network.run(1)
        self.assertEqual(len(self.dials), 1)
        self.assertEqual(self.queue._free, 2)
        self.dialer.stop()
