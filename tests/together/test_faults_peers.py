"""Peers that misbehave, by fault or on purpose: each costs at most its own link, and no memory."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from p2pchat.mesh.peers import Status
from p2pchat.node.figures import statistics
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from tests.support.quirky_peers import ForeignPeer, Program
from tests.together.test_peer_quirks import NODE_IP, ForeignTestCase

OUR_KIND = {"agent": "p2pchat/1", "instance": "another-process"}


class Raw(ForeignPeer):
    """Says nothing by itself."""

    def connectionMade(self) -> None:
        pass

    def notice(self, message: dict[str, Any]) -> None:
        pass


class Renewing(Program):
    """Dials again half a second after a connection has ended."""

    target = ""

    def keep_dialing(self, target: str) -> None:
        self.target = target
        self._look()

    def _look(self) -> None:
        if self.target:
            if not self.live:
                self.links.clear()
                self.dial(self.target)
            self.host.callLater(0.5, self._look)


class FaultTestCase(ForeignTestCase):
    """`me@CIC` has a well-behaved friend, `friend@CIC`, who must never notice anything."""

    def setUp(self) -> None:
        super().setUp()
        self.friend = self.dials_us(name="friend@CIC")

    def tearDown(self) -> None:
        self.assertTalks(self.friend, "friend@CIC")
        super().tearDown()

    def heard(self) -> set[tuple[str, str]]:
        return {(peer, message.payload) for peer, message in self.seen.messages}

    def raw(self) -> ForeignPeer:
        """A connection that does nothing by itself; `dials_us` for one that shakes hands."""
        program = self.program(Raw, "raw@CIC")
        program.dial(NODE_IP)
        self.run_for(0.2)
        return program.link

    @property
    def figures(self) -> dict[str, Any]:
        snapshot = statistics(self.node).snapshot()
        return {**snapshot["messages"], **snapshot["queues"], **snapshot["links"]}


class SlowPeerTests(FaultTestCase):
    settings = Settings(
        connection=ConnectionSettings(discovery_interval=20, handshake_timeout=10),
        limits=LimitSettings(peer_rate=2000, max_handshakes=20),
    )

    def test_one_that_says_nothing(self) -> None:
        silent = self.raw()
        self.run_for(9)
        self.assertFalse(silent.closed)
        self.run_for(2)
        self.assertTrue(silent.closed)
        self.assertEqual(self.figures["handshakes_late"], 1)
        self.assertEqual(self.figures["handshakes"], 0)

    def test_one_that_dribbles_its_hello(self) -> None:
        slow = self.raw()
        hello = b'{"type":"HELLO","peer_id":"slow@CIC"}\n'
        for byte in hello:
            slow.raw(bytes([byte]))
            self.run_for(1)
        self.assertTrue(slow.closed)
        self.assertIsNone(self.node.peers.get("slow@CIC"))

    def test_one_that_dribbles_for_ever_once_it_is_in(self) -> None:
        slow = self.raw()
        slow.raw(b'{"type":"HELLO","peer_id":"slow@CIC"}\n')
        for _ in range(130):
            slow.raw(b"x")
            self.run_for(1)
        # No line is no sign of life.
        self.assertTrue(slow.closed)
        self.assertEqual(self.figures["ended_silent"], 1)

    def test_a_thousand_that_say_nothing(self) -> None:
        links = [self.program(Raw, "raw@CIC") for _ in range(100)]
        for program in links:
            program.dial(NODE_IP)
        self.run_for(1)
        self.assertEqual(self.figures["handshakes"], 20)
        self.assertEqual(self.figures["refused"], 80)
        told = [link for program in links for link in program.links if link.got("BYE")]
        self.assertEqual({link.got("BYE")[0]["reason"] for link in told}, {"busy"})
        self.run_for(12)
        self.assertEqual(self.figures["handshakes"], 0)


class SilentCrowdTests(FaultTestCase):
    """Connections without HELLO, renewed as soon as they end, and newcomers who want to come in."""

    settings = Settings(connection=ConnectionSettings(discovery_interval=20))

    def besiege(self, ips: list[str], target: str = NODE_IP) -> None:
        """Keep 1,200 silent connections, as far as they are let, and have 12 newcomers come."""
        programs = [
            Renewing(self.town.network.host(ips[number % len(ips)]), "raw@CIC", Raw)
            for number in range(1200)
        ]
        for program in programs:
            program.keep_dialing(target)
        self.run_for(2)
        for number in range(12):
            newcomer = self.program(name=f"newcomer{number}@CIC")
            newcomer.dial(NODE_IP)
            self.run_for(0.3)
            self.assertTrue(newcomer.link.open, number)
        figures = self.figures
        self.assertGreater(figures["gave_way"] + figures["refused"], 100)
        self.assertLessEqual(figures["handshakes"], 1000)
        for program in programs:
            program.target = ""
        self.run_for(12)
        self.assertEqual(self.figures["handshakes"], 0)

    def test_from_one_address(self) -> None:
        self.besiege(["10.0.6.1"])

    def test_from_fifty_addresses(self) -> None:
        self.besiege([f"10.0.6.{n}" for n in range(50)])

    def test_from_this_machine(self) -> None:
        self.besiege([NODE_IP], "127.0.0.1")


class UnreadAnswersTests(FaultTestCase):
    """Peers that ask, and never read what is answered."""

    settings = Settings(
        connection=ConnectionSettings(discovery_interval=20),
        limits=LimitSettings(peer_rate=0, max_queues_bytes=1_048_576),
    )

    def test_all_of_them_together_are_bounded(self) -> None:
        programs = [self.program(name=f"deaf{n}@CIC") for n in range(40)]
        for program in programs:
            program.dial(NODE_IP)
        self.run_for(1)
        for program in programs:
            program.link.transport.pauseProducing()
        batch = self.node.mesh.context.batch
        for _ in range(20):
            for program in programs:
                if not program.link.closed:
                    program.link.say("PING", msg_id="x" * 30_000, timestamp=None)
            self.run_for(0.2)
            self.assertLessEqual(batch.waiting, 1_048_576)
            self.assertLessEqual(self.figures["longest_bytes"], 65_536 + 2 * 32_768)
        self.assertGreater(self.figures["ended_for_room"], 5)
        for program in programs:
            program.link.transport.abortConnection()
        self.run_for(1)
        self.assertEqual(batch.waiting, 0)

    def test_friends_are_the_last_to_lose_their_link(self) -> None:
        programs = [self.program(name=f"deaf{n}@CIC") for n in range(40)]
        for program in programs:
            program.dial(NODE_IP)
        quiet = self.dials_us(name="quiet@CIC")
        self.node.friends.wrote_to("friend@CIC")
        for program in programs:
            program.link.transport.pauseProducing()
        self.friend.transport.pauseProducing()
        for _ in range(12):
            self.node.send("friend@CIC", "x" * 30_000)
            self.run_for(0.2)
        longest = max(self.node.mesh.links, key=lambda link: link.queue.bytes_waiting)
        self.assertEqual(longest.peer_id, "friend@CIC")
        for _ in range(15):
            self.node.publish("*", "x" * 20_000)
            self.run_for(0.2)
        self.assertGreater(self.figures["ended_for_room"], 5)
        # Who takes no room makes none.
        linked = {link.peer_id for link in self.node.mesh.links}
        self.assertLessEqual({"friend@CIC", "quiet@CIC"}, linked)
        self.assertFalse(quiet.closed)
        self.friend.transport.resumeProducing()
        self.run_for(5)
        self.seen.failed.clear()  # the ACKs came too late


class FloodTests(FaultTestCase):
    settings = Settings(
        connection=ConnectionSettings(discovery_interval=20),
        limits=LimitSettings(peer_rate=2000, max_queue_bytes=100_000, stall_timeout=30),
    )

    def test_a_hundred_thousand_messages_at_once(self) -> None:
        flooder = self.dials_us(name="mad@CIC")
        flooder.raw(
            b"".join(
                b'{"type":"SEND","msg_id":"%d","dst":"me@CIC","payload":"%d","require_ack":true}\n'
                % (number, number)
                for number in range(100_000)
            )
        )
        self.run_for(3)
        self.assertGreater(self.figures["rate_pauses"], 0)
        self.assertLess(len(self.seen.texts), 12_000)
        # Nobody else notices: the friend's message is there at once, and acknowledged.
        msg_id = self.friend.send("from the friend")
        self.run_for(0.2)
        self.assertIn(("friend@CIC", "from the friend"), self.heard())
        self.assertEqual(self.friend.got("ACK")[-1]["msg_id"], msg_id)
        self.run_for(60)
        self.assertEqual(len(set(self.seen.texts)), 100_000 + 1)
        self.assertFalse(flooder.closed)
        self.assertEqual(len(flooder.got("ACK")), 100_000)

    def test_one_that_never_reads(self) -> None:
        deaf = self.dials_us(name="deaf@CIC")
        deaf.transport.pauseProducing()
        text = "x" * 8000
        sent = dropped = 0
        for _ in range(400):
            published = self.node.publish("*", text)
            sent, dropped = sent + published.peers, dropped + published.dropped
            self.run_for(0.01)
        self.assertGreater(dropped, 100)
        self.run_for(2)
        self.assertEqual(len(self.friend.texts), 400)
        self.assertLessEqual(self.figures["longest_bytes"], 100_000)
        self.run_for(22)
        self.assertFalse(deaf.closed)
        self.run_for(8)
        self.assertEqual(self.figures["ended_stalled"], 1)
        self.assertEqual(self.node.outgoing.publishing.dropped, dropped)

    def test_one_that_connects_and_disconnects_a_thousand_times(self) -> None:
        program = self.program(name="flap@CIC")
        host = self.town.host_of(self.node)
        self.run_for(1)
        before = len(host.getDelayedCalls()), len(host.connections())
        for _ in range(1000):
            program.dial(NODE_IP)
            self.run_for(0.05)
            program.link.transport.abortConnection()
            program.links.clear()
        self.run_for(70)
        self.assertEqual(self.figures["connections"], 1)
        self.assertLessEqual(len(host.getDelayedCalls()), before[0] + 2)
        self.assertEqual(len(host.connections()), before[1])
        self.assertEqual(self.node.mesh.admission._per_address.get(program.host.ip, 0), 0)

    def test_a_thousand_names_from_one_stranger(self) -> None:
        host = self.program().host
        for number in range(1000):
            program = Program(host, f"n{number}@CIC")
            program.dial(NODE_IP)
            self.run_for(0.03)
            program.link.transport.loseConnection()
        self.run_for(5)
        self.assertEqual(self.figures["connections"], 1)
        self.assertLessEqual(len(self.node.peers), 1001)


class NameTests(FaultTestCase):
    """Claims: our own name, somebody's who is connected, somebody's who is not."""

    def test_our_own(self) -> None:
        program = self.program(name="me@CIC")
        program.dial(NODE_IP)
        self.run_for(3)
        self.assertEqual(program.live, [])
        self.assertEqual(len(self.seen.notices), 1)
        self.assertIn("somebody else uses the name [me@CIC]", self.seen.notices[0])

    def test_a_friend_s(self) -> None:
        impostor = self.dials_us(name="friend@CIC")
        impostor.send("give me your money")
        self.run_for(0.5)
        # The protocol has no proof of a name; but who was there first keeps its link, and its
        # messages, and both see the same.
        self.assertFalse(self.friend.closed)
        self.node.send("friend@CIC", "who are you?")
        self.run_for(1)
        self.assertEqual(self.friend.texts, ["who are you?"])
        impostor.transport.abortConnection()
        self.run_for(1)
        self.assertIs(self.peer("friend@CIC").status, Status.CONNECTED)

    def test_a_stranger_s_name_as_src(self) -> None:
        self.friend.send("not from me", src="boss@CIC")
        self.run_for(0.5)
        self.assertEqual([peer for peer, _ in self.seen.messages], ["friend@CIC"])
        self.assertEqual(self.figures["claimed"], 1)

    def test_a_second_hello_with_another_name_changes_nothing(self) -> None:
        self.friend.say("HELLO", peer_id="boss@CIC")
        self.run_for(0.5)
        self.assertIsNone(self.node.peers.get("boss@CIC"))


TYPES: list[Any] = [
    *("HELLO", "HELLO_OK", "PING", "PONG", "SEND", "ACK", "PUB", "BYE", "BYE_OK"),
    *(
        "WHO_HAS",
        "RELAY",
        "SAID",
        "CATCH_UP",
        "EDIT",
        "AWAY",
        "KEY",
        "PEERS_REQ",
        "PEERS",
        "PAIR",
        "METRICS_REQ",
        "ERROR",
        "",
        "\x00",
        None,
        7,
        [],
    ),
]
SHAPES: list[dict[str, Any]] = [
    {},
    {"msg_id": "1", "peer_id": "odd@CIC", "src": "odd@CIC", "dst": "me@CIC", "payload": "x"},
    {
        "msg_id": {"a": [1]},
        "peer_id": 5,
        "src": None,
        "dst": [],
        "payload": {},
        "ttl": "x",
        "require_ack": "yes",
        "timestamp": {},
        "reason": 7,
    },
    {"msg_id": None, "dst": "*", "ttl": 0, "require_ack": True},
    {"msg_id": "\ud800", "peer_id": "\ud800@CIC", "payload": "\x1b[2J\ud800"},
]


class EveryTypeTests(FaultTestCase):
    """Every type in every state, in every shape: nothing raises, and the friend stays."""

    def state(self, name: str, is_p2pchat: bool) -> ForeignPeer:
        link = self.raw()
        hello = {"type": "HELLO", "peer_id": "odd@CIC", **(OUR_KIND if is_p2pchat else {})}
        if name != "await hello":
            link.raw(json.dumps(hello).encode() + b"\n")
            self.run_for(0.2)
        if name == "closing":
            for ours in self.node.mesh.links:
                if ours.peer_id == "odd@CIC":
                    ours.leave("test")
            self.run_for(0.2)
        elif name == "closed":
            link.raw(b'{"type":"BYE"}\n')
        return link

    def test_inbound(self) -> None:
        states = ("await hello", "open", "closing", "closed")
        for state, is_p2pchat, kind, shape in product(states, (False, True), TYPES, SHAPES):
            link = self.state(state, is_p2pchat)
            link.raw(json.dumps({"type": kind, **shape}).encode() + b"\n")
            self.run_for(0.1)
            link.transport.abortConnection()
            self.run_for(0.1)
        self.run_for(3)
        self.assertEqual(self.figures["connections"], 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_outbound(self) -> None:
        class Answers(ForeignPeer):
            answer = b""

            def on_hello(self, message: dict[str, Any]) -> None:
                self.raw(Answers.answer)

        program = self.program(Answers, "odd@CIC")
        program.listen()
        self.register(program)
        for kind, shape in product(TYPES, SHAPES):
            Answers.answer = json.dumps({"type": kind, **shape}).encode() + b"\n"
            self.node.mesh.reconnect()
            self.run_for(0.3)
            for link in program.live:
                link.transport.abortConnection()
            self.run_for(0.1)
        self.assertGreater(len(program.links), 50)
        self.assertEqual(self.flushLoggedErrors(), [])
