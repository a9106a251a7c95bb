"""A frame in ONVIF's words: its coordinates, its types, its shape."""

from __future__ import annotations

import re

import jsonschema
import numpy as np
import pytest

from edge_node.frames import Tracks
from edge_node.onvif import event, scene
from edge_node.onvif.classes import TYPES, Kind, kind, kinds
from edge_node.onvif.event import Rule
from tests.edge_node.onvif.shapes import EVENT, EVENT_TOPIC, SCENE
from tests.edge_node.scenes import CLASSES, HEIGHT, WIDTH, Actor, film, stand

CAPTURED_US = 1_633_446_807_321_987
SIZE = (WIDTH, HEIGHT)
KINDS = kinds(CLASSES)


def tracks(*actors: Actor) -> Tracks:
    return next(film(actors, [0.0]))[0]


def test_the_origin_is_the_middle_and_y_goes_up() -> None:
    """The upper left corner is -1, 1, as ONVIF's figure of the normalised coordinates has it."""
    corners = np.array([[0, 0, WIDTH / 2, HEIGHT / 2], [WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT]])
    assert scene.normalised(corners, *SIZE).tolist() == [[-1, 1, 0, 0], [0, 0, 1, -1]]


def test_a_box_beyond_the_frame_is_cut_at_its_edge() -> None:
    assert scene.normalised(np.array([[-50.0, -50.0, WIDTH + 9.0, HEIGHT + 9.0]]), *SIZE).tolist() == [
        [-1, 1, 1, -1]
    ]


def test_a_frame_reads_as_the_example_of_the_specification() -> None:
    car = Actor(15, stand(0.5, 0.5), class_id=1, size=(0.2, 0.2), score=0.8)
    said = scene.frame(tracks(car), SIZE, CAPTURED_US, KINDS, [1.25])
    assert said == {
        "Frame": [
            {
                "@UtcTime": "2021-10-05T15:13:27.321Z",
                "@Source": "Darner",
                "Object": [
                    {
                        "@ObjectId": 15,
                        "Appearance": {
                            "Shape": {
                                "BoundingBox": {"@left": -0.2, "@top": 0.4, "@right": 0.2, "@bottom": 0.0},
                                "CenterOfGravity": {"@x": 0.0, "@y": 0.2},
                            },
                            "Class": {"Type": [{"@Likelihood": 0.8, "#text": "Vehicle"}]},
                            "VehicleInfo": [{"Type": {"@Likelihood": 0.8, "#text": "Car"}}],
                        },
                        "Behaviour": {"Speed": 1.25},
                    }
                ],
            }
        ]
    }
    jsonschema.validate(said, SCENE)


@pytest.mark.parametrize("renamed", [[], [(1, 2)]])
@pytest.mark.parametrize("gone", [[], [3, 4]])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_every_frame_has_the_shape_that_the_rules_demand(
    count: int, gone: list[int], renamed: list[tuple[int, int]]
) -> None:
    seen = tracks(*(Actor(n, stand(n / 30, 1.2), class_id=n % 3) for n in range(count)))
    said = scene.frame(seen, SIZE, CAPTURED_US, KINDS, renamed=renamed, gone=gone)
    jsonschema.validate(said, SCENE)
    content = said["Frame"][0]
    assert ("Object" in content) == (count > 0)
    assert ("ObjectTree" in content) == bool(gone or renamed)
    assert list(content) == [
        key for key in ("@UtcTime", "@Source", "Object", "ObjectTree") if key in content
    ], "as the XML schema orders them"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("person", Kind("Human")),
        ("car", Kind("Vehicle", "Car")),
        ("truck", Kind("Vehicle", "Truck")),
        ("motorcycle", Kind("Vehicle", "Motorcycle")),
        ("train", Kind("Vehicle")),
        ("bicycle", Kind("Bicycle")),
        ("dog", Kind("Animal")),
        ("License_Plate", Kind("LicensePlate")),
        ("suitcase", Kind("suitcase")),
    ],
)
def test_classes_become_onvifs_types_and_others_keep_their_name(label: str, expected: Kind) -> None:
    assert kind(label) == expected


def test_the_user_may_say_what_a_class_is() -> None:
    own = {"forklift": "Vehicle", "person": "Worker", "car": "Human"}
    assert kind("forklift", own) == Kind("Vehicle")
    assert kind("person", own) == Kind("Worker")
    assert kind("car", own) == Kind("Human"), "and no vehicle any more"


def test_what_we_call_by_onvifs_names_is_one_of_them() -> None:
    known = ("person", "car", "train", "bicycle", "cat", "face", "fire", "smoke", "drone", "barcode")
    assert {kind(label).type for label in known} <= set(TYPES)


def test_an_event_reads_as_the_example_of_the_specification() -> None:
    rule = Rule(event.CROSSED, "street", "gate")
    assert f"MyDevice/{rule.levels}" == "MyDevice/onvif-ej/RuleEngine/LineDetector/Crossed/&street/gate"
    assert re.fullmatch(EVENT_TOPIC, f"MyDevice/{rule.levels}")
    said = rule.event(CAPTURED_US, event.about([15, 3], ["Human", "license plate"]))
    assert said == {
        "UtcTime": "2021-10-05T15:13:27.321Z",
        "Source": {"VideoSource": "street", "Rule": "gate"},
        "Data": {"ObjectId": "15 3", "ClassTypes": "Human license_plate"},
    }
    jsonschema.validate(said, EVENT)


def test_an_event_names_no_more_objects_than_it_may() -> None:
    many = list(range(event.MAX_IDS + 50))
    data = event.about(many, ["Human"] * len(many))
    assert len(data["ObjectId"].split()) == len(data["ClassTypes"].split()) == event.MAX_IDS
