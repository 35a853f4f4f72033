"""The language that a person reads, and what stays English in each of them."""

from __future__ import annotations

import os
from gettext import NullTranslations
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.settings.checks import ConfigError
from p2pchat.speech import N_, Sentence, _, asked, counted, ngettext, spoken, use

PORTUGUESE = "pt_BR"


class SpeechTests(SynchronousTestCase):
    """A catalogue of its own: what the tests say is not what the program says."""

    def setUp(self) -> None:
        self.addCleanup(use, "en")
        self.patch(os, "environ", {})

    def speak(self, **texts: str) -> None:
        """Speak a language in which these are the translations."""
        from p2pchat import speech

        known = {"{n} dog": texts.get("one", ""), "{n} dogs": texts.get("more", ""), **texts}
        words = {english: text for english, text in known.items() if text}

        class Spoken(NullTranslations):
            def gettext(self, message: str) -> str:
                return words.get(message, message)

            def ngettext(self, singular: str, plural: str, n: int) -> str:
                return self.gettext(singular if n == 1 else plural)

        self.patch(speech, "_spoken", Spoken())


class ChoiceTests(SpeechTests):
    def test_the_language_of_the_environment(self) -> None:
        for value, language in (
            ("pt_BR.UTF-8", "pt_BR"),
            ("pt_BR", "pt_BR"),
            ("pt_PT@euro", "pt_BR"),
            ("pt", "pt_BR"),
            ("en_GB.UTF-8", "en"),
            ("de_DE.UTF-8", "en"),
            ("C", "en"),
            ("C.UTF-8", "en"),
            ("POSIX", "en"),
            ("", "en"),
            ("../../etc", "en"),
            ("_", "en"),
        ):
            self.assertEqual(use(None, {"LANG": value}), language, value)

    def test_the_first_that_is_set_decides(self) -> None:
        self.assertEqual(use(None, {"LANG": "en_US", "LC_MESSAGES": "pt_BR"}), "pt_BR")
        self.assertEqual(use(None, {"LC_MESSAGES": "pt_BR", "LC_ALL": "C"}), "en")
        self.assertEqual(use(None, {"LC_ALL": "", "LANG": "pt_BR"}), "pt_BR")
        self.assertEqual(use(None, {"LC_CTYPE": "pt_BR", "LANGUAGE": "pt_BR"}), "en")

    def test_what_was_said_beats_the_environment(self) -> None:
        self.assertEqual(use("en", {"LANG": "pt_BR"}), "en")
        self.assertEqual(use("pt_BR", {"LC_ALL": "C"}), "pt_BR")

    def test_the_process_has_one_environment(self) -> None:
        os.environ["LANG"] = "pt_BR.UTF-8"
        self.assertEqual(use(), "pt_BR")

    def test_a_command_line_that_is_not_parsed_yet(self) -> None:
        self.assertIsNone(asked(()))
        self.assertIsNone(asked(("--name", "pt_BR")))
        self.assertEqual(asked(("--help", "--language", "pt_BR")), "pt_BR")
        self.assertEqual(asked(("--language=pt_br",)), "pt_BR")
        self.assertEqual(asked(("--language", "en", "--language=pt_BR")), "pt_BR")
        self.assertIsNone(asked(("--language",)))
        self.assertIsNone(asked(("--language", "klingon")))
        # That is the text of a message.
        self.assertIsNone(asked(("bob@CIC", "--", "--language", "pt_BR")))

    def test_it_can_be_changed(self) -> None:
        use("pt_BR")
        self.assertEqual(_("usage: "), "uso: ")
        use("en")
        self.assertEqual(_("usage: "), "usage: ")

    def test_a_damaged_catalogue_is_english(self) -> None:
        from p2pchat import speech

        whole = (speech.FOLDER / "pt_BR" / speech.CATALOGUE).read_bytes()
        folder = Path(self.mktemp())
        file = folder / "pt_BR" / speech.CATALOGUE
        file.parent.mkdir(parents=True)
        self.patch(speech, "FOLDER", folder)
        for damaged in (b"", whole[:30], whole[:1000], whole[:-5000], b"\xff" * 1000):
            file.write_bytes(damaged)
            use("pt_BR")
            self.assertEqual(_("usage: "), "usage: ", len(damaged))
        file.unlink()
        file.mkdir()
        use("pt_BR")
        self.assertEqual(_("usage: "), "usage: ")

    def test_nothing_is_nothing(self) -> None:
        """The empty text is the key of the catalogue's header."""
        use("pt_BR")
        self.assertEqual(_(""), "")
        self.assertEqual(Sentence("").said(), "")


class SentenceTests(SpeechTests):
    WHY: ClassVar = Sentence("no dog at {place}", place="home")
    TEXTS: ClassVar = {
        "no dog at {place}": "sem cachorro em {place}",
        "nothing: {why}": "nada: {why}",
    }

    def test_it_is_english_and_what_the_person_reads(self) -> None:
        self.speak(**self.TEXTS)
        self.assertEqual(str(self.WHY), "no dog at home")
        self.assertEqual(f"{self.WHY}", "no dog at home")
        self.assertEqual(self.WHY.said(), "sem cachorro em home")
        self.assertEqual(spoken(self.WHY), "sem cachorro em home")

    def test_what_is_put_in_is_never_a_template(self) -> None:
        self.speak(**self.TEXTS)
        name = Sentence("no dog at {place}", place="{n}{place!r:>999}")
        self.assertEqual(name.said(), "sem cachorro em {n}{place!r:>999}")

    def test_a_sentence_in_a_sentence(self) -> None:
        self.speak(**self.TEXTS)
        for why in (self.WHY, ValueError(self.WHY), ConfigError(self.WHY)):
            outer = Sentence("nothing: {why}", why=why)
            self.assertEqual(str(outer), "nothing: no dog at home")
            self.assertEqual(outer.said(), "nada: sem cachorro em home")

    def test_an_error_carries_one(self) -> None:
        self.speak(**self.TEXTS)
        error = ConfigError(self.WHY)
        self.assertEqual(str(error), "no dog at home")
        self.assertEqual(spoken(error), "sem cachorro em home")
        self.assertEqual(spoken(ConfigError(*error.args)), "sem cachorro em home")
        # That of somebody else has its text alone.
        self.assertEqual(spoken(OSError(2, "No such file")), "[Errno 2] No such file")
        self.assertEqual(spoken(ValueError()), "")
        self.assertEqual(spoken("text"), "text")

    def test_numbers(self) -> None:
        self.speak(one="um cachorro", more="{n} cachorros")
        for n, english, portuguese in ((1, "1 dog", "um cachorro"), (2, "2 dogs", "2 cachorros")):
            sentence = counted("{n} dog", "{n} dogs", n)
            self.assertEqual(str(sentence), english)
            self.assertEqual(sentence.said(), portuguese)
            self.assertEqual(ngettext("{n} dog", "{n} dogs", n).format(n=n), portuguese)
        self.assertEqual(str(counted("{n} dog", "{n:,} dogs", 1_000_000)), "1,000,000 dogs")

    def test_a_sentence_without_a_translation_is_english(self) -> None:
        use("pt_BR")
        self.assertEqual(
            spoken(Sentence("{n} unicorns of {who}", n=3, who="ana")), "3 unicorns of ana"
        )
        self.assertEqual(spoken(counted("{n} unicorn", "{n} unicorns", 0)), "0 unicorns")

    def test_a_mark_changes_nothing(self) -> None:
        use("pt_BR")
        self.assertEqual(N_("usage: "), "usage: ")
