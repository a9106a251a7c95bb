"""One camera's frames through its tracker and its analytics."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pytest

from edge_node.analytics.watch import Analysed, Watch, watch
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.definitions import Definitions
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected, Detections, Frame
from shared.wire.messages import LineDefinition, ZoneDefinition
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


def test_new_definitions_at_a_restart_close_the_stays_of_old_zones_and_the_restart_ends_the_tracks() -> None:
    one = new_watch()
    for step in range(10):
        one.update(seen(0.1 * step, 50))
    one.redefine(defined(2, {}))
    assert kinds(one.update(seen(5.0, restarted=True))) == ["zone_lost", "track_ended"]


def test_every_camera_has_a_watch_of_its_own() -> None:
    watches = {"door": new_watch(), "yard": new_watch()}
    items = [seen(0.1 * step, 50, camera=camera) for step in range(4) for camera in ("door", "yard")]
    found = list(watch(iter(items[:-1]), watches))
    assert [one.frame.camera for one in found] == ["door", "yard"] * 3 + ["door"]
    assert [one.tracks.track_id.tolist() for one in found[-2:]] == [[1], [1]]
    assert watches["door"].heatmap.seconds.sum() > watches["yard"].heatmap.seconds.sum() > 0
