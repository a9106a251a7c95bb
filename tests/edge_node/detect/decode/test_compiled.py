"""The compiled operator is used only where it rounds as numpy does."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edge_node.detect.decode.compiled import Compiled, Ids, compiled
from shared.geometry import F32


def test_this_machine_rounds_as_numpy_does() -> None:
    assert Compiled().is_exact()


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_other_rounding_is_noticed(share: float) -> None:
    """A stand-in for a build that fuses products and sums: the last bit of some IoUs differs."""
    rng = np.random.default_rng(3)

    class Fused(Compiled):
        def chosen(self, xyxy: F32, scores: F32, threshold: np.float32, limit: int) -> tuple[Ids, Ids]:
            if rng.random() < share:
                threshold = np.nextafter(threshold, np.float32(0))
            return super().chosen(xyxy, scores, threshold, limit)

    assert not Fused().is_exact()


def test_without_onnx_runtime_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    compiled.cache_clear()
    try:
        assert compiled() is None
    finally:
        compiled.cache_clear()
