"""Where settings come from: the command line, then a file, then the defaults.

Rules: `SETTINGS` names every setting once, and the command line's options are made from it; a
wrong value is refused with one sentence that names the setting; an unknown name in a file is a
warning, so that a newer file still starts an older program. Any part of a file may be missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from p2pchat import checks
from p2pchat.checks import (
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
    ConfigError,
    number,
    shown,
    whole,
)
from p2pchat.settings import (
    ConnectionSettings,
    ConsoleSettings,
    ControlSettings,
    HistorySettings,
    HookSettings,
    LimitSettings,
    LoggingSettings,
    MetricsSettings,
    PeerSettings,
    RendezvousSettings,
    Settings,
)
from p2pchat.text import shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "SETTINGS",
    "ConfigError",
    "ConnectionSettings",
    "ConsoleSettings",
    "ControlSettings",
    "HistorySettings",
    "HookSettings",
    "LimitSettings",
    "LoggingSettings",
    "MetricsSettings",
    "PeerSettings",
    "RendezvousSettings",
    "Setting",
    "Settings",
    "check",
    "check_text",
    "load",
    "resolve",
]

_MAX_FILE: Final = 1_000_000
_MAX_WARNINGS: Final = 20
_SECONDS: Final = number("a number above 0", above=0)
_NOT_NEGATIVE: Final = number("a number of 0 or more", at_least=0)

Values: TypeAlias = dict[str, Any]
"""Checked values by key ("connection.ping_interval"): what a file or a command line asked for."""


class Setting(NamedTuple):
    """One setting: its place in a file, its option on the command line, and its check."""

    section: str
    field: str
    option: str
    metavar: str
    help: str
    check: checks.Check

    @property
    def key(self) -> str:
        """`section.field`, its name in every message."""
        return f"{self.section}.{self.field}"


def _s(key: str, metavar: str, check: checks.Check, help_: str, option: str = "") -> Setting:
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

_DEFAULTS: Final = Settings()
_BY_KEY: Final = {setting.key: setting for setting in SETTINGS}
_SECTIONS: Final = {
    section: [setting.field for setting in SETTINGS if setting.section == section]
    for section in Settings.__struct_fields__
}


def check(key: str, value: object) -> Any:
    """The value to use for the setting `key`, given `value` as a file holds it.

    Raises ConfigError, as: `connection.ping_interval: expected a number above 0, got "soon"`.
    """
    return checks.checked(key, _BY_KEY[key].check, value)


def check_text(key: str, text: str) -> Any:
    """The same as `check` for a `text` from the command line."""
    return checks.checked_text(key, _BY_KEY[key].check, text)


def resolve(options: Mapping[str, Any], file: Mapping[str, Any]) -> Settings:
    """The settings to run with: an option beats the file, and the file beats the default.

    Both map keys to values that `check`, `check_text` or `load` returned; either may be empty.
    """
    values = {**file, **options}
    sections = {}
    for section, fields in _SECTIONS.items():
        kind = type(getattr(_DEFAULTS, section))
        given = {
            field: values[f"{section}.{field}"]
            for field in fields
            if f"{section}.{field}" in values
        }
        sections[section] = kind(**given)
    return Settings(**sections)


def load(path: str) -> tuple[Values, list[str]]:
    """Read the configuration file `path`: what it sets, and a warning for each unknown name.

    Give the first to `resolve` and show the second to the person. Raises ConfigError when the
    file cannot be read, is not JSON, or holds a wrong value.
    """
    content = _parsed(path, _read(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected an object, got {shown(content)}")
    values: Values = {}
    warnings: list[str] = []
    for section, fields in content.items():
        if section not in _SECTIONS:
            warnings.append(_unknown(section, [*_SECTIONS, *_BY_KEY]))
            continue
        if not isinstance(fields, dict):
            raise ConfigError(f"{section}: expected an object, got {shown(fields)}")
        for field, value in fields.items():
            key = f"{section}.{field}"
            if key not in _BY_KEY:
                warnings.append(_unknown(key, _BY_KEY))
            elif value is not None or getattr(getattr(_DEFAULTS, section), field) is not None:
                values[key] = check(key, value)
    if len(warnings) > _MAX_WARNINGS:
        left_out = len(warnings) - _MAX_WARNINGS
        warnings[_MAX_WARNINGS:] = [f"… and {left_out} more unknown settings"]
    return values, [f"{shortened(path, 100)}: {warning}" for warning in warnings]


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{shortened(path)}: cannot be read: {reason}") from None
    if len(content) > _MAX_FILE:
        raise ConfigError(f"{shortened(path)}: larger than {_MAX_FILE} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{shortened(path)}: line {line} is not UTF-8 text") from None


def _parsed(path: str, content: str) -> object:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        pass
    # Only a file that msgspec refuses pays for json, which says where the fault is. What json
    # takes and msgspec does not (NaN, halves of surrogate pairs) is left to the checks.
    import json

    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{shortened(path)}: not JSON at {where}: {error.msg}") from None
    except (RecursionError, ValueError):
        raise ConfigError(f"{shortened(path)}: not a configuration") from None


def _unknown(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    field = name.rpartition(".")[2]
    by_field = {key.rpartition(".")[2]: key for key in known}
    close = [by_field[field]] if field in by_field else get_close_matches(name, known, 1, 0.75)
    close = close or [by_field[match] for match in get_close_matches(field, by_field, n=1)]
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"{shortened(name, 60)}: unknown setting, ignored{hint}"
