"""What a person asks of the history: /history, /search, /outbox, /forget.

    /history bob@CIC 5   ->  2026-01-31 14:02 [bob@CIC] oi
                             2026-01-31 14:03 [alice@CIC -> bob@CIC] oi! (waits)

Rules: no I/O; what takes time is a Deferred of lines, which may fail with a `HistoryError`. Wrong
use is a `WrongUseError` whose text says why, perhaps nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred

from p2pchat.console.wording import EDITED, said_at, sender
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import ABANDONED, WAITING, HistoryError, Record
from p2pchat.node.cancelling import Cancelled
from p2pchat.node.outbox import OwnMessage, Stage
from p2pchat.node.outgoing import Outgoing
from p2pchat.speech import N_, Sentence, _, counted, ngettext, spoken
from p2pchat.wire.address import is_plain, the_one_called
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import printable, shortened

LINES: Final = 20
"""Lines that /history and /search show when no number is given."""
_MOST: Final = 1000
_ROOM: Final = 64_000
"""Characters that one answer shows: what strangers said must not hold the node up."""
_STATES: Final = {WAITING: N_("(waits)"), ABANDONED: N_("(given up)")}
_STAGES: Final = {
    Stage.NEW: N_("waits for a link"),
    Stage.UNSENT: N_("waits for a link"),
    Stage.ON_ITS_WAY: N_("on its way"),
    Stage.OVERDUE: N_("no ACK came: sent again on the next link"),
}
_GOES_LAST: Final = N_("its peer closed the link behind it, twice: the others go first")


class WrongUseError(Exception):
    """The command was not understood; its `Sentence` says why, if there is one."""


def recent(
    history: DurableHistory,
    rest: str,
    resolve: Callable[[str], str],
    *,
    marks: bool = False,
    called: Callable[[str], str] = str,
) -> Deferred[list[str]]:
    """The last lines of a conversation, or of all: `rest` is `[peer | #ns | *] [n]`.

    `marks`: whether a line tells how its message came, where that is known. `called`: what the
    person calls a peer.
    """
    words = rest.split()
    count = LINES
    if words and words[-1].isdecimal():
        count = _number(words.pop())
    if not words:
        asked = history.recent(None, count)
        nothing = _("nothing is kept yet")
        return asked.addCallback(_history_lines, nothing, marks=marks, called=called)

    def last(conversation: str) -> Deferred[list[str]]:
        history.mark_read(conversation)
        nothing = _("nothing is kept of {name}").format(name=bracketed(conversation))
        asked = history.recent(conversation, count)
        return asked.addCallback(_history_lines, nothing, marks=marks, called=called)

    return kept_peer(history, " ".join(words), resolve).addCallback(last)


def search(
    history: DurableHistory,
    rest: str,
    *,
    marks: bool = False,
    called: Callable[[str], str] = str,
) -> Deferred[list[str]]:
    """The last messages that hold all words; `marks` and `called` as in `recent`."""
    if not rest.strip():
        raise WrongUseError
    nothing = _('nothing is kept that has "{text}"').format(text=shortened(rest.strip(), 60))
    asked = history.search(rest.strip(), LINES)
    return asked.addCallback(_history_lines, nothing, marks=marks, called=called)


def outbox(
    outgoing: Outgoing, rest: str, resolve: Callable[[str], str]
) -> list[str] | Deferred[list[str]]:
    """List what waits, or cancel: `rest` is `[peer]` or `cancel peer | number | all`."""
    words = rest.split()
    waiting = [*outgoing.outbox]

    def whom(name: str) -> str:
        whole = resolve(name)
        return the_one_called(whole, [queued.peer_id for queued in waiting])

    if words[:1] != ["cancel"]:
        to = whom(" ".join(words)) if words else None
        lines = [
            _("{number}  {time}  to {peer}: {text}  ({stage})").format(
                number=number,
                time=line_moment(queued.entry.at),
                peer=bracketed(queued.peer_id),
                text=shortened(queued.entry.text, 60),
                stage=_stage(queued),
            )
            for number, queued in enumerate(waiting, 1)
            if to in (None, queued.peer_id)
        ]
        if len(lines) > _MOST:
            more = len(lines) - _MOST
            lines[_MOST:] = [ngettext("… and {n} more", "… and {n} more", more).format(n=more)]
        return lines or [_("nothing waits")]
    if len(words) == 1:
        raise WrongUseError(Sentence("cancel what: a number, a peer, or all?"))
    what = " ".join(words[1:])
    if what == "all":
        chosen = waiting
    elif what.isdecimal():
        chosen = waiting[_number(what) - 1 : _number(what)]
        if not chosen:
            nothing = _("no message {number} waits (/outbox lists them)")
            return [nothing.format(number=what)]
    else:
        to = whom(what)
        chosen = [queued for queued in waiting if queued.peer_id == to]
    return outgoing.cancel(chosen).addCallback(_cancelled)


def _cancelled(cancelled: Cancelled) -> list[str]:
    count, why = cancelled
    sentence = counted("cancelled {n} message", "cancelled {n} messages", count)
    if not why:
        return [spoken(sentence)]
    perhaps = Sentence(
        "{cancelled}, but not for good ({why}): what was not delivered may be sent when this "
        "program starts again",
        cancelled=sentence,
        why=why,
    )
    raise HistoryError(perhaps)


def forget(
    outgoing: Outgoing,
    history: DurableHistory,
    rest: str,
    resolve: Callable[[str], str],
    forgotten: Callable[[str], None],
    confirmed: Callable[[str], bool],
) -> Deferred[list[str]]:
    """Delete what was said by and to a peer; `forgotten` is called with its peer_id.

    Fails with a `HistoryError` that asks whether that is meant, unless it is `confirmed`.
    """
    if not rest.strip():
        raise WrongUseError

    def delete(peer_id: str) -> Deferred[list[str]]:
        def deleted(count: int) -> list[str]:
            forgotten(peer_id)
            done = ngettext(
                "forgot {n} message of and to {peer}",
                "forgot {n} messages of and to {peer}",
                count,
            )
            return [done.format(n=count, peer=bracketed(peer_id))]

        return outgoing.forget(peer_id).addCallback(deleted)

    def ask(peer_id: str) -> Deferred[list[str]]:
        if confirmed(peer_id):
            return delete(peer_id)
        return history.count_of(peer_id).addCallback(asked, peer_id)

    def asked(count: int, peer_id: str) -> list[str]:
        sentence = counted(
            "this deletes {n:,} message of and to {peer}, for good: the same once more does it",
            "this deletes {n:,} messages of and to {peer}, for good: the same once more does it",
            count,
            peer=bracketed(peer_id),
        )
        raise HistoryError(sentence)

    return kept_peer(history, rest.strip(), resolve).addCallback(ask)


def kept_peer(history: DurableHistory, name: str, resolve: Callable[[str], str]) -> Deferred[str]:
    """The peer_id that a name means to `resolve`, or else to the history; others as they are.

    Fails with an `AmbiguousNameError` when it may mean several.
    """
    # Not needed by `p2pchat history`, which is to be quick.
    from twisted.internet.defer import succeed

    whole = resolve(name)
    if is_plain(whole) or whole.startswith(("#", "*")):
        return succeed(whole)
    return history.peers_called(whole).addCallback(lambda found: the_one_called(whole, found))


def _stage(message: OwnMessage) -> str:
    """How far a message has come, for a person."""
    if message.goes_last:
        return _(_GOES_LAST)
    again = message.stage is Stage.OVERDUE and message.link is not None and message.link.is_p2pchat
    return _("no ACK came: sent again soon") if again else _(_STAGES[message.stage])


def _number(text: str) -> int:
    number = int(text[:9])
    if not 0 < number <= _MOST:
        raise WrongUseError(Sentence("a number from 1 to {most}", most=_MOST))
    return number


def _history_lines(
    lines: Sequence[Record], nothing: str, *, marks: bool, called: Callable[[str], str]
) -> list[str]:
    if not lines:
        return [nothing]
    most = max(200, _ROOM // len(lines))
    return [history_line(line, most, marks=marks, called=called) for line in lines]


def history_line(
    line: Record,
    most: int | None = None,
    *,
    marks: bool = True,
    called: Callable[[str], str] = str,
) -> str:
    """One message as a line for a person, with at most so many characters of its text.

    `marks`: whether it tells how the message came, where that is known. `called`: what the person
    calls a peer.
    """
    to = "" if line.sender == line.conversation else called(line.conversation)
    late = "" if line.said is None else said_at(line_moment(line.said))
    late += _(EDITED) if line.changes else ""
    security = line.came if marks else ""
    who = sender(called(line.sender), to=to, note=late, security=security)
    state = f" {_(_STATES[line.state])}" if line.state in _STATES else ""
    text = line.text
    if most is not None and len(text) > most:
        more = len(text) - most
        rest = ngettext(
            "… {n:,} more character (p2pchat history shows it)",
            "… {n:,} more characters (p2pchat history shows them)",
            more,
        ).format(n=more)
        return f"{line_moment(line.at)} {who}{printable(text[:most])}{rest}{state}"
    return f"{line_moment(line.at)} {who}{printable(text)}{state}"


def line_moment(when: float) -> str:
    """A time of the wall clock, in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
