"""What a person is told about pairing: what happened, what did not, and what to do now.

Rules: pure. Nothing that a peer wrote stands in a sentence except its name. What an error carries
is a `Sentence`; the rest is in the person's language.
"""

from __future__ import annotations

from enum import Enum
from math import ceil
from typing import Final

from p2pchat.speech import Sentence, _, counted
from p2pchat.wire.names import bracketed, visible


class NotPairedError(Exception):
    """A pairing that cannot begin, or that failed; its `Sentence` says why."""


class Why(Enum):
    """Why two ends are not paired. The first four stand as `reason` on the wire."""

    FAILED = "failed"
    """The two ends have different results: the code is another one, or a key is."""
    USED = "used"
    """The code was used before, whatever came of it."""
    LATE = "late"
    """The code was too old."""
    NO_CODE = "no code"
    """None was shown for this peer, with this key."""
    STOPPED = "stopped"
    """The other end ended it, and does not say why."""
    SILENT = "silent"
    """The other end did not answer in time."""
    LOST = "lost"
    """The link ended."""
    CHANGED = "changed"
    """The person has decided something else about the key meanwhile."""

    @classmethod
    def said(cls, reason: str) -> Why:
        """What a peer says on the wire; `STOPPED` for what is not to be said there."""
        return _ON_THE_WIRE.get(reason, cls.STOPPED)


_ON_THE_WIRE: Final = {why.value: why for why in (Why.FAILED, Why.USED, Why.LATE, Why.NO_CODE)}


def shown(peer_id: str, own_id: str, digits: str, until: str) -> list[str]:
    """A code was made; `until`: the time of day at which it ends."""
    return [
        _("the code for {who}: {digits}, until {until}, for one try").format(
            who=bracketed(peer_id), digits=digits, until=until
        ),
        _("tell it to {peer} by voice or face to face, and not in this chat. {peer} types:").format(
            peer=visible(peer_id)
        ),
        f"/pair {visible(own_id)} {digits}",
    ]


def taker_failed(peer_id: str, why: Why) -> Sentence:
    """Why the code of a peer did not verify it, for who has typed it."""
    who, name = bracketed(peer_id), visible(peer_id)
    match why:
        case Why.FAILED:
            return Sentence(
                "NOT PAIRED with {who}: the code is not the one that {name} sees, or somebody may "
                "be in between. It is used up, and nothing has changed. Ask {name} for another "
                "code, by voice or face to face, and not in this chat",
                who=who,
                name=name,
            )
        case Why.USED:
            return Sentence(
                "not paired: the last code of {who} for you is used up. Ask {name} for another "
                "code",
                who=who,
                name=name,
            )
        case Why.LATE:
            return Sentence(
                "not paired: the last code of {who} for you is more than 10 minutes old. "
                "Ask {name} for another code",
                who=who,
                name=name,
            )
        case Why.NO_CODE:
            return Sentence(
                "not paired: {who} has shown no code for you. A code is for one peer and one key. "
                "Ask {name} for another code",
                who=who,
                name=name,
            )
        case Why.SILENT:
            return Sentence(
                "not paired: {who} did not answer in time. Ask {name} for another code",
                who=who,
                name=name,
            )
        case Why.LOST:
            return Sentence(
                "not paired: the link with {who} ended. Ask {name} for another code once it is "
                "back",
                who=who,
                name=name,
            )
        case Why.CHANGED:
            return Sentence("not paired: the known key of {who} has changed meanwhile", who=who)
    return Sentence(
        "not paired: {who} has stopped it. Ask {name} for another code", who=who, name=name
    )


def giver_failed(peer_id: str, why: Why) -> str:
    """Why a code that was shown did not verify the peer, for who has shown it."""
    match why:
        case Why.SILENT | Why.LOST:
            text = _(
                "not paired: {who} began, and did not finish. The code is used up. "
                "For another one: {pair}"
            )
        case Why.CHANGED:
            text = _(
                "not paired: the known key of {who} has changed meanwhile. For another one: {pair}"
            )
        case _other:
            text = _(
                "NOT PAIRED with {who}: the code that was tried is not yours, or somebody may be "
                "in between. It is used up, and nothing has changed. For another one: {pair}"
            )
    return text.format(who=bracketed(peer_id), pair=f"/pair {visible(peer_id)}")


def paired(peer_id: str, fingerprint: str) -> str:
    """Both ends know that the code and both keys are the same."""
    return _("paired: {who} is verified, its key is {key}").format(
        who=bracketed(peer_id), key=fingerprint
    )


def too_many(peer_id: str, wait: float) -> Sentence:
    """There were three codes in an hour; `wait`: seconds until there may be another one."""
    return counted(
        "there were three codes for {who} within an hour: another one in {n} minute. "
        "/verify {name} compares fingerprints",
        "there were three codes for {who} within an hour: another one in {n} minutes. "
        "/verify {name} compares fingerprints",
        max(1, ceil(wait / 60)),
        who=bracketed(peer_id),
        name=visible(peer_id),
    )


def too_many_open(count: int) -> Sentence:
    """There are as many codes as may be open."""
    return counted(
        "{n} code is open: wait until it is used, or is 10 minutes old",
        "{n} codes are open: wait until one is used, or is 10 minutes old",
        count,
    )


def too_many_asked(count: int) -> Sentence:
    """There are as many runs as may be under way."""
    return counted(
        "{n} pairing is under way: wait until it has ended",
        "{n} pairings are under way: wait until one has ended",
        count,
    )


def under_way(peer_id: str) -> Sentence:
    """A code was typed while another one is looked at."""
    return Sentence("a pairing with {who} is under way: wait some seconds", who=bracketed(peer_id))


def failed_before(peer_id: str) -> Sentence:
    """The same digits failed with this peer before."""
    return Sentence(
        "this code has failed with {who} before, and somebody may be in between. Ask {name} for "
        "another code, by voice or face to face, and not in this chat",
        who=bracketed(peer_id),
        name=visible(peer_id),
    )


def not_linked(peer_id: str) -> Sentence:
    """There is no link to pair over."""
    return Sentence(
        "{who} is not connected: a code works over a link alone (/peers)", who=bracketed(peer_id)
    )


def in_the_clear(peer_id: str) -> Sentence:
    """There is no key to verify."""
    return Sentence(
        "{who} is in the clear, and has no key that a code could verify", who=bracketed(peer_id)
    )


def cannot_pair(peer_id: str, *, is_p2pchat: bool) -> Sentence:
    """The other program knows nothing of codes."""
    who, name = bracketed(peer_id), visible(peer_id)
    if is_p2pchat:
        return Sentence(
            "{who} uses an older p2pchat, which knows no codes: /verify {name} compares "
            "fingerprints",
            who=who,
            name=name,
        )
    return Sentence(
        "{who} uses another program, which knows no codes: /verify {name} compares fingerprints",
        who=who,
        name=name,
    )
