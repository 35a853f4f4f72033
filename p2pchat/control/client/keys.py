"""`p2pchat keys`: your keys, whose keys they know, a copy of one, and one to use. It needs no node.

    p2pchat keys                              alice@CIC  W2QH-…  where it is, and whom it knows
    p2pchat keys export FILE                  a copy with a passphrase, which is asked for twice
    p2pchat keys import FILE --name alice     before the first start on another machine
    p2pchat keys rotate                       another key, which follows this one in 30 days

Rules: no Twisted. A key leaves its folder with a passphrase only. One that a node uses is not
replaced, nor any that is there, unless that is asked for.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from getpass import GetPassWarning, getpass
from typing import Final

from p2pchat.disk import SYSTEM
from p2pchat.locks import lock
from p2pchat.mesh.identity.key_file import NEXT, Contents, contents_of, export_key, import_key
from p2pchat.mesh.identity.key_making import KeyFileError
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.key_words import day
from p2pchat.mesh.identity.next_key import read_next, rotate, take_over
from p2pchat.mesh.identity.pin_lines import PinsDamagedError, read_lines
from p2pchat.settings.paths import default_key_path
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence, _, spoken
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import why_not

_SUFFIX: Final = ".key"
_MOST: Final = 10_000_000


def do(options: argparse.Namespace) -> Iterator[str]:
    """Do what `options` say; lines for the person.

    Raises `KeyFileError` or `ValueError` with a sentence, and `EOFError` when a passphrase is
    asked for and nobody is there.
    """
    if options.what == "list" and options.file is None:
        return _list(options)
    if options.what == "export" and options.file is not None:
        return _export(options)
    if options.what == "import" and options.file is not None:
        return _import(options)
    if options.what == "rotate" and options.file is None:
        return _rotate(options)
    raise ValueError(
        Sentence(
            "say: {usage}",
            usage="keys [list | export FILE | import FILE [--replace] | rotate [--now]]",
        )
    )


def _list(options: argparse.Namespace) -> Iterator[str]:
    for path, contents in _found(options):
        known = f"{path.removesuffix(_SUFFIX)}.keys"
        key = _("damaged") if contents.key is None else fingerprint(contents.key)
        place = _("{path} (with a passphrase)").format(path=path) if contents.locked else path
        yield f"{bracketed(contents.owner or '?')}  {key}  {place}"
        yield from _next(path)
        yield from (f"  {line}" for line in _known(known))


def _next(path: str) -> Iterator[str]:
    """The key that is to follow the one at `path`, if there is one."""
    try:
        following = read_next(path)
    except KeyFileError as why:
        yield f"  {spoken(why)}"
        return
    if following is not None:
        soon = _("next key  {key}  soon  {path}")
        later = _("next key  {key}  from {day} on  {path}")
        line = (later if following.until else soon).format(
            key=fingerprint(following.statement.new),
            day=day(following.until),
            path=path + NEXT,
        )
        yield f"  {line}"


def _rotate(options: argparse.Namespace) -> Iterator[str]:
    path, contents = _the_one(options)
    passphrase = _passphrase_of(path, contents)
    made = rotate(path, os.urandom, time.time(), passphrase, at_once=options.now)
    new, who = fingerprint(made.statement.new), bracketed(contents.owner)
    held = lock(path) if options.now else None
    if not options.now:
        yield _("{who} has another key from {day} on: {key}").format(
            who=who, day=day(made.until), key=new
        )
        yield _("until then your peers are told of it, each when it has a link with you")
        yield _("a copy of the key that you keep is old then: make another one now")
    elif held is None:
        yield _("{who} has another key in half a minute: {key}").format(who=who, key=new)
        yield _(
            "your node tells it to who is there; everybody else refuses it until they /trust it"
        )
    else:
        try:
            take_over(path, contents.owner, passphrase)
        finally:
            held.release()
        yield _("{who} has another key from now on: {key}").format(who=who, key=new)
        yield _("nobody was told of it: everybody who knew you refuses it until they /trust it")


def _the_one(options: argparse.Namespace) -> tuple[str, Contents]:
    found = _found(options)
    if len(found) > 1:
        names = ", ".join(bracketed(contents.owner) for _path, contents in found[:10])
        raise KeyFileError(
            Sentence(
                "there are several ({names}): say which with --name or --namespace", names=names
            )
        )
    return found[0]


def _export(options: argparse.Namespace) -> Iterator[str]:
    path, contents = _the_one(options)
    passphrase = _passphrase_of(path, contents)
    new = _ask(_("passphrase for the copy: "))
    if new and _ask(_("once more: ")) != new:
        raise KeyFileError(
            Sentence("these are two passphrases, and nothing was written: try again")
        )
    export_key(path, options.file, passphrase, new)
    yield _("a copy of the key of {who} is in {path}").format(
        who=bracketed(contents.owner), path=options.file
    )
    yield _("keep it and its passphrase where nobody else finds both")


def _import(options: argparse.Namespace) -> Iterator[str]:
    contents = contents_of(options.file)
    name, _at, namespace = contents.owner.rpartition("@")
    name = options.name or name
    namespace = options.namespace or namespace or Settings().peer.namespace
    if not name:
        raise KeyFileError(
            Sentence("this file does not say whose key it is: say so with --name NAME")
        )
    peer_id = f"{name}@{namespace}"
    split_peer_id(peer_id)
    path = options.key or default_key_path(peer_id)
    passphrase = _passphrase_of(options.file, contents)
    import_key(options.file, path, peer_id, passphrase, replace=options.replace)
    key = contents_of(path).key
    yield _("{who} has the key {key} from now on, in {path}").format(
        who=bracketed(peer_id), key=fingerprint(key or b""), path=path
    )
    yield _("use it on one machine only: each message reaches one of those that have it")


def _found(options: argparse.Namespace) -> list[tuple[str, Contents]]:
    """The key files that are meant, one at least."""
    if options.key is not None:
        return [(options.key, contents_of(options.key))]
    folder = os.path.dirname(default_key_path("any@any"))
    try:
        files = sorted(file for file in os.listdir(folder) if file.endswith(_SUFFIX))
    except OSError:
        files = []
    found = []
    for file in files:
        path = os.path.join(folder, file)
        contents = contents_of(path)
        name, _at, namespace = contents.owner.rpartition("@")
        if options.name in (None, name) and options.namespace in (None, namespace):
            found.append((path, contents))
    if not found:
        raise KeyFileError(
            Sentence("there is no such key in {folder}; --key names one elsewhere", folder=folder)
        )
    return found


def _known(path: str) -> list[str]:
    """Whose keys a file knows, a line each."""
    try:
        contents = read_lines(SYSTEM.head(path, _MOST))
    except FileNotFoundError:
        return []
    except (OSError, PinsDamagedError) as why:
        reason = why_not(why) if isinstance(why, OSError) else why
        return [spoken(Sentence("{path} cannot be read: {why}", path=path, why=reason))]
    from p2pchat.console.key_lines import key_lines
    from p2pchat.mesh.identity.known_keys import KnownKeys

    lines = key_lines(KnownKeys(time.time, None, contents.lines))
    while True:
        try:
            next(lines)
        except StopIteration as end:
            made: list[str] = end.value
            return made


def _passphrase_of(path: str, contents: Contents) -> bytes:
    return _ask(_("passphrase of {path}: ").format(path=path)) if contents.locked else b""


def _ask(prompt: str) -> bytes:
    with warnings.catch_warnings():
        # Without a terminal it comes from standard input, and `getpass` says so.
        warnings.simplefilter("ignore", GetPassWarning)
        try:
            return getpass(prompt).encode()
        except UnicodeError:
            raise KeyFileError(
                Sentence("these bytes are no text on this terminal: try again")
            ) from None
