"""Counting errors of our lines and zones beside supervision's LineZone and PolygonZone, same detections.

python tests/bench/tracker/counts.py [--mot DIR] [--detections det.txt] [--random N] [--seeds N] [--json FILE]

supervision follows with its ByteTrack. Its zones count nobody by themselves: an id that is inside, and was
not before, has entered. Each of its settings is tried, and the one with the least error over all sequences
together is shown. This file is both ends, as `peers.py` is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script
from tests.bench.conversation import Asking, answer_all

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "mot15"
SCORES = (0.1, 0.25, 0.4)
"""Detections with lower scores are left out for supervision: its defaults suit one detector, not all."""
LEAST = (1, 2, 3)
"""Its `minimum_crossing_threshold`: frames for which a box must be on the other side."""


def main() -> None:
    """Print the errors of both over all sequences and seeds."""
    from optimization.measure import mot
    from optimization.measure.counts.errors import Errors, header
    from tests.bench.tracker.peers import PACKAGES, environment

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mot", type=Path, default=DATA, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--detections", default="det.txt", metavar="NAME")
    parser.add_argument("--random", type=int, default=30, metavar="N", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    folders = [f for f in mot.find(args.mot) if (f / "det" / args.detections).is_file()]
    command = [str(environment("supervision", PACKAGES["supervision"])), "-W", "ignore", __file__, "work"]
    total: dict[str, Errors] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asking = Asking(process)
        for folder, seed in product(folders, range(args.seeds)):
            for name, errors in compare(folder, args.detections, args.random, seed, asking).items():
                sum_of = total.setdefault(name, Errors.none())
                sum_of += errors
    best = [_least(total, "lines"), _least(total, "zones")]
    print(f"{len(folders)} sequences, {args.seeds} x {args.random} random lines and zones, {args.detections}")
    print(header())
    for name in ("darner", *best):
        print(total[name].row(name))
    if args.json:
        document = {name: errors.document() for name, errors in total.items()}
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _least(total: dict[str, Any], kind: str) -> str:
    """The setting of supervision that errs least."""
    part = "crossings" if kind == "lines" else "entries"
    names = [name for name in total if name.startswith(f"supervision {kind}")]
    return min(names, key=lambda name: getattr(total[name], part).many + getattr(total[name], part).few)


def compare(folder: Path, detections: str, count: int, seed: int, asking: Asking) -> dict[str, Any]:
    """The errors of all on one sequence, by name."""
    import numpy as np

    from edge_node.config.settings import TrackerSettings
    from optimization.measure import mot
    from optimization.measure.counts import counted, truth
    from optimization.measure.counts.errors import Errors
    from optimization.measure.counts.shapes import Shapes, random_shapes

    rate, true = mot.read_truth(folder)
    size = mot.read_size(folder)
    found = mot.read_detections(folder / "det" / detections, len(true))
    shapes = random_shapes(count, seed)
    what = truth.count(truth.ways(true, rate, size), len(true), rate, size, shapes)
    frames = counted.frames_of(found, rate, size)
    ours = counted.by_watch(frames, shapes, TrackerSettings(), ("person",))
    errors = {"darner": Errors.of(what, ours, shapes)}
    pixels = np.array(size)
    for score in SCORES:
        answer = asking.ask(
            frames=[(d.xyxy[d.score >= score].tolist(), d.score[d.score >= score].tolist()) for d in found],
            rate=rate,
            lines=[(np.array(line.points) * pixels).tolist() for line in shapes.lines.values()],
            zones=[(np.array(zone.polygon) * pixels).tolist() for zone in shapes.zones.values()],
        )
        for least, flows in answer["lines"].items():
            theirs = truth.Counts({n: (f[0], f[1]) for n, f in zip(shapes.lines, flows, strict=True)}, {})
            name = f"supervision lines, score {score}, {least} frames"
            errors[name] = Errors.of(what, theirs, Shapes(lines=shapes.lines))
        theirs = truth.Counts(
            {n: (f[0], f[1]) for n, f in zip(shapes.zones, answer["zones"], strict=True)},
            {n: np.array(o) for n, o in zip(shapes.zones, answer["occupancy"], strict=True)},
        )
        errors[f"supervision zones, score {score}"] = Errors.of(what, theirs, Shapes(zones=shapes.zones))
    return errors


def _work(task: dict[str, Any]) -> dict[str, Any]:
    """Count with supervision, in its own environment."""
    import importlib

    import numpy as np

    sv = importlib.import_module("supervision")
    feet = [sv.Position.BOTTOM_CENTER]
    lines = {
        str(least): [
            sv.LineZone(
                start=sv.Point(*start),
                end=sv.Point(*end),
                triggering_anchors=feet,
                minimum_crossing_threshold=least,
            )
            for start, end in task["lines"]
        ]
        for least in LEAST
    }
    zones = [sv.PolygonZone(np.array(zone).astype(int), triggering_anchors=feet) for zone in task["zones"]]
    tracker = sv.ByteTrack(frame_rate=round(task["rate"]))
    inside: list[set[int]] = [set() for _ in zones]
    flows = [[0, 0] for _ in zones]
    occupancy: list[list[int]] = [[] for _ in zones]
    for boxes, scores in task["frames"]:
        detections = tracker.update_with_detections(
            sv.Detections(
                xyxy=np.array(boxes, np.float32).reshape(-1, 4),
                confidence=np.array(scores, np.float32),
                class_id=np.zeros(len(scores), int),
            )
        )
        ids = set() if detections.tracker_id is None else set(detections.tracker_id.tolist())
        for of_one_setting in lines.values():
            for line in of_one_setting:
                line.trigger(detections)
        for k, zone in enumerate(zones):
            mask = zone.trigger(detections)
            now = set(np.array(detections.tracker_id)[mask].tolist()) if ids else set()
            flows[k][0] += len(now - inside[k])
            flows[k][1] += len((inside[k] & ids) - now)
            # Who is not seen in this frame stays inside, as far as anybody knows.
            inside[k] = now | (inside[k] - ids)
            occupancy[k].append(len(now))
    return {
        # Its "in" is towards the left hand of somebody who walks from start to end.
        "lines": {key: [[one.out_count, one.in_count] for one in some] for key, some in lines.items()},
        "zones": flows,
        "occupancy": occupancy,
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        answer_all(_work)
    else:
        main()
