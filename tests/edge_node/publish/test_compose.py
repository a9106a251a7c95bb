from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest

from edge_node.analytics.happenings import Happening
from edge_node.frames import Detections, Looked
from edge_node.ignore.rules import REASONS, Ignored
from edge_node.publish.compose import Composer, fractions, new_session, rounded
from shared import limits
from shared.wire import messages
from shared.wire.messages import Dwell, ZoneNumbers
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

COMPOSER = Composer("box", "s", CLASSES)
ZONE = ZoneNumbers(zone="gate", kind="zone", occupancy=2, dwell=Dwell(completed=1, ongoing_max_s=1.0))


def test_sessions_sort_by_time_and_none_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert new_session() != new_session()
    early = new_session()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert early < new_session()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((0, 0, 1920, 1080), [0, 0, 1, 1], id="the whole picture"),
        pytest.param((-5, 540, 960, 2000), [0, 0.5, 0.5, 1], id="cut at the picture's edge"),
        pytest.param((1, 1, 2, 2), [0.00052, 0.00093, 0.00104, 0.00185], id="to five decimals"),
    ],
)
def test_boxes_are_fractions_of_the_picture(box: tuple[float, ...], expected: list[float]) -> None:
    assert fractions(np.array([box], np.float32), 1920, 1080) == [expected]


def test_a_single_precision_number_is_written_without_its_noise() -> None:
    assert rounded(np.array([0.1, 0.12345], np.float32), 4) == [0.1, 0.1235]


def test_a_detections_message_lists_every_track_with_its_label() -> None:
    item = analysed(objects=2, seq=7)
    item = dataclasses.replace(
        item, report=dataclasses.replace(item.report, speed_m_s=np.array([1.234, math.nan]))
    )
    message = COMPOSER.detections(item, dropped=3)
    assert (message.node, message.session, message.seq, message.dropped) == ("box", "s", 7, 3)
    assert [(one["track_id"], one["label"]) for one in message.objects] == [(0, "person"), (1, "person")]
    assert [one["speed_m_s"] for one in message.objects] == [1.23, None], "no speed above the horizon"
    assert messages.decode(messages.DetectionsMessage, messages.encode(message)).seq == 7


def test_the_numbers_of_a_track_are_limited_and_rounded_each_for_itself() -> None:
    item, many, random = analysed(objects=200), 200, np.random.default_rng(0)
    tracks = dataclasses.replace(
        item.tracks,
        xyxy=random.uniform(-50, 1500, (many, 4)).astype(np.float32),
        score=random.random(many, np.float32),
        age_s=random.uniform(0, 1e5, many).astype(np.float32),
        velocity=(random.normal(0, 1, (many, 2)) * 10.0 ** random.integers(0, 20, (many, 1))).astype(
            np.float32
        ),
    )
    size = np.array([item.frame.width, item.frame.height], np.float64)
    objects = COMPOSER.objects(dataclasses.replace(item, tracks=tracks))
    assert [list(one["box"]) for one in objects] == fractions(
        tracks.xyxy, item.frame.width, item.frame.height
    )
    assert [one["score"] for one in objects] == rounded(tracks.score, 4)
    assert [one["age_s"] for one in objects] == rounded(tracks.age_s, 3)
    velocity = np.clip(tracks.velocity / size, -limits.AMOUNT, limits.AMOUNT)
    assert [one["velocity"] for one in objects] == rounded(velocity, 5)


def test_where_the_network_looked_is_told_in_fractions() -> None:
    item = analysed(objects=0)
    assert COMPOSER.detections(item).looked == []
    width, height = item.frame.width, item.frame.height
    looked = Looked(
        np.array([[0, 0, width, height], [0, 0, width / 2, height / 4]], np.float32), np.ones(2, np.float32)
    )
    message = COMPOSER.detections(dataclasses.replace(item, looked=looked))
    assert message.looked == [[0, 0, 1, 1], [0, 0, 0.5, 0.25]]
    again = messages.decode(messages.DetectionsMessage, messages.encode(message))
    assert again.looked == [(0, 0, 1, 1), (0, 0, 0.5, 0.25)]


def test_what_was_dropped_is_listed_with_the_reason_the_best_scores_first() -> None:
    item, many = analysed(), 2 * limits.IGNORED
    found = Detections(
        np.tile(np.array([128, 72, 256, 144], np.float32), (many, 1)),
        np.linspace(0.1, 0.9, many, dtype=np.float32),
        np.full(many, 2, np.int32),
    )
    reason = np.where(np.arange(many) % 2, REASONS.index("mask"), REASONS.index("score")).astype(np.int32)
    mask = np.where(np.arange(many) % 2, 1, -1).astype(np.int32)
    item = dataclasses.replace(item, ignored=Ignored(found, reason, mask, ("tree", "pond")))
    message = messages.decode(messages.DetectionsMessage, messages.encode(COMPOSER.detections(item)))
    assert len(message.ignored) == limits.IGNORED
    assert message.ignored[0] == {
        "class_id": 2,
        "label": "dog",
        "score": 0.9,
        "box": (0.1, 0.1, 0.2, 0.2),
        "reason": "mask",
        "mask": "pond",
    }
    assert (message.ignored[1]["reason"], message.ignored[1]["mask"]) == ("score", None)
    scores = [one["score"] for one in message.ignored]
    assert scores == sorted(scores, reverse=True)
    assert COMPOSER.detections(analysed()).ignored == []


def test_an_event_occurred_as_long_before_its_frame_as_analytics_says() -> None:
    item = analysed(seq=1)
    happening = Happening(
        type="zone_exited",
        occurred_s=item.now_s - 2.5,
        track_id=4,
        class_id=2,
        zone="gate",
        dwell_s=1.0000049,
        box=(0.123456, 0.0, 0.5, 1.0),
    )
    event = COMPOSER.event(happening, item, "a/topic")
    assert event.captured_us - event.occurred_us == 2_500_000
    assert (event.label, event.snapshot, event.track_id, event.zone) == ("dog", "a/topic", 4, "gate")
    assert (event.dwell_s, event.box) == (1.0, (0.12346, 0.0, 0.5, 1.0))
    assert COMPOSER.event(Happening(type="crowd_started", occurred_s=item.now_s), item).label is None


def test_an_event_before_1970_occurred_in_1970() -> None:
    item = analysed()
    item = dataclasses.replace(item, frame=dataclasses.replace(item.frame, captured_ns=0))
    assert COMPOSER.event(Happening(type="track_started", occurred_s=item.now_s - 1), item).occurred_us == 0


def test_a_zones_times_have_three_decimals() -> None:
    numbers = dataclasses.replace(ZONE, dwell=Dwell(completed=1, ongoing_max_s=1.23456))
    state = COMPOSER.zone(numbers, analysed().frame)
    assert (state.zone, state.occupancy, state.dwell.ongoing_max_s) == ("gate", 2, 1.235)
