"""Who may not register with a rendezvous: names, and addresses and networks.

    # spam since Tuesday
    203.0.113.7
    2001:db8:1::/48
    mallory@CIC
    *@casino            # nobody in this namespace
    spam*@*

Rules: one a line. `#` at the beginning of a line, or behind a blank, begins a comment. `*` in a
name or namespace stands for any characters, none included. A line that cannot be understood is an
error that names the line, and nothing of the others counts then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from p2pchat.wire.networks import Networks, read_network


class BansError(ValueError):
    """A line cannot be understood; the text says which, and what was expected."""


class Bans:
    """What these lines ban: nothing by default."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._networks = Networks()
        self._names: set[str] = set()
        patterns: list[str] = []
        for number, line in enumerate(lines, 1):
            entry = re.sub(r"(^|\s)#.*", "", line).strip()
            if not entry:
                continue
            name, _, namespace = entry.rpartition("@")
            if not (name and namespace):
                self._add_network(entry, number)
            elif "*" in entry:
                patterns.append(".*".join(map(re.escape, entry.split("*"))))
            else:
                self._names.add(entry)
        self._pattern = re.compile("|".join(patterns), re.DOTALL) if patterns else None

    def _add_network(self, entry: str, number: int) -> None:
        try:
            self._networks.add(read_network(entry))
        except ValueError:
            sentence = f"line {number}: expected an address, a network or NAME@NAMESPACE"
            raise BansError(sentence) from None

    def address(self, ip: str) -> bool:
        """Whether this address may not connect."""
        return ip in self._networks

    def name(self, namespace: str, name: str) -> bool:
        """Whether this name may not be registered in this namespace."""
        if not self._names and self._pattern is None:
            return False
        peer_id = f"{name}@{namespace}"
        if peer_id in self._names:
            return True
        return self._pattern is not None and self._pattern.fullmatch(peer_id) is not None

    def registration(self, ip: str, namespace: str, name: str) -> bool:
        """Whether either forbids this registration."""
        return self.name(namespace, name) or self.address(ip)
