"""The files of a node: each peer_id has its own, and none is elsewhere."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.settings.paths import (
    default_history_path,
    default_log_path,
    stem_for,
    typed_lines_path,
)


class StemTests(SynchronousTestCase):
    def test_a_usual_name_is_its_own(self) -> None:
        self.assertEqual(stem_for("alice@CIC"), "alice@CIC")

    def test_others_get_a_checksum(self) -> None:
        for one, other in (("joão@CIC", "jo_o@CIC"), ("李明@CIC", "王芳@CIC"), ("a b@x", "a/b@x")):
            self.assertNotEqual(stem_for(one), stem_for(other))
            for path in (default_log_path, default_history_path):
                self.assertNotEqual(path(one), path(other))

    @given(st.text(max_size=80))
    def test_a_stem_is_no_path(self, peer_id: str) -> None:
        self.assertEqual(os.path.basename(f"{stem_for(peer_id)}.log"), f"{stem_for(peer_id)}.log")


class DefaultTests(SynchronousTestCase):
    def setUp(self) -> None:
        homes = {"XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "/state"}
        self.patch(os, "environ", {**os.environ, **homes})

    def test_one_history_for_each_node(self) -> None:
        names = {default_history_path(each) for each in ("alice@CIC", "alice2@CIC", "a/../b@x y")}
        ours = ("alice@CIC.sqlite", "alice2@CIC.sqlite", "a_.._b@x_y-9b3a67ce.sqlite")
        self.assertEqual(names, {f"/data/p2pchat/{name}" for name in ours})

    def test_one_log_for_each_node(self) -> None:
        path = default_log_path("ana maria/..@são")
        self.assertRegex(path, r"^/state/p2pchat/log/ana_maria_\.\.@s_o-[0-9a-f]{8}\.log$")

    def test_the_lines_of_a_person(self) -> None:
        self.assertEqual(typed_lines_path(), "/state/p2pchat/typed-lines")
