"""What the Tab key offers: commands, peers with their status, namespaces, levels; names in text.

Rules: nothing is asked of anybody, only what the node knows is offered, connected peers first;
and of many only the first hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final
from unicodedata import normalize

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from p2pchat.console.commands.security import SEEN
from p2pchat.console.full.typed_text import text_of
from p2pchat.console.full.vocabulary import known_commands
from p2pchat.logs.levels import LEVELS
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.peers import Peer, PeerTable, Status
from p2pchat.speech import _, ngettext
from p2pchat.wire.names import visible
from p2pchat.wire.text import printable

_MOST: Final = 100
_WITH_TEXT: Final = frozenset({"msg", "pub", "reply", "r", "me"})
"""Commands that end with a text."""
_OF_PEERS: Final = frozenset(
    ("to", "query", "msg", "history", "outbox", "forget", "block", "verify", "pair", "whois")
) | {"ignore", "unignore", "mute", "unmute", "alias"}
"""Commands whose first argument may be a peer."""


def _pinned(known: KnownKeys) -> Iterator[tuple[str, str]]:
    """What /keys can do."""
    for pin in known.pins():
        yield f"forget {visible(pin.peer_id)}", pin.fingerprint


def _folded(text: str) -> str:
    """Text without its case and the form of Unicode; an accent comes after its letter."""
    return text.casefold() if text.isascii() else normalize("NFD", text).casefold()


class ChatCompleter(Completer):
    """Completes the word before the cursor, as its command needs it."""

    def __init__(
        self,
        peers: PeerTable,
        own_namespace: str,
        blocked: Callable[[], Sequence[str]] = tuple,
        known: KnownKeys | None = None,
    ) -> None:
        self._known = known
        self._peers = peers
        self._blocked = blocked
        self._own_namespace = own_namespace

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Iterable[Completion]:
        """What could stand at the cursor."""
        line = document.text_before_cursor
        if text_of(line) is not None:
            return self._named(line, first=True)
        word, space, rest = line.partition(" ")
        if word[1:].lower() in _WITH_TEXT and " " in rest.lstrip():
            return self._named(rest, first=False)
        if not space:
            offered: Iterator[tuple[str, str]] = (
                (f"/{name} ", _(summary)) for name, _arguments, summary in known_commands()
            )
        else:
            offered, word = self._arguments(word[1:].lower()), rest
        wanted = _folded(word)
        fitting = (each for each in offered if _folded(each[0]).startswith(wanted))
        return [
            Completion(text, -len(word), display=printable(text.rstrip()), display_meta=meta)
            for text, meta in islice(fitting, _MOST)
        ]

    def _named(self, text: str, *, first: bool) -> list[Completion]:
        """Names for the last word of a text, with a colon where it is the first one."""
        start = max(text.rfind(" "), text.rfind("\n"), text.rfind("\t")) + 1
        wanted, end = _folded(text[start:]), ": " if first and not start else " "
        if not wanted:
            return []
        # Two of the same name are one word; the status is that of who is easier to reach.
        found: dict[str, str] = {}
        for peer in self._sorted():
            name = visible(peer.peer_id.rpartition("@")[0])
            if _folded(name).startswith(wanted):
                found.setdefault(name, peer.status.value)
        return [
            Completion(name + end, start - len(text), display=name, display_meta=status)
            for name, status in islice(found.items(), _MOST)
        ]

    def _arguments(self, command: str) -> Iterator[tuple[str, str]]:
        if command in _OF_PEERS:
            yield from ((f"{name} ", meta) for name, meta in self._people())
        if command in ("to", "query", "pub", "peers", "history", "mute", "unmute"):
            yield from ((f"{name} ", meta) for name, meta in self._scopes())
        if command == "unblock":
            yield from ((entry, _("blocked")) for entry in self._blocked())
        if command in ("trust", "keys") and self._known is not None:
            yield from self._refused(self._known) if command == "trust" else _pinned(self._known)
        if command == "log":
            yield from ((level, "") for level in LEVELS)
        if command == "help":
            yield from ((name, _(summary)) for name, _arguments, summary in known_commands())

    def _refused(self, known: KnownKeys) -> Iterator[tuple[str, str]]:
        """What /trust can take without being compared: what has just been refused."""
        for peer_id in known.refused_names():
            for fingerprint in known.completions(peer_id):
                yield f"{visible(peer_id)} {fingerprint} {SEEN}", _("refused")

    def _sorted(self) -> list[Peer]:
        order = [Status.CONNECTED, *(each for each in Status if each is not Status.CONNECTED)]
        return sorted(self._peers, key=lambda peer: (order.index(peer.status), peer.peer_id))

    def _people(self) -> Iterator[tuple[str, str]]:
        for alias, peer_id in self._peers.aliases.items():
            yield alias, visible(peer_id)
        for peer in self._sorted():
            yield visible(peer.peer_id), peer.status.value

    def _scopes(self) -> Iterator[tuple[str, str]]:
        counts = {self._own_namespace: 0}
        up = 0
        for peer in self._peers:
            connected = int(bool(peer.links))
            counts[peer.namespace] = counts.get(peer.namespace, 0) + connected
            up += connected
        yield "*", _connected(up)
        # A namespace with hidden characters could not be told from what stands for them.
        for namespace in sorted(each for each in counts if visible(each) == each):
            yield f"#{namespace}", _connected(counts[namespace])


def _connected(n: int) -> str:
    return ngettext("{n} connected", "{n} connected", n).format(n=n)
