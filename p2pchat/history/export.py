"""Reading a history file without a node: `p2pchat history`.

Rules: nothing is written, and a node that uses the file is not disturbed. Oldest first; JSON is one
object a line, whose names and meanings are stable: a field may be added, none is taken away.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from typing import Any, Final

from p2pchat.disk import SYSTEM
from p2pchat.history.reading import Reader
from p2pchat.history.records import STATES, HistoryError, Record
from p2pchat.locks import in_use
from p2pchat.settings.paths import default_history_path, safe
from p2pchat.speech import Sentence, counted, sentence_of
from p2pchat.sqlite import ForeignFileError, copy
from p2pchat.wal import is_cut
from p2pchat.wire.address import AmbiguousNameError, is_plain, the_one_called
from p2pchat.wire.text import why_not

_SUFFIX: Final = ".sqlite"
_LONGEST_LISTS: Final = 4_000_000
_CHECKSUM: Final = re.compile("-[0-9a-f]{8}$")


def find(name: str | None, namespace: str | None) -> str:
    """The one history file in the person's data folder that fits; raises `HistoryError`."""
    folder = os.path.dirname(default_history_path("any@any"))
    try:
        files = sorted(os.listdir(folder))
    except OSError:
        files = []
    found = [
        file
        for file in files
        if file.endswith(_SUFFIX) and _fits(file.removesuffix(_SUFFIX), name, namespace)
    ]
    if not found:
        raise HistoryError(
            Sentence("there is no history in {folder}; --file names one elsewhere", folder=folder)
        )
    if len(found) > 1:
        names = ", ".join(file.removesuffix(_SUFFIX) for file in found[:10])
        raise HistoryError(
            Sentence(
                "there are several ({names}): say which with --name or --namespace", names=names
            )
        )
    return os.path.join(folder, found[0])


def read(path: str, conversation: str | None, count: int | None = None) -> Iterator[Record]:
    """All messages of a file, or of one conversation, given by as much of it as a person types.

    Or the last `count` of these.
    Raises `HistoryError`; at the end, too, when some were damaged and are left out.
    """
    from p2pchat.history.reading import Reader

    if not os.path.exists(path):
        raise HistoryError(Sentence("there is no file {path}", path=path))
    reader = Reader(path)
    try:
        cut = is_cut(path) and not in_use(path)
        whole = _whole(reader, _by_alias(path, conversation)) if conversation else None
        yield from reader.everything(whole) if count is None else reader.recent(whole, count)
        damaged = reader.newly_damaged() + cut
        if damaged:
            raise HistoryError(
                counted(
                    "{path} is damaged in {n} place: what was there is left out",
                    "{path} is damaged in {n} places: what was there is left out",
                    damaged,
                    path=path,
                )
            )
    finally:
        reader.close()


def backup(path: str, target: str) -> None:
    """Write a copy of a history file, as it is at this moment, to a new file; may be called while
    a node uses it.

    Raises `HistoryError`; then there is no copy.
    """
    from p2pchat.history.schema import FORMAT

    try:
        copy(path, target, FORMAT)
    except FileExistsError:
        sentence = Sentence(
            "{path} is there already, and is left as it is: choose another name", path=target
        )
        raise HistoryError(sentence) from None
    except (ForeignFileError, OSError, sqlite3.Error) as why:
        reason: object = why
        if isinstance(why, OSError):
            where = path if why.filename is None else why.filename
            reason = Sentence("{path}: {why}", path=where, why=why_not(why))
        sentence = Sentence("no copy of {path} was made: {why}", path=path, why=reason)
        raise HistoryError(sentence) from None


def as_json(record: Record) -> dict[str, Any]:
    """One message for a program."""
    fields = {
        "id": record.id,
        "time": _timestamp(record.at),
        "conversation": record.conversation,
        "from": record.sender,
        "text": record.text,
        "msg_id": record.said_id,
        "state": STATES[record.state],
    }
    if record.changes:
        fields["of"] = record.changes
    if record.came:
        fields["security"] = record.came
    if record.said is not None:
        fields["said"] = _timestamp(record.said)
    return fields


def _by_alias(path: str, name: str) -> str:
    """Whom the person calls so, as the file of their lists beside a history says; else the name."""
    try:
        lists = SYSTEM.head(f"{path.removesuffix(_SUFFIX)}.lists", _LONGEST_LISTS)
        found = json.loads(lists)["aliases"][name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return name
    return found if isinstance(found, str) else name


def _whole(reader: Reader, name: str) -> str:
    """The conversation that a name means, if it means one; else the name as it is."""
    if is_plain(name) or name.startswith(("#", "*")):
        return name
    try:
        return the_one_called(name, reader.peers_called(name))
    except AmbiguousNameError as why:
        raise HistoryError(sentence_of(why)) from None


def _fits(stem: str, name: str | None, namespace: str | None) -> bool:
    """Whether `default_history_path` may call the file of this name and namespace so."""
    own_name, _, own_namespace = stem.rpartition("@")
    namespaces = (own_namespace, _CHECKSUM.sub("", own_namespace))
    return (name is None or safe(name) == own_name) and (
        namespace is None or safe(namespace) in namespaces
    )


def _timestamp(when: float) -> str:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    return f"{second}.{int(when * 1000) % 1000:03d}Z"
