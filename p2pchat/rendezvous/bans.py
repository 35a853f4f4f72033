"""Who may not register with a rendezvous: names, and addresses and networks.

    # spam since Tuesday
    203.0.113.7
    2001:db8:1::/48
    mallory@CIC
    *@casino            # nobody in this namespace
    spam*@*

Rules: one a line. `#` at the beginning of a line, or behind a blank, begins a comment. `*` in a
name or namespace stands for any characters, none included. A line that cannot be understood is an
error that names the line, and nothing of the others counts then. So is an entry too many or too
long: each registration is compared with each entry that has a star.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterable
from typing import Final

from p2pchat.rendezvous.patterns import Pattern
from p2pchat.rendezvous.requests import MAX_NAME
from p2pchat.speech import Sentence
from p2pchat.turns import at_once
from p2pchat.wire.networks import Networks, read_network

MAX_ENTRIES: Final = 50_000
"""Entries of a file. More: a file takes longer to read, and more memory."""
MAX_PATTERNS: Final = 1_000
"""Entries with a star. More: each registration takes longer."""
MAX_STARS: Final = 8
"""Stars of one entry, for the same reason."""

_MAX_LENGTH: Final = 2 * MAX_NAME + 1 + MAX_STARS
_COMMENT: Final = re.compile(r"(?:^|\s)#")  # one blank: for any number, it would go back
_WIDEST: Final = {4: 8, 6: 16}
"""Bits of the widest network that an administrator may mean."""
_OWN: Final = {4: read_network("127.0.0.0/8"), 6: read_network("::1")}
_PIECE: Final = 200
"""Lines between two times that others may have a turn."""


class BansError(ValueError):
    """A line cannot be understood; its `Sentence` says which, and what was expected."""

    def __init__(self, number: int, why: ValueError) -> None:
        super().__init__(Sentence("line {number}: {why}", number=number, why=why))
        self.why = why
        """The same without the number."""


def entry_in(line: str) -> str:
    """The entry of a line, without a comment; empty when there is none."""
    entry = line.strip()
    if "#" in entry:
        entry = _COMMENT.split(entry, maxsplit=1)[0].rstrip()
    return entry


def too_wide(entry: str) -> Sentence | None:
    """What an entry does that hardly anybody means, as half a sentence; None for any other."""
    if entry.strip("*") == "@":
        return Sentence("refuses everybody")
    if "@" in entry:
        return None
    network = read_network(entry)
    if network.prefixlen < _WIDEST[network.version]:
        return Sentence("refuses a large part of all addresses")
    if network.overlaps(_OWN[network.version]):
        return Sentence("refuses this machine")
    return None


class Bans:
    """What these lines ban: nothing by default."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._networks = Networks()
        self._names: set[str] = set()
        self._patterns: list[Pattern] = []
        self._entries = 0
        at_once(self._take(lines))

    @staticmethod
    def reading(text: str) -> Generator[None, None, Bans]:
        """What the lines of `text` ban, read piece by piece; raises `BansError`."""
        bans = Bans()
        yield from bans._take(io.StringIO(text, newline=None))
        return bans

    def _take(self, lines: Iterable[str]) -> Generator[None, None, None]:
        for number, line in enumerate(lines, 1):
            if not number % _PIECE:
                yield
            entry = entry_in(line)
            if entry:
                try:
                    self._add(entry)
                except ValueError as why:
                    raise BansError(number, why) from None

    def _add(self, entry: str) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise ValueError(Sentence("more than {most} entries", most=MAX_ENTRIES))
        if len(entry) > _MAX_LENGTH:
            raise ValueError(
                Sentence("longer than {most} characters, which no name is", most=_MAX_LENGTH)
            )
        name, _, namespace = entry.rpartition("@")
        if not (name and namespace):
            try:
                self._networks.add(read_network(entry))
            except ValueError:
                raise ValueError(
                    Sentence("expected an address, a network or NAME@NAMESPACE")
                ) from None
        elif "*" not in entry:
            self._names.add(entry)
        elif entry.count("*") > MAX_STARS:
            raise ValueError(Sentence("more than {most} stars", most=MAX_STARS))
        elif len(self._patterns) >= MAX_PATTERNS:
            raise ValueError(Sentence("more than {most} entries with a star", most=MAX_PATTERNS))
        else:
            self._patterns.append(Pattern(entry))

    def address(self, ip: str) -> bool:
        """Whether this address may not connect."""
        return ip in self._networks

    def name(self, namespace: str, name: str) -> bool:
        """Whether this name may not be registered in this namespace."""
        if not self._names and not self._patterns:
            return False
        peer_id = f"{name}@{namespace}"
        return peer_id in self._names or any(each.matches(peer_id) for each in self._patterns)

    def registration(self, ip: str, namespace: str, name: str) -> bool:
        """Whether either forbids this registration."""
        return self.name(namespace, name) or self.address(ip)
