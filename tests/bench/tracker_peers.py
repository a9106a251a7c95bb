"""Other packages' trackers, each in its own virtual environment and process, driven over JSON lines.

The same file is both ends: imported by the benchmarks it starts the processes; run by an environment's Python
it is the process. Environments live in `.cache/peers/`, made on first use.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from pathlib import Path

PACKAGES = {"supervision": "supervision==0.25.1", "trackers": "trackers==2.6.1"}
"""The two need different versions of supervision, hence two environments."""
TRACKERS = {
    "supervision ByteTrack": ("supervision", "ByteTrack"),
    "trackers ByteTrack": ("trackers", "ByteTrackTracker"),
    "trackers OC-SORT": ("trackers", "OCSORTTracker"),
    "trackers SORT": ("trackers", "SORTTracker"),
}
_HOME = Path(__file__).resolve().parents[2] / ".cache" / "peers"

Frames = list[tuple[list[list[float]], list[float]]]
"""Per frame: boxes as corners, and their scores."""


def _environment(package: str) -> Path:
    """The Python that has a package, installing it first if need be."""
    folder = _HOME / package
    python = folder / "bin" / "python"
    ready = folder / "ready"
    wanted = PACKAGES[package]
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
        command = [str(_environment(self._package)), "-W", "ignore", __file__, self._package, self._class]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        if pipe_in is None or pipe_out is None:
            raise RuntimeError("the peer's process has no pipes")
        pipe_in.write(json.dumps({"frames": frames, "frame_rate": frame_rate}) + "\n")
        pipe_in.flush()
        answer = json.loads(pipe_out.readline())
        return answer["tracks"], answer["seconds"]


def _work(package: str, class_name: str) -> None:
    import importlib

    import numpy as np

    supervision, module = importlib.import_module("supervision"), importlib.import_module(package)
    for line in sys.stdin:
        task = json.loads(line)
        tracker = getattr(module, class_name)()
        update = tracker.update_with_detections if package == "supervision" else tracker.update
        tracks, seconds = [], []
        for boxes, scores in task["frames"]:
            detections = supervision.Detections(
                xyxy=np.array(boxes, np.float32).reshape(-1, 4),
                confidence=np.array(scores, np.float32),
                class_id=np.zeros(len(scores), int),
            )
            start = time.perf_counter()
            found = update(detections)
            seconds.append(time.perf_counter() - start)
            ids = np.full(len(found), -1) if found.tracker_id is None else found.tracker_id
            known = ids >= 0  # trackers marks unconfirmed tracks with -1
            tracks.append((found.xyxy[known].tolist(), ids[known].tolist()))
        print(json.dumps({"tracks": tracks, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    _work(*sys.argv[1:])
