"""Where settings come from: the command line, then a file, then the defaults.

Rules: a wrong value is refused with one sentence that names the setting; an unknown name in a file
is a warning, so that a newer file still starts an older program. Any part of a file may be missing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from p2pchat.settings.checks import ConfigError, checked, checked_text, shown
from p2pchat.settings.table import SETTINGS, Setting
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence, counted, sentence_of
from p2pchat.wire.text import shortened, why_not

Values: TypeAlias = dict[str, Any]
"""Checked values by key ("connection.ping_interval"): what a file or a command line asked for."""

_Root = TypeVar("_Root", bound=msgspec.Struct)

_MAX_FILE: Final = 100_000
"""Bytes of the longest file: some twenty times the example, and read again in one turn."""
_MAX_WARNINGS: Final = 20
_LONGEST_NAME: Final = 60
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?')
"""A string of JSON; what names something has a colon behind it."""
_COMMENT: Final = re.compile(r"[\s,]*(//|/\*|#)")
_BY_KEY: Final = {setting.key: setting for setting in SETTINGS}


def check(key: str, value: object) -> Any:
    """The value to use for the setting `key`, given `value` as a file holds it.

    Raises ConfigError, as: `connection.ping_interval: expected a number above 0, got "soon"`.
    """
    return checked(key, _BY_KEY[key].kind, value)


def check_text(key: str, text: str, option: str = "") -> Any:
    """The same as `check` for a `text` from the command line; the sentence names the option.

    `option`: the one that was used, if it is not that of the setting.
    """
    setting = _BY_KEY[key]
    return checked_text(f"--{option or setting.option}", setting.kind, text)


def in_options(
    sentence: Sentence, given: Collection[str], settings: Sequence[Setting] = SETTINGS
) -> Sentence:
    """A sentence whose `place` is a setting; of one in `given` the option is named instead."""
    options = {setting.key: setting.option for setting in settings if setting.key in given}
    option = options.get(str(sentence.fields.get("place")))
    return sentence if option is None else sentence.but(place=f"--{option}")


def resolve(options: Mapping[str, Any], file: Mapping[str, Any]) -> Settings:
    """The settings to run with: an option beats the file, and the file beats the default.

    Both map keys to values that `check`, `check_text` or `load` returned; either may be empty.
    """
    return changed(Settings(), {**file, **options})


def changed(settings: _Root, values: Mapping[str, Any]) -> _Root:
    """A structure of sections like `settings`, but with these checked values, by key."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, field = key.split(".")
        sections.setdefault(section, {})[field] = value
    parts = {name: replace(getattr(settings, name), **new) for name, new in sections.items()}
    return replace(settings, **parts)


def load(path: str, settings: Sequence[Setting] = SETTINGS) -> tuple[Values, list[Sentence]]:
    """Read the configuration file `path`: what it sets, and a warning for each name that is
    unknown, or there twice.

    Give the first to `resolve` and show the second to the person. `settings`: what there is (that
    of a node). Raises ConfigError when the file cannot be read, is not JSON, or
    holds a wrong value.
    """
    values, warnings, errors = gather(path, settings)
    if errors:
        raise ConfigError(errors[0])
    return values, warnings


def gather(
    path: str, settings: Sequence[Setting] = SETTINGS
) -> tuple[Values, list[Sentence], list[Sentence]]:
    """The same, with a sentence for each wrong value instead of the first one alone.

    Raises ConfigError when the file cannot be read or is not JSON.
    """
    text = _read(path)
    content = _parsed(path, text)
    if not isinstance(content, dict):
        raise ConfigError(_no_object(shortened(path), content))
    by_key = {setting.key: setting for setting in settings}
    sections = dict.fromkeys(setting.section for setting in settings)
    values: Values = {}
    warnings = [
        Sentence("{name} is there twice: the last one counts", name=name)
        for name in _twice(text, content)
    ]
    errors: list[Sentence] = []
    unknown = 0
    for section, fields in content.items():
        if section not in sections:
            unknown += 1
            if unknown <= _MAX_WARNINGS:
                warnings.append(_unknown(section, [*sections, *by_key]))
            continue
        if not isinstance(fields, dict):
            errors.append(_no_object(section, fields))
            continue
        for field, value in fields.items():
            key = f"{section}.{field}"
            if key not in by_key:
                unknown += 1
                if unknown <= _MAX_WARNINGS:  # a look for similar names takes its time
                    warnings.append(_unknown(key, by_key))
            elif value is not None or by_key[key].default is not None:
                try:
                    values[key] = checked(key, by_key[key].kind, value)
                except ConfigError as wrong:
                    errors.append(sentence_of(wrong))
    more = unknown - _MAX_WARNINGS
    if more > 0:
        warnings.append(
            counted("… and {n} more unknown setting", "… and {n} more unknown settings", more)
        )
    where = shortened(path, 100)
    return (
        values,
        [Sentence("{path}: {warning}", path=where, warning=it) for it in warnings],
        errors,
    )


def _no_object(place: str, value: object) -> Sentence:
    return Sentence("{place}: expected an object, got {got}", place=place, got=shown(value))


def _read(path: str) -> str:
    try:
        # Without waiting: a FIFO would hold the program up until somebody writes into it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(_unreadable(path, Sentence("it is no regular file")))
            content = file.read(_MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = why_not(error) if isinstance(error, OSError) else error
        raise ConfigError(_unreadable(path, reason)) from None
    if len(content) > _MAX_FILE:
        raise ConfigError(
            Sentence("{path}: larger than {most} bytes", path=shortened(path), most=_MAX_FILE)
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            Sentence("{path}: line {line} is not UTF-8 text", path=shortened(path), line=line)
        ) from None


def _unreadable(path: str, reason: object) -> Sentence:
    return Sentence("{path}: cannot be read: {reason}", path=shortened(path), reason=reason)


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
        comment = _COMMENT.match(content, error.pos)
        if comment is not None:
            line = content.count("\n", 0, comment.end()) + 1
            sentence = Sentence(
                "{path}: line {line} has a comment, and JSON has none: take it out",
                path=shortened(path),
                line=line,
            )
            raise ConfigError(sentence) from None
        sentence = Sentence(
            "{path}: not JSON at line {line}, column {column}: {why}",
            path=shortened(path),
            line=error.lineno,
            column=error.colno,
            why=error.msg,
        )
        raise ConfigError(sentence) from None
    except (RecursionError, ValueError):
        raise ConfigError(Sentence("{path}: not a configuration", path=shortened(path))) from None


def _twice(text: str, content: Mapping[str, object]) -> list[str]:
    """The names that stand more than once in one object, the first of many."""
    keys = sum(bool(colon) for colon in _STRINGS.findall(text))
    if keys <= len(content) + sum(len(it) for it in content.values() if isinstance(it, dict)):
        return []
    # Only a file with a fault, or with objects that are no settings, pays for json.
    import json
    from collections import Counter

    twice: dict[int, list[str]] = {}
    kept: list[dict[str, object]] = []

    def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        kept.append(made)  # or another one may get its identity
        times = Counter(name for name, _ in pairs)
        twice[id(made)] = [name for name in made if times[name] > 1]
        return made

    try:
        whole = json.loads(text, object_pairs_hook=object_of)
    except (RecursionError, ValueError):
        return []  # what json does not take, and msgspec does
    found = [*twice[id(whole)]]
    for section, fields in whole.items():
        if isinstance(fields, dict):
            found += [f"{section}.{field}" for field in twice[id(fields)]]
    return [shortened(name, _LONGEST_NAME) for name in found[:_MAX_WARNINGS]]


def _unknown(name: str, known: Collection[str]) -> Sentence:
    unknown = Sentence("{name}: unknown setting, ignored", name=shortened(name, _LONGEST_NAME))
    if len(name) > _LONGEST_NAME:
        return unknown
    from difflib import get_close_matches

    field = name.rpartition(".")[2]
    by_field = {key.rpartition(".")[2]: key for key in known}
    close = [by_field[field]] if field in by_field else get_close_matches(name, known, 1, 0.75)
    close = close or [by_field[match] for match in get_close_matches(field, by_field, n=1)]
    if not close:
        return unknown
    return Sentence("{unknown} (did you mean {name}?)", unknown=unknown, name=close[0])
