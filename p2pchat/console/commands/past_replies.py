"""The commands about what is kept, as rows of the table: /history, /search, /outbox, /forget.

`p2pchat.console.commands.past` finds the lines; here they become a `Reply`, and so does
whatever stands against it: a node that keeps nothing, a past that is not read yet, wrong use, a
file that fails.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.commands import past
from p2pchat.console.commands.row import Command, Person
from p2pchat.console.commands.sent import SentMessages
from p2pchat.console.replies import Answer, Reply, said, wrong
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import HistoryError
from p2pchat.node.news import NotSentError
from p2pchat.speech import N_, _, spoken
from p2pchat.wire.address import AmbiguousNameError

_Question: TypeAlias = "Callable[[DurableHistory], list[str] | Deferred[list[str]]]"
_READY_WAIT: Final = 5.0


def _history(person: Person, rest: str) -> Answer:
    whole = partial(_conversation, person.sent)
    marks = person.node.encrypts
    called = person.node.lists.called
    return _asked(
        HISTORY,
        person,
        lambda history: past.recent(history, rest, whole, marks=marks, called=called),
    )


def _search(person: Person, rest: str) -> Answer:
    marks = person.node.encrypts
    called = person.node.lists.called
    return _asked(
        SEARCH, person, lambda history: past.search(history, rest, marks=marks, called=called)
    )


def _outbox(person: Person, rest: str) -> Answer:
    whole = partial(_conversation, person.sent)
    return _asked(OUTBOX, person, lambda _history: past.outbox(person.node.outgoing, rest, whole))


def _forget(person: Person, rest: str) -> Answer:
    whole = partial(_conversation, person.sent)
    outgoing = person.node.outgoing

    def forgotten(peer_id: str) -> None:
        person.said.forget(peer_id)
        person.forgotten(peer_id)

    def confirmed(peer_id: str) -> bool:
        return not person.interactive or person.confirmed(f"forget {peer_id}")

    return _asked(
        FORGET,
        person,
        lambda history: past.forget(outgoing, history, rest, whole, forgotten, confirmed),
    )


HISTORY: Final = Command(
    "history",
    "[peer | #namespace | *] [n]",
    N_("the last messages of a conversation, or of all"),
    _history,
    needs_peers=False,
)
SEARCH: Final = Command(
    "search", "<words>", N_("the last messages that hold all words"), _search, needs_peers=False
)
OUTBOX: Final = Command(
    "outbox",
    "[peer] | cancel <number> | <peer> | all",
    N_("what waits until its peer is connected"),
    _outbox,
    needs_peers=False,
)
FORGET: Final = Command(
    "forget",
    "<peer>",
    N_("delete what was said by and to a peer, for good; asks once"),
    _forget,
    needs_peers=False,
)


def _conversation(sent: SentMessages, name: str) -> str:
    """A peer_id or a scope, given as much of it as a person types."""
    return name if name.startswith(("#", "*")) else sent.resolve(name)


def _asked(command: Command, person: Person, ask: _Question) -> Answer:
    """What the history answers, if there is one, as soon as it is ready."""
    history = person.node.history
    if history is None:
        return wrong(_("this node keeps nothing (--history none)"))
    if not history.ready:
        # What waits from earlier runs is not known yet, a moment after the start.
        ready = history.when_ready().addTimeout(_READY_WAIT, person.clock)
        return ready.addCallbacks(lambda _ready: _answer(command, history, ask), _not_ready)
    return _answer(command, history, ask)


def _answer(command: Command, history: DurableHistory, ask: _Question) -> Answer:
    try:
        answer = ask(history)
    except past.WrongUseError as why:
        return command.misused(spoken(why))
    except (NotSentError, AmbiguousNameError) as why:
        return wrong(why)
    if isinstance(answer, Deferred):
        return answer.addCallbacks(lambda lines: said(*lines), _not_read)
    return said(*answer)


def _not_ready(failure: Failure) -> Reply:
    failure.trap(defer.TimeoutError)
    sentence = _("the history is not read yet, and nothing was done: try again in a moment")
    return wrong(sentence)


def _not_read(failure: Failure) -> Reply:
    failure.trap(HistoryError, AmbiguousNameError)
    return wrong(failure.value)
