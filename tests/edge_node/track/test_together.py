"""Cameras whose trackers step together get exactly the tracks that each would get alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detections, Looked, Tracks
from edge_node.track.rows import Given
from edge_node.track.tracker import Tracker, create

Arrays = tuple[npt.NDArray[np.generic], ...]


def arrays(tracks: Tracks) -> Arrays:
    return (
        tracks.xyxy,
        tracks.score,
        tracks.class_id,
        tracks.track_id,
        tracks.age_s,
        tracks.velocity,
        tracks.predicted,
        tracks.ended,
    )


def same(one: Tracks, other: Tracks) -> bool:
    pairs = zip(arrays(one), arrays(other), strict=True)
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


class Scene:
    """Objects that walk in a picture of 1000x1000, in the way of each other; their boxes are often equal."""

    def __init__(self, seed: int, objects: int) -> None:
        self._random = random = np.random.default_rng(seed)
        self._place = random.uniform(0, 1000, (objects, 2))
        self._way = random.normal(0, 60, (objects, 2)) * (random.random((objects, 1)) < 0.7)
        self._half = random.uniform(20, 120, (objects, 2))
        self._class_id = random.integers(0, 1 + seed % 7, objects).astype(np.int32)

    def next(self) -> Given:
        random, dt = (
            self._random,
            float(self._random.choice([0.0, 0.04, 0.1, 0.4], p=[0.02, 0.6, 0.33, 0.05])),
        )
        self._place += self._way * dt
        if random.random() < 0.15:
            return Given(None, dt)
        there = random.random(len(self._place)) > (1.0 if random.random() < 0.05 else 0.15)
        at = self._place + random.normal(0, 2, self._place.shape)
        boxes = np.concatenate([at - self._half, at + self._half], axis=1).round(-1).astype(np.float32)
        score = random.uniform(0.2, 0.95, len(at)).astype(np.float32)
        looked = None
        if random.random() < 0.3:
            parts = np.array([(0, 0, 500, 1000), (500, 0, 1000, 500)], np.float32)
            looked = Looked(parts, np.array([10, 80], np.float32))
        return Given(Detections(boxes[there], score[there], self._class_id[there]), dt, looked)


@pytest.mark.parametrize("kind", ["bytetrack", "ocsort"])
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    objects=st.lists(st.sampled_from([0, 1, 2, 7, 20]), min_size=1, max_size=6),
    confirm_s=st.sampled_from([0.0, 0.2]),
)
def test_tracks_are_the_same_bit_by_bit(kind: str, seed: int, objects: list[int], confirm_s: float) -> None:
    rules = TrackerSettings(kind=kind, confirm_s=confirm_s, lost_s=0.6)  # type: ignore[arg-type]
    scenes = [Scene(seed + place, many) for place, many in enumerate(objects)]
    alone, together = ([create(rules) for _ in objects] for _ in range(2))
    random = np.random.default_rng(seed)
    for _ in range(25):
        there = (random.random(len(objects)) < 0.8).nonzero()[0].tolist()
        if not there:
            continue
        one = there[int(random.integers(len(there)))]
        what = random.random()  # happens to a tracker between frames
        for trackers in (alone, together):
            if what < 0.05:
                trackers[one].reset()
            elif what < 0.15:
                trackers[one].end(np.array([0, 1, 4, 5], np.int64))
        frames = [scenes[place].next() for place in there]
        expected = [
            alone[place].update(frame.detections, frame.dt, frame.looked)
            for place, frame in zip(there, frames, strict=True)
        ]
        found = Tracker.update_all([together[place] for place in there], frames)
        assert all(same(a, b) for a, b in zip(expected, found, strict=True))


def test_a_camera_with_many_objects_beside_many_with_few() -> None:
    """In blocks of one size for all cameras, nearly all places would be empty."""
    rules = TrackerSettings()
    scenes = [Scene(place, 150 if place == 5 else 2) for place in range(30)]
    alone, together = ([create(rules) for _ in scenes] for _ in range(2))
    for _ in range(12):
        frames = [scene.next() for scene in scenes]
        expected = [
            one.update(frame.detections, frame.dt, frame.looked)
            for one, frame in zip(alone, frames, strict=True)
        ]
        found = Tracker.update_all(together, frames)
        assert all(same(a, b) for a, b in zip(expected, found, strict=True))


def test_cameras_with_other_settings_keep_them() -> None:
    slow, fast = create(TrackerSettings(confirm_s=10.0)), create(TrackerSettings())
    still = Detections(
        np.array([(10, 10, 50, 90)], np.float32), np.array([0.9], np.float32), np.zeros(1, np.int32)
    )
    for _ in range(3):
        found = Tracker.update_all([slow, fast], [Given(still, 0.1)] * 2)
    assert [len(tracks) for tracks in found] == [0, 1]
