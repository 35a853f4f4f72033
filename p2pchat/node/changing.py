"""Changes of what was said, between the wire and the messages of this node.

    Edit  ->  change_of  ->  a ChangedSend or a ChangedPub
    a change of ours  ->  change_line  ->  EDIT, or "* text" for who does not list the feature

Rules: no I/O. How a change leaves is decided when it does, by the link that it leaves on.
"""

from __future__ import annotations

from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.wire.changes import as_message
from p2pchat.wire.codec import encode
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import EDIT, ChangedPub, ChangedSend, Edit, Pub, Send


def change_of(edit: Edit, peer_id: str, me: Identity) -> Send | Pub:
    """What an EDIT of this peer, which is for us, says."""
    if edit.dst in me.addresses:
        return ChangedSend(edit.msg_id, peer_id, me.peer_id, edit.payload, True, of=edit.of)
    return ChangedPub(edit.msg_id, peer_id, edit.dst, edit.payload, of=edit.of)


def change_line(
    link: IPeerLink | None, msg_id: str, of: str, own_id: str, to: str, text: str, *, direct: bool
) -> bytes:
    """The line for a change of ours on this link; the longest that it may be without one.

    Raises `MessageTooLongError`.
    """
    if link is None or EDIT in link.shared:
        return encode(Edit(msg_id, of, own_id, to, text))
    kind = Send if direct else Pub
    return encode(kind(msg_id, own_id, to, as_message(text), direct))
