"""The catalogues are those of the source, and whole; and in a room that is marked nothing is not.

Whoever marks a file takes it out of `IN_ENGLISH`. docs/languages.md tells how.
"""

from __future__ import annotations

import argparse
import ast
import gettext
import io
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from p2pchat.control.client.options import parser_of
from p2pchat.control.client.subcommands import SUBCOMMANDS
from p2pchat.node.news import NOT_CONFIRMED
from p2pchat.service.chat_options import ChatOptions
from p2pchat.speech import FOLDER, LANGUAGES, ngettext, use
from tests.support.marks import MARKS, bare_errors, hidden, marked, no_literal, unmarked
from tests.support.processes import ROOT

try:
    from babel.messages.extract import extract
    from babel.messages.mofile import read_mo

    from docs import catalogue
except ImportError:  # of the extra `test`
    catalogue = None  # type: ignore[assignment]

TRANSLATED = tuple(language for language in LANGUAGES if language != "en")

IN_ENGLISH: tuple[str, ...] = (
    # Folders and files of p2pchat/ that say something in English alone: to the log, the wire, the
    # file, who writes programs, or a system of figures. In all others every sentence is marked.
    "__init__.py",
    "bot/__init__.py",
    "bot/bot.py",
    "bot/connection.py",
    "control/client/completion.py",
    "history/checking.py",
    "history/database.py",
    "history/filing.py",
    "history/mending.py",
    "history/moments.py",
    "history/names.py",
    "history/past.py",
    "history/reading.py",
    "history/schema.py",
    "history/shares.py",
    "history/sums.py",
    "history/upgrading.py",
    "history/words.py",
    "mesh/addresses.py",
    "mesh/claims.py",
    "mesh/dialer.py",
    "mesh/dialing.py",
    "mesh/full_queues.py",
    "mesh/keepalive.py",
    "mesh/leaving.py",
    "mesh/link/admission.py",
    "mesh/link/listener.py",
    "mesh/link/peer_link.py",
    "mesh/link/read_limit.py",
    "mesh/link/sealed_link.py",
    "mesh/link/seams.py",
    "mesh/link_log.py",
    "mesh/listings.py",
    "mesh/race.py",
    "node/figures.py",
    "node/history_figures.py",
    "node/process_figures.py",
    "node/security_figures.py",
    "rendezvous/answers.py",
    "rendezvous/directory.py",
    "rendezvous/proxied.py",
    "rendezvous/proxy_header.py",
    "rendezvous/requests.py",
    "rendezvous/stores/changes.py",
    "rendezvous/stores/hearing.py",
    "rendezvous/stores/redis.py",
    "rendezvous/stores/shared.py",
    "rendezvous/stores/sqlite.py",
    "service/metrics.py",
    "service/process_groups.py",
    "service/rendezvous_figures.py",
    "service/rendezvous_options.py",
    "service/rendezvous_shared.py",
    "testing",
    "wire/guard.py",
    "wire/handshake.py",
    "wire/liberal.py",
    "wire/outputs.py",
    "wire/session.py",
)
FIGURES_OF_THE_HOOK = (
    *("what runs for each message", "programs that run, or have left", "of those at most ("),
    *("messages that wait for their program", "programs that were started"),
    *("of those, how many could not be run", "of those, how many were killed"),
    "messages left out because too many waited",
)
FIGURES_OF_THE_PAGE = (
    *("where the page is served", "pages that hear of this node", "of those at most"),
    *("open connections", "requests answered", "connections that were closed"),
)
FIGURES_OF_THE_SOCKET = (
    *("where the control socket is", "programs that are connected", "of those at most"),
    *("of those, how many get events", "requests so far"),
    *("connections refused because", "clients cut off because"),
)
NOT_FOR_PEOPLE: dict[str, tuple[str, ...]] = {
    # File -> beginnings of its strings that are not sentences, though they have two words.
    "console/commands/changes.py": ("<what you do>",),  # what a command is given
    "console/commands/lists.py": ("[peer | ", "<peer | ", "[name ", "[on | off]"),
    "console/commands/messages.py": ("<peer_id> <message>", "* | #namespace <message>"),
    "console/commands/pairing.py": ("<peer> [code]",),
    "console/commands/past_replies.py": ("[peer | ", "[peer] | cancel "),
    "console/commands/peers.py": ("[* | ", "[peer_id | "),
    "console/commands/security.py": ("[peer [", "<peer_id> <fing", "[forget <peer>]"),
    "console/full/colours.py": ("#d70000", "reverse bold", "bold reverse"),
    "console/full/entries.py": ("left out",),  # the value of a kind
    "console/full/vocabulary.py": ("[peer_id", "PageUp, PageDown", "Ctrl-End, Esc"),
    "control/client/keys.py": ("keys [list | ",),
    "control/client/options.py": (
        "p2pchat ",  # what to type
        "uptime | p2pchat ",
        'eval "$(p2pchat ',
        "PEER | cancel ID",
        "N | backup FILE",
    ),
    "control/client/web.py": ("<!doctype html>",),
    "control/service.py": FIGURES_OF_THE_SOCKET,
    "logs/formats.py": ("... {} more lines ...",),
    "logs/limits.py": ("… and {count} more",),
    "logs/output.py": ("The fault that follows", "{count} lines before this one"),
    "mesh/discovery/lan/netlink.py": ("this system has no", "the kernel does not"),  # of the log
    "mesh/duplicates.py": ("duplicate link",),  # for the other end
    "mesh/identity/key_file.py": (
        *("p2pchat key of ", "p2pchat next key ", "-----BEGIN ", "PRIVATE KEY"),
        "its certificate is of another key",  # then the file is damaged
    ),
    "mesh/identity/key_making.py": ("it is protected by", "it holds a key of"),  # the same
    "mesh/identity/key_text.py": ("a key has 43 characters",),  # of a file or a message
    "mesh/identity/key_words.py": ("/keys forget ",),
    "mesh/identity/keys.py": ("its certificate is", "-----BEGIN", "-----END", "it holds no cert"),
    "mesh/identity/known_keys.py": ("{} is pinned with another key",),  # of who wrote the program
    "mesh/identity/pin_lines.py": ("p2pchat keys 1", "no count", "not as it", "no key", "no time"),
    "mesh/identity/sealing.py": (  # for the log
        *("does not encrypt", "the handshake", "it speaks", "its certificate", "its key was"),
        *("the connection was", "noise below", "the other end", "the encryption has"),
    ),
    "mesh/identity/statement.py": ("no count", "a signature has 86"),
    "mesh/identity/trust.py": ("encryption required", "name in use"),  # reasons on the wire
    "mesh/pairing/words.py": ("no code",),  # a reason on the wire
    "node/book_file.py": ("it is damaged",),  # of the log
    "node/news.py": (
        NOT_CONFIRMED,  # for programs; docs/control.md
        "it is safe",
        "no ACK came",
        "there is no link",
        "its ACK came",
        "it is given up",
        "another program got it",
    ),
    "node/outbox.py": ("not looked at yet", "waits for a link", "on its way", "not acknowledged"),
    "node/outcomes.py": ("Not delivered to",),  # logged
    "node/outgoing.py": ("{who} has closed {n} links",),  # of the log
    "rendezvous/replies.py": (
        "unknown command",  # a code
        *("an answer of the type", "an answer without a status", "a listing that is not a list"),
        "one that is nested without end",  # for the log
    ),
    "service/chat_options.py": ("--name alice", "history format"),
    "service/command_line.py": ("unique prefix", "not recognized"),
    "service/companions.py": (".venv/bin/pip install",),
    "service/hooks.py": FIGURES_OF_THE_HOOK,
    "service/rendezvous_options.py": (
        *("--port 9000", "--config rendezvous.json", "  status, stats, list"),  # what to type
    ),
    "settings/checks.py": ("something that cannot be shown",),  # in the place of JSON
    "settings/examining.py": (".venv/bin/pip install",),
    "sqlite.py": ("SELECT count(*)", "PRAGMA user_version", "malformed database schema"),
    "web/files.py": ("text/",),
    "web/looking.py": ("p2pchat --name NAME",),  # a command
    "web/service.py": FIGURES_OF_THE_PAGE,
    "wire/address.py": ("this machine",),  # a key of a table
    "wire/codec.py": ("longer than the limit",),  # for the log
}
ERRORS = {
    *("ConfigError", "Unfit", "CannotStartError", "ControlError", "HistoryError", "NotSentError"),
    *("InsecureError", "OutboxFullError", "AmbiguousNameError", "GroupError", "NoAnswerError"),
    *("KeyFileError", "NotInstalledError", "NotPairedError", "PinsDamagedError"),
    *("DialError", "ForeignFileError", "ListError"),
}
"""Errors that carry a `Sentence` wherever they are made."""

FIELDS = re.compile(r"(?<!\{)\{(\w*)[^{}]*\}(?!\})|(%\(\w+\)\w|%\w)")


def sources(*places: str) -> list[tuple[str, str]]:
    """(name, text) of every file in these places of p2pchat/."""
    package = Path(ROOT, "p2pchat")
    found = []
    for place in places:
        path = package / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        found += [(it.relative_to(package).as_posix(), it.read_text("utf-8")) for it in files]
    return found


class MarkTests(SynchronousTestCase):
    def test_every_sentence_is_marked(self) -> None:
        missed = [
            f"p2pchat/{name}:{line}: {text!r}"
            for name, source in sources("")
            if not name.startswith(IN_ENGLISH)
            for line, text in unmarked(source)
            if not text.startswith(NOT_FOR_PEOPLE.get(name, ()))
        ]
        step = "mark them, or say in NOT_FOR_PEOPLE that no person reads them"
        self.assertEqual(missed, [], f"{step}:\n" + "\n".join(missed))

    def test_no_exception_is_left_over(self) -> None:
        for place in IN_ENGLISH:
            said = [text for _, source in sources(place) for _, text in unmarked(source)]
            self.assertNotEqual(said, [], f"{place} says nothing: take it out of IN_ENGLISH")
        for name, beginnings in NOT_FOR_PEOPLE.items():
            ((_, source),) = sources(name)
            texts = [text for _, text in unmarked(source)]
            for beginning in beginnings:
                known = any(text.startswith(beginning) for text in texts)
                self.assertTrue(known, f"{name}: {beginning!r} is there no more")

    def test_marks_have_literals(self) -> None:
        found = [
            f"p2pchat/{name}:{line}: {call}"
            for name, source in sources("")
            if "from p2pchat.speech import" in source
            for line, call in no_literal(source)
        ]
        self.assertEqual(found, [])

    def test_nothing_else_has_the_name_of_the_mark(self) -> None:
        found = [
            f"p2pchat/{name}:{line}: {what}"
            for name, source in sources("")
            for line, what in hidden(source)
        ]
        self.assertEqual(found, [], "call it _something else")

    def test_errors_carry_sentences(self) -> None:
        found = [
            f"p2pchat/{name}:{line}: {call}"
            for name, source in sources("")
            if any(error in source for error in ERRORS)
            for line, call in bare_errors(source, ERRORS)
        ]
        self.assertEqual(found, [], "\n".join(found))

    def test_what_is_not_marked_is_found(self) -> None:
        """The looks above can fail."""
        for source, missed in (
            ('show("two words")', "two words"),
            ('show(f"{peer} is here")', "{} is here"),
            ('_("{who} is here").format(who="no body")', "no body"),
            ('Sentence("{why}", why="not here")', "not here"),
            ('show("one" if it else "no one")', "no one"),
            ('TABLE = {"a": "all of it"}', "all of it"),
            ('def f(a="all of it"): pass', "all of it"),
        ):
            self.assertEqual([text for _, text in unmarked(source)], [missed], source)
        for source in (
            '"""Two words."""',
            'A = 1\n"""Two words."""',
            '_log.info("two words {a}", a=1)',
            'show(_("two words"))',
            'show(ngettext("{n} word", "{n} of them", 3))',
            'ROWS = (N_("two words"), Sentence("two words"))',
            'assert x, "two words"',
            'a: "Two words" = 1',
            're.compile("two words")',
            'show("word", "two-words", f"{a}: {b}", "--a b")',
        ):
            self.assertEqual([*unmarked(source)], [], source)
        for source in ("def f(_): pass", "for _ in range(2): pass", "lambda _: 1", "a, _ = 1, 2"):
            self.assertEqual(len([*hidden(f"from p2pchat.speech import _\n{source}")]), 1, source)
            self.assertEqual([*hidden(source)], [])
        self.assertEqual(len([*no_literal("Sentence(text)")]), 1)
        self.assertEqual(len([*no_literal('counted("a {n}", text, 3)')]), 1)
        for source in ('E("a b")', 'E(f"{a} b")', "E(str(why))", 'E("a" + b)', 'E(_("a b"))'):
            self.assertEqual(len([*bare_errors(source, {"E"})]), 1, source)
        for source in ('E(Sentence("a b"))', "E(why.args[0])", "E(sentence)", 'F("a b")'):
            self.assertEqual([*bare_errors(source, {"E"})], [], source)


class DocumentTests(SynchronousTestCase):
    text = Path(ROOT, "docs", "languages.md").read_text("utf-8")

    def test_it_tells_each_way_to_mark(self) -> None:
        tree = ast.parse(Path(ROOT, "p2pchat", "speech.py").read_text("utf-8"))
        known = {it.name for it in tree.body if isinstance(it, (ast.FunctionDef, ast.ClassDef))}
        told = set(re.findall(r"\b(\w+)\(", self.text))
        for name in MARKS | {"spoken", "sentence_of", "plain"}:
            self.assertIn(name, known)
            self.assertIn(name, told)

    def test_what_it_names_is_there(self) -> None:
        for path in re.findall(r"\b(?:p2pchat|docs|tests)/[\w./]+\.(?:py|po)\b", self.text):
            self.assertTrue(Path(ROOT, path).exists(), path)
        for name in ("IN_ENGLISH", "NOT_FOR_PEOPLE"):
            self.assertIn(f"`{name}`", self.text)
            self.assertIn(name, globals())


class CatalogueTests(SynchronousTestCase):
    def setUp(self) -> None:
        if catalogue is None:
            raise SkipTest("Babel is not installed: it is in the extra `test`")

    def test_each_language_has_a_catalogue(self) -> None:
        self.assertEqual(set(catalogue.PLURALS), set(TRANSLATED))
        self.assertEqual(FOLDER, catalogue.LOCALE)
        self.assertEqual({place.name for place in FOLDER.iterdir()}, set(TRANSLATED))

    def test_it_is_that_of_the_source(self) -> None:
        for language in TRANSLATED:
            place = catalogue.po_of(language)
            made = catalogue.as_po(catalogue.made(language, place))
            self.assertTrue(made == place.read_bytes(), "run .venv/bin/python docs/catalogue.py")

    def test_it_has_every_mark(self) -> None:
        """Babel finds none in an f-string, nor in a call or a list within another mark."""
        known = {key if isinstance(key, str) else key[0] for key in catalogue.marked()}
        missed = [
            f"p2pchat/{name}:{line}: {text!r}"
            for name, source in sources("")
            if "from p2pchat.speech import" in source
            for line, text in marked(source)
            if catalogue.has_words(text) and text not in known
        ]
        self.assertEqual(missed, [], "give it a name of its own first:\n" + "\n".join(missed))

    def test_nothing_waits_for_a_translation(self) -> None:
        for language in TRANSLATED:
            place = catalogue.po_of(language)
            self.assertEqual(catalogue.untranslated(catalogue.made(language, place)), [])
            self.assertNotIn(b"fuzzy", place.read_bytes())

    def test_the_mo_is_that_of_the_po(self) -> None:
        for language in TRANSLATED:
            place = catalogue.po_of(language)
            with place.with_suffix(".mo").open("rb") as file:
                compiled = texts(read_mo(file))
            whole = texts(catalogue.made(language, place))
            self.assertTrue(compiled == whole, "run .venv/bin/python docs/catalogue.py")

    def test_both_languages_have_the_same_fields(self) -> None:
        for language in TRANSLATED:
            made = catalogue.made(language, catalogue.po_of(language))
            for english, translated in texts(made).items():
                self.assertEqual(fields(translated[-1]), fields(english[-1]), english)
                self.assertEqual(blanks(translated[-1]), blanks(english[-1]), english)
                # A singular may do without its number: "one message".
                self.assertLessEqual(fields(translated[0]), fields(english[-1]), english)

    def test_a_branch_gives_what_the_other_one_lacks(self) -> None:
        here, there = Path(self.mktemp()), Path(self.mktemp())
        mine, theirs = catalogue.Ours("pt_BR"), catalogue.Ours("pt_BR")
        mine.add("usage: ", "meu: ")
        theirs.add("usage: ", "deles: ")
        theirs.add("options", "opções", flags=["fuzzy"])
        theirs.add("positional arguments", "argumentos")
        here.write_bytes(catalogue.as_po(mine))
        there.write_bytes(catalogue.as_po(theirs))
        both = {it.id: it.string for it in catalogue.made("pt_BR", here, there)}
        self.assertEqual(both["usage: "], "meu: ")
        self.assertEqual(both["positional arguments"], "argumentos")
        self.assertEqual(both["options"], "")

    def test_argparse_of_this_python_says_nothing_else(self) -> None:
        source = Path(str(argparse.__file__)).read_bytes()
        known = {"_": None, "ngettext": (1, 2)}
        for _, text, _, _ in extract("python", io.BytesIO(source), keywords=known):
            if text not in catalogue.ARGPARSE:
                self.assertRegex(str(text), FOR_PROGRAMMERS)


FOR_PROGRAMMERS = re.compile(
    "conflict|deprecated|subparser|unknown parser|subcommands|callable|__call__|dest=|groups|"
    "for positionals|must be optional|mode %r|must start with|version number|can't open|warning"
)
"""What argparse says to who made a wrong parser, or of what no parser of ours has."""


def texts(messages: Iterable[Any]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """All forms in English -> all forms of the translation."""

    def forms(text: Any) -> tuple[str, ...]:
        return (text,) if isinstance(text, str) else tuple(text)

    return {forms(message.id): forms(message.string) for message in messages if message.id}


def fields(text: str) -> set[str]:
    """What is put into a text: the names in braces, and what argparse puts in."""
    return {braced or percent for braced, percent in FIELDS.findall(text)}


def blanks(text: str) -> tuple[str, str]:
    """The blanks and line ends before and behind a text."""
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]


class PortugueseTests(SynchronousTestCase):
    """What the catalogue makes of the program."""

    def setUp(self) -> None:
        self.addCleanup(use, "en")

    def test_forms_of_numbers(self) -> None:
        """Babel's own header has a third one, with which two of these are English."""
        for language in TRANSLATED:
            path = FOLDER / language / "LC_MESSAGES" / "p2pchat.mo"
            with path.open("rb") as file:
                spoken = gettext.GNUTranslations(file)
            one, more = "expected %s argument", "expected %s arguments"
            forms = {n: spoken.ngettext(one, more, n) for n in (0, 1, 2, 1_000_000)}
            self.assertEqual(forms[0], forms[1])
            self.assertEqual(forms[2], forms[1_000_000])
            self.assertNotEqual(forms[1], forms[2])
            self.assertFalse({one, more} & {*forms.values()})
        use("pt_BR")
        self.assertEqual(ngettext(one, more, 2), "esperados %s argumentos")

    def test_help_fits_a_screen(self) -> None:
        self.patch(os, "environ", {**os.environ, "COLUMNS": "80"})
        for language in LANGUAGES:
            use(language)
            options = ChatOptions()
            pages = [str(options), *(parser_of(name).format_help() for name, _ in SUBCOMMANDS)]
            for line in "\n".join(pages).splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_argparse_speaks_it(self) -> None:
        use("pt_BR")
        text = parser_of("send").format_help()
        self.assertTrue(text.startswith("uso: p2pchat send"), text)
        self.assertIn("\nopções:\n", text)
        use("en")
        self.assertTrue(parser_of("send").format_help().startswith("usage: "))
