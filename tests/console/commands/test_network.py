"""Reaching others without a rendezvous: /lan and /dial."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from p2pchat.mesh.direct_dial import DialError
from p2pchat.mesh.discovery.lan.lan import Lan
from p2pchat.testing.neighbours import FakeLan
from tests.support.typed_commands import CommandCase


class LanCase(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.network = FakeLan(self.clock)

    def lan(self, number: int) -> Lan:
        lan = Lan(
            self.clock,
            self.network.carrier(f"10.0.0.{number}"),
            f"n{number}@CIC",
            4000,
            f"{number:016x}",
            (),
            lambda low, high: (low + high) / 2,
            lambda _peer_id, _places, _begins: None,
            lambda _where: None,
        )
        lan.startService()
        self.addCleanup(lan.stopService)
        return lan

    def tearDown(self) -> None:
        """The beacons go on until the cleanup."""


class LanTests(LanCase):
    def test_nobody_looks(self) -> None:
        reply = self.reply("/lan")
        self.assertFalse(reply.ok)
        self.assertEqual(reply.lines, ["nobody is looked for on this network: start with --lan"])

    def test_who_was_heard(self) -> None:
        self.node.lan = self.lan(1)
        self.lan(2)
        self.clock.pump([0.5] * 4)
        self.assertEqual(
            self.reply("/lan").lines,
            [
                "INTERFACE  ADDRESS   STATE   OUT  IN  LAST HEARD",
                "lan0       10.0.0.1  joined  2    4   0 s ago",
            ],
        )

    def test_nobody_was_heard(self) -> None:
        self.node.lan = self.lan(1)
        self.clock.pump([1.0] * 65)
        first, *_ = self.reply("/lan").lines
        self.assertRegex(first, "^nobody was heard: access points .* /dial HOST.:PORT. reaches")

    def test_what_is_wrong(self) -> None:
        lan = self.node.lan = self.lan(1)
        lan.carrier.ways.clear()
        self.assertIn("no network interface leads to neighbours", self.reply("/lan").lines[0])
        lan.trouble = "cannot listen on UDP port 27801: it is taken"
        self.assertEqual(self.reply("/lan").lines[0], lan.trouble)

    def test_misuse(self) -> None:
        self.assertUsage("/lan now")


class DialTests(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.dialed: list[tuple[str, int]] = []
        self.answer: Deferred[str] = Deferred()

        def dial(host: str, port: int) -> Deferred[str]:
            self.dialed.append((host, port))
            return self.answer

        self.node.mesh.dial = dial

    def test_where_it_leads(self) -> None:
        for typed in (
            "10.0.0.2",
            "10.0.0.2:4001",
            "[fe80::1%eth0]:4000",
            "fd00::1",
            "host.example",
        ):
            self.ask(f"/dial {typed}")
        self.assertEqual(
            self.dialed,
            [
                ("10.0.0.2", 4000),
                ("10.0.0.2", 4001),
                ("fe80::1%eth0", 4000),
                ("fd00::1", 4000),
                ("host.example", 4000),
            ],
        )

    def test_who_is_there(self) -> None:
        reply = self.ask("/dial 10.0.0.2")
        self.answer.callback("bob\x1b[2J@CIC")
        self.assertEqual(
            self.successResultOf(reply).lines,
            ["[bob\\x1b\\x5b2J@CIC] answers there, and is connected"],
        )

    def test_nobody_is_there(self) -> None:
        reply = self.ask("/dial 10.0.0.2")
        self.answer.errback(DialError("nobody was reached at 10.0.0.2:4000: nothing listens there"))
        result = self.successResultOf(reply)
        self.assertFalse(result.ok)
        self.assertEqual(
            result.lines, ["nobody was reached at 10.0.0.2:4000: nothing listens there"]
        )

    def test_misuse(self) -> None:
        for typed in (
            "",
            "a b",
            "10.0.0.2:",
            "10.0.0.2:0",
            "10.0.0.2:99999",
            "[::1",
            "a/b",
            ":4000",
        ):
            self.assertUsage(f"/dial {typed}")
        self.assertEqual(self.dialed, [])
