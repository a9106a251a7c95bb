from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_node.capture.readers.device import decode_reduced


@pytest.mark.parametrize(
    ("wanted", "width"),
    [
        pytest.param(1280, 1280, id="all of it"),
        pytest.param(700, 1280, id="half would be too little"),
        pytest.param(640, 640, id="half"),
        pytest.param(200, 320, id="a quarter"),
        pytest.param(16, 160, id="no less than an eighth"),
    ],
)
def test_a_jpeg_is_decoded_no_larger_than_needed(wanted: int, width: int) -> None:
    whole = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.GaussianBlur(whole, (31, 31), 9))[1]
    image = decode_reduced(np.asarray(jpeg, np.uint8), wanted)
    assert image is not None
    assert image.shape == (width * 9 // 16, width, 3)
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert decoded is not None
    expected = cv2.resize(decoded, (width, width * 9 // 16), interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(float) - expected).mean() < 2


def test_a_damaged_jpeg_gives_no_picture() -> None:
    assert decode_reduced(np.frombuffer(b"\xff\xd8 nothing", np.uint8), 100) is None
