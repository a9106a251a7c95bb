"""Whether faults are noticed in time, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.ignoring import HealthSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.frames import Frame
from edge_node.health.camera import CameraHealth
from edge_node.health.monitor import HealthMonitor
from edge_node.health.rate import Rate
from edge_node.health.report import Report
from edge_node.health.store import ViewStore
from edge_node.pictures import U8
from shared.wire.messages import CameraProblem, Event, ViewShift, ZoneDefinition
from tests.edge_node.health.films import Film, frozen, judge, repeating, still
from tests.edge_node.health.made_up import (
    FAULTS,
    ORDINARY,
    Change,
    blurred,
    held,
    moved,
    slid_tape,
    stopping_lorry,
    tape,
    veil,
)

LEARNT_S = 20.0
WIDTH, HEIGHT = 480, 360


@functools.cache
def yard(seed: int = 3) -> U8:
    """A place with houses, windows and paths, as a drawing."""
    random = np.random.default_rng(seed)
    image = np.full((HEIGHT, WIDTH, 3), (120, 140, 110), np.uint8)
    for x, y, wide, high, *colour in random.random((70, 7)):
        corner = int(x * WIDTH), int(y * HEIGHT)
        end = corner[0] + int(20 + 90 * wide), corner[1] + int(15 + 60 * high)
        bgr = [int(40 + 170 * one) for one in colour]
        cv2.rectangle(image, corner, end, (bgr[0], bgr[1], bgr[2]), -1, cv2.LINE_AA)
    return blurred(image, 0.8)


@functools.cache
def film() -> Film:
    """The yard, and people who walk through it; every test sees the same pictures, which are made once."""
    walkers = [yard(9)[: 60 + 10 * n, : 25 + 5 * n] for n in range(3)]
    return functools.lru_cache(maxsize=256)(still(yard(), walkers, 1))


@functools.cache
def learnt() -> CameraHealth:
    """What has seen the yard for some time; to be copied."""
    course, health = judge(film(), LEARNT_S)
    assert course.started == []
    return health


def changed(change: Change) -> Film:
    """The yard with a change from `LEARNT_S` on."""
    random = np.random.default_rng(5)
    return lambda seconds: change(film()(seconds), seconds - LEARNT_S, random)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_noticed_in_time_and_its_end_too(name: str) -> None:
    problem, change = FAULTS[name]
    within_s = 10.0 if problem == "moved" else 5.0
    course, health = judge(
        changed(change), LEARNT_S + within_s + 0.4, copy.deepcopy(learnt()), LEARNT_S + 0.2
    )
    assert [one for _, one in course.started] == [problem]
    again, health = judge(film(), LEARNT_S + 25, health, LEARNT_S + within_s + 0.4)
    assert [one for _, one in again.ended] == [problem]
    assert health.problems == ()


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        (tape(0.62, 110), ["covered"]),
        (tape(0.3, 110), []),
        (slid_tape(0.7, 110), ["covered"]),
        (held(0.8), []),
        (veil(60, 0.92), ["covered"]),
        (stopping_lorry(0.0, 30), []),
        (stopping_lorry(0.1, 30), []),
        (lambda image, *_: _green_half(image), ["covered", "wrong_colours"]),
    ],
)
def test_what_lies_on_the_lens_is_told_from_what_stands_before_the_camera(
    change: Change, problems: list[str]
) -> None:
    course, _ = judge(changed(change), LEARNT_S + 12, copy.deepcopy(learnt()), LEARNT_S, every=True)
    assert [one for _, one in course.started] == problems


def _green_half(image: U8) -> U8:
    out: U8 = image.copy()
    out[HEIGHT // 2 :] = (0, 135, 0)
    return out


def test_a_camera_that_is_moved_under_a_cover_is_known_to_be_moved_once_it_is_gone() -> None:
    hand = FAULTS["a hand"][1]

    def under(image: U8, t: float, random: np.random.Generator) -> U8:
        return hand(image, t, random) if t < 8 else moved(image, 0.1)

    course, health = judge(changed(under), LEARNT_S + 18, copy.deepcopy(learnt()), LEARNT_S)
    assert [one for _, one in course.started] == ["covered", "moved"]
    assert [one.problem for one in health.problems] == ["moved"]


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_ordinary_is_no_fault(name: str) -> None:
    course, _ = judge(changed(ORDINARY[name]), LEARNT_S + 30, copy.deepcopy(learnt()), LEARNT_S)
    assert course.started == []


@pytest.mark.parametrize(
    ("dx", "dy", "degrees", "scale"),
    [(0.03, 0.0, 0, 1), (-0.1, 0.07, 0, 1), (0.02, -0.03, 6, 1), (0.05, 0.05, -3, 1.15), (0, 0, 0, 0.85)],
)
def test_zones_that_are_put_back_by_the_shift_lie_on_the_same_things(
    dx: float, dy: float, degrees: float, scale: float
) -> None:
    change = changed(lambda image, _, __: moved(image, dx, dy, degrees, scale))
    _, health = judge(change, LEARNT_S + 10, copy.deepcopy(learnt()), LEARNT_S)
    assert health.shift is not None
    truth = ViewShift(dx=dx, dy=dy, degrees=degrees, scale=scale)
    for corner in [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]:
        found, right = put(corner, health.shift), put(corner, truth)
        assert math.dist(found, right) < 0.01


def put(point: tuple[float, float], shift: ViewShift) -> tuple[float, float]:
    """Where a point is after a shift, fractions; as `ViewShift` says it."""
    x, y = (point[0] - 0.5) * WIDTH, (point[1] - 0.5) * HEIGHT
    cosine, sine = math.cos(math.radians(shift.degrees)), math.sin(math.radians(shift.degrees))
    turned = shift.scale * (cosine * x - sine * y), shift.scale * (sine * x + cosine * y)
    return turned[0] / WIDTH + 0.5 + shift.dx, turned[1] / HEIGHT + 0.5 + shift.dy


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        (frozen(film(), LEARNT_S), True),
        (repeating(film(), LEARNT_S, 1.0), True),
        (lambda seconds: film()(round(seconds)), False),  # one frame a second, ten times each
        (lambda _: yard(), False),  # a picture without noise, again and again
        (lambda seconds: moved(yard(), 0.1 * min(seconds / LEARNT_S, 1.0)), False),  # a drawing that stops
    ],
)
def test_only_what_had_noise_can_freeze(what: Film, wrong: bool) -> None:
    course, _ = judge(what, LEARNT_S + 5.2, every=True)
    assert [one for _, one in course.started if one == "frozen"] == ["frozen"] * wrong


@pytest.mark.parametrize(
    ("fps", "later_fps", "low"),
    [(10.0, 1.0, True), (25.0, 0.0, True), (25.0, 12.5, False), (10.0, 10.0, False), (0.5, 0.5, False)],
)
def test_a_rate_is_low_when_it_is_far_below_the_usual_one(fps: float, later_fps: float, low: bool) -> None:
    rate, seen = Rate(), []
    for half in range(120):
        rate.frames = round(fps * min(half, 80) / 2 + later_fps * max(half - 80, 0) / 2)
        seen.append(rate.low(half / 2))
    assert True not in seen[:81]
    assert (True in seen[:90]) == low


def node(folder: Path, told: list[Report], settings: CameraSettings) -> HealthMonitor:
    """A node's monitor, with one camera, after the runs that have told these reports."""
    cameras, began = {"yard": settings}, dict[str, Event]()
    for report in told:
        began |= {one.problem: _started(one) for one in report.started}
        for one in report.ended:
            del began[one.problem]
    store = ViewStore(folder)
    return HealthMonitor(cameras, DefinitionStore(None, cameras), store, told.append, began.values())


def _started(one: CameraProblem) -> Event:
    seen = {"node": "n", "session": "s", "published_us": 1, "camera": "yard", "seq": 1, "captured_us": 1}
    own = {"type": "problem_started", "problem": one.problem, "occurred_us": one.since_us, "shift": one.shift}
    return Event(**seen, **own, event_id="")  # type: ignore[arg-type]  # of many types


def show(monitor: HealthMonitor, what: Film, from_s: float, until_s: float) -> None:
    """Let a monitor see a film, and then keep what it has learnt."""
    for number in range(round(from_s * 10), round(until_s * 10)):
        nanos = number * 100_000_000
        monitor.offer(Frame("yard", number, 1_700_000_000_000_000_000 + nanos, nanos, what(number / 10)))
        with contextlib.suppress(TimeoutError):
            monitor.judge_next(0.0)
    monitor.keep()


def test_a_camera_that_was_moved_while_the_node_was_down_is_noticed(tmp_path: Path) -> None:
    told: list[Report] = []
    settings = CameraSettings(source="rtsp://192.0.2.1/a", zones={"door": _zone(0.2)})
    show(first := node(tmp_path, told, settings), film(), 0, 6)
    assert [one.problem for report in told for one in report.started] == []
    assert first.reference_us("yard") is not None
    monitor = node(tmp_path, told, settings)
    show(monitor, lambda seconds: moved(film()(seconds), 0.08), 20, 28)
    assert [one.problem for report in told for one in report.started] == ["moved"]
    monitor.reconfigure({"yard": replace(settings, health=HealthSettings(pauses=False))})
    assert [report.pauses for report in told[-2:]] == ["moved", None]
    assert monitor.accept("yard") is not None
    assert told[-1].problems == ()
    other = node(tmp_path, told, settings)
    show(other, lambda seconds: film()(seconds)[:240], 40, 46)  # pictures of another shape
    assert (other.reference_us("yard") or 0) > 1_700_000_040_000_000
    drawn_anew = node(tmp_path, told, replace(settings, zones={"door": _zone(0.3)}))
    assert drawn_anew.reference_us("yard") is None  # the zone was drawn on the view as it is now


@pytest.mark.parametrize(("after_s", "problems"), [(60, ["covered"]), (3600, [])])
def test_a_black_cover_that_came_while_the_node_was_down_is_told_from_night(
    tmp_path: Path, after_s: float, problems: list[str]
) -> None:
    """Night does not fall within minutes."""
    told: list[Report] = []
    settings = CameraSettings(source="rtsp://192.0.2.1/a")
    show(node(tmp_path, told, settings), film(), 0, 8)
    dark = FAULTS["a lens cap"][1]
    random = np.random.default_rng(1)
    show(
        node(tmp_path, told, settings),
        lambda seconds: dark(film()(seconds), seconds, random),
        after_s,
        after_s + 6,
    )
    assert [one.problem for report in told for one in report.started] == problems


def test_a_problem_goes_on_over_restarts_and_ends_once(tmp_path: Path) -> None:
    told: list[Report] = []
    settings = CameraSettings(source="rtsp://192.0.2.1/a")

    def knocked(seconds: float) -> U8:
        return moved(film()(seconds), 0.08)

    show(first := node(tmp_path, told, settings), film(), 0, 6)
    show(first, knocked, 6, 14)
    show(second := node(tmp_path, told, settings), knocked, 20, 28)
    second.announce()
    assert told[-1].pauses == "moved"
    assert told[-1].problems[0].shift is not None
    third = node(tmp_path, told, settings)
    third.announce()
    show(third, film(), 40, 46)
    fourth = node(tmp_path, told, settings)
    fourth.announce()
    assert [one.problem for report in told for one in report.started] == ["moved"]
    assert [one.problem for report in told for one in report.ended] == ["moved"]


def test_a_problem_ends_when_the_next_run_does_not_look_for_it(tmp_path: Path) -> None:
    told: list[Report] = []
    settings = CameraSettings(source="rtsp://192.0.2.1/a")
    show(first := node(tmp_path, told, settings), film(), 0, 6)
    show(first, lambda _: np.zeros((HEIGHT, WIDTH, 3), np.uint8), 6, 14)
    node(tmp_path, told, replace(settings, health=HealthSettings(enabled=False))).announce()
    node(tmp_path, told, settings).announce()
    assert [one.problem for report in told for one in report.ended] == ["covered"]


def test_a_view_that_cannot_be_read_is_learnt_anew(tmp_path: Path) -> None:
    told: list[Report] = []
    settings = CameraSettings(source="rtsp://192.0.2.1/a")
    (tmp_path / "yard.json").write_text('{"source": 1}')
    (tmp_path / "gone.json").write_text("{}")
    assert node(tmp_path, told, settings).reference_us("yard") is None
    assert [path.name for path in tmp_path.iterdir()] == ["yard.damaged"]


def _zone(left: float) -> ZoneDefinition:
    return ZoneDefinition(polygon=((left, 0.2), (0.8, 0.2), (0.8, 0.8)))
