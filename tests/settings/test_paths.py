"""The files of a node: each peer_id has its own, and none is elsewhere."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history import location
from p2pchat.logs import output as log_output
from p2pchat.settings.paths import stem_for


class StemTests(SynchronousTestCase):
    def test_a_usual_name_is_its_own(self) -> None:
        self.assertEqual(stem_for("alice@CIC"), "alice@CIC")

    def test_others_get_a_checksum(self) -> None:
        for one, other in (("joão@CIC", "jo_o@CIC"), ("李明@CIC", "王芳@CIC"), ("a b@x", "a/b@x")):
            self.assertNotEqual(stem_for(one), stem_for(other))
            for path in (log_output.default_path, location.default_path):
                self.assertNotEqual(path(one), path(other))

    @given(st.text(max_size=80))
    def test_a_stem_is_no_path(self, peer_id: str) -> None:
        self.assertEqual(os.path.basename(f"{stem_for(peer_id)}.log"), f"{stem_for(peer_id)}.log")
