"""What others say over MQTT is read as their documents have it, and nonsense is refused in one sentence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.frames import Tracks
from edge_node.inbound import axis, darner, onvif
from edge_node.inbound.frigate import Board
from edge_node.inbound.scene import MOST, Scene
from edge_node.onvif import scene as mirror
from edge_node.onvif.classes import kinds
from shared.errors import MessageError
from tests.edge_node.inbound import messages as said

AT = "2026-03-08T09:00:19.320111Z"
AT_US = 1_772_960_419_320_111
EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"


def test_a_frame_of_an_axis_camera() -> None:
    scene = axis.read(said.axis(AT, said.observed(), said.observed("2", "Bus", 0.7, right=0.9)))
    assert scene.captured_us == AT_US
    assert [(one.id, one.label, one.score, one.box) for one in scene.seen] == [
        ("1", "Human", 0.6, (0.25, 0.5, 0.5, 0.75)),
        ("2", "Bus", 0.7, (0.25, 0.5, 0.9, 0.75)),
    ]


def test_an_object_that_axis_has_not_classified_yet_is_seen_without_a_class() -> None:
    (one,) = axis.read(said.axis(AT, {"track_id": "7", "bounding_box": said.BOX})).seen
    assert (one.id, one.label, one.score) == ("7", "", 1.0)


def test_a_frame_of_onvif_has_y_up_and_the_likeliest_class() -> None:
    types = [{"@Likelihood": 0.2, "#text": "Animal"}, {"@Likelihood": 0.9, "#text": "Human"}]
    person = said.shaped(12, (-0.5, 0.5, 0.0, -1.0), Class={"Type": types})
    car = said.shaped(
        "c",
        (0, 1, 1, 0),
        Class={"Type": [{"@Likelihood": 0.8, "#text": "Vehicle"}]},
        VehicleInfo=[{"Type": {"@Likelihood": 0.7, "#text": "Car"}}],
    )
    tree = {"Delete": [{"@ObjectId": 3}], "Rename": [{"from": {"@ObjectId": 4}, "to": {"@ObjectId": 12}}]}
    scene = onvif.read(said.onvif(AT, person, car, ObjectTree=tree))
    assert [(one.id, one.label, one.score, one.box) for one in scene.seen] == [
        ("12", "Human", 0.9, (0.25, 0.25, 0.5, 1.0)),
        ("c", "Car", 0.8, (0.5, 0.0, 1.0, 0.5)),
    ]
    assert (scene.captured_us, scene.ended, scene.renamed) == (AT_US, ("3",), (("4", "12"),))


def test_a_transformation_brings_pixels_into_the_frame() -> None:
    pixels = {"Translate": {"@x": -1, "@y": -1}, "Scale": {"@x": 0.003125, "@y": 0.0041666667}}
    scene = onvif.read(said.onvif(AT, said.shaped(1, (160, 360, 320, 240)), Transformation=pixels))
    assert scene.seen[0].box == pytest.approx((0.25, 0.25, 0.5, 0.5), abs=1e-6)


def test_what_the_mirror_writes_is_read_back() -> None:
    tracks = Tracks(
        np.array([[64, 48, 320, 240]], np.float32),
        np.array([0.75], np.float32),
        np.array([1], np.int32),
        np.array([9], np.int64),
        np.zeros(1, np.float32),
        np.zeros((1, 2), np.float32),
        np.zeros(1, np.bool_),
    )
    written = mirror.frame(tracks, (640, 480), AT_US, kinds(["person", "bus"]), gone=[8])
    scene = onvif.read(json.dumps(written).encode())
    (one,) = scene.seen
    assert (one.id, one.label, one.score) == ("9", "Bus", 0.75)
    assert one.box == pytest.approx((0.1, 0.1, 0.5, 0.5), abs=1e-5)
    assert scene.ended == ("8",)


def test_our_own_detections() -> None:
    (example,) = EXAMPLES.glob("detections*.json")
    wire = json.loads(example.read_text())["payload"]
    scene = darner.read(json.dumps(wire).encode())
    assert [(one.id, one.label, list(one.box)) for one in scene.seen] == [
        (str(one["track_id"]), one["label"], one["box"]) for one in wire["objects"]
    ]
    assert (scene.session, scene.size) == (wire["session"], (wire["width"], wire["height"]))


def test_frigate_tells_of_one_object_and_the_others_stay_where_they_were() -> None:
    board = Board("yard", (1280, 720))
    first = board.read(said.frigate("a", 100.0, [0, 0, 128, 360], "new"))
    second = board.read(said.frigate("b", 101.5, [640, 360, 1280, 720], "new"))
    assert first is not None and second is not None
    assert [(one.id, one.predicted) for one in first.seen] == [("a", False)]
    assert [(one.id, one.predicted, one.box) for one in second.seen] == [
        ("a", True, (0.0, 0.0, 0.1, 0.5)),
        ("b", False, (0.5, 0.5, 1.0, 1.0)),
    ]
    assert second.captured_us == 101_500_000
    ended = board.read(said.frigate("a", 103.0, [0, 0, 128, 360], "end", end_time=103.0))
    assert ended is not None and ended.ended == ("a",)
    assert [one.id for one in ended.seen] == ["b"]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (said.frigate("a", 100.0, [0, 0, 9, 9]), "it was delivered twice"),
        (said.frigate("a", 99.0, [0, 0, 9, 9]), "it is older than what is known"),
        (said.frigate("b", 101.0, [0, 0, 9, 9], false_positive=True), "Frigate is not sure yet"),
        (said.frigate("b", 101.0, [0, 0, 9, 9], camera="door"), "it is of another camera"),
        (said.frigate("b", 101.0, [0, 0, 9, 9], "end"), "it ends what was never there"),
    ],
)
def test_what_frigate_says_that_changes_nothing(payload: bytes, why: str) -> None:
    board = Board("yard", (1280, 720))
    board.read(said.frigate("a", 100.0, [0, 0, 128, 360], "new"))
    assert board.read(payload) is None, why


def test_a_frigate_that_never_ends_an_object_does_not_fill_the_memory() -> None:
    board = Board("yard", (1280, 720))
    for number in range(MOST + 3):
        scene = board.read(said.frigate(f"o{number}", 100.0 + number, [0, 0, 128, 360], "new"))
    assert scene is not None
    assert (len(scene.seen), scene.ended, scene.seen[-1].id) == (MOST, ("o2",), f"o{MOST + 2}")


@pytest.mark.parametrize(
    ("box", "good"),
    [
        ({"left": -0.5, "right": 2.0}, True),  # partly outside: what is inside counts
        ({"left": 0.6}, False),  # turned round
        ({"left": 1.5, "right": 2.0}, False),  # outside
        ({"top": 0.75}, False),  # no area
    ],
)
def test_a_box_counts_as_far_as_it_is_in_the_frame(box: dict[str, Any], good: bool) -> None:
    scene = axis.read(said.axis(AT, said.observed(**box)))
    assert (len(scene.seen), scene.lacking) == ((1, 0) if good else (0, 1))
    for one in scene.seen:
        assert all(0 <= edge <= 1 for edge in one.box)


def test_a_crowd_beyond_the_limit_is_left_out_and_counted() -> None:
    many = [said.observed(str(number)) for number in range(MOST + 5)]
    scene = axis.read(said.axis(AT, *many))
    assert (len(scene.seen), scene.lacking) == (MOST, 5)


def test_one_id_is_one_object() -> None:
    scene = axis.read(said.axis(AT, said.observed("1"), said.observed("1", right=0.9)))
    assert [one.box[2] for one in scene.seen] == [0.9]
    assert scene.lacking == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"frame": null}',
        b'{"frame": {"timestamp": "yesterday", "observations": []}}',
        b'{"frame": {"timestamp": "1900-01-01T00:00:00Z", "observations": []}}',
        said.axis(AT, said.observed(left="wide")),
        said.axis(AT, said.observed(left=float("nan"))),
        b'{"Frame": []}',
    ],
    ids=range(9),
)
@pytest.mark.parametrize("read", [axis.read, onvif.read, darner.read, Board("yard", (9, 9)).read])
def test_nonsense_is_refused_in_one_sentence(read: Callable[[bytes], object], payload: bytes) -> None:
    with pytest.raises(MessageError) as refused:
        read(payload)
    assert 5 < len(str(refused.value)) < 300


_number = st.floats() | st.integers() | st.text(max_size=5) | st.none()
_leaves = st.none() | st.booleans() | _number
_axis_words = "frame timestamp observations bounding_box left top right bottom class type".split()
_onvif_words = "Frame @UtcTime Object Appearance Shape BoundingBox @left @top @ObjectId".split()


def _messages(names: list[str]) -> st.SearchStrategy[Any]:
    def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4)

    return st.recursive(_leaves, grown, max_leaves=12)


@settings(max_examples=50)
@given(_messages(_axis_words) | _messages(_onvif_words) | st.binary(max_size=60))
def test_any_message_is_a_scene_or_a_refusal(message: Any) -> None:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    for read in (axis.read, onvif.read, darner.read, Board("yard", (640, 480)).read):
        with contextlib.suppress(MessageError):
            _check(read(payload))


@given(st.lists(_number, min_size=6, max_size=6))
def test_whatever_the_numbers_of_a_box_are_no_object_is_outside_the_frame(numbers: list[Any]) -> None:
    *edges, score, moment = numbers
    box = dict(zip(("left", "top", "right", "bottom"), edges, strict=True))
    observation = {"track_id": moment, "bounding_box": box, "class": {"type": "Human", "score": score}}
    after = {"id": "a", "camera": "yard", "frame_time": moment, "label": "x", "score": score, "box": edges}
    with contextlib.suppress(MessageError):
        _check(axis.read(said.axis(AT, observation)))
    with contextlib.suppress(MessageError):
        _check(Board("yard", (640, 480)).read(json.dumps({"type": "new", "after": after}).encode()))


def _check(scene: Scene | None) -> None:
    for one in () if scene is None else scene.seen:
        left, top, right, bottom = one.box
        assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1 and 0 <= one.score <= 1
    assert scene is None or 0 <= scene.captured_us < 10**18
