"""Faults for `benchmarks.planted` in what becomes of messages, in memory and on disk.

Rules: those of `planted_links`.
"""

from __future__ import annotations

from typing import Final

from benchmarks.planted_links import Fault

OF_MESSAGES: Final = (
    # ---------------------------------------------------------------- node
    Fault(
        "ack-not-taken-as-overdue",
        "node/outgoing.py",
        "        for message in self.outbox.late(now - timeout):\n",
        "        for message in self.outbox.late(now - timeout * 1000):\n",
        "Nobody is told of a message that is not acknowledged, and it is not sent again.",
    ),
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
        "        waits = bool(obstacle) or behind or not self._ready\n",
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
        "                history.enter(entry)\n                number = entry.id\n",
        "                history.age(entry)\n                number = entry.id\n",
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
        "            self._seen.is_new(sender, said_id(msg_id), mark)\n",
        "",
        "A message whose ACK was lost is shown again after the next start.",
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
        "        self._deleting.run(lambda: self.flush().addCallback(delete)).addBoth(over)\n",
        "        self._deleting.acquire().addCallback(\n"
        "            lambda _: self.flush().addCallback(delete)\n"
        "        ).addBoth(over)\n",
        "After one /forget no second one is done, and the node does not leave.",
    ),
    Fault(
        "forgotten-before-it-is-written",
        "history/durable.py",
        "        self._deleting.run(lambda: self.flush().addCallback(delete)).addBoth(over)\n",
        '        self._deleting.run(lambda: succeed("").addCallback(delete)).addBoth(over)\n',
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
        "        if done.pieces and self.attending:\n",
        "        if done.pieces:\n",
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
        "        old.live = False\n        self._ends[_second(old.until)].pop(old, None)\n",
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
        "            self._replies.pop(namespace, None)\n",
        "            self._replies.pop(namespace + namespace, None)\n",
        "Who registers is not in the listing until the second is over.",
    ),
)
