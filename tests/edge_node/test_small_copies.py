"""Who looks at a picture in a GPU's memory gets what the host would see, and asks for no more than that."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edge_node.config.publishing import SnapshotSettings
from edge_node.detect.motion import MotionGate
from edge_node.detect.tiles.motion import ChangedCells
from edge_node.frames import Frame, Tracks
from edge_node.ignore import looks
from edge_node.pictures import U8, Picture
from edge_node.publish.best_views import BestViews
from edge_node.publish.jpeg import Fitted, encode_jpeg
from tests.edge_node.gpu_pictures import HostCopier, on_gpu

WIDTH, HEIGHT = 1280, 720


def street(shift: int = 0) -> U8:
    """Smooth structures, and a dark thing that moves."""
    rough = np.random.default_rng(3).integers(40, 220, (9, 16, 3), np.uint8)
    image = np.array(cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    image[300:420, 500 + shift : 560 + shift] = 10
    return image


def best_view(picture: Picture) -> U8:
    views = BestViews(SnapshotSettings(side=64))
    track = Tracks(
        np.array([[500, 300, 560, 420]], np.float32),
        np.ones(1, np.float32),
        np.zeros(1, np.int32),
        np.ones(1, np.int64),
        np.ones(1, np.float32),
        np.zeros((1, 2), np.float32),
        np.zeros(1, np.bool_),
    )
    views.update(Frame("c", 0, 0, 0, picture), track)
    view = views.take(1)
    assert view is not None
    assert view.image is not None
    return view.image


@pytest.mark.parametrize(
    ("look", "pixels"),
    [
        pytest.param(best_view, 64 * 64, id="best view"),
        pytest.param(looks.shrink, looks.WIDTH * looks.HEIGHT, id="suspects"),
        pytest.param(lambda one: Frame("c", 0, 0, 0, one).part(None, 640), 640 * 360, id="thumbnail"),
    ],
)
def test_a_small_copy_looks_the_same(look: Callable[[Picture], U8], pixels: int) -> None:
    copier = HostCopier()
    there, here = look(on_gpu(street(), copier)), look(street())
    assert there.shape == here.shape
    assert np.abs(there.astype(int) - here).max() <= 4
    (((_, size)),) = copier.parts
    assert np.prod(size) <= pixels


@pytest.mark.parametrize("kind", ["gate", "cells"])
def test_motion_is_found_in_the_same_places(kind: str) -> None:
    copier = HostCopier()
    found: list[list[object]] = []
    for put in (lambda image: image, lambda image: on_gpu(image, copier)):
        gate, cells = MotionGate(6), ChangedCells()
        seen: list[object] = []
        for number, shift in enumerate((0, 0, 2, 40, 40)):
            picture = put(street(shift))
            if kind == "gate":
                seen.append(gate.moved(picture, number / 10))
            else:
                cells.take(picture, afresh=number == 0)
                seen.append(cells.regions(np.zeros((0, 4))).tolist())
        found.append(seen)
    assert found[0] == found[1]
    assert any(found[0])
    assert {size for _, size in copier.parts} == {(160, 90) if kind == "gate" else (320, 180)}


def test_a_gpu_that_encodes_is_given_every_try_and_the_host_no_pixels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    copier = HostCopier(encodes=True)
    room = len(encode_jpeg(noise, (320, 180), 50)) - 1
    encoded = Fitted().encode(on_gpu(noise, copier), 90, room, (320, 320))
    assert encoded is not None
    jpeg, size = encoded
    assert len(jpeg) <= room
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (*size[::-1], 3)
    tries = [(tried, quality) for _, tried, quality in copier.jpegs]
    assert tries == [((320, 180), 90), ((320, 180), 75), ((320, 180), 50), ((224, 126), 50)]
    assert copier.parts == []


def test_without_an_encoder_the_host_takes_one_small_copy_for_all_tries() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    copier = HostCopier()
    room = len(encode_jpeg(noise, (320, 180), 50)) - 1
    there = Fitted().encode(on_gpu(noise, copier), 90, room, (320, 320))
    assert there == Fitted().encode(noise, 90, room, (320, 320))
    assert copier.parts == [((0, 0, 640, 360), (320, 180))]
    assert copier.jpegs == []


def test_a_jpeg_that_the_gpu_leaves_to_the_host_is_encoded_there() -> None:
    copier = HostCopier(encodes=True, refuses=True)
    there = encode_jpeg(on_gpu(street(), copier), (640, 640), 80)
    assert there == encode_jpeg(street(), (640, 640), 80)
    assert len(copier.jpegs) == len(copier.parts) == 1
