"""The table of settings: the place of each in a file, its option, its check and its help.

Rules: every setting is named here once, and the command line's options are made from it. What a
setting is for, its default and its trade-off are said in `p2pchat.settings.values`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from p2pchat.settings.checks import (
    ENDPOINT,
    FORMAT,
    HOST,
    LABEL,
    LEVEL,
    PATH,
    PORT,
    PORT_OR_FREE,
    SERVE,
    YES_OR_NO,
    Check,
    number,
    whole,
)

_SECONDS: Final = number("a number above 0", above=0)
_NOT_NEGATIVE: Final = number("a number of 0 or more", at_least=0)


class Setting(NamedTuple):
    """One setting: its place in a file, its option on the command line, and its check."""

    section: str
    field: str
    option: str
    metavar: str
    help: str
    check: Check

    @property
    def key(self) -> str:
        """`section.field`, its name in every message."""
        return f"{self.section}.{self.field}"


def _s(key: str, metavar: str, check: Check, help_: str, option: str = "") -> Setting:
    section, field = key.split(".")
    return Setting(section, field, option or field.replace("_", "-"), metavar, help_, check)


SETTINGS: Final = (
    _s("peer.name", "NAME", LABEL, "your name in NAME@NAMESPACE (the login name)"),
    _s("peer.namespace", "NAMESPACE", LABEL, "the group of peers to meet (lobby)"),
    _s("peer.port", "PORT", PORT_OR_FREE, "TCP port to listen on (4000, or a free one; 0: any)"),
    _s("peer.interface", "ADDRESS", HOST, "local address to listen on"),
    _s(
        "peer.listen",
        "ENDPOINT",
        ENDPOINT,
        "listen there instead, for example on systemd:domain=INET:index=0",
    ),
    _s("rendezvous.host", "HOST", HOST, "rendezvous server (this machine's own)", "rendezvous"),
    _s("rendezvous.port", "PORT", PORT, "the rendezvous server's port (8080)", "rendezvous-port"),
    _s(
        "rendezvous.serve",
        "[HOST:]PORT",
        SERVE,
        "serve a rendezvous for others, too",
        "serve-rendezvous",
    ),
    _s(
        "rendezvous.local_port",
        "PORT",
        PORT,
        "loopback port of the rendezvous that this machine's nodes share (27800)",
    ),
    _s(
        "rendezvous.ttl",
        "SECONDS",
        whole(1, 86400),
        "how long a registration lasts (7200)",
        "rendezvous-ttl",
    ),
    _s("history.file", "FILE|none", PATH, "keep messages here (your data folder)", "history"),
    _s(
        "history.max_age",
        "SECONDS",
        _NOT_NEGATIVE,
        "delete what is older (0: never)",
        "history-max-age",
    ),
    _s(
        "history.max_bytes",
        "BYTES",
        whole(0),
        "delete the oldest beyond this size (500000000; 0: never)",
        "history-max-bytes",
    ),
    _s("history.outbox_ttl", "SECONDS", _SECONDS, "how long a message waits for a peer (604800)"),
    _s("history.outbox_max_per_peer", "N", whole(1), "messages waiting for one peer (1000)"),
    _s("history.outbox_max", "N", whole(1), "messages waiting in all (10000)"),
    _s(
        "history.catch_up",
        "N",
        whole(0, 10_000),
        "published messages to ask a peer for that we missed (200)",
    ),
    _s("history.catch_up_age", "SECONDS", _SECONDS, "but none that is older (86400)"),
    _s("logging.level", "LEVEL", LEVEL, "DEBUG, INFO, WARNING or ERROR (INFO)", "log-level"),
    _s("logging.file", "FILE", PATH, "write the log here (-: standard output)", "log-file"),
    _s("console.bell", "YES|NO", YES_OR_NO, "ring for what is meant for you (yes)"),
    _s("logging.format", "FORMAT", FORMAT, "text, or json: one object a line (text)", "log-format"),
    _s(
        "logging.max_bytes",
        "BYTES",
        whole(1024),
        "put a log file aside at this size (10000000)",
        "log-max-bytes",
    ),
    _s(
        "logging.files",
        "N",
        whole(1, 1000),
        "log files at most, the current one included (5)",
        "log-files",
    ),
    _s("connection.ping_interval", "SECONDS", _SECONDS, "time between PINGs on a link (30)"),
    _s("connection.discovery_interval", "SECONDS", _SECONDS, "time between DISCOVERs (60)"),
    _s("connection.ack_timeout", "SECONDS", _SECONDS, "how long to wait for an ACK (5)"),
    _s("connection.handshake_timeout", "SECONDS", _SECONDS, "how long to wait for HELLO (10)"),
    _s("connection.max_reconnect_attempts", "N", whole(1), "failed dials until STALE (5)"),
    _s(
        "connection.reconnect_backoff_base",
        "BASE",
        number("a number of at least 1", at_least=1),
        "wait BASE to the power of n before dial n (2)",
    ),
    _s("connection.reconnect_backoff_max", "SECONDS", _SECONDS, "but never longer than this (60)"),
    _s("limits.max_links", "N", whole(1), "links at once (10000)"),
    _s("limits.max_links_per_ip", "N", whole(1), "links at once from one address (256)"),
    _s("limits.max_handshakes", "N", whole(1), "inbound links without HELLO at once (1000)"),
    _s("limits.max_queue_bytes", "BYTES", whole(65536), "waiting to be sent to a peer (1048576)"),
    _s("limits.stall_timeout", "SECONDS", _SECONDS, "end a link that takes nothing so long (30)"),
    _s(
        "limits.peer_rate",
        "N",
        _NOT_NEGATIVE,
        "messages a second from one peer (2000; 0: any)",
    ),
    _s("limits.max_bad_lines", "N", whole(1), "unreadable lines in a row that end a link (20)"),
    _s("limits.remembered_ids", "N", whole(1), "message ids kept to know repetitions (100000)"),
    _s("limits.max_known_peers", "N", whole(1), "peers in the table (20000)"),
    _s("limits.max_pending_acks", "N", whole(1), "messages waiting for an ACK (10000)"),
    _s(
        "control.path",
        "PATH",
        PATH,
        "put the control socket there (in your runtime folder; off: nowhere)",
        "control",
    ),
    _s(
        "hooks.message",
        "PROGRAM",
        PATH,
        "run PROGRAM for each message that comes, the event as JSON on its input",
        "on-message",
    ),
    _s("hooks.timeout", "SECONDS", _SECONDS, "kill one that takes longer (30)", "hook-timeout"),
    _s("hooks.max_running", "N", whole(1), "of those at once (4)", "hook-max-running"),
    _s("hooks.max_waiting", "N", whole(1), "messages waiting for one (1000)", "hook-max-waiting"),
    _s(
        "metrics.address",
        "[HOST:]PORT",
        SERVE,
        "serve /metrics and /healthz over HTTP (on loopback, if no HOST is named)",
        "metrics",
    ),
)
"""Every setting, in the order of the command line's help."""


DEFAULT_FILE: Final = "config.json"
"""The configuration file that is read from the working folder when it is there."""

_TITLES: Final = {
    "You": ("peer",),
    "Meeting others": ("rendezvous",),
    "What is kept": ("history",),
    "Links": ("connection",),
    "The log": ("logging",),
    "The console": ("console",),
    "Limits": ("limits",),
    "For other programs": ("control", "hooks", "metrics"),
}
OTHER_OPTIONS: Final = (
    ("config", "FILE", f"read settings from FILE ({DEFAULT_FILE}, if it is there)"),
    ("plain", "", "the plain console, even where the full one would be used"),
    ("no-control", "", "no control socket: the same as --control off"),
    ("stay", "", "keep running when the input, a pipe or a file, has ended"),
    ("version", "", "show the version and exit"),
    ("help", "", "show this and exit"),
)
FLAGS: Final = ("plain", "no-control", "stay")
"""Options that take no value."""

OPTION_GROUPS: Final = (
    *(
        (
            title,
            [
                (
                    setting.option,
                    "HOST[:PORT]" if setting.option == "rendezvous" else setting.metavar,
                    setting.help,
                )
                for setting in SETTINGS
                if setting.section in sections
            ],
        )
        for title, sections in _TITLES.items()
    ),
    ("Other", OTHER_OPTIONS),
)
"""Title -> the options below it: each with its value's name and its help."""
