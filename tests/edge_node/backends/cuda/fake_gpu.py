"""A GPU that only counts its memory: the part of pycuda's driver that Darner calls."""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_node.backends.cuda import libcuda
from edge_node.backends.cuda.device import Device
from edge_node.pictures import U8


class FakeError(Exception):
    """Stands for `pycuda.driver.Error`."""


class FakeMemoryError(FakeError):
    """Stands for `pycuda.driver.MemoryError`."""


class _Allocation:
    def __init__(self, driver: FakeDriver, size: int) -> None:
        if driver.taken + size > driver.total or next(driver.countdown) == 0:
            raise FakeMemoryError("cuMemAlloc failed: out of memory")
        self._driver, self._size = driver, size
        self.address = next(driver.addresses)
        driver.taken += size
        driver.live[self.address] = size
        driver.allocations += 1

    def __int__(self) -> int:
        return self.address

    def free(self) -> None:
        assert self._size >= 0, "freed twice"
        self._driver.taken -= self._size
        del self._driver.live[self.address]
        self._size = -1


class _HostMemory:
    """Page-locked memory; numpy keeps it as the array's base."""

    def __init__(self, driver: FakeDriver, size: int) -> None:
        if next(driver.countdown) == 0:
            raise FakeMemoryError("cuMemHostAlloc failed: out of memory")
        self._driver, self._buffer = driver, ctypes.create_string_buffer(size)
        self._freed = False
        self.__array_interface__ = {
            "data": (ctypes.addressof(self._buffer), False),
            "shape": (size,),
            "typestr": "|u1",
            "version": 3,
        }
        driver.pinned += 1
        driver.allocations += 1

    def get_device_pointer(self) -> int:
        return ctypes.addressof(self._buffer)

    def free(self) -> None:
        assert not self._freed, "freed twice"
        self._freed = True
        self._driver.pinned -= 1


class FakeLibrary:
    """Stands for libcuda: events that are reached at once, unless a test says otherwise.

    Attributes:
        events: Handles of the events that there are.
        reached: Asked for each event that somebody waits for.
        done: What streams were given, in order: what, and the stream's handle.
    """

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.events: set[int] = set()
        self.reached: Callable[[], bool] = lambda: True
        self._handles = itertools.count(1)

    def cuEventCreate(self, handle: Any, _flags: int) -> int:  # noqa: N802 - CUDA's name
        handle._obj.value = next(self._handles)
        self.events.add(handle._obj.value)
        return 0

    def cuEventDestroy_v2(self, handle: Any) -> int:  # noqa: N802 - CUDA's name
        self.events.remove(handle.value)
        return 0

    def cuEventQuery(self, handle: Any) -> int:  # noqa: N802 - CUDA's name
        assert handle.value in self.events, "asked for an event that is gone"
        return 0 if self.reached() else 600

    def cuEventSynchronize(self, handle: Any) -> int:  # noqa: N802 - CUDA's name
        assert handle.value in self.events, "waits for an event that is gone"
        return 0

    def cuMemcpyAsync(self, _target: int, _source: int, _size: int, stream: int) -> int:  # noqa: N802 - CUDA's name
        self.done.append(("copy", stream))
        return 0

    def cuMemcpy2DAsync_v2(self, _area: Any, stream: int) -> int:  # noqa: N802 - CUDA's name
        self.done.append(("copy rows", stream))
        return 0

    def cuStreamWaitEvent(self, stream: int, _event: int, _flags: int) -> int:  # noqa: N802 - CUDA's name
        self.done.append(("wait", stream))
        return 0

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: 0


class _Stream:
    handles = itertools.count(1)

    def __init__(self, driver: FakeDriver) -> None:
        self.handle = next(self.handles)
        self.synchronize = driver.work


class FakeDriver(ModuleType):
    """`pycuda.driver`.

    Args:
        total: Bytes of the GPU.

    Attributes:
        taken: Bytes that are allocated.
        live: Sizes of the GPU's buffers, by address.
        pinned: Page-locked buffers that are allocated.
        allocations: How many there were.
        countdown: Allocations until one fails.
        lost: Why every call fails from now on, as on a GPU that fell off the bus; empty: it works.
    """

    Error, MemoryError = FakeError, FakeMemoryError
    device_attribute = SimpleNamespace(INTEGRATED=18)
    host_alloc_flags = SimpleNamespace(DEVICEMAP=2)

    def __init__(self, total: int) -> None:
        super().__init__("pycuda.driver")
        self.total, self.taken, self.pinned, self.allocations = total, 0, 0, 0
        self.live: dict[int, int] = {}
        self.addresses = itertools.count(1)
        self.countdown = itertools.repeat(1)
        self.integrated = 0
        self.lost = ""
        self.Context = SimpleNamespace(synchronize=self.work)
        self.library = FakeLibrary()

    def init(self) -> None: ...

    def Stream(self) -> _Stream:  # noqa: N802 - pycuda's name
        return _Stream(self)

    def Device(self, _index: int) -> Any:  # noqa: N802 - pycuda's name
        context = SimpleNamespace(push=lambda: None, pop=lambda: None)
        return SimpleNamespace(
            name=lambda: "a fake GPU",
            compute_capability=lambda: (9, 0),
            get_attribute=lambda _which: self.integrated,
            retain_primary_context=lambda: context,
        )

    def work(self) -> None:
        """What every call does that reaches the GPU."""
        if self.lost:
            raise FakeError(self.lost)

    def mem_get_info(self) -> tuple[int, int]:
        return self.total - self.taken, self.total

    def mem_alloc(self, size: int) -> _Allocation:
        return _Allocation(self, size)

    def pagelocked_empty(self, size: int, _dtype: Any, mem_flags: int) -> U8:
        assert mem_flags == 2
        return np.asarray(_HostMemory(self, size))

    def memcpy_dtod_async(self, *_: Any) -> None: ...

    def memcpy_htod_async(self, *_: Any) -> None: ...

    def memcpy_dtoh_async(self, *_: Any) -> None: ...

    def memset_d32_async(self, *_: Any) -> None: ...

    def module_from_buffer(self, _ptx: bytes) -> Any:
        def get_function(name: str) -> Any:
            def call(_grid: Any, _block: Any, stream: _Stream, *_: Any) -> None:
                self.library.done.append((name, stream.handle))

            function = SimpleNamespace(prepared_async_call=call)
            return SimpleNamespace(prepare=lambda _arguments: function)

        return SimpleNamespace(get_function=get_function)


def fake_gpu(monkeypatch: pytest.MonkeyPatch, total: int, *, integrated: bool = False) -> tuple[Device, Any]:
    """A device whose driver has `total` bytes of memory."""
    driver = FakeDriver(total)
    driver.integrated = int(integrated)
    package = ModuleType("pycuda")
    package.driver = driver  # type: ignore[attr-defined]  # as an imported submodule is
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    monkeypatch.setattr(libcuda, "library", lambda: driver.library)
    return Device(), driver
