"""A command line that answers mistakes with one sentence and a meaningful exit status.

Rules: a command line is made from its groups of options. What is not understood (an unknown
option, a stray word) and a value that cannot be used end the program with status 2, which says that
to start it again is of no use. Each has one sentence on standard error and never a traceback; under
twistd and twist as well, which would exit with status 0 or print everything. Under both the log is
ours, in our format and in our file, unless the person asked them for another one.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import nullcontext
from typing import ClassVar, Final, NoReturn

from twisted.logger import LogLevel
from twisted.python import usage

from p2pchat import __version__
from p2pchat.control.client.standard import guarded
from p2pchat.logs.output import (
    TWISTD_LOGGER,
    FilesOf,
    complain,
    prepare_twistd,
    twistd_observer,
)
from p2pchat.service.daemon import User, be_private, hand_over_log, move_in, obey
from p2pchat.settings.checks import ConfigError, shown
from p2pchat.settings.table import OptionGroup
from p2pchat.settings.values import LoggingSettings
from p2pchat.speech import Sentence, _, plain, sentence_of

WRONG: Final = 2
"""The exit status when somebody has to change the command line or a file before the next start."""


class CommandOptions(usage.Options):
    """Options of one command; a subclass says what there is, and checks it in `postOptions`.

    Twisted's `optFlags` and `optParameters` are made from `groups`; what is not said is None.
    `postOptions` may raise ConfigError for a wrong value and UsageError for what is not understood.
    """

    program: ClassVar[str]
    """The command's name: of the script, and under twistd."""
    about: ClassVar[str]
    """One or two sentences for --help, marked."""
    examples: ClassVar[Sequence[str]] = ()
    """What follows the command's name in a few examples for --help."""
    groups: ClassVar[Sequence[OptionGroup]] = ()
    """Every option, in the order of --help; one without a metavar is a flag."""

    user: User | None = None
    """As whom twistd will run the process, None if nothing changes."""
    files: FilesOf = nullcontext
    """Makes the context in which to make files that the process will use."""

    optParameters: Sequence[Sequence[object]] = ()
    optFlags: Sequence[Sequence[object]] = ()

    def __init_subclass__(cls) -> None:
        rows = [row for _title, options in cls.groups for row in options]
        cls.optParameters = [[row.option, None, None, row.help] for row in rows if row.metavar]
        cls.optFlags = [
            [row.option, None, row.help]
            for row in rows
            # --version and --help only act
            if not row.metavar and not hasattr(cls, f"opt_{row.option}")
        ]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse `options` (default: the process's), or leave with a sentence: SystemExit 2.

        From here on the process makes its files as twistd was told, for its user alone.
        """
        try:
            be_private()
            self.user = obey(self.parent)
            self.files = move_in(self.user)
            usage.Options.parseOptions(self, options)
        except ConfigError as error:
            _leave(sentence_of(error), WRONG)
        except usage.UsageError as error:
            why, names = _in_words(error), self._meant(str(error))
            sentence = Sentence("{command}: {why}; see {command} --help")
            if names:
                sentence = Sentence(
                    "{command}: {why} (did you mean {names}?); see {command} --help",
                    names=_one_of(names),
                )
            _leave(sentence.but(command=self.command, why=why), WRONG)

    def parseArgs(self, *words: str) -> None:
        """Refuse words that are not options."""
        if words:
            sentence = Sentence("unexpected argument {argument}", argument=shown(words[0]))
            raise usage.UsageError(sentence)

    def choose_log(self, logging: LoggingSettings, foreground: str) -> str:
        """The file to log to, "-" for standard output; has twistd and twist log there.

        `foreground` is the one for a person who named none, neither to us nor to twistd.
        """
        parent = self.parent
        path = logging.file or foreground
        if parent is None:
            return path
        if "nodaemon" in parent:  # twistd
            usual = foreground if self.twistd_stays else "twistd.log"
            path = logging.file or parent["logfile"] or usual
            if not parent["logger"] and not parent.get("syslog"):
                parent["logger"] = TWISTD_LOGGER
        elif logging.file or parent.get("logFile") is sys.stdout:
            # Unless the person told twist where to log, and did not tell us.
            parent["fileLogObserverFactory"] = twistd_observer
            parent["logLevel"] = LogLevel.debug  # the threshold is ours
        if self.user is not None and path != "-":
            path = os.path.abspath(os.path.expanduser(path))
            hand_over_log(path, self.user, usual=logging.file is None and path == foreground)
        prepare_twistd(logging, path, self.files)
        return path

    def opt_version(self) -> NoReturn:
        """Show the version and exit."""
        from twisted import __version__ as twisted_version

        python = ".".join(map(str, sys.version_info[:3]))
        parts = [f"Twisted {twisted_version}", f"Python {python}", *self.formats()]
        _show(f"{self.program} {__version__} ({', '.join(parts)})")

    def opt_help(self) -> NoReturn:
        """Show what there is and exit."""
        _show(str(self))

    def formats(self) -> list[str]:
        """The formats of the program's files, for --version."""
        return []

    @property
    def command(self) -> str:
        """What the person typed to get here: `p2pchat`, or `twistd p2pchat`."""
        if self.parent is None:
            return self.program
        return f"{os.path.basename(sys.argv[0])} {self.program}"

    @property
    def twistd_stays(self) -> bool:
        """Whether there is a twistd, and it stays in the foreground."""
        parent = self.parent
        if parent is None or "nodaemon" not in parent:
            return False
        return bool(parent["nodaemon"] or parent["debug"])

    def getSynopsis(self) -> str:
        """The first line of --help."""
        if self.parent is None:
            return _("Usage: {program} [options]").format(program=self.program)
        return f"{self.parent.getSynopsis()} {self.program} [options]"

    def getUsage(self, width: int | None = None) -> str:
        """What --help says below its first line."""
        width = width or 80
        lines = ["", *textwrap.wrap(_(self.about), width)]
        if self.examples:
            shown = [f"  {self.command} {line}".rstrip() for line in self.examples]
            lines += ["", _("Examples:"), *shown]
        for title, options in self.groups:
            lines += ["", f"{_(title)}:"]
            for row in options:
                left = f"  --{row.option} {row.metavar}".rstrip()
                # A long option has its explanation on the next line.
                first = [left] if len(left) > 29 else []
                lead = " " * 31 if first else f"{left:<31}"
                lines += first + textwrap.wrap(
                    row.said, width, initial_indent=lead, subsequent_indent=" " * 31
                )
        return "\n".join(lines) + "\n"

    def _meant(self, error: str) -> list[str]:
        """The options that may have been meant by one that is not known, or is too short."""
        from difflib import get_close_matches

        wrong = error.removeprefix("option ").split()[0].lstrip("-")
        names = [name.rstrip("=") for name in self.longOpt]
        close: list[str] = []
        if "unique prefix" in error:
            close = [name for name in names if name.startswith(wrong)]
        elif "not recognized" in error:
            close = get_close_matches(wrong, names, n=1)
        return [f"--{name}" for name in close]


_GETOPT: Final = (
    Sentence("option {option} not recognized"),
    Sentence("option {option} not a unique prefix"),
    Sentence("option {option} requires argument"),
    Sentence("option {option} must not have an argument"),
)
"""What Python's getopt complains of."""


def _in_words(error: usage.UsageError) -> Sentence:
    for sentence in _GETOPT:
        before, _option, behind = str(sentence.but(option="\0")).partition("\0")
        text = str(error)
        if text.startswith(before) and text.endswith(behind):
            return sentence.but(option=text.removeprefix(before).removesuffix(behind))
    return sentence_of(error)


def _one_of(names: list[str]) -> Sentence:
    first, *others = names
    said = plain(first)
    for name in others:
        said = Sentence("{one} or {other}", one=said, other=name)
    return said


def _leave(sentence: Sentence, status: int) -> NoReturn:
    complain(sentence)
    raise SystemExit(status)


def _show(text: str) -> NoReturn:
    raise SystemExit(guarded(lambda: sys.stdout.write(text + "\n") and 0))
