"""The direct messages of one person: to whom, and what became of them.

Rules: no I/O. The node tells what becomes of each message; here it becomes a line, and is counted.
What other parts of the program send through the same node is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, succeed

from p2pchat.node.news import Became, News, NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.speech import Sentence, _, sentence_of, spoken
from p2pchat.wire.address import AmbiguousNameError
from p2pchat.wire.names import bracketed, visible
from p2pchat.wire.text import printable, shortened

_NAMES: Final = 10
_SHOWN: Final = 40
"""Characters of a message by which a person knows it again."""


class SentMessages:
    """Sends for one person through a node."""

    def __init__(self, node: ChatNode) -> None:
        self._node = node
        self._settled: list[Deferred[None]] = []
        self.pending = 0
        """Messages of which nothing is known yet."""
        self.waiting = 0
        """Messages that wait for a link, or for a second attempt."""
        self._given_up = 0
        self._unkept: set[str] = set()
        self.on_news: Callable[[News, str], None] = lambda _news, _line: None
        """Is told what became of a message, with a line about it to show."""

    @property
    def failed(self) -> int:
        """Messages that nobody sends again: given up, or neither delivered nor stored."""
        return self._given_up + len(self._unkept)

    def forget_failures(self) -> None:
        """Count `failed` from 0 again."""
        self._given_up = 0
        self._unkept.clear()

    def settled(self) -> Deferred[None]:
        """Fires when nothing is pending."""
        if not self.pending:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._settled.append(waiting)
        return waiting

    def addressee(self, rest: str) -> tuple[str, str]:
        """Split "whom text". A name may hold spaces, if it is one that we know."""
        word, text = first_word(rest)
        if word and " " in text and self._node.peers.get(word) is None:
            known = [visible(peer.peer_id) for peer in self._node.peers if " " in peer.peer_id]
            matching = [peer_id for peer_id in known if rest.startswith(peer_id + " ")]
            if matching:
                word = max(matching, key=len)
                text = rest[len(word) + 1 :]
        return word, text

    def resolve(self, name: str) -> str:
        """The peer_id that a name means, as `PeerTable.called` finds it.

        If there is none, the one of a peer that is called so but for capitals. Raises
        `NotSentError` when it may mean several.
        """
        try:
            found = self._node.peers.called(name)
            if "@" in found:
                return found
            folded = name.casefold()
            begin = f"{folded}@"
            ids = (peer.peer_id for peer in self._node.peers)
            alike = [each for each in ids if each.casefold().startswith(begin)]
            alike = [each for each in alike if each.rpartition("@")[0].casefold() == folded]
            for alias, peer_id in self._node.lists.aliases.items():
                alike += [peer_id] if alias.casefold() == folded else []
            if len(alike) > 1:
                names = ", ".join(map(bracketed, sorted(alike)[:_NAMES]))
                sentence = Sentence(
                    "{name} may be any of {names}", name=bracketed(name), names=names
                )
                raise NotSentError(sentence)
            return alike[0] if alike else found
        except AmbiguousNameError as why:
            raise NotSentError(sentence_of(why)) from None

    def send(self, peer_id: str, text: str, of: str = "") -> str:
        """Send, and hear what becomes of it; returns its msg_id. Raises `NotSentError`.

        `of`: the msg_id of an earlier one, if it is another text for that.
        """
        self.pending += 1
        try:
            return self._node.send(peer_id, text, self._told, of=of)
        except NotSentError:
            self.pending -= 1
            raise

    def _told(self, news: News) -> None:
        """Something became of a message."""
        if news.first:
            self.pending -= 1
            self.waiting += not news.over
        else:
            self.waiting -= news.over
        self._given_up += news.became is Became.UNDELIVERED
        if news.became is Became.UNKEPT:
            self._unkept.add(news.msg_id)
        else:
            self._unkept.discard(news.msg_id)
        self.on_news(news, printable(self._line(news)))
        if not self.pending:
            settled, self._settled = self._settled, []
            for waiting in settled:
                waiting.callback(None)

    def _line(self, news: News) -> str:
        called = self._node.lists.called(news.peer_id)
        who, text = bracketed(called), shortened(news.text, _SHOWN)
        match news.became:
            case Became.UNCONFIRMED:
                why = spoken(news.reason)
                return _('{who}: {why} ("{text}")').format(who=who, why=why, text=text)
            case Became.DELIVERED if news.first:
                ms = news.seconds * 1000
                return _("delivered to {who} in {ms:.1f} ms").format(who=who, ms=ms)
            case Became.DELIVERED:
                return _('delivered to {who}: "{text}"').format(who=who, text=text)
            case Became.QUEUED if self._node.peers.get(news.peer_id) is None:
                # Perhaps a slip of the pen.
                sentence = _(
                    "queued: {who} is not known here: check the name. The message waits until that"
                    " peer connects (/outbox)"
                )
                return sentence.format(who=who)
            case Became.QUEUED:
                sentence = _(
                    "queued: {who} is not connected. The message is sent when it is (/outbox)"
                )
                return sentence.format(who=who)
        sentence = _('not delivered to {who}: {why} ("{text}")')
        return sentence.format(who=who, why=spoken(news.reason), text=text)


def first_word(rest: str) -> tuple[str, str]:
    """The first word, and all that follows the one space after it, as it is."""
    match = re.match(r"(\S+)(?:\s(.*))?", rest, re.DOTALL)
    return (match[1], match[2] or "") if match else ("", "")
