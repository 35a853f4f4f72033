"""The planted faults fit the program: each is one change, in one place, that still compiles."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.measuring import ROOT
from benchmarks.planted import FAULTS, plant

_LEAST = 30


class FaultsTests(SynchronousTestCase):
    """The list of `benchmarks.planted`."""

    def test_each_place_is_there_once(self) -> None:
        texts: dict[str, str] = {}
        counts = {}
        for fault in FAULTS:
            if fault.file not in texts:
                texts[fault.file] = (ROOT / "p2pchat" / fault.file).read_text(encoding="utf-8")
            counts[fault.name] = texts[fault.file].count(fault.before)
        self.assertEqual({name: count for name, count in counts.items() if count != 1}, {})

    def test_each_changed_file_compiles_and_differs(self) -> None:
        for fault in FAULTS:
            text = (ROOT / "p2pchat" / fault.file).read_text(encoding="utf-8")
            changed = text.replace(fault.before, fault.after)
            self.assertNotEqual(
                compile(text, fault.file, "exec").co_consts,
                compile(changed, fault.file, "exec").co_consts,
                f"{fault.name} changes nothing",
            )

    def test_each_name_is_there_once(self) -> None:
        names = [fault.name for fault in FAULTS]
        self.assertEqual(sorted({*names}), sorted(names))
        self.assertGreaterEqual(len(names), _LEAST)

    def test_each_room_has_some(self) -> None:
        rooms = {fault.file.rpartition("/")[0] or fault.file for fault in FAULTS}
        self.assertLessEqual(
            {
                "wire",
                "mesh",
                "mesh/link",
                "mesh/discovery",
                "node",
                "history",
                "rendezvous",
                "sqlite.py",
            },
            rooms,
        )

    def test_each_says_why(self) -> None:
        self.assertEqual([fault.name for fault in FAULTS if not fault.why.endswith(".")], [])


class PlantTests(SynchronousTestCase):
    """`plant`."""

    def test_it_changes_that_file_and_no_other(self) -> None:
        fault = FAULTS[0]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "p2pchat" / fault.file
            path.parent.mkdir(parents=True)
            path.write_text(f"before\n{fault.before}\nafter\n", encoding="utf-8")
            plant(fault, Path(folder))
            self.assertEqual(path.read_text(encoding="utf-8"), f"before\n{fault.after}\nafter\n")

    def test_it_refuses_a_place_that_is_gone(self) -> None:
        fault = FAULTS[0]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "p2pchat" / fault.file
            path.parent.mkdir(parents=True)
            path.write_text("something else\n", encoding="utf-8")
            why = self.assertRaises(ValueError, plant, fault, Path(folder))
        self.assertIn(fault.name, str(why))
