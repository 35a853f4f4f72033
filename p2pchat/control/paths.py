"""Where control sockets are: one folder for each person, one socket for each of their nodes.

    $XDG_RUNTIME_DIR/p2pchat/alice@CIC.sock

Rules: no Twisted here, because short-lived clients use it. The folder belongs to its person alone
(mode 0700), and a folder that somebody else could change is refused. A socket of a node that died
is replaced, one of a node that lives never is. Every error is a `ControlError` with a sentence.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import sys
from collections.abc import Mapping
from typing import Final

from p2pchat.speech import Sentence
from p2pchat.wire.text import shortened, why_not

SUFFIX: Final = ".sock"
MAX_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes of the longest name that a UNIX socket can have."""
SYSTEM_FOLDER: Final = "/run/p2pchat"
"""Where the example of a service puts its socket; clients look there, too."""
RENDEZVOUS_FOLDER: Final = "/run/p2pchat-rendezvous"
"""The same for the example of a rendezvous."""
_LONGEST_NAME: Final = 40


class ControlError(Exception):
    """A control socket cannot be used; its `Sentence` is for the person."""


def runtime_folder(environ: Mapping[str, str] | None = None, uid: int | None = None) -> str:
    """The folder of this person's control sockets; it may not exist yet.

    `$XDG_RUNTIME_DIR/p2pchat`, or the same in `/run/user/UID`; on a system that has neither,
    `p2pchat-UID` among the temporary files.
    """
    uid = os.geteuid() if uid is None else uid
    base = (os.environ if environ is None else environ).get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(base):
        base = f"/run/user/{uid}"
        if not os.path.isdir(base):
            return os.path.join("/tmp", f"p2pchat-{uid}")
    return os.path.join(base, "p2pchat")


def prepare_folder(folder: str, uid: int | None = None) -> None:
    """Make the folder if it is not there; raises `ControlError` if it is not ours alone."""
    uid = os.geteuid() if uid is None else uid
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError as error:
        raise ControlError(_about(folder, why_not(error))) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
        raise ControlError(_about(folder, Sentence("others may change this folder")))


def socket_path(folder: str, peer_id: str, also: str = "") -> str:
    """The name of the socket for the node called `peer_id`.

    `also` sets two nodes with one peer_id apart. A peer_id that is too long for a file's name, or
    odd, is shortened and gets a checksum; who asks the node itself gets the whole one.
    """
    name = re.sub(r"[^A-Za-z0-9@._-]", "_", peer_id)
    if name != peer_id or len(name) > _LONGEST_NAME or name.startswith("."):
        import zlib

        checksum = zlib.crc32(peer_id.encode("utf-8", "surrogatepass"))
        name = f"{name[:_LONGEST_NAME].lstrip('.')}-{checksum:08x}"
    return os.path.join(folder, name + (f".{also}" if also else "") + SUFFIX)


def check_length(path: str) -> None:
    """Raise `ControlError` when the system cannot have a socket of this name."""
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise ControlError(_about(path, Sentence("that cannot be the name of a file"))) from None
    if size > MAX_PATH:
        too_many = Sentence(
            "{size} bytes are too many for the name of a socket, {most} is the most: choose a "
            "shorter one with --control",
            size=size,
            most=MAX_PATH,
        )
        raise ControlError(_about(path, too_many))


def connect(path: str, *, named: bool = False) -> socket.socket:
    """A connection to the node behind this socket; raises `ControlError` when there is none.

    A socket that another user made, or could have made, is refused: what a client says there is
    for the person's own node, and what comes back would be believed. `named`: the person has named
    this very socket. Then it may be another user's, who lets a group of ours use it.
    """
    check_length(path)
    _check_owner(path, named=named)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(5.0)
        connection.connect(path)
    except (OSError, ValueError) as error:
        connection.close()
        if isinstance(error, OSError):
            why = _NO_NODE.get(error.errno or 0) or why_not(error)
        else:
            why = Sentence("that cannot be the name of a file")
        raise ControlError(_about(path, why)) from None
    return connection


_NO_NODE: Final = {
    errno.ECONNREFUSED: Sentence("the node that made it is gone"),
    errno.ENOENT: Sentence("there is no such socket: is the node running?"),
    errno.ENOTSOCK: Sentence("that is not a socket"),
}


def _about(path: str, why: Sentence) -> Sentence:
    return Sentence("{path}: {why}", path=shortened(path), why=why)


def _check_owner(path: str, *, named: bool) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    try:
        found, place = os.lstat(path), os.stat(folder)
    except (OSError, ValueError):
        return  # connecting says better what is wrong
    uid = os.geteuid()
    if uid == 0 and folder in (SYSTEM_FOLDER, RENDEZVOUS_FOLDER):
        return  # a service of the system has a user of its own, and only root makes folders there
    owners = [uid, 0]
    if named and found.st_mode & 0o060 == 0o060 and found.st_gid in os.getgroups():
        owners.append(found.st_uid)
    if found.st_uid not in owners:
        raise ControlError(_about(path, Sentence("another user made this socket")))
    # In a folder like /tmp everybody may put something, and only its owner may take it away.
    shared = place.st_mode & 0o022 and not place.st_mode & stat.S_ISVTX
    if place.st_uid not in owners or shared:
        raise ControlError(_about(path, Sentence("others may change the folder of this socket")))


def make_way(path: str) -> bool:
    """Remove the socket of a node that is gone; False when a living one has it.

    Raises `ControlError` when `path` is no socket, or cannot be removed.
    """
    check_length(path)
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ControlError(_about(path, Sentence("something that is no socket is there")))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            # A living one whose queue is full answers EAGAIN, so that this never waits.
            probe.setblocking(False)
            code = probe.connect_ex(path)
        if code not in (errno.ECONNREFUSED, errno.ENOENT):
            return False
        os.unlink(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        no_name = Sentence("that cannot be the name of a file")
        reason = why_not(error) if isinstance(error, OSError) else no_name
        raise ControlError(_about(path, reason)) from None
    return True


def sockets_in(folder: str) -> list[str]:
    """All that look like control sockets in a folder, by name; none when it cannot be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if name.endswith(SUFFIX)]
