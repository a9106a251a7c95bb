"""How old an RTSP frame is when it is handed out: through FFmpeg, through GStreamer, and by plain OpenCV.

    python tests/bench/pipeline/rtsp_latency.py [--json FILE] [--seconds 10] [--rounds 3]

A real RTSP server (GStreamer's, 1280x720 at 25 fps, H.264, on loopback) burns the time into each picture. The
readers take turns. In the second part the consumer needs 55 ms a frame, more than the 40 ms between frames.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.capture.camera import capture
from edge_node.capture.readers import gstreamer_library
from edge_node.config.camera_settings import CameraSettings
from edge_node.frames import Frame
from edge_node.pictures import U8
from shared.channel import Channel, Closed
from tests.sources.rtsp import burnt_in_us, missing, rtsp_camera

FRAME_MS = 40.0
LIMITS_MS = {"ours, FFmpeg": FRAME_MS + 15, "ours, GStreamer": 15.0}
SLOW_S = 0.055
_SETTLE = 50
"""Frames before the first that counts: connecting fills buffers that are then read faster than they fill."""

Consume = Callable[[str, float, float], list[float]]
"""Ages in ms of the frames that a camera gives within `seconds`, with a pause after each of them."""


def _age_ms(image: U8) -> float:
    return time.time() * 1e3 - burnt_in_us(image) / 1e3


def _ours(reader: str) -> Consume:
    def consume(url: str, seconds: float, pause_s: float) -> list[float]:
        frames, stop, ages = Channel[Frame](), threading.Event(), list[float]()
        settings = CameraSettings(source=url, reader=reader)  # type: ignore[arg-type]  # one of its names

        def read() -> None:
            for frame in capture("c", settings, stop, lambda *_: None):
                frames.put_newest(frame)
            frames.close()

        thread = threading.Thread(target=read)
        thread.start()
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                ages.append(_age_ms(frames.get().image))
                time.sleep(pause_s)
        except Closed:
            pass
        stop.set()
        thread.join()
        return ages

    return consume


def _opencv(url: str, seconds: float, pause_s: float) -> list[float]:
    """The loop of every tutorial."""
    video, ages = cv2.VideoCapture(url), list[float]()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        good, image = video.read()
        if not good or image is None:
            break
        ages.append(_age_ms(np.asarray(image, np.uint8)))
        time.sleep(pause_s)
    video.release()
    return ages


def main() -> int:
    """Measure and print; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each reader and round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    readers: dict[str, Consume] = {"ours, FFmpeg": _ours("ffmpeg"), "OpenCV as it comes": _opencv}
    if gstreamer_library.unavailable() is None:
        readers["ours, GStreamer"] = _ours("gstreamer")
    results: dict[str, dict[str, float]] = {name: {} for name in readers}
    with rtsp_camera("--width", "1280", "--height", "720") as camera:
        fast: dict[str, list[list[float]]] = {name: [] for name in readers}
        slow: dict[str, list[list[float]]] = {name: [] for name in readers}
        for _ in range(options.rounds):
            for name, consume in readers.items():
                fast[name].append(consume(camera.url, options.seconds, 0.0)[_SETTLE:])
                slow[name].append(consume(camera.url, options.seconds, SLOW_S)[_SETTLE:])
    for name in readers:
        results[name] = {
            "p50_ms": statistics.median(float(np.percentile(ages, 50)) for ages in fast[name]),
            "p95_ms": statistics.median(float(np.percentile(ages, 95)) for ages in fast[name]),
            "slow_p50_ms": statistics.median(float(np.percentile(ages, 50)) for ages in slow[name]),
            "slow_last_ms": statistics.median(float(np.median(ages[-10:])) for ages in slow[name]),
        }
    return _report(results, options)


def _report(results: dict[str, dict[str, float]], options: argparse.Namespace) -> int:
    versions = (
        f"Python {platform.python_version()}, OpenCV {cv2.__version__}, "
        f"GStreamer {gstreamer_library.version()}"
    )
    print(f"Age of a frame, ms; 1280x720, 25 fps, H.264, RTSP over TCP on loopback; {versions}")
    print(f"median of {options.rounds} rounds of {options.seconds:g} s")
    print(f"{'':20} {'p50':>8} {'p95':>8} {'limit':>8}   55 ms a frame: p50, at the end")
    missed = []
    for name, row in sorted(results.items()):
        limit = LIMITS_MS.get(name)
        if limit is not None and row["p50_ms"] > limit:
            missed.append(name)
        shown = "" if limit is None else f"{limit:.0f}"
        print(
            f"{name:20} {row['p50_ms']:8.1f} {row['p95_ms']:8.1f} {shown:>8}   "
            f"{row['slow_p50_ms']:8.1f} {row['slow_last_ms']:8.1f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"versions": versions, "results": results}, indent=2))
    for name in missed:
        print(f"limit missed: {name}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
