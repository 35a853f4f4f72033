"""Every setting of a node, its default, and what gets better and worse as it grows.

Rules: the values here are data; `p2pchat.settings.reading` checks them and reads them from a file
or a command line. A structure is never changed after it was made. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from msgspec import Struct


class RendezvousSettings(Struct, frozen=True, kw_only=True):
    """Where peers find each other (protocol, section 2)."""

    # The rendezvous server's name or address; None: the one that this machine's nodes share.
    host: str | None = None
    # The rendezvous server's TCP port.
    port: int = 8080
    # "[HOST:]PORT" on which this node serves a rendezvous for others; None: it serves none.
    serve: str | None = None
    # The loopback port of the rendezvous that this machine's nodes share when no host is set. All
    # of them must agree; another port makes a group of its own. Below those that systems give to
    # outgoing connections (on Linux from 32768 on): one of these would keep it from everybody.
    local_port: int = 27800
    # How long a registration lasts. Longer: fewer requests, and a short absence goes unnoticed.
    # Shorter: a peer that died without a word is listed, and dialed in vain, for less time.
    ttl: int = 7200


class PeerSettings(Struct, frozen=True, kw_only=True):
    """Who this node is, and where it listens."""

    # The group of peers that discover and dial each other.
    namespace: str = "lobby"
    # The name in `name@namespace`; None: the login name.
    name: str | None = None
    # The TCP port to listen on; 0: any free one; None: 4000 or, when that is taken, a free one.
    port: int | None = None
    # The local address to listen on; None: all of them, or loopback when only this machine's
    # nodes can find us anyway.
    interface: str | None = None
    # A Twisted endpoint to listen on instead of `port` and `interface`, for example
    # "systemd:domain=INET:index=0" for a socket that systemd opened.
    listen: str | None = None


class ConnectionSettings(Struct, frozen=True, kw_only=True):
    """How links are kept, tested and won back (protocol, section 1)."""

    # Dials in a row that may fail before a peer is STALE. More: a peer that is away for long is
    # still found by itself. Fewer: less is spent on peers that will not come back.
    max_reconnect_attempts: int = 5
    # The wait before attempt n is base**n. Larger: less load on whoever is recovering. Smaller: a
    # link is won back sooner.
    reconnect_backoff_base: float = 2.0
    # The longest such wait. Larger: less load; smaller: a peer's return is noticed sooner.
    reconnect_backoff_max: float = 60.0
    # Time between two PINGs on a link. Longer: less traffic. Shorter: fresher round-trip times,
    # and a dead link, known after three intervals of silence, is noticed sooner.
    ping_interval: float = 30.0
    # How long to wait for an ACK. Longer: slow peers are not reported in vain. Shorter: the person
    # learns sooner that a message may be lost.
    ack_timeout: float = 5.0
    # Time between two DISCOVER requests. Longer: less load on the rendezvous, which blocks whoever
    # asks more than 50 times a minute. Shorter: new peers are met sooner.
    discovery_interval: float = 60.0
    # How long a new connection may take to say HELLO. Longer: slow networks get through. Shorter:
    # connections that say nothing hold a place for less time.
    handshake_timeout: float = 10.0


class LimitSettings(Struct, frozen=True, kw_only=True):
    """What strangers, and friends that went mad, can cost this node."""

    # Links at once. More: larger meshes; each costs some 10 KiB and a file descriptor.
    max_links: int = 10_000
    # Links at once from one address (loopback has no such limit). More: room for many peers behind
    # one router. Fewer: one machine cannot take all places.
    max_links_per_ip: int = 256
    # Inbound connections that have not said HELLO yet. More: a storm of arrivals passes. Fewer:
    # silent connections take less memory.
    max_handshakes: int = 1000
    # What may wait to be sent to one peer. More: slow peers lose nothing in a burst. Less: a peer
    # that does not read costs less memory.
    max_queue_bytes: int = 1_048_576
    # How long a peer may accept nothing of a full queue before its link ends. Longer: outages of
    # the network pass. Shorter: memory is freed sooner.
    stall_timeout: float = 30.0
    # Messages a second that one peer may send on average before we read it more slowly (0: no
    # limit). Higher: faster bulk traffic. Lower: one peer cannot keep us from the others.
    peer_rate: float = 2000.0
    # Unreadable lines in a row that end a link. More: broken clients stay. Fewer: noise
    # ends sooner.
    max_bad_lines: int = 20
    # Ids of messages kept to recognise a repetition. More: repetitions are known for longer; each
    # costs some 200 bytes.
    remembered_ids: int = 100_000
    # Peers kept in the table, linked or not. More: larger namespaces. Fewer: a rendezvous that
    # lies can fill less memory.
    max_known_peers: int = 20_000
    # Messages that may wait for their ACK at once. More: larger bursts. Fewer: less memory.
    max_pending_acks: int = 10_000


class ConsoleSettings(Struct, frozen=True, kw_only=True):
    """The full console for terminals."""

    # Whether the bell rings for a direct message and for one that names you.
    bell: bool = True


class LoggingSettings(Struct, frozen=True, kw_only=True):
    """What is written about all this, and where."""

    # DEBUG, INFO, WARNING or ERROR. DEBUG tells every message, at a cost; ERROR hides what a
    # failing network has to say.
    level: str = "INFO"
    # The file to write to; "-": standard output; None: a file in the person's own log folder, or
    # what twistd was told.
    file: str | None = None
    # "text": a line that a person reads; "json": one object a line, for programs.
    format: str = "text"
    # The size at which a log file is put aside. Larger: one file tells a longer story.
    max_bytes: int = 10_000_000
    # How many log files there are at most, the one being written included. More: a longer past,
    # and up to `files * max_bytes` of disk.
    files: int = 5


class ControlSettings(Struct, frozen=True, kw_only=True):
    """The socket by which other programs of the same person use this node."""

    # Where it is; None: in the person's runtime folder, by name and namespace; "off": nowhere.
    path: str | None = None


class HookSettings(Struct, frozen=True, kw_only=True):
    """Programs that run when something happens."""

    # The program that runs for each received message, with the event as JSON on its standard
    # input; None: none does. It is never given to a shell.
    message: str | None = None
    # How long a program may run. Longer: slow work gets done. Shorter: one that hangs blocks a
    # place for less time.
    timeout: float = 30.0
    # Programs that run at once. More: bursts are worked off sooner. Fewer: less load, and with 1
    # the messages are handled in their order.
    max_running: int = 4
    # Messages that wait for their program. More: longer bursts lose nothing. Fewer: less memory.
    max_waiting: int = 1000


class MetricsSettings(Struct, frozen=True, kw_only=True):
    """What a monitoring system can ask over HTTP."""

    # "[HOST:]PORT" to serve /metrics and /healthz on, loopback unless a host is named; None: it
    # serves none.
    address: str | None = None


class HistorySettings(Struct, frozen=True, kw_only=True):
    """What is kept of what was said, and for how long."""

    # The file to keep messages in; "none": keep nothing, and lose what was not delivered when the
    # node stops; None: a file in the person's own data folder, named after the peer_id.
    file: str | None = None
    # How old a kept message may become (0: any age). Longer: more can be found. Shorter: less can
    # be found by somebody else who gets at the file.
    max_age: float = 0.0
    # How large the file may become before the oldest messages go (0: any size). Larger: a longer
    # past, at some 150 bytes and the text's words for each message.
    max_bytes: int = 500_000_000
    # How long a direct message waits for its peer. Longer: a long absence loses nothing. Shorter:
    # nobody gets what has long lost its meaning.
    outbox_ttl: float = 604_800.0
    # Messages that may wait for one peer. More: more can be said to who is away.
    outbox_max_per_peer: int = 1000
    # Messages that may wait in all. More: more memory, as much as their texts take.
    outbox_max: int = 10_000
    # Published messages that a p2pchat asks another one for, of those it missed, and gives to one
    # that asks (0: none). More: a late joiner reads more, and every new link costs more.
    catch_up: int = 200
    # How old such a message may be. Older: a longer absence is caught up with.
    catch_up_age: float = 86_400.0


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a node: checked, complete, and unchanging."""

    rendezvous: RendezvousSettings = RendezvousSettings()
    peer: PeerSettings = PeerSettings()
    connection: ConnectionSettings = ConnectionSettings()
    limits: LimitSettings = LimitSettings()
    history: HistorySettings = HistorySettings()
    logging: LoggingSettings = LoggingSettings()
    console: ConsoleSettings = ConsoleSettings()
    control: ControlSettings = ControlSettings()
    hooks: HookSettings = HookSettings()
    metrics: MetricsSettings = MetricsSettings()
