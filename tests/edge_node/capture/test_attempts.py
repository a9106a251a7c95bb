from __future__ import annotations

import pytest

from edge_node.capture.attempts import Attempts


class Trial:
    """Attempts with a clock that only this test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("edge_node.capture.attempts.random.uniform", lambda *_: 1.0)
        self.now_s = 0.0
        self.said: list[str] = []
        self.reasons: list[str | None] = []
        self.attempts = Attempts("c", "http://cam/1", self._note, lambda: self.now_s)

    def _note(self, status: str, reason: str | None) -> None:
        self.said.append(status)
        self.reasons.append(reason)

    def run(self, frames: int, lasting_s: float = 0.1) -> float:
        """An attempt that gives frames and then fails; returns the wait before the next one."""
        self.attempts.begin()
        for number in range(frames):
            self.now_s += lasting_s / max(1, frames - 1) if number else 0.0
            self.attempts.frame()
        return self.attempts.failed("gone")


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(monkeypatch)


def test_a_stream_that_ends_after_each_picture_is_tried_less_and_less_often(trial: Trial) -> None:
    assert [trial.run(1) for _ in range(5)] == [1.0, 2.0, 2.0, 2.0, 2.0]


def test_its_status_does_not_flap_and_its_log_names_the_trouble_once(
    trial: Trial, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        trial.run(3)
    assert trial.said.count("streaming") == 2
    assert len(caplog.records) == 2
    assert "ends soon after each start" in caplog.records[-1].message
    assert "ends soon after each start" in str(trial.reasons[-1])


def test_it_is_streaming_again_when_it_has_lasted_for_some_seconds(trial: Trial) -> None:
    for _ in range(5):
        trial.run(2)
    trial.said.clear()
    trial.attempts.begin()
    for number in range(30):
        trial.now_s += 0.25
        trial.attempts.frame()
        assert ("streaming" in trial.said) is (number >= 20)
    assert trial.attempts.failed("gone") == 1.0, "and its next loss is a first one"


def test_a_steady_stream_that_is_lost_is_streaming_with_its_first_frame(trial: Trial) -> None:
    for _ in range(3):
        assert trial.run(100, lasting_s=60.0) == 1.0
    assert trial.said == ["streaming", "reconnecting"] * 3


def test_a_camera_that_is_away_is_logged_once(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    assert [trial.run(0) for _ in range(4)] == [1.0, 2.0, 2.0, 2.0]
    assert len(caplog.records) == 1
    trial.run(2)
    assert trial.said == ["reconnecting"] * 4 + ["streaming", "reconnecting"]


def test_a_camera_that_is_away_for_hours_is_still_tried(trial: Trial) -> None:
    assert [trial.run(0) for _ in range(5000)][1:] == [2.0] * 4999
