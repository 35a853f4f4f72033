"""Faults for `benchmarks.planted` in what peers say, and in how they find and reach each other.

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


ON_LINKS: Final = (
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
        "wire/handshake.py",
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
        "wire/handshake.py",
        "            self.keeps = HISTORY in shared\n",
        "            self.keeps = HISTORY in self.me.features\n",
        "A node that keeps nothing is sent SAID, which it ignores: nothing arrives.",
    ),
    Fault(
        "same-id-same-message",
        "wire/repetitions.py",
        "        same = mark is None or mark in marks or None in marks\n",
        "        same = True\n",
        "A peer whose ids repeat, as some programs' do, loses all but the first message.",
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
        "mesh/link/peer_link.py",
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
        "        _guarded(self._mesh.look_at_deadlines, now)\n",
        "",
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
        " and says_of_us and not any(map(self._is_us, listings)):\n",
        " and says_of_us and not listings:\n",
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
)
