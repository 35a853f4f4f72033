"""What a program of another make said and heard, and what nodes did wrong towards it.

Rules: nothing of p2pchat's own reading and writing is trusted. A fault is a sentence; with nodes
that are right, and a program that keeps to the protocol, there are none.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

from p2pchat.testing.network import FakeHost


class Told(NamedTuple):
    """One message of an account."""

    peer_id: str
    """With whom: the other end's name on that link."""
    msg_id: str
    text: str
    """Both as they are, or as JSON when they were no strings."""
    kind: str = "SEND"


class Fault(NamedTuple):
    """What somebody did against the protocol."""

    ip: str
    """Who it was, for a name proves nothing."""
    peer_id: str
    """The name that it said, if any."""
    what: str


def plain(value: Any) -> str:
    """A string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


class Account:
    """The account of one program, `peer_id` on `host`."""

    def __init__(self, host: FakeHost, peer_id: str) -> None:
        self.host = host
        self.peer_id = peer_id
        self._by_id: dict[tuple[str, str], list[Told]] = {}
        self.said: Counter[Told] = Counter()
        """What it sent to a node, and how often."""
        self.acked: Counter[Told] = Counter()
        """The part of it that was acknowledged."""
        self.heard: list[Told] = []
        """All SEND and PUB that came, repetitions included."""
        self.faults: list[Fault] = []
        """What others did against the protocol; stays empty with nodes that are right."""

    def new_id(self) -> str:
        """A msg_id that nothing on this host had before."""
        return f"{self.host.ip}-{next(self.host.numbers)}"

    def texts_from(self, peer_id: str) -> list[str]:
        """What this node said to it, in its order, a message that came twice once."""
        once = dict.fromkeys(told for told in self.heard if told.peer_id == peer_id)
        return [told.text for told in once]

    def tell(self, peer_id: str, msg_id: Any, text: Any) -> None:
        """A SEND was written to a node."""
        told = Told(peer_id, plain(msg_id), plain(text))
        if told not in self.said:
            self._by_id.setdefault((peer_id, told.msg_id), []).append(told)
        self.said[told] += 1

    def hear(self, peer_id: str, message: dict[str, Any]) -> str:
        """A SEND or PUB came from a node; what is wrong with it, if it is not for us or not its."""
        kind, src, dst = message["type"], message.get("src"), message.get("dst")
        name, _, namespace = self.peer_id.rpartition("@")
        ours = (self.peer_id, name) if kind == "SEND" else ("*", f"#{namespace}")
        msg_id, text = plain(message.get("msg_id")), plain(message.get("payload"))
        self.heard.append(Told(peer_id, msg_id, text, kind))
        right = src == peer_id and dst in ours
        return "" if right else f"{kind} from {src!r} for {dst!r}"

    def acknowledge(self, peer_id: str, msg_id: Any) -> str:
        """An ACK came from a node: what is wrong with it.

        There may be one for each time that it was told something.
        """
        for said in self._by_id.get((peer_id, plain(msg_id)), ()):
            if self.acked[said] < self.said[said]:
                self.acked[said] += 1
                return ""
        return f"ACK of {msg_id!r}, which was not sent or is acknowledged already"
