"""TensorRT's own INT8 calibration (versions 8 and 10), the only one that a Jetson's DLA accepts.

This uses `IInt8EntropyCalibrator2` (entropy of the activations' histograms; Migacz, "8-bit Inference with
TensorRT", GTC 2017). TensorRT 11 has no calibration: quantise the model first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge_node.backends.cuda.device import Buffer, Device
from edge_node.backends.preprocess import InputFormat, Preprocessor
from optimization import files, pictures
from shared.errors import ConfigError


def create(trt: Any, gpu: Device, shown: Sequence[Path], target: InputFormat, cache: Path, batch: int) -> Any:
    """Make a calibrator for `tensorrt.build.build`; the CUDA context must be current while it is used.

    Args:
        trt: TensorRT's module.
        gpu: The GPU that calibrates.
        shown: Pictures; they are not opened when the cache exists.
        target: The network's input.
        cache: File that is read if it exists, else written.
        batch: Number of pictures in a batch.

    Raises:
        ConfigError: This TensorRT has no calibrators, or there are too few pictures for a batch.
    """
    if not hasattr(trt, "IInt8EntropyCalibrator2"):
        raise ConfigError(
            f"TensorRT {trt.__version__} has no calibration of its own: "
            "run darner-optimize quantize --for tensorrt, and build the result"
        )
    if not cache.is_file() and len(shown) < batch:
        raise ConfigError(f"{len(shown)} pictures are too few: calibration takes {batch} at a time")
    size = batch * 3 * target.height * target.width * 4

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]  # untyped
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._input = Buffer(gpu, size)
            self._batches = _batches(shown, target, batch)

        def get_batch_size(self) -> int:
            return batch

        def get_batch(self, names: list[str]) -> list[int] | None:  # noqa: ARG002 - there is one input
            tensor = next(self._batches, None)
            if tensor is None:
                return None
            gpu.driver.memcpy_htod(self._input.address, tensor)
            return [self._input.address]

        def read_calibration_cache(self) -> bytes | None:
            return cache.read_bytes() if cache.is_file() else None

        def write_calibration_cache(self, data: Any) -> None:
            files.save(cache, bytes(data))

    return Calibrator()


def _batches(shown: Sequence[Path], target: InputFormat, batch: int) -> Iterator[np.ndarray[Any, Any]]:
    """Input tensors ``(batch, 3, height, width)``; pictures that do not fill a batch are left out."""
    preprocess = Preprocessor(target)
    tensor = np.empty((batch, 3, target.height, target.width), np.float32)
    filled = 0
    for path in tqdm(shown, unit=" pictures", desc="calibrating", disable=None):
        tensor[filled] = preprocess(pictures.read(path))[0]
        filled += 1
        if filled == batch:
            yield tensor
            filled = 0
