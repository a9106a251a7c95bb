from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_node.analytics.analyse import Analytics
from edge_node.analytics.watch import Analysed
from edge_node.batch.annotate import colour_of, draw, is_meant_as_size, size_of
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.frames import Frame, Tracks
from shared.wire.messages import LineDefinition, MaskDefinition, ZoneDefinition

DEFINITIONS = Definitions(
    version=1,
    zones={"door": ZoneDefinition(polygon=((0.5, 0.5), (0.95, 0.5), (0.95, 0.95), (0.5, 0.95)))},
    lines={"gate": LineDefinition(points=((0.25, 0.9), (0.25, 0.2)))},
)


def analysed(predicted: bool = False) -> Analysed:
    frame = Frame("c", 0, 0, 0, np.zeros((480, 640, 3), np.uint8))
    tracks = Tracks(
        xyxy=np.array([[400, 300, 450, 400]], np.float32),
        score=np.array([0.9], np.float32),
        class_id=np.zeros(1, np.int32),
        track_id=np.array([7], np.int64),
        age_s=np.zeros(1, np.float32),
        velocity=np.zeros((1, 2), np.float32),
        predicted=np.array([predicted]),
    )
    analytics = Analytics(DEFINITIONS.zones, DEFINITIONS.lines, ("person",), AnalyticsSettings())
    return Analysed(frame, tracks, analytics.update(tracks, 0.0, 640, 480), 0.0, {})


def test_a_copy_shows_boxes_zones_and_lines_where_they_are() -> None:
    item = analysed()
    image = draw(item, DEFINITIONS, ("person",))
    assert not item.frame.image.any(), "other stages share the frame itself"
    assert tuple(image[350, 400]) == colour_of(7), "the box's left side"
    assert tuple(image[350, 425]) == (0, 0, 0), "and nothing in it"
    assert image[240, 500].any(), "the zone's upper side"
    assert image[300, 160].any(), "the line"
    assert tuple(image[290, 402]) == colour_of(7), "the ground of the track's name"
    bold, thin = (draw(analysed(predicted), DEFINITIONS, ("person",)) for predicted in (False, True))
    assert bold[350, 390:410].any(axis=1).sum() > thin[350, 390:410].any(axis=1).sum()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("", (640, 480)),
        ("320", (320, 240)),
        ("320x120", (160, 120)),
        ("4000", (640, 480)),
        ("213", (212, 160)),
        ("215", (214, 162)),
    ],
)
def test_a_smaller_copy_shows_boxes_where_they_are(size: str, expected: tuple[int, int]) -> None:
    item = analysed()
    nothing = Definitions(version=1, zones={}, lines={})
    image = draw(item, nothing, ("person",), size_of(size))
    assert (image.shape[1], image.shape[0]) == expected
    ratio = image.shape[1] / item.frame.width
    x1, y1, x2, y2 = (item.tracks.xyxy[0] * ratio).round().astype(int)
    middle = image[(y1 + y2) // 2, x1 - 3 : x2 + 4]
    drawn = np.flatnonzero((middle == colour_of(7)).all(axis=1)) + x1 - 3
    assert (abs(drawn.min() - x1) <= 1, abs(drawn.max() - x2) <= 1) == (True, True)


@pytest.mark.parametrize("text", ["0", "1280x", "x720", "12.5", "-3", "99999", "1280X720", "big"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no size in pixels"):
        size_of(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("640", True),
        ("1280x720", True),
        ("720p", True),
        ("0", True),
        ("1280X720", True),
        ("5.mp4", False),
        ("2026-05", False),
        ("--force", False),
        ("", False),
    ],
)
def test_a_word_that_was_meant_as_a_size_is_taken_for_one_so_that_the_error_names_it(
    text: str, meant: bool
) -> None:
    assert is_meant_as_size(text) is meant


def test_a_folder_of_pictures_that_is_there_is_no_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2pictures").mkdir()
    assert not is_meant_as_size("2pictures")


def test_a_mask_is_drawn_with_what_it_is_about() -> None:
    mask = MaskDefinition(polygon=((0.1, 0.5), (0.2, 0.5), (0.2, 0.9)), classes=("kite",))
    image = draw(analysed(), replace(DEFINITIONS, masks={"tree": mask}), ("person",))
    assert image[300, 128].any(), "its right side"
    assert image[225:240, 66:].any(), "and its name"


def test_counts_are_those_of_the_frame() -> None:
    before = draw(analysed(), DEFINITIONS, ("person",))
    item = analysed()
    assert item.report.numbers["door"].occupancy == 1
    item.report.numbers.clear()
    after = draw(item, DEFINITIONS, ("person",))
    assert (before != after).any(axis=2)[200:245, 320:].any(), "the zone's text differs"


def test_tracks_that_follow_each_other_have_colours_that_differ() -> None:
    colours = np.array([colour_of(track_id) for track_id in range(1, 12)], np.int64)
    steps = np.abs(np.diff(colours, axis=0)).sum(axis=1)
    assert (steps > 150).all()
