"""Whose keys are known, and which were refused, as lines for a person.

    verified  [bob@CIC]  Y3YW-Z254-ZYFB-5S3W  first seen 2026-03-01, last seen 2 days ago
    refused   [bob@CIC]  43BR-PSGF-CXHA-E2KX  3 minutes ago, from 10.0.0.9

Rules: no Twisted. No line of a peer's, and of many keys the firmest ones.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import nlargest
from typing import Final

from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.key_words import ago, day
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.mesh.identity.refused_keys import RefusedKey
from p2pchat.speech import N_, _, ngettext, spoken
from p2pchat.wire.names import bracketed

MOST: Final = 500
"""Known keys that are listed for a person, and as many names under which others were refused."""
_A_PIECE: Final = 1000
_VERIFIED: Final = N_("verified  {who}  {key}  {when}")
_TRUSTED: Final = N_("trusted   {who}  {key}  {when}")
_KNOWN: Final = N_("known     {who}  {key}  {when}")
_LIGHT: Final = N_("for now   {who}  {key}  {when}")
_REFUSED: Final = N_("refused   {who}  {key}  {when}")
_KINDS: Final = (_VERIFIED, _TRUSTED, _KNOWN, _LIGHT)
"""Rows for what is known of a key, the firmest first."""


def key_lines(known: KnownKeys) -> Generator[None, None, list[str]]:
    """What is known of others' keys, a line each, the firmest first; made piece by piece."""
    now = known.wall()
    groups: dict[str, list[Pin]] = {kind: [] for kind in _KINDS}
    for number, pin in enumerate(known.pins(), 1):
        groups[_kind(pin)].append(pin)
        if number % _A_PIECE == 0:
            yield
    lines: list[str] = []
    listed = 0
    for kind, pins in groups.items():
        yield
        for pin in nlargest(MOST - listed, pins, key=lambda pin: pin.seen):
            listed += 1
            lines.append(_row(kind, pin.peer_id, pin.fingerprint, _seen(pin, now)))
            lines += [f"          {line}" for line in changes_of(pin)]
    more = sum(map(len, groups.values())) - listed
    if more:
        lines.append(ngettext("… {n:,} more", "… {n:,} more", more).format(n=more))
    yield
    names = known.refused_names()
    for peer_id in names[:MOST]:
        lines += [refused_line(key, peer_id, now) for key in known.refused_under(peer_id)]
    if len(names) > MOST:
        more = len(names) - MOST
        lines.append(
            ngettext(
                "… and of {n:,} name more that was refused",
                "… and of {n:,} names more that were refused",
                more,
            ).format(n=more)
        )
    return lines or [_("no keys are known yet")]


def _kind(pin: Pin) -> str:
    if pin.verified is not None:
        return _VERIFIED
    if pin.trusted:
        return _TRUSTED
    return _LIGHT if pin.hold is Hold.LIGHT else _KNOWN


def _row(kind: str, peer_id: str, key: str, when: str) -> str:
    return _(kind).format(who=bracketed(peer_id), key=key, when=when)


def _seen(pin: Pin, now: float) -> str:
    if pin.links:
        return _("first seen {day}, last seen now").format(day=day(pin.since))
    last = spoken(ago(now - pin.seen))
    return _("first seen {day}, last seen {ago}").format(day=day(pin.since), ago=last)


def stated(pin: Pin) -> list[str]:
    """The fingerprints of the keys that are to follow the one of a pin, as it was stated."""
    change = pin.change
    keys = () if change is None else (change.next, change.second)
    return [fingerprint(key) for key in keys if key]


def changes_of(pin: Pin) -> list[str]:
    """What is to follow the key of a pin, a line or none."""
    keys, change = stated(pin), pin.change
    if not keys or change is None:
        return []
    if len(keys) > 1:
        claim = _("two keys claim to follow it, and neither is taken: {one} and {other}")
        return [claim.format(one=keys[0], other=keys[1])]
    follows = _("{key} is to follow it, as announced on {day}")
    return [follows.format(key=keys[0], day=day(change.announced))]


def refused_line(key: RefusedKey, peer_id: str, now: float) -> str:
    """A key that was refused under a name; `now` is the wall clock."""
    when = spoken(ago(max(0.0, now - key.at)))
    if key.ip:
        when = _("{ago}, from {ip}").format(ago=when, ip=key.ip)
    return _row(_REFUSED, peer_id, key.fingerprint, when)
