"""The letterbox on the GPU against the CPU's: how far apart, and how long each way to the GPU takes.

Needs an NVIDIA GPU and pycuda. `python -m tests.bench.gpu.preprocess`
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, Pinned, device
from edge_node.backends.cuda.kernels import JOB, Kernels, format_bytes
from edge_node.backends.cuda.upload import Source, job
from edge_node.backends.preprocess import InputFormat, Letterbox, Preprocessor
from edge_node.pictures import U8
from tests.edge_node.backends.cuda.test_kernels import SIZES, TARGETS, expected, levels, nv12, picture

REPEATS = 300


class Ways:
    """The ways from a picture in ordinary memory to a tensor on the GPU, step by step."""

    def __init__(self, gpu: Device, image: U8, target: InputFormat, dtype: str) -> None:
        self.driver, self.image, self.target, self.dtype = gpu.driver, image, target, np.dtype(dtype)
        self.stream = self.driver.Stream()
        self.kernels = Kernels(gpu)
        self.shape = (1, 3, target.height, target.width)
        self.size = self.dtype.itemsize * int(np.prod(self.shape))
        self.start = 256
        self.pinned, self.staging = (
            Pinned(gpu, self.start + image.nbytes),
            Buffer(gpu, self.start + image.nbytes),
        )
        source = Source.of(image, lambda _array: None)
        fit = Letterbox.fit(source.width, source.height, target)
        row = job(source, self.staging.address + self.start, source.pitch, fit)
        self.pinned.view(JOB, (1,))[:] = np.array([row], JOB)
        self.pinned_tensor, self.tensor = Pinned(gpu, self.size), Buffer(gpu, self.size)
        self.cpu = Preprocessor(target)

    def stage(self) -> None:
        """Copy from ordinary to page-locked memory."""
        memory = self.pinned.array[self.start : self.start + self.image.nbytes]
        np.copyto(memory.reshape(self.image.shape), self.image)

    def copy(self) -> None:
        """u8 over the bus."""
        self.driver.memcpy_htod_async(self.staging.address, self.pinned.array, self.stream)

    def kernel(self) -> None:
        """The fused kernel."""
        self.kernels.letterbox(
            self.staging.address,
            self.tensor.address,
            self.shape,
            self.dtype,
            format_bytes(self.target),
            self.stream,
        )

    def ours(self) -> None:
        """All steps of our way."""
        self.stage()
        self.copy()
        self.kernel()
        self.stream.synchronize()

    def letterbox(self) -> None:
        """On the CPU."""
        self.cpu(self.image)

    def floats(self) -> None:
        """Letterbox on the CPU, floats through page-locked memory."""
        tensor, _ = self.cpu(self.image)
        np.copyto(self.pinned_tensor.view(self.dtype, self.shape), tensor)
        self.copy_floats()
        self.stream.synchronize()

    def copy_floats(self) -> None:
        """Floats over the bus."""
        self.driver.memcpy_htod_async(self.tensor.address, self.pinned_tensor.array, self.stream)

    def pageable(self) -> None:
        """Letterbox on the CPU, floats from ordinary memory: what most code does."""
        tensor, _ = self.cpu(self.image)
        self.driver.memcpy_htod(self.tensor.address, np.ascontiguousarray(tensor, self.dtype))


def wall(call: Callable[[], None]) -> float:
    """Median milliseconds of the host's clock."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return round(float(np.median(times)), 4)


def on_gpu(ways: Ways, call: Callable[[], None]) -> float:
    """Median milliseconds between two events around the call."""
    times = []
    for _ in range(REPEATS):
        first, last = ways.driver.Event(), ways.driver.Event()
        first.record(ways.stream)
        call()
        last.record(ways.stream)
        last.synchronize()
        times.append(last.time_since(first))
    return round(float(np.median(times)), 4)


def accuracy(gpu: Device) -> list[dict[str, Any]]:
    """Grey levels between GPU and CPU for every size and format."""
    rows = []
    for width, height in SIZES:
        for name, target in TARGETS.items():
            image = picture(width, height)
            worst, equal = _compare(gpu, image, target)
            rows.append({"size": f"{width}x{height}", "target": name, "levels": worst, "equal": equal})
    for width, height in [(1920, 1080), (1280, 720), (640, 480), (322, 242)]:
        worst, equal = _compare(gpu, nv12(width, height), TARGETS["yolov8"])
        rows.append({"size": f"{width}x{height} NV12", "target": "yolov8", "levels": worst, "equal": equal})
    return rows


def _compare(gpu: Device, image: U8, target: InputFormat) -> tuple[float, float]:
    ways = Ways(gpu, image, target, "float32")
    ways.ours()
    found = np.empty(ways.shape, np.float32)
    gpu.driver.memcpy_dtoh(found, ways.tensor.address)
    wanted = expected(image, target)
    return round(levels(found, wanted, target), 3), round(float((found == wanted).mean()), 6)


def timing(gpu: Device) -> list[dict[str, Any]]:
    """Milliseconds for usual pictures."""
    rows = []
    for name, image in {
        "1280x720": picture(1280, 720),
        "1920x1080": picture(1920, 1080),
        "1920x1080 NV12": nv12(1920, 1080),
        "3840x2160": picture(3840, 2160),
    }.items():
        for dtype in ("float32", "float16"):
            ways = Ways(gpu, image, InputFormat(640, 640), dtype)
            ways.ours()
            row = {
                "picture": name,
                "tensor": dtype,
                "stage": wall(ways.stage),
                "copy_u8": on_gpu(ways, ways.copy),
                "kernel": on_gpu(ways, ways.kernel),
                "ours": wall(ways.ours),
            }
            if image.ndim == 3:
                row |= {
                    "cpu_letterbox": wall(ways.letterbox),
                    "copy_floats": on_gpu(ways, ways.copy_floats),
                    "cpu_and_floats": wall(ways.floats),
                    "cpu_and_floats_pageable": wall(ways.pageable),
                }
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    gpu = device()
    with gpu.current():
        agreement, times = accuracy(gpu), timing(gpu)
    worst = max(row["levels"] for row in agreement)
    print(f"{gpu.name}: {len(agreement)} comparisons, at most {worst} grey levels apart")
    for row in times:
        print(row)
    if args.json:
        args.json.write_text(json.dumps({"gpu": gpu.name, "agreement": agreement, "times": times}, indent=1))


if __name__ == "__main__":
    main()
