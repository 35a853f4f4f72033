"""An application without the keys of vi has the others, and leaves the loaders as they were."""

from __future__ import annotations

from prompt_toolkit.key_binding import defaults
from prompt_toolkit.keys import Keys
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.full.without_vi import without_vi


class WithoutViTests(SynchronousTestCase):
    def test_fewer_than_half_are_left(self) -> None:
        before = dict(vars(defaults))
        with without_vi():
            few = defaults.load_key_bindings()
        self.assertEqual(dict(vars(defaults)), before)
        self.assertLess(2 * len(few.bindings), len(defaults.load_key_bindings().bindings))
        self.assertTrue(few.get_bindings_for_keys((Keys.ControlW,)))
