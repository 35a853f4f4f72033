"""What a key, or none, under a name is worth: the tables of decisions, and nothing else.

    dial      no pin, not able     able at this address    pinned
    off       PLAIN                PLAIN                   PLAIN
    prefer    ASK                  SEALED                  SEALED
    require   SEALED               SEALED                  SEALED

    arrives   no pin               pin, same key           pin, other key    pin, in the clear
    off       take (in the clear)  -                       -                 take
    prefer    take, pin            take                    refuse, alert     refuse, alert
    require   take, pin            take                    refuse, alert     refuse
              (in the clear: refuse)

    the pinned key states its next   none is known    this one is known    another one is known
    its count is larger              NEXT             NOTHING              DISPUTE
    its count is not                 NOTHING          NOTHING              DISPUTE
    two are known already            -                NOTHING              NOTHING

Rules: pure, no clock and no I/O. Two links of one name never have two keys, nor a key and none.
The key that is to follow counts as the pinned one, and is the pinned one from its first link on.
A first key comes second: where somebody talks in the clear under an unpinned name, it has the name
if it comes from the same address, or if that link is dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

from p2pchat.mesh.identity.certificates import is_weak
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.identity.statement import Statement
from p2pchat.wire.address import machine_of
from p2pchat.wire.guard import ANOTHER_KEY

LIVES_FOR: Final = 2.0
"""Seconds since something was heard on a link, in which it counts as alive without a question."""

ENCRYPTION_REQUIRED: Final = "encryption required"
NAME_IN_USE: Final = "name in use"
BUSY: Final = "busy"


class Policy(Enum):
    """The setting `security.policy`."""

    PREFER = "prefer"
    """Links are sealed wherever both ends can."""
    REQUIRE = "require"
    """Nothing is ever in the clear."""
    OFF = "off"
    """Everything is in the clear; pins are kept and not looked at."""


class Dial(Enum):
    """How an address is dialed."""

    PLAIN = "plain"
    """In the clear; HELLO has no `tls`."""
    ASK = "ask"
    """In the clear; HELLO says `"tls":1`. HELLO_OK with `"tls":2`: close, and dial SEALED."""
    SEALED = "sealed"
    """TLS from the first byte. Whatever fails, this address is never tried in the clear."""


class AlertKind(Enum):
    """What a person may be told about a name."""

    OTHER_KEY = "refused"
    """Somebody came with another key than the pinned one."""
    NO_KEY = "plain_refused"
    """Somebody came in the clear, and a key is pinned."""
    SECOND = "claimed"
    """Somebody came with a first key, while who has the name in the clear is alive."""
    OWN_KEY = "own_key"
    """Our own key is in use elsewhere under our own name."""
    REFUSES_US = "refuses_us"
    """Somebody knows another key than ours under our name, and says so inside TLS."""
    ROTATED = "rotated"
    """The key came that the one before had stated; nothing was refused."""
    TWO_NEXT = "two_next"
    """Two keys were stated to follow one: neither does."""


class Stated(Enum):
    """What comes of a statement that another key is to follow the pinned one."""

    NOTHING = "nothing"
    """It is known, or says nothing here: do not look at its signatures."""
    NEXT = "next"
    """If it is signed by both keys, its new key is to follow."""
    DISPUTE = "dispute"
    """If it is signed by both keys, two are to follow: neither does until the person has chosen."""


class OpenLink(Protocol):
    """What is asked of a link that is open under the name."""

    @property
    def key(self) -> bytes | None:
        """The 32 bytes of the other end's key; None in the clear."""

    @property
    def ip(self) -> str:
        """The other end's address."""

    @property
    def heard_at(self) -> float:
        """When something last came, by the node's clock."""

    @property
    def waits_for_us(self) -> bool:
        """Whether we read no more from it for now, so that its answer may lie there unread."""


class Verdict(NamedTuple):
    """What to do with a HELLO, or a HELLO_OK, before anything is answered."""

    take: bool
    """Whether the link may open."""
    bye: str = ""
    """If not: the reason of the BYE, inside TLS on a sealed link."""
    alert: AlertKind | None = None
    """What the person is told, as often as the limits of alerts allow."""
    refuse_key: bool = False
    """Remember the key as one that was refused under this name."""
    contested: bool = False
    """Somebody else claimed a pinned name: time alone settles that pin no more."""
    end: bool = False
    """If taken, end the links of this name that are in the clear, or have the key before; they are
    never used again."""
    doubt: bool = False
    """PING the plaintext links of this name. If they are heard within 2 s: tell `alert`. If not:
    end them, tell nothing, and forget that the key was refused; it will come again."""


TAKEN: Final = Verdict(True)


def how_to_dial(policy: Policy, *, pinned: bool, able: bool) -> Dial:
    """How to dial an address of a peer.

    `pinned`: there is a pin for the peer, light or settled. `able`: a HELLO_OK from this address,
    dialed for this peer, said `"tls":2` in this process, or this is the redial after that.
    """
    if policy is Policy.OFF:
        return Dial.PLAIN
    if policy is Policy.REQUIRE or pinned or able:
        return Dial.SEALED
    return Dial.ASK


def may_show_ourselves(pin: Pin | None, key: bytes) -> bool:
    """Whether the dialer of a sealed link may write its second flight, which holds our certificate.

    `pin` is that of the peer that was dialed. If not: throw the flight away, end the connection as
    REFUSED, and dial the next address. It is no alert by itself; see `dialed_in_vain`.
    """
    return pin is None or pin.has(key) or pin.follows(key)


def states(pin: Pin | None, key: bytes, statement: Statement) -> Stated:
    """What comes of a statement on a link with this key, before its signatures are looked at.

    `pin` is that of the link's name.
    """
    new = statement.new
    if pin is None or pin.fleeting or pin.key != key or statement.old != key:
        return Stated.NOTHING
    if new == key or is_weak(new):
        return Stated.NOTHING
    change = pin.change
    if change is None or not change.next:
        known = 0 if change is None else change.count
        return Stated.NEXT if statement.count > known else Stated.NOTHING
    if change.second or change.next == new:
        return Stated.NOTHING
    return Stated.DISPUTE


def dialed_in_vain(*, registered: bool, somebodys: bool) -> Verdict:
    """What to tell after `may_show_ourselves` has said no.

    `registered`: this address is registered under the name at a rendezvous now. `somebodys`: the
    key is ours or is pinned under another name, as after an address has passed to somebody else.
    An address from a beacon, a PEERS entry or an old registration claims no name.
    """
    claims = registered and not somebodys
    return Verdict(
        False, alert=AlertKind.OTHER_KEY if claims else None, refuse_key=claims, contested=claims
    )


def vouch(
    policy: Policy,
    pin: Pin | None,
    name: str,
    key: bytes | None,
    ip: str,
    links: Sequence[OpenLink],
    now: float,
    *,
    room: bool = True,
    able: bool = False,
) -> Verdict:
    """Whether who says HELLO or HELLO_OK may have this name; ask before anything is answered.

    `pin`: that of the name, light or settled. `name`: the peer_id as it is claimed, for BYE. `key`:
    the one that TLS proved, None in the clear. `links`: those open under this name, without this
    one. `room`: whether there is a place for one more light pin. `able`: for a HELLO_OK in the
    clear, whether this address said before that it can do TLS.

    A HELLO in the clear with `"tls":1` is not asked about, unless the policy is off: it gets its
    HELLO_OK, and never opens.
    """
    if key is None:
        return _in_the_clear(policy, pin, links, able=able)
    if policy is Policy.OFF:
        return Verdict(False, NAME_IN_USE)
    if pin is not None and not pin.has(key) and not pin.follows(key):
        return Verdict(
            False, another_key(name), AlertKind.OTHER_KEY, refuse_key=True, contested=True
        )
    if pin is not None:
        # Also those with the key before, which may be on their way out.
        return Verdict(True, end=any(link.key != key for link in links))
    if any(link.key is not None and link.key != key for link in links):
        return Verdict(False, another_key(name), AlertKind.OTHER_KEY, refuse_key=True)
    plain = [link for link in links if link.key is None]
    elsewhere = [link for link in plain if machine_of(link.ip) != machine_of(ip)]
    if elsewhere:
        alive = any(now - link.heard_at <= LIVES_FOR for link in elsewhere)
        return Verdict(False, NAME_IN_USE, AlertKind.SECOND, refuse_key=True, doubt=not alive)
    if not room:
        return Verdict(False, BUSY)
    return Verdict(True, end=bool(plain))


def _in_the_clear(
    policy: Policy, pin: Pin | None, links: Sequence[OpenLink], *, able: bool
) -> Verdict:
    if policy is Policy.REQUIRE:
        return Verdict(False, ENCRYPTION_REQUIRED, contested=pin is not None)
    if any(link.key is not None for link in links):
        # Also while the policy is off since a moment ago, and the sealed link is still there.
        return Verdict(False, ENCRYPTION_REQUIRED, AlertKind.NO_KEY, contested=True)
    if policy is Policy.OFF:
        return TAKEN
    if pin is not None:
        return Verdict(False, ENCRYPTION_REQUIRED, AlertKind.NO_KEY, contested=True)
    if able:
        return Verdict(False, ENCRYPTION_REQUIRED)
    return TAKEN


def another_key(name: str) -> str:
    """The reason of a BYE to who has another key than the pinned one."""
    return f"{ANOTHER_KEY}{name}"


def may_stay(policy: Policy, pin: Pin | None, key: bytes | None) -> bool:
    """Whether an open link may stay, after the policy was changed, or a pin was set by the person.

    If not: end it with BYE `ENCRYPTION_REQUIRED` in the clear, `another_key` sealed.
    """
    if key is None:
        return policy is Policy.OFF or (policy is Policy.PREFER and pin is None)
    return pin is None or pin.has(key)


def may_carry(pin: Pin, in_the_clear_at: float | None) -> bool:
    """Whether a message of ours that waits may leave on a sealed link of this pin.

    `in_the_clear_at`: seconds of the wall clock at which it was typed, if the peer had a link in
    the clear then; else None. Such a message goes only to a key that was known before, or that the
    person has chosen with /trust.
    """
    return in_the_clear_at is None or pin.trusted or pin.since <= in_the_clear_at
