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

OptionGroup: TypeAlias = tuple[str, Sequence[tuple[str, str, str]]]
"""A title of --help, and (option, metavar, help) of each option below it."""


class Setting(NamedTuple):
    """One setting: its place in a file, its option on the command line, and its check."""

    section: str
    field: str
    title: str
    """What stands in --help above its section."""
    default: Any
    option: str
    metavar: str
    help: str
    kind: Kind
    restart: bool
    """Whether a running node cannot change it."""

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
        for field, _, option in _annotated(part)
    )


def option_groups(settings: Sequence[Setting]) -> tuple[OptionGroup, ...]:
    """The options of `settings` for --help, by title."""
    return tuple(
        (title, [(setting.option, setting.metavar, setting.help) for setting in group])
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
        option.about + (_shown(default) if option.metavar else ""),
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
        "Other",
        (
            ("config", "FILE", f"read settings from FILE ({DEFAULT_FILE}, if it is there)"),
            ("plain", "", "the plain console, even where the full one would be used"),
            ("no-control", "", "no control socket: the same as --control off"),
            ("stay", "", "keep running when the input, a pipe or a file, has ended"),
            ("version", "", "show the version and exit"),
            ("help", "", "show this and exit"),
        ),
    ),
)
"""Everything that a node's command line takes, in the order of its help."""
