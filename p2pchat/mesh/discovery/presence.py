"""Being found and finding: registration with its renewal, and periodic discovery.

Rules: whatever the rendezvous does, nothing here raises and nothing waits for it: one LoopingCall
looks at what is due, no more often than that changes, and there is at most one request of a kind
under way. Whoever asks is answered
by a request that was sent afterwards, and by a directory that has settled; see `RequestSchedule`. A
change of state is logged once, not once an attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.mesh.discovery.schedule import RequestSchedule
from p2pchat.mesh.discovery.scope import DiscoveryScope
from p2pchat.mesh.discovery.seeking import Seeking
from p2pchat.rendezvous.directory import (
    Blocked,
    DirectoryError,
    Grant,
    IDirectory,
    Listing,
    Listings,
    ListingTooLong,
    NotRegistered,
    RequestRefused,
)
from p2pchat.speech import Sentence, sentence_of

_log: Final = Log("Discovery")
_TICK: Final = 0.5
_LONGEST_REST: Final = 30.0
"""Seconds between two looks at what is due, at most."""
_SPARED: Final = 4
"""Requests a minute that nobody's asking takes: or whoever asks on and on would end our lease."""
_WITHDRAW_TIMEOUT: Final = 0.7


class Presence(Service):
    """Keeps one node registered with a directory, and reports what the directory lists.

    `schedule`, which is ours alone, says when to ask; `ttl` is the lease to ask for, in seconds.
    `on_listings` gets every DISCOVER reply, and what it returns fires when all of it is taken in;
    until then, the request counts as under way. `on_notice` gets sentences for the person. `port`
    must be set before the service starts.
    """

    def __init__(
        self,
        clock: IReactorTime,
        directory: IDirectory,
        name: str,
        namespace: str,
        *,
        schedule: RequestSchedule,
        ttl: int,
        on_listings: Callable[[Listings], Deferred[None]],
        on_notice: Callable[[Sentence], None],
    ) -> None:
        self.directory = directory
        self._clock = clock
        self._name, self._namespace = name, namespace
        self._schedule = schedule
        self._scope = DiscoveryScope(
            name, namespace, directory.address, on_notice, lambda: directory.max_listed
        )
        self._seeking = Seeking(directory, on_listings, self._blocked)
        self._ttl = ttl
        self._on_listings = on_listings
        self._on_notice = on_notice
        self.port = 0
        self.own_key: Callable[[], str] = lambda: ""
        """Gives the key that a REGISTER says, as text; empty while nothing is encrypted."""
        self.grant: Grant | None = None
        """What the rendezvous granted; None while we are not registered."""
        self.registered_at = 0.0
        """Since when we are, without a break; in seconds of the clock."""
        self.trouble = ""
        """Why the last request failed; empty while all is well."""
        self._unknown = False
        self._registering: Deferred[Grant] | None = None
        self._discovering: Deferred[Any] | None = None
        self._waiting: list[Deferred[Listings]] = []
        """Who is answered by the DISCOVER under way, or by the next one if there is none."""
        self._later: list[Deferred[Listings]] = []
        """Who asked while it was under way, and is answered by the one after it."""
        self._loop = LoopingCall(self._guarded_tick)
        self._loop.clock = clock
        self._first_look: list[Deferred[None]] | None = []

    # ------------------------------------------------------------ lifecycle

    def startService(self) -> None:
        """Register and discover now, and again in time."""
        super().startService()
        self._schedule.renew_and_discover(self._clock.seconds())
        self._loop.start(_TICK)

    def stopService(self) -> None:
        """Ask nothing more; `withdraw` is a call of its own, because it comes last."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        if self._discovering is not None:
            self._discovering.cancel()
        self._seeking.stop()
        self._refuse_waiting(DirectoryError(Sentence("the request was broken off")))
        self._looked()

    def configure(self, *, ttl: int, interval: float) -> None:
        """Ask for this lease, and this often, from the next request on."""
        self._ttl = ttl
        self._schedule.configure(interval, self._clock.seconds())
        self._rest()

    def withdraw(self) -> Deferred[None]:
        """UNREGISTER, if we may be registered; fires within a second, whatever happens.

        A REGISTER under way ends first, or it might be handled last.
        """
        until = self._clock.seconds() + _WITHDRAW_TIMEOUT
        request = self._registering
        if request is None:
            return succeed(None) if self.grant is None else self._unregister(until)
        withdrawn: Deferred[None] = Deferred()

        def over(_: object) -> None:
            self._unregister(until).chainDeferred(withdrawn)

        request.addTimeout(_WITHDRAW_TIMEOUT / 2, self._clock).addBoth(over)
        return withdrawn

    def _unregister(self, until: float) -> Deferred[None]:
        self.grant = None
        request = self.directory.unregister(self._namespace, self._name, self.port)
        request.addTimeout(until - self._clock.seconds(), self._clock)
        return request.addErrback(self._not_withdrawn)

    def first_look(self) -> Deferred[None]:
        """Fires when the first DISCOVER has been answered, or has failed.

        A directory of our own machine that may have just taken over has some seconds for that.
        """
        if self._first_look is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._first_look.append(waiting)
        return waiting

    def register_anew(self) -> None:
        """Register and discover at the next opportunity: the directory may have changed hands."""
        self._schedule.renew_and_discover(self._clock.seconds())
        self._schedule.reset_backoff()
        self._scope.anew()
        if self.running:
            # What was sent before went to another one.
            self._later, self._waiting = self._waiting + self._later, []
            for request in (self._registering, self._discovering):
                if request is not None:
                    request.cancel()
            self._tick()
            self._rest()

    @property
    def partial(self) -> bool:
        """Whether somebody may be registered whom no listing names."""
        return self._scope.partial

    @property
    def registered_in_all(self) -> int:
        """How many are registered, when only our namespace is looked for; else 0."""
        return self._scope.registered

    def seek(self, peer_id: str) -> bool:
        """Somebody writes to a peer who is not known, or not any more: ask where it is, soon.

        Whether there is any sense in that: not while each listing names everybody. Who is found
        goes to `on_listings`.
        """
        if not self.running or not self._scope.partial:
            return False
        wanted = self._seeking.want(peer_id, self._clock.seconds())
        self._rest()
        return wanted

    def discover(self, *, whole: bool = False) -> Deferred[Listings]:
        """Ask now; fails with a `DirectoryError` when the rendezvous does, or was asked too often.

        Listings go to `on_listings`, too. Of many, the listing names some, and `total` says how
        many there are; `whole` asks for all of our namespace nevertheless.
        """
        now = self._clock.seconds()
        if not self.running:
            return fail(DirectoryError(Sentence("the node is not running")))
        if self._discovering is None and not self._schedule.may_ask(now, _SPARED):
            return fail(_too_often())
        if whole:
            self._scope.read_again()
        waiting: Deferred[Listings] = Deferred()
        self._later.append(waiting)
        if self._discovering is None:
            self._discover(now)
        return waiting

    # ------------------------------------------------------------ what is due

    def _guarded_tick(self) -> None:
        try:
            self._tick()
        except Exception:  # which would stop the loop, and with it all that is asked, for good
            _log.failure("A fault of our own while asking the rendezvous")
        self._rest()

    def _rest(self, _: object = None) -> None:
        """Look next when something is due, as it is now: call it when that may have changed."""
        now, loop = self._clock.seconds(), self._loop
        due = 0.0 if self._seeking.due else self._schedule.next_due(now)
        loop.interval, loop.starttime = min(max(_TICK, due), _LONGEST_REST), now
        if loop.running:
            loop.reset()

    def _tick(self) -> None:
        now = self._clock.seconds()
        if self._registering is not None or not self._schedule.may_ask(now):
            return
        if self._schedule.renewal_due(now):
            self._register(now)
        elif self._discovering is None and self._schedule.discovery_due(now):
            self._discover(now)
        elif self._seeking.due:
            self._schedule.seeking(now)
            self._seeking.ask().addBoth(self._rest)

    def _register(self, now: float) -> None:
        self._schedule.registering(now)
        self.directory.own_key = self.own_key()
        request = self._registering = self.directory.register(
            self._namespace, self._name, self.port, self._ttl
        )
        request.addBoth(self._register_over)
        request.addCallbacks(self._registered, self._register_failed)
        request.addErrback(self._unexpected).addBoth(self._rest)

    def _discover(self, now: float) -> None:
        self._waiting, self._later = self._waiting + self._later, []
        question = self._scope.choose(now)
        self._schedule.discovering(now, spread=self._scope.samples)
        request: Deferred[Any]
        request = self._discovering = self.directory.discover(
            question.namespace, question.selection
        )
        request.addCallback(self._take_in)
        request.addBoth(self._discover_over)
        request.addCallbacks(self._discovered, self._discover_failed)
        request.addErrback(self._unexpected).addBoth(self._rest)

    # ------------------------------------------------------------ what came of it

    def _register_over(self, result: Grant | Failure) -> Grant | Failure:
        self._registering = None
        return result

    def _discover_over(self, result: Listings | Failure | None) -> Listings | Failure | None:
        self._discovering = None
        return result

    def _registered(self, grant: Grant) -> None:
        if self.grant is None:
            self.registered_at = self._clock.seconds()
            _log.info(
                "Registered {me} at {where} for {ttl:g} s",
                me=f"{self._name}@{self._namespace}:{self.port}",
                where=self.directory.address,
                ttl=grant.ttl,
            )
        self._well_again()
        self.grant = grant
        self._schedule.granted(grant.ttl, self._clock.seconds())
        if self.running:
            self._tick()

    def _register_failed(self, failure: Failure) -> None:
        if not self.running:
            return  # nobody waits for it any more
        self._failed(failure)
        if failure.check(RequestRefused):
            self._schedule.refused(self._clock.seconds())

    def _take_in(self, listings: Listings) -> Deferred[Listings | None]:
        """Take in what it names; fires with what those who wait are answered, None: not yet."""
        self._unknown = False
        if self.grant is not None:
            self._well_again()
        answer = self._scope.heard(listings, self._clock.seconds())
        # With some at random, we have asked for ourselves.
        says_of_us = listings.whole or (self._scope.samples and listings.total is not None)
        if self.grant is not None and says_of_us and not any(map(self._is_us, listings)):
            # The rendezvous lost us, is another one that took its place, or has told us an older
            # listing.
            _log.debug("The rendezvous does not list us: registering again")
            self._schedule.renew(self._clock.seconds())
        taken_in: Deferred[Any] = self._on_listings(listings)
        return taken_in.addCallback(lambda _: answer)

    def _is_us(self, entry: Listing) -> bool:
        who = (entry.name, entry.namespace, entry.port)
        return who == (self._name, self._namespace, self.port)

    def _ask_at_once(self, now: float) -> None:
        """Ask the next question; whoever waits is answered by that."""
        self._schedule.discover(now)
        self._tick()

    def _discovered(self, listings: Listings | None) -> None:
        now = self._clock.seconds()
        if listings is None:
            self._ask_at_once(now)
            return
        if not self._schedule.settled(now):
            oldest = max((entry.ttl - entry.expires_in for entry in listings), default=0.0)
            self._schedule.listed(oldest, now)
            if not self._schedule.settled(now):
                return
        self._looked()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(listings)
        if self._later and self._discovering is None:
            if self._schedule.may_ask(now, _SPARED):
                self._discover(now)
            else:
                self._refuse_waiting(_too_often())

    def _discover_failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return  # who broke it off looks after who waits
        reason, now = failure.value, self._clock.seconds()
        if isinstance(reason, ListingTooLong):
            if self._scope.too_long(now):
                self._ask_at_once(now)
                return
            self._looked()
        elif isinstance(reason, RequestRefused) and self._scope.refused(now):
            self._ask_at_once(now)
            return
        else:
            self._failed(failure)
        if not isinstance(reason, DirectoryError):
            reason = DirectoryError(Sentence("the request was broken off"))
        elif isinstance(reason, NotRegistered):
            # The person has nothing to do but to ask once more.
            reason = NotRegistered(
                Sentence("{why}: we register again, ask in a moment", why=reason)
            )
        self._refuse_waiting(reason)

    def _refuse_waiting(self, reason: DirectoryError) -> None:
        waiting, self._waiting, self._later = self._waiting + self._later, [], []
        for deferred in waiting:
            deferred.errback(reason)

    def _blocked(self, seconds: float) -> None:
        self._schedule.blocked(seconds, self._clock.seconds())

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        failure.trap(DirectoryError)
        reason = failure.value
        assert reason is not None
        now = self._clock.seconds()
        if isinstance(reason, NotRegistered):
            self.grant = None
            if not self._unknown:
                # The first time is no failure: it was started anew, say.
                self._unknown = True
                _log.info("The rendezvous does not know us any more: registering again")
                self._schedule.renew_and_discover(now)
                self._tick()
                return
        if isinstance(reason, Blocked):
            self._blocked(reason.seconds)
        wait = self._schedule.failed(now, registered=self.grant is not None)
        sentence, where = sentence_of(reason), self.directory.address
        if where not in str(sentence):
            sentence = Sentence("rendezvous {address}: {why}", address=where, why=sentence)
        text = str(sentence)
        if not self.trouble:
            _log.warn("{text}; links stay, trying again", text=text)
            if self.grant is None or isinstance(reason, RequestRefused):
                self._on_notice(sentence)
        else:
            _log.debug("{text}; next try in {wait:.0f} s", text=text, wait=wait)
        self.trouble = text
        if self._schedule.settled(now):
            self._looked()

    def _well_again(self) -> None:
        if self._unknown:  # it grants registrations; whether it keeps them is not known yet
            return
        self._schedule.reset_backoff()
        if self.trouble:
            _log.info("The rendezvous {where} answers again", where=self.directory.address)
            self.trouble = ""
            # It may have been us who were away, and given up by everybody: a renewed registration
            # tells them that we are back.
            self._schedule.renew(self._clock.seconds())

    def _looked(self) -> None:
        waiting, self._first_look = self._first_look or [], None
        for deferred in waiting:
            deferred.callback(None)

    def _not_withdrawn(self, failure: Failure) -> None:
        _log.info("Could not unregister: {why}", why=failure.getErrorMessage() or "no answer")

    def _unexpected(self, failure: Failure) -> None:
        _log.failure("A fault of our own while talking to the rendezvous", failure)
        self._looked()


def _too_often() -> DirectoryError:
    return DirectoryError(Sentence("the rendezvous was asked too often: try again in a minute"))
