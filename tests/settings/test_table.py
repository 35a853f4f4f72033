"""The table of settings: what becomes of a field and its annotation."""

from typing import Annotated

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.settings.checks import COUNT, HOST, SECONDS, YES_OR_NO, Unfit, number, whole
from p2pchat.settings.table import option_groups, settings_of


class Shop(Struct, frozen=True):
    open: Annotated[bool, YES_OR_NO("whether there is anything")] = True
    max_guests: Annotated[int, COUNT("guests at once", "guests", metavar="GUESTS")] = 9
    patience: Annotated[float, SECONDS("how long they wait", restart=True)] = 1_000_000.0


class Cellar(Struct, frozen=True):
    depth: Annotated[float, number("METRES")("below the street; 0: none")] = 0.0
    address: Annotated[str | None, HOST("where it is (below)")] = None


class Attic(Struct, frozen=True):
    height: Annotated[float, number("METRES")("above it")] = 0.5
    closed: Annotated[bool, YES_OR_NO("not to be entered")] = False


class House(Struct, frozen=True):
    shop: Annotated[Shop, "Below"] = Shop()
    cellar: Annotated[Cellar, "Below"] = Cellar()
    attic: Annotated[Attic, "Above"] = Attic()


class TableTests(SynchronousTestCase):
    def test_a_setting_is_its_field_and_its_annotation(self) -> None:
        settings = {setting.key: setting for setting in settings_of(House)}
        guests, patience = settings["shop.max_guests"], settings["shop.patience"]
        self.assertEqual((guests.option, guests.metavar, guests.default), ("guests", "GUESTS", 9))
        self.assertEqual((patience.option, patience.metavar), ("patience", "SECONDS"))
        self.assertIs(guests.kind, COUNT)
        self.assertEqual((guests.restart, patience.restart), (False, True))

    def test_help_has_the_order_of_the_fields_and_says_the_defaults(self) -> None:
        self.assertEqual(
            option_groups(settings_of(House)),
            (
                (
                    "Below",
                    [
                        ("open", "YES|NO", "whether there is anything", " (yes)"),
                        ("guests", "GUESTS", "guests at once", " (9)"),
                        ("patience", "SECONDS", "how long they wait", " (1000000)"),
                        ("depth", "METRES", "below the street; 0: none", ""),
                        ("address", "ADDRESS", "where it is (below)", ""),
                    ],
                ),
                (
                    "Above",
                    [
                        ("height", "METRES", "above it", " (0.5)"),
                        ("closed", "YES|NO", "not to be entered", " (no)"),
                    ],
                ),
            ),
        )

    def test_bounds_and_their_sentences(self) -> None:
        for kind, low, high, bounds in (
            (whole("N", 0), 0, 10**9, "a whole number of 0 or more"),
            (whole("N", 1), 1, 10**9, "a whole number above 0"),
            (whole("N", 1024), 1024, 10**9, "a whole number of at least 1024"),
            (whole("N", 2, 5), 2, 5, "a whole number from 2 to 5"),
            (number("N"), 0.0, 1e9, "a number of 0 or more"),
            (number("N", low=1), 1.0, 1e9, "a number of at least 1"),
            (number("N", above=0), 1e-9, 1e9, "a number above 0"),
        ):
            self.assertEqual((kind.accept(low), kind.accept(high)), (low, high))
            for outside in (low - 1, float("nan"), None):
                with self.assertRaises(Unfit) as caught:
                    kind.accept(outside)
                self.assertEqual(str(caught.exception), bounds)
            self.assertRaises(Unfit, kind.accept, high + 1)
