"""The real programs on machines with IPv4, with IPv6, with both: in network namespaces.

All else of it is tested in `tests/together/test_dual_stack`.
"""

from __future__ import annotations

import re
import sys

from tests.support.namespaces import Net
from tests.support.processes import ProcessCase, Program

NAME = "rendezvous.example"
ADDRESSES = ["10.77.0.1", "fd77::1"]


class FamiliesCase(ProcessCase):
    async def settle(self) -> None:
        """A network with a rendezvous, which has both families."""
        self.net = Net(self, {NAME: ADDRESSES})
        self.net.host("rendezvous", "10.77.0.1/24", "fd77::1/64")
        command = [sys.executable, "-m", "p2pchat.service.rendezvous"]
        server = self.start("rendezvous", *self.net.inside("rendezvous"), *command, stdin=False)
        await server.expect(r"Rendezvous listens on \*:8080")

    def node(self, name: str, *options: str, rendezvous: str = NAME) -> Program:
        command = [sys.executable, "-m", "p2pchat", "--name", name, "--log-file", "-"]
        command += ["--rendezvous", rendezvous, "--no-control", "--history", "none", *options]
        return self.start(name, *self.net.inside(name), *command)

    async def linked(self, program: Program, *names: str) -> None:
        for name in names:
            await program.expect(rf"(In|Out)bound connected: .{name}@lobby.")


class FamiliesTests(FamiliesCase):
    async def test_each_pair_that_has_a_family_in_common(self) -> None:
        """One machine has no IPv6 at all: the program listens over IPv4 there."""
        await self.settle()
        self.net.host("four", "10.77.0.2/24", ipv6=False)
        self.net.host("six", "fd77::3/64")
        self.net.host("both", "10.77.0.4/24", "fd77::4/64")
        four, six = self.node("four"), self.node("six", rendezvous="[fd77::1]")
        both = self.node("both")
        await self.linked(both, "four", "six")
        await self.linked(four, "both")
        await self.linked(six, "both")
        for program, text in ((four, "from four"), (six, "from six")):
            program.say(f"/msg both@lobby {text}")
            await both.expect(rf"^ \[\w+@lobby\] {text}$")
        for other in ("four", "six"):
            both.say(f"/msg {other}@lobby to {other}")
            await (four if other == "four" else six).expect(rf"^ \[both@lobby\] to {other}$")
        both.say("/peers")
        await both.expect(r"six@lobby +\[fd77::3\]:\d+")
        for program in (four, six, both):
            self.assertNotIn("somebody else", program.output)
            self.assertNotIn("Traceback", program.output)

    async def test_an_address_that_leads_nowhere(self) -> None:
        """What two machines send to each other over IPv6 vanishes on the way."""
        await self.settle()
        self.net.host("a", "10.77.0.2/24", "fd77::2/64")
        self.net.host("b", "10.77.0.3/24", "fd77::3/64")
        self.net.lose("a", "fd77::3")
        self.net.lose("b", "fd77::2")
        b = self.node("b")
        await b.expect("Registered b@lobby")
        a = self.node("a", "--log-level", "DEBUG")
        began = await a.expect(r"^\S+ (\S+)\+\d+ .*Dialing .b@lobby. at \[fd77::3\]:4000")
        opened = await a.expect(r"^\S+ (\S+)\+\d+ .*(?:In|Out)bound connected: .b@lobby.")
        self.assertLess(_seconds(opened[1]) - _seconds(began[1]), 0.5, a.output)
        self.assertEqual(re.findall(".*failed.*", a.output), [])


def _seconds(time: str) -> float:
    hours, minutes, seconds = time.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
