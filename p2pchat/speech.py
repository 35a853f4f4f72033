"""What a person reads, in the person's language: English, or Portuguese as it is written in Brazil.

    use("pt_BR")                                     # once, before anything is shown
    _("{peer} is connected").format(peer=peer)       # shown, and nothing else
    ngettext("{n} message waits", "{n} messages wait", n).format(n=n)
    N_("who is there")                               # in a table: _(row.about) when it is shown
    ConfigError(Sentence("{path}: larger than {limit} bytes", path=path, limit=limit))
    counted("{n} message waits", "{n} messages wait", n)              # a Sentence with a number

Rules: the English sentence is the key of the catalogue, so it stands in the source as one literal,
and values are put in afterwards, by name. What a program reads, and what is logged, is English in
every language: a text that is both shown and logged is a `Sentence`, or an error that carries one.
Then `str(it)` is English, and `spoken(it)` what the person reads. The language is one for the whole
process, and English until `use` is called: a program that has a node in it decides for itself.

docs/languages.md tells how to mark a sentence, and how to add a language.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final, TypeAlias

ENGLISH: Final = "en"
LANGUAGES: Final = (ENGLISH, "pt_BR")
"""What `use` knows, as `--language` takes it."""
FOLDER: Final = Path(__file__).with_name("locale")
"""Where the catalogues are, each in the folder of its language."""
CATALOGUE: Final = "LC_MESSAGES/p2pchat.mo"

_OPTION: Final = "--language"
_spoken: NullTranslations = NullTranslations()


def use(language: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Speak `language` from now on, one of `LANGUAGES`; None: that of the environment.

    The environment's is the first of LC_ALL, LC_MESSAGES and LANG that is set. One that is not
    known is English. Returns the language. Call it again to change it.
    """
    global _spoken
    chosen = language or _of(os.environ if environ is None else environ)
    _spoken = NullTranslations()
    if chosen == ENGLISH or chosen not in LANGUAGES:
        return ENGLISH
    # gettext.translation imports locale first, which takes longer than all of this. A catalogue
    # that is gone, or damaged, raises many kinds of errors: English is better than no program.
    with suppress(Exception), (FOLDER / chosen / CATALOGUE).open("rb") as file:
        _spoken = GNUTranslations(file)
    return chosen


def asked(words: Sequence[str]) -> str | None:
    """The language that a command line asks for; None if it asks for none that is known.

    For `use` before the command line is parsed: its help and its complaints are in that language.
    """
    found = ""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word == "--":
            break
        if word == _OPTION:
            found = following
        elif word.startswith(f"{_OPTION}="):
            found = word.partition("=")[2]
    return next((it for it in LANGUAGES if it.lower() == found.lower()), None)


def _of(environ: Mapping[str, str]) -> str:
    set_ones = filter(None, map(environ.get, ("LC_ALL", "LC_MESSAGES", "LANG")))
    code = re.split(r"[_.@-]", next(set_ones, ""))[0].lower()
    return next((language for language in LANGUAGES if language[:2] == code), ENGLISH)


def _(text: str) -> str:
    """`text` in the person's language: a literal, or what was marked with `N_`."""
    # The empty text is the key of the catalogue's header.
    return _spoken.gettext(text) if text else text


def N_(text: str) -> str:
    """`text` itself, marked for the catalogue; give it to `_` when it is shown."""
    return text


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form for `n` in the person's language; both texts are literals with a `{n}`."""
    return _spoken.ngettext(singular, plural, n)


class Sentence:
    """A sentence that is shown, and logged or told to a program, too.

    `text`: a literal. `fields`: what is put in for its `{names}`. Those that are sentences, or
    errors that carry one, are said in the person's language as well.
    """

    __slots__ = ("_n", "_plural", "_text", "fields")

    def __init__(self, text: str, /, **fields: object) -> None:
        self._text = text
        self._plural = ""
        self._n = 1
        self.fields: Mapping[str, object] = fields
        """What is put in, by name."""

    def __str__(self) -> str:
        """It in English, for logs and programs."""
        text = self._text if self._n == 1 or not self._plural else self._plural
        return text.format(**self.fields)

    def __repr__(self) -> str:
        return f"Sentence({str(self)!r})"

    def but(self, **fields: object) -> Sentence:
        """The same with other values for some of its fields."""
        other = Sentence(self._text, **{**self.fields, **fields})
        other._plural, other._n = self._plural, self._n
        return other

    def said(self) -> str:
        """It in the person's language."""
        text = ngettext(self._text, self._plural, self._n) if self._plural else _(self._text)
        return text.format(**{name: _as_said(field) for name, field in self.fields.items()})


def counted(singular: str, plural: str, n: int, /, **fields: object) -> Sentence:
    """A `Sentence` that depends on a number, which is its `{n}`."""
    sentence = Sentence(singular, n=n, **fields)
    sentence._plural, sentence._n = plural, n
    return sentence


Spoken: TypeAlias = str | Sentence | BaseException | None
"""What `spoken` takes; a text is in the person's language already. None is nothing: that is what
the value of a `Failure` may be."""


def plain(text: str) -> Sentence:
    """Somebody else's words, for where a `Sentence` is wanted: the same in every language."""
    return Sentence("{text}", text=text)


def sentence_of(error: BaseException) -> Sentence:
    """What to hand on of an error, for another one: `ConfigError(sentence_of(why))`."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, Sentence) else plain(str(error))


def spoken(what: Spoken) -> str:
    """What the person is told: a sentence, or an error's, in their language; else the text of it.

    An error carries a sentence when it was made with one: `ConfigError(Sentence(...))`.
    """
    return "" if what is None else str(_as_said(what))


def _as_said(what: object) -> object:
    """A sentence or an error as it is said, and anything else as it is: it may be formatted."""
    if isinstance(what, BaseException):
        what = sentence_of(what)
    return what.said() if isinstance(what, Sentence) else what
