"""From settings to the key of a node, and to the keys that it knows of others.

Rules: the key is in one file, beside the history, and one process uses it. A file that cannot be
used is never replaced: the node does not start, and a sentence says what to do. Who cannot encrypt
at all, and never did, runs in the clear, and is told so; but not where everything has to be
encrypted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from p2pchat.disk import SYSTEM
from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.key_file import OwnKey, fleeting_key, open_key
from p2pchat.mesh.identity.key_making import KeyFileError, NoCryptography, RefusedBySystem
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.key_words import new_own_key
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.next_key import NextKey, read_next, replaced, take_over
from p2pchat.mesh.identity.pin_file import LIMIT, Thread, open_pins
from p2pchat.mesh.identity.pin_lines import PinsDamagedError, read_lines
from p2pchat.mesh.identity.succession import Succession
from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.settings.paths import default_history_path, stem_for
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence, sentence_of
from p2pchat.wire.text import why_not

NONE: Final = "none"
"""The file name that means: a key for this process only, or no history."""
_MOST: Final = 4096


def key_path(settings: Settings, peer_id: str) -> str:
    """Where the key of a node is: beside its history, unless the settings say something else."""
    if settings.security.key is not None:
        return settings.security.key
    history = settings.history.file
    beside = default_history_path(peer_id) if history in (None, NONE) else history
    return os.path.join(os.path.dirname(os.path.abspath(beside)), f"{stem_for(peer_id)}.key")


def open_own_keys(
    settings: Settings,
    peer_id: str,
    wall: Callable[[], float],
    tell: Callable[[str | Sentence], None],
    random_bytes: Callable[[int], bytes] = os.urandom,
    thread: Thread | None = None,
) -> OwnKeys | None:
    """Take the key of `peer_id`, made if it has none, and the keys that it knows.

    None when no key can be made here, and none is needed. `tell` gets sentences for the person.
    `thread` waits for the disk; None: whoever calls does.
    Raises `CannotStartError`.
    """
    try:
        return _open(settings, peer_id, wall, tell, random_bytes, thread)
    except (NoCryptography, RefusedBySystem) as why:
        path = key_path(settings, peer_id)
        used = os.path.lexists(path) or os.path.lexists(_known_path(settings, path))
        if used or settings.security.policy == "require":
            raise CannotStartError(sentence_of(why)) from None
        tell(Sentence("nothing is encrypted: {why}", why=why))
        return None
    except (KeyFileError, PinsDamagedError) as why:
        raise CannotStartError(sentence_of(why)) from None


def known_before(settings: Settings, peer_id: str, wall: Callable[[], float]) -> KnownKeys | None:
    """The keys that earlier runs knew, for a run that encrypts nothing: to look at, in memory.

    None when there are none, or their file cannot be read: nobody is refused by them now.
    """
    try:
        path = _known_path(settings, key_path(settings, peer_id))
        lines = read_lines(SYSTEM.read(path)[:LIMIT]).lines
    except (OSError, PinsDamagedError):
        return None
    return KnownKeys(wall, None, lines) if lines else None


def _open(
    settings: Settings,
    peer_id: str,
    wall: Callable[[], float],
    tell: Callable[[str | Sentence], None],
    random_bytes: Callable[[int], bytes],
    thread: Thread | None,
) -> OwnKeys:
    if settings.security.key == NONE:
        return OwnKeys(fleeting_key(random_bytes).keys, KnownKeys(wall), fleeting=True)
    path = key_path(settings, peer_id)
    known_path = _known_path(settings, path)
    # A history alone may be older than keys.
    had_others = os.path.lexists(known_path)
    passphrase = _passphrase(settings.security.passphrase_file)
    own = open_key(path, peer_id, random_bytes, passphrase)
    try:
        file, lines = open_pins(
            SYSTEM,
            known_path,
            own.keys.own,
            tell,
            is_new=own.made,
            thread=thread,
            followed=replaced(path),
        )
        known = KnownKeys(wall, file, lines)
    except BaseException:
        _release(own)
        raise
    if own.was_open:
        sentence = Sentence(
            "others could read your key in {path} until now: only you can from now on", path=path
        )
        tell(sentence)
    if own.made:
        tell(new_own_key(peer_id, fingerprint(own.keys.own), replaces=had_others))
    next_key = _NextKey(path, peer_id, passphrase)
    succession = Succession(next_key, own.keys.own, wall, tell, thread)
    return OwnKeys(own.keys, known, release=lambda: _release(own), succession=succession)


class _NextKey:
    """The file beside that of our key; see `NextKeyFile`."""

    def __init__(self, path: str, peer_id: str, passphrase: bytes) -> None:
        self._path = path
        self._peer_id = peer_id
        self._passphrase = passphrase

    def read(self) -> NextKey | None:
        return read_next(self._path)

    def take(self) -> Keys:
        return take_over(self._path, self._peer_id, self._passphrase)


def _known_path(settings: Settings, key: str) -> str:
    return settings.security.known_keys or f"{key.removesuffix('.key')}.keys"


def _release(own: OwnKey) -> None:
    if own.lock is not None:
        own.lock.release()


def _passphrase(path: str | None) -> bytes:
    if path is None:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read(_MOST).split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as why:
        sentence = Sentence(
            "the passphrase in {path} cannot be read: {why}", path=path, why=why_not(why)
        )
        raise KeyFileError(sentence) from None
