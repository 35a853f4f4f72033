"""The kept inputs of the fuzzer, and any bytes that hypothesis makes of them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.fuzz_targets import TARGETS

CORPUS = Path(__file__).parents[1] / "corpus"
KEPT = {name: [path.read_bytes() for path in sorted((CORPUS / name).iterdir())] for name in TARGETS}


class CorpusTests(SynchronousTestCase):
    """Every input that was ever worth keeping, on every run."""

    def test_every_kept_input(self) -> None:
        for name, target in TARGETS.items():
            self.assertGreater(len(KEPT[name]), 4, name)
            for data in KEPT[name]:
                target(data)

    @given(st.sampled_from(sorted(TARGETS)), st.data())
    def test_kept_inputs_cut_and_joined(self, name: str, data: st.DataObject) -> None:
        pieces = data.draw(st.lists(st.sampled_from(KEPT[name]), min_size=1, max_size=3))
        cuts = data.draw(st.lists(st.integers(0, 80), min_size=3, max_size=3))
        noise = data.draw(st.binary(max_size=8))
        TARGETS[name](noise.join(piece[cut:] for piece, cut in zip(pieces, cuts, strict=False)))
