"""The command line, by itself and under twistd and twist: values, errors, help and the log."""

from __future__ import annotations

import getpass
import io
import json
import os
import sys
from collections.abc import Sequence
from types import SimpleNamespace

from twisted.application.twist._options import TwistOptions
from twisted.logger import LogLevel
from twisted.python import log, usage
from twisted.scripts._twistd_unix import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from p2pchat import __version__
from p2pchat.console.standard_input import has_input
from p2pchat.history.schema import FORMAT
from p2pchat.logs.levels import get_level, set_level
from p2pchat.logs.output import twistd_observer
from p2pchat.service import chat_options as options
from p2pchat.service.chat_options import ChatOptions, login_name
from p2pchat.service.command_line import CommandOptions
from p2pchat.settings.checks import ConfigError
from p2pchat.settings.reading import check_text, resolve
from p2pchat.settings.table import SETTINGS
from p2pchat.speech import Sentence, _, use
from twisted import logger

PLUGIN = SimpleNamespace(tapname="p2pchat", description="A node.", options=ChatOptions)


class OptionsTestCase(SynchronousTestCase):
    """Parses command lines in a fresh folder; what is printed is in `out` and `err`."""

    def setUp(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        self.folder = folder
        self.out = io.StringIO()
        self.err = io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        self.patch(sys, "argv", ["/usr/bin/p2pchat"])
        self.patch(os, "environ", {**os.environ, "XDG_STATE_HOME": folder, "LOGNAME": "ana"})
        self.patch(options, "has_input", lambda: True)
        self.addCleanup(set_level, get_level())
        self.addCleanup(use, "en")

    def parse(self, *words: str) -> ChatOptions:
        parsed = ChatOptions()
        parsed.parseOptions(words)
        return parsed

    def leaves(self, status: int, *words: str) -> str:
        """Parsing `words` ends the program with `status`; returns what it says."""
        with self.assertRaises(SystemExit) as caught:
            self.parse(*words)
        self.assertEqual(caught.exception.code, status)
        return self.err.getvalue()

    def write(self, name: str, content: object) -> None:
        with open(name, "w", encoding="utf-8") as file:
            json.dump(content, file)


class ValueTests(OptionsTestCase):
    def test_every_setting_has_an_option(self) -> None:
        texts = {
            "LEVEL": "error",
            "BYTES": "7777777",
            "[HOST:]PORT": "127.0.0.1:77",
            "FORMAT": "json",
        }
        texts |= {"prefer|require|off": "off"}
        texts |= {"ENDPOINT": "tcp:77", "YES|NO": "no", "LIST": "*@spam", "NAMES": "eth0"}
        texts |= {"HOST[:PORT],...": "a:77,b", "en|pt_BR": "pt_BR"}
        given = {setting: texts.get(setting.metavar, "77") for setting in SETTINGS}
        given |= {setting: "yes" for setting in SETTINGS if not setting.metavar}
        words = []
        for setting, text in given.items():
            words += [f"--{setting.option}", *([text] if setting.metavar else [])]
        settings = self.parse(*words).settings
        for setting, text in given.items():
            value = getattr(getattr(settings, setting.section), setting.field)
            self.assertEqual((setting.key, value), (setting.key, check_text(setting.key, text)))

    def test_the_language(self) -> None:
        """An option beats the file, which beats the environment."""
        for words, file, environ, shown in (
            ((), None, "C", "usage: "),
            ((), None, "pt_BR.UTF-8", "uso: "),
            ((), "en", "pt_BR.UTF-8", "usage: "),
            ((), "pt_BR", "C", "uso: "),
            (("--language", "en"), "pt_BR", "pt_BR.UTF-8", "usage: "),
            (("--lang", "pt_BR"), "en", "C", "uso: "),
        ):
            os.environ["LC_ALL"] = environ
            self.write("config.json", {"console": {"language": file}})
            self.parse(*words)
            self.assertEqual(_("usage: "), shown, (words, file, environ))

    def test_another_language_is_refused(self) -> None:
        said = self.leaves(2, "--language", "klingon")
        self.assertEqual(said, '--language: expected one of en, pt_BR, got "klingon"\n')

    def test_the_rendezvous_with_and_without_a_port(self) -> None:
        for words, address in (
            (["--rendezvous", "a"], ("a", 8080)),
            (["--rendezvous=a:9000"], ("a", 9000)),
            (["--rendezvous", "[::1]:9000"], ("::1", 9000)),
            (["--rendezvous", "::1"], ("::1", 8080)),
            (["--rendezvous", "a", "--rendezvous-port", "9"], ("a", 9)),
        ):
            settings = self.parse(*words).settings.rendezvous
            self.assertEqual((settings.host, settings.port), address)

    def test_no_control_socket(self) -> None:
        self.assertIsNone(self.parse().settings.control.path)
        self.assertEqual(self.parse("--no-control").settings.control.path, "off")

    def test_the_file_is_read_again_from_where_it_was(self) -> None:
        self.write("config.json", {"limits": {"peer_rate": 5}, "peer": {"name": "file"}})
        options = self.parse("--name", "option")
        self.write("config.json", {"limits": {"peer_rate": 7}, "peer": {"name": "new"}})
        folder = os.getcwd()
        os.chdir("/")
        try:
            settings, warnings = options.reread()
        finally:
            os.chdir(folder)
        self.assertEqual((settings.limits.peer_rate, settings.peer.name), (7, "option"))
        self.assertEqual(warnings, [])
        self.write("config.json", {"limits": {"peer_rat": 7}})
        (warning,) = options.reread()[1]
        self.assertIn("limits.peer_rat: unknown setting, ignored", str(warning))
        self.write("config.json", {"limits": {"peer_rate": "fast"}})
        self.assertRaises(ConfigError, options.reread)
        os.remove("config.json")
        self.assertRaises(ConfigError, options.reread)
        self.assertEqual(self.parse().reread(), (resolve({}, {}), []))

    def test_flags_and_their_absence(self) -> None:
        self.assertFalse(self.parse().stay)
        self.assertTrue(self.parse("--stay").stay)

    def test_the_file_in_the_working_folder_is_read_when_it_is_there(self) -> None:
        self.assertEqual(self.parse().settings.peer.namespace, "lobby")
        self.write("config.json", {"peer": {"namespace": "CIC", "name": "file", "nmae": 1}})
        parsed = self.parse("--name", "option")
        self.assertEqual(
            (parsed.settings.peer.namespace, parsed.settings.peer.name), ("CIC", "option")
        )
        self.assertEqual(
            [*map(str, parsed.warnings)],
            ["config.json: peer.nmae: unknown setting, ignored (did you mean peer.name?)"],
        )

    def test_another_file(self) -> None:
        self.write("config.json", {"peer": {"namespace": "no"}})
        self.write("other.json", {"peer": {"namespace": "yes"}})
        self.assertEqual(self.parse("--config", "other.json").settings.peer.namespace, "yes")


class ErrorTests(OptionsTestCase):
    def test_wrong_values_end_with_status_2_and_one_sentence(self) -> None:
        self.assertEqual(
            self.leaves(2, "--ping-interval", "soon"),
            '--ping-interval: expected a number above 0, got "soon"\n',
        )
        self.assertIn("--bell: expected yes or no", self.leaves(2, "--bell", "maybe"))
        self.assertIn("--rendezvous: expected", self.leaves(2, "--rendezvous", "x:99999"))
        self.write("other.json", {"console": {"bell": 3}})
        self.assertIn("console.bell: expected", self.leaves(2, "--config", "other.json"))

    def test_a_later_sentence_names_what_was_typed(self) -> None:
        options = self.parse("--on-message", "/bin/x")
        for place, shown in (
            ("hooks.message", "--on-message: [no]"),
            ("rendezvous.serve", "rendezvous.serve: [no]"),
        ):
            sentence = Sentence("{place}: [{why}]", place=place, why="no")
            self.assertEqual(str(options.in_options(sentence)), shown)
        self.assertEqual(
            str(options.in_options(Sentence("hooks.message: no"))), "hooks.message: no"
        )

    def test_bytes_that_are_no_text(self) -> None:
        self.assertEqual(
            self.leaves(2, "--name", "jos\udce9"),
            '--name: expected text in UTF-8, got "jos\\udce9"\n',
        )
        path = self.parse("--history", "/jos\udce9/x").settings.history.file
        self.assertEqual(path, "/jos\udce9/x")

    def test_the_home_in_every_path(self) -> None:
        home = os.path.expanduser("~")
        settings = self.parse(
            *("--history", "~/h", "--log-file", "~/l", "--control", "~/c", "--on-message", "~/m")
        ).settings
        self.assertEqual(
            (settings.history.file, settings.logging.file),
            (f"{home}/h", f"{home}/l"),
        )
        self.assertEqual(
            (settings.control.path, settings.hooks.message),
            (f"{home}/c", f"{home}/m"),
        )
        self.assertIn("~USER", self.leaves(2, "--history", "~nobody at all/x"))
        self.assertIn(f"{home}/no.json: ", self.leaves(2, "--config", "~/no.json"))

    def test_each_kind_of_wrong_value(self) -> None:
        self.write("bad.json", {"peer": {"port": "4000"}})
        for words in (
            ["--name", ""],
            ["--rendezvous", "a:b"],
            ["--rendezvous", ":80"],
            ["--serve-rendezvous", "x"],
            ["--log-level", "loud"],
            ["--config", "missing.json"],
            ["--config", "bad.json"],
        ):
            self.err.truncate(0)
            self.assertEqual(self.leaves(2, *words).count("\n"), 1)

    def test_a_file_that_somebody_else_may_change_is_not_read(self) -> None:
        hook = {"hooks": {"message": "/tmp/evil"}}
        self.write("config.json", hook)
        for place, mode in ((".", 0o777), (".", 0o1777), ("config.json", 0o666)):
            before = os.stat(place).st_mode
            os.chmod(place, mode)
            options = self.parse()
            self.assertIsNone(options.settings.hooks.message)
            self.assertIsNone(options.file)
            (warning,) = options.warnings
            self.assertIn("everybody may write it: --config config.json reads it", str(warning))
            self.assertEqual(
                self.parse("--config", "config.json").file, os.path.abspath("config.json")
            )
            os.chmod(place, before)
        self.patch(os, "geteuid", lambda: 12345)
        if os.stat(".").st_uid not in (0, 12345):
            self.assertIn("it belongs to", str(self.parse().warnings[0]))

    def test_a_link_is_followed_and_each_place_on_the_way_counts(self) -> None:
        for folder in ("ours", "theirs"):
            os.mkdir(folder)
            self.write(f"{folder}/config.json", {"peer": {"name": folder}})
        os.symlink("theirs/config.json", "config.json")
        self.assertEqual(self.parse().settings.peer.name, "theirs")
        os.chmod("theirs", 0o777)
        options = self.parse()
        self.assertIsNone(options.file)
        self.assertIn("theirs: everybody may write it", str(options.warnings[0]))
        # One that leads there by way of a folder of ours, and of a folder that is a link.
        os.symlink("../theirs", "ours/away")
        os.symlink("away/config.json", "ours/link")
        os.unlink("config.json")
        os.symlink("ours/link", "config.json")
        self.assertIsNone(self.parse().file)
        os.chmod("theirs", 0o755)
        self.assertEqual(self.parse().settings.peer.name, "theirs")
        os.chmod("theirs/config.json", 0o666)
        self.assertIn("theirs/config.json: everybody may write it", str(self.parse().warnings[0]))

    def test_a_fifo_is_refused_at_once(self) -> None:
        os.mkfifo("config.json")
        self.assertIn("it is no regular file", self.leaves(2))

    def test_a_file_that_is_there_must_be_right(self) -> None:
        os.symlink("nowhere", "config.json")
        self.assertEqual(self.leaves(2), "config.json: cannot be read: No such file or directory\n")

    def test_what_is_not_understood_ends_with_status_2(self) -> None:
        end = "; see p2pchat --help\n"
        for words, sentence in (
            (["--foo"], "option --foo not recognized"),
            (["--nmae", "x"], "option --nmae not recognized (did you mean --name?)"),
            (["--nam"], "option --nam not a unique prefix"),
            (["--port"], "option --port requires argument"),
            (["--stay=1"], "option --stay must not have an argument"),
            (["-x"], "option -x not recognized"),
            (["alice\x1b"], 'unexpected argument "alice\\u001b"'),
        ):
            self.err.truncate(0)
            self.err.seek(0)
            said = self.leaves(2, *words)
            self.assertTrue(said.startswith(f"p2pchat: {sentence}"), said)
            self.assertTrue(said.endswith(end), said)
            self.assertEqual(said.count("\n"), 1)

    def test_the_prefixes_that_were_possible_are_named(self) -> None:
        said = self.leaves(2, "--discovery=1", "--nam", "x")
        self.assertIn("(did you mean --name or --namespace?)", said)

    def test_it_is_told_in_the_language_that_was_asked_for(self) -> None:
        self.addCleanup(use, "en")
        for words, sentence in (
            (["--nmae", "x"], "opção --nmae desconhecida (você quis dizer --name?)"),
            (["--nam", "x"], "a opção --nam pode ser mais de uma"),
            (["--nam", "x"], "(você quis dizer --name ou --namespace?)"),
            (["--port"], "a opção --port precisa de um valor"),
            (["--stay=1"], "a opção --stay não recebe valor"),
            (["alice"], 'argumento inesperado "alice"; veja p2pchat --help\n'),
        ):
            self.assertIn(sentence, self.leaves(2, "--language", "pt_BR", *words))


class HelpTests(OptionsTestCase):
    def test_help_names_every_option_and_fits_a_terminal(self) -> None:
        with self.assertRaises(SystemExit) as caught:
            self.parse("--help")
        self.assertIn(caught.exception.code, (0, None))
        text = self.out.getvalue()
        self.assertTrue(text.startswith("Usage: p2pchat [options]\n"))
        self.assertIn("\n  p2pchat --name alice\n", text)
        for option in ChatOptions().longOpt:
            self.assertRegex(text, rf"\n  --{option.rstrip('=')}[ \n]")
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertTrue(text.isascii())

    def test_help_in_portuguese(self) -> None:
        self.addCleanup(use, "en")
        with self.assertRaises(SystemExit):
            self.parse("--language", "pt_BR", "--help")
        text = self.out.getvalue()
        self.assertTrue(text.startswith("Uso: p2pchat [opções]\n"))
        self.assertIn("\nVocê:\n  --name NAME ", text)
        self.assertIn("a parte depois do @ do seu nome (lobby)\n", text)
        self.assertIn("\n  --bell YES|NO                toca para o que é para você (yes)\n", text)
        self.assertIn("\n  peers                        quem está aí\n", text)

    def test_version(self) -> None:
        with self.assertRaises(SystemExit) as caught:
            self.parse("--version")
        self.assertEqual(caught.exception.code, 0)
        self.assertTrue(self.out.getvalue().startswith(f"p2pchat {__version__} (Twisted "))
        self.assertIn(f", history format {FORMAT.number})", self.out.getvalue())

    def test_a_command_without_examples(self) -> None:
        class Bare(CommandOptions):
            program = "bare"
            about = "Does little."

        self.assertEqual(str(Bare()), "Usage: bare [options]\n\nDoes little.\n")


class TwistdTests(OptionsTestCase):
    def twistd(self, *words: str) -> ServerOptions:
        self.patch(sys, "argv", ["/usr/bin/twistd", *words])
        parent = ServerOptions()
        self.patch(parent, "_getPlugins", lambda _interface: [PLUGIN])
        parent.parseOptions(words)
        self.options = parent.subOptions
        return parent

    def assertLogsTo(self, parent: ServerOptions, path: str) -> None:
        """twistd makes our observer, which writes to `path`."""
        self.assertIs(parent["logger"], twistd_observer)
        observer = twistd_observer()
        self.assertTrue(logger.ILogObserver.providedBy(observer))
        self.assertFalse(log.ILogObserver.providedBy(observer))
        observer({"log_level": LogLevel.error, "log_namespace": "Test", "log_format": "hello"})
        with open(path, encoding="utf-8") as file:
            self.assertIn("ERROR   [Test] hello\n", file.read())

    def test_a_daemon_logs_to_twistds_file_in_our_format(self) -> None:
        parent = self.twistd("p2pchat")
        self.assertEqual(
            (parent["nodaemon"], os.path.basename(parent["pidfile"])), (0, "twistd.pid")
        )
        self.assertLogsTo(parent, "twistd.log")

    def test_our_option_beats_twistds(self) -> None:
        self.assertLogsTo(self.twistd("--logfile", "b.log", "p2pchat"), "b.log")
        self.assertLogsTo(
            self.twistd("--logfile", "b.log", "p2pchat", "--log-file", "a.log"), "a.log"
        )

    def test_in_the_foreground_the_log_is_not_over_the_conversation(self) -> None:
        for flag in ("--nodaemon", "--debug"):
            self.patch(ServerOptions, "opt_debug", lambda parent: parent.update(debug=True))
            parent = self.twistd(flag, "p2pchat", "--namespace", "CIC")
            self.assertLogsTo(parent, os.path.join(self.folder, "p2pchat", "log", "ana@CIC.log"))

    def test_in_the_foreground_without_input_there_is_no_conversation(self) -> None:
        self.patch(options, "has_input", lambda: False)
        self.twistd("-n", "p2pchat")
        self.assertEqual(self.options.log_path, "-")

    def test_whoever_asks_twistd_for_another_logger_gets_it(self) -> None:
        parent = self.twistd(
            "--logger", "twisted.logger.LogPublisher", "p2pchat", "--log-level=error"
        )
        self.assertIs(parent["logger"], logger.LogPublisher)
        self.assertIsNone(self.twistd("--syslog", "p2pchat")["logger"])

    def test_the_level_is_set(self) -> None:
        self.twistd("p2pchat", "--log-level", "error")
        self.assertEqual(get_level(), "ERROR")

    def test_errors_have_their_status_there_too(self) -> None:
        for words, status, sentence in (
            (["--ping-interval", "soon"], 2, "--ping-interval: expected "),
            (["--foo"], 2, "twistd p2pchat: option --foo not recognized"),
        ):
            self.err.truncate(0)
            self.err.seek(0)
            with self.assertRaises(SystemExit) as caught:
                self.twistd("p2pchat", *words)
            self.assertEqual(caught.exception.code, status)
            self.assertTrue(self.err.getvalue().startswith(sentence), self.err.getvalue())

    def test_help_shows_what_to_type(self) -> None:
        self.assertRaises(SystemExit, self.twistd, "p2pchat", "--help")
        self.assertIn("\n  twistd p2pchat --name alice\n", self.out.getvalue())
        self.assertTrue(
            self.out.getvalue().startswith("Usage: twistd [options] p2pchat [options]\n")
        )


class TwistTests(OptionsTestCase):
    def twist(self, *words: str) -> TwistOptions:
        self.patch(TwistOptions, "plugins", {"p2pchat": PLUGIN})
        self.patch(TwistOptions, "installReactor", lambda _self, _name: None)
        self.patch(sys, "argv", ["/usr/bin/twist", *words])
        parent = TwistOptions()
        if "--log-file" not in words[: words.index("p2pchat")]:
            parent["logFile"] = sys.stdout
        parent.parseOptions(words)
        self.options = parent.subOptions
        return parent

    def own(self, parent: TwistOptions) -> bool:
        return bool(parent["fileLogObserverFactory"] is twistd_observer)

    def test_twist_logs_with_our_observer(self) -> None:
        parent = self.twist("p2pchat", "--log-file", "a.log")
        self.assertTrue(self.own(parent))
        self.assertEqual((self.options.log_path, parent["logLevel"]), ("a.log", LogLevel.debug))
        self.assertTrue(logger.ILogObserver.providedBy(twistd_observer(sys.stdout)))
        self.assertTrue(os.path.exists("a.log"))

    def test_not_over_the_conversation(self) -> None:
        self.assertTrue(self.own(self.twist("p2pchat")))
        self.assertTrue(self.options.log_path.endswith("/log/ana@lobby.log"))
        self.patch(options, "has_input", lambda: False)
        self.assertTrue(self.own(self.twist("p2pchat")))
        self.assertEqual(self.options.log_path, "-")

    def test_whoever_told_twist_where_to_log_gets_that(self) -> None:
        parent = self.twist("--log-file", "t.log", "p2pchat", "--log-level", "error")
        self.addCleanup(parent["logFile"].close)
        self.assertFalse(self.own(parent))
        self.assertEqual(get_level(), "ERROR")


class SurroundingsTests(OptionsTestCase):
    def test_the_log_of_the_script(self) -> None:
        self.assertEqual(self.parse("--log-file", "x.log").log_path, "x.log")
        self.assertTrue(self.parse().log_path.endswith("/p2pchat/log/ana@lobby.log"))
        self.assertTrue(self.parse("--name", "bob").log_path.endswith("/bob@lobby.log"))
        self.assertEqual(os.listdir("."), [])

    def test_login_names_become_names_of_peers(self) -> None:
        for login, name in (
            ("ana", "ana"),
            ("ana@example.org", "ana"),
            ("x" * 70, "x" * 64),
            (" ", "peer"),
            ("@", "peer"),
            ("a\x1bb", "ab"),
            ("jos\udce9", "jos"),
            ("z\u200bx", "zx"),
            ("#*bob", "bob"),
            ("x" * 63 + " y", "x" * 63),
        ):
            self.patch(getpass, "getuser", lambda login=login: login)
            self.assertEqual(login_name(), name)
            told = [f"the login name cannot be a name here: you are [{name}] (see --name)"]
            warnings = [*map(str, self.parse().warnings)]
            self.assertEqual(warnings[:1] if len(name) < 40 else told, told * (login != name))
            self.assertEqual([*self.parse("--name", "eva").warnings], [])

    def test_without_a_login_name(self) -> None:
        def fail() -> str:
            raise KeyError("no such user")

        self.patch(getpass, "getuser", fail)
        self.assertEqual(login_name(), "peer")

    def test_what_counts_as_input(self) -> None:
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        file = os.open(".", os.O_RDONLY)
        for fd, expected in ((reader, True), (null, False), (file, True)):
            self.assertEqual(has_input(fd), expected)
            os.close(fd)
        os.close(writer)
        self.assertFalse(has_input(writer))

    def test_a_terminal_is_input(self) -> None:
        parent, child = os.openpty()
        self.addCleanup(os.close, parent)
        self.addCleanup(os.close, child)
        self.assertTrue(has_input(child))


class PostOptionsTests(SynchronousTestCase):
    def test_subclasses_are_ordinary_options(self) -> None:
        self.assertTrue(issubclass(ChatOptions, usage.Options))
        words: Sequence[str] = [name.rstrip("=") for name in ChatOptions().longOpt]
        self.assertEqual(len(words), len(set(words)))
