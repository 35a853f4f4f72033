"""Who may not register with a rendezvous: names and addresses, from a file that a person keeps.

    # spam since Tuesday
    203.0.113.7
    2001:db8:1::/48
    mallory@CIC
    *@casino
    mallory@*

Rules: one a line; `#` at the beginning of a line, or behind a blank, begins a comment. A line that
cannot be understood is an error that names the line, and nothing of the file counts then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

_MOST: Final = 1_048_576


class BansError(ValueError):
    """The file of bans cannot be used; the text says why, for the person."""


class Bans:
    """What is banned; nothing by default."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._names: set[tuple[str, str]] = set()
        for number, line in enumerate(lines, 1):
            entry = re.sub(r"(^|\s)#.*", "", line).strip()
            if entry:
                self._add(entry, number)

    @classmethod
    def read(cls, path: str) -> Bans:
        """What the file at `path` says; raises `BansError`."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(_MOST + 1)
        except OSError as why:
            raise BansError(f"{path}: {why.strerror or why}") from None
        if len(data) > _MOST:
            raise BansError(f"{path} is longer than {_MOST:,} bytes")
        try:
            return cls(data.decode().splitlines())
        except UnicodeDecodeError:
            raise BansError(f"{path} is not UTF-8") from None
        except BansError as why:
            raise BansError(f"{path}, {why}") from None

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._networks) + len(self._names)

    def _add(self, entry: str, number: int) -> None:
        name, at, namespace = entry.partition("@")
        if at:
            self._names.add((name, namespace))
            return
        try:
            self._networks.append(ip_network(entry, strict=False))
        except ValueError:
            sentence = f"line {number}: expected an address, a network or NAME@NAMESPACE"
            raise BansError(sentence) from None

    def address(self, ip: str) -> bool:
        """Whether this address may not connect."""
        if not self._networks:
            return False
        try:
            address = ip_address(ip.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def name(self, namespace: str, name: str) -> bool:
        """Whether this name may not be registered in this namespace."""
        names = self._names
        return bool(names) and not names.isdisjoint(
            ((name, namespace), ("*", namespace), (name, "*"))
        )
