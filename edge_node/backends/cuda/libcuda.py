"""What pycuda lacks of the CUDA driver: graphs, and calls that do not give the interpreter away.

pycuda and `ctypes.CDLL` let another thread of the interpreter run during each call. That thread may keep it
for milliseconds, longer than a batch takes. Most calls here only hand work over: they keep the interpreter.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from edge_node.backends.cuda.device import Device

_NOT_READY = 600
_BLOCKING = 1
SLACK_S = 0.0002
"""Seconds by which a sleep may end late; the wait for an event begins to ask that much before it is due."""
POLL_S = 0.0005
"""Longest time, in seconds, that a wait asks again and again after the event was due."""

_POINTER, _REFERENCE = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
_ARGUMENTS: dict[str, list[type]] = {
    "cuEventCreate": [_REFERENCE, ctypes.c_uint],
    "cuEventDestroy_v2": [_POINTER],
    "cuEventElapsedTime": [ctypes.POINTER(ctypes.c_float), _POINTER, _POINTER],
    "cuEventQuery": [_POINTER],
    "cuEventRecord": [_POINTER, _POINTER],
    "cuEventSynchronize": [_POINTER],
    "cuGetErrorName": [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)],
    "cuGraphDestroy": [_POINTER],
    "cuGraphExecDestroy": [_POINTER],
    "cuGraphInstantiateWithFlags": [_REFERENCE, _POINTER, ctypes.c_ulonglong],
    "cuGraphLaunch": [_POINTER, _POINTER],
    "cuMemcpy2DAsync_v2": [_POINTER, _POINTER],
    "cuMemcpyAsync": [ctypes.c_ulonglong, ctypes.c_ulonglong, ctypes.c_size_t, _POINTER],
    "cuStreamBeginCapture_v2": [_POINTER, ctypes.c_int],
    "cuStreamEndCapture": [_POINTER, _REFERENCE],
    "cuStreamWaitEvent": [_POINTER, _POINTER, ctypes.c_uint],
}


_MAY_WAIT = {
    "cuEventDestroy_v2",
    "cuEventQuery",
    "cuEventSynchronize",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuStreamEndCapture",
}
"""Calls during which other threads of the interpreter run."""


class _Copy2D(ctypes.Structure):
    """`CUDA_MEMCPY2D`."""

    _fields_ = (
        *((f"source_{name}", ctypes.c_size_t) for name in ("x", "y")),
        ("source_type", ctypes.c_uint),
        *((f"source_{name}", ctypes.c_void_p) for name in ("host", "device", "array")),
        ("source_pitch", ctypes.c_size_t),
        *((f"target_{name}", ctypes.c_size_t) for name in ("x", "y")),
        ("target_type", ctypes.c_uint),
        *((f"target_{name}", ctypes.c_void_p) for name in ("host", "device", "array")),
        ("target_pitch", ctypes.c_size_t),
        ("width", ctypes.c_size_t),
        ("height", ctypes.c_size_t),
    )


_BY_ADDRESS = 4
"""Memory type: the address tells whose the memory is."""


@functools.cache
def library() -> Any:
    """The driver's calls. One that an old driver lacks is an `AttributeError` when it is made.

    Raises:
        OSError: There is no driver.
    """
    name = "libcuda.so.1"
    quick, waiting, found = ctypes.PyDLL(name), ctypes.CDLL(name), SimpleNamespace()
    for call, arguments in _ARGUMENTS.items():
        function = getattr(waiting if call in _MAY_WAIT else quick, call, None)
        if function is not None:
            function.argtypes = arguments
            setattr(found, call, function)
    return found


def error_name(code: int) -> str:
    """The driver's name for an error, such as "CUDA_ERROR_INVALID_VALUE"."""
    name = ctypes.c_char_p()
    library().cuGetErrorName(code, ctypes.byref(name))
    return name.value.decode() if name.value else str(code)


def check(call: str, code: int) -> None:
    """Raise for a call that failed.

    Raises:
        RuntimeError: The code is not 0.
    """
    if code:
        raise RuntimeError(f"{call} failed: {error_name(code)}")


class Event:
    """A point in a stream's work; the context must be current. It lives until nobody holds it.

    Args:
        gpu: The GPU.
        blocking: Whether a thread that waits in the driver sleeps; else it takes a whole core meanwhile.
    """

    def __init__(self, gpu: Device, *, blocking: bool = False) -> None:
        self._gpu, self._library = gpu, library()
        self._handle = ctypes.c_void_p()
        flags = _BLOCKING if blocking else 0
        check("cuEventCreate", self._library.cuEventCreate(ctypes.byref(self._handle), flags))

    @property
    def handle(self) -> int:
        """Its handle, for `wait_before`."""
        return self._handle.value or 0

    def record(self, stream: int) -> None:
        """Place the event behind the work that a stream, given by its handle, has so far."""
        check("cuEventRecord", library().cuEventRecord(self._handle, stream))

    def query(self) -> bool:
        """Whether the GPU has reached the event."""
        code: int = library().cuEventQuery(self._handle)
        if code == _NOT_READY:
            return False
        check("cuEventQuery", code)
        return True

    def synchronize(self) -> None:
        """Wait in the driver until the GPU has reached the event."""
        check("cuEventSynchronize", library().cuEventSynchronize(self._handle))

    def before(self, stream: int) -> None:
        """Let a stream wait for the event before it does what comes next."""
        wait_before(stream, self.handle)

    def since(self, other: Event) -> float:
        """Milliseconds from another event to this one; the GPU has reached both."""
        found = ctypes.c_float()
        code = library().cuEventElapsedTime(ctypes.byref(found), other._handle, self._handle)
        check("cuEventElapsedTime", code)
        return found.value

    def __del__(self) -> None:
        # Not with the buffers: another thread may be waiting for the event while they are given back.
        if self._handle:
            with contextlib.suppress(Exception), self._gpu.current():
                # The library that made it: a test's stand-in may have gone by now.
                self._library.cuEventDestroy_v2(self._handle)


def wait_before(stream: int, event: int) -> None:
    """Let a stream wait for an event, both by their handles, before it does what comes next."""
    check("cuStreamWaitEvent", library().cuStreamWaitEvent(stream, event, 0))


def copy(stream: int, target: int, source: int, *, rows: int, piece: int, pitch: int) -> None:
    """Let a stream copy rows between page-locked memory and the GPU's; there, they follow without a gap.

    Args:
        stream: Its handle.
        target: Address on the GPU.
        source: Address of the first row.
        rows: How many.
        piece: Bytes of each.
        pitch: Bytes from one row to the next at the source.
    """
    if rows == 1:
        check("cuMemcpyAsync", library().cuMemcpyAsync(target, source, piece, stream))
        return
    both = _BY_ADDRESS
    area = _Copy2D(0, 0, both, 0, source, 0, pitch, 0, 0, both, 0, target, 0, piece, piece, rows)
    check("cuMemcpy2DAsync", library().cuMemcpy2DAsync_v2(ctypes.byref(area), stream))


_yield_core: Callable[[], object] = getattr(os, "sched_yield", None) or partial(time.sleep, 0)


def wait(
    event: Event,
    due_s: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
    yield_core: Callable[[], object] = _yield_core,
) -> None:
    """Wait for an event without waking late and without keeping a core busy.

    A thread that sleeps in the driver wakes a tenth of a millisecond late, or more. So this sleeps until
    shortly before the event is due, asks again and again until shortly after, and only then sleeps in the
    driver. It asks for `SLACK_S` and `POLL_S` at most. With each question it offers the interpreter and the
    core to others. A sleep of 0 s would not do, because it sets a timer and so wakes as late.

    Args:
        event: Made with `blocking`.
        due_s: When the event is expected, in seconds of the clock.
        clock: Seconds; never goes back.
        sleep: Sleeps for seconds.
        yield_core: Lets other threads run that wait for a core.
    """
    if event.query():
        return
    early = due_s - SLACK_S - clock()
    if early > 0:
        sleep(early)
    end = max(due_s, clock()) + POLL_S
    while not event.query():
        if clock() >= end:
            event.synchronize()
            return
        yield_core()
