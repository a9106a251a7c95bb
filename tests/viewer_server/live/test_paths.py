"""The paths of finished tracks: the newest of each camera, in bounded memory."""

from __future__ import annotations

from typing import Any

from shared.wire.messages import Track
from viewer_server.live.paths import MOST_CAMERAS, MOST_TRACKS, Paths


def track(number: int, camera: str = "yard", **more: Any) -> Track:
    box = (0.1, 0.2, 0.3, 0.4)
    given: dict[str, Any] = {
        "node": "n",
        "session": "s",
        "published_us": 1,
        "camera": camera,
        "seq": 1,
        "captured_us": 1,
        "track_id": number,
        "class_id": 0,
        "label": "person",
        "classes": {},
        "score": 0.9,
        "detections": 2,
        "started_us": 1,
        "ended_us": 2,
        "duration_s": 1.0,
        "ended": "left",
        "path": [(0.0, 0.1, 0.2), (1.0, 0.3, 0.4)],
        "path_error": 0.0,
        "first_box": box,
        "last_box": box,
    }
    return Track(**given | more)


def numbers(paths: Paths, camera: str = "yard") -> list[int]:
    return [one["track_id"] for one in paths.of("n", camera)]


def test_the_newest_tracks_of_each_camera_are_kept_newest_first() -> None:
    paths = Paths()
    for number in range(MOST_TRACKS + 5):
        paths.add(track(number))
    paths.add(track(7, "gate"))
    assert numbers(paths) == list(range(MOST_TRACKS + 4, 4, -1))
    assert numbers(paths, "gate") == [7]
    assert numbers(paths, "unknown") == []
    assert paths.of("n", "gate")[0]["path"] == [[0.0, 0.1, 0.2], [1.0, 0.3, 0.4]]


def test_a_track_that_comes_twice_is_shown_once_and_another_run_may_have_its_number() -> None:
    paths = Paths()
    for one in (track(1), track(1), track(1, session="later")):
        paths.add(one)
    assert numbers(paths) == [1, 1]


def test_of_too_many_cameras_the_one_that_was_silent_longest_goes() -> None:
    paths = Paths()
    for number in range(MOST_CAMERAS):
        paths.add(track(number, f"c{number}"))
    paths.add(track(99, "c0"))
    paths.add(track(1, "another"))
    assert numbers(paths, "c0") == [99, 0]
    assert numbers(paths, "c1") == []


def test_a_track_without_a_path_is_nothing_to_draw() -> None:
    paths = Paths()
    paths.add(track(1, path=[]))
    assert numbers(paths) == []
