"""Crossings that our lines count on ground truth, on tracks of our trackers, and in truth.

python tests/bench/tracker/counting.py [--mot DIR]

Each sequence of MOTChallenge gets 33 lines: upright, level and slanted. The truth follows each person's whole
way: who is on one side, leaves the band on the other or ends there, and went through the line, has crossed.
"""

from __future__ import annotations

import argparse
import configparser
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.analytics.analyse import Analytics
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Tracks
from optimization.commands import evaluate_tracker
from optimization.measure import mot
from shared.geometry import F64, side_of_line
from shared.wire.messages import LineDefinition
from tests.geometry import segments_cross

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "mot15"
BANDS = (0.01, 0.03, 0.06)
Counts = Counter[tuple[str, bool]]
"""Crossings by line, and whether they went in."""


def lines_of(band: float) -> dict[str, LineDefinition]:
    """Lines all over the picture."""
    upright = [((x, 1.0), (x, 0.2)) for x in np.linspace(0.08, 0.92, 15).tolist()]
    level = [((0.0, y), (1.0, y)) for y in np.linspace(0.3, 0.95, 12).tolist()]
    slanted = [((0.1, y), (0.9, y + 0.15)) for y in np.linspace(0.3, 0.8, 6).tolist()]
    all_of_them = enumerate([*upright, *level, *slanted])
    return {str(number): LineDefinition(points=points, band=band) for number, points in all_of_them}


def counted(
    frames: list[mot.Boxes], fps: float, size: tuple[int, int], lines: dict[str, LineDefinition]
) -> Counts:
    """What our analytics count."""
    analytics, last, found = (
        Analytics({}, lines, ("person",), AnalyticsSettings()),
        dict[int, int](),
        Counts(),
    )
    for number, (ids, boxes) in enumerate(frames):
        last |= dict.fromkeys(ids.tolist(), number)
        ended = [one for one, at in last.items() if number - at > fps]
        for one in ended:
            del last[one]
        count = len(ids)
        tracks = Tracks(
            xyxy=boxes.astype(np.float32).reshape(count, 4),
            score=np.full(count, 0.9, np.float32),
            class_id=np.zeros(count, np.int32),
            track_id=ids.astype(np.int64),
            age_s=np.zeros(count, np.float32),
            velocity=np.zeros((count, 2), np.float32),
            predicted=np.zeros(count, np.bool_),
            ended=np.array(ended, np.int64),
        )
        report = analytics.update(tracks, number / fps, *size)
        for happening in report.happenings:
            if happening.type == "line_crossed":
                found[str(happening.zone), happening.direction == "in"] += 1
    return found


def true(frames: list[mot.Boxes], size: tuple[int, int], lines: dict[str, LineDefinition]) -> Counts:
    """What people did, by the whole way of each."""
    ways: dict[int, list[tuple[float, float]]] = {}
    for ids, boxes in frames:
        for one, (x1, _, x2, y2) in zip(ids.tolist(), boxes.tolist(), strict=True):
            ways.setdefault(one, []).append(((x1 + x2) / 2 / size[0], min(y2 / size[1], 1 - 1e-9)))
    unit, found = np.array([size[0] / size[1], 1.0]), Counts()
    for name, line in lines.items():
        ends = np.array(line.points) * unit
        for way in ways.values():
            for inward in _crossings(np.array(way) * unit, ends, line.band):
                found[name, inward] += 1
    return found


def _crossings(way: F64, ends: F64, band: float) -> list[bool]:
    distance = side_of_line(way, ends)
    known = [0, *np.flatnonzero(np.abs(distance) > band).tolist(), len(way) - 1]
    found = []
    for a, b in pairwise(known):
        hits = segments_cross(way[a:b], way[a + 1 : b + 1], ends)
        net = int(np.where(distance[a + 1 : b + 1] >= 0, 1, -1)[hits].sum())
        before, after = distance[a] >= 0, distance[b] >= 0
        if before != after and (net > 0) == after and net:
            found.append(bool(after))
    return found


def main() -> None:
    """Print for each band what was counted too often and too seldom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mot", type=Path, default=DATA, metavar="DIR", help="default: %(default)s")
    folders = mot.find(parser.parse_args().mot)
    print(f"{len(folders)} sequences\n{'band':>5} {'tracks':<12}{'truth':>7}{'too many':>10}{'too few':>9}")
    for band in BANDS:
        rows: dict[str, Counter[str]] = {}
        for folder in folders:
            sequence = mot.read(folder, "det.txt")
            info = configparser.ConfigParser()
            info.read(folder / "seqinfo.ini")
            size = info.getint("Sequence", "imWidth"), info.getint("Sequence", "imHeight")
            lines = lines_of(band)
            truth = true(sequence.truth, size, lines)
            runs = {"ground truth": sequence.truth} | {
                kind: evaluate_tracker.track(sequence, TrackerSettings(kind=kind))
                for kind in ("bytetrack", "ocsort")
            }
            for name, frames in runs.items():
                found = counted(frames, sequence.frame_rate, size, lines)
                row = rows.setdefault(name, Counter())
                row.update(truth=truth.total(), many=(found - truth).total(), few=(truth - found).total())
        for name, row in rows.items():
            print(f"{band:>5} {name:<12}{row['truth']:>7}{row['many']:>10}{row['few']:>9}", flush=True)


if __name__ == "__main__":
    main()
