"""Several rendezvous, of which one is used: the next one when one does not answer.

    first ---- no answer ----> second ---- no answer ----> first ...
      ^                          |
      +---- after ten minutes, if it answers a REGISTER

Rules: all who have the same list meet at the same one, as far as it answers them; so whoever went
on comes back to the first. A refusal is an answer. What one does not know of us, another one does
not either: it says so, and we register there.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.directory import Grant, IDirectory, Listings, Unreachable
from p2pchat.rendezvous.selection import Selection

_T = TypeVar("_T")
_log: Final = Log("Discovery")
_BACK: Final = 600.0
"""Seconds after which the first is tried again."""


@implementer(IDirectory)
class Fallback:
    """The first of these that answers; there are two at least."""

    def __init__(self, clock: IReactorTime, directories: Sequence[Any]) -> None:
        self._clock = clock
        self._all = [*directories]
        self._used = self._all[0]
        self._tried_at = clock.seconds()
        """When the first was tried last."""
        self._registered: list[Any] = []
        """Where we may be registered."""
        self._max_listed = int(self._used.max_listed)
        self._wanted: Container[str] = self._used.wanted

    @property
    def address(self) -> str:
        """See `IDirectory`."""
        return str(self._used.address)

    @property
    def source(self) -> str:
        """See `IDirectory`."""
        return str(self._used.source)

    @property
    def max_listed(self) -> int:
        """See `IDirectory`."""
        return self._max_listed

    @max_listed.setter
    def max_listed(self, count: int) -> None:
        self._max_listed = count
        for each in self._all:
            each.max_listed = count

    @property
    def wanted(self) -> Container[str]:
        """See `IDirectory`."""
        return self._wanted

    @wanted.setter
    def wanted(self, names: Container[str]) -> None:
        self._wanted = names
        for each in self._all:
            each.wanted = names

    @property
    def own_key(self) -> str:
        """See `IDirectory`."""
        return str(self._used.own_key)

    @own_key.setter
    def own_key(self, key: str) -> None:
        for each in self._all:
            each.own_key = key

    def register(self, namespace: str, name: str, port: int, ttl: int) -> Deferred[Grant]:
        """See `IDirectory`."""

        def ask(directory: Any) -> Deferred[Grant]:
            if directory not in self._registered:
                self._registered.append(directory)
            granted: Deferred[Grant] = directory.register(namespace, name, port, ttl)
            return granted

        return self._ask(ask, back=self._clock.seconds() - self._tried_at >= _BACK)

    def discover(
        self, namespace: str | None, selection: Selection | None = None
    ) -> Deferred[Listings]:
        """See `IDirectory`."""
        return self._ask(lambda directory: directory.discover(namespace, selection))

    def unregister(self, namespace: str, name: str, port: int) -> Deferred[None]:
        """See `IDirectory`; at all where we may be registered."""
        registered, self._registered = self._registered or [self._used], []
        asked = [each.unregister(namespace, name, port) for each in registered]
        return gatherResults(asked, consumeErrors=True).addCallbacks(lambda _: None, _first_failure)

    def _ask(self, ask: Callable[[Any], Deferred[_T]], *, back: bool = False) -> Deferred[_T]:
        """Ask the one that is used, and then the others; all of them once."""
        at = 0 if back else self._all.index(self._used)
        left = [*self._all[at:], *self._all[:at]]

        def next_one() -> Deferred[_T]:
            directory = left.pop(0)
            if directory is self._all[0]:
                self._tried_at = self._clock.seconds()
            return ask(directory).addCallbacks(
                self._answered, failed, callbackArgs=(directory,), errbackArgs=(directory,)
            )

        def failed(failure: Failure, directory: Any) -> Any:
            if not failure.check(Unreachable):
                self._answered(None, directory)
                return failure
            return next_one() if left else failure

        return next_one()

    def _answered(self, answer: _T, directory: Any) -> _T:
        old, self._used = self._used, directory
        if directory is old:
            return answer
        if directory is self._all[0]:
            _log.info("The rendezvous {new} answers again, and is used", new=directory.address)
        else:
            _log.warn(
                "The rendezvous {old} does not answer: {new} is used",
                old=old.address,
                new=directory.address,
            )
        return answer


def _first_failure(failure: Failure) -> Failure:
    """That of the one which failed, and not of the gathering."""
    inner: Failure = getattr(failure.value, "subFailure", failure)
    return inner
