"""The options of the commands for a node that runs: what each takes, and examples in its --help.

Rules: no Twisted, so that these commands are quick. What is not understood ends the program with
status 2, as `argparse` does.
"""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Callable
from typing import Final

from p2pchat.control.client import parsing
from p2pchat.control.client.subcommands import SUBCOMMANDS
from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.settings.table import DEFAULT_FILE
from p2pchat.speech import LANGUAGES, N_, _

_EXAMPLES: Final = {
    "attach": (("p2pchat attach", N_("type /help there; Ctrl-D leaves, and the node runs on")),),
    "send": (
        (
            "p2pchat send bob@CIC 'the build is green'",
            N_("exit status 0: bob has it; 1: not sent; 2: not understood; 3: kept, sent later"),
        ),
        ("p2pchat send '#CIC' 'lunch?'", N_("to everyone of a namespace; '*' is everyone")),
        ("uptime | p2pchat send bob@CIC -", N_("the text comes from a pipe")),
        (
            "p2pchat send --security verified bob@CIC 'the door code is 7'",
            N_("to bob's own key only"),
        ),
    ),
    "tail": (
        ("p2pchat tail", N_("until Ctrl-C")),
        ("p2pchat tail --json --events message", N_("one JSON object a line, for programs")),
        ("p2pchat tail --follow", N_("over restarts of the node, and what was said meanwhile")),
        ("p2pchat tail --events message --fields from,text", N_("tab-separated, for shells")),
    ),
    "outbox": (
        ("p2pchat outbox", N_("all that waits, each with its id")),
        ("p2pchat outbox cancel ID ID", N_("send these no more; all: none of them")),
    ),
    "search": (
        ("p2pchat search build green", N_("both words, anywhere")),
        ("p2pchat search --in bob@CIC 'deploy*' --json", N_("one conversation, for programs")),
    ),
    "block": (
        ("p2pchat block", N_("who is blocked")),
        ("p2pchat block '*@SPAM'", N_("a peer, NAME@*, *@NAMESPACE, an address or a network")),
        ("p2pchat block --remove '*@SPAM'", N_("take it back")),
    ),
    "forget": (("p2pchat forget eve@CIC", N_("its history, and what waits for it")),),
    "log": (("p2pchat log DEBUG", N_("until the node ends")),),
    "peers": (("p2pchat peers", ""), ("p2pchat peers '#CIC' --json", "")),
    "stats": (("p2pchat stats", ""), ("p2pchat stats --json", N_("the same for programs"))),
    "status": (
        ("p2pchat status", ""),
        ("p2pchat status --check", N_("one line, and status 0, 1 or 2, for a monitor")),
    ),
    "doctor": (
        ("p2pchat doctor", N_("one page, in five seconds")),
        ("p2pchat doctor --rendezvous HOST", N_("could that one be used from here?")),
    ),
    "web": (
        ("p2pchat web", N_("the page, in your browser")),
        ("p2pchat web --print", N_("a link that can be used once, within two minutes")),
        ("p2pchat web --off", N_("the page ends, and all who have it open are out")),
    ),
    "check": (
        ("p2pchat check /etc/p2pchat/config.json", N_("status 1 if a start would refuse it")),
    ),
    "history": (
        ("p2pchat history", N_("all that is kept")),
        ("p2pchat history bob@CIC --json", N_("one conversation, for programs")),
        ("p2pchat history bob 3", N_("its last three, as /history bob 3")),
        ("p2pchat history backup FILE", N_("a copy, also while a node runs")),
    ),
    "keys": (
        ("p2pchat keys", N_("your keys, and whose keys they know")),
        ("p2pchat keys export FILE", N_("a copy of your key, which asks for a passphrase")),
        ("p2pchat keys import FILE --name alice", N_("on another machine, before the first start")),
        ("p2pchat keys rotate", N_("another key, which follows yours in 30 days")),
    ),
    "completion": (
        ('eval "$(p2pchat completion bash)"', N_("in ~/.bashrc")),
        ("p2pchat completion zsh > ~/.zfunc/_p2pchat", N_("a folder of your $fpath")),
        ("p2pchat completion fish > ~/.config/fish/completions/p2pchat.fish", ""),
    ),
}


_WITH_JSON: Final = (
    *("peers", "conn", "rtt", "stats", "status", "tail", "send", "history"),
    *("outbox", "search", "reconnect", "block", "forget", "log"),
)


def parser_of(name: str) -> argparse.ArgumentParser:
    """What reads the options of the command of this name; choose the language before."""
    examples = _EXAMPLES.get(name, ((f"p2pchat {name}", ""),))
    shown = [line for example in examples for line in _example(*example)]
    more = "\n".join(["\n", _("Examples:"), *shown])
    parser = parsing.parser_of(f"p2pchat {name}", _(dict(SUBCOMMANDS)[name]), more)
    _ARGUMENTS.get(name, lambda _parser: None)(parser)
    parser.add_argument(
        "--language", choices=LANGUAGES, help=_("what is shown is in this language (your system's)")
    )
    if name in _WITH_JSON:
        parser.add_argument("--json", action="store_true", help=_("one JSON object a line"))
    if name not in ("completion", "check", "doctor"):
        files = name in ("history", "keys")
        which = parser.add_argument_group(
            _("whose file, if there are several") if files else _("which node, if several run")
        )
        which.add_argument(
            "--name",
            metavar="NAME",
            help=_("that of this name") if files else _("the node of this name"),
        )
        which.add_argument(
            "--namespace",
            metavar="NAMESPACE",
            help=_("that of this namespace") if files else _("the node in this namespace"),
        )
    if name not in ("completion", "check", "doctor", "history", "keys"):
        which.add_argument(
            "--control",
            metavar="PATH",
            help=_("the node with this control socket"),
            type=os.path.expanduser,
        )
    return parser


def _example(words: str, remark: str) -> list[str]:
    """The lines of one example: the words to type, and below them what they are for, marked."""
    indent = " " * 6
    lines = textwrap.wrap(_(remark), 80, initial_indent=indent, subsequent_indent=indent)
    return [f"  {words}", *lines]


def _send_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("to", metavar="PEER|#NAMESPACE|*", help=_("who gets it"))
    parser.add_argument(
        "--security",
        choices=("encrypted", "verified"),
        help=_("what the link to a peer must be at least; nothing leaves on another one"),
    )
    parser.add_argument("text", metavar="TEXT|-", nargs="+", help=_("what; - reads standard input"))


def _tail_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--events",
        metavar="KIND,...",
        help=_("only these of {kinds}").format(kinds=", ".join(EVENT_KINDS)),
        default="",
    )
    parser.add_argument(
        "--fields", metavar="FIELD,...", help=_("these fields of each event, tab-separated")
    )
    parser.add_argument(
        "--follow", action="store_true", help=_("come back after a restart of the node")
    )


def _outbox_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="PEER | cancel ID...|all", nargs="*", help=_("only this peer's; or cancel")
    )


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="WORD", nargs="+", help=_("all of these"))
    parser.add_argument(
        "--in", dest="conversation", metavar="PEER|#NAMESPACE|*", default="", help=_("only there")
    )
    parser.add_argument(
        "--count", type=int, default=20, metavar="N", help=_("so many at most (20)")
    )


def _block_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entry", metavar="ENTRY", nargs="?", default="", help=_("who"))
    parser.add_argument("--remove", action="store_true", help=_("block it no more"))


def _forget_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("peer", metavar="PEER", help=_("a whole peer_id"))


def _log_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("level", metavar="LEVEL", help=_("DEBUG, INFO, WARNING or ERROR"))


def _peers_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scope", metavar="*|#NAMESPACE", nargs="?", default="*", help=_("of whom (*)")
    )


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check",
        action="store_true",
        help=_("one line; the exit status is 0 when all is well, 1 for a warning, 2 for worse"),
    )


def port(text: str) -> int:
    """A port; its name stands in what `argparse` says of a wrong one."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError
    return number


def _web_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        type=port,
        default=0,
        metavar="PORT",
        help=_("serve it there (27880, or a free one)"),
    )
    parser.add_argument("--no-browser", action="store_true", help=_("show the link, open nothing"))
    parser.add_argument("--print", action="store_true", help=_("the same"))
    parser.add_argument("--off", action="store_true", help=_("end the page, and all that are open"))


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        metavar="CONFIG",
        nargs="?",
        help=_("the file ({file})").format(file=DEFAULT_FILE),
        type=os.path.expanduser,
    )


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=_("settings ({file})").format(file=DEFAULT_FILE),
        type=os.path.expanduser,
    )
    parser.add_argument("--rendezvous", metavar="HOST[:PORT]", help=_("ask this one"))


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("conversation", metavar="PEER|#NAMESPACE|*", nargs="?", help=_("only this"))
    parser.add_argument(
        "target",
        metavar="N | backup FILE",
        nargs="?",
        help=_("the last so many; or: write a copy of the whole history"),
        type=os.path.expanduser,
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help=_("this file, and not one of your data folder"),
        type=os.path.expanduser,
    )


def _keys_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        metavar="list|export|import|rotate",
        nargs="?",
        default="list",
        help=_("what to do (list)"),
    )
    parser.add_argument("file", metavar="FILE", nargs="?", type=os.path.expanduser)
    parser.add_argument(
        "--replace", action="store_true", help=_("import in the place of a key that is there")
    )
    parser.add_argument(
        "--now", action="store_true", help=_("rotate: use the other key at once, not in 30 days")
    )
    parser.add_argument(
        "--key",
        metavar="FILE",
        help=_("this key file, and not one of your data folder"),
        type=os.path.expanduser,
    )


def _completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "peers"), metavar="bash|zsh|fish")


_ARGUMENTS: Final[dict[str, Callable[[argparse.ArgumentParser], None]]] = {
    "send": _send_arguments,
    "tail": _tail_arguments,
    "peers": _peers_arguments,
    "outbox": _outbox_arguments,
    "search": _search_arguments,
    "block": _block_arguments,
    "forget": _forget_arguments,
    "log": _log_arguments,
    "status": _status_arguments,
    "web": _web_arguments,
    "check": _check_arguments,
    "doctor": _doctor_arguments,
    "history": _history_arguments,
    "keys": _keys_arguments,
    "completion": _completion_arguments,
}
