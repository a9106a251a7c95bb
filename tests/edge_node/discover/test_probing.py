from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.discover.probing import probe
from shared.errors import SourceError
from tests.sources.rtsp import missing, rtsp_camera


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_stream_is_opened_counted_and_seen() -> None:
    with rtsp_camera(
        "--width", "640", "--height", "360", "--fps", "20", "--password", "swordfish-77"
    ) as camera:
        address = camera.url.replace("://", "://admin:swordfish-77@")
        found = probe(CameraSettings(source=address), threading.Event(), watch_s=0.5)
        with pytest.raises(SourceError, match="rejects the user or the password") as refused:
            probe(CameraSettings(source=address.replace("-77", "-78")), threading.Event(), watch_s=0.5)
    assert (found.codec, found.width, found.height, found.image.shape) == ("H.264", 640, 360, (360, 640, 3))
    assert found.fps == pytest.approx(20, rel=0.5)
    assert "swordfish" not in str(refused.value)


def test_a_film_tells_its_codec_and_rate(tmp_path: Path) -> None:
    file = tmp_path / "film.avi"
    film = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(20):
        film.write(np.zeros((48, 64, 3), np.uint8))
    film.release()
    found = probe(CameraSettings(source=str(file)), threading.Event())
    assert (found.codec, found.width, found.height, found.fps) == ("MJPEG", 64, 48, 25)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("rtsp://127.0.0.1:1/x", "Connection refused"),
        ("http://127.0.0.1:1/x", "Connection refused"),
        ("/dev/video77", "is it plugged in"),
        ("/no/such/file.mp4", "no such file"),
    ],
)
def test_why_nothing_comes_is_said(source: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        probe(CameraSettings(source=source), threading.Event())
