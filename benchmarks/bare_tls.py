"""The floor below a sealed link: TLS over memory as `ssl` gives it, and next to nothing around it.

    python -m benchmarks.bare_tls PORT

It listens, shakes hands with the same kind of certificate as a node, and answers the first line by
HELLO_OK. It has none of the duties of a node, and keeps of a link what `ssl` needs.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys

from benchmarks.measuring import LOOPBACK, NAMESPACE, line
from p2pchat.mesh.identity.key_file import fleeting_key

_ANSWER = line(kind="HELLO_OK", peer_id=f"bob@{NAMESPACE}", version="1.0", features=[], ttl=1)


class Link:
    """One connection."""

    __slots__ = ("_done", "_in", "_out", "_socket", "_tls")

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._socket = connection
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._done = False

    def read(self) -> bool:
        """Take in what came; False at the end."""
        data = self._socket.recv(65_536)
        if not data:
            return False
        self._in.write(data)
        try:
            if not self._done:
                self._tls.do_handshake()
                self._done = True
            if self._in.pending and self._tls.read(16_384):
                self._tls.write(_ANSWER)
        except ssl.SSLWantReadError:
            pass
        if self._out.pending:
            self._socket.sendall(self._out.read())
        return True


def main(port: int) -> None:
    """Serve until the process is ended."""
    context = fleeting_key(os.urandom).keys.to_listen
    listening = socket.create_server((LOOPBACK, port), backlog=1000)
    ready = select.epoll()
    ready.register(listening.fileno(), select.EPOLLIN)
    links: dict[int, Link] = {}
    while True:
        for descriptor, _ in ready.poll():
            if descriptor == listening.fileno():
                connection, _address = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                links[connection.fileno()] = Link(connection, context)
                ready.register(connection.fileno(), select.EPOLLIN)
            elif not links[descriptor].read():
                ready.unregister(descriptor)
                del links[descriptor]


if __name__ == "__main__":
    main(int(sys.argv[1]))
