"""What tiles find of small people in 4K, and what it costs: the whole picture, grids, and budgets of runs.

    python tests/bench/detector/tiles.py [--seeds 100,101] [--ways whole,8x6,auto4] [--json FILE]

Each seed is another film (`tests/scenes/films.py`); it needs `../shared`. A way is `whole`, a grid such as
`8x6`, or `auto` with its number of runs. People are counted in single frames, at one precision: those that
the detector found, and those that are reported, which includes tracks that are predicted where nobody looked.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import TrackerSettings
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from optimization.detectors import default_model
from optimization.measure.track_scores import Scorer
from tests.scenes import scores
from tests.scenes.films import Scene, film

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "coco_mini_val"
PRECISION = 0.9


def camera(way: str) -> CameraSettings:
    """The settings of a camera that looks in this way."""
    if way == "whole":
        return CameraSettings(source="film")
    if way.startswith("auto"):
        return CameraSettings(source="film", tiles=TileSettings(runs=int(way.removeprefix("auto"))))
    columns, rows = map(int, way.split("x"))
    return CameraSettings(source="film", tiles=TileSettings(columns=columns, rows=rows))


def measure(way: str, scene: Scene, detector: Detector, model: ModelSettings, tracker: str) -> dict[str, Any]:
    """Watch one film in one way."""
    tracking = TrackerSettings(kind="ocsort" if tracker == "ocsort" else "bytetrack")
    watched = scores.watch_film(film(scene, DATA), scene.rate, detector, camera(way), model, tracking)
    detected, reported = scores.of_detections(watched), scores.of_tracks(watched)
    ids = scores.identities(watched)
    tracks = [(one.track_id, one.xyxy.astype(float)) for one in watched.tracks]
    hota = Scorer().add("film", watched.truth, tracks)
    return {
        "seed": scene.seed,
        "way": way,
        "people": detected.people,
        "detected": detected.found_at(PRECISION),
        "reported": reported.found_at(PRECISION),
        "precision": float(reported.right.mean()) if len(reported.right) else 1.0,
        "persons": ids.people,
        "followed": ids.followed,
        "ids": ids.ids,
        "hota": hota["hota"],
        "ms": statistics.median(watched.took_ms),
    }


def main() -> None:
    """Measure every way on every film, print a line for each, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", default="100,101,102,103")
    parser.add_argument("--ways", default="whole,4x3,8x6,auto2,auto4,auto8")
    parser.add_argument("--model", default=default_model())
    parser.add_argument("--tracker", default="bytetrack", choices=("bytetrack", "ocsort"))
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    model = ModelSettings(name=args.model, classes=("person",), confidence=0.2)
    results = []
    print(
        f"{'seed':>5}{'way':>8}{'people':>8}{'detected':>10}{'reported':>10}{'precision':>11}"
        f"{'persons':>9}{'followed':>10}{'ids':>6}{'HOTA':>7}{'ms':>8}"
    )
    with Detector(model) as detector:
        for seed in map(int, args.seeds.split(",")):
            scene = Scene(seed=seed, frames=args.frames, people=args.people)
            for way in args.ways.split(","):
                one = measure(way, scene, detector, model, args.tracker)
                results.append(one)
                print(
                    "{seed:>5}{way:>8}{people:>8}{detected:>10}{reported:>10}{precision:>11.2f}"
                    "{persons:>9}{followed:>10}{ids:>6.2f}{hota:>7.1f}{ms:>8.1f}".format(**one),
                    flush=True,
                )
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
