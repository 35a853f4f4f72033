"""The file with our own key: made at the first start, read at each.

    p2pchat key of alice@CIC
    -----BEGIN PRIVATE KEY----- ...
    -----BEGIN CERTIFICATE----- ...

    p2pchat next key {...}              only in a copy, of a key that another is to follow:
    -----BEGIN PRIVATE KEY----- ...     see `next_key`

Rules: the file is ours alone (0600, its folder 0700), and one process uses it (`locks`). It is
there whole or not at all. A file that cannot be used is never replaced by a new key on its own: the
node does not start, and one sentence says what to do. The certificate follows from the private key,
so a copy of the file is a backup, and so is the private key alone.
"""

from __future__ import annotations

import os
import ssl
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from tempfile import NamedTemporaryFile
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from p2pchat.disk import SYSTEM
from p2pchat.locks import Lock, lock
from p2pchat.mesh.identity.certificates import ANYONE, ANYONE_SEED, key_of
from p2pchat.mesh.identity.key_making import KeyFileError, RefusedBySystem, pem_of, seed_in
from p2pchat.mesh.identity.keys import Keys, certificate_in
from p2pchat.mesh.identity.sealing import Seal, SealError
from p2pchat.speech import Sentence
from p2pchat.wire.text import why_not

_TITLE: Final = "p2pchat key of "
RECORD: Final = "p2pchat next key "
"""How the line begins that says what is stated of a key that follows another one."""
NEXT: Final = ".next"
"""What stands behind the name of a key file in that of the key which is to follow."""
_MOST: Final = 65_536
"""Bytes of a key file; it has about 700."""
_LONGEST_PASSPHRASE: Final = 1000
"""Bytes; OpenSSL takes 1,024."""
_ENCRYPTED: Final = "-----BEGIN ENCRYPTED PRIVATE KEY-----"
_PKCS8: Final = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the seed in a private key of this kind."""


class OwnKey(NamedTuple):
    """Our key, and what is to be told of its file."""

    keys: Keys
    made: bool
    """Whether the key is new: those who knew another one will refuse it."""
    was_open: bool
    """Whether others could read the file until now."""
    lock: Lock | None
    """To be released when the key is not used any more; None for one of this process only."""


class Contents(NamedTuple):
    """What a key file says."""

    owner: str
    """The peer_id of whose it is; empty when it does not say."""
    locked: bool
    """Whether it opens with a passphrase only."""
    key: bytes | None
    """The key of its certificate, None when it has none."""


def open_key(
    path: str,
    peer_id: str,
    random_bytes: Callable[[int], bytes],
    passphrase: bytes = b"",
    cpu: Callable[[], float] = time.thread_time,
) -> OwnKey:
    """Take the key at `path` for this process; make one if there is none.

    `peer_id` is whose it is. Raises `KeyFileError`.
    """
    held = take(path)
    try:
        made = not os.path.lexists(path)
        if made:
            write_whole(path, pem_of(random_bytes(32), fit(passphrase)), escaped(peer_id))
        keys, was_open = read(path, peer_id, passphrase, cpu)
    except BaseException:
        held.release()
        raise
    return OwnKey(keys, made, was_open, held)


def fleeting_key(
    random_bytes: Callable[[int], bytes], cpu: Callable[[], float] = time.thread_time
) -> OwnKey:
    """A key for this process only; nothing of it stays. Raises `KeyFileError`."""
    text = pem_of(random_bytes(32))
    try:
        # OpenSSL reads files alone. This one can be read by us alone, and is gone at once.
        with NamedTemporaryFile("w", prefix="p2pchat-", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            keys = load(file.name, text, b"", cpu)
    except OSError as error:
        raise KeyFileError(
            Sentence("no place for a key of this process: {why}", why=why_not(error))
        ) from None
    return OwnKey(keys, True, False, None)


def read(
    path: str,
    peer_id: str = "",
    passphrase: bytes = b"",
    cpu: Callable[[], float] = time.thread_time,
) -> tuple[Keys, bool]:
    """The key in a file, and whether others could read it, which they cannot any more.

    `peer_id` is whose it must be, if the file says so; "" for anybody's. Raises `KeyFileError`.
    """
    text, was_open = text_of(path)
    owner = owner_in(text)
    if peer_id and owner and owner != escaped(peer_id):
        raise KeyFileError(
            Sentence(
                "{path} is the key of {owner}: move it away to have one made for {peer_id}, "
                "or import it under that name",
                path=path,
                owner=owner,
                peer_id=peer_id,
            )
        )
    return load(path, text, passphrase, cpu), was_open


def contents_of(path: str) -> Contents:
    """What a key file says to who has no passphrase. Raises `KeyFileError`."""
    text, _ = text_of(path, mend=False)
    try:
        key = key_of(certificate_in(text))
    except ValueError:
        key = None
    return Contents(unquote(owner_in(text)), _ENCRYPTED in text, key)


def export_key(path: str, target: str, passphrase: bytes, new_passphrase: bytes) -> None:
    """Write the key at `path` to the new file `target`, protected by `new_passphrase`.

    With the key that is to follow it, if there is one; see `next_key`. Raises `KeyFileError`.
    """
    if not new_passphrase:
        raise KeyFileError(Sentence("a key leaves its folder with a passphrase only: give one"))
    text, _ = text_of(path)
    pem = pem_of(seed_of(path, text, passphrase), fit(new_passphrase))
    if os.path.lexists(target):
        raise KeyFileError(Sentence("{path} is there already: name a new file", path=target))
    following = path + NEXT
    if os.path.lexists(following):
        again = _again(following, text_of(following)[0], passphrase, new_passphrase)
        # Who uses the copy as it is shows one certificate.
        pem += again.partition(ssl.PEM_HEADER)[0]
    write_whole(target, pem, owner_in(text))


def import_key(
    source: str,
    path: str,
    peer_id: str,
    passphrase: bytes = b"",
    new_passphrase: bytes = b"",
    *,
    replace: bool = False,
) -> None:
    """Put the key from the file `source` at `path`, as the key of `peer_id`.

    `passphrase` opens it; at its new place `new_passphrase` does. Raises `KeyFileError`: a key that
    is there stays unless `replace`, and one that a node uses stays anyway.
    """
    text, _ = text_of(source, mend=False)
    own, following = _apart(text)
    pem = pem_of(seed_of(source, own, passphrase), fit(new_passphrase))
    if following:
        following = _again(source, following, passphrase, new_passphrase)
    held = take(path)
    try:
        if os.path.lexists(path) and not replace:
            raise KeyFileError(
                Sentence("{path} is there already: keep a copy of it, and say --replace", path=path)
            )
        # A key that is to follow another one than that which is there is used by nobody.
        if following:
            write_whole(path + NEXT, following, escaped(peer_id))
        write_whole(path, pem, escaped(peer_id))
        if not following:
            with suppress(FileNotFoundError):
                os.unlink(path + NEXT)
    finally:
        held.release()


def _apart(text: str) -> tuple[str, str]:
    """The first key in a text, and the one that is to follow it, if it is there, too."""
    own, end, rest = text.partition(ssl.PEM_FOOTER)
    _, begin, more = rest.partition(RECORD)
    return own + end, begin + more


def _again(path: str, text: str, passphrase: bytes, new_passphrase: bytes) -> str:
    """The key in `text`, protected by another passphrase, and what is stated of it."""
    line = record_in(text)
    if not line:
        raise damaged(path)
    return f"{line}\n" + pem_of(seed_of(path, text, passphrase), fit(new_passphrase))


def record_in(text: str) -> str:
    """The line with what is stated of a key that follows another; "" when there is none."""
    before, _, _ = text.partition("-----BEGIN")
    return next((line for line in before.split("\n") if line.startswith(RECORD)), "")


def take(path: str) -> Lock:
    """Have this process alone use a file; raises `KeyFileError` when another one has it."""
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        held = lock(path)
    except OSError as error:
        raise KeyFileError(
            Sentence(
                "{path} cannot be locked: {why} (--key FILE names another place, "
                "--key none takes a new key each time)",
                path=path,
                why=why_not(error),
            )
        ) from None
    if held is None:
        raise KeyFileError(
            Sentence("{path} is in use by another process: end that one first", path=path)
        )
    return held


def text_of(path: str, *, mend: bool = True) -> tuple[str, bool]:
    """What a key file holds, and whether others could read it (`mend`: not any more)."""
    try:
        # A pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(Sentence("{path} is no file: move it away", path=path))
            if mend and status.st_uid != os.geteuid():
                raise KeyFileError(
                    Sentence(
                        "{path} belongs to another user: move it away, or make it yours", path=path
                    )
                )
            is_open = bool(status.st_mode & 0o077)
            if mend and is_open:
                os.fchmod(descriptor, 0o600)
            data = os.read(descriptor, _MOST)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyFileError(unreadable(path, error)) from None
    try:
        return data.decode("ascii"), is_open
    except UnicodeDecodeError:
        raise damaged(path) from None


def escaped(peer_id: str) -> str:
    """A peer_id on one line, in ASCII."""
    return quote(peer_id, safe="@")


def owner_in(text: str) -> str:
    """Whose key it is, escaped as it is in the file; "" when the file does not say."""
    first, _, _ = text.partition("\n")
    return first[len(_TITLE) :] if first.startswith(_TITLE) and first.isprintable() else ""


def load(path: str, text: str, passphrase: bytes, cpu: Callable[[], float]) -> Keys:
    """The key in this text, which is what `path` holds."""
    try:
        keys = Keys(path, text, fit(passphrase), cpu=cpu)
        _try(keys)
    except (ValueError, OSError, SealError) as error:  # ssl.SSLError is an OSError
        if _ENCRYPTED in text and isinstance(error, ssl.SSLError):
            raise _locked_up(path, passphrase) from None
        _try_system()
        raise damaged(path) from None
    return keys


def _try(keys: Keys) -> None:
    """Have the key meet itself: others will accept the certificate that it shows.

    The dialer is done after one answer, and has checked what the listener would check once more.
    It does the same work: it reads one flight, makes one, and looks at one certificate.
    """
    dialer, listener = Seal(keys, dialed=True), Seal(keys, dialed=False)
    listener.shake(dialer.start())
    dialer.shake(listener.answer())
    if dialer.key != keys.own:
        raise ValueError("its certificate is of another key")
    keys.usual = dialer.spent


def _try_system() -> None:
    """Raise `RefusedBySystem` unless the library takes the key of "anyone", which is sound."""
    private = ssl.DER_cert_to_PEM_cert(_PKCS8 + ANYONE_SEED).replace("CERTIFICATE", "PRIVATE KEY")
    with NamedTemporaryFile("w", prefix="p2pchat-", encoding="utf-8") as file:
        file.write(private + ssl.DER_cert_to_PEM_cert(ANYONE))
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file.name)
        except ssl.SSLError:
            raise RefusedBySystem from None


def seed_of(path: str, text: str, passphrase: bytes) -> bytes:
    """The seed of the first private key in a text; raises `KeyFileError`."""
    try:
        return seed_in(text, fit(passphrase))
    except ValueError:
        raise (_locked_up(path, passphrase) if _ENCRYPTED in text else damaged(path)) from None


def fit(passphrase: bytes) -> bytes:
    """The passphrase, if OpenSSL takes one as long; else raises `KeyFileError`."""
    if len(passphrase) > _LONGEST_PASSPHRASE:
        raise KeyFileError(
            Sentence(
                "a passphrase has {most} bytes at most: take another", most=_LONGEST_PASSPHRASE
            )
        )
    return passphrase


def damaged(path: str) -> KeyFileError:
    """What to say of a file that cannot be used."""
    return KeyFileError(
        Sentence(
            "{path} is damaged: put a copy of it back, or move it away to have a new key made",
            path=path,
        )
    )


def unreadable(path: str, error: OSError) -> Sentence:
    """What to say of a file that cannot be read."""
    return Sentence("{path} cannot be read: {why}", path=path, why=why_not(error))


def unwritable(path: str, error: OSError) -> Sentence:
    """What to say of a file that cannot be written."""
    return Sentence("{path} cannot be written: {why}", path=path, why=why_not(error))


def _locked_up(path: str, passphrase: bytes) -> KeyFileError:
    if passphrase:
        return KeyFileError(
            Sentence("{path} does not open with this passphrase: give the right one", path=path)
        )
    return KeyFileError(
        Sentence("{path} has a passphrase: name a file with it in passphrase_file", path=path)
    )


def write_whole(path: str, pem: str, owner: str) -> None:
    """Have the file hold this, whole or not at all, also after a power cut."""
    text = (f"{_TITLE}{owner}\n" if owner else "") + pem
    try:
        SYSTEM.replace(path, text.encode())
    except OSError as error:
        raise KeyFileError(unwritable(path, error)) from None
