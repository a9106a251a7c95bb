"""Suspects on real videos that are played for hours: which pasted things are offered, and what else.

    python tests/bench/detector/suspects.py [--hours 6] [--seeds 1,2,3] [--json FILE]

It needs `../shared`. Into the frames of a video, cut-outs of photographs are pasted that never move: scenery.
The built-in model looks at each of them once, one a second. Then the video is played again and again, with
daylight that comes and goes, and the hunt looks at a picture every two seconds, as it does in a node. A thing
is findable if the model sees it as one class in a fifth of the frames, and a track of that class is reported:
what no track reports troubles nobody. What is offered and not pasted is printed, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.analytics.watch import Watch
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import EdgeConfig
from edge_node.detect.detector import Detector
from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.ignore.suspects import SAMPLE_S, SuspectHunt
from edge_node.pictures import U8
from shared.geometry import F64, Bool, iou
from tests.bench.detector import clips

THINGS = (
    "kite",
    "dog",
    "bird",
    "umbrella",
    "chair",
    "potted plant",
    "stop sign",
    "fire hydrant",
    "teddy bear",
)
AFTER_S = 7200.0
RATE = 1
_SEEN = 0.2

Looks = list[tuple[U8, Detections, Tracks]]


def cutouts(seed: int, count: int) -> list[tuple[str, U8]]:
    """Rectangles around annotated things of `coco_mini_val`."""
    said = json.loads((clips.COCO / "instances.json").read_text())
    names = {one["id"]: one["name"] for one in said["categories"]}
    pictures = {one["id"]: one["file_name"] for one in said["images"]}
    usable = [
        one
        for one in said["annotations"]
        if names[one["category_id"]] in THINGS and min(one["bbox"][2:]) >= 60 and not one.get("iscrowd")
    ]
    found = []
    for index in np.random.default_rng(seed).permutation(len(usable))[:count]:
        x, y, w, h = (int(v) for v in usable[index]["bbox"])
        picture = cv2.imread(str(clips.COCO / "images" / pictures[usable[index]["image_id"]]))
        assert picture is not None
        found.append(
            (names[usable[index]["category_id"]], np.asarray(picture[y : y + h, x : x + w], np.uint8))
        )
    return found


def pasted(video: Path, things: list[tuple[str, U8]], seed: int) -> tuple[list[U8], float, F64]:
    """The video's frames with the things in them, its rate, and their boxes in pixels."""
    reader = cv2.VideoCapture(str(video))
    rate = reader.get(cv2.CAP_PROP_FPS)
    width, height = int(reader.get(3)), int(reader.get(4))
    rng, places = np.random.default_rng(seed), []
    for column, (_, picture) in enumerate(things):
        tall = int(rng.uniform(0.12, 0.22) * height)
        wide = min(int(picture.shape[1] / picture.shape[0] * tall), width // len(things))
        x = int((column + 0.5) * width / len(things) - wide / 2)
        y = int(rng.uniform(0.05, 0.75) * (height - tall))
        places.append((x, y, x + wide, y + tall))
    frames: list[U8] = []
    every = max(1, round(rate / RATE))
    while True:
        for _ in range(every):
            read, frame = reader.read()
        if not read:
            return frames, rate / every, np.array(places, np.float64).reshape(-1, 4)
        for (_, picture), (x1, y1, x2, y2) in zip(things, places, strict=True):
            frame[y1:y2, x1:x2] = cv2.resize(picture, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
        frames.append(np.asarray(frame, np.uint8))


def looked(frames: list[U8], rate: float, detector: Detector) -> Looks:
    """Each frame with its detections and tracks."""
    watch = Watch(
        AnalyticsSettings(),
        Definitions(version=1, zones={}, lines={}),
        EdgeConfig().tracker,
        detector.class_names,
    )
    found: Looks = []
    for seq, image in enumerate(frames):
        detections, _ = detector.detect(image, ModelSettings().confidence)
        frame = Frame("c", seq, 0, int(seq / rate * 1e9), image)
        found.append((image, detections, watch.update(Detected(frame, detections, {})).tracks))
    return found


def played(
    shown: Looks, rate: float, hours: float, class_names: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Play for hours; what was offered, with its time, and the cost of a look."""
    hunt, rng = SuspectHunt(AFTER_S, class_names), np.random.default_rng(seed)
    offered: dict[str, Any] = {}
    step, now_s, spent, looks = rate * SAMPLE_S, 0.0, 0.0, 0
    at = 0.0
    while now_s < hours * 3600:
        at += step
        restarted = at >= len(shown)
        if restarted:
            at = float(rng.uniform(0, step))
        image, found, tracks = shown[int(at)]
        light = 0.35 + 0.65 * (0.5 + 0.5 * math.cos(now_s / 3600 / 6 * 2 * math.pi))  # dusk and dawn in 6 h
        picture = cv2.convertScaleAbs(image, alpha=light)
        frame = Frame(
            "c", looks, int(now_s * 1e9), int(now_s * 1e9), np.asarray(picture, np.uint8), restarted
        )
        start = time.process_time()
        hunt.sample(Detected(frame, found, {}), found, tracks, now_s)
        spent += time.process_time() - start
        looks, now_s = looks + 1, now_s + SAMPLE_S
        for one in hunt.news() or ():
            offered.setdefault(one.id, (round(now_s / 3600, 2), one))
    return {"offered": list(offered.values()), "ms": spent / looks * 1e3, "places": len(hunt.places)}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--videos", default=",".join(clips.FRAMES))
    parser.add_argument("--things", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with Detector(ModelSettings()) as detector:
        names = tuple(detector.class_names)
        for name in options.videos.split(","):
            for seed in [int(one) for one in options.seeds.split(",")]:
                things = cutouts(seed, options.things)
                frames, rate, boxes = pasted(clips.VIDEO / name, things, seed)
                shown = looked(frames, rate, detector)
                rows.append(report(name, seed, things, boxes, shown, rate, options.hours, names))
                print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


def at_things(boxes: F64, found: Detections | Tracks, classes: int) -> Bool:
    """Whether each thing is found as each class, ``(N, classes)``."""
    there = np.zeros((len(boxes), classes), np.bool_)
    thing, index = (iou(boxes, found.xyxy) >= 0.5).nonzero()
    there[thing, found.class_id[index]] = True
    return there


def report(
    name: str,
    seed: int,
    things: list[tuple[str, U8]],
    boxes: F64,
    shown: Looks,
    rate: float,
    hours: float,
    names: tuple[str, ...],
) -> dict[str, Any]:
    """One video: the shares of the frames in which each thing is found and reported, and what was offered."""
    result = played(shown, rate, hours, names, seed)
    height, width = shown[0][0].shape[:2]
    size = np.array([width, height, width, height])
    seen = np.mean([at_things(boxes, found, len(names)) for _, found, _ in shown], axis=0)
    reported = np.mean([at_things(boxes, tracks, len(names)) for _, _, tracks in shown], axis=0)
    findable = ((seen >= _SEEN) & (reported > 0)).any(axis=1)
    hits = set()
    others = []
    for at_h, one in result["offered"]:
        overlap = iou(boxes, np.array([one.box]) * size)[:, 0]
        if overlap.max(initial=0.0) >= 0.5:
            hits.add(int(overlap.argmax()))
        else:
            others.append(
                {"label": one.label, "box": one.box, "at_h": at_h, "seen": one.seen_share, "score": one.score}
            )
    return {
        "video": name,
        "seed": seed,
        "things": [thing for thing, _ in things],
        "seen": seen.max(axis=1).round(2).tolist(),
        "reported": reported.max(axis=1).round(2).tolist(),
        "findable": int(findable.sum()),
        "found": sum(bool(findable[hit]) for hit in hits),
        "found_besides": sum(not findable[hit] for hit in hits),
        "others": others,
        "ms_a_look": round(result["ms"], 2),
        "places": result["places"],
    }


if __name__ == "__main__":
    sys.exit(main())
