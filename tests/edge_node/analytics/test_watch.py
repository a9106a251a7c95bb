"""One camera's frames through its tracker and its analytics."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_node.analytics.watch import Analysed, Watch, update_all
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected, Detections, Followed, Frame, Looked
from shared.wire.messages import FilterDefinition, LineDefinition, MaskDefinition, ZoneDefinition
from tests.edge_node.scenes import CLASSES, square

IMAGE = np.zeros((100, 200, 3), np.uint8)
LEFT = ZoneDefinition(polygon=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
MIDDLE = LineDefinition(points=((0.5, 1.0), (0.5, 0.0)), band=0.01)


def defined(version: int = 1, zones: Mapping[str, ZoneDefinition] | None = None) -> Definitions:
    return Definitions(
        version=version, zones={"left": LEFT} if zones is None else dict(zones), lines={"middle": MIDDLE}
    )


def new_watch(**tracking: float) -> Watch:
    return Watch(AnalyticsSettings(), defined(), TrackerSettings(**tracking), CLASSES)  # type: ignore[arg-type]


def seen(at_s: float, *feet: float, camera: str = "door", restarted: bool = False) -> Detected:
    """Somebody 20 pixels wide and 40 high at each of these x, on the middle of the picture."""
    frame = Frame(camera, 0, 0, int(at_s * 1e9), IMAGE, restarted)
    boxes = np.array([(x - 10, 30, x + 10, 70) for x in feet], np.float32).reshape(-1, 4)
    n = len(feet)
    return Detected(
        frame, Detections(boxes, np.full(n, 0.9, np.float32), np.zeros(n, np.int32)), {"ready": 1.5}
    )


def low(at_s: float, *feet: float) -> Detected:
    """As `seen`, with their feet at a fifth of the picture's height."""
    item = seen(at_s, *feet)
    assert item.detections is not None
    return dataclasses.replace(
        item,
        detections=dataclasses.replace(
            item.detections, xyxy=item.detections.xyxy - np.array([0, 50, 0, 50], np.float32)
        ),
    )


def told(analysed: Analysed) -> tuple[Any, ...]:
    report = analysed.report
    return report.happenings, report.numbers, report.zones_of, report.main_track_id, analysed.definitions


def kinds(analysed: Analysed) -> list[str]:
    return [one.type for one in analysed.report.happenings]


def test_a_frame_goes_through_tracker_and_analytics() -> None:
    one = new_watch()
    for step in range(6):
        analysed = one.update(seen(10 + 0.1 * step, 50 + 2 * step))
    assert analysed.tracks.track_id.tolist() == [1]
    assert analysed.report.zones_of == [["left"]]
    assert analysed.report.numbers["left"].occupancy == 1
    assert analysed.now_s == pytest.approx(10.5)
    assert analysed.definitions is None
    assert analysed.tracks.velocity[0, 0] == pytest.approx(20.0, rel=0.5)
    assert one.heatmap.seconds.sum() > 0.3


def test_the_time_between_frames_is_the_cameras_own_however_late_its_clock_begins() -> None:
    """A tracker that were told of the first frame's time as a duration would have lost the second object."""
    early, late = new_watch(), new_watch()
    for step in range(8):
        a, b = (
            one.update(seen(start + 0.1 * step, 50 + 4 * step)) for one, start in ((early, 0), (late, 1e5))
        )
        np.testing.assert_allclose(a.tracks.xyxy, b.tracks.xyxy, atol=1e-3)
        np.testing.assert_allclose(a.tracks.age_s, b.tracks.age_s, atol=1e-3)
    assert a.tracks.age_s[0] == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize(("tile", "objects"), [((0, 0, 5, 5), 1), ((0, 0, 100, 100), 0)], ids=str)
def test_an_object_outside_of_what_was_looked_at_is_not_missed(tile: tuple[float, ...], objects: int) -> None:
    one = new_watch()
    for step in range(10):
        one.update(seen(0.1 * step, 50))
    looked = Looked(np.array([tile], np.float32), np.ones(1, np.float32))
    for step in range(10, 15):
        analysed = one.update(replace(seen(0.1 * step), looked=looked))
    assert len(analysed.tracks) == objects


def test_a_frame_that_was_not_looked_at_is_predicted() -> None:
    one = new_watch()
    for step in range(3):
        one.update(seen(0.1 * step, 50))
    item = seen(0.3)
    analysed = one.update(Detected(item.frame, None, {}))
    assert analysed.tracks.predicted.tolist() == [True]


def test_each_step_says_how_long_it_took_beside_the_steps_before(monkeypatch: pytest.MonkeyPatch) -> None:
    one = new_watch()
    monkeypatch.setattr(time, "perf_counter", iter([10.0, 10.0012342, 11.0]).__next__)
    timings = one.update(seen(0.0, 50)).timings_ms
    assert timings == {"ready": 1.5, "track": 1.234, "analyse": 998.766}


def test_new_definitions_hold_from_the_next_frame_and_are_said_once() -> None:
    one = new_watch()
    for step in range(10):
        one.update(seen(0.1 * step, 50, *([150] if step == 9 else [])))
    wanted = defined(2, {"right": ZoneDefinition(polygon=square(0.5, 1.0))})
    one.redefine(wanted)
    analysed = one.update(seen(1.0, 50, 150))
    assert analysed.definitions is wanted
    assert set(analysed.report.numbers) == {"right", "middle"}
    assert kinds(analysed) == ["zone_lost", "track_started", "zone_entered"]  # first what was closed
    assert one.update(seen(1.1, 50)).definitions is None


def test_a_restart_ends_tracks_and_stays_before_the_frame_is_read() -> None:
    one = new_watch()
    for step in range(10):
        one.update(seen(0.1 * step, 50))
    analysed = one.update(seen(5.0, 50, restarted=True))
    assert kinds(analysed) == ["zone_lost", "track_ended"]
    assert analysed.tracks.ended.tolist() == [1]
    assert analysed.report.happenings[0].occurred_s == pytest.approx(0.9)
    again = one.update(seen(5.1, 50))
    assert again.tracks.track_id.tolist() == [2]
    assert again.tracks.age_s[0] == pytest.approx(0.1, abs=1e-3)


def test_a_crossing_in_a_film_s_last_moments_counts_when_the_film_has_ended() -> None:
    one = new_watch()
    assert one.finish() is None
    for step, x in enumerate((60, 70, 80, 90, 103)):  # just beyond the band, and less than clear of the line
        last = one.update(seen(0.1 * step, x))
    assert kinds(last) == []
    ended = one.finish()
    assert ended is not None
    assert kinds(ended) == ["line_crossed"]
    assert ended.report.happenings[0].occurred_s == pytest.approx(0.38, abs=0.03), "when it was crossed"
    assert ended.report.numbers["middle"].entered == 1
    assert ended.report.numbers["left"] == last.report.numbers["left"]
    assert one.finish() is None, "it counts once"


def test_new_definitions_at_a_restart_close_the_stays_of_old_zones_and_the_restart_ends_the_tracks() -> None:
    one = new_watch()
    for step in range(10):
        one.update(seen(0.1 * step, 50))
    one.redefine(defined(2, {}))
    assert kinds(one.update(seen(5.0, restarted=True))) == ["zone_lost", "track_ended"]


def masked(version: int = 2, **changes: Any) -> Definitions:
    mask = MaskDefinition(polygon=square(0.0, 0.4), **changes)  # x up to 80 pixels
    return dataclasses.replace(defined(version), masks={"tree": mask})


def test_a_new_mask_ends_what_is_in_it_with_the_next_frame_and_so_does_the_zone() -> None:
    one = new_watch()
    for step in range(10):
        before = one.update(low(0.1 * step, 30, 150))
    assert sorted(before.tracks.track_id.tolist()) == [1, 2]
    assert before.report.numbers["left"].occupancy == 1
    one.redefine(masked())
    analysed = one.update(low(1.0, 30, 150))
    assert kinds(analysed) == ["zone_lost", "track_ended"]
    assert analysed.tracks.xyxy[:, 0].tolist() == pytest.approx([140], abs=1)
    assert analysed.report.numbers["left"].occupancy == 0
    assert analysed.ignored is not None
    assert analysed.ignored.detections.xyxy[:, 0].tolist() == [20]
    assert one.ignored == {"mask": 1, "mask:tree": 1}
    one.redefine(defined(3))
    for step in range(11, 14):
        analysed = one.update(low(0.1 * step, 30, 150))
    assert len(analysed.tracks) == 2, "it is back when the mask is gone"
    assert one.ignored == {"mask": 1}


def test_a_mask_of_another_class_or_place_leaves_tracks_and_stays_alone() -> None:
    one = new_watch()
    for step in range(10):
        one.update(low(0.1 * step, 30, 150))
    for version, changes in ((2, {"classes": ("car",)}), (3, {"by": "overlap", "overlap": 1.0})):
        one.redefine(masked(version, **changes))
        analysed = one.update(low(0.8 + 0.1 * version, 30, 150))
        assert analysed.report.numbers["left"].occupancy == 1
        assert (kinds(analysed), len(analysed.tracks)) == ([], 2)


def test_a_track_that_is_predicted_into_a_mask_is_not_reported_there_and_keeps_its_id_beyond() -> None:
    """The mask reaches from x 60 to x 80. Somebody walks the way before: only known ways are predicted."""
    pole = MaskDefinition(polygon=((0.3, 0.0), (0.4, 0.0), (0.4, 1.0), (0.3, 1.0)))
    one = new_watch()
    for step in range(30):
        one.update(seen(0.1 * step, 10 + 4 * step))
    one.redefine(dataclasses.replace(defined(2), masks={"pole": pole}))
    seen_at: dict[int, list[float]] = {}
    for step in range(30):
        analysed = one.update(seen(60 + 0.1 * step, 10 + 4 * step))
        for track_id, box in zip(analysed.tracks.track_id, analysed.tracks.xyxy, strict=True):
            seen_at.setdefault(int(track_id), []).append(float(box[0] + box[2]) / 2)
    [way] = seen_at.values()
    assert not [x for x in way if 60 <= x < 80]
    assert min(way) < 60 < 80 < max(way)


def test_a_new_filter_ends_what_it_drops() -> None:
    one = new_watch()
    for step in range(10):
        one.update(seen(0.1 * step, 50))
    one.redefine(dataclasses.replace(defined(2), filters={"person": FilterDefinition(min_size=0.5)}))
    analysed = one.update(seen(1.0, 50))
    assert (kinds(analysed), len(analysed.tracks)) == (["zone_lost", "track_ended"], 0)
    assert one.ignored == {"min_size": 1}


def test_every_camera_has_a_watch_of_its_own() -> None:
    watches = {"door": new_watch(), "yard": new_watch()}
    items = [seen(0.1 * step, 50, camera=camera) for step in range(4) for camera in ("door", "yard")]
    found = [watches[item.frame.camera].update(item) for item in items[:-1]]
    assert [one.frame.camera for one in found] == ["door", "yard"] * 3 + ["door"]
    assert [one.tracks.track_id.tolist() for one in found[-2:]] == [[1], [1]]
    assert watches["door"].heatmap.seconds.sum() > watches["yard"].heatmap.seconds.sum() > 0


def test_frames_of_many_cameras_are_analysed_together_in_their_order() -> None:
    """Two frames of one camera follow each other, and each camera is told what it would be told alone."""
    rules, names = TrackerSettings(), ["door", "yard", "gate"]
    alone, together = (
        {name: Watch(AnalyticsSettings(), defined(), rules, CLASSES) for name in names} for _ in range(2)
    )
    for step in range(12):
        at_s = 10 + 0.1 * step
        frames = [
            seen(at_s, 40 + 10 * step, camera="door"),
            seen(at_s, camera="yard"),
            seen(at_s, 150 - 9 * step, 20, camera="gate", restarted=step == 8),
            seen(at_s + 0.05, 45 + 10 * step, camera="door"),
        ]
        if step == 5:
            for watches in (alone, together):
                watches["gate"].redefine(defined(2, zones={}))
        expected = [alone[frame.frame.camera].update(frame) for frame in frames]
        found = update_all(frames, together)
        assert [one.frame for one in found] == [one.frame for one in frames]
        for one, other in zip(expected, found, strict=True):
            assert one.tracks.xyxy.tobytes() == other.tracks.xyxy.tobytes()
            assert one.tracks.track_id.tolist() == other.tracks.track_id.tolist()
            assert told(one) == told(other)
            assert other.timings_ms.keys() == {"ready", "track", "analyse"}
    for name in names:
        assert alone[name].heatmap.seconds.tobytes() == together[name].heatmap.seconds.tobytes()


def followed(at_s: float, **feet: float) -> Detected:
    """The same of a camera that says itself who it is."""
    item, n = seen(at_s, *feet.values()), len(feet)
    unsaid = np.full((n, 3), np.nan, np.float32)
    return replace(item, followed=Followed(list(feet), np.zeros(n, np.bool_), unsaid[:, 0], unsaid[:, 1:]))


def test_whom_a_camera_follows_itself_is_one_object_however_far_it_jumps() -> None:
    watch, ours = new_watch(), new_watch()
    mask = MaskDefinition(polygon=((0.0, 0.0), (0.2, 0.0), (0.2, 1.0), (0.0, 1.0)))
    for at_s in (0.0, 0.1):
        items = [followed(at_s, a=60.0, b=150.0), seen(at_s, 60.0, 150.0, camera="ours")]
        both = update_all(items, {"door": watch, "ours": ours})
    assert both[0].tracks.track_id.tolist() == both[1].tracks.track_id.tolist() == [1, 2]
    jumped = watch.update(followed(0.2, b=60.0, a=150.0))
    assert dict(zip(jumped.tracks.xyxy[:, 0].tolist(), jumped.tracks.track_id.tolist(), strict=True)) == {
        50.0: 2,
        140.0: 1,
    }
    watch.redefine(replace(defined(version=2), masks={"wall": mask}))
    masked = watch.update(followed(0.3, b=20.0, a=150.0))
    assert masked.tracks.track_id.tolist() == [1]
    assert watch.ignored == {"mask": 1, "mask:wall": 1}
