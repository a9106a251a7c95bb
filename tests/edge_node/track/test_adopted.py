"""A sender's ids become track ids of ours, which are never used again."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detections, Followed, Tracks
from edge_node.track.adopted import Adopted


def update(
    adopted: Adopted,
    ids: str,
    dt: float = 0.1,
    x: float = 0.0,
    ended: tuple[str, ...] = (),
    renamed: tuple[tuple[str, str], ...] = (),
) -> Tracks:
    """A frame in which the objects with these letters are at x."""
    count = len(ids)
    boxes = np.array([[x, 0, x + 10, 10]] * count, np.float32).reshape(-1, 4)
    found = Detections(boxes, np.ones(count, np.float32), np.zeros(count, np.int32))
    unsaid = np.full((count, 3), np.nan, np.float32)
    followed = Followed(list(ids), np.zeros(count, np.bool_), unsaid[:, 0], unsaid[:, 1:], ended, renamed)
    return adopted.update(found, followed, dt)


def test_an_id_is_one_track_while_it_comes_and_for_a_moment_longer() -> None:
    adopted = Adopted(TrackerSettings(lost_s=1.0))
    assert update(adopted, "ab").track_id.tolist() == [1, 2]
    assert update(adopted, "b").ended.tolist() == []
    back = update(adopted, "ab", dt=0.5)
    assert back.track_id.tolist() == [1, 2]
    assert back.age_s == pytest.approx([0.6, 0.6])
    update(adopted, "b", dt=0.9)
    assert update(adopted, "b", dt=0.2).ended.tolist() == [1]
    assert update(adopted, "a").track_id.tolist() == [3]


def test_what_the_sender_ends_ends_at_once_and_what_it_renames_goes_on() -> None:
    adopted = Adopted(TrackerSettings())
    update(adopted, "ab")
    after = update(adopted, "c", ended=("a",), renamed=(("b", "c"),))
    assert (after.ended.tolist(), after.track_id.tolist()) == ([1], [2])


def test_a_restart_ends_everything_and_uses_no_id_again() -> None:
    adopted = Adopted(TrackerSettings())
    update(adopted, "ab")
    adopted.reset()
    after = update(adopted, "a")
    assert (after.ended.tolist(), after.track_id.tolist()) == ([1, 2], [3])
    adopted.end(np.array([3]))
    assert update(adopted, "").ended.tolist() == [3]


def test_velocity_is_that_of_the_boxes() -> None:
    adopted = Adopted(TrackerSettings())
    for step in range(20):
        tracks = update(adopted, "a", x=step * 4.0)
    assert tracks.velocity[0] == pytest.approx([40.0, 0.0], rel=0.05)


def test_what_stood_still_is_awaited_for_longer() -> None:
    adopted = Adopted(TrackerSettings(lost_s=1.0, stationary_lost_s=5.0))
    for _ in range(30):
        update(adopted, "a")
    update(adopted, "", dt=4.0)
    assert update(adopted, "a").track_id.tolist() == [1]
    assert update(adopted, "", dt=0.1).ended.tolist() == []
    assert update(adopted, "", dt=5.0).ended.tolist() == [1]


def test_age_and_velocity_are_the_senders_where_it_tells_them() -> None:
    found = Detections(np.array([[0, 0, 10, 10]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32))
    told = Followed(
        ["a"], np.zeros(1, np.bool_), np.array([3.0], np.float32), np.array([[7.0, -2.0]], np.float32)
    )
    tracks = Adopted(TrackerSettings()).update(found, told, 0.0)
    assert (tracks.age_s.tolist(), tracks.velocity.tolist()) == ([3.0], [[7.0, -2.0]])
