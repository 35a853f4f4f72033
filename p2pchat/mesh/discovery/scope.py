"""What a node asks its rendezvous for: everybody while they are few, else its own namespace.

    everybody, 150 at most ---- there are more ----> our namespace, page by page, once
    our namespace ------------- all pages read ----> 50 of it at random, and ourselves, each time
    50 at random -------------- 10 silent minutes -> our namespace, page by page
    any ----------------------- an hour -----------> everybody, 150 at most

Rules: pure, times are passed in as seconds of the node's clock. Nobody of our namespace is left out
because it is large: we read all of it at the start and dial them, and whoever comes later reads all
of it, too, and dials us. A rendezvous that knows no `limit` lists everything, of which we take our
own namespace, each time. The person is told once of what is too long to be read, until a listing of
everybody has been read again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.directory import Listings
from p2pchat.rendezvous.selection import MOST_LISTED, Selection
from p2pchat.speech import Sentence

_log: Final = Log("Discovery")
FEW: Final = 150
"""Peers of a listing that are all dialed, of whatever namespace, and asked for each time."""
SAMPLE: Final = 50
"""Peers that are asked for each time when there are more."""
_ALL_AGAIN: Final = 3600.0
"""Seconds after which all are asked for again: more spares the network, fewer finds them sooner."""
_STALE: Final = 600.0
"""Seconds without a reply after which our namespace is read anew: who came meanwhile could not
reach us, perhaps."""
_LONGEST_READING: Final = 300.0
"""Seconds after which a reading in pages that is not finished begins again."""
_EVERYBODY: Final = Selection(limit=FEW)


class Question(Struct, frozen=True):
    """What to ask for: some of a namespace, of all namespaces for None, or everything."""

    namespace: str | None
    selection: Selection | None


class DiscoveryScope:
    """The scope of one node's DISCOVER requests; `tell` gets sentences for the person.

    Ask what `choose` returns, and then say what came of it: `heard`, `refused` or `too_long`.
    `most` gives how many peers of our namespace are read.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        address: str,
        tell: Callable[[Sentence], None],
        most: Callable[[], int],
    ) -> None:
        self.registered = 0
        """How many are registered in all, while those of other namespaces are not asked for; else
        0."""
        self._name, self._namespace = name, namespace
        self._address = address
        self._tell = tell
        self._most = most
        self._asked = Question(None, _EVERYBODY)
        self._all_again_at = float("-inf")
        self._told: set[str] = set()
        self._plain_until = float("-inf")
        self._has_read = False
        self._heard_at = float("-inf")
        self._pages: Listings | None = None
        self._after: tuple[str, str] | None = None
        self._began = 0.0

    def choose(self, now: float) -> Question:
        """What to ask for now."""
        own, plain = self._namespace, now < self._plain_until
        if now >= self._all_again_at:
            self._asked = Question(None, None if plain else _EVERYBODY)
        elif plain:
            self._asked = Question(own, None)
        elif self._has_read and self._pages is None and now - self._heard_at < _STALE:
            sample = Selection(limit=SAMPLE, sample=True, names=(self._name,))
            self._asked = Question(own, sample)
        else:
            if self._pages is None or now - self._began > _LONGEST_READING:
                self._pages, self._after, self._began = Listings(), None, now
            limit = max(1, min(MOST_LISTED, self._most() - self._pages.seen))
            self._asked = Question(own, Selection(limit=limit, after=self._after))
        return self._asked

    @property
    def partial(self) -> bool:
        """Whether somebody may be registered whom no listing has named."""
        return self._all_again_at > float("-inf")

    @property
    def samples(self) -> bool:
        """Whether the latest question was for some at random."""
        selection = self._asked.selection
        return selection is not None and selection.sample

    def read_again(self) -> None:
        """Read all of our namespace once more."""
        self._has_read, self._pages = False, None

    def anew(self) -> None:
        """The directory may be another one, of which nothing is known."""
        self.read_again()
        self._plain_until = float("-inf")
        self._all_again_at = float("-inf")

    def heard(self, listings: Listings, now: float) -> Listings | None:
        """A reply was read: what it says is to be taken in, as far as it names anybody.

        Returns what whoever asked is answered with, None when more is to be asked for before.
        """
        asked, total = self._asked, listings.total
        self._heard_at = now
        listings.namespace = asked.namespace
        if total is None:
            return self._heard_all(listings, now)
        if asked.namespace is None:
            if total > FEW:
                self._narrow(total, now)
                listings.clear()
                listings.whole, listings.namespace = False, self._namespace
                return None
            self._widened()
            self._has_read = False
            return listings
        if self.samples:
            listings.whole = False
            self._has_read = self._has_read and total > FEW
            return listings
        return self._heard_page(listings, total)

    def refused(self, now: float) -> bool:
        """It does not take the question; whether to ask a plainer one, which is best done at once.

        Some servers may refuse fields that they do not know.
        """
        plainer = self._asked.selection is not None
        if plainer:
            self._plain_until = now + _ALL_AGAIN
        return plainer

    def too_long(self, now: float) -> bool:
        """The reply was too long; whether there is less to ask for, which is best done at once."""
        narrower = self._asked.namespace is None
        if narrower:
            self._all_again_at = now + _ALL_AGAIN
            sentence = Sentence(
                "rendezvous {address}: the listing of all namespaces is too long, so only"
                " {namespace} is looked for",
                address=self._address,
                namespace=self._namespace,
            )
        else:
            sentence = Sentence(
                "rendezvous {address}: the listing of {namespace} is too long, so nobody new is"
                " found",
                address=self._address,
                namespace=self._namespace,
            )
        text = str(sentence)
        if text not in self._told:
            self._told.add(text)
            _log.warn("{text}; links stay", text=text)
            self._tell(sentence)
        return narrower

    # ------------------------------------------------------------ what a reply says

    def _heard_all(self, listings: Listings, now: float) -> Listings:
        """A listing of everything there is, as far as it was asked for."""
        self._has_read, self._pages = False, None
        if listings.namespace is not None:
            return listings
        if listings.seen <= FEW:
            self._widened()
            return listings
        self._narrow(listings.seen, now)
        listings[:] = [each for each in listings if each.namespace == self._namespace]
        listings.namespace = self._namespace
        return listings

    def _heard_page(self, listings: Listings, total: int) -> Listings | None:
        pages, selection = self._pages, self._asked.selection
        assert selection is not None
        more = listings.seen >= selection.limit
        first = selection.after is None
        # Of several pages, the last one comes long after the first: nobody is gone for that.
        listings.whole = listings.whole and first and not more
        if pages is None:  # to be read from the beginning, since it was asked for
            return None
        pages += listings
        pages.seen += listings.seen
        pages.total, pages.namespace = total, self._namespace
        advances = listings.last is not None and listings.last > (self._after or ("", ""))
        if more and advances and pages.seen < self._most():
            self._after = listings.last
            return None
        pages.whole = not more
        self._pages = None
        self._has_read = total > FEW
        return pages

    def _narrow(self, registered: int, now: float) -> None:
        if not self.registered:
            _log.info(
                "The rendezvous {where} has {count} registrations: only {own} is looked for, and "
                "whoever is written to",
                where=self._address,
                count=registered,
                own=self._namespace,
            )
        self.registered = registered
        self._all_again_at = now + _ALL_AGAIN

    def _widened(self) -> None:
        if self._told or self.registered:
            self._told.clear()
            self.registered = 0
            _log.info("The rendezvous {where} lists all namespaces again", where=self._address)
        self._all_again_at = float("-inf")
