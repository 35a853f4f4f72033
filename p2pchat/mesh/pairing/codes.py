"""The codes of one node: those it has shown, those that failed here, and how many there may be.

    codes.give("bob@CIC", key, own, now)      a code for bob, and for nobody else
    codes.take_out("bob@CIC", key, own, now)  bob tries one: whatever comes of it, it is used
    codes.failed("bob@CIC", "384729")         the same digits are not typed twice

Rules: pure. A code belongs to a name and both keys of its link when it was shown: what comes from
others neither uses it nor ends it. Everything is bounded for a name and in all, and made by what
the person does: nothing that comes over a link adds to it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import Struct

from p2pchat.mesh.pairing.exchange import Exchange
from p2pchat.mesh.pairing.words import NotPairedError, Why, too_many, too_many_open

VALID: Final = 600.0
"""Seconds for which a code can be used."""
AN_HOUR: Final = 3600.0
CODES_AN_HOUR: Final = 3
"""Codes for one name: each is a guess of one in a million for whoever sits between."""
MOST_OPEN: Final = 20
"""Codes that are open, in all."""
MOST_NAMES: Final = 1000
"""Names of which something is remembered."""
MOST_FAILED: Final = 50
"""Codes of one name that failed, and are remembered."""
_DIGITS: Final = 6
_T = TypeVar("_T")


class Code(Struct, frozen=True):
    """A code that was shown."""

    digits: str
    key: bytes
    """The key of the peer for whom it is."""
    own: bytes
    """Our key on the link with it."""
    until: float
    """When it ends, by the node's clock."""
    exchange: Exchange
    """Our end of the one run for which it is good."""


class Codes:
    """See the module; `random_bytes` gives so many of them."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._open: dict[str, Code] = {}
        self._over: OrderedDict[str, Why] = OrderedDict()
        """What became of the last code of a name."""
        self._given: OrderedDict[str, tuple[float, ...]] = OrderedDict()
        """When codes were made for a name, in the last hour."""
        self._failed: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def give(self, peer_id: str, key: bytes, own: bytes, now: float) -> Code:
        """The code for this peer: the one that is open, or a new one.

        Raises `NotPairedError` when there were too many. Call `exchange.prepare` before the first.
        """
        self.sweep(now)
        code = self._open.get(peer_id)
        if code is not None and (code.key, code.own) == (key, own):
            return code
        given = [at for at in self._given.get(peer_id, ()) if now - at < AN_HOUR]
        if len(given) >= CODES_AN_HOUR:
            raise NotPairedError(too_many(peer_id, given[0] + AN_HOUR - now))
        if len(self._open) - (code is not None) >= MOST_OPEN:
            raise NotPairedError(too_many_open(MOST_OPEN))
        code = self._new(key, own, now + VALID)
        self._open[peer_id] = code
        self._over.pop(peer_id, None)
        _remember(self._given, peer_id, (*given, now))
        return code

    def is_open(self, peer_id: str, key: bytes, own: bytes, now: float) -> bool:
        """Whether a code waits for this peer, on a link with these keys."""
        code = self._open.get(peer_id)
        return code is not None and (code.key, code.own) == (key, own) and now < code.until

    def take_out(self, peer_id: str, key: bytes, own: bytes, now: float) -> Code | None:
        """The code that waits for this peer, which is used now; None if there is none."""
        if not self.is_open(peer_id, key, own, now):
            return None
        _remember(self._over, peer_id, Why.USED)
        return self._open.pop(peer_id)

    def why_none(self, peer_id: str, now: float) -> Why:
        """Why no code waits for this peer."""
        self.sweep(now)
        return self._over.get(peer_id, Why.NO_CODE)

    def failed(self, peer_id: str, digits: str) -> None:
        """These digits failed with this peer: whoever sits between has had its guess."""
        digits_of = self._failed.get(peer_id, ())
        _remember(self._failed, peer_id, (*digits_of[1 - MOST_FAILED :], digits))

    def has_failed(self, peer_id: str, digits: str) -> bool:
        """Whether these digits failed with this peer before."""
        return digits in self._failed.get(peer_id, ())

    def sweep(self, now: float) -> None:
        """Let codes end whose time is over."""
        for peer_id in [name for name, code in self._open.items() if now >= code.until]:
            del self._open[peer_id]
            _remember(self._over, peer_id, Why.LATE)

    def _new(self, key: bytes, own: bytes, until: float) -> Code:
        # Of 2^64 numbers, some of a million come more often than others: by one in 10^13.
        number = int.from_bytes(self._random_bytes(8)) % 10**_DIGITS
        digits = f"{number:0{_DIGITS}}"
        # Made now: what a peer can have us compute is the rest.
        exchange = Exchange(digits, gives=True, giver=own, taker=key, entropy=self._random_bytes)
        return Code(digits, key, own, until, exchange)


def _remember(table: OrderedDict[str, _T], peer_id: str, value: _T) -> None:
    table[peer_id] = value
    table.move_to_end(peer_id)
    if len(table) > MOST_NAMES:
        table.popitem(last=False)
