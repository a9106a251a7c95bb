"""Measures one detector: the time of its steps, and its load on the machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_node.assets.download import cache_dir
from edge_node.assets.models import find_model
from edge_node.assets.samples import NAME
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from edge_node.detect.tiles.grid import grid
from edge_node.pictures import U8
from optimization import pictures
from optimization.measure import stopwatch
from optimization.measure.machine import Load
from optimization.measure.watching import timed
from shared.errors import DarnerError

STEPS = ("preprocess", "inference", "postprocess", "total")


@dataclass(slots=True)
class Trial:
    """Times of one detector at one batch size.

    Attributes:
        detector: A detector that is ready to run.
        batch: Number of pictures in one call.
        tiled: Detects in one picture in parts, of which at most a batch run together, and gives the
            milliseconds of each step; None: pictures are not taken apart.
        times: Milliseconds of every call, by step; "total" is the whole call.
    """

    detector: Detector
    batch: int
    tiled: Callable[[U8], dict[str, float]] | None = None
    times: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})

    def call(self, image: U8, *, count: bool = True) -> None:
        """Detect once.

        Args:
            image: u8 ``(H, W, 3)``, BGR; the batch repeats this picture, unless it is taken apart.
            count: Whether to keep the times.
        """
        start = time.perf_counter()
        if self.tiled is None:
            _, timings = self.detector.detect_batch([image] * self.batch, [None] * self.batch)
        else:
            timings = self.tiled(image)
        total = (time.perf_counter() - start) * 1e3
        if count:
            for step, value in zip(
                STEPS, (timings["preprocess"], timings["inference"], timings["decode"], total), strict=True
            ):
                self.times[step].append(value)

    def summary(self) -> dict[str, Any]:
        """Percentiles of each step, and pictures per second."""
        found: dict[str, Any] = {step: stopwatch.summary(values) for step, values in self.times.items()}
        pictures = self.batch if self.tiled is None else 1
        found["pictures_per_s"] = round(1e3 * pictures / found["total"]["mean"], 2)
        return found


def measure(
    settings: ModelSettings, image: U8, batch: int, rounds: int, tiles: TileSettings | None = None
) -> dict[str, Any]:
    """Load a detector, run it and measure it.

    Args:
        settings: The detector's settings.
        image: u8 ``(H, W, 3)``, BGR.
        batch: Number of pictures in one call; with tiles the most parts of the picture in one.
        rounds: Number of calls to time.
        tiles: A grid of parts that the network looks at; None: the whole picture.

    Raises:
        DarnerError: The detector cannot be loaded, or takes fewer pictures in one call.
    """
    with Detector(settings) as detector:
        if batch > detector.max_batch:
            raise DarnerError(f"takes at most {detector.max_batch} picture(s) in one call")
        camera = CameraSettings(source="picture", tiles=tiles)
        trial = Trial(detector, batch, timed(detector, camera, settings, batch) if tiles else None)
        for _ in range(3):
            trial.call(image, count=False)
        with Load() as load:
            for _ in range(rounds):
                trial.call(image)
        ran = identity(settings, detector, image, tiles) | {"batch": batch}
        return ran | trial.summary() | load.found


def identity(
    settings: ModelSettings, detector: Detector, image: U8, tiles: TileSettings | None = None
) -> dict[str, Any]:
    """What was measured: model, precision, engine, device, input size, and tiles where there are some."""
    height, width = image.shape[:2]
    if tiles:
        left, top, right, bottom = grid((0, 0, width, height), tiles.across, tiles.down, tiles.shared)[0]
        width, height = right - left, bottom - top
    target = detector.target(width, height)
    parts = {"tiles": name_of(tiles), "looks": tiles.pictures} if tiles else {}
    return parts | {
        "model": settings.name,
        "precision": precision(settings.name, detector),
        "engine": detector.backend_name,
        "device": detector.device,
        "input": [target.width, target.height],
    }


def name_of(tiles: TileSettings) -> str:
    """A grid in a few characters."""
    words = [f"{tiles.across}x{tiles.down}"]
    if tiles.overlap is not None:
        words.append(f"overlap {tiles.overlap:g}")
    if not tiles.with_whole:
        words.append("no whole")
    return " ".join(words)


def precision(name: str, detector: Detector) -> str:
    """FP32, FP16 or INT8: what an engine was built as, else by the weights of an ONNX file; else empty."""
    if detector.backend_name.startswith("tensorrt"):
        return detector.precision.upper()
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
    wide = max(len(row.get("tiles", "")) for row in rows)
    tiled = max(7, wide + 2) if wide else 0
    lines = [
        f"{'model':<30}{'':<6}{'engine':<20}{'input':>10}"
        + (f"{'tiles':>{tiled}}{'looks':>6}" if tiled else "")
        + f"{'batch':>6}"
        + "".join(f"{step:>16}" for step in STEPS)
        + f"{'pictures/s':>12}{'CPU %':>7}{'RSS MB':>8}{'GPU %':>7}{'GPU MB':>8}"
        + (f"{'AP':>7}" if scored else "")
    ]
    for row in rows:
        steps = "".join(f"{row[step]['p50']:>9.2f} /{row[step]['p95']:>5.1f}" for step in STEPS)
        width, height = row["input"]
        gpu = f"{row['gpu_percent']:>7.0f}{row['gpu_mb']:>8.0f}" if "gpu_mb" in row else f"{'-':>7}{'-':>8}"
        load = f"{row['cpu_percent']:>7.0f}{row['rss_mb']:>8.0f}" if "rss_mb" in row else f"{'-':>7}{'-':>8}"
        parts = f"{row.get('tiles', '-'):>{tiled}}{row.get('looks', 1):>6}" if tiled else ""
        lines.append(
            f"{Path(row['model']).name[:29]:<30}{row['precision']:<6}{row['engine'][:19]:<20}"
            f"{f'{width}x{height}':>10}{parts}{row['batch']:>6}{steps}{row['pictures_per_s']:>12.1f}{load}{gpu}"
            + (f"{100 * row['accuracy']['ap']:>7.1f}" if "accuracy" in row else "")
        )
    return "\n".join(lines)
