"""The file of a control socket: ours, gone, or somebody else's.

    port = SocketPort(path, factory, clients, reactor)
    port.startListening()      # raises CannotListenError
    port.is_there              # whether that file is still the one that was made
    port.stopListening()

Rules: a socket cannot be reached once its file was removed, and nothing tells whoever listens. What
another program has put into its place is never touched. A socket is its owner's alone until it has
its group.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure

from p2pchat.speech import Sentence
from p2pchat.wire.text import shortened, why_not


class GroupError(Exception):
    """The socket cannot be given to its group; the text says why."""


class SocketPort(unix.Port):
    """Listens at `path`, for its owner alone, or for the members of a group of the system as well.

    `reactor` provides IReactorUNIX.
    """

    def __init__(
        self,
        path: str,
        factory: ServerFactory,
        backlog: int,
        reactor: Any,
        group: str | None = None,
    ) -> None:
        super().__init__(os.fsencode(path), factory, backlog, 0o600, reactor)
        self._path = path
        self._group = group
        self._made: tuple[int, int] | None = None

    @property
    def is_there(self) -> bool:
        """Whether its file is still there, and no other one in its place."""
        return self._made is not None and self._made == self._found()

    def startListening(self) -> None:
        """Make the file, and remember which one it is; raises `GroupError`."""
        number = None if self._group is None else _number(self._group)
        super().startListening()
        self._made = self._found()
        if number is not None:
            try:
                os.chown(self._path, -1, number)
                os.chmod(self._path, 0o660)
            except OSError as why:
                os.unlink(self._path)
                self.stopListening()
                raise GroupError(
                    Sentence("{group}: {why}", group=self._group, why=why_not(why))
                ) from None

    def connectionLost(self, reason: Failure) -> None:
        """Remove the file if it is ours; Twisted's own would fail, and leave the socket open."""
        if self.is_there:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        tcp.Port.connectionLost(self, reason)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _number(group: str) -> int:
    import grp

    if group.isascii() and group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise GroupError(Sentence("{group}: there is none", group=shortened(group))) from None
