"""Database files that turn out to be damaged: how that is known, and where they go.

Rules: a damaged file is renamed, with what belongs to it, and never deleted: what it still holds
may be worth a rescue. Close every connection to it before.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Final

_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_damage(trouble: BaseException) -> bool:
    """Whether `trouble` means that the file itself is broken, and not the way to it."""
    return getattr(trouble, "sqlite_errorcode", None) in _DAMAGED


def set_aside(path: str) -> str:
    """Rename the database at `path` and its -wal and -shm; returns its new name.

    Raises `OSError` when the folder does not allow that.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside, count = f"{path}.damaged-{stamp}", 1
    while os.path.exists(aside):
        count += 1
        aside = f"{path}.damaged-{stamp}-{count}"
    os.rename(path, aside)
    for extra in ("-wal", "-shm"):
        if os.path.exists(path + extra):
            os.rename(path + extra, aside + extra)
    return aside
