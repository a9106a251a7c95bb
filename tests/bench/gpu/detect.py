"""A whole detect call on the GPU against the bare network, in one process and in turn.

"Bare" is the network as one CUDA graph, with the copies of its input tensor and of its whole output from and
to page-locked memory, and a wait that keeps a core busy: what a program without pictures and boxes takes. A
whole call takes 1280x720 pictures and gives boxes in their pixels: copy, letterbox, network, decoding, NMS.

The networks have the layer shapes of YOLOv8n and s and random weights. All pictures have the same pixels,
each in memory of its own, and the lowest score is such that a picture has `--boxes`. Needs an NVIDIA GPU,
pycuda and onnxruntime-gpu; with `--engine`, TensorRT.

    python -m tests.bench.gpu.detect
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from edge_node.backends.cuda.device import Device, device
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.cuda.slots import Network
from edge_node.backends.interface import Inference, Wanted
from edge_node.backends.onnx.on_cuda import Session
from edge_node.backends.preprocess import InputFormat, Preprocessor
from edge_node.detect.decode.candidates import candidates
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.decode.nms import nms
from edge_node.frames import Detections
from edge_node.pictures import U8
from tests.bench.gpu.bare import Bare
from tests.bench.gpu.yolo_shaped import write

TARGET = InputFormat(640, 640)
WANTED = Wanted(np.arange(80), 0.25, FAMILIES["yolov8"].anchors, 0.6, 300)
WAYS = ("bare", "pinned", "two in flight", "pageable", "enqueued", "usual")
ROUNDS = 5
SETTLE = 5
"""Calls of each round that do not count: other ways have used the caches."""
Way = Callable[[int], list[float]]
"""Makes a number of calls; the milliseconds of each, by the host's clock."""


def scene(index: int) -> U8:
    """A 1280x720 picture: blurred noise, so that it has large and small structure."""
    rng = np.random.default_rng(index)
    noise = rng.integers(0, 256, (90, 160, 3), np.uint8)
    smooth = cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(smooth + rng.integers(-40, 41, smooth.shape), 0, 255).astype(np.uint8)


def decode(inference: Inference, wanted: Wanted) -> list[Detections]:
    """What the host has left to do with every picture, at most decoding and NMS."""
    all_found = []
    finished = inference.found or [None] * len(inference.fits)
    for outputs, found, fit in zip(inference.outputs, finished, inference.fits, strict=True):
        if found is None:
            seen = candidates(FAMILIES["yolov8"], outputs, TARGET, wanted.class_ids, wanted.confidence)
            found = nms(seen, wanted.iou, wanted.most)
            found = Detections(fit.to_source(found.xyxy), found.score, found.class_id)
        all_found.append(found)
    return all_found


def one_by_one(call: Callable[[], object]) -> Way:
    """Each call begins when the one before has ended."""

    def run(calls: int) -> list[float]:
        found = []
        for _ in range(calls):
            start = time.perf_counter()
            call()
            found.append((time.perf_counter() - start) * 1e3)
        return found

    return run


@dataclass(frozen=True)
class Whole:
    """A runner, and what it is asked for.

    Attributes:
        runner: With the network.
        wanted: The detections that count.
        on_gpu: Milliseconds of the GPU before and from the network on, of each call.
    """

    runner: CudaRunner
    wanted: Wanted
    on_gpu: list[tuple[float, float]] = field(default_factory=list)

    def call(self, pictures: Sequence[U8]) -> list[Detections]:
        """One batch from pictures to boxes."""
        inference = self.runner.submit(pictures, TARGET, self.wanted).collect()
        self.on_gpu.append((inference.preprocess_ms, inference.inference_ms))
        return decode(inference, self.wanted)

    def paired(self, pictures: Sequence[U8]) -> Way:
        """Each batch is submitted before the last one is collected; the milliseconds from one to the next."""

        def run(calls: int) -> list[float]:
            pending = self.runner.submit(pictures, TARGET, self.wanted)

            def step() -> None:
                nonlocal pending
                following = self.runner.submit(pictures, TARGET, self.wanted)
                decode(pending.collect(), self.wanted)
                pending = following

            found = one_by_one(step)(calls)
            decode(pending.collect(), self.wanted)
            return found

        return run

    def lent(self, pictures: Sequence[U8]) -> list[U8]:
        """The pictures in page-locked memory, as capture decodes them."""
        found = [self.runner.pictures.lend(*picture.shape[:2]) for picture in pictures]
        for memory, picture in zip(found, pictures, strict=True):
            memory[:] = picture
        return found


def usual(path: Path, pictures: Sequence[U8], wanted: Wanted) -> Callable[[], object]:
    """The usual code: letterbox on the CPU, floats over the bus, the whole output back, the same decoding."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CUDAExecutionProvider"])
    preprocess = Preprocessor(TARGET)
    name = session.get_inputs()[0]
    tensor = np.empty((len(pictures), 3, 640, 640), np.float16 if "16" in name.type else np.float32)

    def run() -> list[Detections]:
        fits = []
        for index, image in enumerate(pictures):
            one, fit = preprocess(image)
            tensor[index] = one[0]
            fits.append(fit)
        (output,) = session.run(None, {name.name: tensor})
        return decode(Inference([[one] for one in output], fits, 0, 0), wanted)

    return run


def opened(path: Path, gpu: Device, stream: Any, most: int) -> Network:
    """A network on a stream: an ONNX file in ONNX Runtime, any other in TensorRT."""
    if path.suffix == ".onnx":
        return Session(path, most, 0, stream.handle)
    from edge_node.backends.tensorrt.description import read
    from edge_node.backends.tensorrt.engine import Engine
    from edge_node.backends.tensorrt.module import import_tensorrt

    file = read(path)
    return Engine(import_tensorrt(), gpu, path, file.blob, stream.handle, file.outputs)


def with_boxes(whole: Whole, pictures: Sequence[U8], boxes: int) -> Whole:
    """The same with the lowest score at which the pictures have so many boxes each."""
    low = replace(whole, wanted=replace(whole.wanted, confidence=0.01))
    scores = np.sort(np.concatenate([one.score for one in low.call(pictures)]))[::-1]
    place = min(boxes * len(pictures), len(scores)) - 1
    return replace(whole, wanted=replace(whole.wanted, confidence=float(scores[place])))


def in_turn(ways: Mapping[str, Way], calls: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each way, in rounds that take turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name] += way(calls + SETTLE)[SETTLE:]
    return {
        name: {f"p{q}": round(float(np.percentile(times, q)), 3) for q in (50, 95)}
        for name, times in found.items()
    }


def measure(path: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measurements of one network in every way and batch size."""
    gpu, scenes = device(), [scene(0) for _ in range(max(args.batches))]
    with gpu.current():
        streams = [gpu.driver.Stream() for _ in range(2 if "enqueued" in args.ways else 1)]
        networks = [opened(path, gpu, stream, len(scenes)) for stream in streams]
    runners = [
        CudaRunner(gpu, network, stream, graphs=graphs)
        for network, stream, graphs in zip(networks, streams, (True, False), strict=False)
    ]
    whole = with_boxes(Whole(runners[0], WANTED), scenes, args.boxes)
    gc.collect()
    gc.freeze()  # as a node does
    for batch in args.batches:
        pageable = scenes[:batch]
        pictures = whole.lent(pageable)
        with gpu.current():
            bare = Bare(gpu, networks[0], streams[0], (batch, 3, TARGET.height, TARGET.width))
        pinned = replace(whole, on_gpu=[])
        ways: dict[str, Way] = {
            "bare": one_by_one(bare),
            "pinned": one_by_one(partial(pinned.call, pictures)),
            "two in flight": whole.paired(pictures),
            "pageable": one_by_one(partial(whole.call, pageable)),
            "enqueued": one_by_one(partial(replace(whole, runner=runners[-1]).call, pictures)),
        }
        if "usual" in args.ways:
            ways["usual"] = one_by_one(usual(path, pageable, whole.wanted))
        with gpu.current():
            times = in_turn({name: ways[name] for name in args.ways}, args.calls // ROUNDS)
        before, after = np.median(pinned.on_gpu, axis=0).round(3).tolist()
        on_gpu = {"preprocess_ms": before, "inference_ms": after}
        boxes = sum(map(len, whole.call(pictures))) / batch
        yield {"batch": batch, "boxes": round(boxes, 1), **on_gpu, "ways": times}
        with gpu.current():
            bare.close()
    for runner in runners:
        runner.close()


def show(network: str, row: Mapping[str, Any]) -> None:
    """One line for each way: p50 and p95, their ratio, and p50 by that of the bare network."""
    on_gpu = f"GPU {row['preprocess_ms']} + {row['inference_ms']} ms"
    print(f"{network}, batch {row['batch']}, {row['boxes']} boxes a picture, {on_gpu}")
    bare = row["ways"].get("bare", {"p50": float("nan")})["p50"]
    for way, one in row["ways"].items():
        ratios = f"{one['p95'] / one['p50']:5.2f} {one['p50'] / bare:6.2f}"
        print(f"    {way:<14} {one['p50']:8.3f} {one['p95']:8.3f} {ratios}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--scales", nargs="+", choices=("n", "s"), default=["n"])
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "fp16"), default=["fp16", "fp32"])
    parser.add_argument("--engine", type=Path, nargs="+", default=[], help="TensorRT engines to run instead")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS[:4])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--boxes", type=int, default=39, help="boxes of a picture")
    parser.add_argument("--calls", type=int, default=300, help="of each way")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{device().name}, ONNX Runtime {ort.__version__}, {sys.version.split()[0]}; 1280x720 pictures")
    print("way, milliseconds of a batch: p50, p95; p95 by p50; p50 by that of the bare network")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        networks = {path.name: path for path in args.engine}
        for scale, precision in itertools.product(args.scales, args.precisions) if not networks else ():
            path = Path(folder) / f"{scale}-{precision}.onnx"
            networks[f"yolov8{scale}-shaped {precision}"] = write(path, scale, half=precision == "fp16")
        for name, path in networks.items():
            for row in measure(path, args):
                show(name, row)
                rows.append({"network": name, **row})
    if args.json:
        args.json.write_text(json.dumps({"gpu": device().name, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
