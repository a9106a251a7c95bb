"""Milliseconds per frame of our trackers beside other packages', on the same simulated detections.

    python tests/bench/tracker/cost.py [--json FILE] [--rounds 7] [--alone]

The trackers take turns, one short scene each, so that a busy machine slows all alike; the ratios are what to
read. Then come several cameras, one after the other and together, by the thread's own time. `--alone` leaves
the other packages out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import statistics
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detections
from edge_node.track.rows import Given
from edge_node.track.tracker import Tracker, create
from tests.bench.tracker.peers import PACKAGES, Frames, Peer

_PEERS = ("trackers ByteTrack", "supervision ByteTrack")
_COUNTS = (10, 50, 200)
_FRAME_RATE = 30.0
_FRAMES = 100
_WARM_UP = 10


def scene(objects: int, seed: int, *, busy: bool) -> Frames:
    """Simulate objects that walk through a 1920x1080 picture.

    Args:
        objects: Number of objects.
        seed: Of the random numbers.
        busy: Whether one in twenty is missed in each frame and one in ten scores low.

    Returns:
        Boxes, with a little noise, and scores of 100 frames.
    """
    rng = np.random.default_rng(seed)
    centre = rng.uniform((0, 0), (1920, 1080), (objects, 2))
    velocity = rng.normal(0, 2, (objects, 2))
    height = rng.uniform(60, 180, objects)
    half = np.column_stack((height * 0.2, height * 0.5))
    frames: Frames = []
    for _ in range(_FRAMES):
        velocity = np.where((centre < 0) | (centre > (1920, 1080)), -velocity, velocity)
        centre = centre + velocity
        boxes = np.hstack((centre - half, centre + half)) + rng.normal(0, 1.5, (objects, 4))
        seen = rng.random(objects) >= 0.05 * busy
        scores = np.where(
            rng.random(objects) < 0.1 * busy, rng.uniform(0.2, 0.5, objects), rng.uniform(0.7, 0.95, objects)
        )
        frames.append((boxes[seen].round(2).tolist(), scores[seen].round(3).tolist()))
    return frames


def _detections(boxes: list[list[float]], scores: list[float]) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.zeros(len(scores), np.int32),
    )


def _ours(kind: str, frames: Frames) -> list[float]:
    tracker = create(TrackerSettings(kind=kind))  # type: ignore[arg-type]
    seconds = []
    for boxes, scores in frames:
        detections = _detections(boxes, scores)
        start = time.perf_counter()
        tracker.update(detections, 1.0 / _FRAME_RATE)
        seconds.append(time.perf_counter() - start)
    return seconds


def _measure(objects: int, rounds: int, peers: dict[str, Peer], *, busy: bool) -> dict[str, float]:
    """Median milliseconds per frame of each tracker."""
    medians: dict[str, list[float]] = {}
    for seed in range(rounds):
        frames = scene(objects, seed, busy=busy)
        turns = {f"darner {kind}": _ours(kind, frames) for kind in ("bytetrack", "ocsort")}
        turns |= {name: peer.track(frames, _FRAME_RATE)[1] for name, peer in peers.items()}
        for name, seconds in turns.items():
            medians.setdefault(name, []).append(1e3 * statistics.median(seconds[_WARM_UP:]))
    return {name: statistics.median(values) for name, values in medians.items()}


def _cameras(cameras: int, objects: int, rounds: int) -> dict[str, float]:
    """Median milliseconds per frame of so many cameras, one after the other and together."""
    settings = TrackerSettings()
    medians: dict[str, list[float]] = {"one by one": [], "together": []}
    for seed in range(rounds):
        scenes = [scene(objects, seed * cameras + camera, busy=True) for camera in range(cameras)]
        alone, together = ([create(settings) for _ in scenes] for _ in range(2))
        seconds: dict[str, list[float]] = {name: [] for name in medians}
        for number in range(_FRAMES):
            given = [Given(_detections(*frames[number]), 1.0 / _FRAME_RATE) for frames in scenes]
            start = time.thread_time()
            for tracker, one in zip(alone, given, strict=True):
                tracker.update(one.detections, one.dt)
            between = time.thread_time()
            Tracker.update_all(together, given)
            end = time.thread_time()
            seconds["one by one"].append(between - start)
            seconds["together"].append(end - between)
        for name, values in seconds.items():
            medians[name].append(1e3 * statistics.median(values[_WARM_UP:]) / cameras)
    return {name: statistics.median(values) for name, values in medians.items()}


def _print(title: str, results: dict[int, dict[str, float]]) -> None:
    print(f"{title:<24}" + "".join(f"{f'{count} objects':>20}" for count in results))
    for name in next(iter(results.values())):
        cells = ""
        for values in results.values():
            cells += f"{values[name]:11.3f} ({values[name] / values['darner bytetrack']:4.1f}x)"
        print(f"{name:<24}{cells}")


def main() -> None:
    """Print milliseconds for 10, 50 and 200 objects and as multiples of ours, then for several cameras."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", action="store_true", help="without the other packages")
    args = parser.parse_args()
    versions = [f"python {platform.python_version()}", f"numpy {np.__version__}", *PACKAGES.values()]
    print(f"medians of {args.rounds} scenes of {_FRAMES} frames, ms per frame; {', '.join(versions)}")
    document: dict[str, object] = {"versions": versions}
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(Peer(name)) for name in _PEERS if not args.alone}
        for title, busy in (("all seen, all sure", False), ("5% missed, 10% doubtful", True)):
            results = {count: _measure(count, args.rounds, peers, busy=busy) for count in _COUNTS}
            _print(title, results)
            document[title] = results
    print(f"{'cameras, 5% missed':<24}{'objects':>10}{'one by one':>12}{'together':>12}{'gain':>8}")
    for cameras, objects in product((4, 16, 64), (1, 18, 39)):
        row = _cameras(cameras, objects, max(1, args.rounds // 2))
        gain = row["one by one"] / row["together"]
        print(f"{cameras:<24}{objects:10}{row['one by one']:12.3f}{row['together']:12.3f}{gain:7.1f}x")
        document[f"{cameras} cameras, {objects} objects"] = row
    if args.json:
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
