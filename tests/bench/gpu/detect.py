"""A whole detect call on the GPU: letterbox, network, decode, NMS; with and without CUDA graph and overlap.

The networks have the layer shapes of YOLOv8n and s and random weights. Needs an NVIDIA GPU, pycuda and
onnxruntime-gpu (and TensorRT for --engine). `python -m tests.bench.gpu.detect`
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from edge_node.backends.cuda.device import device
from edge_node.backends.interface import Inference, Pending, Wanted
from edge_node.backends.onnx.on_cuda import CudaOnnxBackend
from edge_node.backends.preprocess import InputFormat, Preprocessor
from edge_node.detect.decode.candidates import candidates
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.decode.nms import nms
from edge_node.frames import U8
from tests.bench.gpu.yolo_shaped import write

TARGET = InputFormat(640, 640)
CONFIDENCE, IOU, MOST = 0.25, 0.6, 300
WANTED = Wanted(np.arange(80), CONFIDENCE, FAMILIES["yolov8"].anchors, IOU, MOST)


def scene(index: int) -> U8:
    """A 1280x720 picture: blurred noise, so that it has large and small structure."""
    rng = np.random.default_rng(index)
    noise = rng.integers(0, 256, (90, 160, 3), np.uint8)
    smooth = cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(smooth + rng.integers(-40, 41, smooth.shape), 0, 255).astype(np.uint8)


def decode(inference: Inference) -> int:
    """What the host has left to do with every picture, at most decoding and NMS; the number of detections."""
    count = 0
    finished = inference.found or [None] * len(inference.fits)
    for outputs, found, fit in zip(inference.outputs, finished, inference.fits, strict=True):
        if found is None:
            seen = candidates(FAMILIES["yolov8"], outputs, TARGET, WANTED.class_ids, CONFIDENCE)
            found = nms(seen, IOU, MOST)
        fit.to_source(found.xyxy)
        count += len(found)
    return count


def detect(backend: CudaOnnxBackend, images: Sequence[U8]) -> int:
    """One batch through the network and the decoder; the number of detections."""
    return decode(backend.submit(images, TARGET, WANTED).collect())


def times(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Milliseconds of a call by the host's clock, after a warm-up."""
    for _ in range(10):
        call()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append((time.perf_counter() - start) * 1e3)
    return {f"p{q}": round(float(np.percentile(found, q)), 3) for q in (50, 95)}


def overlapped(backend: CudaOnnxBackend, images: Sequence[U8], turns: int) -> dict[str, float]:
    """Pictures per second, one batch after the other and with two in flight."""

    def alone() -> None:
        for _ in range(turns):
            detect(backend, images)

    def paired() -> None:
        pending: Pending[Inference] | None = None
        for _ in range(turns):
            following = backend.submit(images, TARGET, WANTED)
            if pending:
                decode(pending.collect())
            pending = following
        if pending:
            decode(pending.collect())

    rates = {}
    for name, call in {"one_batch_fps": alone, "two_in_flight_fps": paired}.items():
        call()
        start = time.perf_counter()
        call()
        rates[name] = round(turns * len(images) / (time.perf_counter() - start), 1)
    return rates


def usual(path: Path, images: Sequence[U8], half: bool) -> Callable[[], int]:
    """The usual code: letterbox on the CPU, floats over the bus, the whole output back, the same decoding."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CUDAExecutionProvider"])
    preprocess = Preprocessor(TARGET)
    tensor = np.empty((len(images), 3, 640, 640), np.float16 if half else np.float32)

    def run() -> int:
        fits = []
        for index, image in enumerate(images):
            one, fit = preprocess(image)
            tensor[index] = one[0]
            fits.append(fit)
        (output,) = session.run(None, {"images": tensor})
        return decode(Inference([[one] for one in output], fits, 0, 0))

    return run


def measure(
    path: Path, half: bool, ways: Sequence[str], batches: Sequence[int], repeats: int
) -> Iterator[dict[str, Any]]:
    """Measurements of one network in every way and batch size."""
    images = [scene(index) for index in range(max(batches))]
    for way in ways:
        if way == "usual":
            for batch in batches:
                yield {"way": way, "batch": batch, **times(usual(path, images[:batch], half), repeats)}
            continue
        backend = CudaOnnxBackend(path, max_batch=max(batches), graphs=way == "graph")
        for batch in batches:
            few = images[:batch]
            row: dict[str, Any] = {"way": way, "batch": batch}
            row |= times(partial(detect, backend, few), repeats)
            inferences = [backend.submit(few, TARGET, WANTED).collect() for _ in range(30)]
            row["preprocess"] = round(float(np.median([one.preprocess_ms for one in inferences])), 3)
            row["inference"] = round(float(np.median([one.inference_ms for one in inferences])), 3)
            row["decode"] = times(partial(decode, inferences[0]), 50)["p50"]
            row["detections"] = decode(inferences[0])
            row |= overlapped(backend, few, max(10, repeats // 2))
            yield row
        backend.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--scales", nargs="+", choices=("n", "s"), default=["n", "s"])
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "fp16"), default=["fp32", "fp16"])
    parser.add_argument(
        "--ways", nargs="+", choices=("enqueued", "graph", "usual"), default=["enqueued", "graph", "usual"]
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--repeats", type=int, default=200)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    gpu = device()
    print(f"{gpu.name}, ONNX Runtime {ort.__version__}; milliseconds of a whole call on 1280x720 pictures")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for scale, precision in itertools.product(args.scales, args.precisions):
            half = precision == "fp16"
            path = write(Path(folder) / f"{scale}-{precision}.onnx", scale, half=half)
            for row in measure(path, half, args.ways, args.batches, args.repeats):
                row = {"network": f"yolov8{scale}-shaped", "precision": precision} | row
                rows.append(row)
                print(json.dumps(row), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"gpu": gpu.name, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
