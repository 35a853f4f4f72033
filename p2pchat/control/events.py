"""What happens in a node, as JSON: the events of `docs/control.md`.

    {"event":"message","time":"2026-01-31T12:00:00Z","from":"bob@CIC","to":"#CIC","text":"oi",…}
    {"event":"peer","time":"…","peer_id":"bob@CIC","status":"CONNECTED","left":false}

Rules: pure functions. Names and meanings are stable: a field may be added, none is renamed or taken
away. Texts are as they came; whoever shows them on a terminal makes them printable first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from p2pchat.mesh.identity.key_text import key_text
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.wire.address import scope_of
from p2pchat.wire.messages import Pub, Send

Event: TypeAlias = dict[str, Any]
_encode_lines: Final = msgspec.json.Encoder().encode_lines
_key_text: Final = lru_cache(maxsize=1024)(key_text)


def message_events(
    own_id: str,
    peer_id: str,
    messages: Sequence[Send | Pub],
    at: str,
    said: Sequence[float] = (),
    *,
    kept: bool = True,
    link: IPeerLink | None = None,
    alias: str = "",
    first: int = 0,
) -> list[Event]:
    """An event for each message that came from `peer_id`; `at` is the time stamp to give them.

    `to` is our own peer_id for a direct message, and `*` or `#namespace` for a published one.
    `claims` is there only when the message says that it is from somebody else, `said` only for one
    that comes late (`said` gives the seconds since the epoch of each), `kept` only when it is
    false: the node keeps messages, and could not keep this one. `other_text` is there only when it
    is true: the peer used the `msg_id` before, for another text. `of` is there only for another
    text of an earlier message, whose `msg_id` it is, and `alias` only for a peer that has one.
    `link`: the one on which they came. It vouches for nobody but the peer: what is said for another
    came in the clear, by no key.
    `first`: the id in the history of the first one; 0 when they have none, and then no `id`.
    """
    security, key = how_safe(link)
    alias = "" if alias == peer_id else alias
    usual = kept and not said and not alias
    events = []
    for n, message in enumerate(messages):
        src = message.src
        event: Event = {
            "event": "message",
            "time": at,
            "from": peer_id,
            "to": own_id if isinstance(message, Send) else scope_of(message.dst),
            "text": message.payload,
            "msg_id": message.msg_id,
            "security": security,
            "key": key,
        }
        if first:
            event["id"] = first + n
        if src and src != peer_id:
            event["claims"], event["security"], event["key"] = src, "plain", ""
        if not usual:
            if said:
                event["said"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(said[n]))
            if not kept:
                event["kept"] = False
            if alias:
                event["alias"] = alias
        if message.other_text:
            event["other_text"] = True
        if message.of:
            event["of"] = message.of
        events.append(event)
    return events


def how_safe(link: IPeerLink | None) -> tuple[str, str]:
    """The security of a link, and the text of its key: empty in the clear, as without a link."""
    if link is None or link.key is None:
        return "plain", ""
    return link.security, _key_text(link.key)


def peer_event(peer: Peer, at: str, *, ignored: bool = False) -> Event:
    """A peer's status has a new value; `left` says whether it said BYE.

    `ignored` is there only for a peer that the person ignores.
    """
    event = {
        "event": "peer",
        "time": at,
        "peer_id": peer.peer_id,
        "status": peer.status.value,
        "left": peer.left,
    }
    return {**event, "ignored": True} if ignored else event


def away_event(peer_id: str, text: str, at: str) -> Event:
    """A peer is away, and says why; with an empty text it is back."""
    return {"event": "away", "time": at, "peer_id": peer_id, "text": text}


def delivered_event(peer_id: str, msg_id: str, seconds: float, at: str) -> Event:
    """The ACK for a message of ours came."""
    return {
        "event": "delivered",
        "time": at,
        "peer_id": peer_id,
        "msg_id": msg_id,
        "seconds": round(seconds, 6),
    }


def undelivered_event(peer_id: str, msg_id: str, reason: str, at: str) -> Event:
    """No ACK came for a message of ours."""
    return {
        "event": "undelivered",
        "time": at,
        "peer_id": peer_id,
        "msg_id": msg_id,
        "reason": reason,
    }


def queued_event(peer_id: str, msg_id: str, at: str) -> Event:
    """A message of ours is kept until there is a link to its peer."""
    return {"event": "queued", "time": at, "peer_id": peer_id, "msg_id": msg_id}


def outcome_event(peer_id: str, msg_id: str, line: str, at: str) -> Event:
    """What became of a message that this client sent with `run`, as a line for a person."""
    return {
        "event": "outcome",
        "time": at,
        "peer_id": peer_id,
        "msg_id": msg_id,
        "line": line,
    }


def key_event(peer_id: str, what: str, key: bytes | None, known: bytes | None, at: str) -> Event:
    """Something happened to a key: `key` is the one that it is about, `known` the known one."""
    return {
        "event": "key",
        "time": at,
        "peer_id": peer_id,
        "what": what,
        "key": "" if key is None else key_text(key),
        "known": "" if known is None else key_text(known),
    }


def sent_event(to: str, text: str, msg_id: str, number: int, at: str, of: str = "") -> Event:
    """We said something; `number` is its id in the history, 0 when it has none (yet).

    `of` is there only for another text of an earlier message, whose `msg_id` it is.
    """
    event: Event = {"event": "sent", "time": at, "to": to, "text": text, "msg_id": msg_id}
    if number:
        event["id"] = number
    return {**event, "of": of} if of else event


def read_event(conversation: str, upto: int, at: str) -> Event:
    """What was unread has been seen, up to an id; 0: all of it."""
    event = {"event": "read", "time": at, "conversation": conversation}
    return {**event, "upto": upto} if upto else event


def links_event(peer: Peer, at: str) -> Event:
    """A peer has another link, or one less."""
    links = []
    for link in peer.links:
        security, key = how_safe(link)
        direction = "outbound" if link.outbound else "inbound"
        links.append(
            {"direction": direction, "address": link.address, "security": security, "key": key}
        )
    return {"event": "links", "time": at, "peer_id": peer.peer_id, "links": links}


def round_trip_event(peer: Peer, seconds: float, at: str) -> Event:
    """A peer has answered a PING; beside that there is the mean of the latest ones."""
    average = peer.average_round_trip
    return {
        "event": "round_trip",
        "time": at,
        "peer_id": peer.peer_id,
        "seconds": round(seconds, 6),
        "average_seconds": round(seconds if average is None else average, 6),
    }


def forgotten_event(peer_id: str, at: str) -> Event:
    """What was said by and to a peer has been deleted."""
    return {"event": "forgotten", "time": at, "peer_id": peer_id}


def notice_event(sentence: str, at: str) -> Event:
    """Something that the person should know."""
    return {"event": "notice", "time": at, "text": sentence}


def encode_lines(events: list[Event]) -> bytes:
    """Several events, each as by `encode_json`."""
    try:
        return _encode_lines(events)
    except ValueError:
        return b"".join(map(encode_json, events))


def encode_json(value: object) -> bytes:
    """One line of JSON, its newline included."""
    try:
        return msgspec.json.encode(value) + b"\n"
    except ValueError:
        # A peer can send half of a surrogate pair, which only an escape can carry.
        import json

        return json.dumps(msgspec.to_builtins(value)).encode("ascii") + b"\n"
