from __future__ import annotations

import pytest

from edge_node.discover.found import FoundStream, identifier, suiting, with_login
from edge_node.discover.soap import Login


def stream(width: int, fps: float | None = 15, trouble: str | None = None) -> FoundStream:
    return FoundStream(
        source=f"rtsp://h/{width}", width=width, height=width * 9 // 16, fps=fps, trouble=trouble
    )


@pytest.mark.parametrize(
    ("streams", "chosen"),
    [
        pytest.param([stream(3840), stream(1280), stream(640)], 2, id="the smallest that is large enough"),
        pytest.param([stream(3840), stream(1280), stream(320)], 1, id="none that loses pixels"),
        pytest.param([stream(320), stream(480)], 1, id="the largest where none is large enough"),
        pytest.param([stream(1920), stream(640, 2)], 0, id="none that loses those who walk"),
        pytest.param([stream(1920, 2), stream(640, 2)], 1, id="a slow one where all are"),
        pytest.param([stream(1920), stream(640, 15, "no picture")], 0, id="none that gives no picture"),
        pytest.param([stream(1920, 15, "no"), stream(640, 15, "no")], 1, id="a silent one where all are"),
        pytest.param([stream(1920), stream(640, None)], 1, id="one of unknown rate"),
        pytest.param([FoundStream(source="/dev/video0")], 0, id="one of unknown size"),
        pytest.param([], None, id="none where there is none"),
    ],
)
def test_the_stream_that_suits_the_detector(streams: list[FoundStream], chosen: int | None) -> None:
    assert suiting(streams, 512) == chosen


def test_a_tall_picture_counts_by_its_longer_side() -> None:
    tall = FoundStream(source="rtsp://h/tall", width=360, height=640, fps=15)
    assert suiting([stream(1920), tall], 512) == 1


def test_cameras_of_one_model_get_names_of_their_own() -> None:
    taken: set[str] = set()
    names = [identifier(title, taken) for title in ("AXIS M30/45", "AXIS M30/45", "門", "x" * 300)]
    assert names[:3] == ["axis-m30-45", "axis-m30-45-2", "camera"]
    assert len(names[3]) <= 64


def test_a_login_is_encoded_into_the_address() -> None:
    assert with_login("rtsp://h/a?b=c", Login("us@er", "p/w:d")) == "rtsp://us%40er:p%2Fw%3Ad@h/a?b=c"
    assert with_login("/dev/video0", Login("u", "p")) == "/dev/video0"
    assert with_login("rtsp://h/", None) == "rtsp://h/"
