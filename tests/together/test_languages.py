"""A person's language changes nothing of what the log has, and of what programs are told."""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.logs.formats import FORMATTERS, is_twisted
from p2pchat.logs.levels import get_level, set_level
from p2pchat.speech import LANGUAGES, use
from tests.support.control_sockets import ControlledTown

SENTENCES = {"error", "lines", "notice", "remark"}
"""Fields of the control socket that are for a person; `code` is the program's."""


class LanguageTests(SynchronousTestCase):
    def test_the_log_and_what_programs_read_are_english(self) -> None:
        self.addCleanup(use, "en")
        self.addCleanup(set_level, get_level())
        set_level("DEBUG")
        first, *others = [self.lived(language) for language in LANGUAGES]
        self.assertGreater(len(first), 30)
        for line in others:
            self.assertEqual(line, first)

    def lived(self, language: str) -> list[str]:
        """What a node logs and tells in the same minutes of its life, whoever reads it."""
        use(language)
        events: list[LogEvent] = []
        observer = cast("ILogObserver", events.append)
        globalLogPublisher.addObserver(observer)
        place = ControlledTown("carol@CIC", keeps=self)
        client = place.client()
        told: list[dict[str, Any]] = []
        client.say({"do": "subscribe", "events": [*EVENT_KINDS]})
        for request in (
            {"do": "send", "to": "bob@CIC", "text": "oi"},
            {"do": "send", "to": "#CIC", "text": "oi a todos"},
            {"do": "send", "to": "alice@CIC", "text": "eu"},
            {"do": "send", "to": "nobody@CIC", "text": "x" * 40_000},
            {"do": "status"},
            {"do": "peers"},
            {"do": "conn"},
            {"do": "history", "scope": "bob@CIC"},
            {"do": "fly"},
        ):
            client.say(request)
            place.town.run(2)
        place.town.kill(place.bob)
        place.town.run(120)
        client.say({"do": "send", "to": "bob@CIC", "text": "is he here?"}, {"do": "outbox"})
        place.town.run(2)
        told += client.heard()
        # Memory and time of the process are in there.
        told.append({"names": names(client.ask("stats"))})
        client.hang_up()
        place.close()
        globalLogPublisher.removeObserver(observer)
        ours = [{**event, "log_time": 0.0} for event in events if not is_twisted(event)]
        return [
            *(form(event) for form in FORMATTERS.values() for event in ours),
            *(json.dumps({**answer, **dict.fromkeys(SENTENCES & {*answer})}) for answer in told),
        ]


def names(value: object) -> object:
    """The names in a dictionary of dictionaries, without what each of them is."""
    return {key: names(it) for key, it in value.items()} if isinstance(value, dict) else None
