"""What the person has decided about others: whom to ignore, what is mute, who is called how.

    lists.ignore("bob@CIC")  ->  holds at once; a Deferred: "" when it is on the disk, or why not

Rules: no I/O here; `save` gets all of it, encoded, with each change. Every list is bounded. A peer
is known by its peer_id: who takes another name is another peer. An alias has no @, and so is never
taken for a peer_id, nor for a name that somebody has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct, field
from twisted.internet.defer import Deferred, succeed

from p2pchat.speech import Sentence, _
from p2pchat.wire.address import MAX_NAME, namespace_of_scope, split_peer_id
from p2pchat.wire.names import bracketed, skeleton, visible

MOST: Final = 1000
"""Entries of each list."""
FOREVER: Final = 0.0
"""Until when something is mute that is so until the person says something else."""
_LATEST: Final = 1e11
"""No time behind this one has a date; the longest /mute ends before it."""
_RESERVED: Final = ("all", "cancel", "off", "json")
"""Words that commands know."""
_LOOKED_AT: Final = 300
"""Names whose looks an alias is compared with."""


class Decided(Struct):
    """All of it, as it is kept."""

    ignored: list[str] = field(default_factory=list)
    muted: dict[str, float] = field(default_factory=dict)
    """Peer_ids and scopes, until when (wall clock)."""
    aliases: dict[str, str] = field(default_factory=dict)
    bell: bool | None = None
    """None: as the settings say."""
    notify: bool = False
    unignored: dict[str, float] = field(default_factory=dict)
    """Peers that were ignored, until when (wall clock)."""


class ListError(ValueError):
    """A change that cannot be made; its `Sentence` is for the person."""


def _keep_nothing(_data: bytes) -> Deferred[str]:
    return succeed(_("it holds until this program ends: this node keeps nothing"))


class OwnLists:
    """The decisions of one person. `save` keeps them; without, they hold until the program ends."""

    def __init__(
        self, decided: Decided | None = None, save: Callable[[bytes], Deferred[str]] = _keep_nothing
    ) -> None:
        start = Decided() if decided is None else decided
        self._save = save
        self.ignored: dict[str, None] = dict.fromkeys(islice(filter(_is_peer, start.ignored), MOST))
        """The peers of whom nothing is shown or kept. Look into it, and no more."""
        unignored = (
            (name, at)
            for name, at in start.unignored.items()
            if _is_peer(name) and 0 <= at < _LATEST
        )
        self.unignored: dict[str, float] = dict(islice(unignored, MOST))
        """Until when (wall clock) these peers were ignored: what they said before stays unseen."""
        muted = (
            (name, until)
            for name, until in start.muted.items()
            if _is_conversation(name) and 0 <= until < _LATEST
        )
        self.muted: dict[str, float] = dict(islice(muted, MOST))
        """What rings no bell: peer_ids and scopes, until when (wall clock). Look, and no more."""
        aliases = ((name, who) for name, who in start.aliases.items() if _is_alias(name, who))
        self.aliases: dict[str, str] = dict(islice(aliases, MOST))
        """Alias -> peer_id. Look, and no more."""
        self.names: dict[str, str] = {peer_id: alias for alias, peer_id in self.aliases.items()}
        """Peer_id -> alias. Look, and no more."""
        self.bell = start.bell
        self.notify = start.notify
        self.close: Callable[[], Deferred[None]] = lambda: succeed(None)
        """Write what is to be written, and let go of the file."""

    def called(self, name: str) -> str:
        """What the person calls a peer, or a scope: its alias, or itself."""
        return self.names.get(name, name)

    # ------------------------------------------------------------ decisions

    def ignore(self, peer_id: str) -> Deferred[str]:
        """Show, keep and tell nothing of this peer from now on; raises `ListError`."""
        _check(peer_id, self.ignored)
        self.ignored[peer_id] = None
        return self._changed()

    def unignore(self, peer_id: str, now: float) -> Deferred[str]:
        """Hear of what this peer says from now on (wall clock).

        Raises `ListError` for one that is not ignored.
        """
        if peer_id not in self.ignored:
            raise ListError(Sentence("{peer} is not ignored", peer=bracketed(peer_id)))
        del self.ignored[peer_id]
        self.unignored.pop(peer_id, None)
        while len(self.unignored) >= MOST:
            del self.unignored[next(iter(self.unignored))]
        self.unignored[peer_id] = now
        return self._changed()

    def mute(self, name: str, until: float) -> Deferred[str]:
        """Ring no bell for a peer or a scope, until then (wall clock); raises `ListError`."""
        if not _is_conversation(name):
            raise ListError(
                Sentence("{name} is neither a peer_id nor a #namespace", name=bracketed(name))
            )
        if name not in self.muted and len(self.muted) >= MOST:
            raise ListError(Sentence("{most:,} are muted already: as many as can be", most=MOST))
        self.muted[name] = until
        return self._changed()

    def unmute(self, name: str) -> Deferred[str]:
        """Ring for it again; raises `ListError` when it is not mute."""
        if name not in self.muted:
            raise ListError(Sentence("{name} is not muted", name=bracketed(name)))
        del self.muted[name]
        return self._changed()

    def is_muted(self, name: str, now: float) -> bool:
        """Whether a peer or a scope rings no bell at this moment of the wall clock."""
        until = self.muted.get(name)
        return until is not None and (until == FOREVER or now < until)

    def alias(self, name: str, peer_id: str, others: Iterable[str]) -> Deferred[str]:
        """Call a peer so; raises `ListError`.

        `others`: the peer_ids that are known, ours included, those that matter most first.
        """
        trouble = alias_trouble(name, peer_id, others)
        if trouble:
            raise ListError(trouble)
        if name not in self.aliases and len(self.aliases) >= MOST:
            raise ListError(
                Sentence("{most:,} are called otherwise already: as many as can be", most=MOST)
            )
        self._drop(name)
        # Who has another alias would be shown by the one or by the other.
        self._drop(self.names.get(peer_id, ""))
        self.aliases[name] = peer_id
        self.names[peer_id] = name
        return self._changed()

    def unalias(self, name: str) -> Deferred[str]:
        """Use an alias no more; raises `ListError` when there is none."""
        if name not in self.aliases:
            raise ListError(
                Sentence("nobody is called {name} (/alias lists them)", name=bracketed(name))
            )
        self._drop(name)
        return self._changed()

    def _drop(self, alias: str) -> None:
        peer_id = self.aliases.pop(alias, "")
        if self.names.get(peer_id) == alias:
            del self.names[peer_id]

    def set_bell(self, on: bool) -> Deferred[str]:
        """Ring the bell, or not, whatever the settings say."""
        self.bell = on
        return self._changed()

    def set_notify(self, on: bool) -> Deferred[str]:
        """Show notifications on the desktop, or not."""
        self.notify = on
        return self._changed()

    def _changed(self) -> Deferred[str]:
        ignored = [*self.ignored]
        decided = Decided(ignored, self.muted, self.aliases, self.bell, self.notify, self.unignored)
        return self._save(msgspec.json.encode(decided) + b"\n")


def alias_trouble(name: str, peer_id: str, others: Iterable[str]) -> Sentence | None:
    """Why a peer cannot be called so; None if it can."""
    if not _is_alias(name, peer_id):
        return Sentence(
            "{name} cannot be an alias: one word of 1 to {most} characters that can"
            " be seen, without @, and not only digits",
            name=bracketed(name),
            most=MAX_NAME,
        )
    looks, begin = skeleton(name), f"{name.casefold()}@"
    for number, other in enumerate(others):
        alike = other.casefold().startswith(begin)
        if not alike and number < _LOOKED_AT:
            alike = skeleton(other.rpartition("@")[0]) == looks
        if alike and other != peer_id:
            return Sentence(
                "{name} would be taken for {peer}: choose another alias",
                name=bracketed(name),
                peer=bracketed(other),
            )
    return None


def _is_alias(name: str, peer_id: str) -> bool:
    return (
        _is_peer(peer_id)
        and 0 < len(name) <= MAX_NAME
        and not any(character.isspace() or character == "@" for character in name)
        and not name.startswith(("#", "*", "/"))
        and not name.isdecimal()
        and name.casefold() not in _RESERVED
        and visible(name) == name
    )


def _is_peer(name: str) -> bool:
    try:
        split_peer_id(name)
    except ValueError:
        return False
    return True


def _is_conversation(name: str) -> bool:
    if not name.startswith(("#", "*")):
        return _is_peer(name)
    try:
        namespace_of_scope(name)
    except ValueError:
        return False
    return True


def _check(peer_id: str, there: dict[str, None]) -> None:
    if not _is_peer(peer_id):
        raise ListError(
            Sentence(
                "no such peer: {peer} (a whole name@namespace will do)", peer=bracketed(peer_id)
            )
        )
    if peer_id not in there and len(there) >= MOST:
        raise ListError(Sentence("{most:,} are ignored already: as many as can be", most=MOST))
