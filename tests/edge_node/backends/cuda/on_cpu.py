"""The GPU's kernels without a GPU: their sources are compiled for the CPU and run thread by thread."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pytest

from edge_node.assets.names import Layout
from edge_node.backends.cuda.kernels import PTX
from edge_node.backends.cuda.layout import LAYOUT, FilterLayout
from edge_node.backends.cuda.nms import CAPACITY, RESULT, SCRATCH, fill_request, request_size
from edge_node.backends.interface import Anchors, Wanted
from edge_node.detect.decode.families import FAMILIES
from edge_node.frames import Detections
from edge_node.pictures import U8
from tests.edge_node.backends.cuda.outputs import SIZE

Array = npt.NDArray[Any]
Found = tuple[list[int], list[Detections | None]]
"""By picture, the number of candidates and the detections."""


class Run(Protocol):
    """Makes detections of a network's outputs for a batch, which are in the family's order."""

    def __call__(
        self, layout: Layout, outputs: Sequence[Array], wanted: Wanted, size: tuple[int, int] = SIZE
    ) -> Found: ...


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


def run_on_cpu(
    layout: Layout | Anchors | None, outputs: Sequence[Array], wanted: Wanted, size: tuple[int, int] = SIZE
) -> Found:
    """See `Run`."""
    outputs = [np.ascontiguousarray(output) for output in outputs]
    batch, dtype, kind = len(outputs[0]), outputs[0].dtype, layout_of(layout, outputs, size)
    structure = kind.to_bytes([output.ctypes.data for output in outputs], dtype.itemsize)
    counts = np.zeros(batch, np.int32)
    scratch, results = garbage(batch, SCRATCH), garbage(batch, RESULT)
    arrays = requested(kind, wanted), np.frombuffer(structure, LAYOUT), counts, scratch, results
    compiled().run_nms(*map(address, arrays), batch, int(dtype == np.float16))
    return read(results)


def layout_of(
    layout: Layout | Anchors | None, outputs: Sequence[Array], size: tuple[int, int] = SIZE
) -> FilterLayout:
    """How outputs lie in memory: those of a family in its order, or those that anchors are told of."""
    anchors = FAMILIES[layout].anchors if isinstance(layout, str) else layout
    assert anchors is not None
    if isinstance(layout, str):
        anchors = replace(anchors, order=tuple(range(len(outputs))))
    found = FilterLayout.of(anchors, [output.shape for output in outputs], size)
    assert found is not None
    return found


def requested(layout: FilterLayout, wanted: Wanted) -> U8:
    """The structure `Request`."""
    request = np.zeros(request_size(layout.classes), np.uint8)
    fill_request(request, wanted)
    return request


def read(results: Array) -> Found:
    """What the kernels wrote, in pixels of the input."""
    found: list[Detections | None] = []
    for one in results:
        kept = slice(one["kept"])
        arrays = (one[name][kept].copy() for name in ("xyxy", "score", "class_id"))
        found.append(Detections(*arrays) if one["candidates"] <= CAPACITY else None)
    return results["candidates"].tolist(), found


def garbage(count: int, kind: np.dtype[Any]) -> Array:
    """What memory may hold before."""
    rng = np.random.default_rng(count)
    return np.array(np.frombuffer(rng.bytes(count * kind.itemsize), kind))
