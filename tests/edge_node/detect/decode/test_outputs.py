"""Outputs as they came out of a network."""

from __future__ import annotations

import numpy as np

from edge_node.backends.interface import Tensor
from edge_node.detect.decode.outputs import observed
from tests.edge_node.detect.decode.descriptions import PLAIN, model, one


def test_what_came_out_replaces_dynamic_axes() -> None:
    seen = observed(model(one("batch", "c", "n")), [np.zeros((84, 8400), np.float16)])
    assert seen.outputs == (Tensor("output0", (1, 84, 8400), "float16"),)
    plain = observed(model([PLAIN]), [np.zeros((3, 4), np.float32)])
    assert plain.outputs[0].shape == (3, 4)
