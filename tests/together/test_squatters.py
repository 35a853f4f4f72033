"""Names that a stranger has taken, and their owners, once the stranger is gone."""

from __future__ import annotations

from tests.together.test_sealed_towns import TownTestCase


class SquatterTests(TownTestCase):
    def test_the_owner_is_met_once_the_stranger_is_forgotten(self) -> None:
        """Both have given each other up by then: the key that goes has the peer dialed."""
        alice = self.sealed("alice")
        mallory = self.sealed("bob", owner="mallory")
        self.town.run_until_meshed()
        bob = self.sealed("bob", ip="10.0.0.9")
        self.town.run(1200)
        self.assertEqual(self.securities(bob), {})
        self.town.kill(mallory)
        self.town.run(660)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual(self.securities(bob), {"alice@CIC": "encrypted"})
