"""The rendezvous server's command line and configuration file: what each setting is in the end.

Rules: an option is a field of `ServerSettings`, and so is what the file may hold. An option beats
the file, and the file beats the default. A value that cannot be used is a `ConfigError` that names
its option, or its setting when it is from the file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from p2pchat.rendezvous.examining import changeable, troubles, whole_paths
from p2pchat.rendezvous.settings import SERVER_SETTINGS, ServerSettings
from p2pchat.service.command_line import CommandOptions
from p2pchat.settings.checks import ConfigError, checked_text
from p2pchat.settings.owners import distrusted
from p2pchat.settings.reading import Values, changed, in_options, load
from p2pchat.settings.table import Row, option_groups
from p2pchat.settings.values import LoggingSettings
from p2pchat.speech import Sentence

_WORDS: Final = """\
With a server that runs, or its file (p2pchat-rendezvous COMMAND --help tells more):
  status, stats, list, ban, unban, reload, stop, check
"""


class RendezvousOptions(CommandOptions):
    """The server's options. After `parseOptions`, `settings` holds their values.

    `warnings` are sentences about the configuration file that the log should have.
    """

    program = "p2pchat-rendezvous"
    about = (
        "A rendezvous server: peers register with it, and find each other. It serves until it is "
        "told to stop (Ctrl-C, SIGTERM)."
    )
    examples = ("", "--port 9000 --database registrations.db", "--config rendezvous.json")
    groups = (
        *option_groups(SERVER_SETTINGS),
        (
            "Other",
            (
                Row("config", "FILE", "read settings from FILE"),
                Row("version", "", "show the version and exit"),
                Row("help", "", "show this"),
            ),
        ),
    )

    settings: ServerSettings
    """What each option says, or the file, or the default."""
    warnings: Sequence[Sentence]
    file: str | None
    """The configuration file that was read, None if none was."""

    def postOptions(self) -> None:
        """Check every value, and see to the log under twistd; raises ConfigError."""
        path = self["config"]
        # A daemon may leave the folder before it is told to read the file again.
        self.file = None if path is None else os.path.abspath(os.path.expanduser(path))
        self.settings, self.warnings = self.reread()
        self.choose_log(self.logging, "-")

    def reread(self) -> tuple[ServerSettings, list[Sentence]]:
        """The settings as the file has them now, and the command line; raises ConfigError.

        The sentences are those about the file that the person should see.
        """
        file, warnings = ({}, []) if self.file is None else load(self.file, SERVER_SETTINGS)
        given = self._given()
        settings = whole_paths(changed(ServerSettings(), {**file, **given}))
        for trouble in troubles(settings):
            raise ConfigError(in_options(trouble, given, SERVER_SETTINGS))
        if self.file is not None and (why := distrusted(self.file)):
            warnings.append(changeable(self.file, why))
        return settings, warnings

    @property
    def logging(self) -> LoggingSettings:
        """What was said about the log."""
        log = self.settings.logging
        return LoggingSettings(
            level=log.level,
            file=log.file,
            format=log.format,
            max_bytes=log.max_bytes,
            files=log.files,
        )

    def getUsage(self, width: int | None = None) -> str:
        """What --help says below its first line."""
        text = super().getUsage(width)
        return text if self.parent is not None else f"{text}\n{_WORDS}"

    def _given(self) -> Values:
        return {
            setting.key: checked_text(f"--{setting.option}", setting.kind, self[setting.option])
            for setting in SERVER_SETTINGS
            if self[setting.option] is not None
        }
