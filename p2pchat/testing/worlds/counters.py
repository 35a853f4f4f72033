"""The checks of a world that count: what a node has counted, what is bounded, what is over.

    I4  one settled link with each peer that is there; none without HELLO, or after BYE, for long
    I5  a counter says what its table holds, and no table holds more than its setting allows
    I6  nothing of who has left goes on
    I7  when nothing fails any more, all are connected, listed, and said to be

Rules: everything here looks inside a node, counts anew what the node counts as it goes, and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Final

from p2pchat.mesh.dial_queue import _MAX_DIALS
from p2pchat.mesh.keepalive import SILENCE
from p2pchat.mesh.peers import Status
from p2pchat.node.node import ChatNode
from p2pchat.node.outbox import Stage
from p2pchat.node.outgoing import _CHECK_AGE_EVERY
from p2pchat.rendezvous.registry import Registry
from p2pchat.testing.network import FakeHost
from p2pchat.testing.transport import FakeTransport
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.narrow import USUAL
from p2pchat.wire.messages import AWAY
from p2pchat.wire.states import State

SLACK: Final = 1.5
"""Seconds after a deadline by which a node that sweeps has seen it."""

LONGEST_PAUSE: Final = 120.0
"""Seconds for which nobody who sent too fast is not read: a whole chunk of short lines."""


def counter_violations(node: ChatNode, *, fixed: bool = True) -> Iterator[Violation]:
    """What a node has counted wrong, or has too much of; between two turns (I4, I5).

    `fixed`: whether its settings are those with which it started.
    """
    yield from _links(node)
    yield from _overdue_links(node)
    yield from _outbox(node, fixed=fixed)
    if fixed:
        yield from _outbox_bounds(node)
    yield from _peers(node)
    yield from _waits(node)


def _links(node: ChatNode) -> Iterator[Violation]:
    mesh: Any = node.mesh
    admission, queue, me = mesh.admission, mesh._dialing._queue, node.me.peer_id
    if admission.links != len(mesh._links):
        yield Violation("I5", "links are counted wrong", f"{me}: {admission.links}")
    of_addresses = admission._per_address.total() + admission._dialed.total()
    if of_addresses != len(mesh._links):
        yield Violation("I5", "links are counted wrong by address", f"{me}: {of_addresses}")
    dialers = mesh._dialing._dialers.values()
    attempts = sum(dialer._has_place for dialer in dialers)
    dials = sum(len(dialer._tries) for dialer in dialers)
    if admission.dials != dials or queue._free != _MAX_DIALS - attempts:
        yield Violation("I5", "dials are counted wrong", f"{me}: {admission.dials} for {dials}")
    # Who said nothing gives way to a newcomer, and is counted until its connection is gone.
    lasting = sum(link._finish is None for link in mesh._links)
    if lasting > admission.max_links:
        yield Violation("I5", "more links than may be", f"{me}: {lasting}")
    batch, most = mesh.context.batch, mesh.context.settings.limits.max_queue_bytes
    waiting = sum(link.queue.bytes_lasting for link in mesh._links)
    if batch.waiting != waiting:
        yield Violation("I5", "what waits is counted wrong", f"{me}: {batch.waiting}, {waiting}")
    for link in mesh._links:
        # Answers are queued in any case, and one line of ours beside them.
        if link.queue.bytes_waiting - link.queue._answers > most + 1000:
            yield Violation("I5", "more waits for a link than may", f"{me}: {link.address}")
        yield from _standing_still(link, f"{me}: {link.address}", node.clock.seconds())


def _standing_still(link: Any, what: str, now: float) -> Iterator[Violation]:
    """Lines that nobody writes, and a link that nobody reads on."""
    queue, resume = link.queue, link._read_limit._resume
    paced = queue._resume_at is not None and not queue._blocked
    if paced and queue._waiting and queue._pacing is None and not queue._due:
        yield Violation("I7", "a paced queue stands still", what)
    if resume is not None and isfinite(resume.getTime()) and resume.getTime() > now + LONGEST_PAUSE:
        yield Violation("I7", "a link is not read for long", what)


def _overdue_links(node: ChatNode) -> Iterator[Violation]:
    """Handshakes, farewells and closings that should be over."""
    judged = _judged(node)
    if judged is None:
        return
    unsettled: Any = node.mesh.context.unsettled
    for link in [*unsettled]:
        session, at = link.session, f"{node.me.peer_id}: {link.address}"
        if link._finish is not None:
            if link._close_by and link._close_by + SLACK < judged:
                yield Violation("I4", "a link that has ended is not closed", at)
        elif session.state is not State.OPEN and session._deadline + SLACK < judged:
            yield Violation("I4", f"{session.state.value} for too long", at)

    links: Any = node.mesh.links
    longest = SILENCE * node.settings.connection.ping_interval + SLACK
    for link in links if judged >= node.mesh.keepalive._judge_from + SLACK else ():
        if link.leaving:
            continue  # it has said farewell, and its node waits for nothing but its disk
        if link.heard_at < judged - longest and not (link.waits_for_us or link._gone):
            yield Violation(
                "I7", "a silent link is not ended", f"{node.me.peer_id}: {link.peer_id}"
            )


def _outbox(node: ChatNode, *, fixed: bool) -> Iterator[Violation]:
    outbox, settings, me = node.outgoing.outbox, node.settings, node.me.peer_id
    if not len(outbox) and not outbox._on_their_way_to:
        return
    judged = _judged(node)
    timeout = settings.connection.ack_timeout
    if not fixed:  # perhaps it is shorter since the last sweep
        timeout = max(timeout, USUAL.connection.ack_timeout)
    latest = None if judged is None else judged - timeout - SLACK
    away: dict[str, int] = {}
    history = node.history
    longest = settings.history.outbox_ttl + _CHECK_AGE_EVERY + SLACK
    grows_old = judged is not None and history is not None and history.ready
    for message in outbox:
        if grows_old and history is not None and history.age(message.entry) > longest:
            yield Violation("G6", "it waits for longer than it may", message.msg_id)
        if message.stage is Stage.ON_ITS_WAY:
            if latest is not None and message.sent_at is not None and message.sent_at < latest:
                yield Violation("L3", "no ACK in time, and nothing came of it", message.msg_id)
            away[message.peer_id] = away.get(message.peer_id, 0) + 1
    if away != outbox._on_their_way_to:
        yield Violation("I5", "what is on its way is counted wrong", f"{me}: {away}")


def _outbox_bounds(node: ChatNode) -> Iterator[Violation]:
    outbox, me = node.outgoing.outbox, node.me.peer_id
    most_away = node.settings.limits.max_pending_acks
    if outbox.on_their_way > most_away:
        yield Violation("I5", "more is on its way than may", f"{me}: {outbox.on_their_way}")
    # What was on its way waits again when its link ends, whatever waits already. What waits from an
    # earlier run is not known while the first messages of this one are taken.
    most = node.settings.history.outbox_max_per_peer + most_away
    for peer_id, messages in outbox._by_peer.items():
        if sum(not each.earlier for each in messages.values()) > most:
            yield Violation("I5", "more waits for a peer than may", f"{me}: {peer_id}")


def _peers(node: ChatNode) -> Iterator[Violation]:
    peers, me = node.peers, node.me.peer_id
    linked = {peer.peer_id for peer in peers if peer.links}
    connected = {peer.peer_id for peer in peers.connected()}
    if me in linked:
        yield Violation("I4", "a link with somebody of its own name", me)
    if linked != connected:
        yield Violation("I5", "connected peers without a link", f"{me}: {linked ^ connected}")
    if len(peers) > max(peers.max_known, len(linked)) + len(node.friends.known):
        yield Violation("I5", "more peers are known than may be", f"{me}: {len(peers)}")


def _waits(node: ChatNode) -> Iterator[Violation]:
    """The waits before a dial, and before a registration is renewed (I7)."""
    connection, mesh, me = node.settings.connection, node.mesh, node.me.peer_id
    now = node.clock.seconds()
    base, longest = connection.reconnect_backoff_base, connection.reconnect_backoff_max
    for peer, dialer in mesh._dialing._dialers.items():
        known = isfinite(dialer._ended_at) and not mesh.admission.postponed
        if dialer._wait is None or dialer._hurried or not known:
            continue
        wait = dialer._wait.getTime() - dialer._ended_at
        if not isfinite(wait):
            continue  # the machine stands still
        due = base ** (dialer.failures + dialer._short_sessions)
        if wait < 0.79 * min(due, longest):
            yield Violation("I7", "a dial comes too soon", f"{me}: {peer.peer_id}: {wait:.1f} s")
        elif dialer._wait.getTime() - now > min(1.21 * due, longest):
            yield Violation("I7", "a dial comes too late", f"{me}: {peer.peer_id}: {wait:.1f} s")
    grant = node.presence.grant
    if grant is not None and node.presence.running:
        wait = node.presence._schedule._register_at - node.clock.seconds()
        if wait > max(grant.ttl / 2, node.presence._schedule._shortest_lease) + SLACK:
            yield Violation("I7", "a lease is renewed too late", f"{me}: {wait:.0f} s")


def _judged(node: ChatNode) -> float | None:
    """Up to when a node has looked at its deadlines; None when it may not have."""
    sweep: Any = node._sweep
    runs = sweep._loop.running and sweep._swept_at >= sweep._judge_from
    return float(sweep._swept_at) if runs else None


def settled_violations(
    nodes: Sequence[ChatNode], listed: Sequence[str], *, several: bool = False
) -> Iterator[Violation]:
    """What is wrong when nothing has failed for a while: links, statuses, the listing (I4, I7).

    `listed`: the peer_ids that the rendezvous lists. A link that was cut without a word counts as
    one until it has been silent for long. `several`: somebody lists itself at another's place, so
    that there may be a second link, which lives and is not ended for that.
    """
    names = {node.me.peer_id for node in nodes}
    forgetful = {node.me.peer_id for node in nodes if node.history is None}
    for node in nodes:
        me = node.me.peer_id
        for name in sorted(names - {me}):
            peer = node.peers.get(name)
            links: list[Any] = [] if peer is None else [*peer.links]
            whole = sum(_is_whole(link.transport) for link in links)
            if not links or (whole > 1 and not several):
                yield Violation("I4", f"{whole} links with a peer that is there", f"{me}: {name}")
            elif any(link.keeps and {me, name} & forgetful for link in links):
                yield Violation("I4", "taken for one that keeps messages", f"{me}: {name}")
            elif peer is not None and peer.status is not Status.CONNECTED:
                yield Violation("I7", f"connected, and {peer.status.value}", f"{me}: {name}")
        if me not in listed:
            yield Violation("I7", "it is there, and not listed", me)


def absence_violations(nodes: Sequence[ChatNode]) -> Iterator[Violation]:
    """Who is away, and is taken by another node to be there, or the other way round (I7)."""
    names = {node.me.peer_id: node for node in nodes}
    for node in nodes:
        for name, other in names.items():
            if name == node.me.peer_id or not {AWAY} <= {*node.me.features} & {*other.me.features}:
                continue  # one of them is older, and knows nothing of it
            peer = node.peers.get(name)
            links: list[Any] = [] if peer is None else [*peer.links]
            said = node.absences.text_of(name)
            whole = any(_is_whole(link.transport) for link in links)
            if whole and said != other.absences.own:
                what = f"{node.me.peer_id}: {name} says {other.absences.own!r}, not {said!r}"
                yield Violation("I7", "who is away is not known", what)


def clear_violations(nodes: Sequence[ChatNode]) -> Iterator[Violation]:
    """Who encrypts, and has a link in the clear with somebody else who does (I4)."""
    names = {node.me.peer_id for node in nodes if node.encrypts}
    for node in nodes:
        for name in names if node.encrypts else ():
            peer = node.peers.get(name)
            if peer is not None and any(link.key is None for link in peer.links):
                yield Violation("I4", "in the clear between two that encrypt", node.me.peer_id)


def _is_whole(end: FakeTransport) -> bool:
    return not (end.severed or end.gone or end.other.severed or end.other.gone)


def left_violations(name: str, host: FakeHost) -> Iterator[Violation]:
    """What is left of a node at the moment at which its `stopService` has fired (I6)."""
    soon = host.seconds() + 0.25  # what is over by itself at once does nothing any more
    for call in host.getDelayedCalls():
        if call.getTime() <= soon:
            continue
        yield Violation("I6", "a timer is left behind at the end", f"{name}: {call}")


def registry_violations(registry: Registry, now: float) -> Iterator[Violation]:
    """What a rendezvous has counted wrong, or would tell wrong at this moment (I5)."""
    there = registry.all()
    if registry._count != len(there) or registry._networks.total() != len(there):
        yield Violation("I5", "registrations are counted wrong", f"{registry._count}")
    ends = [each for ending in registry._ends.values() for each in ending]
    if len(ends) != len(there) or {*map(id, ends)} != {*map(id, there)}:
        yield Violation("I5", "a lease ends that is not there", f"{len(ends)} for {len(there)}")
    for namespace, reply in registry._replies.items() if registry._replies_of == int(now) else ():
        lasting = [
            each for each in there if namespace in (None, each.namespace) and each.until > now + 1
        ]
        if reply.count(b'{"ip":') < len(lasting):
            yield Violation("I5", "a listing leaves somebody out", f"{namespace}")
