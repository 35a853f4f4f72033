"""The words after `p2pchat` that are for a node which runs already."""

from __future__ import annotations

from typing import Final

SUBCOMMANDS: Final = (
    ("attach", "a console of that node; leave with Ctrl-D"),
    ("send", "send one message, and tell whether it arrived"),
    ("tail", "show events as they come"),
    ("outbox", "messages that wait to be sent; cancel them"),
    ("search", "the last messages that hold all words"),
    ("status", "who the node is, and how it is"),
    ("peers", "who is there"),
    ("conn", "its links"),
    ("rtt", "round-trip times"),
    ("stats", "all its counters and limits"),
    ("reconnect", "dial every peer that is not connected, now"),
    ("block", "end links with some peers, until the node ends"),
    ("forget", "delete what was said by and to a peer, for good"),
    ("log", "set how much its log tells"),
    ("web", "open its page in the browser"),
    ("reload", "have it read its settings again"),
    ("stop", "end it, in order"),
    ("check", "what is wrong with a configuration; needs no node"),
    ("history", "past messages, from the file; needs no node"),
    ("keys", "your key, known keys, copies; needs no node"),
    ("completion", "completion for bash, zsh or fish"),
)
"""Each command for a node that runs, and what it does."""
