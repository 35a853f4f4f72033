"""Faults for `benchmarks.planted` in changes of what was said, in its age, and in who is away.

Rules: those of `planted_links`.
"""

from __future__ import annotations

from typing import Final

from benchmarks.planted_links import Fault

OF_CHANGES: Final = (
    Fault(
        "change-of-what-nobody-said",
        "node/incoming.py",
        "        elif not self._seen.has(peer.peer_id, change.of):\n",
        "        elif not self._seen.has(peer.peer_id, change.of) and not change.of:\n",
        "A stranger changes what a friend said.",
    ),
    Fault(
        "change-kept-as-a-message",
        "node/incoming.py",
        "[kept_id(msg_id, change.of)], [change])",
        "[msg_id], [change])",
        "After a restart the first text is shown again, and the other one as a new message.",
    ),
    Fault(
        "change-taken-twice",
        "node/incoming.py",
        "        self._seen.is_new(peer.peer_id, msg_id, mark_of(change.payload))\n",
        "        mark_of(change.payload)\n",
        "A change that is sent again is told, and kept, twice.",
    ),
    Fault(
        "change-acknowledged-before-the-commit",
        "node/incoming.py",
        "            arrival = Arrival(peer, link, acks, is_change=True)\n",
        "            _acknowledge(peer, link, acks)\n"
        "            arrival = Arrival(peer, link, acks, is_change=True)\n",
        "Its sender forgets a change that a power loss takes away here.",
    ),
    Fault(
        "change-that-waited-is-a-message",
        "node/waiting_messages.py",
        "            if len(entry.msg_id) > LONGEST_ID and entry.changes:\n",
        "            if len(entry.msg_id) > LONGEST_ID * 3 and entry.changes:\n",
        "What was changed while its reader was away comes under an id that nobody acknowledges.",
    ),
    Fault(
        "change-for-who-knows-none",
        "node/changing.py",
        "    if link is None or EDIT in link.shared:\n",
        "    if link is None or link.is_p2pchat:\n",
        "A node of the older version never gets it, and ends the link.",
    ),
    Fault(
        "change-caught-up-as-a-message",
        "node/catching_up.py",
        "    if record.changes:\n        if EDIT in link.shared:\n",
        "    if record.changes:\n        if EDIT in link.shared and not link.keeps:\n",
        "Who was away is shown a change as a message of its own.",
    ),
    Fault(
        "too-old-told-before-it-is-written",
        "node/cancelling.py",
        "            self._when_written(history.note_age(), over)\n",
        '            history.note_age()\n            over("", False)\n',
        "What was told to be given up is sent after a power loss.",
    ),
    Fault(
        "too-old-and-its-age-not-noted",
        "history/durable.py",
        "        self._running.want_note()\n",
        "        self._running.last_waits = True\n",
        "What was told to be given up is young again after a power loss.",
    ),
    Fault(
        "too-old-until-the-restart",
        "node/outcomes.py",
        "            self._history.change(message.entry, ABANDONED)\n"
        "            self.called_off(message, reason)\n",
        "            self.called_off(message, reason)\n",
        "What was given up is told to be so once more at each start.",
    ),
    Fault(
        "never-too-old",
        "node/outgoing.py",
        "            self._cancelling.expire()\n",
        "            self._check_age_at = now + timeout * 10_000\n"
        "            self._cancelling.expire()\n",
        "A message waits for ever, as long as its node runs.",
    ),
    Fault(
        "absence-not-told-to-a-new-link",
        "node/away.py",
        "        if self._line:\n            self._to_tell[link] = None\n",
        "        if self._line and not self.own:\n            self._to_tell[link] = None\n",
        "Who comes later does not know who is away.",
    ),
    Fault(
        "absence-outlives-its-process",
        "node/away.py",
        "        if process != link.instance and self._counts(peer, link)",
        "        if process == self.own and self._counts(peer, link)",
        "Who came back by a restart is away for as long as the link lives.",
    ),
)
