"""What a picture in a GPU's memory costs the host: thumbnails, small copies and the whole.

The host's own way, for comparison, begins with the picture in host memory. Times are milliseconds; "cpu" is
the processor time of the process. Needs an NVIDIA GPU and pycuda.
`python -m tests.bench.gpu.jpeg`
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, device
from edge_node.backends.cuda.video.copier import GpuCopier, copier_for
from edge_node.frames import Frame
from edge_node.pictures import U8, OnGpu
from edge_node.publish.jpeg import encode_jpeg

ROUNDS = 200
QUALITY = 80


def scene(width: int, height: int) -> U8:
    """NV12 with large and small structures, about as hard to encode as a street."""
    rng = np.random.default_rng(0)
    image = np.zeros((height, width, 3), np.float32)
    for sigma, levels in ((40, 900), (8, 220), (1.5, 30)):
        image += cv2.GaussianBlur(rng.normal(0, levels, image.shape).astype(np.float32), (0, 0), sigma)
    bgr = np.clip(image + 128, 0, 255).astype(np.uint8)
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    colours = planes[height:].reshape(2, height // 2, width // 2)
    chroma = np.stack(list(colours), axis=-1).reshape(height // 2, width)
    return np.concatenate([planes[:height], chroma])


def upload(gpu: Device, image: U8, copier: GpuCopier) -> OnGpu:
    """An NV12 picture with the pitch of a decoder's."""
    rows, width = image.shape
    height, pitch = rows * 2 // 3, -(-width // 256) * 256
    padded = np.zeros((rows, pitch), np.uint8)
    padded[:, :width] = image
    with gpu.current():
        memory = Buffer(gpu, padded.nbytes)
        gpu.driver.memcpy_htod(memory.address, padded)
    return OnGpu(memory.address, memory.address + height * pitch, pitch, width, height, copier, memory)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of one call, by the clock and of the processor."""
    for _ in range(10):
        work()
    walls, busy = [], time.process_time()
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        walls.append(time.perf_counter() - start)
    cpu = (time.process_time() - busy) / ROUNDS
    p95 = statistics.quantiles(walls, n=20)[-1]
    return {name: round(one * 1e3, 3) for name, one in
            (("p50", statistics.median(walls)), ("p95", p95), ("cpu", cpu))}  # fmt: skip


def rate(work: Callable[[], object], threads: int, seconds: float = 1.0) -> dict[str, float]:
    """Calls a second of several threads, and the milliseconds of the processor for one."""
    counts = [0] * threads
    end = time.perf_counter() + seconds

    def loop(number: int) -> None:
        while time.perf_counter() < end:
            work()
            counts[number] += 1

    busy = time.process_time()
    running = [threading.Thread(target=loop, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    cpu = (time.process_time() - busy) / max(1, sum(counts))
    return {"per second": round(sum(counts) / seconds), "cpu": round(cpu * 1e3, 3)}


def error(jpeg: bytes, wanted: U8) -> float:
    """Mean difference in grey levels."""
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    return round(float(np.abs(shown.astype(int) - wanted).mean()), 2)


def measure(gpu: Device, width: int, height: int) -> dict[str, object]:
    copier = copier_for(gpu)
    image = scene(width, height)
    there = Frame("c", 0, 0, 0, upload(gpu, image, copier))
    here = Frame("c", 0, 0, 0, np.asarray(cv2.cvtColor(image, cv2.COLOR_YUV2BGR_NV12), np.uint8))
    small, most = (640, 9999), (640, 640 * height // width)
    box = (width // 3 + 1, height // 3 + 1, width // 3 + 201, height // 3 + 301)
    jpegs = {name: encode_jpeg(one.picture, small, QUALITY) for name, one in (("gpu", there), ("host", here))}
    wanted = here.part(most_width=640)
    found: dict[str, object] = {
        "largest difference of a part, grey levels": int(
            np.abs(there.part(most_width=640).astype(int) - wanted).max()
        ),
        "nvJPEG": copier.encodes,
        "JPEG, bytes": {name: len(jpeg) for name, jpeg in jpegs.items()},
        "JPEG, mean error": {name: error(jpeg, wanted) for name, jpeg in jpegs.items()},
    }
    for name, frame in (("gpu", there), ("host", here)):
        picture = frame.picture
        found[name] = {
            "thumbnail of 640": timed(lambda p=picture: encode_jpeg(p, small, QUALITY)),  # type: ignore[misc]
            "thumbnails, 4 threads": rate(lambda p=picture: encode_jpeg(p, small, QUALITY), 4),  # type: ignore[misc]
            "whole JPEG": timed(lambda p=picture: encode_jpeg(p, (width, height), QUALITY)),  # type: ignore[misc]
            "best view of 200x300": timed(lambda f=frame: f.part(box, 320, 320)),  # type: ignore[misc]
            "motion cells": timed(lambda f=frame: f.part(None, width // 8, height // 8)),  # type: ignore[misc]
        }
    on_gpu = there.picture
    assert isinstance(on_gpu, OnGpu)
    found["small copy, then cv2's JPEG"] = timed(
        lambda: encode_jpeg(copier.part(on_gpu, on_gpu.whole, *most), most, QUALITY)
    )
    found["whole picture to the host"] = timed(lambda: copier.part(on_gpu, on_gpu.whole, width, height))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write JSON")
    args = parser.parse_args()
    gpu = device()
    cv2.setNumThreads(1)
    results = {
        f"{width}x{height}": measure(gpu, width, height) for width, height in ((1280, 720), (1920, 1080))
    }
    text = json.dumps({gpu.name: results}, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
