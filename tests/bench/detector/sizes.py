"""What the size of its input costs and gives the built-in model: accuracy, tracks, counts and time.

python tests/bench/detector/sizes.py [--sizes 416,512] [--only coco,vtest,clips,time] [--rounds 40]

Run it from the project's root; it needs `../shared`. A size is the longer side of the input; its other side
follows the picture, or is the same where the size is written with an "s" (416s). Nobody has ground truth for
the two clips: there, a larger detector of people at 640 stands for it, so the numbers only compare rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import pictures
from optimization.measure import stopwatch
from tests.bench.detector import clips
from tests.bench.detector.before_after import vtest, watch

SIZES = "320,384,416,448,480,512,576,640,416s,512s,640s"
Row = dict[str, float | None]


def settings(size: str, **keys: Any) -> ModelSettings:
    """The built-in model at a size."""
    square = size.endswith("s")
    return ModelSettings(
        name="nanodet_g", input_size=int(size.removesuffix("s")), rectangular=not square, **keys
    )


def on_coco(size: str) -> Row:
    """Average precision on the COCO sample, in percent."""
    from optimization.measure.coco import read_truth

    truth = read_truth(clips.COCO / "instances.json", clips.COCO / "images")
    with Detector(settings(size, confidence=clips.LOWEST)) as detector:
        found = [detector.detect(pictures.read(path))[0] for _, path in truth.pictures]
        scores = truth.score(found, truth.match(detector.class_names))
    kinds = {"S": scores.ap_small, "M": scores.ap_medium, "L": scores.ap_large}
    row: Row = {"AP": scores.ap, **{f"AP {kind}": ap for kind, ap in kinds.items()}}
    row["person AP"] = scores.per_class["person"]
    return {key: None if value is None else 100 * value for key, value in row.items()}


def on_vtest(sizes: Sequence[str]) -> dict[str, Row]:
    """Scores of tracks and counts on the video with ground truth and mirrored, in percent."""
    with tempfile.TemporaryDirectory() as folder:
        mirrored = clips.mirrored(Path(folder))
        rows: dict[str, Row] = {}
        for size in sizes:
            keys = msgspec.to_builtins(settings(size))
            found = vtest(mirrored, partial(watch, keys=keys))
            rows[size] = {key.removeprefix("vtest: "): value for key, value in found.items()}
    return rows


def on_clips(sizes: Sequence[str]) -> dict[str, Row]:
    """Agreement about people with a larger detector, as AP50 in percent, by size."""
    from optimization.measure.coco import truth_of

    rows: dict[str, Row] = {size: {} for size in sizes}
    for clip in clips.FRAMES:
        images = list(clips.frames_of(clip))
        reference = ModelSettings(name=str(clips.REFERENCE), labels=("person",), input_size=640)
        with Detector(reference) as detector:
            expected = [detector.detect(image)[0] for image in images]
        truth = truth_of(expected, [Path()] * len(images), ("person",), clips.SURE)
        for size in sizes:
            with Detector(settings(size, confidence=clips.LOWEST, classes=("person",))) as detector:
                found = [detector.detect(image)[0] for image in images]
            rows[size][clip.partition("_")[0]] = 100 * truth.score(found, truth.match(("person",))).ap50
    return rows


def times(sizes: Sequence[str], rounds: int) -> dict[str, Row]:
    """Median milliseconds from a picture to its detections, of all sizes in turn, by threads and aspect."""
    rows: dict[str, Row] = {size: {} for size in sizes}
    for threads, (aspect, resolution) in itertools.product((1, 2), clips.RESOLUTIONS.items()):
        image = np.random.default_rng(0).integers(0, 256, (*resolution[::-1], 3), np.uint8)
        with ExitStack() as stack:
            detectors = [stack.enter_context(Detector(settings(size, threads=threads))) for size in sizes]
            taken = stopwatch.in_turn([partial(one.detect, image) for one in detectors], rounds)
        for size, one in zip(sizes, taken, strict=True):
            rows[size][f"ms {aspect}, {threads} thread{'s' * (threads > 1)}"] = median(one)
    return rows


def table(rows: dict[str, Row]) -> str:
    """A table in Markdown."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = ["| size | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for size, row in rows.items():
        cells = ("" if row.get(column) is None else f"{row[column]:.1f}" for column in columns)
        lines.append(f"| {size.replace('s', ' square')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--only", default="coco,vtest,clips,time")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    sizes: list[str] = args.sizes.split(",")
    rows: dict[str, Row] = {size: {} for size in sizes}
    parts: dict[str, Callable[[], dict[str, Row]]] = {
        "coco": lambda: {size: on_coco(size) for size in sizes},
        "vtest": lambda: on_vtest(sizes),
        "clips": lambda: on_clips(sizes),
        "time": lambda: times(sizes, args.rounds),
    }
    for what in args.only.split(","):
        found = parts[what]()
        print(f"\n{what}\n{table(found)}", flush=True)
        rows = {size: rows[size] | found[size] for size in sizes}
        if args.json:
            args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
