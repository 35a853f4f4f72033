"""README.md, and what stands in every document: commands, links, defaults, the picture."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.settings import ServerSettings
from p2pchat.settings.table import SETTINGS, settings_of
from tests.support.processes import ROOT

PAGES: Final = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PORTUGUESE: Final = ROOT / "README.pt-BR.md"
DOCUMENTS: Final = [*PAGES, PORTUGUESE, *sorted((ROOT / "docs").glob("*.md"))]
UNITS: Final = {
    "MiB": 1_048_576,
    "MB": 1_000_000,
    "KiB": 1024,
    "hours": 3600,
    "days": 86_400,
}


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def amount(number: str, unit: str) -> float:
    """What a number of a document means: `1 MiB`, `10,000`, `7 days`."""
    return float(number.replace(",", "")) * UNITS.get(unit, 1)


class FirstPageTests(SynchronousTestCase):
    text = text_of(ROOT / "README.md")

    def test_two_commands_do_all_the_set_up(self) -> None:
        """Each under its own heading; the second is the one that .ci/run runs."""
        parts = re.split(r"(?m)^## (.+)$", self.text)[1:]
        blocks = {
            heading: re.findall(r"(?ms)^```sh\n(.*?)\n```$", body)
            for heading, body in zip(parts[::2], parts[1::2], strict=True)
        }
        blocks = {heading: found for heading, found in blocks.items() if found}
        self.assertEqual([*blocks], ["Try it", "Run the tests"])
        (try_it,), (run,) = blocks.values()
        self.assertRegex(try_it, r"^python3 -m venv \.venv && .* \.venv/bin/p2pchat$")
        self.assertRegex(run, r"^python3 -m venv \.venv && .* -m twisted\.trial .*\btests$")
        self.assertIn('$0 == "## Run the tests"', text_of(ROOT / ".ci" / "run"))

    def test_what_is_typed_is_the_same_in_portuguese(self) -> None:
        """Its commands, and the lines that are typed, are those of README.md."""
        text = text_of(PORTUGUESE)
        blocks = re.compile(r"(?ms)^```sh\n(.*?)\n```$")
        self.assertEqual(blocks.findall(text), blocks.findall(self.text))
        typed = re.findall(r"`((?:p2pchat|\.venv|/|--)[^`]*)`|(?m:^    (/.*)$)", text)
        self.assertGreater(len(typed), 10)
        for words in filter(None, (word for pair in typed for word in pair)):
            if not words.startswith("--language"):
                self.assertIn(words, self.text)
        self.assertIn("(README.pt-BR.md)", self.text)
        self.assertIn("(README.md)", text)

    def test_every_document_is_in_its_table(self) -> None:
        table = self.text.partition("\n## Documents\n")[2].partition("\n## ")[0]
        for path in (ROOT / "docs").glob("*.md"):
            step = f"add docs/{path.name} to README.md, Documents"
            self.assertIn(f"(docs/{path.name})", table, step)

    def test_the_picture_tells_nothing_of_who_made_it(self) -> None:
        picture = text_of(ROOT / "docs" / "console.svg")
        self.assertLess(len(picture), 60_000)
        self.assertIn("(docs/console.svg)", self.text)
        words = re.findall(r">([^<]+)</text>", picture)
        for word in ("verified", "✓", "…", "unread"):
            self.assertTrue(any(word in text for text in words), word)
        self.assertEqual([text for text in words if re.search(r"/\w+/|\.venv|Traceback", text)], [])

    def test_the_pictures_of_the_page_are_small(self) -> None:
        text = text_of(ROOT / "docs" / "web.md")
        for path in sorted((ROOT / "docs").glob("*.png")):
            self.assertLess(path.stat().st_size, 80_000, path.name)
            self.assertIn(f"({path.name})", text)


class DocumentsTests(SynchronousTestCase):
    def test_links_lead_somewhere(self) -> None:
        for path in DOCUMENTS:
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(path)):
                if not re.match(r"\w+:", link):
                    self.assertTrue((path.parent / link).exists(), f"{path.name}: {link}")

    def test_a_default_in_a_document_is_that_of_its_setting(self) -> None:
        """``limits.max_links` (10,000)`, `catch_up` (200)`; what has no section has one meaning."""
        defaults: dict[str, set[object]] = {}
        for each in SETTINGS:
            for name in (each.key, each.field, f".{each.field}"):
                defaults.setdefault(name, set()).add(each.default)
        for each in settings_of(ServerSettings):
            if isinstance(each.default, int):
                defaults[f"--{each.option}"] = {each.default}
        seen = 0
        for path in DOCUMENTS:
            for name, number, unit in re.findall(
                r"`([\w.-]+)` \(([\d,]+(?:\.\d+)?) ?([A-Za-z]*)", text_of(path)
            ):
                if len(defaults.get(name, ())) == 1:
                    seen += 1
                    said = amount(number, unit)
                    self.assertEqual({said}, defaults[name], f"{path.name}: `{name}` ({number}")
        self.assertGreater(seen, 25)


class ArchitectureTests(SynchronousTestCase):
    """docs/architecture.md against what there is."""

    text = " ".join(text_of(ROOT / "docs" / "architecture.md").split())
    setup = configparser.ConfigParser()

    def setUp(self) -> None:
        self.setup.read(ROOT / "setup.cfg", encoding="utf-8")

    def test_the_extras(self) -> None:
        said = self.text.partition("Extras:")[2].partition(". ")[0]
        extras = self.setup["options.extras_require"]
        self.assertEqual(set(re.findall(r"`([\w-]+)`", said)), {*extras})
        for extra, needs in extras.items():
            of_it = said.partition(f"`{extra}`")[2].partition(")")[0]
            for package in re.findall(r"(?m)^([\w-]+)(?!.*\[)", needs):
                step = f"add it to {extra} in docs/architecture.md, Extras"
                self.assertIn(package, of_it, step)

    def test_the_dependencies(self) -> None:
        table = self.text.partition("| package | why |")[2].partition("Extras:")[0]
        for package in re.findall(
            r"(?m)^([\w.-]+?)[><=]", self.setup["options"]["install_requires"]
        ):
            step = f"say in docs/architecture.md, Dependencies, why {package} is needed"
            self.assertRegex(table, rf"\| [^|]*\b{re.escape(package)}\b[^|]* \|", step)

    def test_the_seams(self) -> None:
        for path in sorted((ROOT / "p2pchat").rglob("*.py")):
            for name in re.findall(r"(?m)^class (I[A-Z]\w+)\(Interface\)", text_of(path)):
                step = f"name the seam {name} in docs/architecture.md, Dependencies"
                self.assertIn(f"`{name}`", self.text, step)
        for name in re.findall(r"`(I[A-Z][a-z]\w+)`", self.text):
            sources = "".join(map(text_of, (ROOT / "p2pchat").rglob("*.py")))
            self.assertIn(f"class {name}(", sources, f"there is no {name}")

    def test_every_folder_is_described(self) -> None:
        for path in sorted((ROOT / "p2pchat").glob("*/*/__init__.py")):
            folder = path.parent.relative_to(ROOT / "p2pchat").as_posix()
            step = f"say in docs/architecture.md, The house, what {folder}/ has"
            self.assertIn(f"`{folder}/", self.text, step)

    def test_a_room_has_the_modules_that_are_named(self) -> None:
        house = text_of(ROOT / "docs" / "architecture.md").partition("## The way")[0]
        for room, words in re.findall(r"(?ms)^\*\*(\w+)\*\* (.*?)\n\n", house):
            modules = {path.stem for path in (ROOT / "p2pchat" / room).rglob("*.py")}
            for name in set(re.findall(r"`([a-z_]+)`", words)):
                self.assertIn(name, modules, f"{room} has no module {name}")

    def test_the_files_of_the_history(self) -> None:
        text = text_of(ROOT / "docs" / "history.md").partition("| file in `p2pchat/history/` |")[2]
        said = set(re.findall(r"`(\w+\.py)`", text.partition("\n\n")[0]))
        there = {path.name for path in (ROOT / "p2pchat" / "history").glob("[a-z]*.py")}
        self.assertEqual(there - said, set(), "add a row to docs/history.md, How it is made")
        self.assertEqual(said - there, set(), "take it out of docs/history.md, How it is made")
