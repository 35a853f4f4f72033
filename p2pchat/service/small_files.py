"""Where the small files of a node are: beside its history, and nowhere if it keeps none."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from p2pchat.disk import SYSTEM
from p2pchat.mesh.identity.pin_file import Thread
from p2pchat.node.book_file import BookFile
from p2pchat.node.lists_file import open_lists
from p2pchat.node.own_lists import OwnLists
from p2pchat.node.small_file import SmallFile
from p2pchat.service.own_keys import NONE
from p2pchat.settings.paths import default_history_path, stem_for
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence


def open_own_lists(
    settings: Settings, peer_id: str, thread: Thread, tell: Callable[[str | Sentence], None]
) -> OwnLists:
    """Those of `peer_id`, whose history this process has; `tell` gets sentences for the person."""
    if settings.history.file == NONE:
        return OwnLists()
    return open_lists(SYSTEM, _beside_the_history(settings, peer_id, "lists"), thread, tell)


def open_book(settings: Settings, peer_id: str, thread: Thread, clock: IReactorTime) -> BookFile:
    """Where the peers of `peer_id` were; only for who keeps a history."""
    path = _beside_the_history(settings, peer_id, "peers")
    return BookFile(clock, SmallFile(SYSTEM, path, thread))


def _beside_the_history(settings: Settings, peer_id: str, ending: str) -> str:
    beside = os.path.abspath(settings.history.file or default_history_path(peer_id))
    return os.path.join(os.path.dirname(beside), f"{stem_for(peer_id)}.{ending}")
