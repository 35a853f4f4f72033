"""The rendezvous server's options: what there is, what each must be, and where its log goes.

Rules: an option is a field of `ServerSettings` or of `Limits`, and --help is made from them. A
value that cannot be used is a `ConfigError` that names its option.
"""

from __future__ import annotations

import os
from typing import Annotated, Final

from msgspec import Struct

from p2pchat.rendezvous.limits import Limits
from p2pchat.service.command_line import CommandOptions
from p2pchat.settings.checks import HOST, LEVEL, PATH, PORT_OR_FREE, ConfigError, checked_text
from p2pchat.settings.reading import changed
from p2pchat.settings.table import option_groups, settings_of
from p2pchat.settings.values import LoggingSettings


class PlaceSettings(Struct, frozen=True, kw_only=True):
    """Where the server listens, and where it keeps what it knows."""

    port: Annotated[int, PORT_OR_FREE("the port to listen on; 0 takes a free one")] = 8080
    interface: Annotated[
        str | None, HOST("the address to listen on, :: for every one (every IPv4 one)")
    ] = None
    database: Annotated[
        str | None, PATH("keep registrations in FILE, so that a restart finds them")
    ] = None
    ban_file: Annotated[
        str | None,
        PATH("addresses, networks and NAME@NAMESPACE to refuse, one a line; SIGHUP reads it again"),
    ] = None


class ServerLogSettings(Struct, frozen=True, kw_only=True):
    """What the server logs, and where."""

    level: Annotated[
        str, LEVEL("DEBUG, INFO, WARNING or ERROR; DEBUG shows requests", "log-level")
    ] = "INFO"
    file: Annotated[
        str | None,
        PATH("log to FILE instead of standard error; -: standard output", "log-file"),
    ] = None


class ServerSettings(Struct, frozen=True, kw_only=True):
    """All settings of a rendezvous server; each section has its title."""

    server: Annotated[PlaceSettings, "The server"] = PlaceSettings()
    limits: Annotated[Limits, "Limits"] = Limits()
    logging: Annotated[ServerLogSettings, "The log"] = ServerLogSettings()


_SETTINGS: Final = settings_of(ServerSettings)


class RendezvousOptions(CommandOptions):
    """The server's options. After `parseOptions`, `settings` holds their values."""

    program = "p2pchat-rendezvous"
    about = (
        "A rendezvous server: peers register with it, and find each other. It serves until it is "
        "told to stop (Ctrl-C, SIGTERM)."
    )
    examples = ("", "--port 9000 --database registrations.db")
    groups = (
        *option_groups(_SETTINGS),
        ("Other", (("version", "", "show the version and exit"), ("help", "", "show this"))),
    )

    settings: ServerSettings
    """What each option says, or its default."""

    def postOptions(self) -> None:
        """Check every value, and see to the log under twistd; raises ConfigError."""
        values = {
            setting.key: checked_text(f"--{setting.option}", setting.kind, self[setting.option])
            for setting in _SETTINGS
            if self[setting.option] is not None
        }
        if "server.database" in values:
            values["server.database"] = _usable(values["server.database"])
        if "server.ban_file" in values:  # a daemon leaves its folder
            values["server.ban_file"] = os.path.abspath(values["server.ban_file"])
        self.settings = changed(ServerSettings(), values)
        self.choose_log(self.logging, "-")

    @property
    def logging(self) -> LoggingSettings:
        """What was said about the log."""
        log = self.settings.logging
        return LoggingSettings(level=log.level, file=log.file)


def _usable(database: str) -> str:
    """The whole path of a database that could exist; raises ConfigError."""
    path = os.path.abspath(database)
    folder = os.path.dirname(path)
    if os.path.isdir(path):
        raise ConfigError(f"--database: {path} is a folder, not a file")
    if not os.path.isdir(folder):
        raise ConfigError(f"--database: there is no folder {folder}")
    return path
