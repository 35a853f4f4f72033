"""The account of a conversation between two nodes: what was said, heard, and reported.

What must hold: what is said is delivered once or reported as not delivered, exactly one of them;
what was delivered was heard; nothing is heard twice; and on each link messages arrive in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer


class _Ear(Observer):
    def __init__(self, account: Account) -> None:
        self._account = account

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        self._account.outcomes.setdefault(msg_id, []).append("delivered")

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        self._account.outcomes.setdefault(msg_id, []).append("not delivered")


class Account:
    """Of two nodes; `say` has one of them say something to the other."""

    def __init__(self, nodes: Sequence[ChatNode]) -> None:
        self._nodes = nodes
        self.said: dict[str, str] = {}
        """msg_id -> text of all that was sent."""
        self.refused: list[str] = []
        """Texts that could not be sent, as the person was told at once."""
        self.outcomes: dict[str, list[str]] = {}
        self.heard: dict[int, list[str]] = {}
        """What came on each link of either node, in order."""
        self._links: list[Any] = []
        for node in nodes:
            node.observers.add(_Ear(self))
            self._listen(node)

    def _listen(self, node: ChatNode) -> None:
        deliver = node.mesh.on_chat

        def listening(peer: Any, link: Any, messages: Any) -> None:
            if link not in self._links:
                self._links.append(link)
            texts = [message.payload for message in messages]
            deliver(peer, link, messages)
            assert not node.incoming.duplicates, "we never send anything twice"
            self.heard.setdefault(self._links.index(link), []).extend(texts)

        node.mesh.on_chat = listening
        # A link that is open already knows whom it delivers to.
        for open_link in node.mesh.links:
            peer = node.peers.get(open_link.peer_id)
            open_link.deliver = partial(listening, peer)

    def say(self, one: int, text: str) -> None:
        """Have node number `one` say it to the other."""
        try:
            msg_id = self._nodes[one].send(self._nodes[1 - one].me.peer_id, text)
        except NotSentError:
            self.refused.append(text)
        else:
            self.said[msg_id] = text

    @property
    def links(self) -> int:
        """Links, seen from either end, on which something was heard."""
        return len(self._links)

    @property
    def open(self) -> int:
        """Messages without an outcome."""
        return len(self.said) - len(self.outcomes)

    def count(self, outcome: str) -> int:
        """Messages with this outcome."""
        return sum(outcome in found for found in self.outcomes.values())

    def check(self, test: SynchronousTestCase, where: str) -> None:
        """Assert what must hold."""
        heard = [text for texts in self.heard.values() for text in texts]
        test.assertEqual(len(heard), len(set(heard)), f"{where}: heard twice")
        test.assertEqual(self.outcomes.keys(), self.said.keys(), f"{where}: not accounted for")
        for msg_id, outcome in self.outcomes.items():
            test.assertEqual(len(outcome), 1, f"{where}: {self.said[msg_id]} ended as {outcome}")
        delivered = {self.said[i] for i, outcome in self.outcomes.items() if "delivered" in outcome}
        test.assertEqual(delivered - set(heard), set(), f"{where}: delivered and not heard")
        for texts in self.heard.values():
            test.assertEqual(texts, sorted(texts), f"{where}: out of order on one link")
