"""The file of what the person has decided, `NAME@NAMESPACE.lists`: one JSON object.

    open_lists(disk, path, thread, tell)  ->  OwnLists, which has each change written

Rules: a file that cannot be read is told and set aside, and never keeps a node from starting. The
process that has the history of the node has this, too.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from twisted.internet.defer import Deferred

from p2pchat.disk import Disk
from p2pchat.mesh.identity.pin_file import Thread
from p2pchat.node.own_lists import Decided, OwnLists
from p2pchat.node.small_file import ASIDE, SmallFile
from p2pchat.speech import Sentence, spoken
from p2pchat.wire.text import why_not


def open_lists(disk: Disk, path: str, thread: Thread, tell: Callable[[Sentence], None]) -> OwnLists:
    """What is in the file at `path`; `tell` gets a sentence when that cannot be read.

    Call the result's `close` at the end.
    """
    file = SmallFile(disk, path, thread)

    def save(data: bytes) -> Deferred[str]:
        return file.save(data).addCallback(
            lambda why: spoken(why and Sentence("it holds until this program ends: {why}", why=why))
        )

    lists = OwnLists(_load(file, tell), save)
    lists.close = file.close
    return lists


def _load(file: SmallFile, tell: Callable[[Sentence], None]) -> Decided | None:
    try:
        data = file.read()
        return None if data is None else msgspec.json.decode(data, type=Decided)
    except OSError as error:
        why = why_not(error)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        why = Sentence("it is damaged")
    file.set_aside = True
    tell(
        Sentence(
            "who is ignored, mute or has an alias is not known: {path} cannot be read ({why}); it"
            " becomes {aside} when something is to be written",
            path=file.path,
            why=why,
            aside=file.path + ASIDE,
        )
    )
    return None
