"""Several links with one peer: which one is written to, and which one ends.

    a second link opens   -> the link in use is PINGed; it stays in use if it is heard within 2 s
    an ACK did not come   -> the same, or at once another link from the same address

Rules: a name proves nothing, and neither does `instance`, which is told to whoever claims a name.
So a living link is neither closed nor displaced by a newer one. Two exceptions:

- Dials that crossed, one of which is our own: the smaller peer_id ends the link that the other end
  dialed, and the larger one waits for that. Both links have one address and opened at one time.
- A newer link of another program from the same address is written to at once. Such programs come
  back while their old link is half open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import Repetitions
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.speech import Sentence
from p2pchat.wire.address import machine_of
from p2pchat.wire.friends import Friends
from p2pchat.wire.messages import ByeOk, Pong
from p2pchat.wire.text import shortened

DUPLICATE: Final = "duplicate link"
"""The reason of a BYE that ends one of two links and is no farewell."""
ANSWER_WITHIN: Final = 2.0
"""Seconds in which the link in use is to be heard when it is doubted."""
CROSSING: Final = 20.0
"""Seconds between two links from dials that crossed: a dial that was under way and its handshake
take no longer."""
_MOST_ASKED: Final = 16
"""Links of a peer that an answer on another one is held against: each costs time."""
_TOLD_INTERVAL: Final = 60.0
_TOLD_AT_MOST: Final = 10
_log: Final = Log("PeerServer")


class _Question(NamedTuple):
    link: IPeerLink
    asked_at: float


class SecondLinks:
    """Orders the links of each peer; the first that is not leaving is written to.

    `own_id` is our peer_id. `tell` gets sentences for the person, friends' ones however many of
    strangers there are. `on_moved` is called with a peer whose messages leave on another link from
    now on.
    """

    def __init__(
        self,
        own_id: str,
        now: float,
        tell: Callable[[Sentence], None],
        on_moved: Callable[[Peer], None],
        friends: Friends | None = None,
    ) -> None:
        self._friends = Friends() if friends is None else friends
        self._own_id = own_id
        self._tell = tell
        self._on_moved = on_moved
        self._asked: dict[Peer, _Question] = {}
        self._unheard: dict[IPeerLink, tuple[Peer, float]] = {}
        self._ending: dict[IPeerLink, tuple[Peer, float]] = {}
        self._looked_at = now
        self._told: tuple[Repetitions[str], ...] = tuple(
            Repetitions(1, _TOLD_INTERVAL, 256) for _ in range(2)
        )
        self._told_in_all: Repetitions[bool] = Repetitions(_TOLD_AT_MOST, _TOLD_INTERVAL, 2)
        self.displaced = 0
        """Links that were in use, were not heard when they were doubted, and gave way."""

    def opened(self, peer: Peer, new: IPeerLink, now: float) -> IPeerLink | None:
        """The last link of `peer.links` is new; returns a link to end with BYE and `DUPLICATE`."""
        if len(peer.links) < 2:
            return None
        if new.dialed == "":
            return new  # a person dialed an address, and who is there has a link already
        if not new.is_p2pchat and new.dialed not in (None, peer.peer_id):
            return new  # it answers for somebody else, and can be reached without this link
        used = peer.link_in_use
        # The machine may have slept since the older link opened: that time does not count.
        crossed = _crossed(peer, new, min(now, self._looked_at + ANSWER_WITHIN))
        if crossed is not None:
            we_are_smaller = self._own_id < peer.peer_id
            staying, ending = (new, crossed) if new.outbound is we_are_smaller else (crossed, new)
            _put_first(peer, staying)
            if we_are_smaller:
                return ending
            if staying is new:
                self._ending[used] = (peer, now)
            return None
        here = machine_of(new.ip)
        if not any(_same_place(peer, link, new) for link in peer.links if link is not new):
            self._tell_of(peer, new, used, now)
        if not new.is_p2pchat and not used.is_p2pchat and here == machine_of(used.ip):
            _put_first(peer, new)
        else:
            self._ask(peer, now)
        return None

    def ack_overdue(self, peer: Peer, link: IPeerLink, now: float) -> None:
        """An ACK did not come for what went out on `link`: it may be half dead."""
        if len(peer.links) < 2 or peer.link_in_use is not link:
            return
        other = _next_best(peer, link)
        if machine_of(other.ip) == machine_of(link.ip):
            _put_first(peer, other)
        else:
            self._ask(peer, now)

    def answered(self, peer: Peer, link: IPeerLink, answer: Pong | ByeOk) -> None:
        """An answer came on `link` that belongs to another link of another program, if to any."""
        for other in peer.links[:_MOST_ASKED]:
            if other is not link and not other.is_p2pchat and other.answered(answer):
                return

    @property
    def at_rest(self) -> bool:
        """Whether no link is in doubt."""
        return not (self._asked or self._ending or self._unheard)

    def look(self, now: float) -> None:
        """Judge the links that were doubted; call it several times a second."""
        self._looked_at = now
        for peer, (link, asked_at) in [*self._asked.items()]:
            if now - asked_at < ANSWER_WITHIN:
                break
            del self._asked[peer]
            if len(peer.links) < 2 or link not in peer.links:
                continue
            if link.heard_at <= asked_at and not link.waits_for_us:
                self._give_way(peer, link, now)
            elif peer.links[-1].opened_at > asked_at:
                self._ask(peer, now)
        for link, (peer, since) in [*self._ending.items()]:
            if now - since < ANSWER_WITHIN and link in peer.links:
                break
            del self._ending[link]
            if link in peer.links and not link.leaving:
                # Its BYE did not come: no dials crossed, and somebody only says so.
                _put_first(peer, link)
        for link, (peer, since) in [*self._unheard.items()]:
            if link not in peer.links:
                del self._unheard[link]
            elif link.heard_at > since:
                # The network was slow, and somebody else must not gain by that.
                del self._unheard[link]
                _put_first(peer, link)

    def _ask(self, peer: Peer, now: float) -> None:
        # One question at a time: who opens many links must not have us PING as often.
        if peer not in self._asked:
            self._asked[peer] = _Question(peer.link_in_use, now)
            peer.link_in_use.ping()

    def _give_way(self, peer: Peer, link: IPeerLink, now: float) -> None:
        self.displaced += 1
        self._unheard[link] = (peer, now)
        _put_first(peer, _next_best(peer, link))
        self._on_moved(peer)

    def _tell_of(self, peer: Peer, new: IPeerLink, used: IPeerLink, now: float) -> None:
        friend = peer.peer_id in self._friends
        if self._told[friend].tell(peer.peer_id, now) is None:
            return
        if self._told_in_all.tell(friend, now) is None:
            return
        sentence = Sentence(
            "[{peer}] has a second link, from {ip} (the first is from {first}): one of the two may"
            " be somebody else",
            peer=shortened(peer.peer_id, 40),
            ip=new.ip,
            first=used.ip,
        )
        _log.warn("{text}", text=str(sentence))
        self._tell(sentence)


def _crossed(peer: Peer, new: IPeerLink, now: float) -> IPeerLink | None:
    """The link whose dial crossed that of `new`, as far as anybody can tell."""
    if new.is_p2pchat and new.instance:
        for old in peer.links:
            if (
                old.instance == new.instance
                and old.outbound != new.outbound
                and _same_place(peer, old, new)
                and now - old.opened_at <= CROSSING
            ):
                return old
    return None


def _same_place(peer: Peer, old: IPeerLink, new: IPeerLink) -> bool:
    """Whether two links seem to lead to one machine.

    Over IPv6 and IPv4 the addresses have nothing in common. Then the key proves it. Without keys,
    it counts that our own kind says so, and that the peer is registered at both addresses.
    """
    if machine_of(old.ip) == machine_of(new.ip) or (new.key is not None and new.key == old.key):
        return True
    if not new.instance or new.instance != old.instance:
        return False
    registered = {ip for ip, _ in peer.addresses}
    return (":" in old.ip) is not (":" in new.ip) and {old.ip, new.ip} <= registered


def _next_best(peer: Peer, link: IPeerLink) -> IPeerLink:
    """The link to use instead of `link`: from its address, if possible, and the newest of those."""
    here = machine_of(link.ip)
    others = [other for other in peer.links if other is not link]
    return max(others, key=lambda it: (not it.leaving, machine_of(it.ip) == here, it.opened_at))


def _put_first(peer: Peer, link: IPeerLink) -> None:
    peer.links.remove(link)
    peer.links.insert(0, link)
