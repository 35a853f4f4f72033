"""Answers every direct message with the same text: a bot on p2pchat's own classes.

    python examples/echo_bot.py echo CIC rendezvous.example.org 8080

Needs no other process: it is a node of its own, echo@CIC. Stop it with Ctrl-C.

It answers everybody. A bot that obeys must look who says so: `peer.security_of(message.src)` is
"verified", while it is told, and `peer.peer_id` is somebody who may.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from twisted.internet import reactor

from p2pchat import (
    CannotStartError,
    ChatNode,
    NotSentError,
    Observer,
    Peer,
    PeerSettings,
    Pub,
    RendezvousClient,
    Send,
    Settings,
)

MARK = "echo: "


class Echo(Observer):
    """Hears what comes to a node, and answers."""

    def __init__(self, node: ChatNode) -> None:
        self.node = node

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Answer direct messages, but not those of a bot like this one: it would never end."""
        for message in messages:
            if isinstance(message, Send) and not message.payload.startswith(MARK):
                with suppress(NotSentError):  # too much waits for this peer already
                    self.node.send(peer.peer_id, MARK + message.payload)


def main(name: str, namespace: str, host: str, port: str) -> None:
    """Run the bot until it is told to stop."""
    settings = Settings(peer=PeerSettings(name=name, namespace=namespace, port=0))
    node = ChatNode(reactor, settings, RendezvousClient(reactor, host, int(port)))
    node.observers.add(Echo(node))
    try:
        node.listen()
    except CannotStartError as why:
        sys.exit(str(why))
    reactor.callWhenRunning(node.startService)
    reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
    print(f"{node.me.peer_id} listens on port {node.port}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
