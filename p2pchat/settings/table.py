"""The table of settings, made from their structures: keys, options, checks and help.

Rules: nothing is said here about a single setting; its field in `p2pchat.settings.values` says all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias, get_args, get_type_hints

from msgspec import Struct

from p2pchat.settings.checks import Kind, Option
from p2pchat.settings.values import Settings
from p2pchat.speech import N_, _


class Row(NamedTuple):
    """One option in --help; one without a metavar is a flag."""

    option: str
    metavar: str
    about: str
    default: str = ""
    """In brackets, to follow what it is about."""

    @property
    def help(self) -> str:
        """What stands beside it, in English."""
        return self.about + self.default

    @property
    def said(self) -> str:
        """The same in the person's language."""
        return _(self.about) + self.default


OptionGroup: TypeAlias = tuple[str, Sequence[Row]]
"""A title of --help, and each option below it."""


class Setting(NamedTuple):
    """One setting: its place in a file, its option on the command line, and its check."""

    section: str
    field: str
    title: str
    """What stands in --help above its section."""
    default: Any
    option: str
    metavar: str
    about: str
    """What it is, without the default."""
    kind: Kind
    restart: bool
    """Whether a running node cannot change it."""

    @property
    def row(self) -> Row:
        """It in --help."""
        return Row(
            self.option, self.metavar, self.about, _shown(self.default) if self.metavar else ""
        )

    @property
    def help(self) -> str:
        """What --help says of it, in English."""
        return self.row.help

    @property
    def key(self) -> str:
        """`section.field`, its name in every message."""
        return f"{self.section}.{self.field}"


def settings_of(root: type[Struct]) -> tuple[Setting, ...]:
    """Every setting of `root`, in the order of the fields, which is that of --help.

    The fields of `root` are sections, each annotated with its title. The fields of a section are
    settings, each annotated with an `Option`.
    """
    return tuple(
        _setting(section, field, title, getattr(part(), field), option)
        for section, part, title in _annotated(root)
        for field, _kind, option in _annotated(part)
    )


def option_groups(settings: Sequence[Setting]) -> tuple[OptionGroup, ...]:
    """The options of `settings` for --help, by title."""
    return tuple(
        (title, [setting.row for setting in group])
        for title, group in groupby(settings, lambda setting: setting.title)
    )


def _annotated(struct: type[Struct]) -> Iterator[tuple[str, Any, Any]]:
    for field, hint in get_type_hints(struct, include_extras=True).items():
        yield (field, *get_args(hint))


def _setting(section: str, field: str, title: str, default: Any, option: Option) -> Setting:
    return Setting(
        section,
        field,
        title,
        default,
        option.name or field.replace("_", "-"),
        option.metavar,
        option.about,
        option.kind,
        option.restart,
    )


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return " (yes)" if default else " (no)"
    if not default:
        return ""  # the help says by itself what nothing, or 0, means
    return f" ({default:.15g})" if isinstance(default, float) else f" ({default})"


SETTINGS: Final = settings_of(Settings)
"""Every setting of a node."""

DEFAULT_FILE: Final = "config.json"
"""The configuration file that is read from the working folder when it is there."""

OPTION_GROUPS: Final[Sequence[OptionGroup]] = (
    *option_groups(SETTINGS),
    (
        N_("Other"),
        (
            Row("config", "FILE", N_("read settings from FILE (config.json, if it is there)")),
            Row("plain", "", N_("the plain console, even where the full one would be used")),
            Row("no-control", "", N_("no control socket: the same as --control off")),
            Row("stay", "", N_("keep running when the input, a pipe or a file, has ended")),
            Row("version", "", N_("show the version and exit")),
            Row("help", "", N_("show this and exit")),
        ),
    ),
)
"""Everything that a node's command line takes, in the order of its help."""
