"""What a person is told about pairing: what happened, what did not, and what to do now.

Rules: pure. Nothing that a peer wrote stands in a sentence except its name.
"""

from __future__ import annotations

from enum import Enum
from math import ceil
from typing import Final

from p2pchat.wire.names import bracketed, visible

BY_VOICE: Final = "by voice or face to face, and not in this chat"


class NotPairedError(Exception):
    """A pairing that cannot begin, or that failed; the text is the sentence for the person."""


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
        f"the code for {bracketed(peer_id)}: {digits}, until {until}, for one try",
        f"tell it to {visible(peer_id)} {BY_VOICE}. {visible(peer_id)} types:",
        f"/pair {visible(own_id)} {digits}",
    ]


def taker_failed(peer_id: str, why: Why) -> str:
    """Why the code of a peer did not verify it, for who has typed it."""
    who, name = bracketed(peer_id), visible(peer_id)
    another = f"Ask {name} for another code"
    match why:
        case Why.FAILED:
            return (
                f"NOT PAIRED with {who}: the code is not the one that {name} sees, or somebody may "
                f"be in between. It is used up, and nothing has changed. {another}, {BY_VOICE}"
            )
        case Why.USED:
            return f"not paired: the last code of {who} for you is used up. {another}"
        case Why.LATE:
            return (
                f"not paired: the last code of {who} for you is more than 10 minutes old. {another}"
            )
        case Why.NO_CODE:
            return (
                f"not paired: {who} has shown no code for you. A code is for one peer and one key. "
                f"{another}"
            )
        case Why.SILENT:
            return f"not paired: {who} did not answer in time. {another}"
        case Why.LOST:
            return f"not paired: the link with {who} ended. {another} once it is back"
        case Why.CHANGED:
            return f"not paired: the known key of {who} has changed meanwhile"
    return f"not paired: {who} has stopped it. {another}"


def giver_failed(peer_id: str, why: Why) -> str:
    """Why a code that was shown did not verify the peer, for who has shown it."""
    who, new = bracketed(peer_id), f"For another one: /pair {visible(peer_id)}"
    match why:
        case Why.SILENT | Why.LOST:
            return f"not paired: {who} began, and did not finish. The code is used up. {new}"
        case Why.CHANGED:
            return f"not paired: the known key of {who} has changed meanwhile. {new}"
    return (
        f"NOT PAIRED with {who}: the code that was tried is not yours, or somebody may be in "
        f"between. It is used up, and nothing has changed. {new}"
    )


def paired(peer_id: str, fingerprint: str) -> str:
    """Both ends know that the code and both keys are the same."""
    return f"paired: {bracketed(peer_id)} is verified, its key is {fingerprint}"


def too_many(peer_id: str, wait: float) -> str:
    """There were three codes in an hour; `wait`: seconds until there may be another one."""
    minutes = max(1, ceil(wait / 60))
    return (
        f"there were three codes for {bracketed(peer_id)} within an hour: another one in "
        f"{minutes} minute{'' if minutes == 1 else 's'}. /verify {visible(peer_id)} compares "
        "fingerprints"
    )


def too_many_open(count: int) -> str:
    """There are as many codes as may be open."""
    return f"{count} codes are open: wait until one is used, or is 10 minutes old"


def too_many_asked(count: int) -> str:
    """There are as many runs as may be under way."""
    return f"{count} pairings are under way: wait until one has ended"


def under_way(peer_id: str) -> str:
    """A code was typed while another one is looked at."""
    return f"a pairing with {bracketed(peer_id)} is under way: wait some seconds"


def failed_before(peer_id: str) -> str:
    """The same digits failed with this peer before."""
    return (
        f"this code has failed with {bracketed(peer_id)} before, and somebody may be in between. "
        f"Ask {visible(peer_id)} for another code, {BY_VOICE}"
    )


def not_linked(peer_id: str) -> str:
    """There is no link to pair over."""
    return f"{bracketed(peer_id)} is not connected: a code works over a link alone (/peers)"


def in_the_clear(peer_id: str) -> str:
    """There is no key to verify."""
    return f"{bracketed(peer_id)} is in the clear, and has no key that a code could verify"


def cannot_pair(peer_id: str, *, is_p2pchat: bool) -> str:
    """The other program knows nothing of codes."""
    kind = "an older p2pchat" if is_p2pchat else "another program"
    return (
        f"{bracketed(peer_id)} uses {kind}, which knows no codes: /verify {visible(peer_id)} "
        "compares fingerprints"
    )
