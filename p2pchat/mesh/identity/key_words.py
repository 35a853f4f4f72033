"""What a person is told about keys: what happened, what did not, and the one command that helps.

Rules: pure. Fingerprints are whole, always, and names are shown in their one visible form. Nothing
that a peer wrote stands in a sentence except its name. What is logged, too, is a `Sentence`; the
rest is in the person's language.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from p2pchat.mesh.identity.key_text import fingerprint as fingerprint_of
from p2pchat.mesh.identity.pin import Change, Hold, Pin
from p2pchat.mesh.identity.refused_keys import RefusedKey
from p2pchat.speech import Sentence, _, counted, ngettext, spoken
from p2pchat.wire.names import bracketed, visible

_DAY = 86400


def other_key(pin: Pin, refused: Sequence[RefusedKey], now: float) -> Sentence:
    """Somebody came with another key; `refused`: the newest first, four at most."""
    newest = refused[0].fingerprint if refused else ""
    one, name, more = len(refused) == 1, visible(pin.peer_id), _listed(refused)
    light = pin.hold is Hold.LIGHT
    known = {
        "who": bracketed(pin.peer_id),
        "newest": newest,
        "known": pin.fingerprint,
        "since": _light(pin, now) if light else known_since(pin),
    }
    if not light and refused and pin.was(refused[0].key):
        if pin.change is None or not pin.change.moved:
            return _before_trust(known, _listed(refused), name, trust(pin.peer_id, newest))
        return Sentence(
            "{who} came with its former key, {newest}, and not with the one that follows it "
            "({known}, {since}). It was refused: nothing was shown or sent. {more}Somebody may "
            "have stolen the former key. Only if {name} tells you in another way that it uses "
            "that one again: {trust}",
            **known,
            more=more,
            name=name,
            trust=trust(pin.peer_id, newest),
        )
    came = (
        Sentence(
            "{who} came with another key, {newest}, than the one that you know ({known}, {since}). "
            "It was refused: nothing was shown or sent.",
            **known,
        )
        if one
        else Sentence(
            "{who} came with other keys than the one that you know ({known}, {since}). "
            "It was refused: nothing was shown or sent.",
            **known,
        )
    )
    if light:
        return Sentence(
            "{came} {more}{forget} gives the name free",
            came=came,
            more=more,
            forget=forget(pin.peer_id),
        )
    return Sentence(
        "{came} {more}Ask {name} in another way. If the new key is {name}'s: {trust}",
        came=came,
        more=more,
        name=name,
        trust=trust(pin.peer_id, newest),
    )


def _before_trust(
    known: Mapping[str, object], more: Sentence | str, name: str, back: str
) -> Sentence:
    """Somebody came with the key in whose place the person has put another one."""
    return Sentence(
        "{who} came with the key that you knew before, {newest}, and not with the one that you "
        "have chosen ({known}, {since}). It was refused: nothing was shown or sent. {more}Either "
        "the key that you chose is not {name}'s, or somebody else has the one before. Ask {name} "
        "in another way. Only if {name} uses the one before: {trust}",
        **known,
        more=more,
        name=name,
        trust=back,
    )


def no_key(pin: Pin, now: float) -> Sentence:
    """Somebody came in the clear under a pinned name."""
    who = bracketed(pin.peer_id)
    if pin.hold is Hold.LIGHT:
        return Sentence(
            "somebody calls itself {who} without encryption, and its key is known "
            "({known}, {since}): refused. {forget} gives the name free",
            who=who,
            known=pin.fingerprint,
            since=_light(pin, now),
            forget=forget(pin.peer_id),
        )
    return Sentence(
        "somebody calls itself {who} without encryption, and you know its key "
        "({known}, {since}): refused. If {name} uses another program now: {forget}",
        who=who,
        known=pin.fingerprint,
        since=known_since(pin),
        name=visible(pin.peer_id),
        forget=forget(pin.peer_id),
    )


def second(peer_id: str, ip: str, refused: Sequence[RefusedKey]) -> Sentence:
    """Somebody came with a first key, while who has the name in the clear, at `ip`, is alive."""
    newest, who = refused[0].fingerprint if refused else "", bracketed(peer_id)
    if len(refused) == 1:
        return Sentence(
            "somebody with the key {newest} calls itself {who}, with whom you talk in the clear "
            "({ip}): refused. To take it instead: {trust}",
            newest=newest,
            who=who,
            ip=ip,
            trust=trust(peer_id, newest),
        )
    return Sentence(
        "somebody with one of several keys calls itself {who}, with whom you talk in the clear "
        "({ip}): refused. {more}To take it instead: {trust}",
        who=who,
        ip=ip,
        more=_listed(refused),
        trust=trust(peer_id, newest),
    )


def new_own_key(own_id: str, own: str, *, replaces: bool) -> Sentence:
    """A key of our own was made; `own`: its fingerprint, `replaces`: there was one before."""
    if not replaces:
        return Sentence("a key was made for {who}: {key}", who=bracketed(own_id), key=own)
    return Sentence(
        "a new key was made: {key}. Those who knew you will refuse it until they type {trust}",
        key=own,
        trust=trust(own_id, own),
    )


def rotated(pin: Pin, change: Change) -> Sentence:
    """The key came that the one before had announced."""
    return Sentence(
        "{who} has changed its key as announced on {day}: {key} from now on. "
        "/verify {name} to be sure who it is",
        who=bracketed(pin.peer_id),
        day=day(change.announced),
        key=pin.fingerprint,
        name=visible(pin.peer_id),
    )


def two_next(pin: Pin, change: Change) -> Sentence:
    """Two keys were announced to follow one."""
    return Sentence(
        "two keys claim to follow that of {who}: one of them is a thief's. Neither is taken. "
        "Ask {name} in another way which one is its own: {one} or {other}",
        who=bracketed(pin.peer_id),
        name=visible(pin.peer_id),
        one=trust(pin.peer_id, fingerprint_of(change.next)),
        other=trust(pin.peer_id, fingerprint_of(change.second)),
    )


def next_key_found(own: str, until: float) -> str:
    """A key is to follow our own; `own`: its fingerprint, `until`: see `NextKey`."""
    if not until:
        return _(
            "another key will follow yours in a moment: {key}. Your peers are told as they come"
        ).format(key=own)
    return _(
        "another key will follow yours from {day} on: {key}. Your peers are told as they come"
    ).format(day=day(until), key=own)


def own_key_changed(own_id: str, own: str) -> str:
    """Our key is another one from now on."""
    return _(
        "your key has changed: {key} from now on. Who was told of it knows you. Who was not "
        "refuses you until they type {trust}"
    ).format(key=own, trust=trust(own_id, own))


def refuses_us(peer_id: str, own_id: str, own: str) -> Sentence:
    """A peer has refused our key: inside TLS, with the pinned key, or at the first contact."""
    return Sentence(
        "{who} refuses your key: it knows another one for {me}. "
        "Tell {name} your fingerprint: {key}",
        who=bracketed(peer_id),
        me=bracketed(own_id),
        name=visible(peer_id),
        key=own,
    )


def own_key_elsewhere(own_id: str, ip: str) -> Sentence:
    """Our key and our name are in use by another process."""
    name, _at, namespace = own_id.rpartition("@")
    return Sentence(
        "your own key is in use at {ip}, too. Each message reaches one of the two: make a name "
        "and a key for each machine, as {example}",
        ip=ip,
        example=visible(f"{name}-laptop@{namespace}"),
    )


def seen_first(pin: Pin) -> str:
    """With the first direct message ever to a peer with a key."""
    return _(
        "{who} is encrypted. Its key {key} was seen for the first time. "
        "/verify {name} to be sure who it is"
    ).format(who=bracketed(pin.peer_id), key=pin.fingerprint, name=visible(pin.peer_id))


def in_the_clear(peer_id: str) -> str:
    """With the first direct message of a run to a peer without a key."""
    return _(
        "the program of {who} cannot encrypt: what you say to it can be read on the way"
    ).format(who=bracketed(peer_id))


def and_others(count: int) -> str:
    """What came of alerts that were not told."""
    return ngettext(
        "keys were refused under {n:,} other name, too, in the last hour: /keys lists them",
        "keys were refused under {n:,} other names, too, in the last hour: /keys lists them",
        count,
    ).format(n=count)


def trust(peer_id: str, fingerprint: str) -> str:
    """The command that takes a key for a name."""
    return f"/trust {visible(peer_id)} {fingerprint}".rstrip()


def forget(peer_id: str) -> str:
    """The command that gives a name free."""
    return f"/keys forget {visible(peer_id)}"


def _listed(refused: Sequence[RefusedKey]) -> Sentence | str:
    if len(refused) < 2:
        return ""
    return Sentence("The newest first: {keys}. ", keys=", ".join(it.fingerprint for it in refused))


def _light(pin: Pin, now: float) -> Sentence:
    when = ago(now - pin.seen)
    if not pin.ip:
        return Sentence("seen {ago}, never written to", ago=when)
    return Sentence("seen {ago} from {ip}, never written to", ago=when, ip=pin.ip)


def since(pin: Pin) -> str:
    """Since when a key is known, and how well."""
    return spoken(known_since(pin))


def known_since(pin: Pin) -> Sentence:
    """The same, for a sentence that is logged, too."""
    if pin.verified is not None and pin.by_code:
        return Sentence("verified {day} by a code", day=day(pin.verified))
    if pin.verified is not None:
        return Sentence("verified {day}", day=day(pin.verified))
    if pin.change is not None and pin.change.moved:
        return Sentence("changed as announced {day}", day=day(pin.change.moved))
    if pin.trusted:
        return Sentence("trusted since {day}", day=day(pin.since))
    return Sentence("known since {day}", day=day(pin.since))


def day(second: float) -> str:
    """The day of a time of the wall clock, here."""
    return time.strftime("%Y-%m-%d", time.localtime(second))


def ago(seconds: float) -> Sentence:
    """How long ago, in the largest unit that is not 0."""
    days, hours, minutes = (int(seconds // size) for size in (_DAY, 3600, 60))
    if days > 0:
        return counted("{n:,} day ago", "{n:,} days ago", days)
    if hours > 0:
        return counted("{n} hour ago", "{n} hours ago", hours)
    if minutes > 0:
        return counted("{n} minute ago", "{n} minutes ago", minutes)
    return Sentence("just now")
