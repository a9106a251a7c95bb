"""What a running node ignores, over MQTT: masks, filters, and suspects that may become masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import orjson
import pytest

from shared.wire import topics
from shared.wire.messages import Suspect
from tests.conftest import Mosquitto
from tests.integration.test_file_to_mqtt import config
from tests.integration.test_reload import SQUARE, Node, running

WHOLE = {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "classes": ["person"]}


IN_HAND = 6
"""Frames that may have been on their way through the stages when a change was answered."""


def ask(node: Node, version: int, **definitions: Any) -> Any:
    zones = {"zones": {}, "lines": {}} | definitions
    return node.ask("zones.set", camera="street", version=version, **zones)


def test_a_mask_takes_effect_at_once_and_outlives_a_crash(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-masks/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    settings["zones_file"] = str(tmp_path / "zones.json")
    with running(broker, tmp_path, settings, prefix) as node:
        heard = node.heard
        heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)[-1].objects), 30)
        answer = ask(node, 1, zones={"all": SQUARE}, masks={"all-of-it": WHOLE})
        assert answer.result["version"] == 2
        [warning] = answer.result["warnings"]
        assert warning == "mask 'all-of-it' covers the whole picture: nothing of person is reported any more"
        heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)[-1].ignored))
        rows = [row for row, *_ in heard.seen]
        late = rows[rows.index(topics.RESPONSE) :].count(topics.DETECTIONS)
        assert late <= IN_HAND, "the browser's test of masks has the time"
        masked = heard.of(topics.DETECTIONS)[-1]
        assert masked.objects == []
        assert {(one["reason"], one["mask"], one["label"]) for one in masked.ignored} == {
            ("mask", "all-of-it", "person")
        }
        assert ask(node, 1, masks={}).code == "conflict"
        assert ask(node, 2).result["version"] == 3, "a client that knows no masks"
        heard.listen_until(lambda: heard.of(topics.ZONES)[-1].version == 3)
        assert heard.of(topics.ZONES)[-1].masks.keys() == {"all-of-it"}

        def counts() -> dict[str, int]:
            return heard.of(topics.METRICS)[-1].cameras["street"].ignored if heard.of(topics.METRICS) else {}

        heard.listen_until(lambda: counts().get("mask", 0) > 5, 20)
        assert counts()["mask"] == counts()["mask:all-of-it"]
        node.process.kill()
    with running(broker, tmp_path, settings, prefix) as node:
        heard = node.heard
        heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)[-1].ignored), 20)
        assert (heard.of(topics.ZONES)[-1].version, len(heard.of(topics.ZONES)[-1].masks)) == (3, 1)
        assert not any(one.objects for one in heard.of(topics.DETECTIONS))
        ask(node, 3, masks={}, filters={"person": {"max_size": 0.01}})
        heard.listen_until(
            lambda: [one["reason"] for one in heard.of(topics.DETECTIONS)[-1].ignored[:1]] == ["max_size"]
        )


@pytest.fixture(scope="module")
def node(broker: Mosquitto, people_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder, prefix = tmp_path_factory.mktemp("node"), "test-bad-masks/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    with running(broker, folder, settings, prefix) as one:
        yield one


@pytest.mark.parametrize(
    ("definitions", "says"),
    [
        pytest.param(
            {"zones": {"a": SQUARE}, "masks": {"a": SQUARE}},
            "'a' names a zone and a mask; rename one of them",
            id="two with one name",
        ),
        pytest.param(
            {"filters": {"person": {"min_size": 0.5, "max_size": 0.1}}},
            "filters.person.min_size: 0.5 is above max_size, which is 0.1, so that nothing could pass; "
            "exchange them or leave one out",
            id="min above max",
        ),
        pytest.param(
            {"masks": {"a": {"polygon": [[0, 0], [640, 0], [640, 480]]}}},
            "masks.a.polygon.1.0: 640: expected a number <= 2.0; coordinates are fractions of the picture, "
            "from 0 to 1",
            id="pixels",
        ),
        pytest.param(
            {"masks": {"a": SQUARE | {"by": "touch"}}},
            "masks.a.by: 'touch': expected one of anchor, overlap",
            id="an unknown way",
        ),
        pytest.param(
            {"filters": {"all": {"score": 40}}},
            "filters.all.score: 40: expected a number <= 1.0",
            id="a score in percent",
        ),
        pytest.param(
            {"filters": {"": {"score": 0.4}}},
            "filters: a filter has no name; name a class, or all for every class",
            id="no class",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_one_clear_sentence(
    node: Node, definitions: dict[str, Any], says: str
) -> None:
    answer = ask(node, 1, **definitions)
    assert (answer.code, answer.error) == ("invalid", says)


def test_what_is_useless_is_kept_and_said(node: Node) -> None:
    off = {"polygon": [[1.1, 0], [1.5, 0], [1.5, 1]]}
    answer = ask(node, 1, masks={"off": off}, filters={"unicorn": {"score": 0.9}, "all": {"score": 0.01}})
    assert answer.error is None
    off_frame, unknown, low = answer.result["warnings"]
    assert off_frame == "mask 'off' can never ignore anything: it lies outside the frame"
    assert unknown.startswith("filters.unicorn: the model has no class 'unicorn'; it has person, ")
    assert low.startswith("filters.all.score: 0.01 drops nothing: detections below 0.")


@pytest.fixture
def frozen(people_video: Path, tmp_path: Path) -> Path:
    """A minute of one picture of the street, two frames a second."""
    reader = cv2.VideoCapture(str(people_video))
    reader.set(cv2.CAP_PROP_POS_FRAMES, 300)
    _, picture = reader.read()
    path = tmp_path / "frozen.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 2, picture.shape[1::-1])
    for _ in range(120):
        writer.write(picture)
    writer.release()
    return path


def test_suspects_are_offered_dismissed_masked_and_kept(
    broker: Mosquitto, frozen: Path, tmp_path: Path
) -> None:
    prefix = "test-suspects/v1"
    settings = config(broker.url, frozen, prefix, loop=True, suspects={"after_s": 6})
    settings["zones_file"] = str(tmp_path / "zones.json")

    def offered(node: Node) -> tuple[Suspect, ...]:
        found: tuple[Suspect, ...] = node.heard.of(topics.SUSPECTS)[-1].suspects
        return found

    with running(broker, tmp_path, settings, prefix) as node:
        assert node.heard.of(topics.SUSPECTS)[0].suspects == ()
        node.heard.listen_until(lambda: len(offered(node)) >= 2)
        assert {one.label for one in offered(node)} == {"person"}
        assert node.ask("suspects.dismiss", camera="street", id="nobody").code == "unknown"
        assert node.ask("suspects.dismiss", camera="street").error == (
            "id is missing; it is that of a suspect in the /suspects message"
        )
        real = offered(node)[0]
        answer = node.ask("suspects.dismiss", camera="street", id=real.id)
        assert answer.error is None
        assert real.id not in {one["id"] for one in answer.result["suspects"]}
        node.heard.listen_until(lambda: real.id not in {one.id for one in offered(node)})
        thing = offered(node)[0]
        mask = {"polygon": thing.polygon, "classes": [thing.label]}
        node.ask("zones.set", camera="street", zones={}, lines={}, masks={"thing": mask}, version=1)
        node.heard.listen_until(lambda: thing.id not in {one.id for one in offered(node)})
        node.heard.listen_until(
            lambda: any(one["mask"] == "thing" for one in node.heard.of(topics.DETECTIONS)[-1].ignored)
        )
        kept = tmp_path / "suspects-box.json"
        node.heard.listen_until(lambda: kept.is_file() and thing.id not in kept.read_text())
        node.process.kill()
    with running(broker, tmp_path, settings, prefix) as node:
        node.heard.listen_until(lambda: len(node.heard.of(topics.DETECTIONS)) > 60)
        gone = [real.box, thing.box]
        assert not [one for one in offered(node) if one.box in gone]
        real_things = orjson.loads(kept.read_bytes())["cameras"]["street"]["real"]
        assert [one["label"] for one in real_things] == ["person"]
