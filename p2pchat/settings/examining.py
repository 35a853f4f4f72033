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
from p2pchat.wire.text import shortened


class Findings(NamedTuple):
    """What is to be said of a configuration, in sentences."""

    errors: list[str]
    warnings: list[str]


def examine(path: str) -> Findings:
    """Look at the configuration file `path` as a start would."""
    try:
        values, warnings, errors = gather(path)
    except ConfigError as why:
        return Findings([str(why)], [])
    settings = resolve({}, values)
    errors += [
        trouble
        for trouble in (hook_trouble(settings), metrics_trouble(settings.metrics))
        if trouble
    ]
    why_not = distrusted(path)
    if why_not:
        warnings.append(f"{shortened(path, 100)} is read only where it is named: {why_not}")
    return Findings(errors, warnings)


def report(path: str, found: Findings) -> list[str]:
    """What a person is told of these findings, line by line."""
    counts = [
        f"{len(them)} {name}{'' if len(them) == 1 else 's'}"
        for them, name in ((found.errors, "error"), (found.warnings, "warning"))
    ]
    return [
        *(f"error: {sentence}" for sentence in found.errors),
        *(f"warning: {sentence}" for sentence in found.warnings),
        f"{path}: {', '.join(counts)}",
    ]


def hook_trouble(settings: Settings) -> str:
    """Why the program for each message cannot be run; empty when it can, or there is none."""
    program = settings.hooks.message
    if program is None or shutil.which(program) is not None:
        return ""
    return f"hooks.message: {shortened(program)} cannot be run"


def metrics_trouble(metrics: MetricsSettings) -> str:
    """Why there can be no metrics; empty when there can be, or none are wanted."""
    if metrics.address is None or find_spec("prometheus_client") is not None:
        return ""
    return (
        "metrics.address: this needs an extra that is not installed: "
        '.venv/bin/pip install ".[metrics]"'
    )
