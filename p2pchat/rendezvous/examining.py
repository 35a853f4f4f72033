"""`p2pchat-rendezvous check FILE`: all that is wrong with a server's configuration.

Rules: nothing is started and nothing written. An error is what a start would refuse; a start tells
the first one only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec.structs import replace

from p2pchat.rendezvous.ban_file import reading
from p2pchat.rendezvous.settings import SERVER_SETTINGS, UNIX, ServerSettings
from p2pchat.settings.checks import ConfigError
from p2pchat.settings.examining import Findings, metrics_trouble
from p2pchat.settings.owners import distrusted
from p2pchat.settings.reading import changed, gather
from p2pchat.speech import Sentence, sentence_of
from p2pchat.turns import at_once
from p2pchat.wire.text import shortened


def examine(path: str) -> Findings:
    """Look at the configuration file `path`, and at the files that it names, as a start would."""
    try:
        values, warnings, errors = gather(path, SERVER_SETTINGS)
    except ConfigError as why:
        return Findings([sentence_of(why)], [])
    settings = whole_paths(changed(ServerSettings(), values))
    errors += troubles(settings)
    if settings.server.ban_file is not None:
        try:
            at_once(reading(settings.server.ban_file))
        except ConfigError as wrong:
            errors.append(sentence_of(wrong))
    if other := distrusted(path):
        warnings.append(changeable(path, other))
    return Findings(errors, warnings)


def changeable(path: str, why: Sentence) -> Sentence:
    """The warning that others may change a file of settings."""
    where = shortened(path, 100)
    return Sentence("{path}: somebody else may change it: {why}", path=where, why=why)


def whole_paths(settings: ServerSettings) -> ServerSettings:
    """The same settings with whole paths: a daemon leaves its folder."""
    place, control = settings.server, settings.control
    return replace(
        settings,
        server=replace(place, database=_whole(place.database), ban_file=_whole(place.ban_file)),
        control=replace(control, path=_whole(control.path)),
    )


def _whole(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(path)


def troubles(settings: ServerSettings) -> Iterator[Sentence]:
    """Why these settings cannot be used together, or here; each begins with a setting's name."""
    place = settings.server
    if place.database is not None:
        folder = os.path.dirname(place.database)
        if os.path.isdir(place.database):
            yield Sentence(
                "{place}: {path} is a folder, not a file",
                place="server.database",
                path=place.database,
            )
        elif not os.path.isdir(folder):
            yield Sentence(
                "{place}: there is no folder {path}", place="server.database", path=folder
            )
    if settings.shared.redis is not None and place.database is not None:
        yield Sentence(
            "{place}: Redis takes the place of a database: choose one of the two",
            place="shared.redis",
        )
    if (place.listen or "").startswith(f"{UNIX}:") and UNIX not in place.proxy_protocol:
        yield Sentence(
            "{place}: a UNIX socket tells no client's address: this needs a balancer that does, "
            "and server.proxy_protocol {unix}",
            place="server.listen",
            unix=UNIX,
        )
    if trouble := metrics_trouble(settings.metrics):
        yield trouble
