"""The GPU's memory: cameras of two aspects that take turns, and batches when little of it is free.

The network has the layers of YOLOv8n's body, random weights and takes any size. Needs an NVIDIA GPU, pycuda
and onnxruntime-gpu. `python -m tests.bench.gpu.memory`
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from edge_node.backends.cuda.device import device
from edge_node.backends.interface import Array, Inference, OutOfMemory, Wanted
from edge_node.backends.onnx.on_cuda import CudaOnnxBackend
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode.families import FAMILIES
from edge_node.pictures import U8
from shared.errors import ModelError
from tests.bench.gpu.detect import scene
from tests.bench.gpu.yolo_shaped import CLASSES, GAINS, WIDTHS, Builder, body

WANTED = Wanted(np.arange(CLASSES), 0.25, FAMILIES["yolov8"].anchors)
WIDE, TALL = InputFormat(640, 384), InputFormat(384, 640)
LARGEST = 16
MB = 1 << 20


def write(path: Path) -> Path:
    """A network ``(N, 3, H, W)`` to ``(N, 84, A)`` of any size."""
    b = Builder(np.float32, GAINS["n"])
    flat = b.constant(np.array([0, 4 + CLASSES, -1]))
    rows = [
        b.node("Reshape", b.conv(one, 4 + CLASSES, 1, bias=-7.0, gain=0.5), flat)
        for one in body(b, WIDTHS["n"])
    ]
    b.nodes.append(helper.make_node("Sigmoid", [b.concat(*rows, axis=2)], ["output0"]))
    graph = helper.make_graph(
        b.nodes,
        "any size",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["N", 4 + CLASSES, None])],
        b.weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class Counted:
    """Counts the GPU's allocations inside a `with` block."""

    def __init__(self, driver: Any) -> None:
        self._driver, self._real, self.count = driver, driver.mem_alloc, 0

    def __enter__(self) -> Counted:
        def counting(size: int) -> Any:
            self.count += 1
            return self._real(size)

        self._driver.mem_alloc = counting
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.mem_alloc = self._real


def aspects(path: Path, batch: int, turns: int) -> Iterator[dict[str, Any]]:
    """Pictures per second for one aspect, and for two that take turns."""
    wide, tall = (
        [scene(index) for index in range(batch)],
        [scene(index).transpose(1, 0, 2).copy() for index in range(batch)],
    )
    both: Sequence[tuple[list[U8], InputFormat]] = [(wide, WIDE), (tall, TALL)]
    for name, work in {"one aspect": both[:1], "two aspects": both}.items():
        backend = CudaOnnxBackend(path, max_batch=LARGEST)
        for turn in range(10):
            backend.submit(*work[turn % len(work)], WANTED).collect()
        with Counted(device().driver) as counted:
            start = time.perf_counter()
            for turn in range(turns):
                backend.submit(*work[turn % len(work)], WANTED).collect()
            elapsed = time.perf_counter() - start
        yield {
            "aspects": name,
            "batch": batch,
            "ms_per_batch": round(elapsed / turns * 1e3, 3),
            "fps": round(turns * batch / elapsed, 1),
            "allocations_per_batch": counted.count / turns,
        }
        backend.close()


def first(inference: Inference) -> Sequence[Array]:
    """The result for the first picture: its detections, or its outputs if they are too many."""
    found = inference.found[0] if inference.found else None
    return inference.outputs[0] if found is None else [found.xyxy, found.score, found.class_id]


def short_of_memory(path: Path, leave: int, turns: int, *, before: bool) -> dict[str, Any]:
    """Batches as large as the engine allows, halved whenever memory runs out, as `Detect` does it.

    Args:
        path: The network.
        leave: Megabytes left free.
        turns: Batches.
        before: Memory is taken before the model is loaded; else afterwards.
    """
    gpu = device()

    def take() -> Any:
        with gpu.current():
            return gpu.driver.mem_alloc(gpu.driver.mem_get_info()[0] - leave * MB)

    taken = [take()] if before else []
    backend = CudaOnnxBackend(path, max_batch=LARGEST)
    loaded = backend.submit([scene(0)], WIDE, WANTED).collect()
    if not before:
        taken.append(take())
    images = [scene(index) for index in range(LARGEST)]
    sizes: Counter[int] = Counter()
    ran_out, limit = [], backend.max_batch
    start = time.perf_counter()
    for _ in range(turns):
        limit = min(limit, backend.max_batch)
        try:
            found = backend.submit(images[:limit], WIDE, WANTED).collect()
        except OutOfMemory:
            if limit == 1:
                raise
            ran_out.append(limit)
            limit //= 2
            continue
        sizes[limit] += 1
    elapsed = time.perf_counter() - start
    assert all(map(np.array_equal, first(found), first(loaded))), "the same picture, the same result"
    with gpu.current():
        free = gpu.driver.mem_get_info()[0] // MB
    return {
        "left_free_mb": leave,
        "taken": "before loading" if before else "after the first picture",
        "max_batch": backend.max_batch,
        "ran_out_at": ran_out,
        "batches_run": dict(sizes),
        "fps": round(sum(size * count for size, count in sizes.items()) / elapsed, 1),
        "free_afterwards_mb": free,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--leave", type=int, nargs="*", default=[2000, 600, 300, 150, 80])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "any.onnx")
        if args.one:
            when, leave = args.one.split(":")
            try:
                print(json.dumps(short_of_memory(path, int(leave), args.turns, before=when == "before")))
            except ModelError as error:
                print(f"refused: {error}")
            return
        print(f"{device().name}; n-shaped network of any size, 1280x720 and 720x1280 pictures")
        for row in aspects(path, args.batch, args.turns):
            print(json.dumps(row), flush=True)
    for leave in args.leave:
        for when in ("after", "before"):
            # A process each: what ONNX Runtime has taken it keeps.
            print(f"{when} {leave} MB:", flush=True)
            subprocess.run(
                [sys.executable, "-m", "tests.bench.gpu.memory", "--one", f"{when}:{leave}"], check=False
            )


if __name__ == "__main__":
    main()
