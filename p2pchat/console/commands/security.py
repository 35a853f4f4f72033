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
from p2pchat.mesh.identity.key_words import day, since, trust
from p2pchat.mesh.identity.known_keys import Compared, Decision, KnownKeys
from p2pchat.node.news import NotSentError
from p2pchat.node.trusting import Trusting
from p2pchat.speech import N_, _
from p2pchat.wire.address import AmbiguousNameError, is_plain, the_one_called
from p2pchat.wire.names import bracketed, visible

SEEN: Final = "seen"
"""What Tab puts behind a fingerprint: it was seen, and not compared."""
_ANY: Final = "XXXX-XXXX-XXXX-XXXX"


def no_key() -> str:
    """What to answer about keys where there is none."""
    return _("this node has no key: nothing is encrypted (see --security)")


def _verify(person: Person, rest: str) -> Answer:
    trusting = person.node.trusting
    if trusting is None:
        return wrong(no_key())
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
    lines = [
        _("your fingerprint, as {me}: {key}").format(
            me=bracketed(person.node.me.peer_id), key=trusting.own_fingerprint
        )
    ]
    following = trusting.next_key
    if following is not None:
        new = fingerprint(following.statement.new)
        lines.append(
            _("another one will follow it from {day} on: {key}").format(
                day=day(following.until), key=new
            )
            if following.until
            else _("another one will follow it in a moment: {key}").format(key=new)
        )
    if trusting.fleeting:
        lines.append(_("it ends with this program (--key none)"))
    how = _(
        "read it to others by voice or face to face, and not in this chat: "
        "/verify PEER tells the rest"
    )
    return said(*lines, how)


def _both(person: Person, trusting: Trusting, peer_id: str) -> Reply:
    pin, who, peer = trusting.known.pin_of(peer_id), bracketed(peer_id), visible(peer_id)
    refused = trusting.known.refused_under(peer_id)
    others = [refused_line(key, peer_id, trusting.known.wall()) for key in refused]
    if pin is None:
        known = person.node.peers.get(peer_id)
        if known is not None and known.in_the_clear:
            why = _("{who} is in the clear, and has no key to compare").format(who=who)
            return wrong(why, *others)
        why = _(
            "no key of {who} is known. Once you have its fingerprint from itself: {trust}"
        ).format(who=who, trust=trust(peer_id, _ANY))
        return wrong(why, *others)
    lines = [
        _("the key of {who}: {key}, {since}").format(
            who=who, key=pin.fingerprint, since=since(pin)
        ),
        _("your own: {key}").format(key=trusting.own_fingerprint),
        *changes_of(pin),
    ]
    if pin.verified is None:
        lines.append(
            _(
                "read yours to {peer} by voice or face to face, and not in this chat, "
                "and type what {peer} reads to you:"
            ).format(peer=peer)
        )
        lines.append(f"/verify {peer} {_ANY}")
    return said(*lines, *others)


def _compare(trusting: Trusting, peer_id: str, text: str) -> Answer:
    who, typed = bracketed(peer_id), read_fingerprint(text)
    decision = trusting.verify(peer_id, text)
    if decision.compared is Compared.EQUAL:
        return _done(
            decision, _("the same: {who} is verified, its key is {key}").format(who=who, key=typed)
        )
    is_own = typed == trusting.own_fingerprint
    own = _("what you typed is your own fingerprint") if is_own else ""
    take = trust(peer_id, typed)
    pin = trusting.known.pin_of(peer_id)
    if pin is not None and typed in stated(pin):
        now = _("its key now is {key}: nothing has changed").format(key=pin.fingerprint)
        return wrong(*changes_of(pin), now)
    if pin is None:
        unknown = _("no key of {who} is known yet. To take this one, and no other: {trust}")
        return wrong(own or unknown.format(who=who, trust=take))
    return wrong(
        _("NOT THE SAME: the key of {who} is {known}, and you typed {typed}").format(
            who=who, known=pin.fingerprint, typed=typed
        ),
        own
        or _(
            "nothing has changed. Somebody else may have that key: say nothing to {who} that is "
            "for it alone. If it has a new key, and told you so by voice or face to face, and not "
            "in this chat: {trust}"
        ).format(who=who, trust=take),
    )


def _trust(person: Person, rest: str) -> Answer:
    trusting = person.node.trusting
    if trusting is None:
        return wrong(no_key())
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
            return wrong(_("that is yourself"))
        if read_fingerprint(text) == trusting.own_fingerprint:
            return wrong(_("that is your own fingerprint"))
        before = trusting.known.pin_of(peer_id)
        was = "" if before is None else before.fingerprint
        decision = trusting.trust(peer_id, text, typed=typed)
    except (NotSentError, AmbiguousNameError, ValueError) as why:
        return wrong(why)
    pin = trusting.known.pin_of(peer_id)
    assert pin is not None
    who, now = bracketed(peer_id), pin.fingerprint
    lines = [
        _("{who} has the key {key}, and nobody with another key can be {who}").format(
            who=who, key=now
        )
    ]
    if was not in ("", now):
        lines.append(_("its key was {key} before").format(key=was))
    if pin.verified is None:
        lines.append(
            _("it is not verified: /verify {peer} tells how").format(peer=visible(peer_id))
        )
    return _done(decision, *lines)


def _keys(person: Person, rest: str) -> Answer:
    trusting = person.node.trusting
    if trusting is None:
        return wrong(no_key())
    word, _blank, name = rest.strip().partition(" ")
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
        free = _("the key of {who} is forgotten: the next who takes the name has it")
        return _done(decision, free.format(who=who))
    if refused:
        return said(_("the keys that were refused under {who} are forgotten").format(who=who))
    return wrong(_("no key of {who} is known").format(who=who))


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
    N_("your fingerprint; that of a peer; or whether it is what the peer has read to you"),
    _verify,
)
TRUST: Final = Command(
    "trust",
    "<peer_id> <fingerprint>",
    N_("take this key for the name, and no other"),
    _trust,
    needs_peers=False,
)
KEYS: Final = Command(
    "keys",
    "[forget <peer>]",
    N_("whose keys are known; or forget one, which gives the name free"),
    _keys,
    needs_peers=False,
)
