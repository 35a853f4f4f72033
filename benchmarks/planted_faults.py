"""The faults that `benchmarks.planted` plants, one at a time: slips that a programmer could make.

Rules: data only. `before` is in its file exactly once, and `after` takes its place. No fault is a
crash: each leaves a program that starts, and that most conversations get along with.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Fault(NamedTuple):
    """One change of the program, and why somebody would mind."""

    name: str
    file: str
    """Below `p2pchat/`."""
    before: str
    after: str
    why: str


FAULTS: Final = (
    # ---------------------------------------------------------------- wire
    Fault(
        "bye-does-not-end",
        "wire/session.py",
        "        return [Transmit(answer), *self.finish(ending, shortened(bye.reason, 80))]",
        "        return [Transmit(answer)]",
        "A peer that said BYE and stays connected is written to for ever.",
    ),
    Fault(
        "bye-ok-not-awaited-in-time",
        "wire/session.py",
        "        if now < self._deadline or self.state in (State.OPEN, State.CLOSED):",
        "        if now < self._deadline or self.takes_chat or self.state is State.CLOSED:",
        "A link whose other end does not answer BYE is never closed.",
    ),
    Fault(
        "handshake-never-late",
        "wire/session.py",
        "        if now < self._deadline or self.state in (State.OPEN, State.CLOSED):",
        "        if now < self._deadline or self.state is not State.CLOSING:",
        "Who connects and says nothing keeps a connection for ever.",
    ),
    Fault(
        "name-in-use-not-checked",
        "wire/session.py",
        "        if hello.peer_id == self.me.peer_id:\n",
        "        if hello.peer_id == self.me.peer_id and not hello.agent:\n",
        "Two nodes of one name link with each other, and each writes to itself.",
    ),
    Fault(
        "destination-not-checked",
        "wire/session.py",
        "                if message.dst not in me.addresses:\n",
        "                if not message.dst:\n",
        "A message for somebody else is shown, kept and acknowledged here.",
    ),
    Fault(
        "bad-lines-never-end",
        "wire/session.py",
        "        self._bad_lines += 1\n",
        "        self._bad_lines = 1\n",
        "Somebody who sends nonsense for ever costs time and a line in the log for each.",
    ),
    Fault(
        "features-not-compared",
        "wire/session.py",
        " and HISTORY in greeting.features and HISTORY in self.me.features\n",
        " and HISTORY in self.me.features\n",
        "A node that keeps nothing is sent SAID, which it ignores: nothing arrives.",
    ),
    Fault(
        "same-id-same-message",
        "wire/repetitions.py",
        "        same = mark is None or mark in marks or None in marks\n",
        "        same = True\n",
        "A peer whose ids repeat, as some programs' do, loses all but the first message.",
    ),
    Fault(
        "ids-forgotten-too-early",
        "wire/repetitions.py",
        "        self._older, self._older_count = self._recent, self._recent_count\n",
        "        self._older, self._older_count = {}, 0\n",
        "Every so many messages the repetitions of the latest ones are shown again.",
    ),
    # ---------------------------------------------------------------- mesh/link
    Fault(
        "tail-of-a-chunk-lost",
        "mesh/link/protocol.py",
        '        self._tail = bytearray(data[end:]) if end < len(data) else b""\n',
        '        self._tail = b""\n',
        "A line that is cut by the network loses its first half.",
    ),
    Fault(
        "link-not-read-on",
        "mesh/link/read_limit.py",
        "        if self._reading is Reading.HELD:\n            self._go_on_soon()",
        "        if self._reading is Reading.NOT_READ:\n            self._go_on_soon()",
        "A link that waited for the past is never read again.",
    ),
    Fault(
        "slow-down-never-ends",
        "mesh/link/read_limit.py",
        "            self._resume = self._clock.callLater(wait, self._slow_enough)\n",
        "            self._resume = self._clock.callLater(1000 * wait, self._slow_enough)\n",
        "Milliseconds for seconds: who sent too fast once is not read for minutes.",
    ),
    Fault(
        "queue-without-bound",
        "mesh/link/send_queue.py",
        "        if self.bytes_waiting + len(line) > self.limit:\n",
        "        if len(line) > self.limit:\n",
        "A peer that does not read makes the memory grow without end.",
    ),
    Fault(
        "paced-queue-stands-still",
        "mesh/link/send_queue.py",
        "        self._pacing = None\n        self.flush()\n",
        "        self.flush()\n        self._pacing = None\n",
        "Another program gets one line, and nothing after it.",
    ),
    Fault(
        "linger-without-end",
        "mesh/link/protocol.py",
        "        elif now >= self._close_by:\n",
        "        elif now >= self._close_by + 1000 * LINGER:\n",
        "A peer that does not read our last bytes keeps a connection for ever.",
    ),
    Fault(
        "link-counted-twice",
        "mesh/link/admission.py",
        "        self.links += 1\n        self._dialed[network_of(ip)] += 1\n",
        "        self.links += 2\n        self._dialed[network_of(ip)] += 1\n",
        "After some thousand dials a node takes no link any more.",
    ),
    Fault(
        "one-link-too-many",
        "mesh/link/admission.py",
        "        return self.links + self.dials < self.max_links\n",
        "        return self.links + self.dials <= self.max_links\n",
        "The limit that a person set does not hold.",
    ),
    # ---------------------------------------------------------------- mesh
    Fault(
        "deadlines-never-looked-at",
        "node/sweep.py",
        "        _guarded(self._mesh.look_at_deadlines, now)\n        if self._sweeps % 4 == 0:\n",
        "        if self._sweeps % 4 == 0:\n",
        "Handshakes and farewells that nobody answers never end.",
    ),
    Fault(
        "silence-never-ends-a-link",
        "mesh/keepalive.py",
        "        longest = SILENCE * self.interval\n",
        "        longest = SILENCE * self.interval * 1000\n",
        "Milliseconds for seconds: a peer whose cable was cut is `connected` for a day.",
    ),
    Fault(
        "crossed-dials-stay-two-links",
        "mesh/duplicates.py",
        "            if we_are_smaller:\n                return ending\n",
        "            if not we_are_smaller:\n                return None\n",
        "Two nodes that dial each other at once keep two links for good.",
    ),
    Fault(
        "backoff-never-grows",
        "mesh/dial_pauses.py",
        "        delay = connection.reconnect_backoff_base**failures * jitter(0.8, 1.2)\n",
        "        delay = connection.reconnect_backoff_base * jitter(0.8, 1.2)\n",
        "A peer that is away is dialed every two seconds, and called STALE after ten.",
    ),
    Fault(
        "backoff-never-ends",
        "mesh/dial_pauses.py",
        "    return min(delay, longest)\n",
        "    return max(delay, longest)\n",
        "A link that broke for a moment is back after a minute instead of a second.",
    ),
    Fault(
        "stale-never-comes-back",
        "mesh/peers.py",
        "            or expires_at > self.expires_at + _RENEWAL\n",
        "            or expires_at > self.expires_at + _RENEWAL * 1000\n",
        "Who was away, and registers again at the same address, is not dialed.",
    ),
    Fault(
        "dial-after-leaving",
        "mesh/dialer.py",
        '        """Dial no more, and drop an attempt that is under way."""\n'
        "        self._cancel_wait()\n",
        '        """Dial no more, and drop an attempt that is under way."""\n',
        "A timer is left behind, and dials when the node has left.",
    ),
    Fault(
        "dial-place-not-given-back",
        "mesh/dial_queue.py",
        "        self._free += 1\n",
        "",
        "After some dials of strangers nobody is dialed any more.",
    ),
    Fault(
        "link-taken-out-too-late",
        "mesh/peers.py",
        "            del of_namespace[peer.peer_id]\n",
        "",
        "What is published counts peers that are gone.",
    ),
    Fault(
        "ack-not-taken-as-overdue",
        "node/outgoing.py",
        "        for message in self.outbox.late(now - timeout):\n",
        "        for message in self.outbox.late(now - timeout * 1000):\n",
        "Nobody is told of a message that is not acknowledged, and it is not sent again.",
    ),
    # ---------------------------------------------------------------- mesh/discovery
    Fault(
        "lease-renewed-too-late",
        "mesh/discovery/schedule.py",
        "        self._register_at = now + max(lease / 2, self._shortest_lease)\n",
        "        self._register_at = now + max(lease * 2, self._shortest_lease)\n",
        "Everybody is out of the listing for half of the time.",
    ),
    Fault(
        "not-registered-anew",
        "mesh/discovery/presence.py",
        "            if listings.whole and not any(map(self._is_us, listings)):\n",
        "            if listings.whole and not listings:\n",
        "A rendezvous that was started anew does not know us until the lease is half over.",
    ),
    Fault(
        "registered-after-leaving",
        "mesh/discovery/presence.py",
        "            return succeed(None) if self.grant is None else self._unregister(until)\n",
        "            return succeed(None)\n",
        "Who has left is listed, and dialed by all, for two hours.",
    ),
    Fault(
        "budget-not-kept",
        "mesh/discovery/schedule.py",
        "        self._asked = [at for at in self._asked if now - at < 60]\n",
        "        self._asked = [at for at in self._asked if now - at < 0.06]\n",
        "A rendezvous that counts requests blocks the node.",
    ),
    Fault(
        "block-not-respected",
        "mesh/discovery/schedule.py",
        "        self._silent_until = now + min(seconds, _LONGEST_BLOCK)\n",
        "        self._silent_until = now - min(seconds, _LONGEST_BLOCK)\n",
        "A rendezvous that blocks us is asked on, and blocks us for longer.",
    ),
    # ---------------------------------------------------------------- node
    Fault(
        "ack-before-the-commit",
        "node/incoming.py",
        "        if not history.keep(arrival, messages, ids):\n",
        "        _acknowledge(arrival.peer, arrival.link, arrival.acks)\n"
        "        if not history.keep(arrival, messages, ids):\n",
        "Its sender forgets a message that a power loss takes away here.",
    ),
    Fault(
        "repetition-acknowledged-at-once",
        "node/incoming.py",
        "        if arrival.acks and not history.keep_repeated(arrival):\n",
        "        if arrival.acks:\n",
        "A repetition is acknowledged although its first copy is not on the disk yet.",
    ),
    Fault(
        "repetition-not-acknowledged",
        "node/incoming.py",
        "            self._repeated(history, Arrival(peer, link, _to_acknowledge(repeated)))\n",
        "            self._repeated(history, Arrival(peer, link, []))\n",
        "A message whose first ACK was lost is sent again and again.",
    ),
    Fault(
        "dedupe-without-the-sender",
        "node/incoming.py",
        "        fresh, ids, others = self._seen.fresh(peer.peer_id, messages)\n",
        "        fresh, ids, others = self._seen.fresh(peer.namespace, messages)\n",
        "One can have another one's messages taken for repetitions.",
    ),
    Fault(
        "not-stored-is-a-repetition",
        "node/showing.py",
        "            self._forget(arrival)\n            self._mark(arrival.peer",
        "            self._mark(arrival.peer",
        "What could not be kept is acknowledged when it comes again, and never kept.",
    ),
    Fault(
        "what-came-early-is-reversed",
        "node/incoming.py",
        "            first = early.popleft()\n",
        "            first = early.pop()\n",
        "What came before the past was known is shown in the wrong order.",
    ),
    Fault(
        "new-before-waiting",
        "node/outgoing.py",
        "        waits = bool(obstacle) or self.outbox.is_behind(peer_id) or not self._ready\n",
        "        waits = bool(obstacle) or not self._ready\n",
        "A message overtakes those that wait for the same peer.",
    ),
    Fault(
        "order-of-two-sends-swapped",
        "node/outbox.py",
        "        self.unsent(message)\n        self._in_order(message.peer_id)\n",
        "        self.unsent(message)\n",
        "A message that found no room goes out after those said later.",
    ),
    Fault(
        "again-out-of-order",
        "node/outbox.py",
        "        if again:\n            self._in_order(peer_id)\n",
        "",
        "What went out on a link that broke goes out after what was said since.",
    ),
    Fault(
        "cancelled-and-sent",
        "node/outbox.py",
        "            self._move(message, Stage.NEW)\n            _remove(self._by_peer, message)\n",
        "            _remove(self._by_peer, message)\n",
        "A message that was cancelled goes out all the same.",
    ),
    Fault(
        "cancelled-until-the-restart",
        "node/outcomes.py",
        "            self._history.change(message.entry, state)\n",
        "            if became is Became.DELIVERED:\n"
        "                self._history.change(message.entry, state)\n",
        "A message that was cancelled goes out after the next start.",
    ),
    Fault(
        "ack-from-anybody",
        "node/outgoing.py",
        "        if message is None or message.peer_id != peer_id:\n",
        "        if message is None or not message.peer_id:\n",
        "Anybody can say that a message to somebody else was delivered.",
    ),
    Fault(
        "outbox-without-bound",
        "node/outbox.py",
        "        if waiting >= settings.outbox_max_per_peer:\n",
        "        if waiting >= settings.outbox_max_per_peer * 1024:\n",
        "The limit that a person set is off by a factor.",
    ),
    Fault(
        "pending-without-bound",
        "node/outgoing.py",
        "        return self.pending >= self._context.settings.limits.max_pending_acks\n",
        "        return self.pending >= self._context.settings.limits.max_pending_acks << 10\n",
        "The limit that a person set is off by a factor.",
    ),
    Fault(
        "window-shrinks",
        "node/outbox.py",
        "            self._on_their_way_to[peer_id] = self._on_their_way_to.get(peer_id, 0) + 1\n",
        "            self._on_their_way_to[peer_id] = self._on_their_way_to.get(peer_id, 0) + 2\n",
        "After some hundred messages to a peer nothing goes out of the outbox any more.",
    ),
    Fault(
        "too-old-by-a-factor",
        "node/outbox.py",
        "        ttl = self.settings.outbox_ttl\n",
        "        ttl = self.settings.outbox_ttl / 1000\n",
        "A message for a peer that is away for ten minutes is given up.",
    ),
    Fault(
        "told-to-be-kept-on-a-full-disk",
        "node/outcomes.py",
        "                message.stored = not trouble\n",
        "                message.stored = True\n",
        "The person is told that a message is kept, and it is gone with the process.",
    ),
    Fault(
        "not-entered-again",
        "node/outcomes.py",
        "            if everything or not message.stored:\n",
        "            if everything:\n",
        "What was said while the disk was full is never written.",
    ),
    Fault(
        "published-not-kept",
        "node/publishing.py",
        "                history.enter(entry)\n            elif self._early < _MOST_EARLY:\n",
        "                history.age(entry)\n            elif self._early < _MOST_EARLY:\n",
        "Who was away never gets what was published.",
    ),
    Fault(
        "dropped-and-never-made-up",
        "node/broadcast.py",
        "                self.dropped += len(lines)\n                self.on_dropped(peer)\n",
        "                self.dropped += len(lines)\n",
        "What a crowded link had no room for never arrives there.",
    ),
    Fault(
        "caught-up-once",
        "node/catching_up.py",
        "or (where in peer.links and not where.leaving):\n",
        "or where is not None:\n",
        "A peer is asked on one link, and not again when that link broke amid the answer.",
    ),
    Fault(
        "caught-up-from-the-file-alone",
        "node/catching_up.py",
        "        searched = history.flush().addCallback(search).addCallback(found)\n",
        "        searched = history.when_ready().addCallback(search).addCallback(found)\n",
        "What was published just before the question is never found.",
    ),
    Fault(
        "caught-up-without-the-namespace",
        "node/catching_up.py",
        '        history, scopes = self._history, (EVERYONE, "#" + self._namespace)\n',
        "        history, scopes = self._history, (EVERYONE, self._namespace)\n",
        "What was published to the namespace is not caught up with.",
    ),
    # ---------------------------------------------------------------- history
    Fault(
        "no-repetition-known-after-a-restart",
        "history/durable.py",
        "            self._seen.is_new(sender, msg_id, mark)\n",
        "",
        "A message whose ACK was lost is shown again after the next start.",
    ),
    Fault(
        "ids-of-a-moment-remembered",
        "history/durable.py",
        "        since = wall - 2 * self.settings.outbox_ttl\n",
        "        since = wall - 2 * self.settings.outbox_ttl / 86_400\n",
        "Days for seconds: a message that comes again after some seconds is shown twice.",
    ),
    Fault(
        "outbox-forgets",
        "history/durable.py",
        "        self.on_past(past.waiting)\n",
        "        self.on_past(past.waiting[:1])\n",
        "All but one of the messages that wait are not sent after the next start.",
    ),
    Fault(
        "place-moves-past-a-gap",
        "history/durable.py",
        "        beyond_gap = late and self.places.has_gap(peer_id)\n",
        "        beyond_gap = late and not self.places.last(peer_id)\n",
        "What was not kept while catching up is never asked for again.",
    ),
    Fault(
        "place-stays-behind-a-lost-batch",
        "history/places.py",
        "        self._last.pop(peer_id, None)\n        self.refused(peer_id)\n",
        "        self.refused(peer_id)\n",
        "What a full disk did not take is taken for kept, and never asked for again.",
    ),
    Fault(
        "lock-not-released",
        "history/durable.py",
        "        return self._deleting.run(lambda: self.flush().addCallback(delete))\n",
        "        return self._deleting.acquire().addCallback(\n"
        "            lambda _: self.flush().addCallback(delete)\n"
        "        )\n",
        "After one /forget no second one is done, and the node does not leave.",
    ),
    Fault(
        "forgotten-before-it-is-written",
        "history/durable.py",
        "        return self._deleting.run(lambda: self.flush().addCallback(delete))\n",
        '        return self._deleting.run(lambda: succeed("").addCallback(delete))\n',
        "What was said a moment before /forget is in the file after it.",
    ),
    Fault(
        "repetitions-of-a-lost-batch-acknowledged",
        "history/store.py",
        "        unstored.repeats.clear()\n",
        "",
        "A repetition of a message that a full disk did not take is acknowledged.",
    ),
    Fault(
        "lost-batch-not-written-again",
        "history/store.py",
        "        unstored.entries = (done.entries + unstored.entries)[-_MAX_AGAIN:]\n",
        "        unstored.entries = unstored.entries[-_MAX_AGAIN:]\n",
        "Our own messages of a batch that failed are not in the file when the disk works again.",
    ),
    Fault(
        "changes-of-a-lost-batch-lost",
        "history/store.py",
        "        changes = done.changes + unstored.changes\n",
        "        changes = unstored.changes\n",
        "A message that was delivered while the disk was full is sent again after a restart.",
    ),
    Fault(
        "synchronous-normal",
        "history/schema.py",
        "    gives_back=True,\n",
        '    gives_back=True,\n    synchronous="NORMAL",\n',
        "A power loss takes away what was acknowledged.",
    ),
    Fault(
        "forgotten-text-stays-in-the-file",
        "history/database.py",
        '        connection.execute("PRAGMA secure_delete=ON")\n',
        '        connection.execute("PRAGMA secure_delete=OFF")\n',
        "Who steals the disk reads what the person had deleted.",
    ),
    Fault(
        "read-by-nobody",
        "history/durable.py",
        "        if done.arrivals and self.attending:\n",
        "        if done.arrivals:\n",
        "What came while nobody was there is not told to be unread.",
    ),
    Fault(
        "file-stays-locked",
        "history/durable.py",
        "            return self._store.stop().addBoth(lambda _: self._storage.on_closed())\n",
        "            return self._store.stop()\n",
        "The next node of one program cannot have the file.",
    ),
    # ---------------------------------------------------------------- sqlite
    Fault(
        "failed-transaction-stays-open",
        "sqlite.py",
        "            self.close()  # which undoes what was not committed\n            raise\n",
        "            raise\n",
        "After one full disk nothing is written any more, until the next start.",
    ),
    Fault(
        "journal-in-memory",
        "sqlite.py",
        '    connection.execute("PRAGMA journal_mode=WAL")\n',
        '    connection.execute("PRAGMA journal_mode=MEMORY")\n',
        "A power loss amid a commit leaves a broken file.",
    ),
    # ---------------------------------------------------------------- rendezvous
    Fault(
        "renewal-ends-with-the-old-lease",
        "rendezvous/registry.py",
        "            self._ends[_second(old.until)].pop(old)\n",
        "",
        "Everybody is taken out when the first lease is over, though it was renewed.",
    ),
    Fault(
        "withdrawn-and-stored",
        "rendezvous/stores/journal.py",
        "        self._pending[registration.key] = registration if registration.live else None\n",
        "        self._pending[registration.key] = registration\n",
        "Who has left is listed again after a restart of the rendezvous.",
    ),
    Fault(
        "share-of-an-address-used-up",
        "rendezvous/registry.py",
        "        self._networks[network] -= 1\n",
        "",
        "After so many starts of a node its address cannot register any more.",
    ),
    Fault(
        "listing-not-made-anew",
        "rendezvous/registry.py",
        "            self._replies.pop(registration.namespace, None)\n",
        "            self._replies.pop(registration.name, None)\n",
        "Who registers is not in the listing until the second is over.",
    ),
)
