"""The words after `p2pchat` that are for a node which runs already."""

from __future__ import annotations

from typing import Final

from p2pchat.speech import N_

SUBCOMMANDS: Final = (
    ("attach", N_("a console of that node; leave with Ctrl-D")),
    ("send", N_("send one message, and tell whether it arrived")),
    ("tail", N_("show events as they come")),
    ("outbox", N_("messages that wait to be sent; cancel them")),
    ("search", N_("the last messages that hold all words")),
    ("status", N_("who the node is, and how it is")),
    ("peers", N_("who is there")),
    ("conn", N_("its links")),
    ("rtt", N_("round-trip times")),
    ("stats", N_("all its counters and limits")),
    ("reconnect", N_("dial every peer that is not connected, now")),
    ("block", N_("end links with some peers, until the node ends")),
    ("forget", N_("delete what was said by and to a peer, for good")),
    ("log", N_("set how much its log tells")),
    ("web", N_("open its page in the browser")),
    ("reload", N_("have it read its settings again")),
    ("stop", N_("end it, in order")),
    ("check", N_("what is wrong with a configuration; needs no node")),
    ("doctor", N_("what keeps you from others; needs no node")),
    ("history", N_("past messages, from the file; needs no node")),
    ("keys", N_("your key, known keys, copies; needs no node")),
    ("completion", N_("completion for bash, zsh or fish")),
)
"""Each command for a node that runs, and what it does."""
