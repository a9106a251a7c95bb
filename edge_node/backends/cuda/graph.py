"""CUDA graphs: a sequence of GPU work recorded once and started with one call.

pycuda has no graphs, so this calls the driver itself; it must be driver 470 or newer.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from edge_node.backends.cuda.libcuda import error_name, library
from edge_node.backends.interface import OutOfMemory

_RELAXED = 2
"""Capture mode: other threads and allocations of the network do not spoil the recording."""
_OUT_OF_MEMORY = 2


class CaptureError(Exception):
    """The driver cannot record the work; the work can still be enqueued step by step."""


def _driver() -> Any:
    try:
        driver = library()
        _ = driver.cuGraphInstantiateWithFlags
    except (OSError, AttributeError) as error:
        raise CaptureError(f"the CUDA driver has no graphs: {error}") from None
    return driver


def _check(call: str, code: int) -> None:
    if code:
        raise CaptureError(f"{call}: {error_name(code)}")


class CudaGraph:
    """Recorded work.

    Args:
        stream: Handle of the stream to record on; nothing else may use it meanwhile.
        work: Enqueues the work on that stream and waits for nothing. The work is recorded and not done.

    Raises:
        CaptureError: The driver refuses a part of the work. The stream can be used again.
    """

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        driver = _driver()
        self._executable = ctypes.c_void_p()
        _check("cuStreamBeginCapture", driver.cuStreamBeginCapture_v2(stream, _RELAXED))
        graph = ctypes.c_void_p()
        try:
            work()
        except Exception as error:
            driver.cuStreamEndCapture(stream, ctypes.byref(graph))
            if graph:
                driver.cuGraphDestroy(graph)
            raise CaptureError(str(error)) from error
        _check("cuStreamEndCapture", driver.cuStreamEndCapture(stream, ctypes.byref(graph)))
        try:
            _check(
                "cuGraphInstantiate",
                driver.cuGraphInstantiateWithFlags(ctypes.byref(self._executable), graph, 0),
            )
        finally:
            driver.cuGraphDestroy(graph)

    def launch(self, stream: int) -> None:
        """Start the work.

        Args:
            stream: Handle of the stream to start it on.

        Raises:
            OutOfMemory: The GPU has no memory for the work.
            RuntimeError: The driver refuses to start the work.
        """
        code = library().cuGraphLaunch(self._executable, stream)
        if code == _OUT_OF_MEMORY:
            raise OutOfMemory("cuGraphLaunch: out of memory")
        if code:
            raise RuntimeError(f"cuGraphLaunch failed: {error_name(code)}")

    def close(self) -> None:
        """Drop the recording; the work must not be running."""
        if self._executable:
            library().cuGraphExecDestroy(self._executable)
            self._executable = ctypes.c_void_p()
