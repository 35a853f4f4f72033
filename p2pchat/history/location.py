"""Where a history file is, and that only one node uses it.

Rules: the folder and the file are the person's alone. Who has the file holds a lock on another one
beside it, which ends with the process, however that ends; it is there while a node runs.
"""

from __future__ import annotations

import os
from typing import Final

from p2pchat.disk import SYSTEM, Disk
from p2pchat.history.records import HistoryError
from p2pchat.history.schema import FORMAT
from p2pchat.locks import Lock, lock
from p2pchat.speech import Sentence, sentence_of
from p2pchat.sqlite import ForeignFileError, check
from p2pchat.wire.text import why_not

NONE: Final = "none"
"""The file name that means: keep nothing."""


def claim(path: str, disk: Disk = SYSTEM) -> Lock:
    """Take the history file at `path`, which need not exist yet, for this process and its forks.

    Raises `HistoryError` when another node has it, it is the file of another program or of another
    format, or it is out of reach.
    """
    # By whatever links it is reached, it has one lock, and its other parts stand beside it.
    path = disk.resolved(path)
    try:
        disk.make_folder(os.path.dirname(path))
        taken = lock(path, disk)
    except OSError as trouble:
        raise HistoryError(_unusable(path, trouble)) from None
    if taken is None:
        sentence = Sentence(
            "another p2pchat uses the history file {path}: choose another name (--name NAME), or "
            "another file (--history FILE)",
            path=path,
        )
        raise HistoryError(sentence)
    try:
        check(path, FORMAT, disk)
    except ForeignFileError as why:
        taken.release()
        raise HistoryError(sentence_of(why)) from None
    except OSError as trouble:
        taken.release()
        raise HistoryError(_unusable(path, trouble)) from None
    return taken


def _unusable(path: str, trouble: OSError) -> Sentence:
    why = why_not(trouble)
    return Sentence("the history file {path} cannot be used: {why}", path=path, why=why)
