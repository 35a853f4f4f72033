"""Writing to a TCP socket at once, instead of in the reactor's next turn.

`transport.write` only queues: the reactor is told to watch the socket, polls, sends, and is told to
stop watching, which costs twice what the sending does. When nothing is queued the socket can be
tried at once, and only what it does not take goes the long way.

This is the one function that looks at Twisted's private parts. It does so for plain TCP
connections of a kind that it knows, and calls `transport.write` for everything else;
`tests/test_eager.py` fails when Twisted changes what is relied on.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Client, Server


def write_now(transport: Any, data: bytes) -> None:
    """Send `data` as `transport.write` does, but at once if nothing is queued before it.

    An error of the socket is left to the transport, which will meet it, too, and end the
    connection.
    """
    # Not isinstance: a subclass, or a wrapper that passes attributes on, may have encryption.
    kind = type(transport)
    if (
        (kind is Server or kind is Client)
        and not transport.TLS
        and not transport.dataBuffer
        and not transport._tempDataLen
        and transport.connected
        and not transport.disconnecting
        and not transport._writeDisconnected
    ):
        try:
            sent = transport.socket.send(data)
        except OSError:
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)
