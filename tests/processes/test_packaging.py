"""The package's metadata agrees with the code, and leaves Twisted's files alone."""

from __future__ import annotations

import importlib.util
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Final

from twisted.application.service import IServiceMaker
from twisted.plugin import IPlugin
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

import p2pchat
from p2pchat.speech import LANGUAGES

ROOT: Final = Path(__file__).parents[2]


class MetadataTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.config = ConfigParser(interpolation=None)
        self.config.read(ROOT / "setup.cfg", encoding="utf-8")

    def names(self, section: str, option: str) -> list[str]:
        """The names in a list of requirements or packages, without their versions."""
        lines = self.config[section][option].split("\n")
        return [re.split(r"[\[<>=]", line)[0] for line in lines if line]

    def test_every_folder_with_code_is_a_package(self) -> None:
        folders = {path.parent for path in (ROOT / "p2pchat").rglob("*.py")}
        found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
        self.assertEqual(set(self.names("options", "packages")), found | {"twisted.plugins"})

    def test_twisted_is_not_our_package(self) -> None:
        files = {str(path.relative_to(ROOT)) for path in (ROOT / "twisted").rglob("*.py")}
        self.assertEqual(files, {"twisted/plugins/p2pchat_plugin.py"})

    def test_the_version(self) -> None:
        self.assertEqual(self.config["metadata"]["version"], "attr: p2pchat.__version__")
        # PEP 440: a release, or what is on its way to one.
        self.assertRegex(p2pchat.__version__, r"^\d+\.\d+\.\d+(\.dev\d+)?$")
        changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        release, is_on_its_way, _ = p2pchat.__version__.partition(".dev")
        self.assertRegex(changes, rf"\n## {re.escape(release)} - (\w+)\n")
        newest = re.search(r"\n## (\S+) - (\S+)\n", changes)
        assert newest is not None
        self.assertEqual(newest[1], release)
        self.assertEqual(newest[2] == "unreleased", bool(is_on_its_way))

    def test_what_is_imported_is_required(self) -> None:
        required = self.names("options", "install_requires")
        self.assertEqual(
            sorted(required),
            [
                "cryptography",
                "ifaddr",
                "msgspec",
                "platformdirs",
                "prompt_toolkit",
                "spake2",
                "twisted",
                "zope.interface",
            ],
        )
        for name in required:
            self.assertIsNotNone(importlib.util.find_spec(name), name)

    def test_the_files_that_the_metadata_names(self) -> None:
        self.assertIn("MIT License", (ROOT / "LICENSE").read_text(encoding="utf-8"))
        self.assertTrue((ROOT / "p2pchat" / "py.typed").exists())
        files = self.names("options.package_data", "p2pchat")
        self.assertEqual(files, ["py.typed", "locale/*/LC_MESSAGES/*"])
        for language in LANGUAGES[1:]:
            catalogues = Path("p2pchat/locale", language, "LC_MESSAGES/p2pchat")
            for form in (".po", ".mo"):
                self.assertTrue((ROOT / catalogues.with_suffix(form)).exists())

    def test_the_scripts(self) -> None:
        scripts = dict(
            line.split(" = ")
            for line in self.config["options.entry_points"]["console_scripts"].split("\n")
            if line
        )
        self.assertEqual(scripts.keys(), {"p2pchat", "p2pchat-rendezvous"})
        for target in scripts.values():
            module, function = target.split(":")
            self.assertTrue(callable(getattr(importlib.import_module(module), function)))


class PluginTests(SynchronousTestCase):
    def setUp(self) -> None:
        path = ROOT / "twisted" / "plugins" / "p2pchat_plugin.py"
        spec = importlib.util.spec_from_file_location("p2pchat_plugin_under_test", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.makers = {
            maker.tapname: maker
            for maker in vars(module).values()
            if IServiceMaker.providedBy(maker)
        }

    def test_two_services_are_named(self) -> None:
        self.assertEqual(self.makers.keys(), {"p2pchat", "p2pchat-rendezvous"})
        for maker in self.makers.values():
            self.assertTrue(IPlugin.providedBy(maker))
            self.assertTrue(maker.description)

    def test_each_has_options_and_makes_a_service(self) -> None:
        for maker in self.makers.values():
            self.assertTrue(issubclass(maker.options, usage.Options), maker.tapname)
            self.assertTrue(callable(maker.makeService), maker.tapname)
