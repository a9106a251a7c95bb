"""A GPU and its memory, through the CUDA driver (pycuda)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.pictures import U8
from shared.errors import ModelError

INSTALL = "pip install 'darner[trt]' (pycuda is built with the CUDA toolkit's headers)"


class Device:
    """A GPU with its primary context, which PyTorch, ONNX Runtime and TensorRT use in this process, too.

    The context stays until the process ends, because others may be using it.

    Args:
        index: Number of the GPU, as CUDA counts.

    Attributes:
        index: As given.
        driver: The module `pycuda.driver`.
        name: Such as "NVIDIA H200".
        capability: Compute capability, major and minor.
        shares_memory: Whether GPU and host have one memory, as on a Jetson; page-locked memory of the host
            then takes the GPU's, too.

    Raises:
        ModelError: There is no pycuda, no driver or no such GPU.
    """

    def __init__(self, index: int = 0) -> None:
        try:
            import pycuda.driver as driver
        except ImportError as error:
            raise ModelError(f"CUDA cannot be used ({error}): {INSTALL}") from None
        self.index = index
        self.driver: Any = driver
        try:
            driver.init()
            gpu = driver.Device(index)
            self._context = gpu.retain_primary_context()
        except driver.Error as error:
            raise ModelError(f"no GPU {index}: {error}") from None
        self.name: str = gpu.name()
        self.capability: tuple[int, int] = gpu.compute_capability()
        self.shares_memory = bool(gpu.get_attribute(driver.device_attribute.INTEGRATED))

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context this thread's current one; afterwards, restore the previous one."""
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()

    def failure(self) -> str | None:
        """Why the GPU fails every call, such as after a damaged memory or a lost bus; None: it works."""
        try:
            with self.current():
                self.driver.Context.synchronize()
        except self.driver.MemoryError:
            return None
        except self.driver.Error as error:
            return str(error)
        return None

    def free_memory(self) -> int:
        """Bytes of the GPU's memory that are free; the context must be current."""
        return int(self.driver.mem_get_info()[0])


@functools.cache
def device(index: int = 0) -> Device:
    """The GPU, which is opened once in a process."""
    return Device(index)


class Buffer:
    """Memory on the GPU; the context must be current.

    Args:
        gpu: The GPU.
        size: Bytes.
    """

    def __init__(self, gpu: Device, size: int) -> None:
        self.size = size
        self._allocation = gpu.driver.mem_alloc(max(size, 1))
        self.address = int(self._allocation)

    def free(self) -> None:
        """Give the memory back."""
        self._allocation.free()


class Pinned:
    """Page-locked memory of the host: the GPU can address it, and copies it while other work runs.

    Args:
        gpu: The GPU that uses it.
        size: Bytes.

    Attributes:
        array: u8 ``(size,)``, the memory.
        address: Its address for the GPU.
    """

    def __init__(self, gpu: Device, size: int) -> None:
        driver = gpu.driver
        self.array: U8 = driver.pagelocked_empty(
            max(size, 1), np.uint8, mem_flags=driver.host_alloc_flags.DEVICEMAP
        )
        self._allocation = self.array.base
        self.address: int = int(self._allocation.get_device_pointer())

    def view(self, dtype: npt.DTypeLike, shape: tuple[int, ...], start: int = 0) -> npt.NDArray[Any]:
        """A part of the memory as an array, from byte `start` on."""
        kind = np.dtype(dtype)
        size = kind.itemsize * int(np.prod(shape))
        return self.array[start : start + size].view(kind).reshape(shape)

    def free(self) -> None:
        """Give the memory back; no view of it may be used afterwards."""
        self._allocation.free()
