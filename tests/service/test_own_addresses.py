"""The addresses of this machine: what the routing table says of either family."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.service.own_addresses import own_addresses


class OwnAddressesTests(SynchronousTestCase):
    def found(self, four: str, other: str, **options: bool) -> list[str]:
        """What is found on a machine with these addresses; an empty one is no route."""
        case = self

        class Probe:
            def __init__(self, family: int, _: int) -> None:
                self.ip = other if family == socket.AF_INET6 else four
                if self.ip == "no such family":
                    raise OSError(97, "Address family not supported by protocol")

            def __enter__(self) -> Probe:
                return self

            def __exit__(
                self,
                kind: type[BaseException] | None,
                value: BaseException | None,
                trace: TracebackType | None,
            ) -> None:
                pass

            def connect(self, there: tuple[Any, ...]) -> None:
                case.assertIn(there, (("192.0.2.1", 9), ("2001:db8::1", 9)))
                if not self.ip:
                    raise OSError(101, "Network is unreachable")

            def getsockname(self) -> tuple[str, int]:
                return self.ip, 1

        with self.patching(Probe):
            return own_addresses(**options)

    def patching(self, probe: Any) -> Any:
        patch = self.patch(socket, "socket", probe)

        class Patched:
            def __enter__(self) -> None:
                pass

            def __exit__(self, *_: object) -> None:
                patch.restore()

        return Patched()

    def test_one_of_each_family_that_others_can_use(self) -> None:
        for four, six, expected in (
            ("10.0.0.1", "fd00::1", ["10.0.0.1", "fd00::1"]),
            ("10.0.0.1", "", ["10.0.0.1"]),
            ("", "fd00::1", ["fd00::1"]),
            ("10.0.0.1", "no such family", ["10.0.0.1"]),
            ("10.0.0.1", "fe80::1", ["10.0.0.1"]),
            ("127.0.0.1", "::1", []),
            ("", "", []),
        ):
            self.assertEqual(self.found(four, six), expected)
        self.assertEqual(self.found("10.0.0.1", "fd00::1", six=False), ["10.0.0.1"])
