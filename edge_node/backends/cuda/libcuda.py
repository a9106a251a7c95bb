"""What pycuda lacks of the CUDA driver: its graphs, and events that a graph can record."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import time
from collections.abc import Callable

from edge_node.backends.cuda.device import Device

_NOT_READY = 600
_BLOCKING = 1
_EXTERNAL = 1
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
    "cuEventRecordWithFlags": [_POINTER, _POINTER, ctypes.c_uint],
    "cuEventSynchronize": [_POINTER],
    "cuGetErrorName": [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)],
    "cuGraphDestroy": [_POINTER],
    "cuGraphExecDestroy": [_POINTER],
    "cuGraphInstantiateWithFlags": [_REFERENCE, _POINTER, ctypes.c_ulonglong],
    "cuGraphLaunch": [_POINTER, _POINTER],
    "cuStreamBeginCapture_v2": [_POINTER, ctypes.c_int],
    "cuStreamEndCapture": [_POINTER, _REFERENCE],
    "cuStreamWaitEvent": [_POINTER, _POINTER, ctypes.c_uint],
}


@functools.cache
def library() -> ctypes.CDLL:
    """The driver. A call that an old driver lacks is an `AttributeError` when it is made.

    Raises:
        OSError: There is no driver.
    """
    driver = ctypes.CDLL("libcuda.so.1")
    for name, arguments in _ARGUMENTS.items():
        if hasattr(driver, name):
            getattr(driver, name).argtypes = arguments
    return driver


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

    def record(self, stream: int, *, captured: bool = False) -> None:
        """Place the event behind the work that a stream has so far.

        Args:
            stream: Handle of the stream.
            captured: The stream is being recorded as a graph: each run of the graph records the event anew.
        """
        if captured:
            check("cuEventRecord", library().cuEventRecordWithFlags(self._handle, stream, _EXTERNAL))
        else:
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


def wait(
    event: Event,
    due_s: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for an event without waking late and without keeping a core busy.

    A thread that sleeps in the driver wakes a tenth of a millisecond late, or more. So this sleeps until
    shortly before the event is due, asks again and again until shortly after, and only then sleeps in the
    driver. It asks for `SLACK_S` and `POLL_S` at most, and gives the core away between two questions.

    Args:
        event: Made with `blocking`.
        due_s: When the event is expected, in seconds of the clock.
        clock: Seconds; never goes back.
        sleep: Sleeps for seconds.
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
        sleep(0)
