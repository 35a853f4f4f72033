"""The commands for a node that runs: `p2pchat send`, `peers`, `tail` and the others.

Rules: standard output is for what was asked for and nothing else; sentences about what went wrong
go to standard error. The exit status is 0 when it was done, 1 when it was not, 2 when the command
line was not understood, 3 when a message is kept and sent later: nobody should send it again. Text
from others is made printable, except in JSON, which escapes it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from p2pchat.console.wording import WAITS
from p2pchat.control.client.finding import Choice, NoAnswerError, Node, Refused, find
from p2pchat.control.client.options import parser_of
from p2pchat.control.client.standard import complain, guarded
from p2pchat.control.paths import ControlError
from p2pchat.control.protocol import MAX_TEXT, USUAL_KINDS
from p2pchat.speech import N_, Sentence, _, asked, ngettext, spoken, use
from p2pchat.wire.names import bracketed, visible
from p2pchat.wire.text import is_text, printable, shortened, why_not

_MOST_LINES: Final = 1_000_000

_LABELS: Final = {
    "protocol": N_("protocol"),
    "version": N_("version"),
    "peer_id": N_("peer id"),
    "port": N_("port"),
    "interface": N_("interface"),
    "uptime_seconds": N_("uptime seconds"),
    "links": N_("links"),
    "known_peers": N_("known peers"),
    "rendezvous": N_("rendezvous"),
    "registered": N_("registered"),
    "trouble": N_("trouble"),
    "history": N_("history"),
    "key": N_("key"),
    "fingerprint": N_("fingerprint"),
    "policy": N_("policy"),
    "not_kept": N_("not kept"),
    "log_level": N_("log level"),
}
"""What stands before each line of a node's status; another one has the name that programs know."""
_YES_OR_NO: Final = {True: N_("True"), False: N_("False")}


def run(words: Sequence[str]) -> int:
    """Do what these words say, the first of which names a command; returns the exit status."""
    return guarded(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    use(asked(words))
    options = parser_of(words[0]).parse_args(words[1:])
    for word in _texts(options):
        if not is_text(word):
            _complain(_("an argument is no UTF-8 text: {word}").format(word=shortened(word, 60)))
            return 2
    try:
        return _RUN[words[0]](options)
    except ControlError as why:
        _complain(spoken(why))
        return 1
    except KeyboardInterrupt:
        return 0 if words[0] in ("tail", "attach") else 130


# -------------------------------------------------------------------- the commands


def _texts(options: argparse.Namespace) -> Iterator[str]:
    """All that was said and is no path, which may be any bytes."""
    for name, value in vars(options).items():
        if name not in ("control", "file", "config", "key"):
            words = value if isinstance(value, list) else [value]
            yield from (word for word in words if isinstance(word, str))


def _node(options: argparse.Namespace) -> Node:
    return find(Choice(options.control, options.name, options.namespace))


def _send(options: argparse.Namespace) -> int:
    text = _input() if options.text == ["-"] else " ".join(options.text)
    with _node(options) as node:
        try:
            if len(text.encode()) > MAX_TEXT:
                sentence = _("the text is too long: a message has at most {most:,} bytes")
                error = sentence.format(most=MAX_TEXT)
                raise Refused({"ok": False, "code": "not_sent", "error": error})
            answer = node.ask("send", to=options.to, text=text, **_demand(node, options.security))
        except Refused as why:
            if options.json:
                _show_what_became(why.answer)
            # A node of an earlier version says it in one of these cases only.
            later = why.answer.get("later", why.answer.get("code") == "queued") is True
            sentence = _("not delivered yet: {why}") if later else _("not delivered: {why}")
            _complain(sentence.format(why=spoken(why)))
            return WAITS if later else 1
        except NoAnswerError as why:
            sentence = _("{why}: it may be sent all the same, now or when the node starts again")
            _complain(sentence.format(why=spoken(why)))
            return WAITS
    if options.json:
        _show_what_became(answer)
    if "peers" not in answer:
        return 0
    if answer["dropped"]:
        sentence = ngettext(
            "not delivered to {n} peer, which does not keep up",
            "not delivered to {n} peers, which do not keep up",
            answer["dropped"],
        )
        _complain(sentence.format(n=answer["dropped"]))
    elif not answer["peers"]:
        _complain(_("not delivered: nobody is connected"))
    return 0 if answer["peers"] and not answer["dropped"] else 1


def _demand(node: Node, security: str | None) -> dict[str, str]:
    """The field with what a link must be; raises `Refused` if the node would not heed it."""
    if security is None:
        return {}
    if "policy" not in node.ask("status"):
        sentence = _("this node is of an earlier version, which encrypts nothing")
        raise Refused({"ok": False, "code": "insecure", "error": sentence})
    return {"security": security}


def _show_what_became(answer: dict[str, Any]) -> None:
    """Whether it can be shown or not, the exit status is about the message."""
    guarded(lambda: _print_json(answer))


def _input() -> str:
    """The text on standard input; more than any message may have is read of a longer one."""
    try:
        data = sys.stdin.buffer.read(1_048_576)
    except OSError as why:
        sentence = Sentence("standard input cannot be read: {why}", why=why_not(why))
        raise ControlError(sentence) from None
    return data.decode("utf-8", "replace").removesuffix("\n")


def _ask(name: str, key: str) -> Callable[[argparse.Namespace], int]:
    """A command that shows what the node says, as lines, or what is under `key`, as JSON."""

    def command(options: argparse.Namespace) -> int:
        fields = {"scope": options.scope} if "scope" in options else {}
        with _node(options) as node:
            if options.json:
                _print_json(node.ask(name, **fields)[key])
            else:
                _print_lines(node.ask(name, format="text", **fields)["lines"])
        return 0

    return command


def _status(options: argparse.Namespace) -> int:
    if options.check:
        from p2pchat.control.client.health import check

        health = check(Choice(options.control, options.name, options.namespace))
        _print_lines([health.line])
        return health.status
    with _node(options) as node:
        answer = node.ask("status")
    status = {key: value for key, value in answer.items() if key not in ("ok", "id")}
    if options.json:
        _print_json(status)
    else:
        _print_lines(_status_lines(status))
    return 0


def _status_lines(status: dict[str, Any]) -> Iterator[str]:
    labels = [_(_LABELS.get(key, key.replace("_", " "))) for key in status]
    width = max(map(len, labels))
    for label, value in zip(labels, status.values(), strict=True):
        shown = _(_YES_OR_NO[value]) if isinstance(value, bool) else value
        yield f"{label:<{width}}  {'-' if shown in ('', None) else shown}"


def _tail(options: argparse.Namespace) -> int:
    from p2pchat.control.client.event_lines import encrypts, event_line, is_for_a_person, text_of

    kinds = [kind for kind in options.events.split(",") if kind] or USUAL_KINDS
    fields = options.fields.split(",") if options.fields else None
    with _node(options) as node:
        lines = not options.json and fields is None
        marks = lines and encrypts(node.ask("status"))
        events = _followed(options, kinds) if options.follow else _heard(node, kinds)
        if options.follow:
            node.close()
        for event in events:
            if options.json:
                _print_json(event)
            elif fields is not None:
                _write("\t".join(text_of(event.get(field)) for field in fields))
            elif is_for_a_person(event):
                _print_lines([event_line(event, marks=marks)])
            sys.stdout.flush()
    return 0


def _heard(node: Node, kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    node.ask("subscribe", events=[*kinds])
    for event in node.events():
        if event.get("event") == "stopping":
            _complain(_("the node stops"))
            return
        yield event


def _followed(options: argparse.Namespace, kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    from p2pchat.control.client.following import follow

    return follow(Choice(options.control, options.name, options.namespace), kinds, _complain)


def _order(name: str) -> Callable[[argparse.Namespace], int]:
    """A command of `orders`, which gives what to show: as JSON, and as lines."""

    def command(options: argparse.Namespace) -> int:
        from p2pchat.control.client.orders import ORDERS

        with _node(options) as node:
            answer = ORDERS[name](node, options)
        if options.json:
            _print_json(answer.value)
        else:
            _print_lines(answer.lines)
        return 0 if answer.done else 1

    return command


def _reload(options: argparse.Namespace) -> int:
    with _node(options) as node:
        _print_lines(node.ask("reload")["lines"])
    return 0


def _stop(options: argparse.Namespace) -> int:
    with _node(options) as node:
        node.ask("stop")
        with suppress(ControlError):
            for _event in node.events():
                pass
    return 0


def _web(options: argparse.Namespace) -> int:
    from p2pchat.control.client.web import web

    with _node(options) as node:
        _print_lines(web(node, options))
    return 0


def _attach(options: argparse.Namespace) -> int:
    from p2pchat.control.client.attach import attach

    with _node(options) as node:
        return attach(node)


def _history(options: argparse.Namespace) -> int:
    from p2pchat.console.commands.past import history_line
    from p2pchat.history import export
    from p2pchat.history.records import HistoryError

    conversation, count = options.conversation, None
    if options.target is not None and conversation != "backup" and options.target.isdecimal():
        count = options.target
    elif options.target is None and (conversation or "").isdecimal():
        conversation, count = None, conversation
    if count is not None and not 0 < int(count[:9]) <= _MOST_LINES:
        sentence = _("a number from 1 to {most:,}, and not {count}")
        _complain(sentence.format(most=_MOST_LINES, count=shortened(count, 20)))
        return 2
    if conversation == "backup" and options.target is None:
        _complain(_("backup needs a FILE; of a peer with this name, say the namespace, too"))
        return 2
    try:
        path = options.file or export.find(options.name, options.namespace)
        if options.target is not None and count is None:
            return _backup(path, options)
        nothing = True
        for line in export.read(path, conversation, None if count is None else int(count)):
            nothing = False
            if options.json:
                _print_json(export.as_json(line))
            else:
                _write(history_line(line))
        if nothing and conversation:
            sentence = _("nothing is kept of {conversation}")
            _complain(sentence.format(conversation=bracketed(conversation)))
    except HistoryError as why:
        _complain(spoken(why))
        return 1
    return 0


def _backup(path: str, options: argparse.Namespace) -> int:
    from p2pchat.history import export

    if options.conversation != "backup":
        sentence = _("one conversation at a time, and not {target} as well")
        _complain(sentence.format(target=options.target))
        return 2
    export.backup(path, options.target)
    return 0


def _check(options: argparse.Namespace) -> int:
    from p2pchat.settings.examining import examine, report
    from p2pchat.settings.table import DEFAULT_FILE

    path = options.config or DEFAULT_FILE
    found = examine(path)
    _print_lines(report(path, found))
    return 1 if found.errors else 0


def _doctor(options: argparse.Namespace) -> int:
    from p2pchat.control.client.doctor import doctor
    from p2pchat.settings.checks import ConfigError, split_address
    from p2pchat.settings.reading import Values, check_text, load, resolve
    from p2pchat.settings.table import DEFAULT_FILE

    values: Values = {}
    try:
        path = options.config or DEFAULT_FILE
        if options.config or os.path.exists(path):
            values, _warnings = load(path)
        if options.rendezvous is not None:
            host, port = split_address(options.rendezvous)
            values["rendezvous.host"] = check_text("rendezvous.host", host)
            if port is not None:
                values["rendezvous.port"] = check_text("rendezvous.port", port, "rendezvous")
    except ConfigError as why:
        _complain(spoken(why))
        return 2
    lines = doctor(resolve({}, values))
    _print_lines(lines)
    return 1 if any(line.startswith("!") for line in lines) else 0


def _keys(options: argparse.Namespace) -> int:
    from p2pchat.control.client.keys import do
    from p2pchat.mesh.identity.key_making import KeyFileError

    try:
        _print_lines(do(options))
    except ValueError as why:
        _complain(spoken(why))
        return 2
    except KeyFileError as why:
        _complain(spoken(why))
        return 1
    except EOFError:
        _complain(_("no passphrase was given"))
        return 1
    return 0


def _completion(options: argparse.Namespace) -> int:
    if options.shell == "peers":
        with find(Choice()) as node:
            answer = node.ask("peers", ask=False)
        # One that begins with a dash would be an option of the command that it completes.
        names = [peer["peer_id"] for peer in answer["peers"]]
        _print_lines(visible(name) for name in names if not name.startswith("-"))
        return 0
    from p2pchat.control.client.completion import SCRIPTS

    sys.stdout.write(SCRIPTS[options.shell]())
    return 0


_RUN: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "attach": _attach,
    "send": _send,
    "tail": _tail,
    "status": _status,
    "peers": _ask("peers", "peers"),
    "conn": _ask("conn", "links"),
    "rtt": _ask("rtt", "round_trips"),
    "stats": _ask("stats", "stats"),
    "outbox": _order("outbox"),
    "search": _order("search"),
    "reconnect": _order("reconnect"),
    "block": _order("block"),
    "forget": _order("forget"),
    "log": _order("log"),
    "web": _web,
    "reload": _reload,
    "stop": _stop,
    "check": _check,
    "doctor": _doctor,
    "history": _history,
    "keys": _keys,
    "completion": _completion,
}


# -------------------------------------------------------------------- what is shown


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        _write(printable(line))


def _write(line: str) -> None:
    """Write a line whose text is printable, as far as the output can have it."""
    sys.stdout.buffer.write((line + "\n").encode(sys.stdout.encoding or "utf-8", "replace"))


def _complain(sentence: str) -> None:
    with suppress(OSError):  # the end will tell
        sys.stdout.flush()
    complain(f"p2pchat: {sentence}")
