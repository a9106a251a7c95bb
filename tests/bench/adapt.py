"""What `adapt` gains on a video with ground truth, source by source, with default options.

python -m tests.bench.adapt [--only teacher,labels,self] [--first 400] [--out DIR]

Run it from the project's root, where PyTorch is installed; it needs `../shared`. Each model learns from the
first frames of the video, and is scored on the rest, which it has not seen: AP by pycocotools, HOTA of the
whole pipeline. Other classes are scored on COCO pictures. Timings count on a quiet machine only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from edge_node.assets.models import DEFAULT, find_model
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import TrackerSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Frame
from edge_node.pictures import U8
from optimization import detectors
from optimization.measure import accuracy, mot
from optimization.measure.coco import Truth, read_truth
from optimization.measure.track_scores import Scorer
from optimization.measure.watching import watch

SHARED = Path(__file__).resolve().parents[3] / "shared"
VIDEO = SHARED / "data/video/vtest.avi"
SEQUENCE = SHARED / "data/mot15/PETS09-S2L1"
COCO = SHARED / "data/coco_mini_val/instances.json"
TEACHER = SHARED / "models/rtmdet_nano_person.onnx"
CLASS, RATE = "person", 10.0
SOURCES = ("teacher", "labels", "self")
HEAD = ("", "AP", "AP50", "HOTA", "other classes", "seconds", "")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SOURCES), help="default: %(default)s")
    parser.add_argument("--first", type=int, default=400, help="frames to learn from (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for the models; they are kept there")
    args = parser.parse_args()
    for need, there in (("../shared", VIDEO.is_file()), ("PyTorch", importlib.util.find_spec("torch"))):
        if not there:
            sys.exit(f"not measured: {need} is missing")
    frames = list(read(VIDEO))
    truth = mot.read_truth(SEQUENCE)[1]
    boxes = [box for _, box in truth]
    folder = args.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    test = (frames[args.first :], truth[args.first : len(frames)])
    print(" | ".join(HEAD))
    row("as it is", str(find_model(DEFAULT)), test, 0.0, "")
    row("teacher", str(TEACHER), test, 0.0, "", others=False)
    for source in args.only.split(","):
        out = folder / f"{source}.onnx"
        seconds, why = adapt(source, out, frames[: args.first], boxes[: args.first])
        row(f"adapt by {source}", str(out if out.is_file() else find_model(DEFAULT)), test, seconds, why)


def adapt(source: str, out: Path, frames: Sequence[U8], boxes: Sequence[np.ndarray]) -> tuple[float, str]:
    """Let the built-in model learn; how long that took, and why it was written or not."""
    from optimization.training.adapt import adapt as learn

    out.unlink(missing_ok=True)
    start = time.monotonic()
    if source == "labels":
        labels = write_labels(out.with_suffix(""), frames, boxes)
        done = learn("built-in", labels=labels, out=out)
    elif source == "self":
        done = learn("built-in", video=VIDEO, frames=len(frames), teachers=("self",), out=out)
    else:
        teachers, names = (str(TEACHER),), (CLASS,)
        done = learn(
            "built-in", video=VIDEO, frames=len(frames), teachers=teachers, teacher_labels=names, out=out
        )
    return time.monotonic() - start, done.why


def row(
    name: str,
    model: str,
    test: tuple[Sequence[U8], Sequence[mot.Boxes]],
    seconds: float,
    why: str,
    *,
    others: bool = True,
) -> None:
    """Score one model and print it."""
    frames, truth = test
    ap, ap50 = average_precision(model, frames, truth)
    figures = (ap, ap50, hota(model, frames, truth), other_classes(model) if others else float("nan"))
    print(name, *(f"{one:.2f}" for one in figures), f"{seconds:.0f}", why, sep=" | ", flush=True)


def average_precision(model: str, frames: Sequence[U8], truth: Sequence[mot.Boxes]) -> tuple[float, float]:
    """AP and AP50 of one class, in percent."""
    document = coco([f"{number}.jpg" for number in range(len(frames))], [boxes for _, boxes in truth], frames)
    known = Truth(document, [(number, Path(str(number))) for number in range(len(frames))])
    settings = detectors.build(name=model, classes=(CLASS,), confidence=0.001, max_detections=300)
    with Detector(labelled(settings, model)) as detector:
        found = [detector.detect(frame)[0] for frame in frames]
        scores = known.score(found, known.match(detector.class_names, (CLASS,)))
    return 100 * scores.ap, 100 * scores.ap50


def hota(model: str, frames: Sequence[U8], truth: Sequence[mot.Boxes]) -> float:
    """HOTA of the pipeline at its defaults, in percent."""
    settings = labelled(ModelSettings(name=model, classes=(CLASS,)), model)
    camera = CameraSettings(source="video", pace="fast")
    with Detector(settings) as detector:
        moments = (
            Frame("video", number, 0, int(number * 1e9 / RATE), frame, restarted=number == 0)
            for number, frame in enumerate(frames)
        )
        tracks = [
            (seen.tracks.track_id, seen.tracks.xyxy.astype(np.float64))
            for _, seen in watch(moments, detector, camera, settings, TrackerSettings())
        ]
    return Scorer().add("video", list(truth), tracks)["hota"]


def other_classes(model: str) -> float:
    """AP of all classes but one on COCO pictures, in percent."""
    truth = read_truth(COCO, COCO.parent / "images")
    names = tuple(name for name in truth.categories if name != CLASS)
    return 100 * float(accuracy.evaluate(detectors.build(name=model), truth, names).ap or 0.0)


def labelled(settings: ModelSettings, model: str) -> ModelSettings:
    """With the class of the teacher, whose file names none."""
    return replace(settings, labels=(CLASS,)) if model == str(TEACHER) else settings


def write_labels(folder: Path, frames: Sequence[U8], boxes: Sequence[np.ndarray]) -> Path:
    """The frames and their ground truth as a dataset."""
    folder.mkdir(exist_ok=True)
    names = [f"frame_{number:04d}.jpg" for number in range(len(frames))]
    for name, frame in zip(names, frames, strict=True):
        cv2.imwrite(str(folder / name), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
    (folder / "instances.json").write_text(json.dumps(coco(names, boxes, frames)))
    return folder


def coco(names: Sequence[str], boxes: Sequence[np.ndarray], frames: Sequence[U8]) -> dict[str, object]:
    """A COCO document of one class."""
    rows = [(image, box) for image, all_ in enumerate(boxes) for box in all_.tolist()]
    return {
        "images": [
            {"id": image, "file_name": name, "width": frame.shape[1], "height": frame.shape[0]}
            for image, (name, frame) in enumerate(zip(names, frames, strict=True))
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": 1, "iscrowd": 0}
            | {"bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}
            for number, (image, box) in enumerate(rows, 1)
        ],
        "categories": [{"id": 1, "name": CLASS}],
    }


def read(video: Path) -> Iterator[U8]:
    """The frames of a video."""
    reader = cv2.VideoCapture(str(video))
    while True:
        there, image = reader.read()
        if not there:
            return
        yield np.asarray(image, np.uint8)


if __name__ == "__main__":
    main()
