"""The TensorRT modules that are here, for tests that build and run with any of them.

TensorRT for RTX builds without a GPU, for one that is not here. TensorRT itself, from 8.6 on, needs its GPU.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from edge_node.backends.cuda.device import Device, device
from edge_node.backends.tensorrt.build import BuildOptions
from shared.errors import ModelError

rtx: Any = None
"""TensorRT for RTX; None if it is not here."""
with suppress(ImportError):
    rtx = importlib.import_module("tensorrt_rtx_bindings")
WITH_RTX = pytest.mark.skipif(rtx is None, reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux x86-64)")
MODULES = "tensorrt_rtx_bindings", "tensorrt"
ELSEWHERE = "NVIDIA A10", (8, 6)
FOR_AMPERE = BuildOptions(capability=ELSEWHERE[1], level=0, workspace_mb=256)
"""The quickest build for a GPU that is not here."""
FOR_RTX = (7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)
"""Compute capabilities that TensorRT for RTX knows."""


@dataclass(frozen=True)
class Real:
    """A TensorRT that builds.

    Attributes:
        trt: The module.
        place: Name and compute capability of the GPU that it builds for.
        options: Those of the quickest build for it.
        gpu: The GPU, whose context is current; None: it builds for one that is not here.
    """

    trt: Any
    place: tuple[str, tuple[int, int]]
    options: BuildOptions
    gpu: Device | None

    @property
    def weak(self) -> bool:
        """Whether this version chooses precisions by flags."""
        return hasattr(self.trt.BuilderFlag, "FP16")


def _opened(name: str, stack: ExitStack, *, runs: bool) -> Real:
    try:
        trt = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"needs {name}: {error}")
    if name == "tensorrt_rtx_bindings" and not runs:
        return Real(trt, ELSEWHERE, FOR_AMPERE, None)
    try:
        gpu = device()
    except ModelError as error:
        pytest.skip(f"{name} needs an NVIDIA GPU and pycuda here: {error}")
    if name == "tensorrt_rtx_bindings" and gpu.capability not in FOR_RTX:
        pytest.skip(f"{name} does not run on {gpu.name}")
    stack.enter_context(gpu.current())
    return Real(trt, (gpu.name, gpu.capability), BuildOptions(level=0, workspace_mb=256), gpu)


@pytest.fixture(params=MODULES)
def real(request: pytest.FixtureRequest) -> Iterator[Real]:
    """A TensorRT that builds, each that is here."""
    with ExitStack() as stack:
        yield _opened(request.param, stack, runs=False)


@pytest.fixture(params=MODULES)
def running(request: pytest.FixtureRequest) -> Iterator[Real]:
    """A TensorRT that builds and runs on the GPU, each that is here."""
    with ExitStack() as stack:
        yield _opened(request.param, stack, runs=True)
