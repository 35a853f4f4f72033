"""The rendezvous server's options: what there is, what each must be, and where its log goes.

Rules: the three tables of rows are all there is, and --help is made from them. A value that cannot
be used is a `ConfigError` that names its option.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from twisted.logger import LogLevel

from p2pchat.logs.output import TWISTD_LOGGER, prepare_twistd, twistd_observer
from p2pchat.rendezvous.connection import Limits
from p2pchat.rendezvous.registry import MAX_REGISTRATIONS
from p2pchat.service.command_line import CommandOptions
from p2pchat.settings.checks import (
    HOST,
    LEVEL,
    PATH,
    PORT_OR_FREE,
    Check,
    ConfigError,
    checked_text,
    number,
    whole,
)
from p2pchat.settings.values import LoggingSettings

_Row = tuple[str, str, object, Check, str]

_USUAL: Final = Limits()
_SERVICE: Final[Sequence[_Row]] = (
    ("port", "PORT", 8080, PORT_OR_FREE, "the port to listen on; 0 takes a free one"),
    (
        "interface",
        "ADDRESS",
        None,
        HOST,
        "the address to listen on, :: for every one (every IPv4 one)",
    ),
    ("database", "FILE", None, PATH, "keep registrations in FILE, so that a restart finds them"),
)
_LIMITS: Final[Sequence[_Row]] = (
    (
        "connections-per-minute",
        "N",
        _USUAL.per_minute,
        whole(0),
        "from one address, which is blocked for a minute beyond it; 0: any number; loopback is "
        "exempt",
    ),
    (
        "max-connections",
        "N",
        _USUAL.connections,
        whole(1),
        "at a time; beyond it, new ones wait and slow ones are cut off",
    ),
    (
        "max-registrations",
        "N",
        MAX_REGISTRATIONS,
        whole(1),
        "beyond it, new ones are refused (registry_full) and renewals are not",
    ),
    (
        "idle-timeout",
        "SECONDS",
        _USUAL.idle,
        number("a number above 0", above=0),
        "without a byte of a request",
    ),
    (
        "request-timeout",
        "SECONDS",
        _USUAL.total,
        number("a number above 0", above=0),
        "for a whole request, however slowly it comes",
    ),
)
_LOGGING: Final[Sequence[_Row]] = (
    ("log-level", "LEVEL", "INFO", LEVEL, "DEBUG, INFO, WARNING or ERROR; DEBUG shows requests"),
    ("log-file", "FILE", None, PATH, "log to FILE instead of standard error; -: standard output"),
)


def _described(rows: Sequence[_Row]) -> list[tuple[str, str, str]]:
    """Option, metavar and help of `rows`, the default said in the help."""
    return [
        (option, metavar, text if usual is None else f"{text} ({usual})")
        for option, metavar, usual, _, text in rows
    ]


class Options(CommandOptions):
    """The server's options. After `parseOptions`, `checked` holds their values."""

    program = "p2pchat-rendezvous"
    about = (
        "A rendezvous server: peers register with it, and find each other. It serves until it is "
        "told to stop (Ctrl-C, SIGTERM)."
    )
    examples = ("", "--port 9000 --database registrations.db")
    groups: ClassVar[Sequence[tuple[str, Sequence[tuple[str, str, str]]]]] = (
        ("The server", _described(_SERVICE)),
        ("Limits", _described(_LIMITS)),
        ("The log", _described(_LOGGING)),
        ("Other", [("version", "", "show the version and exit"), ("help", "", "show this")]),
    )
    optParameters: Sequence[Sequence[object]] = [
        [option, None, None, text] for option, _, _, _, text in (*_SERVICE, *_LIMITS, *_LOGGING)
    ]

    checked: dict[str, Any]
    """What each option says, or its default."""

    def postOptions(self) -> None:
        """Check every value, and see to the log under twistd; raises ConfigError."""
        self.checked = {}
        for option, _, usual, check, _ in (*_SERVICE, *_LIMITS, *_LOGGING):
            text = self[option]
            self.checked[option] = usual if text is None else checked_text(option, check, text)
        database = self.checked["database"]
        if database is not None:
            self.checked["database"] = _usable(os.path.abspath(os.path.expanduser(database)))
        if self.parent is not None and "nodaemon" in self.parent:
            self._log_under_twistd()
        elif self.parent is not None:
            self._log_under_twist()

    @property
    def logging(self) -> LoggingSettings:
        """What was said about the log."""
        return LoggingSettings(level=self.checked["log-level"], file=self.checked["log-file"])

    def _log_under_twistd(self) -> None:
        parent = self.parent
        assert parent is not None
        foreground = parent["nodaemon"] or parent["debug"]
        path = (
            self.checked["log-file"] or parent["logfile"] or ("-" if foreground else "twistd.log")
        )
        prepare_twistd(self.logging, path)
        if not parent["logger"] and not parent.get("syslog"):
            parent["logger"] = TWISTD_LOGGER

    def _log_under_twist(self) -> None:
        parent = self.parent
        assert parent is not None
        prepare_twistd(self.logging, self.checked["log-file"] or "-")
        # Unless the person told twist where to log, and did not tell us.
        if self.checked["log-file"] or parent.get("logFile") is sys.stdout:
            parent["fileLogObserverFactory"] = twistd_observer
            parent["logLevel"] = LogLevel.debug  # the threshold is ours


def _usable(database: str) -> str:
    """The path of a database that could exist; raises ConfigError."""
    folder = os.path.dirname(database)
    if os.path.isdir(database):
        raise ConfigError(f"database: {database} is a folder, not a file")
    if not os.path.isdir(folder):
        raise ConfigError(f"database: there is no folder {folder}")
    return database
