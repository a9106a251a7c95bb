"""HOTA, MOTA and IDF1 of our trackers beside other packages', on the same detections and the same scorer.

python tests/bench/tracker/accuracy.py [--mot DIR] [--detections det.txt] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.config.settings import TrackerSettings
from optimization.commands import evaluate_tracker
from optimization.measure import mot
from optimization.measure.track_scores import Scorer
from tests.bench.tracker.peers import PACKAGES, TRACKERS, Frames, Peer

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "mot15"
_COLUMNS = ("hota", "deta", "assa", "mota", "idf1", "idsw")


def _as_lists(sequence: mot.Sequence) -> Frames:
    return [(d.xyxy.tolist(), d.score.tolist()) for d in sequence.detections]


def _as_boxes(frames: Frames) -> list[mot.Boxes]:
    return [(np.array(ids, np.int64), np.array(boxes, np.float64).reshape(-1, 4)) for boxes, ids in frames]


def main() -> None:
    """Run every tracker on every sequence and print the combined scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mot", type=Path, default=DATA, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--detections", default="det.txt", metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    folders = [f for f in mot.find(args.mot) if (f / "det" / args.detections).is_file()]
    sequences = [mot.read(folder, args.detections) for folder in folders]
    results: dict[str, dict[str, float]] = {}

    def report(name: str, tracks: list[list[mot.Boxes]]) -> None:
        scorer = Scorer()
        for sequence, found in zip(sequences, tracks, strict=True):
            scorer.add(sequence.name, sequence.truth, found)
        results[name] = scorer.combined()
        print(f"{name:<24}" + "".join(f"{results[name][column]:8.1f}" for column in _COLUMNS), flush=True)

    print(f"{len(sequences)} sequences, {args.detections}, {', '.join(PACKAGES.values())}")
    print(f"{'':<24}" + "".join(f"{column:>8}" for column in _COLUMNS))
    for kind in ("bytetrack", "ocsort"):
        settings = TrackerSettings(kind=kind)
        report(f"darner {kind}", [evaluate_tracker.track(sequence, settings) for sequence in sequences])
    for name in TRACKERS:
        with Peer(name) as peer:
            report(name, [_as_boxes(peer.track(_as_lists(s), s.frame_rate)[0]) for s in sequences])
    if args.json:
        document = {
            "sequences": [s.name for s in sequences],
            "packages": PACKAGES,
            "combined": results,
        }
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
