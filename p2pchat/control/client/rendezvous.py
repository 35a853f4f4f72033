"""The commands for a rendezvous server that runs: `p2pchat-rendezvous status`, `ban` and the rest.

Rules: no Twisted. Standard output is for what was asked for and nothing else; sentences about what
went wrong go to standard error. The exit status is 0 when it was done, 1 when it was not, 2 when
the command line was not understood. Names from others are made printable, except in JSON, which
escapes them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from p2pchat.control.client.finding import Node
from p2pchat.control.client.parsing import parser_of
from p2pchat.control.client.standard import complain, guarded
from p2pchat.control.paths import RENDEZVOUS_FOLDER, ControlError, connect, sockets_in
from p2pchat.speech import N_, Sentence, _, spoken, use
from p2pchat.wire.address import host_and_port
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import printable

COMMANDS: Final = {
    "status": N_("what the server is, and how it is"),
    "stats": N_("all its counters and limits"),
    "list": N_("who is registered"),
    "ban": N_("refuse an address, a network or NAME@NAMESPACE from now on"),
    "unban": N_("refuse it no more"),
    "reload": N_("have it read its settings and the file of bans again"),
    "stop": N_("end it, in order"),
    "check": N_("what is wrong with a configuration; needs no server"),
}
"""Each command, and what it does."""
_PROGRAM: Final = "p2pchat-rendezvous"


def run(words: Sequence[str]) -> int:
    """Do what these words say, the first of which is one of `COMMANDS`; the exit status."""
    return guarded(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    use()
    name = words[0]
    options = _parser(name).parse_args(words[1:])
    try:
        return _RUN[name](options)
    except ControlError as why:
        with suppress(OSError):  # the end will tell
            sys.stdout.flush()
        complain(f"{_PROGRAM}: {spoken(why)}")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(name: str) -> argparse.ArgumentParser:
    parser = parser_of(f"{_PROGRAM} {name}", _(COMMANDS[name]))
    if name == "check":
        parser.add_argument("config", metavar="FILE", help=_("it"), type=os.path.expanduser)
        return parser
    parser.add_argument(
        "--control",
        metavar="PATH",
        help=_("the server's control socket (the one in {folder})").format(
            folder=RENDEZVOUS_FOLDER
        ),
        type=os.path.expanduser,
    )
    if name in ("status", "stats", "list"):
        about = _("JSON; of a list one object a line")
        parser.add_argument("--json", action="store_true", help=about)
    if name == "list":
        about = _(
            "only an address, a network, or NAME@NAMESPACE, in which * stands for any characters"
        )
        parser.add_argument("entry", metavar="ENTRY", nargs="?", default="", help=about)
    elif name in ("ban", "unban"):
        about = _("an address, a network, or NAME@NAMESPACE, in which * stands for any characters")
        parser.add_argument("entry", metavar="ENTRY", nargs="+", help=about)
    if name == "ban":
        about = _("also an entry that refuses everybody, or this machine")
        parser.add_argument("--yes", dest="sure", action="store_true", help=about)
    return parser


def _server(options: argparse.Namespace) -> Node:
    if options.control is not None:
        return Node(connect(options.control))
    found = sockets_in(RENDEZVOUS_FOLDER)
    if len(found) != 1:
        sentence = Sentence(
            "there is no socket in {folder}: name the server's with --control PATH",
            folder=RENDEZVOUS_FOLDER,
        )
        if found:
            sentence = Sentence(
                "there are {count} sockets in {folder}: name the server's with --control PATH",
                count=len(found),
                folder=RENDEZVOUS_FOLDER,
            )
        raise ControlError(sentence)
    return Node(connect(found[0]))


def _status(options: argparse.Namespace) -> int:
    with _server(options) as server:
        answer = server.ask("status")
    status = {key: value for key, value in answer.items() if key not in ("ok", "id")}
    if options.json:
        _print_json(status)
        return 0
    troubles = status.pop("troubles", [])
    width = max(map(len, status))
    for key, value in status.items():
        shown = "-" if value in ("", None) else value
        _write(f"{key.replace('_', ' '):<{width}}  {shown}")
    for trouble in troubles:
        _write(f"{'trouble':<{width}}  {trouble}")
    return 0


def _stats(options: argparse.Namespace) -> int:
    with _server(options) as server:
        if options.json:
            _print_json(server.ask("stats")["stats"])
        else:
            for line in server.ask("stats", format="text")["lines"]:
                _write(line)
    return 0


def _list(options: argparse.Namespace) -> int:
    with _server(options) as server:
        for row in _rows(server, options.entry):
            if options.json:
                _print_json(row)
            else:
                name = bracketed(f"{row['name']}@{row['namespace']}")
                _write(
                    _("{peer} {address} for {seconds} s").format(
                        peer=name,
                        address=host_and_port(row["ip"], row["port"]),
                        seconds=row["expires_in"],
                    )
                )
    return 0


def _rows(server: Node, entry: str) -> Iterator[dict[str, Any]]:
    answer = server.ask("list", text=entry)
    yield from answer["registrations"]
    while answer["more"]:
        answer = server.ask("more")
        yield from answer["registrations"]


def _each(request: str) -> Callable[[argparse.Namespace], int]:
    """Have the server do something with each entry; all are tried."""

    def command(options: argparse.Namespace) -> int:
        status = 0
        more = {"sure": True} if vars(options).get("sure") else {}
        with _server(options) as server:
            for entry in options.entry:
                try:
                    _write(server.ask(request, text=entry, **more)["line"])
                except ControlError as why:
                    complain(f"{_PROGRAM}: {entry}: {spoken(why)}")
                    status = 1
        return status

    return command


def _reload(options: argparse.Namespace) -> int:
    with _server(options) as server:
        for line in server.ask("reload")["lines"]:
            _write(line)
    return 0


def _stop(options: argparse.Namespace) -> int:
    with _server(options) as server:
        server.ask("stop")
        with suppress(ControlError):
            for _event in server.events():
                pass
    return 0


def _check(options: argparse.Namespace) -> int:
    from p2pchat.rendezvous.examining import examine
    from p2pchat.settings.examining import report

    found = examine(options.config)
    for line in report(options.config, found):
        _write(line)
    return 1 if found.errors else 0


_RUN: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "status": _status,
    "stats": _stats,
    "list": _list,
    "ban": _each("ban"),
    "unban": _each("unban"),
    "reload": _reload,
    "stop": _stop,
    "check": _check,
}


def _print_json(value: object) -> None:
    _write(json.dumps(value))


def _write(line: str) -> None:
    """Write a line, made printable, as far as the output can have it."""
    data = (printable(line) + "\n").encode(sys.stdout.encoding or "utf-8", "replace")
    sys.stdout.buffer.write(data)
