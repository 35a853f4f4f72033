"""Answers every direct message with the same text: a bot on p2pchat's own classes.

    python examples/echo_bot.py echo@CIC rendezvous.example.org:8080

Needs no other process: it is a node of its own. Stop it with Ctrl-C.
"""

from __future__ import annotations

import sys

from twisted.internet import reactor

from p2pchat.mesh.peers import Peer
from p2pchat.node.node import CannotStartError, ChatNode
from p2pchat.node.observers import Observer
from p2pchat.node.outgoing import NotSentError
from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.settings.values import PeerSettings, Settings
from p2pchat.wire.messages import Pub, Send

MARK = "echo: "


class Echo(Observer):
    """Hears what comes to a node, and answers."""

    def __init__(self, node: ChatNode) -> None:
        self.node = node

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Answer direct messages, but not those of a bot like this one: it would never end."""
        for message in messages:
            if isinstance(message, Send) and not message.payload.startswith(MARK):
                try:
                    self.node.send(peer.peer_id, MARK + message.payload)
                except NotSentError as why:
                    print(f"no answer for {peer.peer_id}: {why}", file=sys.stderr)


def main() -> None:
    """Run the node until it is told to stop."""
    peer_id, rendezvous = sys.argv[1:]
    name, _, namespace = peer_id.rpartition("@")
    host, _, port = rendezvous.rpartition(":")
    settings = Settings(peer=PeerSettings(name=name, namespace=namespace, port=0))
    node = ChatNode(reactor, settings, RendezvousClient(reactor, host, int(port)))
    node.observers.add(Echo(node))
    try:
        node.listen()
    except CannotStartError as why:
        sys.exit(str(why))
    reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
    reactor.callWhenRunning(node.startService)
    reactor.callWhenRunning(print, f"{peer_id} listens on port {node.port}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
