"""Every setting of a node: its default, its option, and what gets better and worse as it grows.

Rules: a setting is one field here, and its user. The annotation holds its kind, its help, and
whether it needs a restart; `p2pchat.settings.table` makes the rest of it. The values are data, and
a structure is never changed after it was made. Times are seconds, sizes bytes.
"""

# Without `from __future__ import annotations`: the table would have to compile each of them.
from typing import Annotated

from msgspec import Struct

from p2pchat.settings.checks import (
    BLOCKED,
    COUNT,
    ENDPOINT,
    FLAG,
    FORMAT,
    HOST,
    HOST_NAMES,
    INTERFACES,
    LABEL,
    LANGUAGE,
    LEVEL,
    OWN_ADDRESS,
    PATH,
    PLACES,
    POLICY,
    PORT,
    PORT_OR_FREE,
    SECONDS,
    SERVE,
    YES_OR_NO,
    number,
    whole,
)
from p2pchat.speech import N_


class PeerSettings(Struct, frozen=True, kw_only=True):
    """Who this node is, and where it listens."""

    name: Annotated[
        str | None, LABEL(N_("your name in NAME@NAMESPACE (the login name)"), restart=True)
    ] = None
    namespace: Annotated[
        str, LABEL(N_("the part behind the @ of your name"), metavar="NAMESPACE", restart=True)
    ] = "lobby"
    """An address: `/pub #NAMESPACE` reaches all who have it. Peers of all namespaces meet."""
    port: Annotated[
        int | None,
        PORT_OR_FREE(N_("TCP port to listen on (4000, or a free one; 0: any)"), restart=True),
    ] = None
    """None: 4000 or, when that is taken, a free one."""
    interface: Annotated[str | None, HOST(N_("local address to listen on"), restart=True)] = None
    """None: all of IPv6 and of IPv4, or loopback when only this machine's nodes can find us
    anyway. 0.0.0.0: IPv4 alone, for the port, for registrations and for beacons."""
    listen: Annotated[
        str | None,
        ENDPOINT(
            N_("listen there instead, for example on systemd:domain=INET:index=0"), restart=True
        ),
    ] = None
    """A Twisted endpoint instead of `port` and `interface`; the example is a socket that systemd
    opened."""


class RendezvousSettings(Struct, frozen=True, kw_only=True):
    """Where peers find each other (protocol, section 2)."""

    host: Annotated[
        str | None,
        HOST(
            N_("rendezvous server (this machine's own)"),
            "rendezvous",
            metavar="HOST[:PORT]",
            restart=True,
        ),
    ] = None
    """Its name or address; None: the one that this machine's nodes share."""
    port: Annotated[int, PORT(N_("rendezvous server's port"), "rendezvous-port", restart=True)] = (
        8080
    )
    others: Annotated[
        tuple[str, ...],
        PLACES(
            N_("rendezvous to use when that one does not answer"), "rendezvous-others", restart=True
        ),
    ] = ()
    """In their order. All who want to meet should have the same list."""
    serve: Annotated[
        str | None,
        SERVE(N_("serve a rendezvous for others, too"), "serve-rendezvous", restart=True),
    ] = None
    """None: this node serves none."""
    local_port: Annotated[
        int,
        PORT(N_("loopback port of the rendezvous that this machine's nodes share"), restart=True),
    ] = 27800
    """Used when no host is set. All nodes must agree; another port makes a group of its own. Below
    those that systems give to outgoing connections (on Linux from 32768 on): one of these would
    keep it from everybody."""
    ttl: Annotated[
        int,
        whole("SECONDS", 1, 86400)(
            N_("how long a registration lasts; without --rendezvous 30 at most"), "rendezvous-ttl"
        ),
    ] = 7200
    """Longer: fewer requests, and a short absence goes unnoticed. Shorter: a peer that died without
    a word is listed, and dialed in vain, for less time. At most 30 s at the machine's own."""


class LanSettings(Struct, frozen=True, kw_only=True):
    """Peers on the same network, found without a server."""

    enabled: Annotated[
        bool, FLAG(N_("find peers on this network, and be found there"), "lan", restart=True)
    ] = False
    """Yes: everybody on the network sees your name, and can connect. No: without a rendezvous only
    this machine's nodes can."""
    interfaces: Annotated[
        tuple[str, ...],
        INTERFACES(
            N_("the network interfaces for that (all that lead to neighbours)"),
            "lan-interfaces",
            restart=True,
        ),
    ] = ()
    """Names or patterns, as `eth0` or `wl*`. None: those at a private address, but none of
    containers, virtual machines and tunnels."""


class CacheSettings(Struct, frozen=True, kw_only=True):
    """What is remembered of others, to find them again."""

    peers: Annotated[
        bool,
        YES_OR_NO(N_("remember where peers were, and look there"), "cache-peers", restart=True),
    ] = True
    """Yes: a room that has lost its rendezvous comes back. No: nothing on the disk says with whom
    you had a link. The file is beside the history, and is not made without one."""


class HistorySettings(Struct, frozen=True, kw_only=True):
    """What is kept of what was said, and for how long."""

    file: Annotated[
        str | None,
        PATH(
            N_("keep messages here (your data folder)"),
            "history",
            metavar="FILE|none",
            restart=True,
        ),
    ] = None
    """"none": keep nothing, and lose what was not delivered when the node stops. None: a file in
    the person's own data folder, named after the peer_id."""
    max_age: Annotated[
        float, number("SECONDS")(N_("delete what is older (0: never)"), "history-max-age")
    ] = 0.0
    """Longer: more can be found. Shorter: somebody else who gets at the file finds less."""
    max_bytes: Annotated[
        int,
        whole("BYTES", 0)(N_("delete the oldest beyond this size; 0: never"), "history-max-bytes"),
    ] = 500_000_000
    """Larger: a longer past, at some 150 bytes and the text's words for each message."""
    strangers_share: Annotated[
        int, whole("PERCENT", 1, 100)(N_("of max_bytes, for all peers to whom you never wrote"))
    ] = 25
    """Of what may wait to be stored, too. More: more of what is said in a room is kept. Less:
    strangers leave more room to those whom we know."""
    peer_share: Annotated[
        int, whole("PERCENT", 1, 100)(N_("of max_bytes, for each peer to whom you wrote"))
    ] = 25
    """The same for one whom we know. More: who talks much is kept for longer. Less: one that went
    mad takes less from the others. Beyond a share nothing goes while there is room."""
    outbox_ttl: Annotated[float, SECONDS(N_("how long a message waits for a peer"))] = 604_800.0
    """Longer: a long absence loses nothing. Shorter: nobody gets what has long lost its meaning."""
    outbox_max_per_peer: Annotated[int, COUNT(N_("messages waiting for one peer"))] = 1000
    """More: more can be said to who is away."""
    outbox_max: Annotated[int, COUNT(N_("messages waiting in all"))] = 10_000
    """More: more memory, as much as their texts take."""
    catch_up: Annotated[int, whole("N", 0, 10_000)(N_("missed publications to ask a peer for"))] = (
        200
    )
    """A p2pchat gives as many to one that asks; 0: none. More: a late joiner reads more, and every
    new link costs more."""
    catch_up_age: Annotated[float, SECONDS(N_("but none that is older"))] = 86_400.0
    """Older: a longer absence is caught up with."""


class ConnectionSettings(Struct, frozen=True, kw_only=True):
    """How links are kept, tested and won back (protocol, section 1)."""

    ping_interval: Annotated[float, SECONDS(N_("time between PINGs on a link"))] = 30.0
    """Longer: less traffic. Shorter: fresher round-trip times, and a dead link, known after three
    intervals of silence, is noticed sooner."""
    discovery_interval: Annotated[
        float, SECONDS(N_("time between DISCOVERs; without --rendezvous 3 at most"))
    ] = 60.0
    """Longer: less load on the rendezvous, which blocks whoever asks more than 50 times a minute.
    Shorter: new peers are met sooner. At most 3 s at the machine's own."""
    ack_timeout: Annotated[float, SECONDS(N_("how long to wait for an ACK"))] = 5.0
    """Longer: slow peers are not reported in vain. Shorter: the person learns sooner that a message
    may be lost."""
    handshake_timeout: Annotated[float, SECONDS(N_("how long to wait for HELLO"))] = 10.0
    """Longer: slow networks get through. Shorter: connections that say nothing hold a place for
    less time."""
    max_reconnect_attempts: Annotated[int, COUNT(N_("failed dials until STALE"))] = 5
    """More: a peer that is away for long is still found by itself. Fewer: less is spent on peers
    that will not come back."""
    reconnect_backoff_base: Annotated[
        float, number("BASE", low=1)(N_("after n failed dials wait BASE to the power of n"))
    ] = 2.0
    """Larger: less load on whoever is recovering. Smaller: a link is won back sooner."""
    reconnect_backoff_max: Annotated[float, SECONDS(N_("but never longer than this"))] = 60.0
    """Larger: less load. Smaller: a peer's return is noticed sooner."""


class LoggingSettings(Struct, frozen=True, kw_only=True):
    """What is written about all this, and where."""

    level: Annotated[str, LEVEL(N_("DEBUG, INFO, WARNING or ERROR"), "log-level")] = "INFO"
    """DEBUG tells every message, at a cost; ERROR hides what a failing network has to say."""
    file: Annotated[
        str | None, PATH(N_("write the log here (-: standard output)"), "log-file", restart=True)
    ] = None
    """None: a file in the person's own log folder, or what twistd was told."""
    format: Annotated[
        str, FORMAT(N_("text, or json: one object a line"), "log-format", restart=True)
    ] = "text"
    """A person reads the text; programs read the objects."""
    texts: Annotated[bool, YES_OR_NO(N_("the texts of messages, too"), "log-texts")] = False
    """Yes: what was said can be read in the log, whatever is deleted elsewhere. No: that something
    was said, to whom, and how long it was."""
    max_bytes: Annotated[
        int,
        whole("BYTES", 1024)(
            N_("put a log file aside at this size"), "log-max-bytes", restart=True
        ),
    ] = 10_000_000
    """Larger: one file tells a longer story."""
    files: Annotated[
        int,
        whole("N", 1, 1000)(
            N_("log files at most, the current one included"), "log-files", restart=True
        ),
    ] = 5
    """More: a longer past, and up to `files * max_bytes` of disk."""


class ConsoleSettings(Struct, frozen=True, kw_only=True):
    """What the person sees and hears of this node."""

    bell: Annotated[bool, YES_OR_NO(N_("ring for what is meant for you"), restart=True)] = True
    """That is a direct message, and one that names you."""
    language: Annotated[
        str | None, LANGUAGE(N_("what is shown is in this language (your system's)"), restart=True)
    ] = None
    """None: what LC_ALL, LC_MESSAGES or LANG says, or English. The log is English in any case."""


class SecuritySettings(Struct, frozen=True, kw_only=True):
    """Encryption, and by which key this node is known."""

    policy: Annotated[
        str, POLICY(N_("encrypt if the other end can, always, or never"), "security")
    ] = "prefer"
    """`prefer`: programs that cannot encrypt are met in the clear. `require`: they are not met.
    `off`: nothing is encrypted."""
    key: Annotated[
        str | None,
        PATH(
            N_("the file of this node's key (beside the history; none: a new one each time)"),
            "key",
            restart=True,
        ),
    ] = None
    """`none`: the key ends with the process, so nobody remembers it."""
    known_keys: Annotated[
        str | None,
        PATH(N_("the file of the keys of others (beside the key)"), "known-keys", restart=True),
    ] = None
    passphrase_file: Annotated[
        str | None,
        PATH(N_("the file whose first line opens the key file"), "passphrase-file", restart=True),
    ] = None
    """None: the key file is not encrypted."""


class LimitSettings(Struct, frozen=True, kw_only=True):
    """What strangers, and friends that went mad, can cost this node."""

    max_links: Annotated[int, COUNT(N_("links at once"))] = 10_000
    """More: larger meshes; each costs some 10 KiB and a file descriptor."""
    max_links_per_ip: Annotated[int, COUNT(N_("links at once from one address"))] = 256
    """Those that come and those that we dial, each; a friend may be dialed beyond it. Loopback has
    no such limit. More: room for many peers behind one router. Fewer: one machine cannot take all
    places."""
    link_rate_per_ip: Annotated[int, COUNT(N_("new inbound links a second from one address"))] = 30
    """On average of ten seconds, in which as many may come at once; loopback has no such limit.
    More: peers behind one router come back sooner. Fewer: one machine that connects again and again
    costs less."""
    max_handshakes: Annotated[int, COUNT(N_("inbound links without HELLO at once"))] = 1000
    """More: a storm of arrivals passes. Fewer: silent connections take less memory."""
    max_handshakes_per_ip: Annotated[int, COUNT(N_("of those at once from one address"))] = 100
    """Loopback may have half of all. More: a storm of arrivals from behind one router passes.
    Fewer: one machine has a smaller part of the places, which are taken in turn."""
    max_queue_bytes: Annotated[int, whole("BYTES", 65536)(N_("waiting to be sent to a peer"))] = (
        1_048_576
    )
    """More: slow peers lose nothing in a burst. Less: one that does not read costs less memory."""
    max_queues_bytes: Annotated[int, whole("BYTES", 1_048_576)(N_("waiting to be sent in all"))] = (
        67_108_864
    )
    """Beyond this the links with the longest queues end. More: more slow peers at once lose
    nothing. Less: many that do not read cost less memory."""
    stall_timeout: Annotated[float, SECONDS(N_("end a link that takes nothing so long"))] = 30.0
    """The link's queue is full meanwhile. Longer: outages of the network pass. Shorter: memory is
    freed sooner."""
    peer_rate: Annotated[float, number("N")(N_("messages a second from one peer; 0: any"))] = 2000.0
    """A peer that sends more on average is read more slowly. Higher: faster bulk traffic. Lower:
    one peer cannot keep us from the others."""
    peer_bytes: Annotated[int, whole("BYTES", 0)(N_("bytes a second from one peer; 0: any"))] = (
        1_048_576
    )
    """The same for long messages. `peer_rate` 0 means any number of bytes, too. At most a second's
    worth is read at once."""
    max_bad_lines: Annotated[int, COUNT(N_("unreadable lines in a row that end a link"))] = 20
    """More: broken clients stay. Fewer: noise ends sooner."""
    remembered_ids: Annotated[
        int, COUNT(N_("message ids kept to know repetitions"), restart=True)
    ] = 100_000
    """More: repetitions are known for longer; each costs some 200 bytes."""
    dial_rate: Annotated[int, COUNT(N_("dials a second"))] = 50
    """To whatever addresses. Higher: a large namespace is met sooner. Lower: a lying listing makes
    us send less."""
    dial_rate_per_address: Annotated[int, COUNT(N_("dials a second to one address"))] = 10
    """An IPv6 network of 64 bits is one address, and so is this machine. Higher: many peers behind
    one router are met sooner. Lower: who is listed and is no peer is bothered less."""
    max_dials_per_address: Annotated[int, COUNT(N_("dials under way to one address"))] = 8
    """More: slow peers behind one router are met sooner. Fewer: less is open at somebody who is no
    peer."""
    max_known_peers: Annotated[int, COUNT(N_("peers in the table"))] = 20_000
    """Linked or not. Friends, those to whom we wrote, take the places of others. More: larger
    namespaces. Fewer: a lying rendezvous can fill less memory."""
    max_pending_acks: Annotated[int, COUNT(N_("messages waiting for an ACK"))] = 10_000
    """More: larger bursts. Fewer: less memory."""
    blocked: Annotated[
        tuple[str, ...], BLOCKED(N_("peers, addresses and networks to have no link with"))
    ] = ()
    """NAME@NAMESPACE, NAME@*, *@NAMESPACE, an address or a network. A name proves nothing: whoever
    is blocked may come back with another one, and an address may be shared."""


class ControlSettings(Struct, frozen=True, kw_only=True):
    """The socket by which other programs of the same person use this node."""

    path: Annotated[
        str | None,
        PATH(
            N_("put the control socket there (in your runtime folder; off: nowhere)"),
            "control",
            metavar="PATH",
            restart=True,
        ),
    ] = None
    """None: in the person's runtime folder, by name and namespace."""
    group: Annotated[
        str | None,
        LABEL(
            N_("let this group of the system use it as you do"),
            "control-group",
            metavar="GROUP",
            restart=True,
        ),
    ] = None
    """Whoever is in it can send in your name, delete, and stop the node. It needs `path`, in a
    folder that the group can enter. None: for you alone."""
    read_only: Annotated[
        str | None,
        PATH(
            N_("put a second socket there, on which one can only look"),
            "control-read-only",
            metavar="PATH",
            restart=True,
        ),
    ] = None
    """Whoever can connect reads all that is said, and changes nothing. None: there is none."""
    read_only_group: Annotated[
        str | None,
        LABEL(
            N_("let this group of the system look there"),
            "control-read-only-group",
            metavar="GROUP",
            restart=True,
        ),
    ] = None


class HookSettings(Struct, frozen=True, kw_only=True):
    """Programs that run when something happens."""

    message: Annotated[
        str | None,
        PATH(
            N_("run PROGRAM for each message that comes, the event as JSON on its input"),
            "on-message",
            metavar="PROGRAM",
        ),
    ] = None
    """It is never given to a shell. None: no program runs."""
    timeout: Annotated[float, SECONDS(N_("kill a PROGRAM that takes longer"), "hook-timeout")] = (
        30.0
    )
    """Longer: slow work gets done. Shorter: one that hangs blocks a place for less time."""
    max_running: Annotated[int, COUNT(N_("PROGRAMs at once"), "hook-max-running")] = 4
    """More: bursts are worked off sooner. Fewer: less load, and with 1 the messages are handled in
    their order."""
    max_waiting: Annotated[int, COUNT(N_("messages waiting for a PROGRAM"), "hook-max-waiting")] = (
        1000
    )
    """More: longer bursts lose nothing. Fewer: less memory."""


class MetricsSettings(Struct, frozen=True, kw_only=True):
    """What a monitoring system can ask over HTTP."""

    address: Annotated[
        str | None,
        SERVE(
            N_("serve /metrics and /healthz over HTTP (on loopback, if no HOST is named)"),
            "metrics",
            restart=True,
        ),
    ] = None
    """None: this node serves none."""


class WebSettings(Struct, frozen=True, kw_only=True):
    """The page of this node, for a browser on this machine."""

    address: Annotated[
        str | None,
        OWN_ADDRESS(
            N_("have the page ready from the start (on loopback alone)"),
            "web",
            restart=True,
        ),
    ] = None
    """None: `p2pchat web` and `/web` open it, on the first free port from 27880 on."""
    hosts: Annotated[
        tuple[str, ...],
        HOST_NAMES(
            N_("names of this machine, beside localhost, by which it may be asked"), "web-hosts"
        ),
    ] = ()
    """For a proxy on this machine. Whoever controls one of these names, and brings you to a page of
    theirs, can try to use yours."""


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a node: checked, complete, and unchanging; each section has its title."""

    peer: Annotated[PeerSettings, N_("You")] = PeerSettings()
    rendezvous: Annotated[RendezvousSettings, N_("Meeting others")] = RendezvousSettings()
    lan: Annotated[LanSettings, N_("Meeting others")] = LanSettings()
    cache: Annotated[CacheSettings, N_("Meeting others")] = CacheSettings()
    history: Annotated[HistorySettings, N_("What is kept")] = HistorySettings()
    connection: Annotated[ConnectionSettings, N_("Links")] = ConnectionSettings()
    logging: Annotated[LoggingSettings, N_("The log")] = LoggingSettings()
    security: Annotated[SecuritySettings, N_("Security")] = SecuritySettings()
    console: Annotated[ConsoleSettings, N_("The console")] = ConsoleSettings()
    limits: Annotated[LimitSettings, N_("Limits")] = LimitSettings()
    control: Annotated[ControlSettings, N_("For other programs")] = ControlSettings()
    hooks: Annotated[HookSettings, N_("For other programs")] = HookSettings()
    metrics: Annotated[MetricsSettings, N_("For other programs")] = MetricsSettings()
    web: Annotated[WebSettings, N_("The page")] = WebSettings()
