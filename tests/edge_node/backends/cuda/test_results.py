"""What the host makes of the detections that the GPU found, for all pictures of a batch at once."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.backends.cuda.nms import CAPACITY, RESULT, Results
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import Detections
from tests.edge_node.backends.cuda.on_cpu import garbage, read
from tests.edge_node.backends.cuda.outputs import assert_equal, in_picture

TARGET = InputFormat(640, 640)
ONE_SIZE, SIZES = [(1280, 720)] * 5, [(1280, 720), (480, 640), (33, 7), (640, 640), (1280, 720)]


@pytest.mark.parametrize("sizes", [ONE_SIZE, SIZES], ids=["one size", "many sizes"])
@pytest.mark.parametrize("bars", [False, True], ids=["inside", "some in the bars"])
def test_every_picture_gets_what_it_would_get_by_itself(sizes: list[tuple[int, int]], bars: bool) -> None:
    rng, rows = np.random.default_rng(3), garbage(len(sizes), RESULT)
    rows["kept"], rows["candidates"] = (39, 0, 7, 1, 300), (200, 0, CAPACITY, CAPACITY + 1, 400)
    corner = rng.uniform(-20 if bars else 260, 620 if bars else 300, (len(sizes), CAPACITY, 2))
    side = rng.uniform(1, 60, (len(sizes), CAPACITY, 2))
    rows["xyxy"] = np.concatenate([corner, corner + side], axis=2)
    rows["score"] = rng.uniform(0.2, 1.2, rows["score"].shape)
    rows["xyxy"][0, 39:200] = 0  # nobody wrote here
    fits = [Letterbox.fit(*size, TARGET) for size in sizes]
    if sizes == ONE_SIZE:
        fits = fits[:1] * len(fits)  # as the runner gives them
    results = Results(rows)
    found = results.detections(fits)
    _, raw = read(rows)
    assert [one is None for one in found] == [False, False, False, True, False]
    fewer = 0
    for one, other, fit in zip(found, raw, fits, strict=True):
        if other is not None:
            assert_equal(one, in_picture(other, fit))
            fewer += len(other) - len(one or ())
    assert (fewer > 0) == bars
    rows["kept"] = 0  # what was given away stays as it is
    assert isinstance(found[0], Detections)
    rows["xyxy"], rows["score"] = 0, 0
    assert (found[0].score > 0).all()
