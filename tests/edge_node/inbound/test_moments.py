"""Messages become frames: in order, with our classes, and with what does not count left out and counted."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from edge_node.frames import Detected
from edge_node.inbound.moments import Moments
from edge_node.mqtt_source import parse
from tests.edge_node.inbound import messages as said

NAMES = ("person", "bicycle", "car")
START_S = 1_772_960_419.0


def at(seconds: float) -> str:
    return f"{np.datetime64(round((START_S + seconds) * 1e6), 'us')}Z"


class Fed:
    """Moments, and the arrival of its messages on a clock of the test's own."""

    def __init__(self, query: str, least: float = 0.0) -> None:
        self.counts: Counter[str] = Counter()
        source = parse(f"mqtt:///t?{query}")
        self.moments = Moments("yard", source, NAMES, self.counts, lambda: least)
        self._base_ns = time.monotonic_ns() - 3_600_000_000_000

    def __call__(self, payload: bytes, arrived_s: float) -> Detected | None:
        arrived_ns = self._base_ns + round(arrived_s * 1e9)
        return self.moments.of((payload, arrived_ns, round((START_S + arrived_s) * 1e9)))


def seconds(detected: Detected | None) -> float:
    assert detected is not None
    return detected.frame.captured_ns / 1e9 - START_S


def test_a_frame_has_the_senders_time_and_boxes_in_pixels_and_takes_no_memory() -> None:
    fed = Fed("format=axis&size=640x480")
    detected = fed(said.axis(at(1.0), said.observed("7", "Human", 0.6)), 1.2)
    assert detected is not None and detected.detections is not None and detected.followed is not None
    assert seconds(detected) == pytest.approx(1.0, abs=1e-6)
    assert (detected.frame.width, detected.frame.height, detected.frame.clock) == (640, 480, "sender")
    assert detected.detections.xyxy.tolist() == [[160, 240, 320, 360]]
    assert detected.detections.class_id.tolist() == [0]
    assert list(detected.followed.ids) == ["7"]
    assert isinstance(detected.frame.picture, np.ndarray)
    assert detected.frame.picture.strides == (0, 0, 0)


def test_the_times_between_frames_are_the_senders_however_the_network_delays_them() -> None:
    fed = Fed("format=axis")
    frames = [fed(said.axis(at(t)), t + late) for t, late in ((0.0, 0.1), (0.5, 0.4), (1.0, 0.2))]
    monotonic = [one.frame.monotonic_ns for one in frames if one is not None]
    assert np.diff(monotonic) / 1e9 == pytest.approx([0.5, 0.5], abs=0.002)


@pytest.mark.parametrize(
    ("back_s", "frames", "restarted"),
    [
        (0.0, 1, []),  # delivered twice
        (0.3, 1, []),  # overtaken
        (5.0, 2, [True]),  # the clock was set back, or a recording began again
    ],
)
def test_a_message_that_lies_behind_the_last_one(back_s: float, frames: int, restarted: list[bool]) -> None:
    fed = Fed("format=axis")
    fed(said.axis(at(10.0)), 10.0)
    second = fed(said.axis(at(10.0 - back_s)), 10.1)
    assert 1 + (second is not None) == frames
    assert [second.frame.restarted] * (second is not None) if second else restarted == []
    assert fed.counts["late"] == 2 - frames


def test_a_sender_whose_clock_is_wrong_by_years_gets_our_time() -> None:
    fed = Fed("format=axis")
    ahead = fed(said.axis("2098-01-01T00:00:00Z"), 3.0)
    assert seconds(ahead) == pytest.approx(3.0, abs=1e-6)
    assert ahead is not None and ahead.frame.clock == "stream"


def test_what_does_not_count_is_left_out_and_counted() -> None:
    fed = Fed("format=axis", least=0.5)
    objects = (
        said.observed("1", "Human", 0.9),
        said.observed("2", "Human", 0.4),  # below the camera's confidence
        said.observed("3", "Zeppelin", 0.9),
        said.observed("4", "Vehicle", 0.9),
        said.observed(None, "Human", 0.9),
        said.observed("6", "Human", 0.9, left=0.9),
    )
    detected = fed(said.axis(at(0.0), *objects), 0.0)
    assert fed(b"{", 0.1) is None
    assert detected is not None and detected.followed is not None
    assert list(detected.followed.ids) == ["1", "4"]
    assert +fed.counts == {"unknown_class": 1, "without_id": 1, "malformed": 1, "unreadable": 1}


def test_objects_without_ids_are_left_to_our_tracker() -> None:
    detected = Fed("format=axis&ids=ours")(said.axis(at(0.0), said.observed(None)), 0.0)
    assert detected is not None and detected.detections is not None
    assert (len(detected.detections), detected.followed) == (1, None)


def test_between_events_frigates_objects_stay_and_nothing_ends_them_but_silence() -> None:
    fed = Fed("format=frigate&camera=yard&size=640x480")
    fed(said.frigate("a", START_S, [0, 0, 64, 48], "new"), 0.2)
    still = fed.moments.still()
    assert still.followed is not None
    assert (list(still.followed.ids), still.followed.predicted.tolist()) == (["a"], [True])
    nothing = fed.moments.nothing()
    assert nothing.followed is not None
    assert (list(nothing.followed.ids), nothing.frame.restarted) == ([], True)
    assert fed.moments.still().followed.ids == []  # type: ignore[union-attr]  # checked above
