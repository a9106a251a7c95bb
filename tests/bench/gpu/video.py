"""Video files on their way to the network: decoded by the GPU and by the processor, letterboxed on the GPU.

Each stream is a camera with a thread, read as fast as it can be. "decode" ends with the frame; "letterbox"
ends with the input of 640x640, in batches of up to 16, two in flight; there is no network behind it.
Cores are processor seconds of the whole process for each second. Before that, the GPU's pictures and times
are compared with OpenCV's. Needs an NVIDIA GPU, pycuda and PyNvVideoCodec.
`python -m tests.bench.gpu.video FILE [FILE ...] --streams 1 16`
"""

from __future__ import annotations

import argparse
import json
import queue
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_node.backends.cuda.device import device
from edge_node.backends.cuda.picture import PinnedPool
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.cuda.slots import Shape
from edge_node.backends.cuda.video.nvdec import decoder_for
from edge_node.backends.interface import Inference, Pending
from edge_node.backends.preprocess import InputFormat
from edge_node.capture.camera import capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.frames import Frame
from shared.errors import SourceError

TARGET = InputFormat(640, 640)
BATCH = 16
SETTLE_S = 1.5


class NoNetwork:
    """Takes the input and gives next to nothing."""

    input_dtype: np.dtype[Any] = np.dtype(np.float16)
    max_batch = BATCH
    capturable = True

    def padded(self, count: int) -> int:
        return min(1 << (count - 1).bit_length(), BATCH)

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        return [((shape[0], 1, 8), np.dtype(np.float32))]

    def scratch(self, _shape: Shape) -> int:
        return 0

    def enqueue(self, *_: Any) -> None: ...

    def forget(self, slot: int) -> None: ...

    def close(self) -> None: ...


class Streams:
    """Cameras in threads, whose frames go into one queue.

    Args:
        runner: Lends memory to those that the processor decodes.
        path: The film.
        count: Number of cameras.
        on: Where to decode.

    Attributes:
        decoders: Where frames were decoded.
    """

    def __init__(self, runner: CudaRunner, path: Path, count: int, on: str) -> None:
        self._pool = runner.pictures
        self._settings = CameraSettings(
            source=str(path), loop=True, pace="fast", decoder="gpu" if on == "gpu" else "cpu"
        )
        self.frames: queue.Queue[Frame] = queue.Queue(2 * BATCH)
        self._stop = threading.Event()
        self.decoders: set[str] = set()
        self._threads = [threading.Thread(target=self._read, args=(f"c{n}",)) for n in range(count)]

    def __enter__(self) -> Streams:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            while thread.is_alive():
                while not self.frames.empty():
                    self.frames.get_nowait()
                thread.join(0.01)

    def _read(self, camera: str) -> None:
        pool = self._pool
        for frame in capture(
            camera,
            self._settings,
            self._stop,
            lambda *_: None,
            lender=lambda: pool,
            gpu=lambda: decoder_for(pool),
        ):
            self.decoders.add(frame.decoding.on)
            self.frames.put(frame)


def taken(streams: Streams, runner: CudaRunner | None) -> Generator[int, None, None]:
    """Numbers of frames that are done with, for as long as somebody asks."""
    pending: Pending[Inference] | None = None
    try:
        while True:
            frames = [streams.frames.get(timeout=20)]
            while len(frames) < BATCH and not streams.frames.empty():
                frames.append(streams.frames.get_nowait())
            if runner is not None:
                following = runner.submit([frame.picture for frame in frames], TARGET, None)
                if pending is not None:
                    pending.collect()
                pending = following
            yield len(frames)
    finally:
        if pending is not None:
            pending.collect()


def measure(runner: CudaRunner, path: Path, count: int, on: str, way: str, seconds: float) -> dict[str, Any]:
    """Frames a second and cores of one way."""
    with Streams(runner, path, count, on) as streams:
        numbers = taken(streams, runner if way == "letterbox" else None)
        begin = time.monotonic()
        while time.monotonic() - begin < SETTLE_S:
            next(numbers)
        begin, busy, frames = time.monotonic(), time.process_time(), 0
        while time.monotonic() - begin < seconds:
            frames += next(numbers)
        passed, busy = time.monotonic() - begin, time.process_time() - busy
        numbers.close()
    return {
        "file": path.name,
        "streams": count,
        "decoder": " and ".join(sorted(streams.decoders)),
        "way": way,
        "fps": round(frames / passed, 1),
        "cores": round(busy / passed, 2),
    }


def parity(runner: CudaRunner, path: Path, most: int) -> dict[str, Any]:
    """How far the GPU's pictures and times are from OpenCV's."""
    found: dict[str, list[Frame]] = {}
    for on in ("gpu", "cpu"):
        stop, settings = threading.Event(), CameraSettings(source=str(path), pace="fast", decoder="auto")
        gpu = decoder_for(runner.pictures) if on == "gpu" else None
        frames = found[on] = []
        for frame in capture("c", settings, stop, lambda *_: None, gpu=lambda gpu=gpu: gpu):  # type: ignore[misc]  # bound now
            frames.append(frame)
            if len(frames) == most:
                stop.set()
    pairs = list(zip(found["gpu"], found["cpu"], strict=False))
    same = [pair for pair in pairs if pair[0].shape == pair[1].shape]
    apart = [cv2.absdiff(a.image, b.image) for a, b in same]
    return {
        "file": path.name,
        "decoder": sorted({frame.decoding.on for frame in found["gpu"]}),
        "why": found["gpu"][-1].decoding.why if found["gpu"] else None,
        "frames": [len(found["gpu"]), len(found["cpu"])],
        "shapes": sorted({frame.shape[:2] for frame in found["gpu"]}),
        "ms_apart": max((abs(a.monotonic_ns - b.monotonic_ns) / 1e6 for a, b in pairs), default=None),
        "mean_levels": round(float(np.mean([one.mean() for one in apart])), 2) if apart else None,
        "worst_mean": round(float(max(one.mean() for one in apart)), 2) if apart else None,
        "largest": int(max(one.max() for one in apart)) if apart else None,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="the first one is timed; all are compared")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--decoders", nargs="+", choices=("gpu", "cpu"), default=["gpu", "cpu"])
    parser.add_argument("--ways", nargs="+", choices=("decode", "letterbox"), default=["decode", "letterbox"])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--most", type=int, default=60, help="pictures of a file that are compared")
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    gpu = device()
    with gpu.current():
        runner = CudaRunner(gpu, NoNetwork(), gpu.driver.Stream())
    assert isinstance(runner.pictures, PinnedPool)
    for path in args.files:
        try:
            print(json.dumps(parity(runner, path, args.most)), flush=True)
        except SourceError as error:
            print(json.dumps({"file": path.name, "error": str(error)}), flush=True)
    for count in args.streams:
        for on in args.decoders:
            for way in args.ways:
                print(json.dumps(measure(runner, args.files[0], count, on, way, args.seconds)), flush=True)
    runner.close()


if __name__ == "__main__":
    main()
