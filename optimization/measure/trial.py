"""Measures one detector: the time of its steps, and its load on the machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_node.assets.download import cache_dir
from edge_node.assets.models import find_model
from edge_node.assets.samples import NAME
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.frames import U8
from optimization import pictures
from optimization.measure import stopwatch
from optimization.measure.machine import Load
from shared.errors import DarnerError

STEPS = ("preprocess", "inference", "postprocess", "total")


@dataclass(slots=True)
class Trial:
    """Times of one detector at one batch size.

    Attributes:
        detector: A detector that is ready to run.
        batch: Number of pictures in one call.
        times: Milliseconds of every call, by step; "total" is the whole call.
    """

    detector: Detector
    batch: int
    times: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})

    def call(self, image: U8, *, count: bool = True) -> None:
        """Detect once.

        Args:
            image: u8 ``(H, W, 3)``, BGR; the batch repeats this picture.
            count: Whether to keep the times.
        """
        start = time.perf_counter()
        _, timings = self.detector.detect_batch([image] * self.batch, [None] * self.batch)
        total = (time.perf_counter() - start) * 1e3
        if count:
            for step, value in zip(
                STEPS, (timings["preprocess"], timings["inference"], timings["decode"], total), strict=True
            ):
                self.times[step].append(value)

    def summary(self) -> dict[str, Any]:
        """Percentiles of each step, and pictures per second."""
        found: dict[str, Any] = {step: stopwatch.summary(values) for step, values in self.times.items()}
        found["pictures_per_s"] = round(1e3 * self.batch / found["total"]["mean"], 2)
        return found


def measure(settings: ModelSettings, image: U8, batch: int, rounds: int) -> dict[str, Any]:
    """Load a detector, run it and measure it.

    Args:
        settings: The detector's settings.
        image: u8 ``(H, W, 3)``, BGR.
        batch: Number of pictures in one call.
        rounds: Number of calls to time.

    Raises:
        DarnerError: The detector cannot be loaded, or takes fewer pictures in one call.
    """
    with Detector(settings) as detector:
        if batch > detector.max_batch:
            raise DarnerError(f"takes at most {detector.max_batch} picture(s) in one call")
        trial = Trial(detector, batch)
        for _ in range(3):
            trial.call(image, count=False)
        with Load() as load:
            for _ in range(rounds):
                trial.call(image)
        return identity(settings, detector, image) | {"batch": batch} | trial.summary() | load.found


def identity(settings: ModelSettings, detector: Detector, image: U8) -> dict[str, Any]:
    """What was measured: model, precision, engine, device and input size."""
    target = detector.target(image.shape[1], image.shape[0])
    return {
        "model": settings.name,
        "precision": precision(settings.name),
        "engine": detector.backend_name,
        "device": detector.device,
        "input": [target.width, target.height],
    }


def precision(name: str) -> str:
    """FP32, FP16 or INT8, by the weights of an ONNX file; empty for other files."""
    with contextlib.suppress(DarnerError, ImportError):
        path = find_model(name)
        if path.suffix != ".onnx":
            return ""
        from optimization.graph import graphs

        model = graphs.load(path)
        half = {item.name for item in model.graph.initializer if item.data_type == 10}  # FLOAT16
        if any(node.op_type in {"QuantizeLinear", "QLinearConv"} for node in model.graph.node):
            return "INT8"
        weighted = (node for node in model.graph.node if node.op_type in {"Conv", "Gemm", "MatMul"})
        return "FP16" if any(half & set(node.input) for node in weighted) else "FP32"
    return ""


def picture(path: Path | None, resolution: tuple[int, int]) -> tuple[U8, str]:
    """A picture to detect on, and its name: the given one, else a frame of the demo video, else noise.

    Args:
        path: The picture, or None.
        resolution: Width and height to scale the picture to.
    """
    if path is not None:
        image, name = pictures.read(path), path.name
    elif (video := cache_dir() / "videos" / NAME).is_file():
        image, name = pictures.first_frame(video), video.name
    else:
        image, name = np.random.default_rng(0).integers(0, 256, (*resolution[::-1], 3), np.uint8), "noise"
    return np.asarray(cv2.resize(image, resolution), np.uint8), f"{name} at {resolution[0]}x{resolution[1]}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A table of results of `measure`, in milliseconds p50 / p95."""
    scored = any("accuracy" in row for row in rows)
    lines = [
        f"{'model':<30}{'':<6}{'engine':<20}{'input':>10}{'batch':>6}"
        + "".join(f"{step:>16}" for step in STEPS)
        + f"{'pictures/s':>12}{'CPU %':>7}{'RSS MB':>8}{'GPU %':>7}{'GPU MB':>8}"
        + (f"{'AP':>7}" if scored else "")
    ]
    for row in rows:
        steps = "".join(f"{row[step]['p50']:>9.2f} /{row[step]['p95']:>5.1f}" for step in STEPS)
        width, height = row["input"]
        gpu = f"{row['gpu_percent']:>7.0f}{row['gpu_mb']:>8.0f}" if "gpu_mb" in row else f"{'-':>7}{'-':>8}"
        load = f"{row['cpu_percent']:>7.0f}{row['rss_mb']:>8.0f}" if "rss_mb" in row else f"{'-':>7}{'-':>8}"
        lines.append(
            f"{Path(row['model']).name[:29]:<30}{row['precision']:<6}{row['engine'][:19]:<20}"
            f"{f'{width}x{height}':>10}{row['batch']:>6}{steps}{row['pictures_per_s']:>12.1f}{load}{gpu}"
            + (f"{100 * row['accuracy']['ap']:>7.1f}" if "accuracy" in row else "")
        )
    return "\n".join(lines)
