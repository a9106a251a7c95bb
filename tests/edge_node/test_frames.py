"""A frame's picture, in host memory and in a GPU's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_node.frames import Frame
from edge_node.pictures import U8, Picture
from tests.edge_node.gpu_pictures import HostCopier, on_gpu

BGR: U8 = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
NV12: U8 = np.random.default_rng(1).integers(0, 256, (72, 64), np.uint8)


def frame(picture: Picture) -> Frame:
    return Frame("c", 0, 0, 0, picture)


def test_the_picture_in_host_memory_is_the_very_array_that_was_captured() -> None:
    one = frame(BGR)
    assert one.image is one.picture is BGR
    assert one.part() is BGR
    assert (one.width, one.height, one.shape) == (64, 48, (48, 64, 3))


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_an_array_that_is_no_picture_is_refused(wrong: U8) -> None:
    with pytest.raises(ValueError, match=r"Frame.picture: expected uint8 \(H, W, 3\)"):
        frame(wrong)


def test_a_part_that_fits_is_a_view_and_a_larger_one_what_opencv_makes_of_it() -> None:
    box = (3, 5, 43, 35)
    part = frame(BGR).part(box, 40)
    assert part.base is BGR
    np.testing.assert_array_equal(part, BGR[5:35, 3:43])
    small = cv2.resize(BGR[5:35, 3:43], (20, 15), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(frame(BGR).part(box, 20, 100), small)


def test_a_gpu_s_picture_is_copied_once_and_only_when_somebody_wants_all_of_it() -> None:
    copier = HostCopier()
    one = frame(on_gpu(BGR, copier))
    assert (one.width, one.height, one.shape) == (64, 48, (48, 64, 3))
    assert copier.parts == []
    np.testing.assert_array_equal(one.image, BGR)
    assert one.image is one.image
    assert copier.parts == [((0, 0, 64, 48), (64, 48))]


def test_a_part_of_a_gpu_s_picture_is_cut_and_shrunk_there() -> None:
    copier = HostCopier()
    one = frame(on_gpu(BGR, copier))
    np.testing.assert_array_equal(one.part((3, 5, 43, 35), 20), frame(BGR).part((3, 5, 43, 35), 20))
    np.testing.assert_array_equal(one.part(most_height=24), frame(BGR).part(most_height=24))
    assert copier.parts == [((3, 5, 43, 35), (20, 15)), ((0, 0, 64, 48), (32, 24))]


@pytest.mark.parametrize("image", [BGR, NV12], ids=["BGR", "NV12"])
def test_a_cut_lies_where_the_picture_does(image: U8) -> None:
    one = frame(on_gpu(image, HostCopier()))
    box = (6, 4, 42, 34)
    cut = frame(one.cut(box))
    np.testing.assert_array_equal(cut.image, one.image[4:34, 6:42])
    assert one.cut((0, 0, 64, 48)) is one.picture


def test_only_nv12_widens_a_box_to_pixels_that_have_their_own_colour() -> None:
    odd = (3, 5, 43, 35)
    assert [frame(one).aligned(odd) for one in (BGR, on_gpu(BGR))] == [odd, odd]
    one = frame(on_gpu(NV12))
    assert one.aligned(odd) == (2, 4, 44, 36)
    assert one.aligned((0, 0, 64, 48)) == (0, 0, 64, 48)
    with pytest.raises(ValueError, match=r"a part \(3, 5, 43, 35\) of an NV12 picture"):
        one.cut(odd)
