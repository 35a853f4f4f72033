"""What a person is told about keys: what happened, what did not, and the one command that helps.

Rules: pure. Fingerprints are whole, always, and names are shown in their one visible form. Nothing
that a peer wrote stands in a sentence except its name.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from p2pchat.mesh.identity.key_text import fingerprint as fingerprint_of
from p2pchat.mesh.identity.pin import Change, Hold, Pin
from p2pchat.mesh.identity.refused_keys import RefusedKey
from p2pchat.wire.names import bracketed, visible

_DAY = 86400


def other_key(pin: Pin, refused: Sequence[RefusedKey], now: float) -> str:
    """Somebody came with another key; `refused`: the newest first, four at most."""
    name = visible(pin.peer_id)
    newest = refused[0].fingerprint if refused else ""
    keys = f"with another key, {newest}," if len(refused) == 1 else "with other keys"
    more = "" if len(refused) == 1 else _listed(refused)
    if pin.hold is Hold.LIGHT:
        return (
            f"{bracketed(pin.peer_id)} came {keys} than the one that you know "
            f"({pin.fingerprint}, {_light(pin, now)}). It was refused: nothing was shown or sent. "
            f"{more}{forget(pin.peer_id)} gives the name free"
        )
    if refused and pin.was(refused[0].key):
        return (
            f"{bracketed(pin.peer_id)} came with its former key, {newest}, and not with the one "
            f"that follows it ({pin.fingerprint}, {since(pin)}). It was refused: nothing was shown "
            f"or sent. {more}Somebody may have stolen the former key. Only if {name} tells you in "
            f"another way that it uses that one again: {trust(pin.peer_id, newest)}"
        )
    return (
        f"{bracketed(pin.peer_id)} came {keys} than the one that you know ({pin.fingerprint}, "
        f"{since(pin)}). It was refused: nothing was shown or sent. {more}Ask {name} in another "
        f"way. If the new key is {name}'s: {trust(pin.peer_id, newest)}"
    )


def no_key(pin: Pin, now: float) -> str:
    """Somebody came in the clear under a pinned name."""
    known = pin.fingerprint
    if pin.hold is Hold.LIGHT:
        return (
            f"somebody calls itself {bracketed(pin.peer_id)} without encryption, and its key is "
            f"known ({known}, {_light(pin, now)}): refused. "
            f"{forget(pin.peer_id)} gives the name free"
        )
    return (
        f"somebody calls itself {bracketed(pin.peer_id)} without encryption, and you know its key "
        f"({known}, {since(pin)}): refused. If {visible(pin.peer_id)} uses another program now: "
        f"{forget(pin.peer_id)}"
    )


def second(peer_id: str, ip: str, refused: Sequence[RefusedKey]) -> str:
    """Somebody came with a first key, while who has the name in the clear, at `ip`, is alive."""
    newest = refused[0].fingerprint if refused else ""
    keys = f"the key {newest}" if len(refused) == 1 else "one of several keys"
    more = "" if len(refused) == 1 else _listed(refused)
    return (
        f"somebody with {keys} calls itself {bracketed(peer_id)}, with whom you talk in the clear "
        f"({ip}): refused. {more}To take it instead: {trust(peer_id, newest)}"
    )


def new_own_key(own_id: str, own: str, *, replaces: bool) -> str:
    """A key of our own was made; `own`: its fingerprint, `replaces`: there was one before."""
    if not replaces:
        return f"a key was made for {bracketed(own_id)}: {own}"
    return (
        f"a new key was made: {own}. Those who knew you will refuse it until they type "
        f"{trust(own_id, own)}"
    )


def rotated(pin: Pin, change: Change) -> str:
    """The key came that the one before had announced."""
    return (
        f"{bracketed(pin.peer_id)} has changed its key as announced on {day(change.announced)}: "
        f"{pin.fingerprint} from now on. /verify {visible(pin.peer_id)} to be sure who it is"
    )


def two_next(pin: Pin, change: Change) -> str:
    """Two keys were announced to follow one."""
    one, other = fingerprint_of(change.next), fingerprint_of(change.second)
    return (
        f"two keys claim to follow that of {bracketed(pin.peer_id)}: one of them is a thief's. "
        f"Neither is taken. Ask {visible(pin.peer_id)} in another way which one is its own: "
        f"{trust(pin.peer_id, one)} or {trust(pin.peer_id, other)}"
    )


def next_key_found(own: str, until: float) -> str:
    """A key is to follow our own; `own`: its fingerprint, `until`: see `NextKey`."""
    when = f"from {day(until)} on" if until else "in a moment"
    return f"another key will follow yours {when}: {own}. Your peers are told as they come"


def own_key_changed(own_id: str, own: str) -> str:
    """Our key is another one from now on."""
    return (
        f"your key has changed: {own} from now on. Who was told of it knows you. Who was not "
        f"refuses you until they type {trust(own_id, own)}"
    )


def refuses_us(peer_id: str, own_id: str, own: str) -> str:
    """A peer has refused our key: inside TLS, with the pinned key, or at the first contact."""
    return (
        f"{bracketed(peer_id)} refuses your key: it knows another one for {bracketed(own_id)}. "
        f"Tell {visible(peer_id)} your fingerprint: {own}"
    )


def own_key_elsewhere(own_id: str, ip: str) -> str:
    """Our key and our name are in use by another process."""
    name, _, namespace = own_id.rpartition("@")
    return (
        f"your own key is in use at {ip}, too. Each message reaches one of the two: make a name "
        f"and a key for each machine, as {visible(f'{name}-laptop@{namespace}')}"
    )


def seen_first(pin: Pin) -> str:
    """With the first direct message ever to a peer with a key."""
    return (
        f"{bracketed(pin.peer_id)} is encrypted. Its key {pin.fingerprint} was seen for the first "
        f"time. /verify {visible(pin.peer_id)} to be sure who it is"
    )


def in_the_clear(peer_id: str) -> str:
    """With the first direct message of a run to a peer without a key."""
    return (
        f"the program of {bracketed(peer_id)} cannot encrypt: what you say to it can be read on "
        "the way"
    )


def and_others(count: int) -> str:
    """What came of alerts that were not told."""
    names = "1 other name" if count == 1 else f"{count:,} other names"
    return f"keys were refused under {names}, too, in the last hour: /keys lists them"


def trust(peer_id: str, fingerprint: str) -> str:
    """The command that takes a key for a name."""
    return f"/trust {visible(peer_id)} {fingerprint}".rstrip()


def forget(peer_id: str) -> str:
    """The command that gives a name free."""
    return f"/keys forget {visible(peer_id)}"


def _listed(refused: Sequence[RefusedKey]) -> str:
    return f"The newest first: {', '.join(key.fingerprint for key in refused)}. " if refused else ""


def _light(pin: Pin, now: float) -> str:
    where = f" from {pin.ip}" if pin.ip else ""
    return f"seen {ago(now - pin.seen)}{where}, never written to"


def since(pin: Pin) -> str:
    """Since when a key is known, and how well."""
    if pin.verified is not None:
        return f"verified {day(pin.verified)}{' by a code' if pin.by_code else ''}"
    if pin.change is not None and pin.change.moved:
        return f"changed as announced {day(pin.change.moved)}"
    return f"{'trusted' if pin.trusted else 'known'} since {day(pin.since)}"


def day(second: float) -> str:
    """The day of a time of the wall clock, here."""
    return time.strftime("%Y-%m-%d", time.localtime(second))


def ago(seconds: float) -> str:
    """How long ago, in the largest unit that is not 0."""
    for size, unit in ((_DAY, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count > 0:
            return f"{count:,} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
