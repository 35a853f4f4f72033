"""The name of a node for which nobody chose one: the login name, or that with a number.

    take_name("ana", "lobby", asked)  ->  ana, or ana2 while ana runs elsewhere

Rules: a name has a history and a key, so it depends on no port and on no moment. First come the
names that have files here, in their order, then new ones. Who has a name holds a lock beside its
files until the process ends, however that ends. A new name is none that others have registered.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Final

from msgspec import Struct

from p2pchat.locks import Lock, lock
from p2pchat.rendezvous.directory import DirectoryError, Listings
from p2pchat.rendezvous.replies import read_listings
from p2pchat.rendezvous.reply_reader import ReplyReader
from p2pchat.settings.paths import own_files_path
from p2pchat.speech import Sentence
from p2pchat.wire.address import MAX_NAME
from p2pchat.wire.names import bracketed

_MOST: Final = 200
"""Nodes of one person in one namespace; what comes after is called like the first."""
_PATIENCE: Final = 2.0
"""Seconds in all that the rendezvous may take. Only a name without files waits for it."""
_MAX_REPLY: Final = 4_000_000
_MOST_LISTED: Final = 20_000
_ENDINGS: Final = (".sqlite", ".key", ".lock")
"""Of the files that a node leaves; the last one only if it was killed."""


class OwnName(Struct):
    """A name, and the right to use it. Call `release` when the node is gone."""

    name: str
    lock: Lock | None = None
    """None where no lock can be made; then only the rendezvous keeps two nodes apart."""
    told: Sentence | None = None
    """For the person, about why it is this one; None for the first choice."""

    def release(self) -> None:
        """Let another process have it."""
        if self.lock is not None:
            self.lock.release()


def take_name(login: str, namespace: str, registered: Callable[[], Collection[str]]) -> OwnName:
    """Take the first name of a person of this login name that no living node has.

    `registered` gives the names that are registered in the namespace; it is called when a name
    without files has to be taken, once.
    """
    names = [*_names(login)]
    files = _files_of(namespace)
    ours = [name for name in names if _stem(name, namespace) in files]
    others: Collection[str] | None = None
    in_use: list[Sentence] = []
    for name in [*ours, *(name for name in names if name not in ours)]:
        if name not in ours:
            others = registered() if others is None else others
            if name in others:
                in_use.append(Sentence("{peer} is somebody else", peer=_whole(name, namespace)))
                continue
        try:
            taken = hold_name(name, namespace)
        except OSError:
            taken = OwnName(name)
        if taken is not None:
            if in_use:
                taken.told = Sentence(
                    "{reason}: this one is {peer} (--name NAME chooses another)",
                    reason=in_use[0],
                    peer=_whole(name, namespace),
                )
            return taken
        in_use.append(Sentence("{peer} runs already", peer=_whole(name, namespace)))
    return OwnName(login)


def hold_name(name: str, namespace: str) -> OwnName | None:
    """Take this name for this process and its forks; None when another one has it.

    Raises `OSError`.
    """
    path = own_files_path(f"{name}@{namespace}")
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    taken = lock(path)
    return None if taken is None else OwnName(name, taken)


def names_registered(host: str, port: int, namespace: str) -> set[str]:
    """The names that a rendezvous lists in a namespace; none if it does not answer in time.

    Blocks for `_PATIENCE` seconds at most, the question for the address of `host` included.
    """
    found: set[str] = set()
    # A resolver cannot be given a time: it is left behind with its thread.
    asking = threading.Thread(target=_ask, args=(host, port, namespace, found), daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    return {*found}


def _whole(name: str, namespace: str) -> str:
    return bracketed(f"{name}@{namespace}")


def _names(login: str) -> Iterator[str]:
    for nth in range(1, _MOST):
        number = str(nth) if nth > 1 else ""
        yield login[: MAX_NAME - len(number)] + number


def _stem(name: str, namespace: str) -> str:
    return os.path.basename(own_files_path(f"{name}@{namespace}"))


def _files_of(namespace: str) -> set[str]:
    """The stems of the files that nodes have left; those of other namespaces do no harm."""
    try:
        files = os.listdir(os.path.dirname(own_files_path(f"any@{namespace}")))
    except OSError:
        return set()
    return {
        file.removesuffix(ending) for file in files for ending in _ENDINGS if file.endswith(ending)
    }


def _ask(host: str, port: int, namespace: str, found: set[str]) -> None:
    request = json.dumps({"type": "DISCOVER", "namespace": namespace})
    until = time.monotonic() + _PATIENCE
    reader, size = ReplyReader(most=_MOST_LISTED), 0
    with (
        suppress(OSError, DirectoryError),
        socket.create_connection((host, port), timeout=_PATIENCE) as connection,
    ):
        connection.sendall(request.encode() + b"\n")
        while size < _MAX_REPLY and time.monotonic() < until:
            data = connection.recv(65536)
            size += len(data)
            if not data or reader.feed(data):
                break
        if reader.result is None and not reader.ended():
            return
        reply = reader.result
        listings = reply if isinstance(reply, Listings) else read_listings(reply or b"")
        found.update(entry.name for entry in listings if entry.namespace == namespace)
