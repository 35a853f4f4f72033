"""From settings to a history: which file, that it is ours, and the threads that touch it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from p2pchat.disk import SYSTEM, Disk
from p2pchat.history.database import Database
from p2pchat.history.durable import DurableHistory
from p2pchat.history.location import claim
from p2pchat.history.reading import Reader
from p2pchat.history.storage import Storage
from p2pchat.settings.paths import default_history_path
from p2pchat.settings.values import Settings
from p2pchat.sqlite import Worker
from p2pchat.wire.repetitions import RecentIds


def history_maker(
    reactor: Any,
    settings: Settings,
    wall: Callable[[], float],
    disk: Disk = SYSTEM,
    make_thread: Callable[[Any, str], Worker] = Worker,
) -> Callable[[str, RecentIds], DurableHistory]:
    """What makes the history of a node that has these settings, once its peer_id is known.

    It takes the file for this process, and raises `HistoryError` when that cannot be had; the file
    itself is opened later, in a thread, and made when there is something to keep. `make_thread`
    makes its threads.
    """

    def make(own_id: str, seen: RecentIds) -> DurableHistory:
        taken = claim(settings.history.file or default_history_path(own_id), disk)
        storage = Storage(
            writing=make_thread(reactor, "history"),
            make_database=partial(Database, taken.path, disk, wall),
            reading=make_thread(reactor, "history-reader"),
            make_reader=partial(Reader, taken.path, disk),
            wall=wall,
            on_closed=taken.release,
            path=taken.path,
            disk=disk,
        )
        return DurableHistory(reactor, own_id, settings.history, seen, storage)

    return make
