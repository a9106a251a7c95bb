"""Other packages' trackers, each in its own virtual environment and process, driven over JSON lines.

This file is both ends: the benchmarks import it to start the processes, and an environment's Python runs it
as the process. Environments are made on first use, in `.cache/peers/`.
"""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script
from tests.bench.conversation import Asking, answer_all

PACKAGES = {"supervision": "supervision==0.25.1", "trackers": "trackers==2.6.1", "norfair": "norfair==2.3.0"}
"""Packages with other trackers. Each has its own environment, because they need different versions."""
TRACKERS = {
    "supervision ByteTrack": ("supervision", "ByteTrack"),
    "trackers ByteTrack": ("trackers", "ByteTrackTracker"),
    "trackers OC-SORT": ("trackers", "OCSORTTracker"),
    "trackers SORT": ("trackers", "SORTTracker"),
    "norfair": ("norfair", "Tracker"),
}
_HOME = Path(__file__).resolve().parents[3] / ".cache" / "peers"

Found = tuple[list[list[float]], list[int]]
"""Boxes as corners of the tracks of one frame, and their ids."""
Update = Callable[[list[list[float]], list[float]], tuple[Found, float]]
"""A function from a frame's boxes and scores to its tracks, and the seconds it took."""
Frames = list[tuple[list[list[float]], list[float]]]
"""For each frame: boxes as corners, and their scores."""


def environment(package: str, wanted: str) -> Path:
    """The Python of the environment with a package, which is installed on first use.

    Args:
        package: Names the environment's folder.
        wanted: What pip installs.
    """
    folder = _HOME / package
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() != wanted:
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True)
        ready.write_text(wanted)
    return python


class Peer:
    """One tracker of another package; `with` starts and ends its process.

    Args:
        name: A key of `TRACKERS`.
    """

    def __init__(self, name: str) -> None:
        self._package, self._class = TRACKERS[name]

    def __enter__(self) -> Peer:
        command = [
            str(environment(self._package, PACKAGES[self._package])),
            "-W",
            "ignore",
            __file__,
            self._package,
            self._class,
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._asking = Asking(self._process)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def track(self, frames: Frames, frame_rate: float) -> tuple[Frames, list[float]]:
        """Run a new tracker with its defaults.

        Args:
            frames: Detections.
            frame_rate: Frames per second.

        Returns:
            Per frame the boxes of its tracks and their ids, and the seconds each update took.
        """
        answer = self._asking.ask(frames=frames, frame_rate=frame_rate)
        return answer["tracks"], answer["seconds"]


def _work(package: str, class_name: str) -> None:
    make = _norfair if package == "norfair" else _supervision

    def follow(task: dict[str, Any]) -> dict[str, Any]:
        update = make(package, class_name)
        tracks, seconds = [], []
        for boxes, scores in task["frames"]:
            found, took = update(boxes, scores)
            tracks.append(found)
            seconds.append(took)
        return {"tracks": tracks, "seconds": seconds}

    answer_all(follow)


def _supervision(package: str, class_name: str) -> Update:
    """A new tracker of supervision, or of trackers, which uses the same data types."""
    import importlib

    import numpy as np

    supervision = importlib.import_module("supervision")
    tracker = getattr(importlib.import_module(package), class_name)()
    work = tracker.update_with_detections if package == "supervision" else tracker.update

    def update(boxes: list[list[float]], scores: list[float]) -> tuple[Found, float]:
        detections = supervision.Detections(
            xyxy=np.array(boxes, np.float32).reshape(-1, 4),
            confidence=np.array(scores, np.float32),
            class_id=np.zeros(len(scores), int),
        )
        start = time.perf_counter()
        found = work(detections)
        took = time.perf_counter() - start
        ids = np.full(len(found), -1) if found.tracker_id is None else found.tracker_id
        known = ids >= 0  # trackers marks unconfirmed tracks with -1
        return (found.xyxy[known].tolist(), ids[known].tolist()), took

    return update


def _norfair(package: str, class_name: str) -> Update:
    """A new tracker of norfair, which has no default distance: IoU, as for the others, up to 0.7."""
    import importlib

    import numpy as np

    norfair = importlib.import_module(package)
    tracker = getattr(norfair, class_name)(distance_function="iou", distance_threshold=0.7)

    def update(boxes: list[list[float]], scores: list[float]) -> tuple[Found, float]:
        detections = [
            norfair.Detection(points=np.array(box).reshape(2, 2), scores=np.full(2, score))
            for box, score in zip(boxes, scores)  # noqa: B905 - its environment may be older than strict=
        ]
        start = time.perf_counter()
        found = tracker.update(detections=detections)
        took = time.perf_counter() - start
        return ([one.estimate.ravel().tolist() for one in found], [one.id for one in found]), took

    return update


if __name__ == "__main__":
    _work(*sys.argv[1:])
