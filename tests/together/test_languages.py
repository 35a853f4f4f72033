"""A person's language changes nothing of what the log has, and of what programs are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.logs.file import LogFile
from p2pchat.logs.formats import FORMATTERS, is_twisted
from p2pchat.logs.levels import get_level, set_level
from p2pchat.logs.output import FileObserver
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import LANGUAGES, Sentence, use
from p2pchat.testing.directory import Fault
from tests.support.control_sockets import ControlledTown

SENTENCES = {"error", "lines", "line", "remark"}
"""Fields of the control socket that are for a person; `code` is the program's. So is the `text` of
a notice, but not that of a message."""
LINES = (
    "/msg",
    "/peers",
    "/peers CIC",
    "/nonsense",
    "/conn",
    "/history bob@CIC",
    "/away fora",
    "/back",
)
"""What a person types."""


class Life(NamedTuple):
    """What came of the same minutes of a node's life."""

    logs: dict[str, bytes]
    """The log file in each format."""
    told: list[dict[str, Any]]
    """The answers and events of its control socket."""

    def facts(self) -> list[bytes]:
        """What programs read of it, byte for byte, without the sentences."""
        return [json.dumps({**it, **dict.fromkeys(_for_people(it))}).encode() for it in self.told]

    def sentences(self) -> list[Any]:
        """What a person reads of it."""
        return [value for it in self.told for value in _for_people(it).values() if value]


def _for_people(said: dict[str, Any]) -> dict[str, Any]:
    names = {"text"} if said.get("event") == "notice" else SENTENCES
    # The history's lines, and the figures, are a program's.
    return {
        name: value
        for name, value in said.items()
        if name in names and not (name == "lines" and value and isinstance(value[0], dict))
    }


class LanguageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(use, "en")
        self.addCleanup(set_level, get_level())

    def test_the_log_and_what_programs_read_are_english(self) -> None:
        set_level("DEBUG")
        english, *others = [self.lived(language) for language in LANGUAGES]
        for log in english.logs.values():
            self.assertGreater(log.count(b"\n"), 30)
        self.assertGreater(len(english.sentences()), 25)
        self.assertIn("undelivered", [it.get("event") for it in english.told])
        for other in others:
            self.assertEqual(other.logs, english.logs)
            self.assertEqual(other.facts(), english.facts())

    def test_what_a_person_reads_is_not(self) -> None:
        english, portuguese = [self.lived(language) for language in ("en", "pt_BR")]
        self.assertEqual(len(english.sentences()), len(portuguese.sentences()))
        answers = {answer["id"]: answer for answer in portuguese.told if "id" in answer}
        for name, said in (
            ("fly", 'não há pedido "fly"'),
            ("nobody", "não há esse peer: [nobody]"),
            ("nothing", "não há texto para enviar"),
            ("loud", 'era esperado um de DEBUG, INFO, WARNING, ERROR, veio "loud"'),
            ("key", "este nó não tem chave, e não criptografa nada"),
            ("page", "este nó não tem página"),
            ("reload", "nada foi alterado: x.json"),
            ("late", "a mensagem fica guardada, e é enviada quando ele estiver"),
        ):
            self.assertIn(said, answers[name]["error"])

    def lived(self, language: str) -> Life:
        """What a node logs and tells in the same minutes of its life, whoever reads it."""
        use(language)
        logs = {name: self.mktemp() for name in FORMATTERS}
        observers = [
            _observer(LogFile(path, max_bytes=10**9, files=1, warn=self.fail), name)
            for name, path in logs.items()
        ]
        for observer in observers:
            globalLogPublisher.addObserver(observer)
        place = ControlledTown("carol@CIC", keeps=self)
        place.service.requests._reload = _not_reloaded
        client = place.client()
        client.say({"do": "subscribe", "events": [*EVENT_KINDS]})
        requests: tuple[dict[str, Any], ...] = (
            {"do": "send", "to": "bob@CIC", "text": "oi"},
            {"do": "send", "to": "#CIC", "text": "oi a todos"},
            {"do": "send", "to": "alice@CIC", "text": "eu"},
            {"do": "send", "to": "nobody@CIC", "text": "x" * 40_000},
            {"id": "nobody", "do": "send", "to": "nobody", "text": "x"},
            {"id": "nothing", "do": "send", "to": "bob", "text": ""},
            {"do": "status"},
            {"do": "peers"},
            {"do": "peers", "scope": "CIC"},
            {"do": "conn"},
            {"do": "rtt"},
            {"do": "history", "scope": "bob@CIC"},
            {"do": "history", "before": 1, "after": 1},
            {"do": "search", "words": "oi"},
            {"do": "search"},
            {"do": "conversations"},
            {"do": "read"},
            {"do": "cancel", "msg_ids": []},
            {"do": "outbox", "msg_ids": ["none"]},
            {"do": "block", "entry": "*@*"},
            {"do": "block", "entry": "192.0.2.7"},
            {"do": "subscribe", "events": ["weather"]},
            {"id": "fly", "do": "fly"},
            {"id": "loud", "do": "log", "level": "loud"},
            {"id": "key", "do": "keys"},
            {"id": "page", "do": "web"},
            {"id": "reload", "do": "reload"},
            *({"do": "run", "line": line} for line in LINES),
        )
        for request in requests:
            client.say(request)
            place.town.run(2)
        place.town.rendezvous.fault = Fault.DEAD
        place.town.kill(place.bob)
        client.say({"id": "lost", "do": "send", "to": "bob@CIC", "text": "are you there?"})
        place.town.run(120)
        client.say({"id": "late", "do": "send", "to": "bob@CIC", "text": "is he here?"})
        client.say({"do": "outbox"})
        place.town.run(2)
        outbox = [each.msg_id for each in place.alice.outgoing.outbox]
        client.say({"do": "cancel", "msg_ids": outbox})
        place.town.run(2)
        client.say({"do": "run", "line": "/quit"}, {"do": "run", "line": "/peers"})
        place.town.run(2)
        told = client.heard()
        # Memory and time of the process are in there.
        told.append({"names": names(client.ask("stats"))})
        client.hang_up()
        place.close()
        for observer in observers:
            globalLogPublisher.removeObserver(observer)
        return Life({name: Path(path).read_bytes() for name, path in logs.items()}, told)


def _observer(file: LogFile, name: str) -> ILogObserver:
    """Writes what is ours to this file, in the format of this name; the clock stands still."""
    write = FileObserver(file, FORMATTERS[name])

    def observe(event: LogEvent) -> None:
        if not is_twisted(event):
            write({**event, "log_time": 0.0})

    return cast("ILogObserver", observe)


def _not_reloaded() -> list[str]:
    why = ConfigError(Sentence("{path}: larger than {limit} bytes", path="x.json", limit=9))
    raise ConfigError(Sentence("nothing was changed: {why}", why=why))


def names(value: object) -> object:
    """The names in a dictionary of dictionaries, without what each of them is."""
    return {key: names(it) for key, it in value.items()} if isinstance(value, dict) else None
