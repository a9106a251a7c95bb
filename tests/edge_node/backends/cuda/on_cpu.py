"""The GPU's kernels without a GPU: their sources are compiled for the CPU and run thread by thread."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_node.assets.names import Layout
from edge_node.backends.cuda.kernels import PTX
from edge_node.backends.cuda.nms import (
    LAYOUT,
    RESULT,
    SCRATCH,
    FilterLayout,
    Results,
    fill_request,
    request_size,
)
from edge_node.backends.interface import Wanted
from edge_node.detect.decode.families import FAMILIES
from edge_node.frames import U8, Detections

Array = npt.NDArray[Any]
Found = tuple[list[int], list[Detections | None]]
"""By picture, the number of candidates and the detections."""
Run = Callable[[Layout, Array, Wanted], Found]
"""Takes a network's output for a batch."""


@functools.cache
def compiled() -> ctypes.CDLL:
    """kernels_on_cpu.cpp, compiled."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++: the kernels' sources cannot be compiled for the CPU")
    harness = Path(__file__).parent / "kernels_on_cpu.cpp"
    flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-I", str(PTX.parent)]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernels.so"
        made = subprocess.run(
            [compiler, *flags, str(harness), "-o", str(target)], capture_output=True, text=True, check=False
        )
        if "_Float16" in made.stderr:
            pytest.skip("this g++ has no half precision")
        assert made.returncode == 0, made.stderr
        return ctypes.CDLL(str(target))


def address(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def run_on_cpu(layout: Layout, output: Array, wanted: Wanted) -> Found:
    """See `Run`."""
    batch, kind = len(output), layout_of(layout, output)
    request, structure = requested(kind, wanted), np.frombuffer(kind.to_bytes(), LAYOUT)
    counts = np.zeros(batch, np.int32)
    scratch, results = garbage(batch, SCRATCH), garbage(batch, RESULT)
    arrays = (np.ascontiguousarray(output), request, structure, counts, scratch, results)
    compiled().run_nms(*map(address, arrays), batch, int(output.dtype == np.float16))
    return read(results)


def layout_of(layout: Layout, output: Array) -> FilterLayout:
    """How a family's output lies in memory."""
    found = FilterLayout.of(FAMILIES[layout].anchors, [output.shape])
    assert found is not None
    return found


def requested(layout: FilterLayout, wanted: Wanted) -> U8:
    """The structure `Request`."""
    request = np.zeros(request_size(layout.classes), np.uint8)
    fill_request(request, wanted)
    return request


def read(results: Array) -> Found:
    """What the kernels wrote."""
    return results["candidates"].tolist(), Results(results).detections(len(results))


def garbage(count: int, kind: np.dtype[Any]) -> Array:
    """What memory may hold before."""
    rng = np.random.default_rng(count)
    return np.array(np.frombuffer(rng.bytes(count * kind.itemsize), kind))
