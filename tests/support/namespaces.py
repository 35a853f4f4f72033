"""Machines with networks of their own, made of the kernel's network namespaces.

    net = Net(case)                                # skips the test where it cannot be made
    net.host("four", "10.77.0.2/24")               # one more machine at the switch
    program = case.start("four", *net.inside("four"), sys.executable, ...)

Rules: all that is made is taken away after the test, also when it fails. What a killed run has left
goes at the beginning of the next one. Nothing leaves these namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SkipTest, TestCase

_PREFIX: Final = "p2pchat-test-"
_OWN_FILES: Final = Path("/etc/netns")
"""`ip netns exec NAME` has the files of /etc/netns/NAME in place of those of /etc."""


class Net:
    """A switch with machines; `names` are what each of them finds for a name."""

    def __init__(self, case: TestCase, names: dict[str, list[str]] | None = None) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise SkipTest("network namespaces need root and the program ip")
        _sweep()
        self._case = case
        self._lines = [f"{ip} {name}\n" for name, ips in (names or {}).items() for ip in ips]
        self._made = 0
        self._add("switch")
        try:
            self._in("switch", "link add br0 type bridge mcast_snooping 0")
            self._in("switch", "link set br0 up")
        except subprocess.CalledProcessError as why:
            raise SkipTest(f"no bridge can be made here: {why.stderr.strip()}") from None

    def host(self, name: str, *addresses: str, ipv6: bool = True) -> None:
        """One more machine, with addresses like `10.77.0.2/24`, or none of IPv6 at all."""
        self._made += 1
        self._add(name)
        if not ipv6:
            command = ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]
            subprocess.run([*self.inside(name), *command], check=True, capture_output=True)
        port = f"p{self._made}"
        peer = f"peer name eth0 netns {self._full(name)}"
        self._in("switch", f"link add {port} type veth {peer}")
        self._in("switch", f"link set {port} master br0 up")
        self._in(name, "link set eth0 up")
        for address in addresses:
            self._in(name, f"address add {address} dev eth0" + " nodad" * (":" in address))

    def lose(self, name: str, ip: str) -> None:
        """Have all that this machine sends to this neighbour vanish."""
        self._in(name, f"neigh replace {ip} lladdr 02:00:00:00:00:99 dev eth0 nud permanent")

    def drop_multicast(self, port: str) -> None:
        """Have the switch send no datagram to all out of this port; `p1` is the first machine's."""
        switch = self._full("switch")
        command = ["bridge", "-n", switch, "link", "set", "dev", port, "mcast_flood", "off"]
        subprocess.run(command, check=True, capture_output=True)

    def inside(self, name: str) -> list[str]:
        """What to put before a command, to run it on this machine."""
        return [str(shutil.which("ip")), "netns", "exec", self._full(name)]

    def _full(self, name: str) -> str:
        return f"{_PREFIX}{os.getpid()}-{name}"

    def _add(self, name: str) -> None:
        full = self._full(name)
        try:
            _ip("netns", "add", full)
        except subprocess.CalledProcessError as why:
            raise SkipTest(f"no network namespace can be made here: {why.stderr}") from None
        self._case.addCleanup(_remove, full)
        if self._lines:
            own = _OWN_FILES / full
            own.mkdir(parents=True)
            own.joinpath("hosts").write_text("127.0.0.1 localhost\n" + "".join(self._lines))
        self._in(name, "link set lo up")

    def _in(self, name: str, command: str) -> None:
        _ip("-n", self._full(name), *command.split())


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True, text=True)


def _remove(full: str) -> None:
    subprocess.run(["ip", "netns", "del", full], check=False, capture_output=True)
    shutil.rmtree(_OWN_FILES / full, ignore_errors=True)


def _sweep() -> None:
    """Take away what runs have left that were killed."""
    folder = Path("/run/netns")
    left = [*folder.glob(f"{_PREFIX}*"), *_OWN_FILES.glob(f"{_PREFIX}*")]
    for full in {path.name for path in left}:
        if not Path("/proc", full.removeprefix(_PREFIX).split("-")[0]).exists():
            _remove(full)
