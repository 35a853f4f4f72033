"""Looking at a large history file while its node runs: a part at a time, beside what is asked.

Rules: the reader looks, and whoever asks something waits for one part at most. Only when something
is wrong does the writer stop for as long as it takes to put it aside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from p2pchat.history.checking import LOOKS, Faults
from p2pchat.history.reading import Reader
from p2pchat.history.records import HistoryError
from p2pchat.history.storage import Questions
from p2pchat.history.store import Store
from p2pchat.logs.levels import Log

_log: Final = Log("History")


async def look(questions: Questions, store: Store, on_damage: Callable[[int], None]) -> None:
    """Look at the whole file; `on_damage` is told in how many places something was lost.

    Never fails: what cannot be read is told to whoever wants to read it.
    """
    faults = Faults()
    try:
        for at in range(len(LOOKS)):
            question = partial(Reader.look, at=at, faults=faults)
            while await questions.ask(question) == [True]:
                pass
    except HistoryError as trouble:
        _log.debug("The history was not looked at as a whole: {why}", why=str(trouble))
        if "malformed" not in str(trouble):
            return
        faults.pages = True
    if not faults:
        return
    _log.warn("The history is damaged: what can be read of it is put in order")
    try:
        lost = await store.call(lambda database: database.put_aside())
    except Exception as trouble:  # the next start finds it, too, and begins a new file
        _log.warn("The history could not be tidied up: {why}", why=str(trouble))
        lost = max(1, faults.lost)
    if lost:
        on_damage(lost)
