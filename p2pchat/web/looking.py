"""What a page is told of the node as a whole: its state, its graph, its settings.

Rules: what is listed is bounded. Nothing of it changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import to_builtins

from p2pchat.console.reports import PeerRow
from p2pchat.control.requests import Fields
from p2pchat.mesh.peers import Peer
from p2pchat.node.node import ChatNode
from p2pchat.settings.checks import PATH
from p2pchat.settings.table import SETTINGS
from p2pchat.speech import _
from p2pchat.wire.address import namespace_of
from p2pchat.wire.codec import MAX_LINE
from p2pchat.wire.text import MARKS, UNSAFE

MOST_PEERS: Final = 1000
MOST_NODES: Final = 300
HIDDEN: Final = (
    r"[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Cn}\p{Co}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u034f\u115f\u1160"
    r"\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc]"
)
"""What is made visible in a name, for a browser: `p2pchat.wire.names.is_hidden`."""
HOW: Final = "p2pchat --name NAME --namespace NAMESPACE"


def about(node: ChatNode) -> Fields:
    """What stays as it is while the node runs."""
    return {
        "me": node.me.peer_id,
        "home": f"#{namespace_of(node.me.peer_id)}",
        "start": _start(node),
        "settings": _settings(node),
        "longest": MAX_LINE,
        "invisible": UNSAFE,
        "hidden": HIDDEN,
        "marks": MARKS,
        "muted": [name for name in node.lists.muted if node.lists.is_muted(name, node.wall())],
    }


def _start(node: ChatNode) -> Fields:
    """Whether the person has chosen a name and a namespace; if not, how that is done."""
    peer, (name, _at, namespace) = node.settings.peer, node.me.peer_id.rpartition("@")
    named, placed = peer.name is not None, peer.namespace != type(peer)().namespace
    missing = []
    if not named:
        missing.append(_("You are called {name}, after your login name.").format(name=name))
    if not placed:
        sentence = _("You are in the namespace {namespace}, as everybody who chose none.")
        missing.append(sentence.format(namespace=namespace))
    if missing:
        missing.append(_("Both are chosen at the start: leave p2pchat, and start it so."))
    return {"name": named, "namespace": placed, "sentence": " ".join(missing), "command": HOW}


def _settings(node: ChatNode) -> dict[str, dict[str, Any]]:
    """Every setting but the names of files."""
    found: dict[str, dict[str, Any]] = {}
    for setting in SETTINGS:
        if setting.kind is not PATH:
            value = getattr(getattr(node.settings, setting.section), setting.field)
            found.setdefault(setting.section, {})[setting.field] = to_builtins(value)
    return found


def peer_list(node: ChatNode, rows: Sequence[PeerRow]) -> Fields:
    """These peers, those with links first, with what the person has decided about each."""
    linked = [row for row in rows if row.links]
    known = [row for row in rows if not row.links and row.peer_id in node.friends]
    others = [row for row in rows if not row.links and row.peer_id not in node.friends]
    chosen = [*linked, *known, *others][:MOST_PEERS]
    return {"peers": [_peer(node, row) for row in chosen], "more": len(rows) - len(chosen)}


def _peer(node: ChatNode, row: PeerRow) -> Fields:
    peer, name = node.peers.get(row.peer_id), row.peer_id
    return {
        **to_builtins(row),
        "alias": node.lists.names.get(name, ""),
        "ignored": name in node.lists.ignored,
        "away": node.absences.text_of(name),
        "samples": [] if peer is None else [round(each, 6) for each in peer.round_trips],
    }


def graph(node: ChatNode) -> Fields:
    """This node, the peers that it knows to be there, and its links with them."""
    me, at = node.me.peer_id, node.wall()
    linked = node.peers.connected()
    listed = [peer for peer in node.peers if not peer.links and peer.listed]
    chosen = [*linked, *listed][:MOST_NODES]
    nodes = [{"id": me, "status": "CONNECTED", "me": True}]
    nodes += [{"id": each.peer_id, "status": each.status.value, "me": False} for each in chosen]
    edges = [_edge(me, peer, at) for peer in chosen]
    return {"nodes": nodes, "edges": edges, "more": len(linked) + len(listed) - len(chosen)}


def _edge(me: str, peer: Peer, at: float) -> Fields:
    average = peer.average_round_trip
    direction = None
    if peer.links:
        direction = "outbound" if peer.link_in_use.outbound else "inbound"
    return {
        "a": me,
        "b": peer.peer_id,
        "rtt": None if average is None else round(average, 6),
        "direction": direction,
        "linked": bool(peer.links),
        "seen_by": me,
        "at": round(at, 3),
    }
