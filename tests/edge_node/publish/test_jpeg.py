from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_node.publish.jpeg import TRY_AGAIN, Fitted, encode_jpeg
from tests.edge_node.gpu_pictures import HostCopier, on_gpu


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
    data = encode_jpeg(np.full((*size, 3), 90, np.uint8), limit, 80)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape[:2] == expected
    assert abs(float(shown.mean()) - 90) < 2


NOISE = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)


def test_a_picture_that_does_not_fit_loses_quality_first_and_then_size() -> None:
    whole = len(encode_jpeg(NOISE, (640, 360), 95))
    for room, size in ((whole, (640, 360)), (whole // 2, (640, 360)), (whole // 10, None), (2000, None)):
        encoded = Fitted().encode(NOISE, 95, room)
        assert encoded is not None
        jpeg, shown = encoded
        assert len(jpeg) <= room
        assert (shown == (640, 360)) == (size is not None)
        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.shape == (*shown[::-1], 3)
    assert Fitted().encode(NOISE, 95, 100) is None


def test_what_fitted_is_tried_first_and_better_again_later() -> None:
    room = len(encode_jpeg(NOISE, (640, 360), 95)) // 2
    fitted = Fitted()
    fitted.encode(NOISE, 95, room)
    assert fitted.shrinks
    plain = np.zeros_like(NOISE)
    for _ in range(TRY_AGAIN * 4):
        encoded = fitted.encode(plain, 95, room)
        assert encoded is not None
    assert not fitted.shrinks, "the camera sees less now"


@pytest.mark.parametrize("where", ["host", "GPU"])
def test_the_size_that_is_told_is_the_jpeg_s_own(where: str) -> None:
    plain = np.full((720, 1280, 3), 90, np.uint8)
    picture = plain if where == "host" else on_gpu(plain, HostCopier(encodes=True))
    for side in range(100, 140):
        encoded = Fitted().encode(picture, 50, 100_000, (side, 9999))
        assert encoded is not None
        shown = cv2.imdecode(np.frombuffer(encoded[0], np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape[:2] == encoded[1][::-1]
