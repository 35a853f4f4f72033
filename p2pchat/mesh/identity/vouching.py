"""The one place where links are vouched for: the tables of `trust` applied to the known keys.

    Session, before HELLO_OK is sent or taken  ->  arrived  ->  take, or the reason of a BYE
    dialer, when TLS knows the other end's key ->  may_show_ourselves  ->  second flight, or the end
    link opens, ends                           ->  KnownKeys.opened, closed

Rules: a refusal is remembered, and told as often as `KeyAlerts` lets it. Who is turned away because
somebody with the same name talks in the clear is told of only when that one has answered a PING.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from p2pchat.logs.levels import Log
from p2pchat.mesh.identity import key_words
from p2pchat.mesh.identity.key_alerts import KeyAlerts
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.mesh.identity.statement import Statement
from p2pchat.mesh.identity.trust import (
    LIVES_FOR,
    AlertKind,
    Dial,
    OpenLink,
    Policy,
    Stated,
    Verdict,
    dialed_in_vain,
    how_to_dial,
    may_show_ourselves,
    may_stay,
    vouch,
)
from p2pchat.speech import Sentence, spoken

_MOST_DOUBTS: Final = 1000
_log: Final = Log("PeerServer")


class Alert(NamedTuple):
    """What a person is told about a name."""

    kind: AlertKind
    peer_id: str
    sentence: str
    """For the person, in their language."""
    key: bytes | None
    """The key that was refused, if there was one."""
    known: bytes | None
    """The pinned key, if there is one."""


_Link = TypeVar("_Link", bound=OpenLink)


class _Doubt(NamedTuple, Generic[_Link]):
    links: list[_Link]
    key: bytes
    since: float


class Vouching(Generic[_Link]):
    """Vouches for the links of one node.

    `own_id`, `own_key`: who we are. `wall`: the clock on the wall. `on_alert` gets what the person
    is to be told; `on_dead` gets a plaintext link that did not answer its PING, to be ended.
    """

    def __init__(
        self,
        policy: Policy,
        keys: KnownKeys,
        own_id: str,
        own_key: bytes | None,
        wall: Callable[[], float],
        on_alert: Callable[[Alert], None],
        on_dead: Callable[[_Link], None],
        tell: Callable[[str], None],
    ) -> None:
        self.policy = policy
        self.keys = keys
        self.alerts = KeyAlerts()
        # Of their own, so that nobody hides one of these behind other alerts of the name.
        self._changes = KeyAlerts()
        keys.on_moved = self._key_moved
        self._own_id = own_id
        self.own_key = own_key
        """Our key; another one from the day on which it follows."""
        self._wall = wall
        self._on_alert = on_alert
        self._on_dead = on_dead
        self._tell = tell
        self._doubts: dict[str, _Doubt[_Link]] = {}
        self.refused = 0
        """HELLOs and HELLO_OKs that were refused since the start."""

    # ------------------------------------------------------------ dialing

    def how_to_dial(self, peer_id: str, *, able: bool) -> Dial:
        """How to dial an address of this peer; `able`: see `trust.how_to_dial`."""
        return how_to_dial(self.policy, pinned=self.keys.pin_of(peer_id) is not None, able=able)

    def may_show_ourselves(
        self, dialed: str, key: bytes, ip: str, now: float, *, registered: bool
    ) -> bool:
        """Whether a dialer may show its certificate to who has this key; ask before it is written.

        `registered`: the address is registered under the name `dialed` at a rendezvous now. If not:
        end as REFUSED, without a byte more, and dial the next address.
        """
        pin = self.keys.pin_of(dialed)
        if pin is None or may_show_ourselves(pin, key):
            return True
        somebodys = key == self.own_key or bool(self.keys.names_of(key))
        self._act(
            dialed,
            key,
            ip,
            (),
            now,
            dialed_in_vain(registered=registered, somebodys=somebodys),
        )
        return False

    # ------------------------------------------------------------ what arrives

    def arrived(
        self,
        peer_id: str,
        key: bytes | None,
        ip: str,
        links: Sequence[_Link],
        now: float,
        *,
        able: bool = False,
    ) -> Verdict:
        """Whether who says HELLO or HELLO_OK may have this name; see `trust.vouch`.

        Refused: say `bye`, and end as REFUSED. `doubt`: PING the `links` that are in the clear.
        Taken: `keys.opened` for a sealed link, then HELLO_OK; `end`: end the plaintext `links`.
        """
        room = key is None or self.keys.has_room(peer_id, key, ip)
        pin = self.keys.pin_of(peer_id)
        verdict = vouch(self.policy, pin, peer_id, key, ip, links, now, room=room, able=able)
        if not verdict.take:
            self._act(peer_id, key, ip, links, now, verdict)
        return verdict

    def own_name_came(self, key: bytes | None, ip: str, now: float) -> bool:
        """Somebody else has our peer_id, as another process; returns whether it has our key, too.

        With our key the person is told so here; without, another program uses the name.
        """
        if key is None or key != self.own_key:
            return False
        self._alert(AlertKind.OWN_KEY, self._own_id, key, ip, now)
        return True

    def refused_us(self, peer_id: str, key: bytes, ip: str, now: float) -> None:
        """The one whom we dialed, and whose key is the known one or the first, refuses our key."""
        self._alert(AlertKind.REFUSES_US, peer_id, key, ip, now)

    def may_stay(self, peer_id: str, key: bytes | None) -> bool:
        """Whether an open link may stay, after /trust, or after the policy was changed."""
        return may_stay(self.policy, self.keys.pin_of(peer_id), key)

    # ------------------------------------------------------------ keys that follow others

    def announced(self, peer_id: str, key: bytes, statement: Statement, now: float) -> None:
        """Who has this key, and an open link under this name, states which one is to follow."""
        if self.keys.announced(peer_id, key, statement, now) is Stated.DISPUTE:
            self._tell_of_change(AlertKind.TWO_NEXT, peer_id, statement.new, now)

    def _key_moved(self, pin: Pin, now: float) -> None:
        """A key has come that had been announced."""
        self._tell_of_change(AlertKind.ROTATED, pin.peer_id, pin.key, now)

    def _tell_of_change(self, kind: AlertKind, peer_id: str, key: bytes | None, now: float) -> None:
        pin = self.keys.pin_of(peer_id)
        if pin is None or pin.change is None:
            return
        settled = pin.hold is Hold.BY_PERSON
        if not self._changes.tell(f"{kind.value} {peer_id}", now, settled=settled):
            return
        words = key_words.two_next if kind is AlertKind.TWO_NEXT else key_words.rotated
        sentence = words(pin, pin.change)
        _log.warn("{text}", text=str(sentence))
        self._on_alert(Alert(kind, peer_id, spoken(sentence), key, pin.key))

    # ------------------------------------------------------------ time

    @property
    def at_rest(self) -> bool:
        """Whether no link is in doubt, and all keys are on the disk."""
        return not self._doubts and (self.keys.file is None or self.keys.file.at_rest)

    def sweep(self, now: float) -> list[str]:
        """Call it several times a second. Returns the names to dial: see `KnownKeys.sweep`."""
        for peer_id, doubt in [*self._doubts.items()]:
            if now - doubt.since < LIVES_FOR:
                break
            del self._doubts[peer_id]
            alive = [
                link for link in doubt.links if link.heard_at > doubt.since or link.waits_for_us
            ]
            for link in doubt.links:
                if link not in alive:
                    self._on_dead(link)
            if alive:
                self._alert(AlertKind.SECOND, peer_id, doubt.key, alive[0].ip, now)
            else:
                self.keys.was_not_refused(peer_id, doubt.key)
        count = self.alerts.others(now)
        if count:
            self._tell(key_words.and_others(count))
        return self.keys.sweep(now)

    # ------------------------------------------------------------ refusals

    def _act(
        self,
        peer_id: str,
        key: bytes | None,
        ip: str,
        links: Sequence[_Link],
        now: float,
        verdict: Verdict,
    ) -> None:
        self.refused += 1
        if verdict.contested:
            self.keys.contested(peer_id)
        if key is not None and verdict.refuse_key:
            self.keys.refused(peer_id, key, ip)
        plain = [link for link in links if link.key is None]
        if verdict.doubt and key is not None:
            if peer_id not in self._doubts and len(self._doubts) < _MOST_DOUBTS:
                self._doubts[peer_id] = _Doubt(plain, key, now)
        elif verdict.alert is not None:
            where = plain[0].ip if verdict.alert is AlertKind.SECOND else ip
            self._alert(verdict.alert, peer_id, key, where, now)

    def _alert(self, kind: AlertKind, peer_id: str, key: bytes | None, ip: str, now: float) -> None:
        pin = self.keys.pin_of(peer_id)
        settled = pin is not None and pin.hold is Hold.BY_PERSON
        if not self.alerts.tell(peer_id, now, settled=settled or kind is AlertKind.OWN_KEY):
            return
        sentence = self._sentence(kind, peer_id, pin, ip)
        _log.warn("{text}", text=str(sentence))
        known = None if pin is None else pin.key
        self._on_alert(Alert(kind, peer_id, spoken(sentence), key, known))
        if key is not None and kind not in (AlertKind.OWN_KEY, AlertKind.REFUSES_US):
            self.keys.refusal_told(peer_id, now)

    def _sentence(self, kind: AlertKind, peer_id: str, pin: Pin | None, ip: str) -> Sentence:
        if kind is AlertKind.OWN_KEY:
            return key_words.own_key_elsewhere(peer_id, ip)
        if kind is AlertKind.REFUSES_US:
            return key_words.refuses_us(peer_id, self._own_id, fingerprint(self.own_key or b""))
        refused = self.keys.refused_under(peer_id)
        if kind is AlertKind.SECOND or pin is None:
            return key_words.second(peer_id, ip, refused)
        if kind is AlertKind.OTHER_KEY:
            return key_words.other_key(pin, refused, self._wall())
        return key_words.no_key(pin, self._wall())
