"""`p2pchat check`: everything that is wrong with a configuration, and what may be meant otherwise.

Rules: nothing is started and nothing written. An error is what a start would refuse; a start tells
the first one only.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import NamedTuple

from p2pchat.settings.checks import ConfigError
from p2pchat.settings.owners import distrusted
from p2pchat.settings.reading import gather, resolve
from p2pchat.settings.values import MetricsSettings, Settings
from p2pchat.speech import Sentence, _, ngettext, sentence_of, spoken
from p2pchat.wire.text import shortened


class Findings(NamedTuple):
    """What is to be said of a configuration."""

    errors: list[Sentence]
    warnings: list[Sentence]


def examine(path: str) -> Findings:
    """Look at the configuration file `path` as a start would."""
    try:
        values, warnings, errors = gather(path)
    except ConfigError as why:
        return Findings([sentence_of(why)], [])
    settings = resolve({}, values)
    errors += [
        trouble
        for trouble in (hook_trouble(settings), metrics_trouble(settings.metrics))
        if trouble
    ]
    why_not = distrusted(path)
    if why_not:
        warnings.append(
            Sentence(
                "{path} is read only where it is named: {why}",
                path=shortened(path, 100),
                why=why_not,
            )
        )
    return Findings(errors, warnings)


def report(path: str, found: Findings) -> list[str]:
    """What a person is told of these findings, line by line."""
    errors, warnings = len(found.errors), len(found.warnings)
    counts = (
        ngettext("{n} error", "{n} errors", errors).format(n=errors),
        ngettext("{n} warning", "{n} warnings", warnings).format(n=warnings),
    )
    return [
        *(_("error: {sentence}").format(sentence=spoken(it)) for it in found.errors),
        *(_("warning: {sentence}").format(sentence=spoken(it)) for it in found.warnings),
        f"{path}: {', '.join(counts)}",
    ]


def hook_trouble(settings: Settings) -> Sentence | None:
    """Why the program for each message cannot be run; None when it can, or there is none."""
    program = settings.hooks.message
    if program is None or shutil.which(program) is not None:
        return None
    return Sentence(
        "{place}: {program} cannot be run", place="hooks.message", program=shortened(program)
    )


def metrics_trouble(metrics: MetricsSettings) -> Sentence | None:
    """Why there can be no metrics; None when there can be, or none are wanted."""
    if metrics.address is None or find_spec("prometheus_client") is not None:
        return None
    return Sentence(
        "{place}: this needs an extra that is not installed: {command}",
        place="metrics.address",
        command='.venv/bin/pip install ".[metrics]"',
    )
