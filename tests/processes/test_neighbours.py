"""The real programs on one network without a server: in network namespaces, with real beacons.

All else of it is tested in `tests/mesh/lan` and `tests/together/test_neighbours`.
"""

from __future__ import annotations

import subprocess
import sys
import time

from tests.support.namespaces import Net
from tests.support.processes import ROOT, ProcessCase, Program


class NeighboursTests(ProcessCase):
    def node(self, name: str, *options: str) -> Program:
        command = [sys.executable, "-m", "p2pchat", "--name", name, "--log-file", "-"]
        command += ["--no-control", "--history", "none", "--lan", *options]
        return self.start(name, *self.net.inside(name), *command)

    async def test_two_machines_with_nothing_but_a_cable(self) -> None:
        """No default route, no rendezvous, nothing set: they talk within two seconds."""
        self.net = Net(self)
        self.net.host("ana", "10.77.0.1/24")
        self.net.host("bob", "10.77.0.2/24")
        ana = self.node("ana")
        await ana.expect("ana@lobby listens on port 4000")
        bob = self.node("bob")
        await bob.expect("bob@lobby listens on port 4000")
        began = time.monotonic()
        await bob.expect("(In|Out)bound connected: .ana@lobby.")
        took = time.monotonic() - began
        self.assertLess(took, 4, "two seconds on a machine that has nothing else to do")
        bob.say("/msg ana oi")
        await ana.expect(r"^ \[bob@lobby\] oi$")
        bob.say("/lan")
        await bob.expect(r"^eth0 +10\.77\.0\.2 +joined +\d+ +\d+ +\d s ago")
        bob.say("/quit")
        await ana.expect("bob@lobby. has left")

    async def test_two_machines_without_ipv4(self) -> None:
        """They have link-local addresses alone, at which nobody is dialed without a scope."""
        self.net = Net(self)
        self.net.host("ana")
        self.net.host("bob")
        ana = self.node("ana")
        await ana.expect("ana@lobby listens on port 4000")
        bob = self.node("bob")
        await bob.expect("bob@lobby listens on port 4000")
        began = time.monotonic()
        await bob.expect("(In|Out)bound connected: .ana@lobby.")
        self.assertLess(time.monotonic() - began, 4, "two seconds on a machine at rest")
        bob.say("/msg ana oi")
        await ana.expect(r"^ \[bob@lobby\] oi$")
        bob.say("/peers")
        await bob.expect(r"ana@lobby +\[fe80::[0-9a-f:]+%eth0\]:4000")
        dialed, other = (ana, "bob") if "Outbound connected" in ana.output else (bob, "ana")
        dialed.say("/conn")
        await dialed.expect(rf"^{other}@lobby +outbound .* IPv6 +network$")
        bob.say("/lan")
        await bob.expect(r"^eth0 +fe80::[0-9a-f:]+ +joined +\d+ +\d+ +\d s ago")
        words = [*self.net.inside("bob"), sys.executable, "-m", "p2pchat", "doctor"]
        page = subprocess.run(
            words, capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
        )
        self.assertRegex(page.stdout, r"heard: .*ana@lobby. at \[fe80::[0-9a-f:]+%eth0\]:4000")
        bob.say("/quit")
        await ana.expect("bob@lobby. has left")

    async def test_a_network_that_lets_no_beacon_through(self) -> None:
        self.net = Net(self)
        self.net.host("ana", "10.77.0.1/24")
        self.net.host("bob", "10.77.0.2/24")
        for port in ("p1", "p2"):
            self.net.drop_multicast(port)
        ana, bob = self.node("ana"), self.node("bob")
        await ana.expect("ana@lobby listens on port 4000")
        await bob.expect("bob@lobby listens on port 4000")
        bob.say("/dial 10.77.0.1")
        await bob.expect(r"^\[ana@lobby\] answers there, and is connected")
        bob.say("/msg ana oi")
        await ana.expect(r"^ \[bob@lobby\] oi$")
        words = [*self.net.inside("bob"), sys.executable, "-m", "p2pchat", "doctor"]
        page = subprocess.run(
            words, capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
        )
        self.assertRegex(page.stdout, "network +nobody else was heard")
        for program in (ana, bob):
            self.assertNotIn("Traceback", program.output)
