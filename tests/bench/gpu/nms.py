"""What decoding and NMS cost on the GPU: the kernels behind the network, in a CUDA graph as in a run.

For several layouts, batches and numbers of candidates in each picture, of outputs of 80 classes for an input
of 640x640 in half precision: microseconds of the kernels one after the other, by the GPU's clock, and
microseconds of decoding and NMS on the host. Ends with 1 if a box differs.

    .venv/bin/python -m tests.bench.gpu.nms
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence

import numpy as np

from edge_node.assets.names import Layout
from edge_node.backends.cuda.device import Buffer, Device, Pinned, device
from edge_node.backends.cuda.graph import CudaGraph
from edge_node.backends.cuda.nms import RESULT, SCRATCH, NmsKernels
from edge_node.backends.interface import Wanted
from edge_node.frames import Detections
from tests.edge_node.backends.cuda.on_cpu import Array, layout_of, read, requested
from tests.edge_node.backends.cuda.outputs import DECODED, anchors_of, arranged, crowd, on_host

SIZE = (640, 640)
WANTED = Wanted(np.arange(80), 0.25, iou=0.6, most=300)
DISTINCT = 4
"""Pictures of a batch that differ."""
PER_OBJECT = 6
"""Candidates that see one object."""
TIMES = 20
"""How often a graph does the work, so that starting the graph does not count."""


def output(layout: Layout, batch: int, count: int) -> list[Array]:
    """A network's outputs with `count` candidates in each picture."""
    rng, anchors = np.random.default_rng(count), anchors_of(layout, SIZE)
    objects = max(1, count // PER_OBJECT)
    pictures = [
        arranged(
            layout, crowd(rng, classes=80, anchors=anchors, candidates=count, objects=objects), size=SIZE
        )
        for _ in range(min(batch, DISTINCT))
    ]
    outputs = [np.stack(one).astype(np.float16) for one in zip(*pictures, strict=True)]
    return [np.resize(one, (batch, *one.shape[1:])) for one in outputs]


def on_gpu(
    gpu: Device, layout: Layout, outputs: Sequence[Array], repeats: int
) -> tuple[float, list[Detections | None]]:
    """Microseconds of the kernels, and what they found."""
    batch, kind, driver = len(outputs[0]), layout_of(layout, outputs, SIZE), gpu.driver
    arrays: list[Array] = [requested(kind, WANTED), np.zeros(batch, np.int32), np.zeros(batch, SCRATCH)]
    arrays += outputs
    buffers = [Buffer(gpu, array.nbytes) for array in arrays]
    for buffer, array in zip(buffers, arrays, strict=True):
        driver.memcpy_htod(buffer.address, array)
    pinned = Pinned(gpu, batch * RESULT.itemsize)
    request, counts, scratch, *sources = (buffer.address for buffer in buffers)
    kernels, stream = NmsKernels(gpu), driver.Stream()

    def work() -> None:
        for _ in range(TIMES):
            driver.memset_d32_async(counts, 0, batch, stream)
            kernels.detect(sources, np.float16, batch, kind, request, counts, scratch, pinned.address, stream)

    graph = CudaGraph(stream.handle, work)
    found_us, (begin, end) = [], (driver.Event(), driver.Event())
    for _ in range(repeats):
        begin.record(stream)
        graph.launch(stream.handle)
        end.record(stream)
        end.synchronize()
        found_us.append(end.time_since(begin) / TIMES * 1e3)
    graph.close()
    _, found = read(pinned.view(RESULT, (batch,)))
    for buffer in buffers:
        buffer.free()
    pinned.free()
    return float(np.median(found_us)), found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layouts", nargs="+", choices=DECODED, default=DECODED)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--candidates", type=int, nargs="+", default=[0, 60, 240, 600, 1024])
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--index", type=int, default=0, help="number of the GPU")
    options = parser.parse_args()
    gpu, differ = device(options.index), 0
    print(f"{gpu.name}; microseconds")
    print(f"{'layout':>8} {'batch':>5} {'candidates':>10} {'kept':>5} {'GPU':>8} {'host':>9}")
    for layout, batch, count in itertools.product(options.layouts, options.batches, options.candidates):
        outputs = output(layout, batch, count)
        with gpu.current():
            gpu_us, found = on_gpu(gpu, layout, outputs, options.repeats)
        start = time.perf_counter()
        expected = [on_host(layout, picture, WANTED, SIZE) for picture in zip(*outputs, strict=True)]
        host_us = (time.perf_counter() - start) * 1e6
        differ += sum(not same(one, other) for one, other in zip(found, expected, strict=True))
        kept = sum(map(len, expected)) // batch
        print(f"{layout:>8} {batch:>5} {count:>10} {kept:>5} {gpu_us:>8.1f} {host_us:>9.0f}")
    print(f"pictures whose boxes differ: {differ}")
    return int(differ > 0)


def same(found: Detections | None, expected: Detections) -> bool:
    """Whether every bit is."""
    return found is not None and all(
        np.array_equal(getattr(found, name), getattr(expected, name))
        for name in ("xyxy", "score", "class_id")
    )


if __name__ == "__main__":
    sys.exit(main())
