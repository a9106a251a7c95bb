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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import TrackerSettings
from edge_node.detect.detector import Detector
from edge_node.frames import U8, Detections
from optimization import pictures
from optimization.measure import stopwatch

SHARED = Path(__file__).resolve().parents[4] / "shared"
COCO = SHARED / "data" / "coco_mini_val"
VIDEO = SHARED / "data" / "video"
REFERENCE = SHARED / "models" / "rtmdet_nano_person.onnx"
SIZES = "320,384,416,448,512,576,640,416s,512s,640s"
FRAMES = {"vtest.avi": 53, "intel_one-by-one-person-detection.mp4": 93}
"""Frames of each clip that are looked at, spread evenly."""
SURE = 0.5
"""Lowest score of the larger detector that counts as truth."""
LOWEST = 0.001
"""Lowest score that average precision looks at."""
RESOLUTIONS = {"16:9": (1280, 720), "4:3": (768, 576)}
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

    truth = read_truth(COCO / "instances.json", COCO / "images")
    with Detector(settings(size, confidence=LOWEST)) as detector:
        found = [detector.detect(pictures.read(path))[0] for _, path in truth.pictures]
        scores = truth.score(found, truth.match(detector.class_names))
    kinds = {"S": scores.ap_small, "M": scores.ap_medium, "L": scores.ap_large}
    row: Row = {"AP": scores.ap, **{f"AP {kind}": ap for kind, ap in kinds.items()}}
    row["person AP"] = scores.per_class["person"]
    return {key: None if value is None else 100 * value for key, value in row.items()}


def on_vtest(size: str) -> Row:
    """Scores of detections, tracks and crossings on the video with ground truth, in percent."""
    from optimization.commands.evaluate_video import watch_video
    from optimization.measure import mot
    from optimization.measure.coco import Truth
    from tests.bench.tracker import counting

    _, truth = mot.read_truth(SHARED / "data" / "mot15" / "PETS09-S2L1")
    model = settings(size, classes=("person",))
    found, tracks, *_ = watch_video(str(VIDEO / "vtest.avi"), model, TrackerSettings())
    document: dict[str, Any] = {
        "images": [{"id": index} for index in range(len(truth))],
        "categories": [{"id": 0, "name": "person"}],
        "annotations": [],
    }
    for index, (_, boxes) in enumerate(truth):
        for left, top, right, bottom in boxes.tolist():
            sides = [left, top, right - left, bottom - top]
            number = len(document["annotations"]) + 1
            document["annotations"].append(
                {"id": number, "image_id": index, "category_id": 0, "bbox": sides, "iscrowd": 0}
            )
    scored = Truth(document, [(index, Path()) for index in range(len(truth))])
    people = [Detections(one.xyxy, one.score, np.zeros(len(one), np.int32)) for one in found]
    row: Row = {"AP50": 100 * scored.score(people, scored.match(("person",))).ap50}
    scores = mot.Scorer().add("vtest", truth, tracks)
    row |= {key.upper(): scores[key] for key in ("hota", "mota", "idf1")} | {"switches": scores["idsw"]}
    lines = counting.lines_of(0.03)
    true = counting.true(truth, (768, 576), lines)
    counted = counting.counted(tracks, 10.0, (768, 576), lines)
    row["crossings off"] = 100 * ((counted - true).total() + (true - counted).total()) / true.total()
    return row


def frames_of(clip: str) -> Iterator[U8]:
    """Some frames of a clip, spread evenly."""
    reader = cv2.VideoCapture(str(VIDEO / clip))
    total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    chosen = set(np.linspace(0, total - 1, FRAMES[clip]).round().astype(int).tolist())
    for index in itertools.count():
        there, image = reader.read()
        if not there:
            return
        if index in chosen:
            yield np.asarray(image, np.uint8)


def on_clips(sizes: Sequence[str]) -> dict[str, Row]:
    """Agreement about people with a larger detector, as AP50 in percent, by size."""
    from optimization.measure.coco import truth_of

    rows: dict[str, Row] = {size: {} for size in sizes}
    for clip in FRAMES:
        images = list(frames_of(clip))
        reference = ModelSettings(name=str(REFERENCE), labels=("person",), input_size=640)
        with Detector(reference) as detector:
            expected = [detector.detect(image)[0] for image in images]
        truth = truth_of(expected, [Path()] * len(images), ("person",), SURE)
        for size in sizes:
            with Detector(settings(size, confidence=LOWEST, classes=("person",))) as detector:
                found = [detector.detect(image)[0] for image in images]
            rows[size][clip.partition("_")[0]] = 100 * truth.score(found, truth.match(("person",))).ap50
    return rows


def times(sizes: Sequence[str], rounds: int) -> dict[str, Row]:
    """Median milliseconds from a picture to its detections, of all sizes in turn, by threads and aspect."""
    rows: dict[str, Row] = {size: {} for size in sizes}
    for threads, (aspect, resolution) in itertools.product((1, 2), RESOLUTIONS.items()):
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
    for what in args.only.split(","):
        match what:
            case "coco":
                found = {size: on_coco(size) for size in sizes}
            case "vtest":
                found = {size: on_vtest(size) for size in sizes}
            case "clips":
                found = on_clips(sizes)
            case _:
                found = times(sizes, args.rounds)
        print(f"\n{what}\n{table(found)}", flush=True)
        rows = {size: rows[size] | found[size] for size in sizes}
        if args.json:
            args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
