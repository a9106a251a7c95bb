from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_node.publish.jpeg import encode_jpeg, shrink


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        pytest.param((720, 1280), (640, 9999), (360, 640), id="halved"),
        pytest.param((48, 64), (640, 640), (48, 64), id="never enlarged"),
        pytest.param((3, 4000), (16, 16), (1, 16), id="never nothing"),
        pytest.param((200, 100), (100, 50), (50, 25), id="the longer side decides"),
    ],
)
def test_a_jpeg_is_shrunk_to_fit_and_never_enlarged(
    size: tuple[int, int], limit: tuple[int, int], expected: tuple[int, int]
) -> None:
    data = encode_jpeg(shrink(np.full((*size, 3), 90, np.uint8), *limit), 80)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape[:2] == expected
    assert abs(float(shown.mean()) - 90) < 2
