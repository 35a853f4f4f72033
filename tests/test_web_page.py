"""The files of the page: what others wrote is unchanged, and no text becomes HTML."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

import p2pchat

STATIC: Final = Path(p2pchat.__file__).parent / "web" / "static"
SCRIPTS: Final = sorted(STATIC.glob("*.js"))
LARGEST: Final = 250_000
"""Bytes that the page may add to a wheel."""


class Vendored(SynchronousTestCase):
    """Scripts and styles of others are as they were published, and their licences are there."""

    def test_each_file_is_the_one_that_the_table_names(self) -> None:
        text = (STATIC / "vendor" / "README.md").read_text("utf-8")
        named = {
            name: digest for digest, name in re.findall(r"^ +([0-9a-f]{64})  (\S+)$", text, re.M)
        }
        there = [path for path in sorted((STATIC / "vendor").rglob("*")) if path.is_file()]
        found = {
            path.relative_to(STATIC / "vendor").as_posix(): sha256(path.read_bytes()).hexdigest()
            for path in there
            if path.name != "README.md"
        }
        self.assertEqual(found, named)

    def test_each_script_has_a_licence(self) -> None:
        licences = {path.stem for path in (STATIC / "vendor" / "licenses").iterdir()}
        for path in (STATIC / "vendor").glob("*.js"):
            self.assertTrue(licences >= set(path.stem.split("-htm")[:1]), path.name)


class Own(SynchronousTestCase):
    """The page's own scripts."""

    def test_no_text_becomes_html(self) -> None:
        forbidden = re.compile(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
        )
        for path in [*SCRIPTS, STATIC / "index.html"]:
            self.assertEqual(forbidden.findall(path.read_text("utf-8")), [], path.name)

    def test_nothing_comes_from_elsewhere(self) -> None:
        for path in [*SCRIPTS, STATIC / "index.html", STATIC / "app.css"]:
            addresses = re.findall(r"(?<!xmlns=\")https?://\w[^\s\"']*", path.read_text("utf-8"))
            self.assertEqual(addresses, [], path.name)

    def test_the_page_names_files_that_are_there(self) -> None:
        named = re.findall(
            r'(?:src|href)="static/([^"]+)"', (STATIC / "index.html").read_text("utf-8")
        )
        for path in SCRIPTS:
            named += re.findall(r"from '\./([^']+)'", path.read_text("utf-8"))
        self.assertGreater(len(named), 20)
        self.assertEqual([name for name in named if not (STATIC / name).is_file()], [])

    def test_each_script_is_checked_and_says_what_it_is(self) -> None:
        for path in SCRIPTS:
            lines = path.read_text("utf-8").splitlines()
            self.assertEqual(lines[0], "// @ts-check", path.name)
            self.assertTrue(lines[1].startswith("/**"), path.name)

    def test_the_page_is_small(self) -> None:
        size = sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file())
        self.assertLess(size, LARGEST)


class Texts(SynchronousTestCase):
    """Both languages say the same things."""

    def setUp(self) -> None:
        self.texts = json.loads((STATIC / "texts.json").read_text("utf-8"))
        self.scripts = "\n".join(path.read_text("utf-8") for path in SCRIPTS)

    def test_both_languages_have_each_text(self) -> None:
        for key, both in self.texts.items():
            self.assertEqual(len(both), 2, key)
            english, portuguese = both
            self.assertTrue(english and portuguese, key)
            self.assertEqual(english.count("|"), portuguese.count("|"), key)
            first, second = (set(re.findall(r"{(\w+)}", text)) for text in both)
            self.assertEqual(first, second, key)

    def test_each_text_that_is_asked_for_is_there(self) -> None:
        asked = set(re.findall(r"\bt\('(\w+)'", self.scripts))
        self.assertGreater(len(asked), 60)
        self.assertEqual(asked - set(self.texts), set())

    def test_each_text_is_asked_for(self) -> None:
        made = re.compile(
            r"(language|theme|came|alert|banner|phase|key|part)_[\w-]+|[A-Z]+|verified|encrypted|plain"
        )
        asked = set(re.findall(r"'(\w+)'", self.scripts))
        unused = [key for key in self.texts if key not in asked and not made.fullmatch(key)]
        self.assertEqual(unused, [])
