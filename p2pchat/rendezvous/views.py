"""What those hear who ask over IPv4 and do not say that they know IPv6.

Rules: pure. Many programs of other makes can only connect to IPv4, and some give up a name whose
latest address they cannot use. So a name that is registered over IPv4 is listed there alone, and
who is registered over IPv6 alone comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from p2pchat.rendezvous.registration import Registration


def ipv4_view(peers: Iterable[Registration], now: float) -> Iterator[Registration]:
    """These peers without the IPv6 addresses of names that have one of IPv4 at `now`, piece by
    piece."""
    there: set[tuple[str, str]] = set()
    later: list[Registration] = []
    for each in peers:
        if ":" in each.ip:
            later.append(each)
            continue
        if each.until > now:
            there.add((each.namespace, each.name))
        yield each
    for each in later:
        if (each.namespace, each.name) not in there:
            yield each
