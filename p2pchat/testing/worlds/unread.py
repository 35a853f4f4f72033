"""What nobody has seen yet at each node of a world, and what it says of that when it starts.

    unread.came("bob@CIC", "alice@CIC", "alice 3")     shown while no console attends
    unread.read("bob@CIC")                             somebody looked, or may have
    unread.missing("bob@CIC", history.unread)     ->   the conversations of which it says too little

Rules: it knows what must be unread at least. Whatever may have been seen, lost or deleted since is
not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from p2pchat.testing.worlds.account import Account

MOST = 1000
"""More of a conversation are not counted by a node."""


class Unread:
    """That of all nodes; `account` knows what was forgotten, or not kept."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._came: dict[str, dict[str, set[str]]] = {}

    def came(self, name: str, conversation: str, text: str) -> None:
        """A node has shown this while nobody attended."""
        self._came.setdefault(name, {}).setdefault(conversation, set()).add(text)

    def read(self, name: str) -> None:
        """Somebody sees what this node shows, or what is in its history."""
        self._came.pop(name, None)

    def killed(self, name: str) -> None:
        """What was published is shown before it is stored, and may be gone."""
        came = self._came.get(name, {})
        for conversation in [each for each in came if each.startswith(("*", "#"))]:
            del came[conversation]

    def missing(self, name: str, said: Mapping[str, int]) -> Iterator[str]:
        """What a node that has just started leaves out, as sentences."""
        account = self._account
        if name in account.damaged:
            return
        for conversation, texts in self._came.get(name, {}).items():
            least = sum(
                (name, text) not in account.perhaps_forgotten | account.unkept for text in texts
            )
            if said.get(conversation, 0) < min(least, MOST):
                yield f"{name}: {said.get(conversation, 0)} of {least} of {conversation}"
