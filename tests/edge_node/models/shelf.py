"""A cache of its own, and known models whose files are the built-in network under other names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.assets.download import cache_dir
from edge_node.assets.known import Download, KnownModel
from edge_node.assets.models import DEFAULT, KNOWN, find_model, path_of
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.models.speeds import Speed

GOOD, BETTER, BEST = "yolox_nano", "picodet_s_416", "yolox_s"
"""Three names of the table, by rising accuracy."""


class Times:
    """Takes times from a table, and says which it was asked for."""

    def __init__(self, **ms: float) -> None:
        self.ms = ms
        self.asked: list[str] = []

    def __call__(self, settings: ModelSettings) -> Speed:
        self.asked.append(settings.name)
        return Speed(model=settings.name, ms=self.ms[settings.name], engine="a test", device="cpu")


def cameras(count: int = 1, fps: float = 0.0, every: int = 1) -> dict[str, CameraSettings]:
    camera = CameraSettings(source=0, max_fps=fps, detect_every=every)
    return {f"camera{number}": camera for number in range(count)}


def shelve(*names: str) -> None:
    """Put something into the cache under these names."""
    for name in names:
        path = path_of(KNOWN[name])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"weights of {name}".encode())


def disguise(monkeypatch: pytest.MonkeyPatch, name: str, download: Download | None = None) -> KnownModel:
    """Make a name of the table stand for a network that is read as the built-in one is."""
    known = KNOWN[name]
    known = replace(known, layout=KNOWN[DEFAULT].layout, size=None, download=download or known.download)
    monkeypatch.setitem(KNOWN, name, known)
    return known


def shelve_network(name: str) -> Path:
    """Put the built-in network into the cache under another name."""
    target = cache_dir() / "models" / f"{name}.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(find_model(DEFAULT), target)
    return target
