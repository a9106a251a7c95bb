from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from edge_node.capture.film import Film, MediaClock, pulled, pushed
from edge_node.capture.readers.interface import Feed, Taken
from edge_node.config.camera_settings import CameraSettings

IMAGE = np.zeros((4, 4, 3), np.uint8)


class Clock(threading.Event):
    """The monotonic clock, which goes on only where somebody waits: for a picture, or for this stop."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now_s += timeout
        return self.is_set()


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now_s)
    monkeypatch.setattr(time, "monotonic_ns", lambda: round(clock.now_s * 1e9))
    monkeypatch.setattr(time, "sleep", clock.wait)
    return clock


class Script:
    """Stands for a source: gives pictures with these time stamps, some after a wait."""

    name = "script"
    feed: Feed = "pulled"

    def __init__(
        self, times_s: Sequence[float | None], waits_s: dict[int, float] | None = None, segment_s: float = 0.0
    ) -> None:
        self._times = iter(enumerate(times_s))
        self._waits = waits_s or {}
        self.rate, self.segment_s = 25.0, segment_s
        self.seconds: float | None = None

    def read(self) -> Taken | None:
        for number, at_s in self._times:
            time.sleep(self._waits.get(number, 0.0))
            return Taken(IMAGE, at_s)
        return None

    def close(self) -> None:
        """Nothing to release."""


def clocked(times_s: Sequence[float | None], rate: float = 25.0) -> list[float]:
    clock = MediaClock(rate)
    return [clock.seconds(at) for at in times_s]


STEADY = [i * 0.04 for i in range(12)]
OUT_OF_ORDER = [0.0, 0.16, 0.08, 0.04, 0.12, 0.32, 0.24, 0.2, 0.28, 0.48, 0.4, 0.36, 0.44, 0.64]


@pytest.mark.parametrize(
    ("times_s", "expected"),
    [
        pytest.param(STEADY, STEADY, id="as they are"),
        pytest.param([36_000 + t for t in STEADY], STEADY, id="an offset of ten hours"),
        pytest.param([t - 0.08 for t in STEADY], STEADY, id="a start before zero"),
        pytest.param([t + 0.2 for t in STEADY], [t + 0.2 for t in STEADY], id="the first pictures missing"),
        pytest.param([None] * 12, STEADY, id="none at all"),
        pytest.param([0.0, *[None] * 11], STEADY, id="only one"),
        pytest.param([t if i % 2 == 0 else None for i, t in enumerate(STEADY)], STEADY, id="every other one"),
        pytest.param(STEADY * 2, [i * 0.04 for i in range(24)], id="a loop"),
        pytest.param([*STEADY[:6], *[t - 9e4 for t in STEADY[6:]]], STEADY, id="a jump back"),
        pytest.param([0.0, 0.1, 0.15, 0.9, 0.95], [0.0, 0.1, 0.15, 0.9, 0.95], id="a varying rate"),
        pytest.param([0.0, 0.04, 600.0, 600.04], [0.0, 0.04, 600.0, 600.04], id="a gap"),
    ],
)
def test_times_of_pictures_follow_from_their_stamps(
    times_s: list[float | None], expected: list[float]
) -> None:
    assert clocked(times_s) == pytest.approx(expected, abs=1e-6)


def test_times_out_of_order_grow_and_do_not_drift() -> None:
    times = clocked(OUT_OF_ORDER)
    assert all(b > a for a, b in itertools.pairwise(times))
    assert times[-1] == pytest.approx(0.64, abs=0.01)


def test_a_film_that_is_played_again_goes_on_in_its_own_step() -> None:
    film = Film("c", CameraSettings(source="x", pace="fast"), threading.Event())
    times = [now_s for _ in range(3) for _, now_s in film.play(Script(STEADY))]
    assert times == pytest.approx([i * 0.04 for i in range(36)])


def test_a_film_that_was_held_up_does_not_hurry_afterwards(
    stop: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.capture.film._CATCH_UP_S", 0.3)
    film = Film("c", CameraSettings(source="x"), stop)
    shown = [time.monotonic() for _ in film.play(Script(STEADY, {2: 0.4}))]
    assert shown[-1] - shown[3] > 0.25, "8 steps of 40 ms"


def test_a_late_segment_delays_what_follows_and_shifts_no_time(stop: Clock) -> None:
    times = [at for _, at in pulled(Script(STEADY, {5: 0.3}), stop, 0)]
    assert np.diff(times) / 1e9 == pytest.approx([0.04] * 11, abs=0.001)


def test_no_picture_of_a_stream_was_captured_after_it_was_read() -> None:
    for _, at_ns in pulled(Script([0.0, 0.04, 0.08, 5_000.0, 5_000.04]), threading.Event(), 0):
        assert at_ns <= time.monotonic_ns()


def test_a_lost_segment_is_a_gap_in_the_times_and_not_in_the_pictures(stop: Clock) -> None:
    # One segment of 1 s is left out at the start, and one is lost after the first picture that is shown.
    began = time.monotonic()
    times = [at for _, at in pulled(Script([0.0, 1.0, 2.0, 2.04], segment_s=1.0), stop, 0)]
    assert time.monotonic() - began < 0.5
    assert np.diff(times) / 1e9 == pytest.approx([1.0, 0.04], abs=0.001)


def test_a_stream_that_was_opened_again_does_not_go_back_in_time() -> None:
    now_ns = time.monotonic_ns()
    times = [at for _, at in pulled(Script([5.0, 6.0, 6.04], segment_s=1.0), threading.Event(), now_ns)]
    assert min(times) > now_ns


def test_what_piled_up_before_a_stream_was_open_is_left_out(stop: Clock) -> None:
    waits = dict.fromkeys(range(8, 12), 0.04)
    kept = [taken.media_s for taken, _, _ in pushed(Script(STEADY, waits), stop)]
    assert kept == STEADY[7:]


@pytest.mark.parametrize("times_s", [[None] * 3, [0.0], []], ids=["no clock", "one picture", "none"])
def test_nothing_is_left_out_where_it_cannot_be_told(times_s: list[float | None]) -> None:
    assert [taken.media_s for taken, _, _ in pushed(Script(times_s), threading.Event())] == times_s


def test_a_film_that_breaks_off_goes_on_from_there_and_ends_when_nothing_is_new() -> None:
    film = Film("c", CameraSettings(source="x", pace="fast"), threading.Event(), resumes=True)
    times: list[float] = []
    for length in (5, 9, 9):
        script = Script(STEADY[:length])
        script.seconds = 12 * 0.04
        times += [now_s for _, now_s in film.play(script)]
    assert times == pytest.approx(STEADY[:9])
    assert film.broke_off_s is None


def test_a_film_that_breaks_off_earlier_than_before_goes_on_where_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    film = Film("c", CameraSettings(source="x", pace="fast"), threading.Event(), resumes=True)
    times: list[float] = []
    for length in (5, 3, 0, 3, 12):
        script = Script(STEADY[:length])
        script.seconds = 12 * 0.04 if length else None
        times += [now_s for _, now_s in film.play(script)]
        assert (film.broke_off_s is None) is (length == 12)
    assert times == pytest.approx(STEADY)
    assert caplog.text.count("broke off") == 1
