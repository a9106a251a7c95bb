"""An earlier checkout and this one, side by side: accuracy, tracks, counts, agreement and time.

python tests/bench/detector/before_after.py --before DIR [--only coco,vtest,clips,time] [--rounds 40]

Run it from the project's root; it needs `../shared`. Each checkout runs in a process of its own, at its
defaults; both are scored by this one's code. The video with ground truth is also played mirrored, because one
changed association changes all that follow. Random lines and zones are those of `evaluate counts`.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np

if __name__ == "__main__":  # the checkout in which this runs, which may be the earlier one
    sys.path[0] = str(Path.cwd())

from edge_node.frames import Detections

if "--work" not in sys.argv:  # an earlier checkout has no such file
    from tests.bench.detector import clips

if TYPE_CHECKING:
    from optimization.measure.counts.shapes import Shapes
    from optimization.measure.mot import Boxes

HERE = Path(__file__).resolve().parents[3]
SHAPES, SEED = 60, 11
Answer = dict[str, Any]


def detect(pictures: list[str], keys: dict[str, Any]) -> Answer:
    """Detections in pictures, by the checkout's default model."""
    from edge_node.config.model_settings import ModelSettings
    from edge_node.detect.detector import Detector

    with Detector(msgspec.convert(keys, ModelSettings)) as detector:
        found = [detector.detect(cv2.imread(path))[0] for path in pictures]  # type: ignore[arg-type]  # it is u8
        names = detector.class_names
    return {"found": [(one.xyxy, one.score, one.class_id) for one in found], "names": names}


def watch(video: str, shapes: Any, keys: dict[str, Any]) -> Answer:
    """The whole pipeline on a film: tracks, counts, and milliseconds of a frame after the network."""
    import threading

    from edge_node.analytics.watch import Watch
    from edge_node.capture.camera import capture
    from edge_node.config.camera_settings import AnalyticsSettings, CameraSettings
    from edge_node.config.live import LiveStore
    from edge_node.config.model_settings import ModelSettings
    from edge_node.config.saved.definitions import Definitions
    from edge_node.config.settings import EdgeConfig, TrackerSettings
    from edge_node.detect.detector import Detector
    from edge_node.detect.stages import Detect
    from shared.wire.messages import LineDefinition, ZoneDefinition

    settings = CameraSettings(source=video, pace="fast")
    model = msgspec.convert(keys | {"classes": ["person"]}, ModelSettings)
    live = LiveStore(EdgeConfig(cameras={"video": settings}, model=model))
    definitions = Definitions(
        version=1,
        zones=msgspec.convert(shapes["zones"], dict[str, ZoneDefinition]),
        lines=msgspec.convert(shapes["lines"], dict[str, LineDefinition]),
    )
    names = (*definitions.lines, *definitions.zones)
    tracks, found, occupancy, after_ms = [], [], [], []
    with Detector(model) as detector:
        stages = Detect(detector, {"video": settings}, live)
        watching = Watch(AnalyticsSettings(), definitions, TrackerSettings(), detector.class_names)
        frames = capture("video", settings, threading.Event(), lambda *_: None)
        for item in stages.decode(stages.infer([stages.ready(frame)] for frame in frames)):
            seen = watching.update(item)
            tracks.append((seen.tracks.track_id, seen.tracks.xyxy.astype(np.float64)))
            one = item.detections or Detections.empty()
            found.append((one.xyxy, one.score, np.zeros(len(one), np.int32)))
            occupancy.append([seen.report.numbers[zone].occupancy for zone in definitions.zones])
            steps = seen.timings_ms.items()
            after_ms.append(sum(ms for step, ms in steps if step not in ("preprocess", "inference")))
    last = seen.report.numbers
    flows = {name: (last[name].entered, last[name].exited) for name in names}
    return {"tracks": tracks, "found": found, "flows": flows, "occupancy": occupancy, "after_ms": after_ms}


_ready: dict[int, Any] = {}


def once(picture: str, threads: int) -> Answer:
    """Milliseconds from a picture to its detections."""
    import time

    from edge_node.config.model_settings import ModelSettings
    from edge_node.detect.detector import Detector

    if threads not in _ready:
        _ready[threads] = Detector(ModelSettings(threads=threads)).__enter__()
    image = cv2.imread(picture)
    start = time.perf_counter()
    _ready[threads].detect(image)
    return {"ms": (time.perf_counter() - start) * 1e3}


ANSWERS: dict[str, Callable[..., Answer]] = {"detect": detect, "watch": watch, "once": once}


def work() -> None:
    """Answer questions with files until there are no more."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = msgspec.json.decode(line)
        answer = ANSWERS[asked["what"]](**asked["keys"])
        Path(asked["into"]).write_bytes(pickle.dumps(answer))
        print("done", file=out, flush=True)


class Checkout:
    """A process that runs in a checkout and with its code."""

    def __init__(self, folder: Path, into: Path) -> None:
        self._into = into
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--work"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, what: str, **keys: Any) -> Any:
        """Ask, and wait for the answer."""
        assert self._process.stdin and self._process.stdout
        question = {"what": what, "keys": keys, "into": str(self._into)}
        self._process.stdin.write(msgspec.json.encode(question).decode() + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            raise SystemExit(f"{self._process.args!r} failed; its own messages say why")
        return pickle.loads(self._into.read_bytes())  # noqa: S301 - written by our own process

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def both(before: Path, folder: Path) -> Iterator[dict[str, Checkout]]:
    """The two checkouts, ready to be asked."""
    found = {"before": Checkout(before, folder / "before"), "after": Checkout(HERE, folder / "after")}
    try:
        yield found
    finally:
        for one in found.values():
            one.end()


def on_coco(asked: dict[str, Checkout], _folder: Path, _rounds: int) -> dict[str, dict[str, float]]:
    """COCO's average precision on the sample, in percent."""
    from optimization.measure.coco import read_truth

    truth = read_truth(clips.COCO / "instances.json", clips.COCO / "images")
    rows = {}
    for name, checkout in asked.items():
        paths = [str(path) for _, path in truth.pictures]
        said = checkout.ask("detect", pictures=paths, keys={"confidence": clips.LOWEST})
        scores = truth.score([Detections(*one) for one in said["found"]], truth.match(said["names"]))
        kinds = {"AP": scores.ap, "small": scores.ap_small, "medium": scores.ap_medium}
        kinds |= {"large": scores.ap_large, "person": scores.per_class["person"]}
        rows[name] = {f"coco: {key}": 100 * (value or 0.0) for key, value in kinds.items()}
    return rows


def on_vtest(asked: dict[str, Checkout], folder: Path, _rounds: int) -> dict[str, dict[str, float]]:
    """Tracks and counts on the video with ground truth, as it is and mirrored: means, in percent."""
    mirrored = clips.mirrored(folder)
    return {name: vtest(mirrored, partial(one.ask, "watch", keys={})) for name, one in asked.items()}


def vtest(mirrored: Path, watched: Callable[..., Answer]) -> dict[str, float]:
    """Means of the scores on the video with ground truth and on the mirrored one, in percent.

    Args:
        mirrored: The mirrored video.
        watched: Gives what `watch` gives for a video and shapes.
    """
    from optimization.measure import mot
    from optimization.measure.counts.shapes import random_shapes

    rate, truth = mot.read_truth(clips.TRUTH)
    shapes = random_shapes(SHAPES, SEED)
    plain = {"zones": msgspec.to_builtins(shapes.zones), "lines": msgspec.to_builtins(shapes.lines)}
    both_ways = (clips.VIDEO / "vtest.avi", truth), (mirrored, clips.mirrored_truth(truth))
    rows = [_scores(watched(video=str(video), shapes=plain), true, rate, shapes) for video, true in both_ways]
    print(*({key: round(value, 1) for key, value in row.items()} for row in rows), file=sys.stderr)
    return {f"vtest: {key}": float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _scores(said: Answer, true: list[Boxes], rate: float, shapes: Shapes) -> dict[str, float]:
    from optimization.measure.counts import truth as counts
    from optimization.measure.counts.errors import Errors
    from optimization.measure.track_scores import Scorer

    scores = Scorer().add("vtest", true, said["tracks"])
    row = {key.upper(): float(scores[key]) for key in ("hota", "mota", "idf1")}
    row["id switches"] = scores["idsw"]
    happened = counts.count(counts.ways(true, rate, clips.SIZE), len(true), rate, clips.SIZE, shapes)
    occupancy = np.array(said["occupancy"], np.int64).T
    counted = counts.Counts(said["flows"], dict(zip(shapes.zones, occupancy, strict=True)))
    errors = Errors.of(happened, counted, shapes)
    row["crossings off"] = errors.crossings.percent or 0.0
    row["entries off"] = errors.entries.percent or 0.0
    row["occupancy off"] = errors.occupancy.percent or 0.0
    return row | {"ms after the network": median(said["after_ms"])}


def on_clips(asked: dict[str, Checkout], folder: Path, _rounds: int) -> dict[str, dict[str, float]]:
    """Agreement about people with a larger detector, as AP50 in percent: the clips have no ground truth."""
    from optimization.measure.coco import truth_of

    rows: dict[str, dict[str, float]] = {name: {} for name in asked}
    reference = {"name": str(clips.REFERENCE), "labels": ["person"], "input_size": 640}
    for clip in clips.FRAMES:
        paths = []
        for index, image in enumerate(clips.frames_of(clip)):
            paths.append(str(folder / f"{clip}-{index}.png"))
            cv2.imwrite(paths[-1], image)
        expected = detect(paths, reference)["found"]
        sure = [Detections(*one) for one in expected]
        truth = truth_of(sure, list(map(Path, paths)), ("person",), clips.SURE)
        for name, checkout in asked.items():
            keys = {"confidence": clips.LOWEST, "classes": ["person"]}
            said = checkout.ask("detect", pictures=paths, keys=keys)
            found = [Detections(*one) for one in said["found"]]
            scores = truth.score(found, truth.match(("person",)))
            rows[name][f"{clip.partition('_')[0]}: agreement"] = 100 * scores.ap50
    return rows


def on_time(asked: dict[str, Checkout], folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds from a picture to its detections, in turn."""
    rows: dict[str, dict[str, float]] = {name: {} for name in asked}
    reader = cv2.VideoCapture(str(clips.VIDEO / "vtest.avi"))
    image = reader.read()[1]
    for threads in (1, 2):
        for aspect, resolution in clips.RESOLUTIONS.items():
            path = str(folder / "time.png")
            cv2.imwrite(path, cv2.resize(image, resolution))
            taken: dict[str, list[float]] = {name: [] for name in asked}
            for turn in range(-3, rounds):
                for name, checkout in asked.items():
                    said = checkout.ask("once", picture=path, threads=threads)
                    if turn >= 0:
                        taken[name].append(said["ms"])
            for name, times in taken.items():
                rows[name][f"ms {aspect}, {threads} thread{'s' * (threads > 1)}"] = median(times)
    return rows


PARTS = {"coco": on_coco, "vtest": on_vtest, "clips": on_clips, "time": on_time}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, both(args.before.resolve(), Path(name)) as asked:
        print("| | before | after |\n|---|---|---|")
        for part in args.only.split(","):
            found = PARTS[part](asked, Path(name), args.rounds)
            for key, before in found["before"].items():
                print(f"| {key} | {before:.1f} | {found['after'][key]:.1f} |", flush=True)


if __name__ == "__main__":
    work() if "--work" in sys.argv else main()
