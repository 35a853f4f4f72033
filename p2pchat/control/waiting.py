"""What programs ask and decide about what waits to be sent: the outbox.

    Request(do="outbox")                       ->  {"messages":[{"msg_id":…,"to":…}],"more":0}
    Request(do="cancel", msg_ids=["…"])        ->  {"cancelled":1,"unknown":[],"for_good":true}

Rules: a message is named by its msg_id, and only those of the outbox can be: they are ours. Lists
are bounded.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred

from p2pchat.control.requests import Fields, Request, RequestError
from p2pchat.history.records import SECURITIES
from p2pchat.node.cancelling import Cancelled
from p2pchat.node.node import ChatNode
from p2pchat.node.outbox import OwnMessage, Stage
from p2pchat.speech import Sentence, sentence_of
from p2pchat.wire.address import AmbiguousNameError

MOST_LISTED: Final = 200
MOST_CANCELLED: Final = 500
_ROOM: Final = 262_144
_STAGES: Final = {
    Stage.NEW: "waits",
    Stage.UNSENT: "waits",
    Stage.ON_ITS_WAY: "on_its_way",
    Stage.OVERDUE: "overdue",
}


class OutboxRequests:
    """Answers requests about the outbox of a node."""

    def __init__(self, node: ChatNode) -> None:
        self._node = node

    def list(self, request: Request) -> Fields:
        """What has not come to its end, oldest first: of one peer or of all, after a msg_id."""
        outbox = self._node.outgoing.outbox
        try:
            peer_id = request.peer_id and self._node.peers.called(request.peer_id)
        except AmbiguousNameError as why:
            raise RequestError("bad_request", sentence_of(why)) from None
        waiting = outbox.of_peer(peer_id) if peer_id else [*outbox]
        if len(request.msg_ids) > 1:
            raise RequestError("bad_request", Sentence("one msg_id, after which the list goes on"))
        for msg_id in request.msg_ids:
            places = [at for at, each in enumerate(waiting) if each.msg_id == msg_id]
            if not places:
                sentence = Sentence("no message with this msg_id waits any more")
                raise RequestError("bad_request", sentence)
            waiting = waiting[places[0] + 1 :]
        rows: list[Fields] = []
        room = _ROOM
        for message in islice(waiting, max(1, min(request.count, MOST_LISTED))):
            room -= len(message.entry.text)
            if room < 0 and rows:
                break
            rows.append(_row(message))
        return {"messages": rows, "more": len(waiting) - len(rows)}

    def cancel(self, request: Request) -> Deferred[Fields]:
        """Send these no more; answered when a restart cannot bring them back, or is known to."""
        wanted = [*dict.fromkeys(request.msg_ids)]
        if not 0 < len(wanted) <= MOST_CANCELLED:
            sentence = Sentence("msg_ids: 1 to {most} of them", most=MOST_CANCELLED)
            raise RequestError("bad_request", sentence)
        outbox = self._node.outgoing.outbox
        found = {msg_id: outbox.get(msg_id) for msg_id in wanted}
        unknown = [msg_id for msg_id, message in found.items() if message is None]

        def over(cancelled: Cancelled) -> Fields:
            fields: Fields = {"cancelled": cancelled.messages, "unknown": unknown}
            fields["for_good"] = not cancelled.why
            return {**fields, "reason": str(cancelled.why)} if cancelled.why else fields

        messages = [message for message in found.values() if message is not None]
        return self._node.outgoing.cancel(messages).addCallback(over)


def _row(message: OwnMessage) -> Fields:
    entry = message.entry
    row: Fields = {
        "msg_id": entry.msg_id,
        "to": entry.conversation,
        "text": entry.text,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.at)) if entry.at else "",
        "stage": _STAGES[message.stage],
        "stored": message.stored,
    }
    if entry.id:
        row["id"] = entry.id
    if entry.security:
        row["demands"] = SECURITIES[entry.security]
    return row
