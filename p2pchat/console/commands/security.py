"""The commands about keys: /verify, /trust, /keys.

    /verify bob                       ->  both fingerprints, and what to do with them
    /verify bob Y3YW-Z254-ZYFB-5S3W   ->  [bob@CIC] is verified, or: NOT THE SAME
    /trust bob@CIC Y3YW-Z254-…        ->  nobody with another key can be bob
    /keys                             ->  whose keys are known, and which were refused

Rules: fingerprints are whole, always. What the person has typed or pasted is compared; what Tab has
typed ends with `seen`, and is taken without being compared. Nothing changes but by these commands.
"""

from __future__ import annotations

from typing import Final

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.key_lines import changes_of, key_lines, refused_line, stated
from p2pchat.console.replies import Answer, Reply, said, wrong
from p2pchat.mesh.identity.key_text import fingerprint, read_fingerprint
from p2pchat.mesh.identity.key_words import day, since
from p2pchat.mesh.identity.known_keys import Compared, Decision, KnownKeys
from p2pchat.node.news import NotSentError
from p2pchat.node.trusting import Trusting
from p2pchat.wire.address import AmbiguousNameError, is_plain, the_one_called
from p2pchat.wire.names import bracketed, visible

SEEN: Final = "seen"
"""What Tab puts behind a fingerprint: it was seen, and not compared."""
_NO_KEYS: Final = "this node has no key: nothing is encrypted (see --security)"
_BY_VOICE: Final = "by voice or face to face, and not in this chat"


def _verify(person: Person, rest: str) -> Answer:
    trusting = person.node.trusting
    if trusting is None:
        return wrong(_NO_KEYS)
    if not rest.strip():
        return _own(person, trusting)
    try:
        name, text = _name_and_fingerprint(rest)
        peer_id = meant(person, trusting.known, name)
        if text:
            return _compare(trusting, peer_id, text)
        if " " in rest.strip() and trusting.known.pin_of(peer_id) is None:
            read_fingerprint(rest.split()[-1])
    except (NotSentError, AmbiguousNameError, ValueError) as why:
        return wrong(why)
    return _both(person, trusting, peer_id)


def _own(person: Person, trusting: Trusting) -> Reply:
    who = bracketed(person.node.me.peer_id)
    lines = [f"your fingerprint, as {who}: {trusting.own_fingerprint}"]
    following = trusting.next_key
    if following is not None:
        when = f"from {day(following.until)} on" if following.until else "in a moment"
        lines.append(f"another one will follow it {when}: {fingerprint(following.statement.new)}")
    if trusting.fleeting:
        lines.append("it ends with this program (--key none)")
    return said(*lines, f"read it to others {_BY_VOICE}: /verify PEER tells the rest")


def _both(person: Person, trusting: Trusting, peer_id: str) -> Reply:
    pin, who, peer = trusting.known.pin_of(peer_id), bracketed(peer_id), visible(peer_id)
    refused = trusting.known.refused_under(peer_id)
    others = [refused_line(key, peer_id, trusting.known.wall()) for key in refused]
    if pin is None:
        known = person.node.peers.get(peer_id)
        if known is not None and known.in_the_clear:
            return wrong(f"{who} is in the clear, and has no key to compare", *others)
        why = f"no key of {who} is known. Once you have its fingerprint from itself:"
        return wrong(f"{why} /trust {peer} XXXX-XXXX-XXXX-XXXX", *others)
    lines = [
        f"the key of {who}: {pin.fingerprint}, {since(pin)}",
        f"your own: {trusting.own_fingerprint}",
        *changes_of(pin),
    ]
    if pin.verified is None:
        lines.append(f"read yours to {peer} {_BY_VOICE}, and type what {peer} reads to you:")
        lines.append(f"/verify {peer} XXXX-XXXX-XXXX-XXXX")
    return said(*lines, *others)


def _compare(trusting: Trusting, peer_id: str, text: str) -> Answer:
    who, typed = bracketed(peer_id), read_fingerprint(text)
    decision = trusting.verify(peer_id, text)
    if decision.compared is Compared.EQUAL:
        return _done(decision, f"the same: {who} is verified, its key is {typed}")
    own = "what you typed is your own fingerprint" if typed == trusting.own_fingerprint else ""
    take = f"/trust {visible(peer_id)} {typed}"
    pin = trusting.known.pin_of(peer_id)
    if pin is not None and typed in stated(pin):
        return wrong(*changes_of(pin), f"its key now is {pin.fingerprint}: nothing has changed")
    if pin is None:
        return wrong(own or f"no key of {who} is known yet. To take this one, and no other: {take}")
    return wrong(
        f"NOT THE SAME: the key of {who} is {pin.fingerprint}, and you typed {typed}",
        own
        or f"nothing has changed. Somebody else may have that key: say nothing to {who} that is "
        f"for it alone. If it has a new key, and told you so {_BY_VOICE}: {take}",
    )


def _trust(person: Person, rest: str) -> Answer:
    trusting = person.node.trusting
    if trusting is None:
        return wrong(_NO_KEYS)
    words = rest.split()
    typed = words[-1:] != [SEEN]
    try:
        name, text = _name_and_fingerprint(" ".join(words if typed else words[:-1]))
        if not text:
            if len(words) > 1:
                read_fingerprint(words[-1])
            return TRUST.misused()
        peer_id = meant(person, trusting.known, name)
        if peer_id == person.node.me.peer_id:
            return wrong("that is yourself")
        if read_fingerprint(text) == trusting.own_fingerprint:
            return wrong("that is your own fingerprint")
        before = trusting.known.pin_of(peer_id)
        was = "" if before is None else before.fingerprint
        decision = trusting.trust(peer_id, text, typed=typed)
    except (NotSentError, AmbiguousNameError, ValueError) as why:
        return wrong(why)
    pin = trusting.known.pin_of(peer_id)
    assert pin is not None
    who, now = bracketed(peer_id), pin.fingerprint
    lines = [f"{who} has the key {now}, and nobody with another key can be {who}"]
    if was not in ("", now):
        lines.append(f"its key was {was} before")
    if pin.verified is None:
        lines.append(f"it is not verified: /verify {visible(peer_id)} tells how")
    return _done(decision, *lines)


def _keys(person: Person, rest: str) -> Answer:
    trusting = person.node.trusting
    if trusting is None:
        return wrong(_NO_KEYS)
    word, _, name = rest.strip().partition(" ")
    if word == "forget" and name.strip():
        return _forget(person, trusting, name.strip())
    if word:
        return KEYS.misused()
    work = key_lines(trusting.known)
    return person.node.mesh.turns.do(work).addCallback(lambda lines: said(*lines))


def _forget(person: Person, trusting: Trusting, name: str) -> Answer:
    try:
        peer_id = meant(person, trusting.known, name)
    except (NotSentError, AmbiguousNameError) as why:
        return wrong(why)
    who, refused = bracketed(peer_id), trusting.known.refused_under(peer_id)
    decision = trusting.forget(peer_id)
    if decision.compared is not Compared.UNKNOWN:
        return _done(decision, f"the key of {who} is forgotten: the next who takes the name has it")
    if refused:
        return said(f"the keys that were refused under {who} are forgotten")
    return wrong(f"no key of {who} is known")


def _done(decision: Decision, *lines: str) -> Answer:
    """Say it when it is on the disk, or why it is not."""
    return decision.synced.addCallback(lambda why: said(*lines, *([why] if why else [])))


def meant(person: Person, known: KnownKeys, name: str) -> str:
    """The peer_id that a name means: of those who are here, or of those whose keys are known.

    Raises `NotSentError` or `AmbiguousNameError` when it may mean several.
    """
    whole = person.sent.resolve(name)
    if is_plain(whole) or person.node.peers.get(whole) is not None:
        return whole
    return the_one_called(whole, [*(pin.peer_id for pin in known.pins()), *known.refused_names()])


def _name_and_fingerprint(rest: str) -> tuple[str, str]:
    """Split what was typed; without a fingerprint at its end, all of it is the name."""
    words = rest.split()
    for count in (1, 4):
        text = " ".join(words[-count:])
        try:
            if len(words) > count:
                return " ".join(words[:-count]), read_fingerprint(text)
        except ValueError:
            continue
    return rest.strip(), ""


VERIFY: Final = Command(
    "verify",
    "[peer [fingerprint]]",
    "your fingerprint; that of a peer; or whether it is what the peer has read to you",
    _verify,
)
TRUST: Final = Command(
    "trust",
    "<peer_id> <fingerprint>",
    "take this key for the name, and no other",
    _trust,
    needs_peers=False,
)
KEYS: Final = Command(
    "keys",
    "[forget <peer>]",
    "whose keys are known; or forget one, which gives the name free",
    _keys,
    needs_peers=False,
)
