"""What happens in a node -> lines for the person: on each console, and in `p2pchat tail`.

    [alice@CIC] a direct message             * [bob@CIC] is connected
    [alice@CIC -> *] to everyone             * [bob@CIC] has left
    [alice@CIC -> #CIC] to a namespace       … 12,345 more messages (/history shows them)

    +[bob@CIC] from a verified peer   [bob@CIC] encrypted   ~[carol@CIC] in the clear

Rules: no Twisted and nothing of the node. The mark of how a message came stands before the bracket,
in the first column, where no name can write; a node that encrypts nothing has no such column. `(!)`
after a peer's id marks a message that claims to be from somebody else, `(reused id)` one whose
sender used its id before, for another text. A message cannot look like anything but a message: its
line begins with a bracket, or with a mark and a bracket, and a bracket in a name that would close
it early is made visible.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from p2pchat.speech import N_, _, ngettext
from p2pchat.wire.address import scope_of
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.names import CELLS, bracketed, in_cells, in_table, visible
from p2pchat.wire.text import printable

BURST: Final = 200
"""Lines that a terminal shows at once after a quiet time; also the lines kept during a flood."""
REUSED: Final = N_(" (reused id)")
"""The note of a message whose sender used the id before, for another text; show it with `_`."""
UNKEPT: Final = N_("(not kept)")
"""The note of a message that could not be kept; show it with `_`."""
EDITED: Final = N_(", edited")
"""The note of a message that is another text of an earlier one; show it with `_`."""
PLAIN: Final = "plain"
"""In the clear: who is on the way can read it, and change it."""
_SECURITIES: Final = {"verified": N_("verified"), "encrypted": N_("encrypted"), PLAIN: N_("plain")}
_MARKS: Final = {"": "", "verified": "+", "encrypted": " ", PLAIN: "~"}
RATE: Final = 20.0
"""Lines a second that a person can follow."""
WAITS: Final = 3
"""The exit status when all was done, except that a message is kept and sent later."""


def message_lines(
    peer_id: str,
    messages: Iterable[Send | Pub],
    note: str = "",
    security: str = "",
    called: str = "",
) -> list[str]:
    """A line for each message that came from this peer; `note` stands before the bracket closes.

    `security` as in `security_mark`. What is from somebody else was only carried by this peer, and
    so is marked as in the clear. `called`: what the person calls this peer.
    """
    shown = called or peer_id
    direct = sender(shown, note=note, security=security)
    lines = []
    for message in messages:
        prefix = direct
        if type(message) is not Send or (message.src != peer_id and message.src):
            claims = bool(message.src) and message.src != peer_id
            to = "" if isinstance(message, Send) else scope_of(message.dst)
            noted = note + _(REUSED) if message.other_text else note
            prefix = sender(shown, to=to, claims=claims, note=noted, security=security)
        lines.append(prefix + printable(message.payload))
    return lines


@lru_cache(maxsize=1024)
def sender(
    peer_id: str, *, to: str = "", claims: bool = False, note: str = "", security: str = ""
) -> str:
    """The beginning of a message's line; `note` stands before the bracket closes.

    `to` is the scope of a published message; `claims` tells that its `src` is somebody else;
    `security` as in `security_mark`.
    """
    claim = " (!)" if claims else ""
    scope = f" -> {in_brackets(to)}" if to else ""
    mark = security_mark(PLAIN if claims and security else security)
    return f"{mark}[{in_brackets(peer_id)}{claim}{scope}{note}] "


def security_mark(security: str) -> str:
    """The first column of a message that came so; nothing for no text: then there is no column.

    What is neither of the three is marked as in the clear.
    """
    return _MARKS.get(security, "~")


def security_word(security: str) -> str:
    """How safe a link is, in a word that a person reads; empty without one."""
    return _(_SECURITIES[security]) if security in _SECURITIES else security


def in_brackets(name: str, most: int = CELLS) -> str:
    """A peer_id or a scope in at most so many columns, which cannot close its bracket early."""
    return in_cells(visible(name), most)


def said_note(when: float, now: float) -> str:
    """The note of a message that was said at `when`; both are seconds since the epoch."""
    return said_at(moment(when, now))


def said_at(time_said: str) -> str:
    """The same for a time in words."""
    return _(", said {time}").format(time=time_said)


def moment(when: float, now: float) -> str:
    """A time of the wall clock, as short as it is clear: with its date unless it was today."""
    then, today = time.localtime(when), time.localtime(now)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)


def left_out_line(count: int, peer_id: str = "", *, kept: bool) -> str:
    """The line instead of so many messages; `kept`: whether there is a history to find them in."""
    if peer_id and kept:
        line = ngettext(
            "… {n:,} more message from {peer} (/history shows it)",
            "… {n:,} more messages from {peer} (/history shows them)",
            count,
        )
    elif peer_id:
        line = ngettext(
            "… {n:,} more message from {peer} (the log has it at DEBUG)",
            "… {n:,} more messages from {peer} (the log has them at DEBUG)",
            count,
        )
    elif kept:
        line = ngettext(
            "… {n:,} more message (/history shows it)",
            "… {n:,} more messages (/history shows them)",
            count,
        )
    else:
        line = ngettext(
            "… {n:,} more message (the log has it at DEBUG)",
            "… {n:,} more messages (the log has them at DEBUG)",
            count,
        )
    return printable(line.format(n=count, peer=bracketed(peer_id)))


def with_aliases(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence, with the alias of each peer whose whole peer_id it has in brackets.

    `names`: peer_id -> alias. The alias stands in brackets of its own, where no peer can write.
    """
    for peer_id, alias in names.items():
        who = bracketed(peer_id)
        if who in sentence:
            sentence = sentence.replace(who, f"{bracketed(alias)} ({in_table(peer_id)})")
    return sentence


class StatusLines:
    """Turns changes of status into lines, one for each that a person would notice."""

    def __init__(self) -> None:
        self._connected: set[str] = set()

    def line(self, peer_id: str, status: str, *, left: bool, called: str = "") -> str | None:
        """The line for a peer's new status; None when an attempt merely began or failed.

        `left` tells whether the peer said BYE; `called`, what the person calls it.
        """
        was_connected, who = peer_id in self._connected, bracketed(called or peer_id)
        if status == "CONNECTED":
            self._connected.add(peer_id)
            return None if was_connected else _("* {peer} is connected").format(peer=who)
        self._connected.discard(peer_id)
        if status == "STALE":
            line = _("* {peer} does not answer: STALE (/reconnect tries again)")
            return line.format(peer=who)
        if status == "DISCONNECTED" and was_connected:
            line = _("* {peer} has left") if left else _("* {peer} is disconnected")
            return line.format(peer=who)
        return None


def away_line(name: str, text: str) -> str:
    """The line for a peer that is away, and says why, or for one that is back."""
    line = _("* {peer} is away: {text}") if text else _("* {peer} is back")
    return printable(line.format(peer=bracketed(name), text=text))
