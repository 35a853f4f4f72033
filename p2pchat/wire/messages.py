"""The vocabulary of the peer-to-peer protocol: what one line can say (section 1).

    dialer                                            listener
    {"type":"HELLO","peer_id":"alice@CIC",...}    ->
                                                  <-  {"type":"HELLO_OK","peer_id":"bob@CIC",...}
    {"type":"SEND","msg_id":"…","payload":"oi"}   ->
                                                  <-  {"type":"ACK","msg_id":"…"}
    {"type":"PUB","dst":"#CIC",...}               ->  (no answer)
    {"type":"PING","msg_id":"…"}                  <-> {"type":"PONG","msg_id":"…"}
    {"type":"SAID","msg_id":"…","said":1.8e9,…}   ->  like SEND or PUB; only between histories
    {"type":"CATCH_UP","after":"…",...}           ->  SAID, for each PUB that was missed
    {"type":"EDIT","of":"…","payload":"olá",...}  ->  like a SEND; changes what the same peer said
    {"type":"AWAY","text":"lunch"}                ->  (no answer)
    {"type":"PEERS_REQ","namespace":"CIC",...}    ->
                                                  <-  {"type":"PEERS","peers":[…],...}
    {"type":"KEY","old":"…","new":"…",...}        ->  inside TLS: another key will come
    {"type":"PAIR","step":1,"pake":"…",...}       ->  only inside TLS; see p2pchat.mesh.pairing
    {"type":"BYE","reason":"leaving"}             ->
                                                  <-  {"type":"BYE_OK"}           both close

The defaults are what p2pchat emits, so that every known client understands it: each field of the
protocol's table is always there, with the type that the table gives. How a line becomes one of
these, and back, is `p2pchat.wire.codec`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

if TYPE_CHECKING:
    MessageId = Any
else:
    # A list or an object as an id is left to the liberal reading, which bounds how deeply it may
    # nest: whatever is read must be fit to be written again, in an ACK.
    MessageId = str | int | float | bool | None

VERSION: Final = "1.0"
FEATURES: Final = ("ack", "metrics")
HISTORY: Final = "history"
"""The feature of a p2pchat that keeps messages: `SAID` and `CATCH_UP` are spoken with it."""
AWAY: Final = "away"
"""The feature of a p2pchat that hears who is away: `AWAY` is spoken with it."""
EDIT: Final = "edit"
"""The feature of a p2pchat that takes changes of what was said: `EDIT` is spoken with it."""
PEERS: Final = "peers"
"""The feature of a p2pchat that tells where it met others: `PEERS_REQ` and `PEERS`."""
PAIR: Final = "pair"
"""The feature of a p2pchat that compares keys by a short code: `PAIR`."""
OWN_FEATURES: Final = (*FEATURES, AWAY, EDIT, PEERS, PAIR)
"""What every p2pchat lists to its own kind."""


class Message(Struct, tag_field="type", gc=False):
    """What one line says. The tag of each subclass is its `type` on the wire."""


class Hello(Message, tag="HELLO"):
    """Opens a session; `agent` and `instance` are p2pchat's own and empty from anybody else.

    What is UNSET is left out on the wire, so who does not encrypt says what it always said.
    """

    encrypts: ClassVar[int] = 1
    """What `tls` must be to count. Each kind has its own: some clients echo what they are told."""

    peer_id: str
    version: str = VERSION
    features: tuple[str, ...] = FEATURES
    ttl: int = 1
    agent: str = ""
    instance: str = ""
    port: int | UnsetType = UNSET
    """Where who dials listens; our own kind says it, to be dialed again."""
    tls: int | UnsetType = UNSET
    """Says that this program takes TLS 1.3 from the first byte, at the port where it listens."""
    fleeting: bool | UnsetType = UNSET
    """Says, inside TLS, that the key ends with the process."""


class HelloOk(Hello, tag="HELLO_OK"):
    """The answer to HELLO, with the answerer's own peer_id."""

    encrypts: ClassVar[int] = 2


class Ping(Message, tag="PING"):
    """Asks for a PONG. The id and time stay raw JSON: they go back verbatim, whatever they are."""

    msg_id: Raw
    timestamp: Raw = Raw(b"null")
    ttl: int = 1


class Pong(Ping, tag="PONG"):
    """The answer to PING; sent without having been asked, it makes some clients close."""


class Ack(Message, tag="ACK"):
    """A SEND was received."""

    msg_id: MessageId
    timestamp: Any = None
    ttl: int = 1


class Send(Message, tag="SEND"):
    """A direct message. `msg_id` is a string in all that p2pchat sends."""

    msg_id: MessageId
    src: str = ""
    dst: str = ""
    payload: str = ""
    require_ack: bool = False
    ttl: int = 1
    other_text: ClassVar[bool] = False
    """Whether its sender used the id before, for another text; see `marked`."""
    of: ClassVar[str] = ""
    """The msg_id of the message that it changes; empty for one of its own. See `Edit`."""


class Pub(Message, tag="PUB"):
    """A message to everyone (`*`) or to a namespace (`#namespace`)."""

    msg_id: MessageId
    src: str = ""
    dst: str = ""
    payload: str = ""
    require_ack: bool = False
    ttl: int = 1
    other_text: ClassVar[bool] = False
    """As in `Send`."""
    of: ClassVar[str] = ""
    """As in `Send`."""


class MarkedSend(Send, tag="SEND"):
    """A SEND whose id was there with another text."""

    other_text = True


class MarkedPub(Pub, tag="PUB"):
    """A PUB whose id was there with another text."""

    other_text = True


def marked(message: Send | Pub) -> Send | Pub:
    """A copy that says of itself that its id was there with another text.

    A class of its own, because no message that is not marked should pay for a mark.
    """
    kind = MarkedSend if isinstance(message, Send) else MarkedPub
    return kind(message.msg_id, message.src, message.dst, message.payload, message.require_ack)


class Said(Message, tag="SAID"):
    """A SEND or a PUB that comes late: it waited, or was missed. Our own kind's extension.

    `require_ack` and `dst` tell which of the two it is.
    """

    msg_id: str
    src: str
    dst: str
    payload: str
    said: float
    """When it was said, seconds since the epoch by the sender's clock."""
    require_ack: bool = False
    ttl: int = 1


class CatchUp(Message, tag="CATCH_UP"):
    """Asks for what the other end has published, as far as we missed it: our own kind's extension.

    The answer is a `Said` for each, oldest first.
    """

    msg_id: str
    after: str = ""
    """The msg_id of the last one that we have; empty for none."""
    limit: int = 0
    """The latest so many."""
    max_age: float = 0.0
    """None that is older than so many seconds."""
    ttl: int = 1


class Edit(Message, tag="EDIT"):
    """Another text for what the same peer said before: our own kind's extension.

    `dst` tells whether that was a SEND, whose change is acknowledged like it, or a PUB.
    """

    msg_id: str
    """Its own id, and not that of what it changes."""
    of: str
    """The msg_id of what it changes: of the first text, however often it was changed."""
    src: str
    dst: str
    payload: str
    ttl: int = 1


class ChangedSend(Send, tag="SEND"):
    """What a node hands on of an `Edit` that changes a SEND. A class of its own, as in `marked`."""

    of: str = ""  # type: ignore[misc]  # a field, where the others have an empty one in common


class ChangedPub(Pub, tag="PUB"):
    """The same for a PUB."""

    of: str = ""  # type: ignore[misc]  # as above


class Away(Message, tag="AWAY"):
    """Its sender is away, and says why; an empty text: it is back. Our own kind's extension."""

    msg_id: str
    text: str = ""
    ttl: int = 1


class KeyChange(Message, tag="KEY"):
    """Another key follows the one with which its sender is here, inside TLS: our own kind's
    extension. Keys and signatures are base64url; see `p2pchat.mesh.identity.statement`."""

    msg_id: str
    old: str
    new: str
    count: int
    """Grows with each change of a name's key."""
    by_old: str
    by_new: str
    ttl: int = 1


class PeersReq(Message, tag="PEERS_REQ"):
    """Asks where other peers of a namespace are: our own kind's extension."""

    msg_id: str
    namespace: str
    limit: int = 20
    ttl: int = 1


class KnownPeer(Struct, frozen=True, gc=False):
    """Whom the sender of a `Peers` had a session with, and where."""

    id: str
    ip: str
    port: int
    seen: int = 0
    """Seconds ago."""


class Peers(Message, tag="PEERS"):
    """The answer to a `PeersReq`, with its msg_id: whom its sender met itself, at random."""

    msg_id: str
    namespace: str
    peers: list[KnownPeer]
    ttl: int = 1


class Pair(Message, tag="PAIR"):
    """A step of comparing keys by a code, 1 to 3; 0 ends it. Our own kind's extension."""

    msg_id: str
    """That of step 1, in all steps."""
    step: int
    pake: str = ""
    """What SPAKE2 sends, as base64url: in step 1 and 2, else empty."""
    proof: str = ""
    """That its sender has the same result, as base64url: in step 2 and 3, else empty."""
    reason: str = ""
    """Why there is nothing more: in step 0, else empty."""


Extension: TypeAlias = Said | CatchUp | Edit | Away | KeyChange | PeersReq | Peers | Pair
"""What only two p2pchats say to each other."""


class Bye(Message, tag="BYE"):
    """The orderly end of a session."""

    msg_id: MessageId = None
    src: str = ""
    dst: str = ""
    reason: str = ""
    ttl: int = 1


class ByeOk(Message, tag="BYE_OK"):
    """The answer to BYE; both sides close after it."""

    msg_id: MessageId = None
    src: str = ""
    dst: str = ""
    ttl: int = 1


class Unknown(Struct):
    """A message of a type that this version does not know: to be logged at DEBUG and ignored."""

    type: str
