"""How long the steps of a detection take on the CPU, beside other code; every step has a target.

    python tests/bench/detector/cost.py [--json FILE] [--rounds 15]

The candidates of a step take turns, so that a busy machine slows all alike; the ratios are what to read. Ends
with exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.backends.interface import Wanted
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.preprocess import PAD_VALUE, InputFormat, Letterbox, Preprocessor, TensorFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.decode.candidates import candidates, suppress
from edge_node.detect.decode.families import FAMILIES
from edge_node.frames import Detections
from edge_node.pictures import U8
from shared.geometry import F32
from tests.bench.detector.peers import PACKAGE, Ultralytics
from tests.bench.gpu import yolo_shaped
from tests.edge_node.backends import networks

REPO = Path(__file__).resolve().parents[3]
TARGET = InputFormat(640, 640)
EVERYTHING = Wanted(np.arange(80), 0.25, FAMILIES["yolov8"].anchors)
CONFIDENCE, IOU = 0.25, 0.6
_REPEATS = 10


@dataclass
class Result:
    """One comparison: medians in milliseconds, and how many times faster ours is.

    Attributes:
        name: Of the step.
        ms: By candidate.
        ratio: Of the other's median to ours.
        target: Lowest ratio that will do.
        note: What else was found.
    """

    name: str
    ms: dict[str, float]
    ratio: float
    target: float
    note: str = ""

    @property
    def met(self) -> bool:
        return self.ratio >= self.target


def timed(work: Callable[[], object]) -> list[float]:
    """Milliseconds of some calls."""
    found = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - start))
    return found


def in_turn(rounds: int, candidates_ms: dict[str, Callable[[], list[float]]]) -> dict[str, float]:
    """The median of each candidate; the first round only warms up."""
    found: dict[str, list[float]] = {name: [] for name in candidates_ms}
    for turn in range(rounds + 1):
        for name, measure in candidates_ms.items():
            ms = measure()
            if turn:
                found[name] += ms
    return {name: round(statistics.median(ms), 4) for name, ms in found.items()}


def frame() -> U8:
    """A 1280x720 picture with edges and noise."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (36, 64, 3), np.uint8), (1280, 720))
    return np.asarray(cv2.add(image, rng.integers(0, 40, (720, 1280, 3), np.uint8)), np.uint8)


def naive(image: U8) -> F32:
    """The letterbox as many tutorials write it."""
    fit = Letterbox.fit(image.shape[1], image.shape[0], TARGET)
    canvas = np.full((TARGET.height, TARGET.width, 3), PAD_VALUE, np.uint8)
    resized = cv2.resize(image, (fit.width, fit.height))
    canvas[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width] = resized
    rgb = cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB)
    tensor = rgb.astype(np.float32) / 255
    return np.asarray(np.ascontiguousarray(tensor.transpose(2, 0, 1))[None], np.float32)


def preprocess(rounds: int, folder: Path, peer: Ultralytics) -> list[Result]:
    """Our preprocessing to floats, and to bytes with their cost in the network, beside the others."""
    image = frame()
    np.save(folder / "frame.npy", image)
    floats = Preprocessor(TARGET)
    as_bytes = Preprocessor(InputFormat(640, 640, rgb=False), TensorFormat("uint8", channels_last=True))
    stem = networks.convolution(
        folder / "stem.onnx", (1, 3, 640, 640), out=16, pads=[1, 1, 1, 1], strides=[2, 2]
    )
    backends = {fold: OnnxBackend(stem, ModelSettings(threads=1), fold=fold) for fold in (False, True)}

    def run(fold: bool) -> list[float]:
        # The difference of these two is small beside the noise of either: more runs.
        pending = (backends[fold].submit([image], TARGET, EVERYTHING) for _ in range(3 * _REPEATS))
        return [one.collect().inference_ms for one in pending]

    ms = in_turn(
        rounds,
        {
            "bytes": lambda: timed(lambda: as_bytes(image)),
            "floats": lambda: timed(lambda: floats(image)),
            "ultralytics": lambda: [
                1e3 * s for s in peer.ask("preprocess", folder / "frame.npy", _REPEATS)[0]
            ],
            "naive": lambda: timed(lambda: naive(image)),
            "first convolution on bytes": lambda: run(True),
            "first convolution on floats": lambda: run(False),
        },
    )
    theirs = np.load(peer.ask("preprocess", folder / "frame.npy", 1)[1])
    ours, _ = floats(image)
    apart = float(np.abs(theirs - ours).max() * 255)
    added = ms["first convolution on bytes"] - ms["first convolution on floats"]
    total = ms["bytes"] + max(0.0, added)
    note = f"the same pixels: at most {apart:.3f}/255 apart; bytes add {added:+.3f} ms to the network"
    same = 1.0 if apart < 1.0 and backends[True].folded else 0.0
    return [
        Result("preprocess / ultralytics", ms, same * ms["ultralytics"] / total, 4.0, note),
        Result("preprocess / naive", ms, same * ms["naive"] / total, 10.0),
    ]


def output(objects: int) -> F32:
    """The output ``(1, 84, 8400)`` of a network of 80 classes for some objects, each seen by ten anchors."""
    rng = np.random.default_rng(objects)
    found = np.empty((1, 84, 8400), np.float32)
    found[0, :4] = rng.uniform(5, 600, (4, 8400))
    found[0, 4:] = rng.uniform(0, 0.05, (80, 8400))
    anchors = rng.choice(8400, (objects, 10), replace=False)
    for number, group in enumerate(anchors):
        row, column = divmod(number, 15)
        box = np.array([22 + 42 * column, 22 + 44 * row, 38, 40])
        found[0, :4, group] = box + rng.normal(0, 0.6, (10, 4))
        found[0, 4 + number % 80, group] = rng.uniform(0.3, 0.95, 10)
    return found


def decode(rounds: int, folder: Path, peer: Ultralytics) -> list[Result]:
    """From raw output to boxes; ours must equal theirs."""
    results = []
    for objects in (0, 10, 50, 200):
        raw = output(objects)
        path = folder / f"output{objects}.npy"
        np.save(path, raw)

        def ours(raw: F32 = raw) -> Detections:
            found = candidates(FAMILIES["yolov8"], [raw[0]], TARGET, EVERYTHING.class_ids, CONFIDENCE)
            return suppress(FAMILIES["yolov8"], found, IOU, 300)

        def theirs(repeats: int, path: Path = path) -> tuple[list[float], Path]:
            return peer.ask("nms", path, repeats, confidence=CONFIDENCE, iou=IOU)

        ms = in_turn(
            rounds,
            {"darner": lambda: timed(ours), "ultralytics": lambda: [1e3 * s for s in theirs(_REPEATS)[0]]},
        )
        expected, found = np.load(theirs(1)[1]), ours()
        same = len(found) == len(expected) and bool(
            np.allclose(found.xyxy, expected[:, :4], atol=1e-3)
            and np.allclose(found.score, expected[:, 4], atol=1e-6)
            and np.array_equal(found.class_id, expected[:, 5].astype(int))
        )
        note = f"{len(found)} boxes, {'identical' if same else 'NOT the same as theirs'}"
        results.append(
            Result(
                f"decode and NMS, {objects} objects", ms, same * ms["ultralytics"] / ms["darner"], 1.5, note
            )
        )
    return results


def inference(rounds: int, files: dict[str, tuple[Path, InputFormat]], threads: int = 0) -> dict[str, float]:
    """Median milliseconds of the network alone, for several files; 0 threads means one per core."""
    image = frame()
    settings = ModelSettings(threads=threads)
    backends = {name: OnnxBackend(path, settings) for name, (path, _) in files.items()}

    def run(name: str) -> list[float]:
        pending = (backends[name].submit([image], files[name][1], EVERYTHING) for _ in range(3))
        return [one.collect().inference_ms for one in pending]

    return in_turn(rounds, {name: (lambda name=name: run(name)) for name in files})  # type: ignore[misc]  # default in a lambda


def rectangular(rounds: int, folder: Path) -> Result:
    """A YOLOv8n-shaped network on 640x640 and on 640x384, which has 0.6 of its pixels.

    On one thread, where time is work: with more the threads' waiting for each other is the same for both.
    """
    files = {
        "640x640": (yolo_shaped.write(folder / "square.onnx", "n"), TARGET),
        "640x384": (yolo_shaped.write(folder / "wide.onnx", "n", height=384), InputFormat(640, 384)),
    }
    ms, all_cores = inference(rounds, files, threads=1), inference(rounds, files)
    note = f"one thread; on all cores {all_cores['640x640'] / all_cores['640x384']:.2f}x"
    return Result("rectangular / square", ms, ms["640x640"] / ms["640x384"], 1.6, note)


def int8(rounds: int, folder: Path) -> Result | str:
    """The same network in floats and quantized by `darner-optimize quantize`; or why it cannot be."""
    pictures = folder / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(2)
    for number in range(16):
        small = rng.integers(0, 256, (9, 16, 3), np.uint8)
        cv2.imwrite(str(pictures / f"{number}.png"), cv2.resize(small, (640, 360)))
    model, quantized = yolo_shaped.write(folder / "float.onnx", "n", batch=1), folder / "int8.onnx"
    command = [
        sys.executable,
        "-m",
        "optimization",
        "quantize",
        "--model",
        str(model),
        "--images",
        str(pictures),
    ]
    command += ["--layout", "yolov8", "--method", "minmax", "--keep-float", "none"]
    done = subprocess.run(
        [*command, "--output", str(quantized)], cwd=REPO, capture_output=True, text=True, check=False
    )
    if done.returncode or not quantized.is_file():
        return f"INT8 is not measured: {(done.stderr.strip().splitlines() or ['no file was written'])[-1]}"
    ms = inference(rounds, {"float32": (model, TARGET), "int8": (quantized, TARGET)})
    return Result("INT8 / FP32", ms, ms["float32"] / ms["int8"], 1.4)


def main() -> int:
    """Measure everything and print it beside its target; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    versions = [f"python {platform.python_version()}", f"numpy {np.__version__}", f"opencv {cv2.__version__}"]
    versions += [f"onnxruntime {onnxruntime.__version__}", PACKAGE]
    print(f"medians of {options.rounds} rounds in turn, {os.cpu_count()} cores; {', '.join(versions)}")
    results: list[Result] = []
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as name, Ultralytics() as peer:
        folder = Path(name)
        results += preprocess(options.rounds, folder, peer)
        results += decode(options.rounds, folder, peer)
        results.append(rectangular(options.rounds, folder))
        quantized = int8(options.rounds, folder)
        (results if isinstance(quantized, Result) else skipped).append(quantized)  # type: ignore[arg-type]
    for result in results:
        mark = "ok    " if result.met else "MISSED"
        print(f"{mark} {result.name:<28} {result.ratio:6.2f}x (target {result.target}x)  {result.note}")
        print("       " + ", ".join(f"{name} {ms:.3f} ms" for name, ms in result.ms.items()))
    for reason in skipped:
        print(f"skipped {reason}")
    if options.json:
        document = {"versions": versions, "results": [asdict(one) for one in results], "skipped": skipped}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
