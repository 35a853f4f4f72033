"""One registration, as the books of a rendezvous have it."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quoted
from typing import Final

import msgspec

from p2pchat.rendezvous.roster import Place

ENDED: Final = -1.0
"""When a lease ended that was withdrawn."""

Key = tuple[str, str, str]
"""(ip, namespace, name)."""


# No cycle leads through one, and many would make each of the collector's rounds long.
class Registration(msgspec.Struct, eq=False, gc=False):
    """One lease: `name@namespace` at `ip`:`port`, granted for `ttl` seconds, ending at `until`."""

    ip: str
    namespace: str
    name: str
    port: int
    ttl: int
    until: float
    live: bool = True
    """Whether it is in the books."""
    encoded: bytes = b""
    """Its entry of a listing, up to the time that is left."""
    place: Place = ("", "")
    """(name, ip): the same object as in the books, which is found sooner than one that is equal."""

    hint: str = ""
    """The key that it says to have, as text; see `hint`."""
    number: int = 0
    """Where it stands among those of a large namespace, for `Rosters`."""

    def __post_init__(self) -> None:
        if not self.place[0]:
            self.place = self.name, self.ip
        if not self.encoded:
            # ASCII: some clients decode a reply piece by piece, which would split longer
            # characters.
            key = f'"key":"{self.hint}",' if self.hint else ""
            self.encoded = (
                f'{{"ip":{quoted(self.ip)},"port":{self.port},"name":{quoted(self.name)},'
                f'"namespace":{quoted(self.namespace)},"ttl":{self.ttl},{key}"expires_in":'
            ).encode("ascii")

    def renewed(self, port: int, ttl: int, until: float, hint: str = "") -> Registration:
        """The next registration of the same key. It shares with this one what is the same."""
        same = port == self.port and ttl == self.ttl and hint == self.hint
        encoded = self.encoded if same else b""
        if same:
            hint = self.hint
        ip, namespace, name = self.ip, self.namespace, self.name
        return Registration(ip, namespace, name, port, ttl, until, True, encoded, self.place, hint)

    @property
    def key(self) -> Key:
        """What makes it one registration and not another."""
        return self.ip, self.namespace, self.name

    @property
    def withdrawn(self) -> bool:
        """Whether it was ended by an UNREGISTER."""
        return self.until == ENDED
