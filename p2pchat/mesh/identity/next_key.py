"""The key that is to follow ours: in a file beside it, until its day has come.

    alice@CIC.key         the key that is in use
    alice@CIC.key.next    the one that is to follow, and what both state about it
        p2pchat key of alice@CIC
        p2pchat next key {"old":…,"new":…,"count":…,"by_old":…,"by_new":…,"since":…,"until":…}
        -----BEGIN PRIVATE KEY----- ...

Rules: a file is there whole or not at all. The next key takes the place of the one before by one
rename, so that at any moment one of the two is the key, and the other one lies beside it or is
gone. Who writes or takes the next key has its lock: a person may ask for one while a node runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import unquote

import msgspec

from p2pchat.disk import SYSTEM
from p2pchat.mesh.identity.certificates import key_of
from p2pchat.mesh.identity.key_file import (
    NEXT,
    RECORD,
    damaged,
    escaped,
    fit,
    owner_in,
    read,
    record_in,
    seed_of,
    take,
    text_of,
    unwritable,
    write_whole,
)
from p2pchat.mesh.identity.key_making import KeyFileError, pem_of
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.key_words import day
from p2pchat.mesh.identity.keys import Keys, certificate_in
from p2pchat.mesh.identity.statement import Statement, as_message, make, next_count
from p2pchat.mesh.identity.statement import read as read_statement
from p2pchat.speech import Sentence
from p2pchat.wire.messages import KeyChange

STAYS: Final = 30 * 86_400.0
"""Seconds for which the key before is used: who was not there for so long has to `/trust`."""


class NextKey(NamedTuple):
    """A key that is to follow ours."""

    statement: Statement
    since: float
    """Seconds of the wall clock at which it was made."""
    until: float
    """The same for when it takes the place of the one before; 0: at once."""


class _Record(msgspec.Struct):
    old: str
    new: str
    count: int
    by_old: str
    by_new: str
    since: float
    until: float


def read_next(path: str) -> NextKey | None:
    """What is to follow the key at `path`, None for nothing. Raises `KeyFileError`."""
    if not os.path.lexists(path + NEXT):
        return None
    return _next_in(path + NEXT, text_of(path + NEXT)[0])


def rotate(
    path: str,
    random_bytes: Callable[[int], bytes],
    wall: float,
    passphrase: bytes = b"",
    *,
    at_once: bool = False,
) -> NextKey:
    """Make the key that is to follow the one at `path`, which a node may be using.

    `at_once`: it is to follow now, also if it was there already. Raises `KeyFileError`.
    """
    held = take(path + NEXT)
    try:
        text, _ = text_of(path)
        peer_id = unquote(owner_in(text))
        if not peer_id:
            raise KeyFileError(
                Sentence(
                    "{path} does not say whose key it is: import it under a name first", path=path
                )
            )
        old = _key_in(path, text)
        found = read_next(path)
        if found is None:
            return _make(path, text, peer_id, old, random_bytes, wall, passphrase, at_once)
        if found.statement.old != old:
            raise KeyFileError(
                Sentence(
                    "{next} is to follow another key than that in {path}: move it away",
                    next=path + NEXT,
                    path=path,
                )
            )
        if not at_once:
            raise KeyFileError(
                Sentence(
                    "a next key is there already, {key}, which is used from {day} on: "
                    "--now takes it now",
                    key=fingerprint(found.statement.new),
                    day=day(found.until),
                )
            )
        found = found._replace(until=0.0)
        _, begin, pem = text_of(path + NEXT)[0].partition("-----BEGIN")
        write_whole(path + NEXT, f"{_record(found)}\n{begin}{pem}", escaped(peer_id))
        return found
    finally:
        held.release()


def take_over(
    path: str,
    peer_id: str,
    passphrase: bytes = b"",
    cpu: Callable[[], float] = time.thread_time,
) -> Keys:
    """Have the next key be the key at `path`, which this process alone uses.

    Raises `KeyFileError`: then the key is the one that it was.
    """
    held = take(path + NEXT)
    try:
        # Not a file that OpenSSL will not take: nobody could start again.
        keys, _ = read(path + NEXT, peer_id, passphrase, cpu)
        found = read_next(path)
        if found is None or keys.own != found.statement.new:
            raise damaged(path + NEXT)
        try:
            os.rename(path + NEXT, path)
        except OSError as error:
            raise KeyFileError(unwritable(path, error)) from None
        with suppress(OSError):
            # It is the key now. Whatever a power cut leaves of it, it is taken again at the start.
            SYSTEM.sync_folder(path)
    finally:
        held.release()
    return keys


def replaced(path: str) -> bytes:
    """The key that the one at `path` has followed; empty for none, or when it does not say."""
    record = record_in(text_of(path)[0])
    return _read(path, record).statement.old if record else b""


def _make(
    path: str,
    text: str,
    peer_id: str,
    old: bytes,
    random_bytes: Callable[[int], bytes],
    wall: float,
    passphrase: bytes,
    at_once: bool,
) -> NextKey:
    old_seed, new_seed = seed_of(path, text, passphrase), random_bytes(32)
    pem = pem_of(new_seed, fit(passphrase))
    new = _key_in(path, pem)
    before = record_in(text)
    last = _read(path, before).statement.count if before else 0
    count = next_count(last, wall)
    statement = make(old, old_seed, new, new_seed, count, peer_id)
    made = NextKey(statement, wall, 0.0 if at_once else wall + STAYS)
    write_whole(path + NEXT, f"{_record(made)}\n{pem}", escaped(peer_id))
    return made


def _next_in(path: str, text: str) -> NextKey:
    found = _read(path, record_in(text))
    if _key_in(path, text) != found.statement.new:
        raise damaged(path)
    return found


def _key_in(path: str, text: str) -> bytes:
    try:
        key = key_of(certificate_in(text))
    except ValueError:
        key = None
    if key is None:
        raise damaged(path)
    return key


def _record(of: NextKey) -> str:
    said = as_message(of.statement, "")
    record = _Record(said.old, said.new, said.count, said.by_old, said.by_new, of.since, of.until)
    return RECORD + msgspec.json.encode(record).decode("ascii")


def _read(path: str, record: str) -> NextKey:
    try:
        of = msgspec.json.decode(record[len(RECORD) :], type=_Record)
        said = KeyChange("", of.old, of.new, of.count, of.by_old, of.by_new)
        for second in (of.since, of.until):
            day(second)  # in a file that somebody has changed it may be none
        return NextKey(read_statement(said), of.since, of.until)
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError):
        raise damaged(path) from None
