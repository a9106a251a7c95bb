from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.backends.preprocess import (
    PAD_VALUE,
    InputFormat,
    Letterbox,
    Preprocessor,
    TensorFormat,
    letterbox,
)
from edge_node.pictures import U8
from shared.geometry import Floats


def picture(width: int, height: int) -> U8:
    return np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)


def reference(image: U8, target: InputFormat) -> Floats:
    """The same, written the obvious way."""
    fit = Letterbox.fit(image.shape[1], image.shape[0], target)
    canvas = np.full((target.height, target.width, 3), PAD_VALUE, np.uint8)
    canvas[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width] = cv2.resize(
        image, (fit.width, fit.height), interpolation=cv2.INTER_LINEAR
    )
    ordered = canvas[:, :, ::-1] if target.rgb else canvas
    return np.asarray((ordered.astype(np.float64) * target.scale + target.offset).transpose(2, 0, 1)[None])


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(1280, 720, id="wide: bars above and below"),
        pytest.param(480, 640, id="tall: bars left and right"),
        pytest.param(416, 416, id="already the right size"),
        pytest.param(64, 48, id="enlarged"),
        pytest.param(1279, 717, id="odd sizes"),
        pytest.param(2000, 3, id="almost a line"),
    ],
)
@pytest.mark.parametrize(
    "target",
    [
        pytest.param(InputFormat(416, 416), id="square rgb"),
        pytest.param(InputFormat(640, 384), id="rectangular"),
        pytest.param(InputFormat(416, 416, rgb=False, scale=(1.0, 1.0, 1.0), fit="corner"), id="yolox"),
        pytest.param(
            InputFormat(320, 256, scale=(0.017, 0.018, 0.019), offset=(-2.1, -2.0, -1.8), fit="stretch"),
            id="stretched, standardised",
        ),
    ],
)
def test_the_tensor_is_what_the_obvious_code_gives(width: int, height: int, target: InputFormat) -> None:
    image = picture(width, height)
    tensor, _ = Preprocessor(target)(image)
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor, reference(image, target), atol=1e-6)


def test_a_change_of_picture_size_leaves_nothing_of_the_last_picture() -> None:
    target = InputFormat(416, 416)
    preprocess = Preprocessor(target)
    for width, height in ((640, 480), (480, 640), (640, 100)):
        image = picture(width, height)
        np.testing.assert_allclose(preprocess(image)[0], reference(image, target), atol=1e-6)


def test_a_picture_that_is_the_whole_input_is_taken_as_it_is_and_others_are_not_disturbed() -> None:
    target = InputFormat(416, 416, rgb=False)
    preprocess = Preprocessor(target, TensorFormat("uint8", channels_last=True))
    whole, other = picture(416, 416), picture(640, 480)
    for image in (other, whole, other, whole[:, ::-1], whole):
        tensor, fit = preprocess(image)
        expected, way_back = letterbox(image, target)
        np.testing.assert_array_equal(tensor[0], expected)
        assert fit == way_back
    assert np.shares_memory(tensor, whole)


@given(
    width=st.integers(8, 4000),
    height=st.integers(8, 4000),
    corner=st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)),
    how=st.sampled_from(["centre", "corner", "stretch"]),
)
def test_a_box_comes_back_from_input_pixels_to_where_it_was(
    width: int, height: int, corner: tuple[float, float], how: Literal["centre", "corner", "stretch"]
) -> None:
    fit = Letterbox.fit(width, height, InputFormat(640, 384, fit=how))
    source = np.array([[corner[0] * width, corner[1] * height, width, height]], np.float32)
    there = source * np.array([fit.scale_x, fit.scale_y] * 2) + np.array([fit.left, fit.top] * 2)
    np.testing.assert_allclose(
        fit.to_source(there.astype(np.float32)), source, atol=0.02 / min(fit.scale_x, fit.scale_y)
    )


def test_boxes_are_clipped_to_the_picture() -> None:
    fit = Letterbox.fit(100, 50, InputFormat(416, 416))
    outside = np.array([[-50, -50, 1000, 1000]], np.float32)
    assert fit.to_source(outside).tolist() == [[0, 0, 100, 50]]


def test_no_boxes_are_no_boxes() -> None:
    assert Letterbox.fit(100, 50, InputFormat(416, 416)).to_source(np.zeros((0, 4), np.float32)).shape == (
        0,
        4,
    )
