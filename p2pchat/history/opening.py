"""From settings to a history: which file, that it is ours, and the threads that touch it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from p2pchat.history.database import Database
from p2pchat.history.durable import DurableHistory
from p2pchat.history.gathering import HistoryOwner
from p2pchat.history.location import claim
from p2pchat.history.reading import Reader
from p2pchat.history.records import HistoryError
from p2pchat.history.worker import Worker
from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.settings.paths import default_history_path
from p2pchat.settings.values import Settings
from p2pchat.wire.repetitions import RecentIds


def history_maker(
    reactor: Any, settings: Settings
) -> Callable[[str, HistoryOwner, RecentIds], DurableHistory]:
    """What makes the history of a node that has these settings, once its peer_id is known.

    It takes the file for this process, and raises `CannotStartError` when that cannot be had; the
    file itself is opened later, in a thread, and made when there is something to keep.
    """

    def make(own_id: str, owner: HistoryOwner, seen: RecentIds) -> DurableHistory:
        try:
            taken = claim(settings.history.file or default_history_path(own_id))
        except HistoryError as why:
            raise CannotStartError(str(why)) from None
        path = taken.path

        def make_database() -> Database:
            from p2pchat.history.database import Database

            return Database(path)

        def make_reader() -> Reader:
            from p2pchat.history.reading import Reader

            return Reader(path)

        return DurableHistory(
            reactor,
            own_id,
            settings.history,
            owner,
            seen,
            remembered=settings.limits.remembered_ids,
            writing=Worker(reactor, "history"),
            reading=Worker(reactor, "history-reader"),
            make_database=make_database,
            make_reader=make_reader,
            wall=time.time,
            on_closed=taken.release,
        )

    return make
