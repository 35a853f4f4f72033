"""Makes the catalogues of p2pchat/locale anew, from the sentences that are marked in the source.

    .venv/bin/python docs/catalogue.py              # extra `test`, for Babel
    .venv/bin/python docs/catalogue.py OTHER.po     # takes what is missing from there

What is new in the source comes into each .po without a translation, and what is gone goes. Nothing
is guessed from sentences that are alike. Then each .mo is made. The same source and translations
make the same bytes, without dates. Entries stand by file, so that branches which mark different
files merge. The exit status is 1 while something has no translation; it is named.

The second form joins two branches: keep one's .po as a whole, and name the other's. Both must be of
one language.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).resolve().parents[1]
LOCALE: Final = ROOT / "p2pchat" / "locale"

Key: TypeAlias = str | tuple[str, ...]
"""A sentence in English, or its singular and its plural."""

# For pt_BR, Babel would ask for a third form (that of "milhões de"). A catalogue that has two has
# `gettext` fall back to English for the second one.
PLURALS: Final = {"pt_BR": "(n > 1)"}
"""Language -> which of two forms a number `n` has."""

KEYWORDS: Final = {
    **dict.fromkeys(("_", "N_", "Sentence")),
    **dict.fromkeys(("ngettext", "counted"), (1, 2)),
}
"""What marks a sentence, as Babel wants it; see p2pchat/speech.py."""

ARGPARSE: Final[Sequence[Key]] = (
    " (default: %(default)s)",
    "%(heading)s:",
    "%(prog)s: error: %(message)s\n",
    "ambiguous option: %(option)s could match %(matches)s",
    "argument %(argument_name)s: %(message)s",
    "expected at least one argument",
    "expected at most one argument",
    "expected one argument",
    "ignored explicit argument %r",
    "invalid %(type)s value: %(value)r",
    "invalid choice: %(value)r (choose from %(choices)s)",
    "not allowed with argument %s",
    "one of the arguments %s is required",
    "options",
    "positional arguments",
    "show this help message and exit",
    "the following arguments are required: %s",
    "unexpected option string: %s",
    "unrecognized arguments: %s",
    "usage: ",
    ("expected %s argument", "expected %s arguments"),
)
"""The words of Python's own argparse that a person can meet, in any version."""


class Ours(Catalog):
    """A catalogue with a header that is always the same: no date, and no version of Babel."""

    def __init__(self, language: str) -> None:
        about = f"# The sentences of p2pchat in {language}; docs/languages.md tells about them."
        super().__init__(header_comment=about, fuzzy=False)
        self._language = language

    @property  # type: ignore[misc]
    def mime_headers(self) -> list[tuple[str, str]]:
        """What the .po and the .mo begin with."""
        return [
            ("Project-Id-Version", "p2pchat"),
            ("Language", self._language),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]

    @property
    def num_plurals(self) -> int:
        """How many forms each sentence with a number has."""
        return 2

    @property
    def plural_forms(self) -> str:
        """The same, and which numbers have which, as gettext reads it."""
        return f"nplurals=2; plural={PLURALS[self._language]};"


@cache
def marked() -> dict[Key, list[str]]:
    """Every sentence that the source marks -> the files that do, in the order of a .po."""
    found: dict[Key, list[str]] = {key: ["argparse"] for key in ARGPARSE}
    for path in sorted((ROOT / "p2pchat").rglob("*.py")):
        content, name = path.read_bytes(), path.relative_to(ROOT).as_posix()
        # Babel takes its time, and without this nothing is marked.
        if b"from p2pchat.speech import" not in content:
            continue
        for key in filter(has_words, marked_in(content)):
            files = found.setdefault(key, [])
            if name not in files:
                files.append(name)
    return dict(sorted(found.items(), key=lambda entry: (entry[1][0], _text(entry[0]))))


def marked_in(source: bytes) -> Iterator[Key]:
    """Every sentence that one file marks."""
    for _, key, _, _ in extract("python", io.BytesIO(source), keywords=KEYWORDS):
        yield key


def read(path: Path) -> dict[str, Message]:
    """What a .po has, by its English; of a sentence with a number by the singular."""
    if not path.exists():  # a language that is new
        return {}
    with path.open("rb") as file:
        return {_text(message.id): message for message in read_po(file) if message.id}


def made(language: str, *places: Path) -> Ours:
    """The catalogue of the source as it is; each translation is from the first place that has it.

    Something that is called fuzzy there is not taken.
    """
    known: dict[str, Message] = {}
    for place in places:
        for text, message in read(place).items():
            if any(_forms(message)) and not message.fuzzy:
                known.setdefault(text, message)
    catalogue = Ours(language)
    for key, files in marked().items():
        old = known.get(_text(key))
        # A sentence that has got a plural is another one.
        string = old.string if old is not None and old.id == key else ""
        catalogue.add(key, string, [(name, 0) for name in files])
    return catalogue


def as_po(catalogue: Ours) -> bytes:
    """The bytes of its .po."""
    file = io.BytesIO()
    write_po(file, catalogue, width=0, include_lineno=False)
    return file.getvalue().rstrip(b"\n") + b"\n"


def as_mo(catalogue: Ours) -> bytes:
    """The bytes of its .mo."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Ours) -> list[str]:
    """The sentences that lack a translation, or one of its forms."""
    return [
        _text(message.id)
        for message in catalogue
        if message.id and not all(form for form in _forms(message))
    ]


def po_of(language: str) -> Path:
    """Where the .po of a language is; the .mo is beside it."""
    return LOCALE / language / "LC_MESSAGES" / "p2pchat.po"


def has_words(key: Key) -> bool:
    """Whether there is something to translate beside what is put in, as not in `{path}: {why}`."""
    return re.search(r"[^\W\d_]", re.sub(r"\{\w*\}", "", _text(key))) is not None


def _text(key: Key | list[str]) -> str:
    return key if isinstance(key, str) else key[0]


def _forms(message: Message) -> Sequence[str]:
    string = message.string or ""
    forms = [string] if isinstance(string, str) else list(string)
    return forms if isinstance(message.id, str) or len(forms) == 2 else [*forms, ""]


def main(others: Sequence[str]) -> int:
    """Make all catalogues; returns the exit status."""
    missing = 0
    for language in PLURALS:
        place = po_of(language)
        catalogue = made(language, place, *map(Path, others))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(as_po(catalogue))
        place.with_suffix(".mo").write_bytes(as_mo(catalogue))
        lacking = untranslated(catalogue)
        missing += len(lacking)
        print(f"{place.relative_to(ROOT)}: {len(catalogue)} entries, {len(lacking)} to translate")
        for text in lacking:
            print(f"  {text!r}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
