"""The command line of a node: the same for `p2pchat`, `twistd p2pchat` and `twist p2pchat`.

Rules: every setting has an option, made from `p2pchat.settings.table`; an option beats the
configuration file, which beats the default.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from p2pchat.console.standard_input import has_input
from p2pchat.control.client.subcommands import SUBCOMMANDS
from p2pchat.service.command_line import CommandOptions
from p2pchat.settings.checks import split_address
from p2pchat.settings.owners import distrusted
from p2pchat.settings.paths import default_log_path
from p2pchat.settings.reading import Values, check_text, in_options, load, resolve
from p2pchat.settings.table import DEFAULT_FILE, OPTION_GROUPS, SETTINGS
from p2pchat.settings.values import Settings
from p2pchat.speech import N_, Sentence, _, asked, use
from p2pchat.wire.address import MAX_NAME
from p2pchat.wire.names import bracketed, is_hidden
from p2pchat.wire.text import printable


class ChatOptions(CommandOptions):
    """The node's options.

    After `parseOptions`: `settings`, `file`, `warnings`, `plain`, `stay` and `log_path`. A file
    that is not named on the command line is read only if nobody else may change it.
    """

    program = "p2pchat"
    about = N_(
        "Talk with other people directly, without an account. Without options: under your login "
        "name, with everyone else on this machine."
    )
    examples = (
        "--name alice",
        "--name alice --namespace CIC --rendezvous pyp2p.mfcaetano.cc",
        "--name alice --serve-rendezvous 8080",
    )
    groups = OPTION_GROUPS

    settings: Settings
    """The settings to run with."""
    warnings: Sequence[Sentence]
    """Sentences about the configuration file that the person should see."""
    file: str | None
    """The configuration file that was read, None if none was."""
    log_path: str
    """The file to log to; "-" is standard output."""

    @property
    def stay(self) -> bool:
        """Whether to keep running when piped input has ended."""
        return bool(self["stay"])

    @property
    def plain(self) -> bool:
        """Whether the person wants the plain console in any case."""
        return bool(self["plain"])

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """See `CommandOptions`; from here on the process speaks the person's language."""
        use(asked(sys.argv[1:] if options is None else options))
        super().parseOptions(options)

    def postOptions(self) -> None:
        """Resolve the settings, and see to the log; raises ConfigError for a wrong value."""
        path = self["config"]
        refused: list[Sentence] = []
        if path is not None:
            path = os.path.expanduser(path)
        if path is None and os.path.lexists(DEFAULT_FILE):
            why = distrusted(DEFAULT_FILE)
            if why:
                sentence = Sentence(
                    "{file} is not read, {why}: --config {file} reads it",
                    file=DEFAULT_FILE,
                    why=why,
                )
                refused.append(sentence)
            else:
                path = DEFAULT_FILE
        # A daemon may leave the folder before it is told to read the file again.
        self.file = None if path is None else os.path.abspath(path)
        file, warnings = ({}, []) if path is None else load(path)
        self.settings = resolve(self._given(), file)
        if self.settings.console.language is not None:  # else that of the system is spoken already
            use(self.settings.console.language)
        self.warnings = [*refused, *warnings, *self._login_warnings()]
        parent, logging = self.parent, self.settings.logging
        if parent is not None and self.twistd_stays and parent["pidfile"] == "twistd.pid":
            # Nobody asked for one, and it would keep a second node from starting in this folder.
            parent["pidfile"] = ""
        # Standard output is where the conversation is, unless there is nobody to have one.
        aside = logging.file is None and (parent is None or has_input())
        self.log_path = self.choose_log(logging, self._own_path() if aside else "-")

    def reread(self) -> tuple[Settings, list[Sentence]]:
        """The settings as the file has them now, and the command line; raises ConfigError.

        The sentences are those about the file that the person should see.
        """
        file, warnings = ({}, []) if self.file is None else load(self.file)
        return resolve(self._given(), file), warnings

    def formats(self) -> list[str]:
        """See `CommandOptions`: who updates wants to know whether there is a way back."""
        from p2pchat.history.schema import FORMAT

        return [f"history format {FORMAT.number}"]

    def getUsage(self, width: int | None = None) -> str:
        """What --help says below its first line."""
        text = super().getUsage(width)
        if self.parent is not None:
            return text
        lines = [f"  {name:<27}  {_(about)}" for name, about in SUBCOMMANDS]
        head = _("With a node that runs already ({command} COMMAND --help tells more):")
        return "\n".join([text, head.format(command=self.command), *lines, ""])

    def _given(self) -> Values:
        values: Values = {}
        if self["no-control"]:
            values["control.path"] = "off"
        for setting in SETTINGS:
            text = self[setting.option]
            if text is None or not setting.metavar:
                if text:  # an option that takes no value was given
                    values[setting.key] = True
                continue
            if setting.key == "rendezvous.host":
                text, port = split_address(text)
                if port is not None:
                    values["rendezvous.port"] = check_text("rendezvous.port", port, "rendezvous")
            values[setting.key] = check_text(setting.key, text)
        return values

    def in_options(self, sentence: Sentence) -> Sentence:
        """A sentence about a setting, with the option's name if it was given as one."""
        given = [setting.key for setting in SETTINGS if self[setting.option]]
        return in_options(sentence, given)

    def _login_warnings(self) -> list[Sentence]:
        """A sentence for who is called otherwise than the login name, and has not said how."""
        login, name = _login(), login_name()
        if self.settings.peer.name is not None or not login or login == name:
            return []
        return [
            Sentence(
                "the login name cannot be a name here: you are {name} (see --name)",
                name=bracketed(name),
            )
        ]

    def _own_path(self) -> str:
        peer = self.settings.peer
        return default_log_path(f"{peer.name or login_name()}@{peer.namespace}")


def login_name() -> str:
    """The login name, made fit to be the name of a peer; "peer" when nothing is left of it."""
    seen = (it for it in _login().partition("@")[0] if not is_hidden(it))
    fit = printable("".join(seen))
    return fit.lstrip("#* ")[:MAX_NAME].strip() or "peer"


def _login() -> str:
    """The login name as the system has it; empty when there is none."""
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return ""
